//! Walks the log after a crash or for a rebuild: hands over every commit, finds the torn tail and
//! damage in the middle.
//!
//! A group is written only after the `fdatasync` of the one before it returned. So what is damaged
//! before a later valid group (or segment) was durable once: it is reported and skipped. What is
//! damaged at the very end was never acknowledged: it is cut at the last whole group.

use std::fs::File;
use std::sync::Arc;

use super::frame::{self, Commit, GroupHead, Header, Kind, MAGIC, SegmentHead};
use super::segment::{Segment, Segments, read_some};
use super::writer::End;
use crate::body::Head;
use crate::error::{Error, Result};
use crate::id::Lsn;

/// Octets read at a time.
const WINDOW: usize = 256 * 1024;
/// Octets given up when the disk cannot read them: a sector cluster.
const SECTOR: usize = 4096;
/// Octets of a segment frame.
pub(crate) const SEGMENT_FRAME: u64 = frame::HEADER + frame::SEGMENT_PAYLOAD;
/// Octets of a group frame.
pub(super) const GROUP_FRAME: u64 = frame::HEADER + frame::GROUP_PAYLOAD;
/// Most damaged places that are described one by one.
const DESCRIBED: usize = 1_000;

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Where the log ends.
    pub(crate) end: End,
    /// Damaged places before the end.
    pub(crate) damaged: Vec<String>,
    /// Octets after `end` in its segment: the torn tail.
    pub(crate) torn: u64,
    /// Segment files begun and never used, to be removed.
    pub(crate) unused: Vec<Arc<Segment>>,
    /// Commits handed over.
    pub(crate) commits: u64,
    /// Octets before the end that may have held commits and could not be read.
    pub(crate) lost: u64,
    /// Where the first of them stand, or the group that they are in.
    pub(crate) lost_from: Option<Lsn>,
}

/// The store's number from the first readable segment head.
pub(crate) fn seed(segments: &Segments) -> Result<Option<u64>> {
    for segment in segments.all() {
        let mut pages = Pages::open(segments, &segment, 0)?;
        if let Some(head) = pages.segment_head() {
            return Ok(Some(head.store));
        }
    }
    Ok(None)
}

/// Where the log ends when nothing is damaged: the end of the last file.
pub(crate) fn length(segments: &Segments) -> Result<Lsn> {
    let Some(last) = segments.all().pop() else {
        return Ok(Lsn(0));
    };
    Ok(Lsn(Pages::open(segments, &last, 0)?.end()))
}

/// Walks from `from` (the beginning of a group, or 0) to the end. `floor` is the end of a group that is
/// known to have been durable. `last` is the number of the group before `from`.
pub(crate) fn scan(
    segments: &Segments,
    seed: u64,
    from: End,
    floor: Lsn,
    commit: &mut dyn FnMut(Lsn, Commit) -> Result<()>,
) -> Result<Found> {
    let mut found = Found {
        end: from,
        ..Found::default()
    };
    let mut all = segments.all();
    while let Some(last) = all.pop_if(|last| last.first > 0 && last.first >= floor.0) {
        let mut pages = Pages::open(segments, &last, seed)?;
        if pages.segment_head().is_some() || pages.next_group(last.first).is_some() {
            all.push(last);
            break;
        }
        found.unused.push(last);
    }
    let begin = all
        .iter()
        .rposition(|segment| segment.first <= from.lsn.0)
        .unwrap_or(0);
    let mut expected = (from.lsn.0 == 0).then_some(0);
    for (index, segment) in all.iter().enumerate().skip(begin) {
        let mut pages = Pages::open(segments, segment, seed)?;
        if let Some(expected) = expected.filter(|expected| *expected != segment.first) {
            found.lose(expected, segment.first.saturating_sub(expected));
            found.report(format!(
                "{}: octets before this segment are missing",
                segment.path.display()
            ));
        }
        match pages.segment_head() {
            Some(head) if head.store != seed => {
                return Err(Error::Damaged(format!(
                    "{} belongs to another store",
                    segment.path.display()
                )));
            }
            Some(_) => {}
            None => found.report(format!("{}: head of the segment", segment.path.display())),
        }
        expected = Some(pages.end());
        let mut walk = Walk {
            pages,
            found: &mut found,
            floor,
            last: index + 1 == all.len(),
            commit,
        };
        walk.segment(from.lsn.0.max(segment.first + SEGMENT_FRAME))?;
    }
    let missing = floor.0.saturating_sub(found.end.lsn.0);
    if missing > 0 {
        let end = found.end.lsn;
        found.lose(end.0, missing);
        found.report(format!(
            "LSN {end}: {missing} octets at the end are missing"
        ));
    }
    Ok(found)
}

