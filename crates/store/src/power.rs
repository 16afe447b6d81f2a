//! Power cuts: the store is stopped at its n-th sync, for every n, and what a disk may hold then is made
//! of its files: of the log nothing, a half, all or zeros of what was not synced, and of the index, which is
//! never synced, the newest, an older, an empty and a mixed state.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::log::segment::{Act, Disk};
use crate::message::FlagChange;
use crate::tx::Quota;
use crate::{AccountId, Error, Flags, LedgerId, MailboxId, NewMessage, Options, Read, Store, Uid};

const ACCOUNT: AccountId = AccountId(1);
/// Letters of the script.
const LETTERS: u32 = 9;

/// Lengths of the log's files.
type Lengths = BTreeMap<PathBuf, u64>;

/// What was durable and what was written when the power went.
#[derive(Default)]
struct Moment {
    syncs: usize,
    durable: Lengths,
    /// Before the last finished sync: a file that is not in it has no durable name yet.
    before: Lengths,
    written: Lengths,
}

fn options() -> Options {
    Options {
        // A segment is begun every few letters.
        segment: 1_500,
        // Syncs of snapshots would be counted as the log's.
        snapshot: u64::MAX,
        ..Options::default()
    }
}

fn lengths(store: &Path) -> Lengths {
    fs::read_dir(store.join("log"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into(), entry.metadata().unwrap().len())
        })
        .collect()
}

/// Copies the folder when the n-th sync is asked for, and fails from then on.
fn cut_at(nth: usize, store: &Path, image: &Path, moment: &Arc<Mutex<Moment>>) -> Disk {
    let (store, image, moment) = (store.to_owned(), image.to_owned(), Arc::clone(moment));
    let begin = lengths(&store);
    *moment.lock().unwrap() = Moment {
        before: begin.clone(),
        durable: begin,
        ..Moment::default()
    };
    Disk::failing(Arc::new(move |act| {
        if act != Act::Sync {
            return Ok(());
        }
        let mut moment = moment.lock().unwrap();
        moment.syncs += 1;
        let written = lengths(&store);
        if moment.syncs <= nth {
            moment.before = std::mem::replace(&mut moment.durable, written);
            return Ok(());
        }
        if moment.syncs == nth + 1 {
            copy(&store, &image);
            moment.written = written;
        }
        Err(std::io::Error::other("the power went"))
    }))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What the clients were told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    kept: BTreeSet<u32>,
    flagged: BTreeSet<u32>,
    gone: BTreeSet<u32>,
    /// The command that was not answered well.
    open: Option<u32>,
}

async fn inbox(store: &Store) -> MailboxId {
    let inbox = store.read(|tx| tx.mailbox_named(ACCOUNT, "INBOX"));
    inbox.await.unwrap().unwrap().id
}

fn text(number: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(u64::from(number));
    (0..300).map(|_| random.u8(..)).collect()
}

async fn append(store: &Store, number: u32) -> Result<Uid, Error> {
    let body = store.prepare(&text(number), b"")?;
    let inbox = inbox(store).await;
    store
        .transact(move |tx| {
            let new = NewMessage {
                flags: Flags::default(),
                keywords: Vec::new(),
                date: i64::from(number),
                zone: 0,
            };
            Ok(tx.append(inbox, &body, &new, Quota::Enforce)?.uid)
        })
        .await
}

/// Letters arrive, every second is flagged, every fourth expunged, until something is refused.
async fn script(store: &Store) -> Told {
    let mut told = Told::default();
    let inbox = inbox(store).await;
    for number in 1..=LETTERS {
        told.open = Some(number);
        let Ok(uid) = append(store, number).await else {
            return told;
        };
        told.kept.insert(number);
        if number % 2 == 0 {
            let flag = FlagChange::Add(Flags::FLAGGED, Vec::new());
            let done = store.transact(move |tx| tx.change_flags(inbox, uid, &flag).map(drop));
            if done.await.is_err() {
                return told;
            }
            told.flagged.insert(number);
        }
        if number % 4 == 0 {
            let done = store.transact(move |tx| tx.expunge(inbox, &[uid]).map(drop));
            if done.await.is_err() {
                return told;
            }
            told.gone.insert(number);
        }
    }
    told.open = None;
    told
}

/// Letters that are there, all of whose octets are right, and whether they are flagged.
async fn present(store: &Store) -> BTreeMap<u32, bool> {
    let inbox = inbox(store).await;
    let messages = store.read(move |tx| tx.messages(inbox, Uid(0), Uid(u32::MAX), 1_000));
    let mut found = BTreeMap::new();
    for message in messages.await.unwrap() {
        let number = u32::try_from(message.date).unwrap();
        let body = store.open_body(message.body, message.frame).unwrap();
        assert_eq!(body.octets(0, u64::MAX).unwrap(), text(number));
        let flagged = message.flags.contains(Flags::FLAGGED);
        assert_eq!(found.insert(number, flagged), None, "twice");
    }
    found
}

/// What may be left of the octets that were not synced.
#[derive(Debug, Clone, Copy)]
enum Log {
    Nothing,
    Half,
    Zeros,
    All,
}

/// What may be left of the index.
#[derive(Debug, Clone, Copy)]
enum Index {
    Newest,
    Older,
    Empty,
    Mixed,
    Missing,
}

