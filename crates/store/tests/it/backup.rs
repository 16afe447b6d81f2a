//! Backups: consistent under load, incremental, resumable, verified; and what comes back from them.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the methods themselves are of one lifetime, not of any"
)]

use std::path::{Path, PathBuf};

use congvu_store::backup::{Backed, backup, restore, verify};
use congvu_store::{Error, FlagChange, Flags, LogFiles, MailboxId, Read, Store, Uid};

use crate::world::{
    ACCOUNT, Dump, append, dump, mailbox, octets, open, options, other_boot, store,
};

/// Backs up an open store.
async fn back_up(store: &Store, folder: &Path, to: &Path) -> Result<Backed, Error> {
    let end = store.read(|tx| tx.position()).await?.lsn;
    let files = LogFiles::of_store(folder)?;
    backup(&files, end, to, &mut |_, _| {})
}

fn whole(backup: &Path) {
    let verified = verify(backup, &mut |_, _| {}).unwrap();
    assert_eq!(verified.problems, [] as [String; 0]);
}

async fn fill(store: &Store, inbox: MailboxId, count: usize) {
    for _ in 0..count {
        let octets: Vec<u8> = (0..fastrand::usize(..4_000))
            .map(|_| fastrand::u8(..))
            .collect();
        append(store, inbox, &octets).await;
    }
}

/// What clients see, without the numbers that a restore skips on purpose.
fn seen(mut dump: Dump) -> Dump {
    for (mailbox, ..) in &mut dump.mailboxes {
        mailbox.uidnext = Uid(0);
        mailbox.modseq = congvu_store::ModSeq(0);
    }
    dump
}

