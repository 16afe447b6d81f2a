//! Compaction against plain maps: nothing that a record refers to is lost, whatever fails on the way and
//! whatever goes on beside it; what nothing refers to gives its space back. Disks and files that fail: `broken`.

mod broken;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::check::Check;
use crate::files::LogFiles;
use crate::keys;
use crate::log::segment::{Disk, Hold};
use crate::log::survey::{Damage, Inspector, Seen};
use crate::page::Hex;
use crate::queue::{BodyKind, Lane, NewEntry, NewRcpt, QueueId, QueueWrite as _};
use crate::record::Table;
use crate::salvage::Salvage;
use crate::source::Source as _;
use crate::tx::Quota;
use crate::{
    AccountId, BodyId, Flags, LedgerId, MailboxId, NewMessage, Options, Read as _, Report, Store,
    Uid,
};

const ACCOUNT: AccountId = AccountId(1);
const ASKED: Pacing = Pacing {
    rate: None,
    asked: true,
};

/// No snapshots: what is done to the disk is compaction's alone.
const NEVER: u64 = u64::MAX / 4;

fn options(snapshot: u64) -> Options {
    Options {
        segment: 12_000,
        snapshot,
        ..Options::default()
    }
}

/// Octets of letter `number`: a few of them are large and have several chunks.
fn letter(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    let length = if number % 40 == 7 {
        random.usize(0..300_000)
    } else {
        random.usize(0..1_500)
    };
    (0..length).map(|_| random.u8(..)).collect()
}

async fn new_store(folder: &Path, disk: &Disk, snapshot: u64) -> Store {
    let (store, _) = Store::open_on(folder, &options(snapshot), disk).unwrap();
    store
        .transact(|tx| tx.create_home(ACCOUNT, &[LedgerId(1)]))
        .await
        .unwrap();
    store
}

async fn mailbox(store: &Store, name: &'static str) -> MailboxId {
    let found = store.read(move |tx| tx.mailbox_named(ACCOUNT, name)).await;
    found.unwrap().unwrap().id
}

/// Delivers a letter; its number is its date.
async fn deliver(store: &Store, to: MailboxId, number: u64) {
    let body = store.prepare(&letter(number), b"summary").unwrap();
    let new = NewMessage {
        flags: Flags::default(),
        keywords: Vec::new(),
        date: i64::try_from(number).unwrap(),
        zone: 0,
    };
    store
        .transact(move |tx| tx.append(to, &body, &new, Quota::Ignore))
        .await
        .unwrap();
}

/// Expunges letters by number.
async fn expunge(store: &Store, from: MailboxId, numbers: Vec<u64>) {
    store
        .transact(move |tx| {
            let messages = tx.messages(from, Uid(0), Uid(u32::MAX), 1_024)?;
            let gone = messages
                .iter()
                .filter(|message| numbers.contains(&message.date.cast_unsigned()));
            let uids: Vec<Uid> = gone.map(|message| message.uid).collect();
            tx.expunge(from, &uids)
        })
        .await
        .unwrap();
}

