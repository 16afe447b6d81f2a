//! The store on a disk that fails on purpose: at the n-th write, the n-th sync, for every n.

use std::collections::BTreeSet;
use std::io::{Error as IoError, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::log::segment::{Act, Disk};
use crate::log::writer::{FLOOR, RESERVE};
use crate::tx::Quota;
use crate::{AccountId, Error, Flags, LedgerId, NewMessage, Options, Read, Store};

const ACCOUNT: AccountId = AccountId(1);

/// Fails acts of one kind from the n-th on, `times` times.
fn faulty(act: Act, nth: usize, times: usize, kind: ErrorKind) -> Disk {
    let count = AtomicUsize::new(0);
    Disk::failing(Arc::new(move |now| {
        if now != act {
            return Ok(());
        }
        let number = count.fetch_add(1, Ordering::Relaxed);
        if (nth..nth.saturating_add(times)).contains(&number) {
            Err(IoError::from(kind))
        } else {
            Ok(())
        }
    }))
}

fn options() -> Options {
    // Small segments: creating one is among the acts that fail.
    Options {
        segment: 2_000,
        ..Options::default()
    }
}

/// Delivers numbered messages; which were acknowledged, and what the others were told.
async fn deliver(store: &Store, numbers: std::ops::Range<u32>) -> (BTreeSet<u32>, Vec<Error>) {
    let (mut kept, mut errors) = (BTreeSet::new(), Vec::new());
    for number in numbers {
        let body = store
            .prepare(format!("letter {number}").as_bytes(), b"")
            .unwrap();
        let new = NewMessage {
            flags: Flags::default(),
            keywords: Vec::new(),
            date: i64::from(number),
            zone: 0,
        };
        let placed = store
            .transact(move |tx| {
                let inbox = tx
                    .mailbox_named(ACCOUNT, "INBOX")?
                    .ok_or(Error::NoMailbox)?;
                tx.append(inbox.id, &body, &new, Quota::Enforce)
            })
            .await;
        match placed {
            Ok(_) => drop(kept.insert(number)),
            Err(error) => errors.push(error),
        }
    }
    (kept, errors)
}

/// Numbers of the messages in the INBOX, whose octets are all readable.
async fn present(store: &Store) -> BTreeSet<u32> {
    let read = store.read(|tx| {
        let inbox = tx
            .mailbox_named(ACCOUNT, "INBOX")?
            .ok_or(Error::NoMailbox)?;
        let messages = tx.messages(inbox.id, crate::Uid(0), crate::Uid(u32::MAX), 1_000)?;
        assert_eq!(inbox.messages as usize, messages.len());
        Ok::<_, Error>(messages)
    });
    let mut numbers = BTreeSet::new();
    for message in read.await.unwrap() {
        let octets = store
            .open_body(message.body, message.frame)
            .unwrap()
            .octets(0, u64::MAX)
            .unwrap();
        assert_eq!(octets, format!("letter {}", message.date).as_bytes());
        assert!(
            numbers.insert(u32::try_from(message.date).unwrap()),
            "twice"
        );
    }
    numbers
}

/// Prepares a store on a thread of its own, because a runtime cannot be started inside another.
fn prepare_aside(folder: &Path) {
    std::thread::scope(|scope| scope.spawn(|| prepared(folder)).join().unwrap());
}

fn prepared(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (store, _) = Store::open(folder, options()).unwrap();
        store
            .transact(|tx| tx.create_home(ACCOUNT, &[LedgerId(1)]))
            .await
            .unwrap();
        store.close().await.unwrap();
    });
}

/// Makes the next start believe that the machine went down.
fn power_cut(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("state")).unwrap();
    let store = text
        .lines()
        .find(|line| line.starts_with("store "))
        .unwrap()
        .to_owned();
    std::fs::write(
        folder.join("state"),
        format!("format 1\n{store}\nleft open\nboot another\n"),
    )
    .unwrap();
}

