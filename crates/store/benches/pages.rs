//! One record a message, or pages of neighbouring messages in one value? The question of
//! `docs/decisions/0004-sixteen-messages-a-value.md`, measured through the public interface, so with log,
//! group commit and index; then the store's own operations on a mailbox of 50,000 messages.
//!
//! `cargo bench -p congvu-store --bench pages [folder]`. Prints a table; asserts only that it measured
//! what it meant to.
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on is over"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "numbers for people, and small ones"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use congvu_store::tx::{PAGE, Quota};
use congvu_store::{
    AccountId, Error, FlagChange, Flags, MailboxId, NewMessage, Options, Read, Record, Store,
    Table, Uid,
};

/// Messages of the mailbox.
const MESSAGES: u32 = 50_000;
/// Messages of one inserting transaction.
const BATCH: u32 = 100;
/// Single flags changed.
const SINGLE: u32 = 2_000;
/// Octets of a message record, as measured on real ones.
const RECORD: usize = 48;

/// Neighbouring messages in one value: `PER` of them, by UID.
#[derive(Clone)]
struct Leaf<const PER: usize> {
    number: u32,
    records: Vec<[u8; RECORD]>,
}

impl<const PER: usize> Record for Leaf<PER> {
    const TABLE: Table = Table::Audit;
    type Key = u32;
    fn key(&self) -> u32 {
        self.number
    }
    fn key_octets(key: &u32) -> Vec<u8> {
        [&(PER as u64).to_be_bytes()[..], &key.to_be_bytes()].concat()
    }
    fn encode(&self) -> Vec<u8> {
        self.records.concat()
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self, Error> {
        let number = key
            .last_chunk()
            .map_or(0, |octets| u32::from_be_bytes(*octets));
        let records = value
            .chunks_exact(RECORD)
            .map(|chunk| chunk.try_into().unwrap())
            .collect();
        Ok(Self { number, records })
    }
}

/// Adds or changes the record of one message.
fn write<const PER: usize>(
    tx: &mut congvu_store::Tx<'_>,
    uid: u32,
    octet: u8,
) -> Result<(), Error> {
    let (number, place) = (uid / PER as u32, uid as usize % PER);
    let mut leaf = match tx.get::<Leaf<PER>>(&number)? {
        Some(leaf) => leaf,
        None => Leaf {
            number,
            records: Vec::new(),
        },
    };
    if leaf.records.len() <= place {
        leaf.records.resize(place + 1, [0; RECORD]);
    }
    let mut record: [u8; RECORD] =
        std::array::from_fn(|at| uid.to_be_bytes()[at % 4].wrapping_mul(at as u8 | 1));
    record[0] = octet;
    leaf.records[place] = record;
    tx.put(&leaf)
}

fn scan<const PER: usize>(tx: &impl Read) -> Result<usize, Error> {
    let prefix = (PER as u64).to_be_bytes();
    let (mut count, mut from) = (0, Vec::new());
    loop {
        let page: Vec<Leaf<PER>> = tx.scan(&prefix, &from, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        count += page
            .iter()
            .flat_map(|leaf| &leaf.records)
            .filter(|record| record[0] == 2)
            .count();
        from = Leaf::<PER>::key_octets(&(last.number + 1));
    }
}

fn octets(path: &Path) -> u64 {
    if path.is_dir() {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| octets(&entry.unwrap().path()))
            .sum()
    } else {
        std::fs::metadata(path).unwrap().len()
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Folders for one measurement.
fn fresh(folder: &Path) -> PathBuf {
    let folder = folder.join("pages-bench");
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

async fn layout<const PER: usize>(folder: &Path) {
    let folder = fresh(folder);
    let (store, _) = Store::open(&folder, Options::default()).unwrap();
    let start = Instant::now();
    for first in (0..MESSAGES).step_by(BATCH as usize) {
        let run = move |tx: &mut congvu_store::Tx<'_>| {
            (first..first + BATCH).try_for_each(|uid| write::<PER>(tx, uid, 1))
        };
        store.transact(run).await.unwrap();
    }
    let insert = milliseconds(start);
    let log = octets(&folder.join("log"));

    let start = Instant::now();
    let run = |tx: &mut congvu_store::Tx<'_>| {
        (0..SINGLE).try_for_each(|number| {
            write::<PER>(tx, number.wrapping_mul(2_654_435_761) % MESSAGES, 3)
        })
    };
    store.transact(run).await.unwrap();
    let single = milliseconds(start);
    let single_log = octets(&folder.join("log")) - log;

    let start = Instant::now();
    store
        .transact(|tx| (0..MESSAGES).try_for_each(|uid| write::<PER>(tx, uid, 2)))
        .await
        .unwrap();
    let all = milliseconds(start);

    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(
            store.read(|tx| scan::<PER>(tx)).await.unwrap(),
            MESSAGES as usize
        );
    }
    let fetch = milliseconds(start) / 10.0;
    store.close().await.unwrap();
    println!(
        "| {PER} | {insert:.0} | {single:.1} | {:.1} | {all:.0} | {fetch:.1} | {:.1} | {:.1} |",
        single_log as f64 / f64::from(SINGLE),
        octets(&folder.join("log")) as f64 / 1e6,
        octets(&folder.join("index")) as f64 / 1e6,
    );
    drop(store);
    let _ = std::fs::remove_dir_all(&folder);
}

async fn operations(folder: &Path) {
    let folder = fresh(folder);
    let (store, _) = Store::open(&folder, Options::default()).unwrap();
    store
        .transact(|tx| tx.create_home(AccountId(1), &[]))
        .await
        .unwrap();
    let inbox = store
        .read(|tx| tx.mailbox_named(AccountId(1), "INBOX"))
        .await
        .unwrap()
        .unwrap()
        .id;
    let report = |what: &str, since: Instant| println!("| {what} | {:.1} |", milliseconds(since));

    let start = Instant::now();
    fill(&store, inbox).await;
    report("append 50,000 messages of 2 KB, 100 a transaction", start);

    let start = Instant::now();
    let count = store.read(move |tx| page_through(tx, inbox)).await.unwrap();
    report("read 50,000 message records", start);
    assert_eq!(count, MESSAGES as usize);

    let start = Instant::now();
    assert_eq!(
        store.read(move |tx| tx.uids(inbox)).await.unwrap().len(),
        MESSAGES as usize
    );
    report("list 50,000 UIDs", start);

    let seen = FlagChange::Add(Flags::SEEN, Vec::new());
    let start = Instant::now();
    let change = seen.clone();
    let run = move |tx: &mut congvu_store::Tx<'_>| {
        (1..=MESSAGES).try_for_each(|uid| tx.change_flags(inbox, Uid(uid), &change).map(drop))
    };
    store.transact(run).await.unwrap();
    report("set a flag on all, one transaction", start);

