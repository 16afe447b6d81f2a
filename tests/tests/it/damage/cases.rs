//! The table of damages.

use std::fs;
use std::path::{Path, PathBuf};

use congvu_tests::crash::inside::other_boot;
use congvu_tests::frames::{HEADER, Kind};

use super::{Case, LETTERS, Store, Uids};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let mut all = frames();
    all.extend(ends());
    all.extend(files());
    all.extend(index());
    all.extend(others());
    all
}

/// Single frames of the log.
fn frames() -> Vec<Case> {
    vec![
        Case {
            name: "nothing",
            damage: |_| {},
            check: (0, "the store is whole"),
            start: Ok("store opened"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "bit in the head of a segment",
            damage: |store| flip(&store.body(VICTIM).path, 40),
            check: (1, "the head of a segment"),
            start: Ok("store opened"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "bit in a group frame",
            damage: |store| {
                let group = store.nth(Kind::Group, 30);
                flip(&group.path, group.at + HEADER + 3);
            },
            check: (1, "log: "),
            start: Ok("store opened"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "bit in the summary of a letter",
            damage: |store| {
                let body = store.body(VICTIM);
                flip(&body.path, body.at + HEADER + body.covered - 5);
            },
            check: (1, "UID 20"),
            start: Ok("store opened"),
            lost: one,
            unsalvaged: one,
        },
        Case {
            name: "bit in the octets of a letter",
            damage: |store| {
                let body = store.body(VICTIM);
                flip(&body.path, body.at + body.total - 100);
            },
            check: (1, "<20@xa.test>"),
            start: Ok("store opened"),
            lost: one,
            unsalvaged: one,
        },
        Case {
            name: "bit in a transaction",
            damage: |store| {
                let body = store.body(VICTIM);
                flip(&body.path, body.at + body.total + HEADER + 30);
            },
            check: (1, "log: "),
            // The index has what the transaction did.
            start: Ok("store opened"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "bit in a transaction, and the index lost",
            damage: |store| {
                let body = store.body(LAST_OF_LEAF);
                flip(&body.path, body.at + body.total + HEADER + 30);
                fs::remove_dir_all(store.data.join("index")).expect("the index");
                for path in snapshots(&store.data) {
                    fs::remove_file(path).expect("a snapshot");
                }
            },
            check: (1, "log: "),
            start: Ok("damaged frame in the log"),
            lost: |_| Uids::from([LAST_OF_LEAF]),
            unsalvaged: nothing,
        },
    ]
}

/// Blocks, and the end of the log.
fn ends() -> Vec<Case> {
    vec![
        Case {
            name: "a block of zeros in the middle",
            damage: |store| {
                let (path, at) = block(store);
                change(&path, |octets| octets[at..at + BLOCK].fill(0));
            },
            check: (1, "UID 20"),
            start: Ok("store opened"),
            lost: |store| {
                let (path, at) = block(store);
                store.within(&path, at, at + BLOCK)
            },
            unsalvaged: |store| {
                let (path, at) = block(store);
                store.within(&path, at, at + BLOCK)
            },
        },
        Case {
            name: "the end of the log cut off",
            damage: |store| {
                let body = store.body(LETTERS);
                assert_eq!(body.path, store.last());
                let middle = body.at + body.total / 2;
                change(&body.path, |octets| octets.truncate(middle));
            },
            check: (1, "log: "),
            start: Ok("index rebuilt from the log"),
            lost: of_last,
            unsalvaged: of_last,
        },
        Case {
            name: "the end of the log torn, after a kill",
            damage: |store| {
                let path = store.last();
                change(&path, |octets| {
                    octets.extend_from_slice(b"CvL1 half a group");
                });
                other_boot(&store.data).expect("the state");
            },
            check: (1, "were never acknowledged"),
            start: Ok("torn end of the log cut"),
            lost: nothing,
            unsalvaged: nothing,
        },
    ]
}

/// Whole files of the log.
fn files() -> Vec<Case> {
    vec![
        Case {
            name: "a segment in the middle missing",
            damage: |store| fs::remove_file(&store.body(VICTIM).path).expect("the segment"),
            check: (1, "log: "),
            start: Ok("store opened"),
            lost: of_second,
            unsalvaged: of_second,
        },
        Case {
            name: "a segment in the middle empty",
            damage: |store| change(&store.body(VICTIM).path, Vec::clear),
            check: (1, "log: "),
            start: Ok("store opened"),
            lost: of_second,
            unsalvaged: of_second,
        },
        Case {
            name: "two segments exchanged",
            damage: |store| {
                let (one, other) = (store.segment(1), store.segment(2));
                let between = store.data.join("between");
                fs::rename(&one, &between).expect("rename");
                fs::rename(&other, &one).expect("rename");
                fs::rename(&between, &other).expect("rename");
            },
            check: (1, "log: "),
            start: Ok("store opened"),
            lost: |store| {
                let mut lost = store.within(&store.segment(1), 0, usize::MAX);
                lost.extend(store.within(&store.segment(2), 0, usize::MAX));
                lost
            },
            unsalvaged: |store| {
                let mut lost = store.within(&store.segment(1), 0, usize::MAX);
                lost.extend(store.within(&store.segment(2), 0, usize::MAX));
                lost
            },
        },
        Case {
            name: "a segment of another store in its place",
            damage: |store| {
                let path = store.body(VICTIM).path.clone();
                let alien = store.data.parent().expect("a folder").join("alien");
                fs::copy(alien, path).expect("the segment");
            },
            check: (1, "the head of a segment"),
            start: Ok("store opened"),
            lost: of_second,
            unsalvaged: of_second,
        },
        Case {
            name: "the first segment of another store in its place",
            damage: |store| {
                let alien = store.data.parent().expect("a folder").join("alien-first");
                fs::copy(alien, store.segment(0)).expect("the segment");
            },
            check: (1, "a file of another store"),
            start: Ok("store opened"),
            lost: |store| store.within(&store.segment(0), 0, usize::MAX),
            unsalvaged: |store| store.within(&store.segment(0), 0, usize::MAX),
        },
    ]
}

/// The index and what belongs to it.
fn index() -> Vec<Case> {
    vec![
        Case {
            name: "bits all over the index",
            damage: |store| {
                let path = store.data.join("index/db");
                change(&path, |octets| {
                    for at in (100..octets.len()).step_by(509) {
                        octets[at] ^= 1;
                    }
                });
            },
            check: (1, "index: "),
            start: Ok("index rebuilt from the log"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "the index missing",
            damage: |store| fs::remove_dir_all(store.data.join("index")).expect("the index"),
            check: (1, "index: "),
            start: Ok("index rebuilt from the log"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "the index missing, and bits in the newest snapshot",
            damage: |store| {
                fs::remove_dir_all(store.data.join("index")).expect("the index");
                let path = snapshots(&store.data).pop().expect("a snapshot");
                change(&path, |octets| {
                    let middle = octets.len() / 2;
                    octets[middle] ^= 1;
                });
            },
            check: (1, "index: "),
            start: Ok("leave damaged snapshot"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "the index missing, and bits in all snapshots",
            damage: |store| {
                fs::remove_dir_all(store.data.join("index")).expect("the index");
                for path in snapshots(&store.data) {
                    flip(&path, 70);
                }
            },
            check: (1, "index: "),
            start: Ok("leave damaged snapshot"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "nonsense in the state file",
            damage: |store| fs::write(store.data.join("state"), "x\0y").expect("the state"),
            check: (1, "index: "),
            start: Ok("index rebuilt from the log"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "the state file missing",
            damage: |store| fs::remove_file(store.data.join("state")).expect("the state"),
            check: (1, "index: "),
            start: Ok("index rebuilt from the log"),
            lost: nothing,
            unsalvaged: nothing,
        },
    ]
}

/// Left-overs, and what is not opened at all.
fn others() -> Vec<Case> {
    vec![
        Case {
            name: "left-overs: a stale lock, half a snapshot, a draft, sled's own",
            damage: |store| {
                fs::write(store.data.join("lock"), "4194304\n").expect("the lock");
                let half = store.data.join("index-00000000000fffff.snap.new");
                fs::write(half, "half").expect("half a snapshot");
                fs::write(store.data.join("tmp/draft"), "half").expect("a draft");
                let generating = store.data.join("index/snap.0000000000000FFF.generating");
                fs::write(generating, "half").expect("sled's");
            },
            check: (0, "the store is whole"),
            start: Ok("store opened"),
            lost: nothing,
            unsalvaged: nothing,
        },
        Case {
            name: "the whole log missing",
            damage: |store| fs::remove_dir_all(store.data.join("log")).expect("the log"),
            check: (3, "cannot read the log"),
            start: Err("the log in"),
            lost: |_| (1..=LETTERS).collect(),
            unsalvaged: |_| (1..=LETTERS).collect(),
        },
        Case {
            name: "a newer format",
            damage: |store| {
                let path = store.data.join("state");
                let newer = "format 9\nstore 1\nleft rebuilding\n";
                fs::write(path, newer).expect("the state");
            },
            check: (3, "newer"),
            start: Err("newer"),
            lost: |_| (1..=LETTERS).collect(),
            unsalvaged: |_| (1..=LETTERS).collect(),
        },
    ]
}

fn nothing(_: &Store) -> Uids {
    Uids::new()
}

fn one(_: &Store) -> Uids {
    Uids::from([VICTIM])
}

/// The message that is damaged, somewhere in the middle of the log.
pub(super) const VICTIM: u32 = 20;
/// No later transaction writes the record that holds it: such a one holds sixteen UIDs from 16, 32 …
const LAST_OF_LEAF: u32 = 31;
/// A block of a disk.
const BLOCK: usize = 4_096;

fn block(store: &Store) -> (PathBuf, usize) {
    let body = store.body(VICTIM);
    (
        body.path.clone(),
        (body.at + body.total / 2) / BLOCK * BLOCK,
    )
}

fn of_last(store: &Store) -> Uids {
    let path = store.last();
    let end = usize::try_from(fs::metadata(&path).expect("the log").len()).expect("its length");
    // The cut is done by now.
    store.within(&path, end, usize::MAX)
}

fn of_second(store: &Store) -> Uids {
    let path = store.data.join("log");
    let body = store.body(VICTIM);
    assert!(body.path.starts_with(path));
    store.within(&body.path, 0, usize::MAX)
}

pub(super) fn flip(path: &Path, at: usize) {
    change(path, |octets| octets[at] ^= 0x10);
}

fn change(path: &Path, run: impl FnOnce(&mut Vec<u8>)) {
    let mut octets = fs::read(path).expect("the file");
    run(&mut octets);
    fs::write(path, octets).expect("the file");
}

/// Files of a folder whose names fit.
pub(super) fn named(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            fits(&name)
        })
        .collect();
    paths.sort();
    paths
}

fn snapshots(data: &Path) -> Vec<PathBuf> {
    let found = named(data, |name| {
        name.starts_with("index-") && name.ends_with("snap")
    });
    assert!(!found.is_empty(), "no snapshot was taken");
    found
}