impl Found {
    fn lose(&mut self, at: u64, octets: u64) {
        self.lost += octets;
        if octets > 0 {
            self.lost_from.get_or_insert(Lsn(at));
        }
    }

    fn report(&mut self, what: String) {
        if self.damaged.len() < DESCRIBED {
            self.damaged.push(what);
        }
    }
}

/// A walk through one segment.
struct Walk<'a> {
    pages: Pages,
    found: &'a mut Found,
    floor: Lsn,
    /// No segment follows.
    last: bool,
    commit: &'a mut dyn FnMut(Lsn, Commit) -> Result<()>,
}

/// Frames between two places.
#[derive(Default)]
struct Stretch {
    commits: Vec<Commit>,
    bad: Vec<String>,
    /// Octets of `bad` that may have held commits.
    lost: u64,
}

impl Walk<'_> {
    fn segment(&mut self, from: u64) -> Result<()> {
        let mut at = from;
        let end = self.pages.end();
        while at < end {
            let group = self.pages.group(at);
            let group_end = group
                .and_then(|group| at.checked_add(group.length))
                .unwrap_or(u64::MAX);
            let (stretch, next) = if group.is_some() {
                let deep = self.last && group_end >= end && group_end > self.floor.0;
                let stretch = self.stretch(at + GROUP_FRAME, group_end.min(end), deep)?;
                (stretch, (group_end <= end).then_some(group_end))
            } else {
                (Stretch::default(), None)
            };
            if let Some(next) = next.filter(|_| stretch.bad.is_empty()) {
                self.take(at, stretch)?;
                at = next;
            } else {
                // Damaged. Was it durable once?
                let later = self.pages.next_group(next.unwrap_or(at + 1));
                let durable = later.is_some() || !self.last || at < self.floor.0;
                if !durable {
                    self.found.torn = end - at;
                    self.found.end.lsn = Lsn(at);
                    return Ok(());
                }
                let stop = next.or(later).unwrap_or(end);
                let mut stretch = if next.is_some() {
                    stretch
                } else {
                    self.stretch(at, stop, false)?
                };
                if stretch.bad.is_empty() {
                    stretch.bad.push(self.pages.describe(at, stop));
                }
                self.found.lose(at, stretch.lost);
                for what in std::mem::take(&mut stretch.bad) {
                    self.found.report(what);
                }
                self.take(at, stretch)?;
                at = stop;
            }
            if let Some(group) = group {
                self.found.end.group = self.found.end.group.max(group.number);
            }
            self.found.end.lsn = Lsn(at);
        }
        self.found.end.lsn = Lsn(self.found.end.lsn.0.max(end));
        Ok(())
    }

    /// Hands over the commits of what stood at `at`.
    fn take(&mut self, at: u64, stretch: Stretch) -> Result<()> {
        for commit in stretch.commits {
            self.found.commits += 1;
            (self.commit)(Lsn(at), commit)?;
        }
        Ok(())
    }

    /// Reads the frames of a stretch; after a damaged one it goes on at the next that is valid.
    fn stretch(&mut self, from: u64, to: u64, deep: bool) -> Result<Stretch> {
        let mut stretch = Stretch::default();
        let mut at = from;
        while at < to {
            let header = self
                .pages
                .frame(at)
                .filter(|header| header.total() <= to - at);
            let Some(header) = header else {
                let next = self.pages.next_frame(at + 1, to).unwrap_or(to);
                stretch.bad.push(self.pages.describe(at, next));
                stretch.lost += if self.is_just_a_body(at, next) {
                    0
                } else {
                    next - at
                };
                at = next;
                continue;
            };
            if header.version > frame::VERSION || header.kind.is_none() {
                return Err(Error::Newer {
                    what: format!("frame {at} of the log"),
                    found: u32::from(header.version.max(frame::VERSION + 1)),
                    known: u32::from(frame::VERSION),
                });
            }
            match header.kind {
                Some(Kind::Commit) => {
                    if let Some(commit) = Commit::decode(self.pages.payload(at, &header)) {
                        stretch.commits.push(commit);
                    } else {
                        stretch.lost += header.total();
                        let what = format!("LSN {at}: a commit that contradicts itself");
                        stretch.bad.push(what);
                    }
                }
                Some(Kind::Body) if deep && !self.pages.body(at, &header) => {
                    stretch.bad.push(format!("LSN {at}: chunks of a body"));
                }
                _ => {}
            }
            at += header.total();
        }
        Ok(stretch)
    }

    /// Whether a damaged place was one body frame exactly, so that no commit can have been in it.
    fn is_just_a_body(&mut self, from: u64, to: u64) -> bool {
        Header::decode(self.pages.octets(from, 32)).is_some_and(|header| {
            header.kind == Some(Kind::Body) && header.lsn.0 == from && header.total() == to - from
        })
    }
}

