//! Writes what is live of some neighbouring segments into one file, and puts it in their place.
//!
//! The file is written under another name, synced, read back, renamed over the first segment, and the
//! folder synced; then the files of the other segments go. A crash leaves the old files, or the new one with
//! or without files that it covers, which the next start removes. Nothing is written in place.

use std::fs::File;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::mark::Marks;
use super::{Halt, Pace};
use crate::error::{Error, Result};
use crate::id::{Lsn, Timestamp};
use crate::log::frame::{self, Header, Kind, SegmentHead};
use crate::log::pages::Pages;
use crate::log::runs::Builder;
use crate::log::segment::{Hold, NEW, Opened, Segment};
use crate::log::writer::FLOOR;
use crate::store::Shared;

/// Octets copied at a time.
const PIECE: u64 = 256 * 1024;
/// Octets for which room is asked at a time, beside a large body.
const MORE: u64 = 4 * 1024 * 1024;
/// How often it is tried to replace a segment while a backup or a check reads the log.
const AGAIN: Duration = Duration::from_millis(200);

/// Neighbouring segments that become one file.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) first: u64,
    pub(super) end: u64,
}

/// What became of a unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    /// Octets of the new file.
    pub(super) octets: u64,
    /// Bodies that were dropped.
    pub(super) dropped: u64,
}

