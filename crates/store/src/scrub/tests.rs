//! A whole store is found whole, also while it is written; each damage is found once and changes nothing.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::check::Place;
use crate::keys;
use crate::message::FlagChange;
use crate::tx::{Quota, Read as _};
use crate::{AccountId, Flags, LedgerId, MailboxId, Message, NewMessage, Options, Uid};

const ACCOUNT: AccountId = AccountId(1);

/// What is wrong, the key, its value, and where it is found.
type Damage<'a> = (&'a str, &'a [u8], Option<Vec<u8>>, &'a [Place]);

fn options() -> Options {
    Options {
        segment: 64 * 1024,
        ..Options::default()
    }
}

/// A store with some messages, a copy, an expunged one, and a queued body.
async fn filled(folder: &Path) -> (Store, MailboxId, Vec<Message>) {
    let (store, _) = Store::open(folder, options()).unwrap();
    store
        .transact(|tx| tx.create_home(ACCOUNT, &[LedgerId(1)]))
        .await
        .unwrap();
    let mut messages = Vec::new();
    for _ in 0..300 {
        // An empty header: all of the rest is in chunks.
        let octets: Vec<u8> = std::iter::once(b'\n')
            .chain((0..fastrand::usize(1..2_000)).map(|_| fastrand::u8(..)))
            .collect();
        messages.push(append(&store, &octets).await);
    }
    let inbox = inbox(&store).await;
    store
        .transact(move |tx| {
            let sent = tx.mailbox_named(ACCOUNT, "Sent")?.ok_or(Error::NoMailbox)?;
            tx.copy(inbox, &[Uid(1), Uid(40)], sent.id, Quota::Enforce)?;
            tx.expunge(inbox, &[Uid(2)])?;
            let seen = FlagChange::Add(Flags::SEEN, Vec::new());
            tx.change_flags(inbox, Uid(3), &seen)?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    (store, inbox, messages)
}

async fn inbox(store: &Store) -> MailboxId {
    let inbox = store.read(|tx| tx.mailbox_named(ACCOUNT, "INBOX"));
    inbox.await.unwrap().unwrap().id
}

async fn append(store: &Store, octets: &[u8]) -> Message {
    let body = store.prepare(octets, b"").unwrap();
    let new = NewMessage {
        flags: Flags::default(),
        keywords: Vec::new(),
        date: 0,
        zone: 0,
    };
    let inbox = inbox(store).await;
    store
        .transact(move |tx| tx.append(inbox, &body, &new, Quota::Enforce))
        .await
        .unwrap()
}

fn start(store: &Store, rate: u64) -> (Scrub, Receiver<Event>) {
    let (sender, events) = channel();
    let settings = Settings {
        rate,
        every: Duration::from_hours(1),
        after: Duration::ZERO,
    };
    let scrub = Scrub::start(store, settings, move |event| drop(sender.send(event))).unwrap();
    (scrub, events)
}

/// One whole pass.
fn pass(store: &Store) -> (Vec<Problem>, Status) {
    // The one before would let the next begin in an hour only.
    let _ = std::fs::remove_file(store.shared().folder.join("scrub"));
    let (_scrub, events) = start(store, u64::MAX);
    let mut problems = Vec::new();
    loop {
        match events.recv().unwrap() {
            Event::Begun(_) => {}
            Event::Found(problem) => problems.push(problem),
            Event::Finished(status) => return (problems, status),
            Event::Failed(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_whole_store_is_found_whole_also_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = filled(folder.path()).await;
    assert!(store.shared().segments.all().len() > 2, "several segments");
    let (problems, status) = pass(&store);
    assert_eq!(problems, []);
    assert_eq!((status.at, status.bodies, status.problems), (None, 300, 0));
    assert_eq!(Status::read(folder.path()), Some(status));

    let other = store.clone();
    let scrub = std::thread::spawn(move || (0..3).map(|_| pass(&other).0).collect::<Vec<_>>());
    let inbox = inbox(&store).await;
    let mut number = 300;
    while !scrub.is_finished() {
        append(&store, b"meanwhile").await;
        number += 1;
        let gone = [Uid(number / 2), Uid(number / 3)];
        store
            .transact(move |tx| tx.expunge(inbox, &gone))
            .await
            .unwrap();
    }
    assert_eq!(scrub.join().unwrap(), [[], [], []]);
}

#[tokio::test]
async fn a_damaged_body_is_named_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, messages) = filled(folder.path()).await;
    // UID 40 is in two mailboxes.
    let victim = messages[39].clone();
    let segment = store.shared().segments.holding(Lsn(victim.body.0)).unwrap();
    let mut octets = std::fs::read(&segment.path).unwrap();
    let at = victim.body.0 - segment.first + u64::from(victim.frame) - 1;
    octets[usize::try_from(at).unwrap()] ^= 1;
    std::fs::write(&segment.path, octets).unwrap();
    let (problems, status) = pass(&store);
    let places: Vec<Place> = problems.iter().map(|problem| problem.place).collect();
    assert_eq!(
        places,
        [Place::Log, Place::Body, Place::Body],
        "{problems:?}"
    );
    let named = |problem: &Problem| (problem.mailbox.clone(), problem.uid);
    assert_eq!(
        named(&problems[1]),
        (Some("INBOX".to_owned()), Some(Uid(40)))
    );
    assert_eq!(named(&problems[2]), (Some("Sent".to_owned()), Some(Uid(2))));
    assert_eq!(status.finished_problems, 3);
}

#[tokio::test]
async fn an_index_that_is_not_what_the_log_says_is_found_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, inbox, _) = filled(folder.path()).await;
    let leaf = keys::leaf(inbox, Uid(1));
    let other = keys::leaf(inbox, Uid(33));
    let get = |key: &[u8]| {
        let engine = store.shared().engine.read().unwrap();
        engine.as_deref().unwrap().get(key).unwrap().unwrap()
    };
    let (whole, moved) = (
        get(&leaf),
        keys::unseal(&other, &get(&other)).unwrap().to_vec(),
    );
    let strange = keys::leaf(MailboxId(4_711), Uid(16));
    let damages: [Damage<'_>; 4] = [
        (
            "does not match",
            &leaf,
            Some(b"x".to_vec()),
            &[Place::Index],
        ),
        // A record that is valid in itself, but of another time or place.
        (
            "is not what the log says",
            &leaf,
            Some(keys::seal(&leaf, &moved)),
            &[Place::Index],
        ),
        (
            "is in the log, but not in",
            &leaf,
            None,
            &[Place::Index, Place::Sums],
        ),
        (
            "is not in the log",
            &strange,
            Some(keys::seal(&strange, &moved)),
            &[Place::Index],
        ),
    ];
    for (text, key, value, places) in damages {
        store.meddle(key, value);
        let (problems, _) = pass(&store);
        let named: Vec<_> = problems
            .iter()
            .filter(|problem| problem.what.contains(text))
            .collect();
        assert_eq!(named.len(), 1, "{text}: {problems:?}");
        if key == leaf {
            assert_eq!(named[0].mailbox.as_deref(), Some("INBOX"));
            assert_eq!(named[0].uid, Some(Uid(0)));
        }
        for place in places {
            assert!(
                problems.iter().any(|problem| problem.place == *place),
                "{text}: {problems:?}"
            );
        }
        let back = if key == leaf {
            Some(whole.clone())
        } else {
            None
        };
        store.meddle(key, back);
        assert_eq!(pass(&store).0, [], "{text}");
    }
    // Nothing of that made the index doubted.
    store.close().await.unwrap();
    drop(store);
    let (_, report) = Store::open(folder.path(), options()).unwrap();
    assert_eq!(report.rebuilt, None);
}

#[tokio::test]
async fn a_pass_that_was_broken_off_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = filled(folder.path()).await;
    // Slow, so that it is far from its end when it is stopped.
    let (scrub, events) = start(&store, 64 * 1024);
    assert!(matches!(events.recv().unwrap(), Event::Begun(status) if status.at == Some(Lsn(0))));
    loop {
        let at = Status::read(folder.path()).and_then(|status| status.at);
        if at.is_some_and(|at| at > Lsn(0)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(scrub);
    assert!(events.recv().is_err(), "it ended without a finding");
    let (scrub, events) = start(&store, u64::MAX);
    let Event::Begun(status) = events.recv().unwrap() else {
        panic!("a pass begins");
    };
    assert!(status.at > Some(Lsn(0)) && status.bodies > 0, "{status:?}");
    let Event::Finished(status) = events.recv().unwrap() else {
        panic!("nothing is wrong");
    };
    assert_eq!((status.bodies, status.problems), (300, 0));
    // A closed store ends the next one, and dropping ends the thread.
    store.close().await.unwrap();
    drop(scrub);
}
