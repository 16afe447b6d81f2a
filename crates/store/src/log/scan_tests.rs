//! Every way to damage a small log, exhaustively, without an index.

use std::sync::{Arc, Mutex};

use super::super::frame::{self, Commit, Kind, SegmentHead};
use super::super::segment::{Disk, Segments};
use super::super::writer::{End, Piece, Writer};
use super::{Found, SEGMENT_FRAME, scan};
use crate::body::NewBody;
use crate::draft::Draft;
use crate::id::{BodyId, Lsn, ModSeq, Timestamp};

const SEED: u64 = 77;

/// A log in a folder of its own.
struct Log {
    folder: tempfile::TempDir,
    segments: Arc<Segments>,
    writer: Writer,
    /// Where each group begins.
    begins: Vec<u64>,
}

impl Log {
    fn new(limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let segments = Arc::new(Segments::list(folder.path()).unwrap());
        let end = Writer::create(&Disk::default(), &segments, SEED).unwrap();
        assert_eq!(end.lsn.0, SEGMENT_FRAME);
        let writer =
            Writer::open(Disk::default(), Arc::clone(&segments), SEED, limit, end).unwrap();
        Self {
            folder,
            segments,
            writer,
            begins: Vec::new(),
        }
    }

    /// Appends a group of two transactions, the first with a body.
    fn group(&mut self, number: u64) {
        let mut next = self.writer.begin().unwrap();
        self.begins.push(self.writer.end().lsn.0);
        let mut pieces = Vec::new();
        let mut push = |piece: Piece, next: &mut Lsn| {
            next.0 += piece.total();
            pieces.push(piece);
        };
        let body = self.body(number);
        push(
            Piece::Body(body.head(BodyId(next.0), SEED).unwrap(), body),
            &mut next,
        );
        for part in 0..2 {
            let key = format!("key {number} {part}").into_bytes();
            let commit = Commit {
                number: ModSeq(number * 2 + part),
                time: Timestamp(0),
                ops: vec![(key, None)],
            };
            push(
                Piece::Frame(
                    frame::whole(Kind::Commit, &commit.encode().unwrap(), next, SEED).unwrap(),
                ),
                &mut next,
            );
        }
        assert_eq!(self.writer.append(&pieces).unwrap().lsn, next);
    }

    fn body(&self, number: u64) -> NewBody {
        let mut draft = Draft::new(self.folder.path(), SEED);
        draft.write(format!("body {number}").as_bytes()).unwrap();
        draft.finish(b"sum").unwrap()
    }

    /// Scans a damaged copy: the whole log as one file, whose octets `damage` changes.
    fn damaged(&self, damage: impl FnOnce(&mut Vec<u8>)) -> (Found, Vec<u64>) {
        let path = self.segments.path(0);
        let whole = std::fs::read(&path).unwrap();
        let mut octets = whole.clone();
        damage(&mut octets);
        std::fs::write(&path, octets).unwrap();
        let result = self.scan(Lsn(0));
        std::fs::write(&path, whole).unwrap();
        result
    }

    fn scan(&self, floor: Lsn) -> (Found, Vec<u64>) {
        let commits = Mutex::new(Vec::new());
        let found = scan(
            &self.segments,
            SEED,
            End::default(),
            floor,
            &mut |_, commit| {
                commits.lock().unwrap().push(commit.number.0);
                Ok(())
            },
        )
        .unwrap();
        (found, commits.into_inner().unwrap())
    }

    fn end(&self) -> u64 {
        self.writer.end().lsn.0
    }
}

fn small() -> Log {
    let mut log = Log::new(u64::MAX);
    (0..4).for_each(|number| log.group(number));
    log
}

#[test]
fn a_whole_log_is_walked_whole() {
    let log = small();
    let (found, commits) = log.scan(Lsn(0));
    assert_eq!(
        (found.end, found.torn, found.commits),
        (log.writer.end(), 0, 8)
    );
    assert!(found.damaged.is_empty());
    assert_eq!(commits, (0..8).collect::<Vec<_>>());
    let from = End {
        lsn: Lsn(log.begins[2]),
        group: 2,
    };
    let mut commits = Vec::new();
    let mut take = |_: Lsn, commit: Commit| {
        commits.push(commit.number.0);
        Ok(())
    };
    let found = scan(&log.segments, SEED, from, Lsn(0), &mut take).unwrap();
    assert_eq!((found.end, commits), (log.writer.end(), vec![4, 5, 6, 7]));
}

