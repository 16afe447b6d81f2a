//! Single messages, mailboxes and accounts from a backup into the store in use.

use std::sync::{Arc, Mutex};

use congvu_admin::mail::Fate;
use congvu_admin::mail::restore::{Restore, Wanted, restore};
use congvu_admin::{Error, Site};
use congvu_directory::find;
use congvu_store::{Read, Timestamp, Uid};

use crate::mail::{Content, content, fill, names, open, random_letter, world};
use crate::store::quiet;

/// Runs a transaction on the account's mailboxes.
async fn change(
    site: &Site,
    act: impl Fn(&mut congvu_store::Tx<'_>, congvu_store::AccountId) -> Result<(), Error>
    + Send
    + Sync
    + 'static,
) {
    let store = open(site);
    store
        .transact::<_, Error, _>(move |tx| {
            let address = congvu_message::Address::parse("an@xa.test").unwrap();
            let account = find::account(tx, &address)?.id;
            act(tx, account)
        })
        .await
        .unwrap();
    store.close().await.unwrap();
}

/// An account that lost some of what is in its backup.
struct Lost {
    _folder: tempfile::TempDir,
    site: Site,
    backup: tempfile::TempDir,
    before: Content,
    /// Of the mailbox that was deleted.
    uidvalidity: u32,
}

impl Lost {
    fn what(&self) -> Restore {
        Restore {
            from: self.backup.path().to_owned(),
            address: "an@xa.test".into(),
            to: None,
            mailboxes: Vec::new(),
            into: None,
            wanted: Wanted::default(),
            dry_run: false,
            ignore_quota: false,
            work: None,
        }
    }
}

async fn lost() -> Lost {
    let (folder, site) = world().await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut all = Content::new();
    for name in ["A", "A/B", "Công văn", "INBOX"] {
        let letters = (0..4).map(|number| {
            let mut letter = random_letter(&mut random, number);
            let head = format!(
                "Message-ID: <{number}@{}>\r\nFrom: An <an@xa.test>\r\n",
                name.len()
            );
            letter.octets.splice(..0, head.into_bytes());
            letter.date = i64::try_from(number).unwrap() * 86_400;
            letter
        });
        all.push((name.to_owned(), letters.collect()));
    }
    fill(&site, "an@xa.test", &all).await;
    let before = content(&site, "an@xa.test").await;
    let backup = tempfile::tempdir().unwrap();
    congvu_admin::backup::backup(&site, backup.path(), quiet())
        .await
        .unwrap();
    // One mailbox is deleted, one renamed, messages are expunged from both others.
    let old = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&old);
    change(&site, move |tx, account| {
        let gone = tx.mailbox_named(account, "A/B")?.unwrap();
        *seen.lock().unwrap() = gone.uidvalidity.0;
        tx.delete_mailbox(account, "A/B")?;
        tx.rename_mailbox(account, "Công văn", "Lưu/Công văn")?;
        for (name, uids) in [
            ("INBOX", vec![Uid(2), Uid(3)]),
            ("Lưu/Công văn", vec![Uid(1)]),
        ] {
            let mailbox = tx.mailbox_named(account, name)?.unwrap();
            tx.expunge(mailbox.id, &uids)?;
        }
        Ok(())
    })
    .await;
    let uidvalidity = *old.lock().unwrap();
    Lost {
        _folder: folder,
        site,
        backup,
        before,
        uidvalidity,
    }
}

#[tokio::test]
async fn single_messages_come_back() {
    let lost = lost().await;
    let some = Restore {
        mailboxes: vec!["INBOX".into()],
        wanted: Wanted {
            message_id: Some("2@5".into()),
            ..Wanted::default()
        },
        dry_run: true,
        ..lost.what()
    };
    let listed = restore(&lost.site, &some, quiet()).await.unwrap();
    assert_eq!(listed.messages.len(), 1);
    assert_eq!(listed.messages[0].uid, Uid(3));
    assert_eq!(listed.messages[0].fate, Some(Fate::Would));
    assert_eq!(listed.messages[0].from, "An <an@xa.test>");
    let done = restore(
        &lost.site,
        &Restore {
            dry_run: false,
            ..some
        },
        quiet(),
    )
    .await
    .unwrap();
    assert_eq!(done.messages[0].fate, Some(Fate::Placed(Uid(5))));
    for (wanted, count) in [
        (
            Wanted {
                uids: vec![(1, 2), (4, 9)],
                ..Wanted::default()
            },
            3,
        ),
        (
            Wanted {
                since: Some(Timestamp(86_400_000)),
                until: Some(Timestamp(86_400_000)),
                ..Wanted::default()
            },
            1,
        ),
        (
            Wanted {
                subject: Some("3".into()),
                ..Wanted::default()
            },
            1,
        ),
        (
            Wanted {
                sender: Some("AN@xa".into()),
                ..Wanted::default()
            },
            4,
        ),
        (
            Wanted {
                sender: Some("binh".into()),
                ..Wanted::default()
            },
            0,
        ),
    ] {
        let narrowed = Restore {
            mailboxes: vec!["INBOX".into()],
            wanted,
            dry_run: true,
            ..lost.what()
        };
        let found = restore(&lost.site, &narrowed, quiet()).await.unwrap();
        assert_eq!(found.messages.len(), count, "{narrowed:?}");
    }
}

#[tokio::test]
async fn everything_that_is_missing_comes_back() {
    let lost = lost().await;
    let done = restore(&lost.site, &lost.what(), quiet()).await.unwrap();
    assert_eq!((done.moved.tally.placed, done.moved.tally.present), (7, 9));
    let after = content(&lost.site, "an@xa.test").await;
    let sorted = |content: &Content, name: &str| {
        let found = content.iter().find(|(found, _)| found == name);
        let mut letters = found.unwrap().1.clone();
        letters.sort_by_key(|letter| letter.date);
        letters
    };
    for (here, there) in [
        ("A", "A"),
        ("A/B", "A/B"),
        ("INBOX", "INBOX"),
        ("Lưu/Công văn", "Công văn"),
    ] {
        assert_eq!(sorted(&after, here), sorted(&lost.before, there), "{here}");
    }
    let new = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&new);
    change(&lost.site, move |tx, account| {
        *seen.lock().unwrap() = tx.mailbox_named(account, "A/B")?.unwrap().uidvalidity.0;
        Ok(())
    })
    .await;
    assert!(*new.lock().unwrap() > lost.uidvalidity);

    // Elsewhere: into a mailbox of its own, into another account.
    let elsewhere = Restore {
        to: Some("binh@xa.test".into()),
        into: Some("Của An".into()),
        ..lost.what()
    };
    let done = restore(&lost.site, &elsewhere, quiet()).await.unwrap();
    assert_eq!(done.moved.tally.placed, 16);
    assert_eq!(
        names(&content(&lost.site, "binh@xa.test").await),
        [("Của An", 16)]
    );

    for wrong in [
        Restore {
            from: lost.site.data.clone(),
            ..lost.what()
        },
        Restore {
            address: "nobody@xa.test".into(),
            ..lost.what()
        },
        Restore {
            mailboxes: vec!["Không có".into()],
            ..lost.what()
        },
    ] {
        assert!(restore(&lost.site, &wrong, quiet()).await.is_err());
    }
}
