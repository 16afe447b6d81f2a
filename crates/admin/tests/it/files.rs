//! Accounts from a file: all or none.

use congvu_admin::{Change, Reply, Request};

use crate::{Desk, group, import};

impl Desk {
    async fn import(&self, csv: &str, dry_run: bool) -> Vec<(String, bool)> {
        match self
            .perform(Request::Change(import(csv, dry_run)))
            .await
            .unwrap()
        {
            Reply::Import(view) => view
                .accounts
                .into_iter()
                .map(|a| (a.address, a.password.is_some()))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    async fn import_errors(&self, change: Change) -> Vec<(u64, String)> {
        self.refused(change)
            .await
            .lines
            .into_iter()
            .map(|e| (e.line, e.message))
            .collect()
    }
}

const GOOD: &str = "\
address,kind,name,agency,quota_mb,quota_messages,password,aliases,operators,groups
giamdoc@xa.test,post,Giám đốc,,1024,,,gd@xa.test,binh@xa.test chi@xa.test,
binh@xa.test,person,Trần Thị Bình,XA,2048,100,mật mã của bình,,,all@xa.test
chi@xa.test,,Lê Chi,,,,,c@xa.test chi.le@xa.test,,all@xa.test
dung@xa.test,,,,,,-,,,
";

#[tokio::test]
async fn a_good_file_is_imported_whole() {
    let desk = Desk::furnished().await;
    desk.done(group("all@xa.test", &[])).await;
    let before = desk.audit(None, None).await.len();
    let tried = desk.import(GOOD, true).await;
    assert_eq!(tried.len(), 4);
    assert_eq!(desk.accounts().await.len(), 2, "a trial writes nothing");
    assert_eq!(desk.audit(None, None).await.len(), before);
    let made = desk.import(GOOD, false).await;
    let expected = [
        ("giamdoc", false),
        ("binh", false),
        ("chi", true),
        ("dung", false),
    ];
    assert_eq!(
        made,
        expected.map(|(name, generated)| (format!("{name}@xa.test"), generated))
    );
    let post = desk.account("gd@xa.test").await;
    assert_eq!(post.operators, ["binh@xa.test", "chi@xa.test"]);
    assert_eq!(post.account.usage.octets_limit, 1 << 30);
    assert!(!post.password);
    let chi = desk.account("chi.le@xa.test").await;
    assert!(chi.password);
    assert_eq!(
        (chi.aliases, chi.groups),
        (
            vec!["c@xa.test".into(), "chi.le@xa.test".into()],
            vec!["all@xa.test".into()]
        )
    );
    assert_eq!(
        desk.account("binh@xa.test")
            .await
            .account
            .usage
            .messages_limit,
        100
    );
    assert_eq!(desk.audit(None, None).await.len(), before + 4);
}

#[tokio::test]
async fn every_error_is_told_and_nothing_is_imported() {
    let desk = Desk::furnished().await;
    let csv = "\
address,kind,agency,password,aliases,operators,groups
binh@xa.test,,,,,,
BINH@xa.test,,,,,,
chi@other.test,,,,,,
dung@xa.test,,NONE,,,,
em@xa.test,,,x,,,
gi,,,,,,
ha@xa.test,post,,,an@xa.test,nobody@xa.test vanthu@xa.test,all@xa.test
";
    for dry_run in [true, false] {
        let errors = desk.import_errors(import(csv, dry_run)).await;
        let lines: Vec<u64> = errors.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7, 8, 8, 8, 8], "{errors:#?}");
        for (line, text) in [
            (3, "account exists already"),
            (4, "no such domain: other.test"),
            (5, "no such agency: NONE"),
            (6, "at least 12 characters"),
            (7, "not a mail address"),
            (8, "no such account: nobody@xa.test"),
            (8, "a post is operated by persons"),
            (8, "no such group: all@xa.test"),
            (8, "account exists already: an@xa.test"),
        ] {
            assert!(
                errors
                    .iter()
                    .any(|(at, message)| *at == line && message.contains(text)),
                "{line} {text}"
            );
        }
        assert_eq!(desk.accounts().await, ["an@xa.test", "vanthu@xa.test"]);
    }
}

#[tokio::test]
async fn a_file_that_is_not_text_is_refused() {
    let desk = Desk::furnished().await;
    let csv = congvu_admin::Plain(congvu_wire::Secret::new(vec![b'a', 0xff]));
    let change = Change::Account(congvu_admin::change::AccountChange::Import {
        csv,
        dry_run: false,
    });
    assert!(desk.refused(change).await.message.contains("not UTF-8"));
}
