//! The quarantine as an administrator meets it: whole listings, acts with their records, what expires.

use congvu_admin::change::{AccountChange, QuarantineChange};
use congvu_admin::quarantine::{QuarantineRequest, QuarantineView};
use congvu_admin::retention::Swept;
use congvu_admin::{Change, Error, NewPassword, Query, Reason, Refusal, Reply, Request};
use congvu_directory::{Kind, find};
use congvu_store::calendar::DAY;
use congvu_store::quarantine::{NewLetter, QuarantineId};
use congvu_store::{AccountId, Timestamp};

use crate::{Desk, add_account, add_agency, add_domain};

impl Desk {
    async fn number(&self, address: &str) -> AccountId {
        let address = congvu_message::Address::parse(address).unwrap();
        let store = self.admin.directory().store();
        let found = store
            .read::<_, Error, _>(move |r| Ok(find::account(r, &address)?))
            .await;
        found.unwrap().id
    }

    async fn hold(&self, address: &str, count: u32) {
        let account = self.number(address).await;
        let rcpt = address.to_owned();
        let store = self.admin.directory().store();
        let octets = b"Subject: Moi\r\nX: \x1b[31m\r\n\r\nnoi dung\r\n";
        let summary = congvu_message::summarize(octets).encode();
        let body = store.prepare(octets, &summary).unwrap();
        store
            .transact::<_, Error, _>(move |tx| {
                for number in 0..count {
                    let new = NewLetter {
                        account,
                        rcpt: rcpt.clone(),
                        subject: format!("số {number}"),
                        ..NewLetter::default()
                    };
                    tx.hold_letter(&new, &body)?.expect("room");
                }
                Ok(())
            })
            .await
            .unwrap();
    }

    /// A whole listing, page by page.
    async fn listed(&self, address: Option<&str>, agency: Option<&str>) -> Vec<QuarantineView> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let asked = QuarantineRequest::List {
                address: address.map(str::to_owned),
                agency: agency.map(str::to_owned),
                after,
            };
            let reply = self.perform(Request::Quarantine(asked)).await.unwrap();
            let Reply::Quarantine(page) = reply else {
                panic!("{reply:?}");
            };
            all.extend(page.entries);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }

    async fn sweep(&self) -> Swept {
        match self.perform(Request::Purge).await.unwrap() {
            Reply::Purged(swept) => swept,
            other => panic!("{other:?}"),
        }
    }
}

fn release(id: u64) -> Change {
    Change::Quarantine(QuarantineChange::Release {
        id,
        exceed_quota: false,
    })
}