/// Makes of a copy what a disk may hold.
fn leave(folder: &Path, moment: &Moment, log: Log, older: &Path, index: Index) {
    for (name, written) in &moment.written {
        let path = folder.join("log").join(name);
        let durable = moment.durable.get(name).copied().unwrap_or(0);
        let named = durable > 0 && moment.before.contains_key(name);
        let unsynced = written - durable;
        let file = fs::File::options().write(true).open(&path).unwrap();
        match log {
            Log::All => {}
            Log::Nothing if !named => {
                fs::remove_file(&path).unwrap();
            }
            Log::Nothing => file.set_len(durable).unwrap(),
            Log::Half => file.set_len(durable + unsynced / 2).unwrap(),
            Log::Zeros => {
                file.set_len(durable).unwrap();
                file.set_len(*written).unwrap();
            }
        }
    }
    let path = folder.join("index");
    match index {
        Index::Newest => {}
        Index::Older | Index::Empty | Index::Missing => {
            fs::remove_dir_all(&path).unwrap();
            match index {
                Index::Older => copy(older, &path),
                Index::Empty => fs::create_dir(&path).unwrap(),
                _ => {}
            }
        }
        // Files of one age beside those of another, and a file of which a half is newer.
        Index::Mixed => {
            let mut old = fs::read(older.join("db")).unwrap();
            let new = fs::read(path.join("db")).unwrap();
            let half = old.len().min(new.len()) / 2;
            old[..half].copy_from_slice(&new[..half]);
            fs::write(path.join("db"), old).unwrap();
        }
    }
}

fn other_boot(folder: &Path) {
    let path = folder.join("state");
    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    let store = text.lines().find(|line| line.starts_with("store "));
    let store = store.unwrap();
    let open = format!("format 1\n{store}\nleft open\nboot another\n");
    fs::write(path, open).unwrap();
}

async fn compare(folder: &Path, told: &Told, what: &str) {
    let (store, report) = Store::open(folder, options()).unwrap();
    assert_eq!(report.damaged, [""; 0], "{what}");
    let there = present(&store).await;
    for number in &told.kept {
        let open = told.open == Some(*number);
        let gone = told.gone.contains(number);
        assert!(
            open || there.contains_key(number) != gone,
            "{what}: {number}: {told:?}, there {there:?}"
        );
        let flagged = told.flagged.contains(number);
        assert!(
            open || gone || there.get(number) == Some(&flagged),
            "{what}: flag of {number}: {told:?}, there {there:?}"
        );
    }
    for number in there.keys() {
        assert!(
            told.kept.contains(number) || told.open == Some(*number),
            "{what}: {number} was never sent"
        );
    }
    // It goes on, with a UID that was never given out.
    let uid = append(&store, 100).await.unwrap();
    let known = u32::try_from(told.kept.len()).unwrap();
    assert!(uid.0 > known, "{what}: {uid:?}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn whatever_a_power_cut_leaves_nothing_acknowledged_is_lost() {
    let folders = tempfile::tempdir().unwrap();
    let path = |name: &str| folders.path().join(name);
    let prepared = path("prepared");
    let (store, _) = Store::open(&prepared, options()).unwrap();
    store
        .transact(|tx| tx.create_home(ACCOUNT, &[LedgerId(1)]))
        .await
        .unwrap();
    store.close().await.unwrap();
    drop(store);
    let indexes = [
        Index::Newest,
        Index::Older,
        Index::Empty,
        Index::Mixed,
        Index::Missing,
    ];
    let mut cuts = 0;
    for nth in 0.. {
        let (live, image) = (path(&format!("live{nth}")), path(&format!("image{nth}")));
        copy(&prepared, &live);
        let moment = Arc::new(Mutex::new(Moment::default()));
        let disk = cut_at(nth, &live, &image, &moment);
        let (store, _) = Store::open_on(&live, &options(), &disk).unwrap();
        let told = script(&store).await;
        drop(store);
        let moment = std::mem::take(&mut *moment.lock().unwrap());
        if told.open.is_none() {
            assert_eq!(moment.syncs, nth, "the script was never cut");
            break;
        }
        // A kill at this moment: all that was written is there.
        let killed = path("killed");
        copy(&image, &killed);
        compare(&killed, &told, &format!("killed at sync {nth}")).await;
        fs::remove_dir_all(&killed).unwrap();
        for (which, log) in [Log::Nothing, Log::Half, Log::Zeros, Log::All]
            .into_iter()
            .enumerate()
        {
            // Every index with every log, but not all at each sync.
            for index in [indexes[(nth + which) % 5], indexes[(nth + which + 2) % 5]] {
                let cut = path("cut");
                copy(&image, &cut);
                other_boot(&cut);
                leave(&cut, &moment, log, &prepared.join("index"), index);
                let what = format!("sync {nth}, log {log:?}, index {index:?}");
                compare(&cut, &told, &what).await;
                fs::remove_dir_all(&cut).unwrap();
                cuts += 1;
            }
        }
        for folder in [live, image] {
            fs::remove_dir_all(folder).unwrap();
        }
    }
    assert!(cuts > 100, "{cuts}");
}