/// Buffered reading of one segment by LSN.
pub(super) struct Pages {
    file: Arc<File>,
    first: u64,
    length: u64,
    seed: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Pages {
    pub(super) fn open(segments: &Segments, segment: &Segment, seed: u64) -> Result<Self> {
        let file = segments.open(segment)?;
        let failed = |error: std::io::Error| {
            Error::io(format!("reading {}", segment.path.display()), &error)
        };
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self {
            file,
            first: segment.first,
            length,
            seed,
            window: Vec::new(),
            window_at: segment.first,
        })
    }

    /// What a damaged place held, as far as its octets still tell.
    pub(super) fn describe(&mut self, from: u64, to: u64) -> String {
        let octets = to - from;
        let header = Header::decode(self.octets(from, 32)).filter(|header| header.lsn.0 == from);
        let held = match header {
            Some(header) => match header.kind {
                Some(Kind::Commit) => match Commit::decode(self.payload(from, &header)) {
                    Some(commit) => format!(
                        "transaction {} with {} writes",
                        commit.number,
                        commit.ops.len()
                    ),
                    None => "a transaction".to_owned(),
                },
                Some(Kind::Body) => format!("body {from}"),
                Some(Kind::Group) => "the head of a group".to_owned(),
                Some(Kind::Segment) => "the head of a segment".to_owned(),
                None => "a frame of unknown kind".to_owned(),
            },
            None => "nothing recognisable".to_owned(),
        };
        format!("LSN {from}: {octets} octets that held {held}")
    }

    /// The LSN after the last octet of the file.
    pub(super) fn end(&self) -> u64 {
        self.first + self.length
    }

