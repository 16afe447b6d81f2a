//! The quarantine: what is held stays through everything until it is released or dropped, once.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the methods themselves are of one lifetime, not of any"
)]

use std::collections::BTreeMap;

use congvu_store::backup::{backup, restore};
use congvu_store::compact::Pacing;
use congvu_store::quarantine::{
    End, LETTERS_MOST, Letter, NewLetter, QuarantineId, QuarantineRead as _, Release,
};
use congvu_store::salvage::Salvage;
use congvu_store::trace::{Event, QuarantineAct, Trace};
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Error, LogFiles, Read as _, Store, Timestamp, Uid};

use crate::world::{ACCOUNT, LEDGER, copy, dump, mailbox, octets, open, other_boot, store};

const ASKED: Pacing = Pacing {
    rate: None,
    asked: true,
};

fn about(subject: &str) -> NewLetter {
    NewLetter {
        account: ACCOUNT,
        trace: format!("trace-{subject}"),
        sender: "an@xa.test".into(),
        rcpt: "binh@bo.test".into(),
        subject: subject.into(),
        date: 1_700_000_123,
        zone: 420,
        unwanted: 997,
        ..NewLetter::default()
    }
}

async fn hold(store: &Store, new: NewLetter, text: &[u8]) -> Letter {
    let body = store.prepare(text, b"summary").unwrap();
    let held = store.transact(move |tx| tx.hold_letter(&new, &body)).await;
    held.unwrap().unwrap()
}

async fn release(store: &Store, id: QuarantineId) -> Release {
    store
        .transact(move |tx| tx.release_letter(id, "a test", Quota::Enforce))
        .await
        .unwrap()
}

async fn acts(store: &Store) -> Vec<(QuarantineId, QuarantineAct)> {
    let traces = store.read(|tx| tx.scan::<Trace>(&[], &[], 1_000)).await;
    let told = traces
        .unwrap()
        .into_iter()
        .filter_map(|trace| match trace.event {
            Event::Quarantined(held) => Some((held.letter, held.act)),
            _ => None,
        });
    told.collect()
}

#[tokio::test]
async fn a_released_letter_is_in_its_mailbox_once_and_costs_quota_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let letter = hold(&store, about("one"), b"Subject: one\r\n\r\ntext").await;
    assert_eq!(dump(&store).await.ledger.messages, 0);
    let (inbox, uid) = match release(&store, letter.id).await {
        Release::Placed(released, inbox, uid) => {
            assert_eq!(*released, letter);
            (inbox, uid)
        }
        other => panic!("{other:?}"),
    };
    let seen = dump(&store).await;
    assert_eq!(seen.ledger.messages, 1);
    let message = store.read(move |tx| tx.message(inbox, uid)).await;
    let message = message.unwrap().unwrap();
    assert_eq!(
        (message.date, message.zone, message.body),
        (1_700_000_123, 420, letter.body)
    );
    assert_eq!(
        octets(&store, &message).await.unwrap(),
        b"Subject: one\r\n\r\ntext"
    );
    match release(&store, letter.id).await {
        Release::Ended(known) => assert_eq!(known.end.unwrap().0, End::Released),
        other => panic!("{other:?}"),
    }
    assert_eq!(release(&store, QuarantineId(99)).await, Release::Missing);
    assert_eq!(dump(&store).await, seen);
    assert_eq!(
        acts(&store).await,
        [
            (letter.id, QuarantineAct::Held),
            (letter.id, QuarantineAct::Ended(End::Released))
        ]
    );
    assert!(store.read(|tx| tx.check_homes()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_detail_names_the_mailbox_unless_it_is_a_special_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    store
        .transact(|tx| tx.create_mailbox(ACCOUNT, "Hop", None))
        .await
        .unwrap();
    for (detail, expected) in [("hop", "Hop"), ("sent", "INBOX"), ("none", "INBOX")] {
        let new = NewLetter {
            detail: Some(detail.into()),
            ..about(detail)
        };
        let letter = hold(&store, new, b"x").await;
        let Release::Placed(_, placed, _) = release(&store, letter.id).await else {
            panic!("{detail}");
        };
        assert_eq!(placed, mailbox(&store, expected).await.id, "{detail}");
    }
}

#[tokio::test]
async fn what_has_no_room_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    store
        .transact(|tx| tx.set_limits(LEDGER, 3, 0))
        .await
        .unwrap();
    // Held past the limit of the mailboxes, but not released into them.
    let letter = hold(&store, about("large"), b"0123456789").await;
    let refused = store
        .transact(move |tx| tx.release_letter(letter.id, "", Quota::Enforce))
        .await;
    assert!(matches!(refused, Err(Error::OverQuota(_))), "{refused:?}");
    assert!(
        store
            .read(move |tx| tx.letter(letter.id))
            .await
            .unwrap()
            .is_some()
    );
    let body = store.prepare(b"x", b"").unwrap();
    let filled = store
        .transact(move |tx| {
            let mut held = 1;
            while tx.hold_letter(&about("many"), &body)?.is_some() {
                held += 1;
            }
            Ok::<_, Error>(held)
        })
        .await
        .unwrap();
    assert_eq!(filled, LETTERS_MOST);
    let unknown = NewLetter {
        account: AccountId(77),
        ..about("nobody")
    };
    let body = store.prepare(b"x", b"").unwrap();
    let refused = store
        .transact(move |tx| tx.hold_letter(&unknown, &body))
        .await;
    assert!(matches!(refused, Err(Error::NoAccount)), "{refused:?}");
}