async fn after_restart(folder: &Path, rebuild: bool) -> BTreeSet<u32> {
    if rebuild {
        power_cut(folder);
    }
    let (store, report) = Store::open(folder, options()).unwrap();
    assert!(report.damaged.is_empty(), "{report:?}");
    let numbers = present(&store).await;
    store.close().await.unwrap();
    numbers
}

#[tokio::test]
async fn a_full_disk_refuses_and_the_store_goes_on() {
    for act in [Act::Write, Act::Create, Act::Room] {
        for nth in 0..14 {
            let folder = tempfile::tempdir().unwrap();
            prepare_aside(folder.path());
            let disk = faulty(act, nth, 2, ErrorKind::StorageFull);
            let (store, _) = Store::open_on(folder.path(), &options(), &disk).unwrap();
            let (kept, errors) = deliver(&store, 0..20).await;
            assert!(
                errors
                    .iter()
                    .all(|error| matches!(error, Error::NoSpace(_))),
                "{errors:?}"
            );
            assert!(errors.len() <= 2 && kept.len() + errors.len() == 20);
            assert!(act == Act::Create || errors.len() == 2, "{nth}: {errors:?}");
            assert_eq!(present(&store).await, kept, "{act:?} {nth}");
            store.close().await.unwrap();
            assert_eq!(after_restart(folder.path(), false).await, kept);
            assert_eq!(after_restart(folder.path(), true).await, kept);
        }
    }
}

