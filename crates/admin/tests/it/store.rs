//! Check, salvage, backup and restore as administrators meet them: with addresses and Message-IDs.

use std::path::Path;
use std::sync::Arc;

use congvu_admin::store::Progress;
use congvu_admin::{Query, Reply, Request, Site, backup, check, salvage, store};
use congvu_directory::find;
use congvu_message::summary::summarize;
use congvu_store::check::Place;
use congvu_store::tx::Quota;
use congvu_store::{Flags, Message, NewMessage, Read};

use crate::Desk;

pub(crate) fn quiet() -> Progress {
    Arc::new(|_, _, _| {})
}

/// Three letters to `an@xa.test`; the store is closed.
async fn with_letters() -> (tempfile::TempDir, Site, Vec<Message>) {
    let desk = Desk::furnished().await;
    let store = desk.admin.directory().store().clone();
    let mut letters = Vec::new();
    for number in 0..3 {
        let text = format!(
            "Message-ID: <{number}@xa.test>\r\nSubject: C\u{f4}ng v\u{103}n\r\n\r\nNội dung {number}\r\n"
        );
        let summary = summarize(text.as_bytes()).encode();
        let body = store.prepare(text.as_bytes(), &summary).unwrap();
        let placed = store
            .transact::<_, congvu_admin::Error, _>(move |tx| {
                let address = congvu_message::Address::parse("an@xa.test").unwrap();
                let account = find::account(tx, &address)?.id;
                let inbox = tx.mailbox_named(account, "INBOX")?.unwrap();
                let message = NewMessage {
                    flags: Flags::SEEN.union(Flags::FLAGGED),
                    keywords: vec!["$Forwarded".into()],
                    date: 1_790_000_000,
                    zone: 420,
                };
                Ok(tx.append(inbox.id, &body, &message, Quota::Enforce)?)
            })
            .await
            .unwrap();
        letters.push(placed);
    }
    store.close().await.unwrap();
    drop(store);
    let Desk { admin, folder, .. } = desk;
    drop(admin);
    let site = Site {
        data: folder.path().to_owned(),
        socket: folder.path().join("no.sock"),
    };
    (folder, site, letters)
}

/// Damages the only chunk of a letter.
fn damage(folder: &Path, letter: &Message) {
    let path = folder.join("log/0000000000000000.log");
    let mut octets = std::fs::read(&path).unwrap();
    let at = letter.body.0 + u64::from(letter.frame) - 1;
    octets[usize::try_from(at).unwrap()] ^= 1;
    std::fs::write(path, octets).unwrap();
}

#[tokio::test]
async fn a_damaged_letter_is_named_and_the_others_are_salvaged() {
    let (folder, site, letters) = with_letters().await;
    let whole = check::check(&site, quiet()).await.unwrap();
    assert!(whole.whole, "{whole:?}");
    assert_eq!((whole.messages, whole.bodies), (3, 3));
    damage(folder.path(), &letters[1]);
    let checked = check::check(&site, quiet()).await.unwrap();
    let named = checked
        .problems
        .iter()
        .find(|named| named.problem.place == Place::Body)
        .unwrap();
    assert_eq!(checked.count, 2, "{checked:?}");
    assert_eq!(named.address.as_deref(), Some("an@xa.test"));
    assert_eq!(named.message_id.as_deref(), Some("<1@xa.test>"));
    assert_eq!(named.problem.mailbox.as_deref(), Some("INBOX"));
    assert_eq!(named.problem.uid, Some(letters[1].uid));

    let to = tempfile::tempdir().unwrap();
    let done = salvage::salvage(&site.data, to.path(), quiet())
        .await
        .unwrap();
    assert_eq!((done.messages, done.accounts, done.damage.len()), (2, 2, 1));
    assert_eq!(done.unreadable.len(), 1, "{done:?}");
    assert_eq!(done.unreadable[0].account, "an@xa.test");
    let inbox = to.path().join("an@xa.test/INBOX");
    let mut files: Vec<_> = std::fs::read_dir(inbox.join("cur"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 2);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("1790000000.M") && name.ends_with(":2,FSa"),
        "{name}"
    );
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(text.ends_with("Nội dung 0\r\n"), "{text}");
    let time = std::fs::metadata(&files[0]).unwrap().modified().unwrap();
    let seconds = time
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert_eq!(seconds, 1_790_000_000);
    let keywords = std::fs::read_to_string(inbox.join("dovecot-keywords")).unwrap();
    assert_eq!(keywords, "0 $Forwarded\n");
    assert!(to.path().join("vanthu@xa.test/Sent/cur").is_dir());
    let again = salvage::salvage(&site.data, to.path(), quiet()).await;
    assert!(again.is_err(), "the folder is not empty");
}

#[tokio::test]
async fn a_store_goes_through_backup_and_restore() {
    let (folder, site, _) = with_letters().await;
    let place = tempfile::tempdir().unwrap();
    let (to, data) = (place.path().join("backup"), place.path().join("data"));
    let first = backup::backup(&site, &to, quiet()).await.unwrap();
    assert!(first.copied > 0 && first.damaged.is_empty());
    assert!(
        backup::verify(&to, quiet())
            .await
            .unwrap()
            .problems
            .is_empty()
    );
    let done = backup::restore(&to, &data, quiet()).await.unwrap();
    assert_eq!(done.restored.lsn, first.lsn);
    assert!(done.problems.is_empty());
    let restored = Site {
        data,
        socket: site.socket.clone(),
    };
    let checked = check::check(&restored, quiet()).await.unwrap();
    assert!(checked.whole && checked.messages == 3, "{checked:?}");
    let mut connection = congvu_admin::connect(
        &restored.data,
        &restored.socket,
        congvu_store::Options::default(),
    )
    .await
    .unwrap();
    let query = Query::Audit {
        since: None,
        until: None,
        after: None,
    };
    let Reply::Audit(page) = connection.request(Request::Query(query)).await.unwrap() else {
        panic!("another answer");
    };
    let last = page.entries.last().unwrap();
    assert_eq!(
        (last.act.as_str(), last.result.as_str()),
        ("restore", "done")
    );
    connection.close().await.unwrap();
    let full = backup::restore(&to, folder.path(), quiet()).await;
    assert!(full.is_err(), "the folder is not empty");
}

#[tokio::test]
async fn a_store_is_counted_and_rebuilt() {
    let (folder, site, _) = with_letters().await;
    let stats = store::stats(&site).await.unwrap();
    assert_eq!((stats.accounts, stats.messages, stats.bodies), (2, 3, 3));
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let checked = check::check(&site, quiet()).await.unwrap();
    assert_eq!(checked.count, 1, "the missing index is told: {checked:?}");
    let report = store::rebuild(&site, quiet()).await.unwrap();
    assert!(report.replayed > 3 && report.damaged.is_empty());
    let checked = check::check(&site, quiet()).await.unwrap();
    assert!(checked.whole, "{checked:?}");
}