fn copies(backup: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(backup.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_restored_store_is_the_one_of_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (to, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    fill(&store, inbox, 40).await;
    let first = back_up(&store, folder.path(), to.path()).await.unwrap();
    assert_eq!((first.octets, first.copied), (first.lsn.0, first.lsn.0));
    fill(&store, inbox, 40).await;
    store
        .transact(move |tx| {
            let seen = FlagChange::Add(Flags::SEEN, vec!["$Khẩn".to_owned()]);
            tx.change_flags(inbox, Uid(5), &seen)?;
            tx.expunge(inbox, &[Uid(7), Uid(8)])?;
            tx.create_mailbox(ACCOUNT, "Công văn đi", None)
        })
        .await
        .unwrap();
    let second = back_up(&store, folder.path(), to.path()).await.unwrap();
    assert_eq!(
        second.copied,
        second.lsn.0 - first.lsn.0,
        "only what is new"
    );
    assert!(second.segments > 2 && second.damaged.is_empty());
    let again = back_up(&store, folder.path(), to.path()).await.unwrap();
    assert_eq!((again.copied, again.lsn), (0, second.lsn));
    whole(to.path());
    let before = dump(&store).await;
    let mut letters = Vec::new();
    for message in &before
        .mailboxes
        .iter()
        .find(|(m, ..)| m.id == inbox)
        .unwrap()
        .1
    {
        letters.push((message.clone(), octets(&store, message).await.unwrap()));
    }
    let lost = append(&store, inbox, b"after the backup").await;
    let made = store
        .transact(|tx| tx.create_mailbox(ACCOUNT, "after", None))
        .await
        .unwrap();
    drop(store);

    let target = elsewhere.path().join("data");
    let restored = restore(to.path(), &target, &mut |_, _| {}).unwrap();
    assert_eq!((restored.lsn, restored.damaged.len()), (second.lsn, 0));
    let (back, report) = open(&target);
    assert!(report.rebuilt.is_some() && report.damaged.is_empty() && report.cut == 0);
    assert_eq!(seen(dump(&back).await), seen(before));
    for (message, expected) in &letters {
        assert_eq!(&octets(&back, message).await.unwrap(), expected);
    }
    // Nothing that the lost days gave out comes again, also not after a rebuild.
    let next = append(&back, inbox, b"new").await;
    assert!(next.uid > lost.uid && next.modseq > made.modseq);
    let another = back
        .transact(|tx| tx.create_mailbox(ACCOUNT, "another", None))
        .await
        .unwrap();
    assert!(another.id > made.id && another.uidvalidity > made.uidvalidity);
    let now = dump(&back).await;
    back.close().await.unwrap();
    drop(back);
    other_boot(&target);
    assert_eq!(dump(&open(&target).0).await, now);
    // The old folder is of a store that went another way.
    let (back, _) = open(&target);
    fill(&back, inbox, 3).await;
    let later = back_up(&back, &target, to.path()).await;
    assert!(later.is_ok(), "it continues the same log: {later:?}");
    let (old, _) = open(folder.path());
    fill(&old, inbox, 300).await;
    let other = back_up(&old, folder.path(), to.path()).await;
    assert!(matches!(other, Err(Error::Backup(_))), "{other:?}");
    whole(to.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_backup_under_load_is_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = Vec::new();
    for _ in 0..3 {
        let (store, stop) = (store.clone(), stop.clone());
        writers.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let octets = vec![b'x'; fastrand::usize(..3_000)];
                acknowledged.push(append(&store, inbox, &octets).await);
            }
            acknowledged
        }));
    }
    let mut points = Vec::new();
    for _ in 0..5 {
        fill(&store, inbox, 10).await;
        let end = store.read(|tx| tx.position()).await.unwrap().lsn;
        let known = store.read(move |tx| tx.uids(inbox)).await.unwrap();
        let done = back_up(&store, folder.path(), to.path()).await.unwrap();
        assert!(done.lsn >= end && done.damaged.is_empty());
        points.push(known.len());
        whole(to.path());
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let target = tempfile::tempdir().unwrap();
    restore(to.path(), target.path(), &mut |_, _| {}).unwrap();
    let (back, report) = open(target.path());
    assert_eq!((report.damaged.len(), report.cut), (0, 0));
    let uids = back.read(move |tx| tx.uids(inbox)).await.unwrap();
    assert!(uids.len() >= *points.last().unwrap());
    let newest = *uids.last().unwrap();
    assert_eq!(uids, (1..=newest.0).map(Uid).collect::<Vec<_>>());
    // What the restored store has is exactly what the clients were told.
    for told in acknowledged.iter().filter(|told| told.uid <= newest) {
        let uid = told.uid;
        let found = back.read(move |tx| tx.message(inbox, uid)).await.unwrap();
        assert_eq!(found.as_ref(), Some(told));
    }
    dump(&back).await;
}

#[tokio::test]
async fn an_interrupted_backup_is_resumed_and_the_old_one_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    fill(&store, inbox, 60).await;
    let first = back_up(&store, folder.path(), to.path()).await.unwrap();
    fill(&store, inbox, 120).await;
    // Broken off after each segment: a panic in the middle is as good as a kill.
    let end = store.read(|tx| tx.position()).await.unwrap().lsn;
    let files = LogFiles::of_store(folder.path()).unwrap();
    for stop_at in [1, 2] {
        let mut steps = 0;
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            backup(&files, end, to.path(), &mut |_, _| {
                steps += 1;
                assert!(steps <= stop_at, "broken off on purpose");
            })
        }));
        assert!(broken.is_err());
        let verified = verify(to.path(), &mut |_, _| {}).unwrap();
        assert_eq!((verified.lsn, verified.problems.len()), (first.lsn, 0));
    }
    std::fs::write(to.path().join("log/0000.part"), b"rest of a kill").unwrap();
    let resumed = back_up(&store, folder.path(), to.path()).await.unwrap();
    assert!(resumed.copied < resumed.lsn.0 - first.lsn.0, "{resumed:?}");
    whole(to.path());
    assert_eq!(copies(to.path()).len() as u64, resumed.segments);
    assert!(!to.path().join("manifest.partial").exists());
    let target = tempfile::tempdir().unwrap();
    restore(to.path(), target.path(), &mut |_, _| {}).unwrap();
    assert_eq!(
        seen(dump(&open(target.path()).0).await),
        seen(dump(&store).await)
    );
}