#[tokio::test]
async fn listings_are_whole_and_each_letter_is_in_them_once() {
    let desk = Desk::furnished().await;
    desk.done(add_agency("SO", None)).await;
    desk.done(add_domain("so.test", "SO")).await;
    desk.done(add_account("binh@so.test", Kind::Person, NewPassword::None))
        .await;
    assert!(desk.listed(None, None).await.is_empty());
    desk.hold("an@xa.test", 450).await;
    desk.hold("vanthu@xa.test", 200).await;
    desk.hold("binh@so.test", 3).await;
    let all = desk.listed(None, None).await;
    assert_eq!(all.len(), 653);
    let mut numbers: Vec<u64> = all.iter().map(|one| one.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 653);
    assert_eq!(desk.listed(Some("an@xa.test"), None).await.len(), 450);
    assert_eq!(desk.listed(None, Some("XA")).await.len(), 650);
    let so = desk.listed(None, Some("SO")).await;
    assert_eq!(so.len(), 3);
    assert_eq!(
        (
            so[0].account.as_str(),
            so[0].agency.as_deref(),
            so[0].days_left
        ),
        ("binh@so.test", Some("SO"), 30)
    );
    let asked = QuarantineRequest::Show { id: so[0].number };
    match desk.perform(Request::Quarantine(asked)).await.unwrap() {
        Reply::QuarantineLetter(detail) => {
            assert!(detail.header.starts_with("Subject: Moi"));
            assert_eq!(detail.text.trim(), "noi dung");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn acts_are_recorded_and_a_second_one_is_refused() {
    let desk = Desk::furnished().await;
    desk.hold("an@xa.test", 1).await;
    let id = desk.listed(None, None).await[0].number;
    let (subject, _) = desk.done(release(id)).await;
    assert_eq!(subject, format!("{id} an@xa.test"));
    let again: Refusal = desk.refused(release(id)).await;
    assert_eq!(again.reason, Reason::Invalid);
    assert!(again.message.contains("it was released"), "{again:?}");
    let missing = desk.refused(release(id + 5)).await;
    assert_eq!(missing.reason, Reason::Missing);
    let asked = QuarantineRequest::Digest { address: None };
    let local = desk.perform(Request::Quarantine(asked)).await;
    assert!(matches!(local, Err(Error::NoServer)), "{local:?}");
    let Reply::Audit(page) = desk
        .ask(Query::Audit {
            since: None,
            until: None,
            after: None,
        })
        .await
    else {
        panic!("no records");
    };
    let acts: Vec<_> = page
        .entries
        .iter()
        .filter(|one| one.act == "quarantine release")
        .map(|one| (one.subject.as_str(), one.result.starts_with("done")))
        .collect();
    let (own, other) = (id.to_string(), (id + 5).to_string());
    assert_eq!(
        acts,
        [
            (own.as_str(), true),
            (own.as_str(), false),
            (other.as_str(), false)
        ]
    );
}

#[tokio::test]
async fn the_sweep_forgets_what_was_told_and_is_past_its_days() {
    let desk = Desk::furnished().await;
    desk.hold("an@xa.test", 3).await;
    desk.hold("vanthu@xa.test", 1).await;
    let account = desk.number("an@xa.test").await;
    let last = desk.listed(Some("an@xa.test"), None).await[2].number;
    let store = desk.admin.directory().store();
    store
        .transact::<_, Error, _>(move |tx| {
            tx.resume_calendar(Timestamp(0))?;
            // Told of all but the last.
            tx.told_letters(account, QuarantineId(last - 1), Timestamp(1))?;
            Ok(tx.count_time(31 * DAY, Timestamp(0))?)
        })
        .await
        .unwrap();
    assert_eq!(desk.sweep().await.quarantined, 2);
    assert_eq!(desk.sweep().await, Swept::default());
    let left = desk.listed(None, None).await;
    assert_eq!(left.len(), 2);
    assert_eq!(
        left.iter()
            .map(|one| (one.told, one.days_left))
            .collect::<Vec<_>>(),
        [(false, 0), (false, 0)]
    );
}

#[tokio::test]
async fn a_removed_account_keeps_its_letters_for_its_window_and_takes_them_along() {
    let desk = Desk::furnished().await;
    desk.hold("an@xa.test", 2).await;
    let id = desk.listed(None, None).await[0].number;
    let store = desk.admin.directory().store();
    store
        .transact::<_, Error, _>(|tx| Ok(tx.resume_calendar(Timestamp(0))?))
        .await
        .unwrap();
    let remove = || {
        Change::Account(AccountChange::Remove {
            address: "an@xa.test".into(),
            kind: None,
        })
    };
    desk.done(remove()).await;
    assert_eq!(desk.listed(Some("an@xa.test"), None).await.len(), 2);
    let refused = desk.refused(release(id)).await;
    assert!(refused.message.contains("account restore"), "{refused:?}");
    desk.done(Change::Account(AccountChange::Restore {
        address: "an@xa.test".into(),
        number: None,
        to: None,
        agency: None,
        exceed_quota: false,
        password: NewPassword::None,
    }))
    .await;
    desk.done(release(id)).await;
    desk.done(remove()).await;
    store
        .transact::<_, Error, _>(|tx| Ok(tx.count_time(32 * DAY, Timestamp(0))?))
        .await
        .unwrap();
    let swept = desk.sweep().await;
    assert_eq!((swept.accounts, swept.quarantined), (1, 0));
    assert!(desk.listed(None, None).await.is_empty());
}