/// Expunges one message; whether it was let.
async fn expunge_one(store: &Store) -> Result<(), Error> {
    store
        .transact(|tx| {
            let inbox = tx
                .mailbox_named(ACCOUNT, "INBOX")?
                .ok_or(Error::NoMailbox)?;
            let first = tx.messages(inbox.id, crate::Uid(0), crate::Uid(u32::MAX), 1)?;
            let uids: Vec<_> = first.iter().map(|message| message.uid).collect();
            assert_eq!(tx.expunge(inbox.id, &uids)?.len(), 1);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn deleting_goes_on_where_bodies_are_refused_and_the_reserve_is_given_up_for_it() {
    let folder = tempfile::tempdir().unwrap();
    prepare_aside(folder.path());
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let disk = Disk::with_left(&left);
    let (store, _) = Store::open_on(folder.path(), &options(), &disk).unwrap();
    let (mut kept, _) = deliver(&store, 0..10).await;
    store.keep_reserve().unwrap();
    let reserve = folder.path().join("reserve");
    let reserved = || std::fs::read_dir(&reserve).unwrap().count();
    assert_eq!(reserved(), 8);
    for (octets, deletes, files) in [
        (RESERVE - 1, true, 8),
        (FLOOR + 1_000_000, true, 8),
        // The room that the reserve gives is this test's own; here it does not come.
        (FLOOR - 1, false, 0),
        (0, false, 0),
        (RESERVE - 1, true, 0),
    ] {
        left.store(octets, Ordering::Relaxed);
        let (none, errors) = deliver(&store, 100..102).await;
        assert!(none.is_empty(), "{octets}");
        assert!(
            errors
                .iter()
                .all(|error| matches!(error, Error::NoSpace(_))),
            "{errors:?}"
        );
        match expunge_one(&store).await {
            Ok(()) => drop(kept.pop_first()),
            Err(error) => assert!(matches!(error, Error::NoSpace(_)), "{error:?}"),
        }
        assert_eq!(reserved(), files, "{octets}");
        let gone = 10 - kept.len();
        assert_eq!(present(&store).await, kept, "{octets}: {gone} gone");
        assert_eq!(expunge_one(&store).await.is_ok(), deletes, "{octets}");
        if deletes {
            kept.pop_first();
        }
    }
    left.store(u64::MAX, Ordering::Relaxed);
    let (more, errors) = deliver(&store, 200..202).await;
    assert!(more.len() == 2 && errors.is_empty(), "no restart is needed");
    kept.extend(more);
    store.keep_reserve().unwrap();
    assert_eq!(reserved(), 8);
    store.close().await.unwrap();
    drop(store);
    assert_eq!(after_restart(folder.path(), true).await, kept);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_written() {
    for nth in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        prepare_aside(folder.path());
        // The sync fails once and would succeed later: it must not be tried again.
        let disk = faulty(Act::Sync, nth, 1, ErrorKind::Other);
        let (store, _) = Store::open_on(folder.path(), &options(), &disk).unwrap();
        let (kept, errors) = deliver(&store, 0..20).await;
        assert!(!errors.is_empty());
        assert!(
            errors
                .iter()
                .all(|error| matches!(error, Error::ReadOnly(_))),
            "{errors:?}"
        );
        assert_eq!(
            kept,
            (0..u32::try_from(kept.len()).unwrap()).collect(),
            "nothing after the first failure"
        );
        assert_eq!(present(&store).await, kept, "reading goes on");
        assert!(
            matches!(store.close().await, Err(Error::ReadOnly(_))),
            "no clean mark"
        );
        drop(store);
        assert_eq!(after_restart(folder.path(), false).await, kept);
        assert_eq!(after_restart(folder.path(), true).await, kept);
    }
}

#[tokio::test]
async fn any_other_failed_write_ends_writing() {
    for nth in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        prepare_aside(folder.path());
        let disk = faulty(Act::Write, nth, 1, ErrorKind::Other);
        let (store, _) = Store::open_on(folder.path(), &options(), &disk).unwrap();
        let (kept, errors) = deliver(&store, 0..20).await;
        assert!(
            matches!(errors.last(), Some(Error::ReadOnly(_) | Error::Io { .. })),
            "{errors:?}"
        );
        drop(store);
        assert_eq!(after_restart(folder.path(), true).await, kept);
    }
}

#[tokio::test]
async fn a_group_that_cannot_be_taken_back_ends_writing() {
    let folder = tempfile::tempdir().unwrap();
    prepare_aside(folder.path());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let acts = Arc::clone(&seen);
    let disk = Disk::failing(Arc::new(move |act| {
        acts.lock().unwrap().push(act);
        match act {
            Act::Write => Err(IoError::from(ErrorKind::StorageFull)),
            Act::Truncate => Err(IoError::from(ErrorKind::Other)),
            _ => Ok(()),
        }
    }));
    let (store, _) = Store::open_on(folder.path(), &options(), &disk).unwrap();
    let (kept, errors) = deliver(&store, 0..3).await;
    assert!(
        kept.is_empty()
            && errors
                .iter()
                .all(|error| matches!(error, Error::ReadOnly(_))),
        "{errors:?}"
    );
    assert_eq!(
        *seen.lock().unwrap(),
        [Act::Room, Act::Write, Act::Truncate],
        "nothing was tried after that"
    );
    drop(store);
    assert_eq!(after_restart(folder.path(), false).await, kept);
}

#[tokio::test]
async fn an_index_that_gave_damaged_records_is_rebuilt_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    prepare_aside(folder.path());
    let (store, _) = Store::open(folder.path(), options()).unwrap();
    let (kept, _) = deliver(&store, 0..20).await;
    let inbox = store
        .read(|tx| tx.mailbox_named(ACCOUNT, "INBOX"))
        .await
        .unwrap()
        .unwrap();
    store.damage(&crate::keys::leaf(inbox.id, crate::Uid(1)));
    let read = store
        .read(move |tx| tx.message(inbox.id, crate::Uid(1)))
        .await;
    assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
    store.close().await.unwrap();
    drop(store);
    let (store, report) = Store::open(folder.path(), options()).unwrap();
    assert!(report.rebuilt.is_some(), "{report:?}");
    assert_eq!(present(&store).await, kept);
}