    let start = Instant::now();
    for uid in 1..=100 {
        let change = FlagChange::Add(Flags::FLAGGED, Vec::new());
        store
            .transact(move |tx| tx.change_flags(inbox, Uid(uid), &change))
            .await
            .unwrap();
    }
    println!(
        "| set a flag on one, durable, alone | {:.2} |",
        milliseconds(start) / 100.0
    );

    let archive = store
        .read(|tx| tx.mailbox_named(AccountId(1), "Archive"))
        .await
        .unwrap()
        .unwrap()
        .id;
    let start = Instant::now();
    let uids: Vec<Uid> = (1..=10_000).map(Uid).collect();
    let moved = store
        .transact(move |tx| tx.relocate(inbox, &uids, archive))
        .await
        .unwrap();
    report("move 10,000", start);
    assert_eq!(moved.len(), 10_000);

    let body = store.prepare(&vec![b'x'; 10_000], b"summary").unwrap();
    let start = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (store, body) = (store.clone(), body.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    let body = body.clone();
                    store
                        .transact(move |tx| tx.append(inbox, &body, &new_message(), Quota::Enforce))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = 64.0 * 50.0 / start.elapsed().as_secs_f64();
    println!("| deliveries a second, durable, 64 writers | {rate:.0} |");
    store.close().await.unwrap();
    drop(store);
    println!(
        "| log, MB | {:.1} |",
        octets(&folder.join("log")) as f64 / 1e6
    );
    println!(
        "| index, MB | {:.1} |",
        octets(&folder.join("index")) as f64 / 1e6
    );

    reopen(&folder);
}

/// What a start costs.
fn reopen(folder: &Path) {
    let report = |what: &str, since: Instant| println!("| {what} | {:.1} |", milliseconds(since));
    let start = Instant::now();
    drop(Store::open(folder, Options::default()).unwrap());
    report("open and close after a clean close", start);
    std::fs::remove_dir_all(folder.join("index")).unwrap();
    let start = Instant::now();
    drop(Store::open(folder, Options::default()).unwrap());
    report("rebuild the index from the log, and close", start);
    let _ = std::fs::remove_dir_all(folder);
}

fn new_message() -> NewMessage {
    NewMessage {
        flags: Flags::default(),
        keywords: Vec::new(),
        date: 1_700_000_000,
        zone: 420,
    }
}

async fn fill(store: &Store, mailbox: MailboxId) {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..MESSAGES / BATCH {
        let bodies: Vec<_> = (0..BATCH)
            .map(|_| {
                let text: Vec<u8> = (0..2_000)
                    .map(|_| b"etaoin shrdlu\r\n"[random.usize(0..15)])
                    .collect();
                store.prepare(&text, &text[..200]).unwrap()
            })
            .collect();
        store
            .transact(move |tx| {
                bodies.iter().try_for_each(|body| {
                    tx.append(mailbox, body, &new_message(), Quota::Enforce)
                        .map(drop)
                })
            })
            .await
            .unwrap();
    }
}

fn page_through(tx: &impl Read, mailbox: MailboxId) -> Result<usize, Error> {
    let (mut count, mut from) = (0, Uid(1));
    loop {
        let page = tx.messages(mailbox, from, Uid(u32::MAX), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        count += page.len();
        from = Uid(last.uid.0 + 1);
    }
}

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with('-'))
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    println!(
        "| records a value | insert 50,000, ms | 2,000 single flags, ms | log octets a single flag | flag on all, ms | scan all, ms | log, MB | index, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    runtime.block_on(async {
        layout::<1>(&folder).await;
        layout::<16>(&folder).await;
        layout::<64>(&folder).await;
    });
    println!("\n| the store's own operations | ms |\n|---|---|");
    runtime.block_on(operations(&folder));
}