/// Rewrites a unit. [`Error::Damaged`]: something in it is damaged; it stays as it is.
pub(super) fn rewrite(
    shared: &Shared,
    unit: &Unit,
    marks: &Marks,
    pace: &mut Pace<'_>,
) -> Result<Done, Halt> {
    let path = shared.segments.path(unit.first);
    let new = path.with_extension(format!("log.{NEW}"));
    // One that an error left behind.
    let _ = std::fs::remove_file(&new);
    let file = shared
        .disk
        .create(&new)
        .map_err(|error| Error::io(format!("creating {}", new.display()), &error))?;
    let written = write(shared, unit, marks, pace, file).and_then(|(opened, done)| {
        let hold = alone(shared, pace)?;
        let renamed = shared.disk.rename(&new, &path);
        renamed.map_err(|error| Error::io(format!("naming {}", path.display()), &error))?;
        // Also when the folder cannot be synced: the file has the name, and either is right after a crash.
        let covered: Vec<u64> = unit.segments.iter().map(|one| one.first).collect();
        shared.segments.put(unit.first, covered, opened);
        shared
            .disk
            .sync_folder(&shared.segments.folder)
            .map_err(|error| Error::io(format!("syncing {}", path.display()), &error))?;
        for segment in unit.segments.iter().skip(1) {
            shared.disk.remove(&segment.path).map_err(|error| {
                Error::io(format!("removing {}", segment.path.display()), &error)
            })?;
        }
        drop(hold);
        Ok(done)
    });
    if written.is_err() {
        // The error that ended it is the one to tell; the next start removes what stays.
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// Waits until nobody reads the log's files from outside.
fn alone(shared: &Shared, pace: &mut Pace<'_>) -> Result<Hold, Halt> {
    loop {
        if let Some(hold) = Hold::alone(&shared.segments.folder)? {
            return Ok(hold);
        }
        pace.rest(AGAIN)?;
    }
}

/// Asks for room now and then: the log and the index must find some beside the new file.
#[derive(Default)]
struct Room {
    /// Octets of the file for which there is room.
    upto: u64,
}

impl Room {
    fn ask(&mut self, shared: &Shared, length: u64) -> Result<()> {
        if length < self.upto {
            return Ok(());
        }
        let room = shared.disk.room(&shared.segments.folder);
        let room = room.map_err(|error| Error::io("asking for space", &error))?;
        let more = length - self.upto + MORE;
        // Compaction gives more back than it takes.
        if room < FLOOR.saturating_add(more) && !crate::reserve::give_up(&shared.folder) {
            return Err(Error::NoSpace(shared.segments.folder.display().to_string()));
        }
        self.upto = length + MORE;
        Ok(())
    }
}

/// A sum over the frames that must be in the new file, in order.
#[derive(Default)]
struct Sum {
    hash: Xxh3,
    frames: u64,
}

impl Sum {
    fn add(&mut self, header: &Header) {
        self.frames += 1;
        for number in [header.lsn.0, header.total(), header.checksum] {
            self.hash.write_u64(number);
        }
    }

    fn of(&self) -> (u64, u64) {
        (self.frames, self.hash.digest())
    }
}

fn write(
    shared: &Shared,
    unit: &Unit,
    marks: &Marks,
    pace: &mut Pace<'_>,
    file: File,
) -> Result<(Opened, Done), Halt> {
    let mut created = Timestamp::now();
    for segment in &unit.segments {
        let head = Pages::open(&shared.segments, segment, shared.seed)?.segment_head();
        let head = head.ok_or_else(|| damaged(segment.first, "the head of a segment"))?;
        if head.store != shared.seed {
            return Err(damaged(segment.first, "a file of another store").into());
        }
        // A backup tells by this time that the file is another one.
        created = created.max(Timestamp(head.created.0.saturating_add(1)));
    }
    let head = SegmentHead {
        store: shared.seed,
        first: Lsn(unit.first),
        created,
        end: Lsn(unit.end),
    };
    let mut builder = Builder::new(&shared.disk, file, &head)?;
    let (mut sum, mut done) = (Sum::default(), Done::default());
    let live = marks.within(unit.first, unit.end).iter();
    let mut live = live.map(|(id, _)| *id).peekable();
    let mut room = Room::default();
    for segment in &unit.segments {
        let mut pages = Pages::open(&shared.segments, segment, shared.seed)?;
        if pages.mended() {
            return Err(damaged(segment.first, "the table of runs").into());
        }
        let mut at = segment.first + crate::log::scan::SEGMENT_FRAME;
        loop {
            at = pages.present(at);
            if at >= pages.end() {
                break;
            }
            let header = pages.frame(at).ok_or_else(|| damaged(at, "a frame"))?;
            if let Some(id) = live.next_if(|id| *id < at) {
                return Err(damaged(id, "a body that is referred to").into());
            }
            if header.version > frame::VERSION {
                return Err(newer(at, header.version).into());
            }
            match header.kind {
                Some(Kind::Body) if live.next_if_eq(&at).is_some() => {
                    room.ask(shared, builder.length() + header.total())?;
                    body(&mut pages, &header, &mut builder, pace)?;
                    sum.add(&header);
                }
                Some(Kind::Body) => {
                    done.dropped += 1;
                    pace.spent(frame::HEADER + u64::from(header.covered))?;
                }
                Some(Kind::Group | Kind::Commit) => {
                    let total = usize::try_from(header.total()).unwrap_or(usize::MAX);
                    let octets = pages.octets(at, total);
                    if octets.len() != total {
                        return Err(damaged(at, "a frame").into());
                    }
                    builder.small(header.lsn, octets)?;
                    room.ask(shared, builder.length())?;
                    sum.add(&header);
                    pace.spent(header.total())?;
                }
                Some(Kind::Segment | Kind::Runs | Kind::Pack) => {
                    return Err(damaged(at, "a frame that has no place here").into());
                }
                None => return Err(newer(at, header.version).into()),
            }
            at += header.total();
        }
    }
    if let Some(id) = live.next() {
        return Err(damaged(id, "a body that is referred to").into());
    }
    let (file, runs, octets) = builder.finish()?;
    done.octets = octets;
    let opened = Opened::written(file, unit.first, &head);
    read_back(shared, &opened, &runs, &sum, pace)?;
    Ok((opened, done))
}

fn body(
    pages: &mut Pages,
    header: &Header,
    builder: &mut Builder<'_>,
    pace: &mut Pace<'_>,
) -> Result<(), Halt> {
    let (at, total) = (header.lsn.0, header.total());
    if !pages.body(at, header) {
        return Err(damaged(at, "the chunks of a body").into());
    }
    builder.body(header.lsn, total);
    let mut from = at;
    while from < at + total {
        let count = usize::try_from((at + total - from).min(PIECE)).unwrap_or(0);
        let octets = pages.octets(from, count);
        if octets.len() != count {
            return Err(damaged(at, "a body").into());
        }
        builder.octets(octets)?;
        pace.spent(2 * count as u64)?;
        from += count as u64;
    }
    Ok(())
}

/// Reads the new file and compares what is in it with what was to be there.
fn read_back(
    shared: &Shared,
    opened: &Opened,
    expected: &crate::log::runs::Runs,
    sum: &Sum,
    pace: &mut Pace<'_>,
) -> Result<(), Halt> {
    let wrong = || Error::Io {
        context: "reading a rewritten segment".to_owned(),
        message: "it does not read back as it was written".to_owned(),
    };
    // The kernel's copy would hide what the disk did. Only advice.
    let _ = rustix::fs::fadvise(&*opened.file, 0, None, rustix::fs::Advice::DontNeed);
    let runs = shared.segments.runs(opened, shared.seed)?;
    if runs.as_deref() != Some(expected) {
        return Err(wrong().into());
    }
    let mut pages = Pages::of(opened, runs, shared.seed)
        .map_err(|error| Error::io("reading a rewritten segment", &error))?;
    let mut found = Sum::default();
    let mut at = opened.first + crate::log::scan::SEGMENT_FRAME;
    loop {
        at = pages.present(at);
        if at >= pages.end() {
            break;
        }
        let header = pages.frame(at).ok_or_else(wrong)?;
        if header.kind == Some(Kind::Body) && !pages.body(at, &header) {
            return Err(wrong().into());
        }
        found.add(&header);
        pace.spent(header.total())?;
        at += header.total();
    }
    if found.of() == sum.of() && pages.segment_head().is_some() {
        Ok(())
    } else {
        Err(wrong().into())
    }
}

fn damaged(at: u64, what: &str) -> Error {
    Error::Damaged(format!("LSN {at}: {what}"))
}

fn newer(at: u64, version: u8) -> Error {
    Error::Newer {
        what: format!("frame {at} of the log"),
        found: u32::from(version.max(frame::VERSION + 1)),
        known: u32::from(frame::VERSION),
    }
}
