//! The store on a disk that fails on purpose: at the n-th write, the n-th sync, for every n.

use std::collections::BTreeSet;
use std::io::{Error as IoError, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::log::segment::{Act, Disk};
use crate::tx::Quota;
use crate::{AccountId, Error, Flags, LedgerId, NewMessage, Options, Read, Store};

const ACCOUNT: AccountId = AccountId(1);

/// Fails acts of one kind from the n-th on, `times` times.
fn faulty(act: Act, nth: usize, times: usize, kind: ErrorKind) -> Disk {
    let count = AtomicUsize::new(0);
    Disk(Some(Arc::new(move |now| {
        if now != act {
            return Ok(());
        }
        let number = count.fetch_add(1, Ordering::Relaxed);
        if (nth..nth.saturating_add(times)).contains(&number) {
            Err(IoError::from(kind))
        } else {
            Ok(())
        }
    })))
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
    let disk = Disk(Some(Arc::new(move |act| {
        acts.lock().unwrap().push(act);
        match act {
            Act::Write => Err(IoError::from(ErrorKind::StorageFull)),
            Act::Truncate => Err(IoError::from(ErrorKind::Other)),
            _ => Ok(()),
        }
    })));
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
