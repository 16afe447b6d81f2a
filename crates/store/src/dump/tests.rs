//! Snapshots against the live index and the whole log: taken among transactions, torn, damaged, old,
//! ahead of the log.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use fastrand::Rng;

use super::*;
use crate::log::segment::{Act, Segments};
use crate::tx::Quota;
use crate::{
    AccountId, FlagChange, Flags, LedgerId, NewMessage, Options, Read as _, Report, Store, Uid,
};

const ACCOUNT: AccountId = AccountId(1);

fn options() -> Options {
    Options {
        segment: 8_000,
        ..Options::default()
    }
}

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything in the index, with how far it is but for the LSN: a segment that was begun and has no group
/// yet counts to the log, and the index learns of it only by a replay or with the next group.
fn pairs(store: &Store) -> Pairs {
    let engine = store.shared().engine.read().unwrap();
    let mut pairs = Pairs::new();
    engine
        .as_deref()
        .unwrap()
        .visit(&[], &[u8::MAX], &mut |key, value| {
            pairs.insert(key.to_vec(), value.to_vec());
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    let mut applied = applied_of(&pairs);
    applied.lsn = 0;
    pairs.extend(applied.op().1.map(|value| (keys::APPLIED.to_vec(), value)));
    pairs
}

fn applied_of(pairs: &Pairs) -> Applied {
    let value = keys::unseal(keys::APPLIED, &pairs[keys::APPLIED]).unwrap();
    crate::codec::decode("applied", value).unwrap()
}

async fn new_store(folder: &Path) -> Store {
    let (store, _) = Store::open(folder, options()).unwrap();
    store
        .transact(|tx| tx.create_home(ACCOUNT, &[LedgerId(1)]))
        .await
        .unwrap();
    store
}

/// Does a number of things that put and delete records of all kinds.
async fn churn(store: &Store, random: &mut Rng, steps: usize) {
    for _ in 0..steps {
        let (kind, name) = (random.u8(0..8), format!("m{}", random.u8(0..4)));
        let pick = random.u32(..);
        let body = store
            .prepare(format!("letter {pick}").as_bytes(), b"")
            .unwrap();
        let act = move |tx: &mut crate::Tx<'_>| -> Result<()> {
            let all = tx.mailboxes(ACCOUNT)?;
            let some = &all[pick as usize % all.len()];
            let uids = tx.uids(some.id)?;
            let uid = uids.get(pick as usize % uids.len().max(1)).copied();
            match (kind, uid) {
                (0, _) if tx.mailbox_named(ACCOUNT, &name)?.is_none() => {
                    tx.create_mailbox(ACCOUNT, &name, None)?;
                }
                (0, _) => tx.delete_mailbox(ACCOUNT, &name)?,
                (1, Some(uid)) => drop(tx.expunge(some.id, &[uid])?),
                (2, Some(uid)) => {
                    let change = FlagChange::Add(Flags::SEEN, vec![format!("k{}", pick % 3)]);
                    tx.change_flags(some.id, uid, &change)?;
                }
                (3, _) => tx.set_subscribed(ACCOUNT, &name, pick.is_multiple_of(2))?,
                (4, _) => drop(tx.relocate(some.id, &uids, all[0].id)?),
                _ => {
                    let new = NewMessage {
                        flags: Flags::default(),
                        keywords: Vec::new(),
                        date: i64::from(pick),
                        zone: 0,
                    };
                    tx.append(some.id, &body, &new, Quota::Enforce)?;
                }
            }
            Ok(())
        };
        store.transact(act).await.unwrap();
    }
}

/// Takes a snapshot during which a number of things are done after every page.
fn take_among(store: &Store, random: &mut Rng, steps: usize) -> Dumped {
    let handle = tokio::runtime::Handle::current();
    let mut pages = 0;
    let mut pace = |_| {
        pages += 1;
        handle.block_on(churn(store, random, steps));
        ControlFlow::Continue(())
    };
    let taken =
        tokio::task::block_in_place(|| take(store.shared(), &Disk::default(), &mut pace).unwrap());
    assert!(pages > 1, "{pages} pages");
    taken.unwrap()
}

/// A store with two snapshots and something after them, closed; its index before.
async fn with_two(folder: &Path, random: &mut Rng) -> (Pairs, [Dumped; 2]) {
    let store = new_store(folder).await;
    churn(&store, random, 60).await;
    let older = take_among(&store, random, 2);
    churn(&store, random, 20).await;
    let newer = take_among(&store, random, 2);
    assert!(newer.begin.lsn < newer.end.0 && older.end.0 < newer.begin.lsn);
    churn(&store, random, 20).await;
    let expected = pairs(&store);
    store.close().await.unwrap();
    (expected, [newer, older])
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Makes the next start believe that the store was left in another way.
fn left(folder: &Path, how: &str) {
    let path = folder.join("state");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with("store "));
    let text = format!("format 1\n{}\n{how}", line.unwrap());
    std::fs::write(&path, text).unwrap();
}

/// What a power cut leaves of a folder, changed by `change`, opened again.
fn after_power_cut(folder: &Path, change: impl FnOnce(&Path)) -> (Pairs, Report) {
    let copied = tempfile::tempdir().unwrap();
    copy(folder, copied.path());
    std::fs::remove_dir_all(copied.path().join("index")).unwrap();
    left(copied.path(), "left open\nboot another\n");
    change(copied.path());
    let (store, report) = Store::open(copied.path(), options()).unwrap();
    assert!(report.rebuilt.is_some(), "{report:?}");
    (pairs(&store), report)
}

fn newest(folder: &Path) -> PathBuf {
    list(folder).unwrap()[0].1.clone()
}

fn random() -> Rng {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    Rng::with_seed(seed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_taken_among_transactions_and_the_log_after_it_give_the_index() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let mut store = new_store(folder.path()).await;
    for round in 0..4 {
        churn(&store, &mut random, 40).await;
        let steps = round % 3;
        let dumped = take_among(&store, &mut random, steps);
        assert_eq!(dumped.begin.lsn < dumped.end.0, steps > 0);
        churn(&store, &mut random, round * 5).await;
        let expected = pairs(&store);
        store.close().await.unwrap();
        let (from_snapshot, report) = after_power_cut(folder.path(), |_| {});
        assert_eq!(report.snapshot, Some(Lsn(dumped.begin.lsn)));
        assert!(report.damaged.is_empty() && report.cut == 0, "{report:?}");
        assert_eq!(from_snapshot, expected);
        let (from_log, report) = after_power_cut(folder.path(), |folder| forget(folder).unwrap());
        assert_eq!(report.snapshot, None);
        assert_eq!(from_log, expected);
        assert!(list(folder.path()).unwrap().len() <= KEPT);
        store = Store::open(folder.path(), options()).unwrap().0;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_falls_back_to_the_older_and_then_to_the_log() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let (expected, [newer, older]) = with_two(folder.path(), &mut random).await;
    let whole = std::fs::read(newest(folder.path())).unwrap();
    // Every octet counts: the check is quick, the rebuild is done for some.
    let copied = tempfile::tempdir().unwrap();
    let path = copied.path().join("one");
    let seed = {
        let (store, _) = Store::open(folder.path(), options()).unwrap();
        store.shared().seed
    };
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(verify(&path, seed).unwrap(), newer);
    // Credentials are in it, and the folder may be open to others.
    let mode = std::fs::metadata(newest(folder.path()))
        .unwrap()
        .permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    assert!(verify(&path, seed ^ 1).is_err(), "another store's");
    let places = (0..whole.len()).filter(|at| *at < 64 || at % 37 == 0 || whole.len() - at < 64);
    for at in places {
        let mut bad = whole.clone();
        bad[at] ^= 1 << random.u8(0..8);
        std::fs::write(&path, &bad).unwrap();
        assert!(verify(&path, seed).is_err(), "octet {at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(verify(&path, seed).is_err(), "cut at {at}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(&path, &longer).unwrap();
    assert!(verify(&path, seed).is_err(), "an octet too many");
    for at in [0, 70, whole.len() / 2, whole.len() - 1] {
        let flip = |path: &Path| {
            let mut octets = std::fs::read(path).unwrap();
            let at = at.min(octets.len() - 1);
            octets[at] ^= 1;
            std::fs::write(path, octets).unwrap();
        };
        let (pairs, report) = after_power_cut(folder.path(), |folder| flip(&newest(folder)));
        assert_eq!(report.snapshot, Some(Lsn(older.begin.lsn)), "octet {at}");
        assert_eq!(pairs, expected, "octet {at}");
        let (pairs, report) = after_power_cut(folder.path(), |folder| {
            for (_, path) in list(folder).unwrap() {
                flip(&path);
            }
        });
        assert_eq!(
            (report.snapshot, pairs == expected),
            (None, true),
            "octet {at}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_whose_commits_are_lost_is_not_used() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let (expected, [newer, older]) = with_two(folder.path(), &mut random).await;
    let damage_at = |folder: &Path, lsn: u64| {
        let segments = Segments::list(&folder.join("log")).unwrap();
        let segment = segments.holding(Lsn(lsn)).unwrap();
        let at = usize::try_from(lsn - segment.first).unwrap();
        let mut octets = std::fs::read(&segment.path).unwrap();
        for octet in octets.iter_mut().skip(at).take(400) {
            *octet ^= 0x55;
        }
        std::fs::write(&segment.path, octets).unwrap();
    };
    // After the newer one began: that one may hold a half of what is lost.
    let lost_from = |lsn: u64| after_power_cut(folder.path(), |folder| damage_at(folder, lsn));
    let (shown, report) = lost_from(newer.begin.lsn);
    assert_eq!(report.snapshot, Some(Lsn(older.begin.lsn)), "{report:?}");
    assert!(!report.damaged.is_empty());
    let (from_log, report) = after_power_cut(folder.path(), |folder| {
        damage_at(folder, newer.begin.lsn);
        forget(folder).unwrap();
    });
    assert_eq!((report.snapshot, shown == from_log), (None, true));
    // After the older one began: the newer one has everything, and the damage is not even read.
    let (shown, report) = lost_from(older.begin.lsn);
    assert_eq!(report.snapshot, Some(Lsn(newer.begin.lsn)), "{report:?}");
    assert_eq!(shown, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_its_end_is_reported_with_snapshots_as_without() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let (_, [newer, older]) = with_two(folder.path(), &mut random).await;
    let (shown, report) = after_power_cut(folder.path(), |folder| {
        let segments = Segments::list(&folder.join("log")).unwrap();
        for segment in segments.all() {
            let file = Arc::clone(&segments.open(&segment).unwrap().file);
            match newer.begin.lsn.checked_sub(segment.first) {
                Some(length @ 1..) if length < file.metadata().unwrap().len() => {
                    file.set_len(length).unwrap();
                }
                Some(1..) => {}
                _ => std::fs::remove_file(&segment.path).unwrap(),
            }
        }
    });
    assert_ne!(report.snapshot, Some(Lsn(newer.begin.lsn)), "{report:?}");
    assert!(
        report.damaged.iter().any(|what| what.contains("missing")),
        "{report:?}"
    );
    let number = applied_of(&shown).number;
    assert!(number > newer.begin.number && number > older.begin.number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_while_one_is_taken_leaves_nothing_that_counts() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let store = new_store(folder.path()).await;
    churn(&store, &mut random, 80).await;
    let handle = tokio::runtime::Handle::current();
    let mut cuts = Vec::new();
    let mut pace = |_| {
        let cut = tempfile::tempdir().unwrap();
        copy(folder.path(), cut.path());
        cuts.push((cut, pairs(&store)));
        handle.block_on(churn(&store, &mut random, 1));
        ControlFlow::Continue(())
    };
    tokio::task::block_in_place(|| take(store.shared(), &Disk::default(), &mut pace)).unwrap();
    assert!(cuts.len() > 2);
    for (cut, expected) in cuts {
        let unfinished = |folder: &Path| {
            let names = names(folder).unwrap();
            names
                .iter()
                .filter(|path| begin_of(path, NEW).is_some())
                .count()
        };
        assert_eq!(unfinished(cut.path()), 1);
        left(cut.path(), "left open\nboot another\n");
        let (store, report) = Store::open(cut.path(), options()).unwrap();
        assert_eq!((report.snapshot, unfinished(cut.path())), (None, 0));
        assert_eq!(pairs(&store), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_costs_the_snapshot_only() {
    let mut random = random();
    for (act, kind) in [
        (Act::Create, ErrorKind::StorageFull),
        (Act::Write, ErrorKind::StorageFull),
        (Act::Room, ErrorKind::StorageFull),
        (Act::Sync, ErrorKind::Other),
    ] {
        for nth in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let store = new_store(folder.path()).await;
            churn(&store, &mut random, 60).await;
            let count = AtomicUsize::new(0);
            let disk = Disk::failing(Arc::new(move |now| {
                let hit = now == act && count.fetch_add(1, Ordering::Relaxed) == nth;
                if hit { Err(kind.into()) } else { Ok(()) }
            }));
            let taken = take(store.shared(), &disk, &mut |_| ControlFlow::Continue(()));
            // A file is created once.
            assert_eq!(
                taken.is_err(),
                act != Act::Create || nth == 0,
                "{act:?} {nth}"
            );
            churn(&store, &mut random, 5).await;
            let expected = pairs(&store);
            store.close().await.unwrap();
            // After a failed sync of the folder the name may be there: then the file is whole.
            let (shown, _) = after_power_cut(folder.path(), |_| {});
            assert_eq!(shown, expected, "{act:?} {nth}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_doubted_is_rebuilt_without_its_snapshots() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let (expected, _) = with_two(folder.path(), &mut random).await;
    left(folder.path(), "left doubtful\n");
    let (store, report) = Store::open(folder.path(), options()).unwrap();
    assert_eq!((report.snapshot, report.rebuilt.is_some()), (None, true));
    assert_eq!(pairs(&store), expected);
    assert_eq!(list(folder.path()).unwrap(), []);
    // A record that its seal does not match goes into no snapshot.
    let inbox = store.read(|tx| tx.mailbox_named(ACCOUNT, "INBOX")).await;
    store.damage(&keys::leaf(inbox.unwrap().unwrap().id, Uid(1)));
    let taken = take(store.shared(), &Disk::default(), &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(taken, Err(Error::Damaged(_))), "{taken:?}");
    assert_eq!(list(folder.path()).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_come_by_themselves_as_the_log_grows_and_two_are_kept() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    new_store(folder.path()).await.close().await.unwrap();
    let often = Options {
        snapshot: 2_000,
        ..options()
    };
    let (store, _) = Store::open(folder.path(), often).unwrap();
    let mut begins = std::collections::BTreeSet::new();
    while begins.len() < 4 {
        churn(&store, &mut random, 3).await;
        let found = list(folder.path()).unwrap();
        // A third may be seen between the renaming of a new one and the removal of the oldest.
        assert!(found.len() <= KEPT + 1);
        begins.extend(found.into_iter().map(|(begin, _)| begin));
    }
    let expected = pairs(&store);
    store.close().await.unwrap();
    let (shown, report) = after_power_cut(folder.path(), |_| {});
    assert!(report.snapshot.is_some());
    assert_eq!(shown, expected);
}