#[test]
fn the_last_group_is_cut_wherever_it_was_torn() {
    let log = small();
    let last = log.begins[3];
    for cut in last..log.end() {
        let (found, commits) = log.damaged(|octets| octets.truncate(usize::try_from(cut).unwrap()));
        assert_eq!(
            (found.end.lsn.0, found.end.group, found.torn),
            (last, 3, cut - last),
            "cut at {cut}"
        );
        assert!(found.damaged.is_empty(), "{found:?}");
        assert_eq!(commits.len(), 6);
    }
    for zero in last..log.end() - 1 {
        let (found, commits) =
            log.damaged(|octets| octets[usize::try_from(zero).unwrap()..].fill(0));
        assert_eq!(
            (found.end.lsn.0, found.torn),
            (last, log.end() - last),
            "zeros from {zero}"
        );
        assert_eq!(commits.len(), 6);
    }
    for at in last..log.end() {
        let bit = 1 << fastrand::u8(0..8);
        let (found, commits) = log.damaged(|octets| octets[usize::try_from(at).unwrap()] ^= bit);
        assert_eq!(
            (found.end.lsn.0, found.torn),
            (last, log.end() - last),
            "bit {bit} of octet {at}"
        );
        assert_eq!(commits.len(), 6);
    }
    let (found, commits) = log.damaged(|octets| octets.extend_from_slice(&[0; 5_000]));
    assert_eq!(
        (found.end, found.torn, commits.len()),
        (log.writer.end(), 5_000, 8)
    );
}

#[test]
fn what_was_durable_is_reported_and_everything_else_is_read() {
    let log = small();
    for at in SEGMENT_FRAME..log.begins[3] {
        let (found, commits) = log.damaged(|octets| octets[usize::try_from(at).unwrap()] ^= 4);
        assert_eq!((found.end, found.torn), (log.writer.end(), 0), "octet {at}");
        // Bodies before the last group are read only when they are asked for.
        assert!(found.damaged.len() <= 1, "octet {at}: {found:?}");
        assert!(commits.len() >= 7, "octet {at}: {commits:?}");
        if commits.len() < 8 {
            assert_eq!(found.damaged.len(), 1, "octet {at}");
        }
    }
    // The whole of the middle groups.
    let (from, to) = (
        usize::try_from(log.begins[1]).unwrap(),
        usize::try_from(log.begins[3]).unwrap(),
    );
    let (found, commits) = log.damaged(|octets| octets[from..to].fill(0xEE));
    assert_eq!(
        (found.end, found.torn, found.damaged.len()),
        (log.writer.end(), 0, 1)
    );
    assert_eq!(commits, [0, 1, 6, 7]);
}

#[test]
fn damage_of_the_last_group_is_no_torn_tail_when_it_is_known_to_have_been_durable() {
    let log = small();
    let path = log.segments.path(0);
    let mut octets = std::fs::read(&path).unwrap();
    let last = octets.len() - 1;
    octets[last] ^= 1;
    std::fs::write(&path, octets).unwrap();
    let (found, commits) = log.scan(Lsn(log.end()));
    assert_eq!(
        (found.end, found.torn, found.damaged.len()),
        (log.writer.end(), 0, 1)
    );
    assert_eq!(commits, (0..7).collect::<Vec<_>>());
}

#[test]
fn segments_follow_one_another_and_a_begun_one_is_removed() {
    let mut log = Log::new(500);
    (0..9).for_each(|number| log.group(number));
    let all = log.segments.all();
    assert!(all.len() >= 3, "{}", all.len());
    let (found, commits) = log.scan(Lsn(0));
    assert_eq!(
        (found.end, found.torn, commits.len()),
        (log.writer.end(), 0, 18)
    );

    // A torn tail in the last file, and damage at the end of an earlier one.
    let cut = |path: &std::path::Path, by: u64| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length - by).unwrap();
    };
    cut(&all[0].path, 3);
    let (found, commits) = log.scan(Lsn(0));
    assert_eq!(
        (found.end, found.torn, commits.len()),
        (log.writer.end(), 0, 17)
    );
    assert_eq!(
        found.damaged.len(),
        2,
        "the transaction, and the missing octets: {found:?}"
    );

    // A file that was being begun.
    let end = log.end();
    for head in [0, 10, 63] {
        let payload = SegmentHead {
            store: SEED,
            first: Lsn(end),
            created: Timestamp(0),
            end: Lsn(0),
        }
        .encode();
        let frame = frame::whole(Kind::Segment, &payload, Lsn(end), 0).unwrap();
        std::fs::write(log.segments.path(end), &frame[..head]).unwrap();
        let segments = Segments::list(log.folder.path()).unwrap();
        let found = scan(&segments, SEED, End::default(), Lsn(0), &mut |_, _| Ok(())).unwrap();
        assert_eq!(
            (found.end.lsn.0, found.unused.len(), found.torn),
            (end, 1, 0),
            "{head} octets of its head"
        );
    }
}

#[test]
fn any_octets_are_walked_without_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let log = small();
    for _ in 0..300 {
        log.damaged(|octets| {
            for _ in 0..random.usize(1..60) {
                let at = random.usize(0..octets.len());
                match random.u8(0..4) {
                    0 => octets[at] = random.u8(..),
                    1 => octets.truncate(at.max(70)),
                    2 => {
                        let from = random.usize(0..octets.len());
                        let part =
                            octets[from..(from + random.usize(0..200)).min(octets.len())].to_vec();
                        octets.splice(at..at, part);
                    }
                    _ => octets[at] ^= 1 << random.u8(0..8),
                }
            }
        });
    }
}