/// Forgets expunged messages for good.
async fn purge(store: &Store) {
    store
        .transact(|tx| {
            let prefix = [Table::Expunged as u8];
            let mut gone = Vec::new();
            tx.visit(&prefix, &keys::after(&prefix), &mut |key, _| {
                gone.push(key.to_vec());
                Ok(ControlFlow::Continue(()))
            })?;
            for key in gone {
                tx.erase(key);
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn enqueue(store: &Store, number: u64) -> QueueId {
    let body = store.prepare(&letter(number), b"").unwrap();
    store
        .transact(move |tx| {
            let entry = NewEntry {
                lane: Lane::Normal,
                sender: number.to_string(),
                body: tx.attach(&body)?,
                frame: 0,
                skip: 0,
                size: 0,
                account: None,
                envid: None,
                ret: None,
                utf8: false,
                body_kind: BodyKind::SevenBit,
                hold: None,
                trace: String::new(),
            };
            let rcpt = NewRcpt {
                address: "an@a.test".into(),
                domain: "a.test".into(),
                ..NewRcpt::default()
            };
            tx.enqueue(&entry, &[rcpt])
        })
        .await
        .unwrap()
}

/// Every body that a record refers to, by place and number; each must read as it was written.
type Shown = BTreeMap<(u64, u32), u64>;

async fn shown(store: &Store) -> Shown {
    let found = store
        .read(|tx| {
            let mut found: Vec<(u64, u32, u64, BodyId, u32)> = Vec::new();
            for mailbox in tx.mailboxes(ACCOUNT)? {
                let mut from = Uid(0);
                loop {
                    let page = tx.messages(mailbox.id, from, Uid(u32::MAX), 1_024)?;
                    let Some(last) = page.last() else { break };
                    from = Uid(last.uid.0 + 1);
                    found.extend(page.iter().map(|message| {
                        let number = message.date.cast_unsigned();
                        (
                            mailbox.id.0,
                            message.uid.0,
                            number,
                            message.body,
                            message.frame,
                        )
                    }));
                }
            }
            for entry in tx.scan::<crate::queue::Entry>(b"", b"", 1_000)? {
                let number = entry.sender.parse().unwrap();
                found.push((0, u32::try_from(entry.id.0).unwrap(), number, entry.body, 0));
            }
            Ok::<_, Error>(found)
        })
        .await
        .unwrap();
    let mut shown = Shown::new();
    for (mailbox, uid, number, body, frame) in found {
        let octets = store
            .open_body(body, frame)
            .and_then(|body| body.octets(0, u64::MAX));
        let octets = octets.unwrap_or_else(|error| panic!("letter {number}: {error}"));
        assert!(octets == letter(number), "letter {number}");
        shown.insert((mailbox, uid), number);
    }
    shown
}

fn segment_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn log_octets(folder: &Path) -> u64 {
    crate::space::used(&folder.join("log"))
}

async fn durable(store: &Store) -> Lsn {
    let end = store.read(|tx| Ok::<_, Error>(tx.position()?.lsn)).await;
    end.unwrap()
}

/// Everything of a store compared with everything else: must be whole.
async fn check(store: &Store, folder: &Path) {
    let mut check = Check::new();
    let end = durable(store).await;
    check
        .log(
            &LogFiles::of_store(folder).unwrap(),
            Some(end),
            &mut |_, _| {},
        )
        .unwrap();
    let mut from = Some(Hex::default());
    while let Some(place) = from {
        let page = store.read(move |tx| tx.index_page(&place)).await.unwrap();
        check.page(&page);
        from = page.next;
    }
    let files = LogFiles::of_store(folder).unwrap();
    let findings = check.finish(&files, Some(end)).unwrap();
    assert!(findings.problems.is_empty(), "{:?}", findings.problems);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            match std::fs::copy(entry.path(), target) {
                // A snapshot that was replaced meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

/// The index is lost, with or without its snapshots.
fn lose_index(folder: &Path, snapshots: bool) {
    std::fs::remove_dir_all(folder.join("index")).unwrap();
    if snapshots {
        crate::dump::forget(folder).unwrap();
    }
}

fn open(folder: &Path) -> (Store, Report) {
    let (store, report) = Store::open(folder, options(40_000)).unwrap();
    assert!(report.damaged.is_empty(), "{report:?}");
    (store, report)
}

/// A store with `count` letters of which every one but each `keep`-th is expunged and purged.
async fn sparse(folder: &Path, disk: &Disk, count: u64, keep: u64) -> Store {
    let store = new_store(folder, disk, NEVER).await;
    let inbox = mailbox(&store, "INBOX").await;
    for number in 0..count {
        deliver(&store, inbox, number).await;
    }
    let gone = (0..count).filter(|number| number % keep != 0).collect();
    expunge(&store, inbox, gone).await;
    purge(&store).await;
    store
}

#[tokio::test]
async fn dead_bodies_give_their_space_back_and_the_log_alone_still_makes_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = sparse(folder.path(), &Disk::default(), 200, 4).await;
    let before = shown(&store).await;
    assert_eq!(before.len(), 50);
    let (files, octets) = (
        segment_files(folder.path()).len(),
        log_octets(folder.path()),
    );
    let compacted = store.compact(ASKED).unwrap();
    assert!(
        compacted.left.is_empty() && !compacted.ended,
        "{compacted:?}"
    );
    assert!((130..=150).contains(&compacted.dropped), "{compacted:?}");
    let left = log_octets(folder.path());
    assert!(left * 2 < octets, "{octets} octets became {left}");
    assert!(
        segment_files(folder.path()).len() < files,
        "files are merged"
    );
    assert_eq!(shown(&store).await, before);
    check(&store, folder.path()).await;
    // Nothing is left to do.
    let again = store.compact(ASKED).unwrap();
    assert_eq!((again.rewritten, again.dropped), (0, 0), "{again:?}");
    store.close().await.unwrap();
    drop(store);
    for snapshots in [false, true] {
        lose_index(folder.path(), snapshots);
        let (store, report) = open(folder.path());
        assert!(report.rebuilt.is_some());
        assert_eq!(shown(&store).await, before);
        check(&store, folder.path()).await;
        store.close().await.unwrap();
    }
    let salvage = Salvage::read(folder.path(), &mut |_, _| {}).unwrap();
    assert!(salvage.damage().is_empty() && salvage.unplaced().is_empty());
    let mut messages = 0;
    salvage
        .mailboxes::<Error>(&mut |mailbox| {
            for message in &mailbox.messages {
                let octets = salvage.body(message.body)?.octets(0, u64::MAX)?;
                assert!(octets == letter(message.date.cast_unsigned()));
                messages += 1;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(messages, 50);
}

#[tokio::test]
async fn what_any_record_refers_to_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = new_store(folder.path(), &Disk::default(), 40_000).await;
    let inbox = mailbox(&store, "INBOX").await;
    let archive = mailbox(&store, "Archive").await;
    let queued = enqueue(&store, 1_000).await;
    for number in 0..100 {
        deliver(&store, inbox, number).await;
    }
    // Copies, expunged messages that can be undeleted, a deleted mailbox, the queue.
    store
        .transact(move |tx| {
            let uids: Vec<Uid> = (1..=20).map(Uid).collect();
            tx.copy(inbox, &uids, archive, Quota::Ignore)?;
            let other = tx.create_mailbox(ACCOUNT, "gone", None)?.id;
            tx.copy(inbox, &uids, other, Quota::Ignore)?;
            tx.delete_mailbox(ACCOUNT, "gone")
        })
        .await
        .unwrap();
    expunge(&store, inbox, (0..20).collect()).await;
    purge(&store).await;
    expunge(&store, inbox, (20..40).collect()).await;
    let before = shown(&store).await;
    let compacted = store.compact(ASKED).unwrap();
    assert_eq!(compacted.dropped, 0, "{compacted:?}");
    assert_eq!(shown(&store).await, before);
    check(&store, folder.path()).await;
    // The queue lets go, and the letter goes.
    store
        .transact(move |tx| tx.drop_entry(queued))
        .await
        .unwrap();
    expunge(&store, inbox, (40..100).collect()).await;
    purge(&store).await;
    let compacted = store.compact(ASKED).unwrap();
    assert!(compacted.dropped > 60, "{compacted:?}");
    let after = shown(&store).await;
    assert_eq!(after.len(), 20);
    check(&store, folder.path()).await;
}

/// What a survey meets.
#[derive(Default)]
struct Met {
    bodies: BTreeSet<u64>,
    commits: u64,
    damage: Vec<Damage>,
}

impl Inspector for Met {
    fn commit(&mut self, _: Lsn, _: crate::log::frame::Commit) -> Result<()> {
        self.commits += 1;
        Ok(())
    }
    fn body(&mut self, body: Seen) -> Result<()> {
        self.bodies.insert(body.id.0);
        Ok(())
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        self.damage.push(damage);
        Ok(())
    }
    fn reached(&mut self, _: Lsn) {}
}

fn met(folder: &Path) -> Met {
    let mut met = Met::default();
    let files = LogFiles::of_store(folder).unwrap();
    let to = files.length().unwrap();
    files.survey(Lsn(0), Some(to), &mut met).unwrap();
    met
}

#[tokio::test]
async fn files_that_a_rewritten_one_covers_are_not_read_and_go_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = sparse(folder.path(), &Disk::default(), 60, 6).await;
    let before = shown(&store).await;
    let old = tempfile::tempdir().unwrap();
    copy(folder.path(), old.path());
    store.compact(ASKED).unwrap();
    store.close().await.unwrap();
    drop(store);
    let files = segment_files(folder.path());
    let mut back = 0;
    for path in segment_files(old.path()) {
        let to = folder.path().join("log").join(path.file_name().unwrap());
        if !to.exists() {
            std::fs::copy(path, to).unwrap();
            back += 1;
        }
    }
    assert!(back > 0);
    let seen = met(folder.path());
    assert!(seen.damage.is_empty(), "{:?}", seen.damage);
    lose_index(folder.path(), true);
    let (store, _) = open(folder.path());
    assert_eq!(shown(&store).await, before);
    assert_eq!(segment_files(folder.path()), files);
}

#[tokio::test]
async fn backups_before_and_after_hold_everything() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = sparse(&at("store"), &Disk::default(), 120, 4).await;
    let inbox = mailbox(&store, "INBOX").await;
    let end = durable(&store).await;
    let files = LogFiles::of_store(&at("store")).unwrap();
    let first = crate::backup::backup(&files, end, &at("backup"), &mut |_, _| {}).unwrap();
    // While somebody reads the files, nothing is replaced.
    assert!(Hold::alone(&at("store").join("log")).unwrap().is_none());
    drop(files);
    store.compact(ASKED).unwrap();
    deliver(&store, inbox, 5_000).await;
    let shown_now = shown(&store).await;
    let end = durable(&store).await;
    let files = LogFiles::of_store(&at("store")).unwrap();
    let second = crate::backup::backup(&files, end, &at("backup"), &mut |_, _| {}).unwrap();
    assert!(second.octets < first.octets, "{second:?} after {first:?}");
    assert!(second.damaged.is_empty(), "{second:?}");
    let third = crate::backup::backup(&files, end, &at("backup"), &mut |_, _| {}).unwrap();
    assert_eq!(third.copied, 0, "{third:?}");
    drop(files);
    let verified = crate::backup::verify(&at("backup"), &mut |_, _| {}).unwrap();
    assert!(verified.problems.is_empty(), "{verified:?}");
    crate::backup::restore(&at("backup"), &at("restored"), &mut |_, _| {}).unwrap();
    let (restored, _) = open(&at("restored"));
    assert_eq!(shown(&restored).await, shown_now);
    check(&restored, &at("restored")).await;
    restored.compact(ASKED).unwrap();
    assert_eq!(shown(&restored).await, shown_now);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_that_move_while_the_index_is_read_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = new_store(folder.path(), &Disk::default(), 40_000).await;
    let (inbox, trash) = (
        mailbox(&store, "INBOX").await,
        mailbox(&store, "Trash").await,
    );
    for number in 0..150 {
        deliver(&store, inbox, number).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let (compacting, ended) = (store.clone(), Arc::clone(&done));
    let thread = std::thread::spawn(move || {
        let mut rounds = 0;
        while !ended.load(Ordering::Relaxed) || rounds < 2 {
            compacting.compact(ASKED).unwrap();
            rounds += 1;
        }
    });
    let mut number = 1_000;
    for round in 0..60 {
        let (from, to) = if round % 2 == 0 {
            (inbox, trash)
        } else {
            (trash, inbox)
        };
        store
            .transact(move |tx| {
                let uids = tx.uids(from)?;
                tx.relocate(from, &uids, to)
            })
            .await
            .unwrap();
        // What moved left an expunged record; only the new place holds the bodies now.
        purge(&store).await;
        deliver(&store, to, number).await;
        number += 1;
        let queued = enqueue(&store, number).await;
        store
            .transact(move |tx| tx.drop_entry(queued))
            .await
            .unwrap();
        if round % 10 == 0 {
            assert_eq!(shown(&store).await.len(), 151 + round);
        }
    }
    done.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    assert_eq!(shown(&store).await.len(), 210);
    check(&store, folder.path()).await;
}

#[tokio::test]
async fn random_lives_with_restarts_and_rebuilds_lose_nothing() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folders = tempfile::tempdir().unwrap();
    let mut folder = folders.path().join("first");
    let mut store = new_store(&folder, &Disk::default(), 40_000).await;
    let boxes = [
        mailbox(&store, "INBOX").await,
        mailbox(&store, "Archive").await,
        mailbox(&store, "Trash").await,
    ];
    let mut model = Shown::new();
    let (mut number, mut dropped) = (0, 0);
    for round in 0..30 {
        for _ in 0..random.usize(5..30) {
            let at = boxes[random.usize(0..3)];
            match random.u8(0..10) {
                0..5 => {
                    deliver(&store, at, number).await;
                    number += 1;
                }
                5 => {
                    enqueue(&store, number).await;
                    number += 1;
                }
                6 => {
                    let all = store.read(|tx| tx.scan::<crate::queue::Entry>(b"", b"", 1_000));
                    if let Some(entry) = random.choice(all.await.unwrap()) {
                        store
                            .transact(move |tx| tx.drop_entry(entry.id))
                            .await
                            .unwrap();
                    }
                }
                7 => {
                    let gone = (0..number).filter(|_| random.u8(0..3) == 0).collect();
                    expunge(&store, at, gone).await;
                }
                8 => purge(&store).await,
                _ => {
                    let (to, moves) = (boxes[random.usize(0..3)], random.bool());
                    let seed = random.u64(..);
                    store
                        .transact(move |tx| {
                            let mut random = fastrand::Rng::with_seed(seed);
                            let mut uids = tx.uids(at)?;
                            uids.retain(|_| random.u8(0..4) == 0);
                            if moves {
                                tx.relocate(at, &uids, to)
                            } else {
                                tx.copy(at, &uids, to, Quota::Ignore)
                            }
                        })
                        .await
                        .unwrap();
                }
            }
        }
        model.clone_from(&shown(&store).await);
        if random.bool() {
            let compacted = store.compact(ASKED).unwrap();
            assert!(compacted.left.is_empty(), "{compacted:?}");
            dropped += compacted.dropped;
            assert_eq!(shown(&store).await, model, "round {round}");
        }
        match random.u8(0..4) {
            0 => {
                // A kill: the folder as it is.
                let next = folders.path().join(format!("{round}"));
                copy(&folder, &next);
                store.close().await.unwrap();
                drop(store);
                folder = next;
                store = open(&folder).0;
            }
            1 => {
                store.close().await.unwrap();
                drop(store);
                lose_index(&folder, random.bool());
                store = open(&folder).0;
            }
            _ => {}
        }
        assert_eq!(shown(&store).await, model, "round {round}");
    }
    check(&store, &folder).await;
    println!("{number} letters, {dropped} dropped");
}