    /// Octets from `at`, fewer than `count` at the end of the file. What the disk cannot read comes
    /// as zeros, which no checksum matches.
    pub(super) fn octets(&mut self, at: u64, count: usize) -> &[u8] {
        let left = usize::try_from(self.end().saturating_sub(at)).unwrap_or(usize::MAX);
        let count = count.min(left);
        let inside =
            at >= self.window_at && at + count as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            let wanted = count.max(WINDOW.min(left));
            self.window = read_some(&self.file, at - self.first, wanted)
                .unwrap_or_else(|_| read_around_damage(&self.file, at - self.first, wanted));
            self.window_at = at;
        }
        let from = usize::try_from(at - self.window_at).unwrap_or(0);
        let to = (from + count).min(self.window.len());
        self.window.get(from..to).unwrap_or_default()
    }

    /// A header at `at` whose frame lies in this file and whose checksum matches.
    pub(super) fn frame(&mut self, at: u64) -> Option<Header> {
        let seed = self.seed;
        let end = self.end();
        let header = Header::decode(self.octets(at, 32))?;
        if header.lsn.0 != at || header.total() > end - at {
            return None;
        }
        let octets = self.octets(at, 32 + header.covered as usize);
        let seed = if header.kind == Some(Kind::Segment) {
            0
        } else {
            seed
        };
        header.matches(octets, seed).then_some(header)
    }

    pub(super) fn payload(&mut self, at: u64, header: &Header) -> &[u8] {
        self.octets(at, 32 + header.covered as usize)
            .get(32..)
            .unwrap_or_default()
    }

    pub(super) fn group(&mut self, at: u64) -> Option<GroupHead> {
        match self.frame(at) {
            Some(header) if header.kind == Some(Kind::Group) => {
                GroupHead::decode(self.payload(at, &header))
                    .filter(|group| group.length >= GROUP_FRAME)
            }
            _ => None,
        }
    }

    pub(super) fn segment_head(&mut self) -> Option<SegmentHead> {
        let first = self.first;
        match self.frame(first) {
            Some(header) if header.kind == Some(Kind::Segment) => {
                SegmentHead::decode(self.payload(first, &header))
            }
            _ => None,
        }
    }

    /// Whether all chunks of a body match their checksums.
    pub(super) fn body(&mut self, at: u64, header: &Header) -> bool {
        let seed = self.seed;
        let head = Head::decode(header.version, self.payload(at, header));
        let Some(table) = head.map(|head| head.table) else {
            return false;
        };
        let mut place = at + 32 + u64::from(header.covered);
        for slot in table {
            let stored = self.octets(place, slot.stored as usize);
            if stored.len() != slot.stored as usize || slot.unpack(stored, seed).is_err() {
                return false;
            }
            place += u64::from(slot.stored);
        }
        place == at + header.total()
    }

    /// The next valid frame that begins in `from..to`.
    pub(super) fn next_frame(&mut self, from: u64, to: u64) -> Option<u64> {
        let mut at = from;
        while let Some(place) = self.find_magic(at, to) {
            if self.frame(place).is_some() {
                return Some(place);
            }
            at = place + 1;
        }
        None
    }

    /// The next valid group that begins at or after `from`.
    fn next_group(&mut self, from: u64) -> Option<u64> {
        let mut at = from;
        while let Some(place) = self.find_magic(at, self.end()) {
            if self.group(place).is_some() {
                return Some(place);
            }
            at = place + 1;
        }
        None
    }

    fn find_magic(&mut self, from: u64, to: u64) -> Option<u64> {
        let mut at = from;
        while at < to {
            let octets = self.octets(at, WINDOW);
            if let Some(place) = octets
                .windows(MAGIC.len())
                .position(|window| window == MAGIC)
            {
                let place = at + place as u64;
                return (place < to).then_some(place);
            }
            if octets.len() < MAGIC.len() {
                break;
            }
            at += (octets.len() - (MAGIC.len() - 1)) as u64;
        }
        None
    }
}

/// Reads what can be read, sector by sector; the rest is zeros.
fn read_around_damage(file: &File, at: u64, count: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(count);
    while octets.len() < count {
        let length = SECTOR.min(count - octets.len());
        match read_some(file, at + octets.len() as u64, length) {
            Ok(read) if read.is_empty() => break,
            Ok(read) => octets.extend_from_slice(&read),
            Err(_) => octets.resize(octets.len() + length, 0),
        }
    }
    octets
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
