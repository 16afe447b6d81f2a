//! Every act leaves its record, and no secret in it.

use congvu_admin::audit::AuditView;
use congvu_admin::{NewPassword, Query, Reply};
use congvu_directory::Kind;
use congvu_store::Timestamp;

use crate::{Desk, PASSWORD, add_account, given, import, set_password};

impl Desk {
    pub(crate) async fn audit(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Vec<AuditView> {
        let query = Query::Audit {
            since,
            until,
            after: None,
        };
        let mut all = self.ask(query.clone()).await;
        while let Some(next) = all.next().map(str::to_owned) {
            all.append(self.ask(query.clone().continued(&next)).await);
        }
        match all {
            Reply::Audit(page) => page.entries,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn acts_and_refused_acts_are_recorded_without_secrets() {
    let desk = Desk::furnished().await;
    desk.done(set_password("an@xa.test", given(PASSWORD))).await;
    desk.refused(set_password("an@xa.test", given("ngắn quá")))
        .await;
    desk.refused(add_account("an@xa.test", Kind::Person, NewPassword::None))
        .await;
    let csv = format!("address,password\nbinh@xa.test,{PASSWORD}\n");
    desk.perform(congvu_admin::Request::Change(import(&csv, true)))
        .await
        .unwrap();
    desk.perform(congvu_admin::Request::Change(import(&csv, false)))
        .await
        .unwrap();
    let records = desk.audit(None, None).await;
    let told: Vec<_> = records
        .iter()
        .map(|r| format!("{} {}: {}", r.act, r.subject, r.result))
        .collect();
    assert_eq!(
        told,
        [
            "agency add XA: done",
            "domain add xa.test: done",
            "account add an@xa.test: done",
            "account add vanthu@xa.test: done",
            "password set an@xa.test: done",
            "password set an@xa.test: refused: the password is not allowed: it must have at least 12 characters and at \
         most 512 octets",
            "account add an@xa.test: refused: account exists already: an@xa.test",
            "account import binh@xa.test: done",
        ]
    );
    assert!(records.iter().all(|r| r.who == desk.who));
    let text = format!("{records:?}");
    assert!(
        !text.contains(PASSWORD) && !text.contains("ngắn quá"),
        "{text}"
    );
}

#[tokio::test]
async fn records_are_found_by_time_and_page() {
    let desk = Desk::furnished().await;
    for _ in 0..510 {
        desk.refused(crate::add_agency("XA", None)).await;
    }
    let all = desk.audit(None, None).await;
    assert_eq!(all.len(), 4 + 510);
    assert!(all.is_sorted_by_key(|r| r.at));
    let (first, last) = (all[0].at, all[513].at);
    assert_eq!(desk.audit(Some(Timestamp(last.0 + 1)), None).await.len(), 0);
    assert_eq!(
        desk.audit(None, Some(Timestamp(first.0 - 1))).await.len(),
        0
    );
    assert_eq!(desk.audit(Some(first), Some(last)).await.len(), 514);
    assert_eq!(
        desk.audit(Some(all[2].at), None).await.len(),
        all.iter().filter(|r| r.at >= all[2].at).count()
    );
}