#[tokio::test]
async fn a_removed_account_keeps_its_letters_until_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let letter = hold(&store, about("one"), b"x").await;
    store.transact(|tx| tx.remove_home(ACCOUNT)).await.unwrap();
    let refused = store
        .transact(move |tx| tx.release_letter(letter.id, "", Quota::Enforce))
        .await;
    assert!(matches!(refused, Err(Error::NoAccount)), "{refused:?}");
    store
        .transact(|tx| tx.undelete_home(ACCOUNT, &[LEDGER], Quota::Enforce))
        .await
        .unwrap();
    assert!(matches!(
        release(&store, letter.id).await,
        Release::Placed(..)
    ));
    let second = hold(&store, about("two"), b"y").await;
    assert_eq!(
        store
            .transact(|tx| tx.drop_letters_of(ACCOUNT, 10))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        store
            .transact(|tx| tx.drop_letters_of(ACCOUNT, 10))
            .await
            .unwrap(),
        0
    );
    assert_eq!(store.read(|tx| tx.shelf(ACCOUNT)).await.unwrap(), None);
    match release(&store, second.id).await {
        Release::Ended(known) => assert_eq!(known.end.unwrap().0, End::Forgotten),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_backup_and_a_salvage_have_what_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let letter = hold(&store, about("kept"), b"kept text").await;
    let (to, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let end = store.read(|tx| tx.position()).await.unwrap().lsn;
    let files = LogFiles::of_store(folder.path()).unwrap();
    backup(&files, end, to.path(), &mut |_, _| {}).unwrap();
    store.close().await.unwrap();
    let salvage = Salvage::read(folder.path(), &mut |_, _| {}).unwrap();
    assert_eq!(salvage.records::<Letter>(), std::slice::from_ref(&letter));
    assert_eq!(salvage.unplaced(), []);
    let body = salvage.body(letter.body).unwrap();
    assert_eq!(body.octets(0, 100).unwrap(), b"kept text");
    let restored = again.path().join("data");
    restore(to.path(), &restored, &mut |_, _| {}).unwrap();
    let (store, _) = open(&restored);
    let Release::Placed(_, inbox, uid) = release(&store, letter.id).await else {
        panic!("not restored");
    };
    let message = store.read(move |tx| tx.message(inbox, uid)).await;
    let message = message.unwrap().unwrap();
    assert_eq!(octets(&store, &message).await.unwrap(), b"kept text");
    // Numbers that a link may name are not given to another letter.
    assert!(hold(&store, about("next"), b"z").await.id.0 > letter.id.0 + 1_000);
}

/// The store has what the maps say.
async fn compare(
    store: &Store,
    held: &BTreeMap<QuarantineId, Vec<u8>>,
    ended: &BTreeMap<QuarantineId, End>,
    inbox: &BTreeMap<Uid, Vec<u8>>,
) {
    let letters = store
        .read(|tx| tx.letters_of(ACCOUNT, QuarantineId(0), 1_000))
        .await
        .unwrap();
    assert_eq!(
        letters.iter().map(|letter| letter.id).collect::<Vec<_>>(),
        held.keys().copied().collect::<Vec<_>>()
    );
    for letter in letters {
        let body = store.body(letter.body, letter.frame).await.unwrap();
        assert!(store.octets(&body, 0, u64::MAX).await.unwrap() == held[&letter.id]);
    }
    let shown = dump(store).await;
    let (_, messages, _) = shown
        .mailboxes
        .iter()
        .find(|(m, ..)| m.name == "INBOX")
        .unwrap();
    assert_eq!(
        messages
            .iter()
            .map(|message| message.uid)
            .collect::<Vec<_>>(),
        inbox.keys().copied().collect::<Vec<_>>()
    );
    for message in messages {
        assert!(octets(store, message).await.unwrap() == inbox[&message.uid]);
    }
    let known = store
        .read(|tx| tx.letters_ended(QuarantineId(0), 1_000))
        .await
        .unwrap()
        .0;
    let known: BTreeMap<_, _> = known
        .into_iter()
        .map(|known| (known.id, known.end.unwrap().0))
        .collect();
    assert_eq!(&known, ended);
    assert_eq!(store.read(|tx| tx.check_homes()).await.unwrap(), []);
}

/// What is held and what became of the rest, against plain maps, through every kind of restart and compaction.
#[tokio::test]
async fn random_acts_are_what_plain_maps_say_through_every_kind_of_restart() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folders = tempfile::tempdir().unwrap();
    let mut folder = folders.path().join("0");
    let mut store = store(&folder).await;
    let mut held: BTreeMap<QuarantineId, Vec<u8>> = BTreeMap::new();
    let mut ended: BTreeMap<QuarantineId, End> = BTreeMap::new();
    let mut inbox: BTreeMap<Uid, Vec<u8>> = BTreeMap::new();
    for round in 1..=16 {
        for _ in 0..random.usize(1..30) {
            let some = random.choice(held.keys().copied().collect::<Vec<_>>());
            match (random.u8(0..6), some) {
                (0, Some(id)) => {
                    let Release::Placed(_, _, uid) = release(&store, id).await else {
                        panic!("{id} is held");
                    };
                    inbox.insert(uid, held.remove(&id).unwrap());
                    ended.insert(id, End::Released);
                }
                (1, Some(id)) => {
                    let end = random.choice([End::Deleted, End::Expired]).unwrap();
                    let gone = store.transact(move |tx| tx.drop_letter(id, end, "x")).await;
                    assert_eq!(gone.unwrap().unwrap().id, id);
                    held.remove(&id);
                    ended.insert(id, end);
                }
                (2, Some(id)) => {
                    // A transaction that fails afterwards leaves it as it is.
                    let failed = store
                        .transact(move |tx| {
                            tx.release_letter(id, "", Quota::Enforce)?;
                            Err::<(), _>(Error::NoMailbox)
                        })
                        .await;
                    assert!(failed.is_err());
                }
                _ => {
                    let text: Vec<u8> =
                        (0..random.usize(0..6_000)).map(|_| random.u8(..)).collect();
                    let letter = hold(&store, about("random"), &text).await;
                    held.insert(letter.id, text);
                }
            }
        }
        if random.bool() {
            store.compact(ASKED).unwrap();
        }
        let kind = random.u8(0..4);
        println!("round {round}, kind {kind}");
        let next = folders.path().join(round.to_string());
        match kind {
            0 | 1 => {
                copy(&folder, &next);
                store.close().await.unwrap();
                folder = next;
                if kind == 1 {
                    other_boot(&folder);
                }
            }
            2 => {
                store.close().await.unwrap();
                std::fs::remove_dir_all(folder.join("index")).unwrap();
            }
            _ => store.close().await.unwrap(),
        }
        let (opened, report) = open(&folder);
        assert!(report.damaged.is_empty() && report.cut == 0, "{report:?}");
        store = opened;
        compare(&store, &held, &ended, &inbox).await;
    }
}

#[tokio::test]
async fn who_was_told_of_what_is_remembered_and_numbers_can_be_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let (one, two) = (
        hold(&store, about("one"), b"1").await,
        hold(&store, about("two"), b"2").await,
    );
    store
        .transact(move |tx| {
            tx.told_letters(ACCOUNT, one.id, Timestamp(5))?;
            tx.drop_letter(one.id, End::Deleted, "")?;
            tx.forget_letter(one.id)?;
            // One that is held is not forgotten.
            tx.forget_letter(two.id)
        })
        .await
        .unwrap();
    let shelf = store.read(|tx| tx.shelf(ACCOUNT)).await.unwrap().unwrap();
    assert_eq!(
        (shelf.letters, shelf.octets, shelf.told, shelf.told_upto),
        (1, 1, Timestamp(5), one.id)
    );
    assert_eq!(
        store.read(|tx| tx.shelves(AccountId(0), 9)).await.unwrap(),
        [shelf]
    );
    assert_eq!(release(&store, one.id).await, Release::Missing);
    assert!(matches!(release(&store, two.id).await, Release::Placed(..)));
}