#[tokio::test]
async fn a_flipped_bit_in_any_file_of_a_backup_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    fill(&store, inbox, 60).await;
    back_up(&store, folder.path(), to.path()).await.unwrap();
    let expected = dump(&store).await;
    for path in copies(to.path()) {
        let octets = std::fs::read(&path).unwrap();
        let mut bad = octets.clone();
        let at = fastrand::usize(..bad.len());
        bad[at] ^= 1 << fastrand::u8(..8);
        std::fs::write(&path, bad).unwrap();
        let verified = verify(to.path(), &mut |_, _| {}).unwrap();
        assert!(
            verified.problems.len() >= 2,
            "octet {at} of {path:?}: {verified:?}"
        );
        // What is readable comes back all the same, and the damage is told.
        let target = tempfile::tempdir().unwrap();
        let restored = restore(to.path(), target.path(), &mut |_, _| {}).unwrap();
        assert_eq!(restored.damaged.len(), 1);
        let (back, _) = open(target.path());
        let found = dump(&back).await;
        assert_eq!(found.mailboxes.len(), expected.mailboxes.len());
        std::fs::write(&path, octets).unwrap();
    }
    std::fs::remove_file(copies(to.path()).pop().unwrap()).unwrap();
    assert!(
        !verify(to.path(), &mut |_, _| {})
            .unwrap()
            .problems
            .is_empty()
    );
    // The next run brings back what is missing.
    back_up(&store, folder.path(), to.path()).await.unwrap();
    whole(to.path());
    let manifest = to.path().join("manifest");
    let mut text = std::fs::read(&manifest).unwrap();
    text[30] ^= 1;
    std::fs::write(&manifest, text).unwrap();
    assert!(verify(to.path(), &mut |_, _| {}).is_err());
}

#[tokio::test]
async fn damage_of_the_store_is_told_when_it_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let message = append(&store, inbox, b"a letter").await;
    let path = folder.path().join("log/0000000000000000.log");
    let mut octets = std::fs::read(&path).unwrap();
    octets[usize::try_from(message.body.0).unwrap() + 40] ^= 1;
    std::fs::write(&path, octets).unwrap();
    let done = back_up(&store, folder.path(), to.path()).await.unwrap();
    assert_eq!(done.damaged.len(), 1, "{done:?}");
}

#[tokio::test]
async fn folders_that_hold_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (to, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = store(folder.path()).await;
    back_up(&one, folder.path(), to.path()).await.unwrap();
    let two = store(other.path()).await;
    let mixed = back_up(&two, other.path(), to.path()).await;
    assert!(matches!(mixed, Err(Error::Backup(_))), "{mixed:?}");
    let full = restore(to.path(), other.path(), &mut |_, _| {});
    assert!(matches!(full, Err(Error::Backup(_))), "{full:?}");
    let empty = tempfile::tempdir().unwrap();
    assert!(restore(empty.path(), &empty.path().join("x"), &mut |_, _| {}).is_err());

    // A restore that was broken off is no store, and can be finished.
    let target = tempfile::tempdir().unwrap();
    let broken = std::panic::catch_unwind(|| {
        restore(to.path(), target.path(), &mut |_, _| {
            panic!("broken off on purpose")
        })
    });
    assert!(broken.is_err());
    let opened = Store::open(target.path(), options());
    assert!(matches!(opened, Err(Error::Backup(_))), "{opened:?}");
    restore(to.path(), target.path(), &mut |_, _| {}).unwrap();
    assert_eq!(
        seen(dump(&open(target.path()).0).await),
        seen(dump(&one).await)
    );
}
