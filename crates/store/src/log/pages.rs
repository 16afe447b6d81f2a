//! Buffered reading of one segment by LSN, whether it was appended to or rewritten.
//!
//! In a rewritten segment only some stretches of the log are stored; between them is *void*: what compaction
//! dropped. A frame is looked for only where the table of runs says that one is.

use std::fs::File;
use std::sync::Arc;

use super::frame::{Commit, GroupHead, Header, Kind, MAGIC, SegmentHead};
use super::runs::{self, Place, Runs};
use super::scan::GROUP_FRAME;
use super::segment::{Opened, Segment, Segments, read_some};
use crate::body::Head;
use crate::error::{Error, Result};

/// Octets read at a time.
const WINDOW: usize = 256 * 1024;
/// Octets given up when the disk cannot read them: a sector cluster.
const SECTOR: usize = 4096;

/// Reads one segment.
pub(crate) struct Pages {
    file: Arc<File>,
    first: u64,
    /// The LSN after the segment.
    end: u64,
    /// Octets of the file.
    length: u64,
    seed: u64,
    runs: Option<Arc<Runs>>,
    /// The run that was read last.
    run: usize,
    window: Vec<u8>,
    /// Place of the window in the file.
    window_at: u64,
    /// The pack that was read last; empty when it is damaged.
    pack: Option<(usize, Vec<u8>)>,
}

/// Where the octets of an LSN are.
enum Spot {
    /// In the file, with how many that follow them.
    File(u64, u64),
    /// In a pack: which, from where, and how many.
    Pack(usize, usize, u64),
    /// Nowhere.
    Void,
}

impl Pages {
    pub(crate) fn open(segments: &Segments, segment: &Segment, seed: u64) -> Result<Self> {
        let opened = segments.open(segment)?;
        let runs = segments.runs(&opened, seed)?;
        Self::of(&opened, runs, seed)
            .map_err(|error| Error::io(format!("reading {}", segment.path.display()), &error))
    }

    /// Reads an open file with its table.
    pub(crate) fn of(opened: &Opened, runs: Option<Arc<Runs>>, seed: u64) -> std::io::Result<Self> {
        let length = opened.file.metadata()?.len();
        Ok(Self {
            file: Arc::clone(&opened.file),
            first: opened.first,
            end: runs
                .as_ref()
                .map_or(opened.first.saturating_add(length), |runs| runs.end),
            length,
            seed,
            runs,
            run: 0,
            window: Vec::new(),
            window_at: 0,
            pack: None,
        })
    }

    /// Whether compaction wrote it.
    pub(crate) fn rewritten(&self) -> bool {
        self.runs.is_some()
    }

    /// Whether its table of runs is damaged and had to be made from its frames.
    pub(crate) fn mended(&self) -> bool {
        self.runs.as_ref().is_some_and(|runs| runs.mended)
    }

    /// The least LSN from `at` on that is stored here; the end of the segment when there is none.
    pub(crate) fn present(&mut self, at: u64) -> u64 {
        match self.runs.as_ref() {
            None => at,
            Some(runs) => match runs.find(at, &mut self.run) {
                Ok(_) => at,
                Err(next) => next,
            },
        }
    }

    /// Where the stored stretch ends in which `at` lies: no frame goes past it.
    pub(crate) fn bound(&mut self, at: u64) -> u64 {
        match self.runs.as_ref() {
            None => self.end,
            Some(runs) => match runs.find(at, &mut self.run) {
                Ok(run) => run.end(),
                Err(next) => next,
            },
        }
    }

    fn spot(&mut self, at: u64) -> Spot {
        let Some(runs) = self.runs.as_ref() else {
            return match at.checked_sub(self.first).filter(|_| at < self.end) {
                Some(place) => Spot::File(place, self.end - at),
                None => Spot::Void,
            };
        };
        let Ok(run) = runs.find(at, &mut self.run) else {
            return Spot::Void;
        };
        let (into, left) = (at - run.lsn, run.end() - at);
        match run.place {
            Place::File(place) => Spot::File(place + into, left),
            Place::Pack(pack, from) => {
                let from = usize::try_from(from.saturating_add(into)).unwrap_or(usize::MAX);
                Spot::Pack(pack, from, left)
            }
        }
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
                Some(Kind::Runs | Kind::Pack) | None => "a frame of unknown kind".to_owned(),
            },
            None if matches!(self.spot(from), Spot::Pack(..)) => "packed transactions".to_owned(),
            None => "nothing recognisable".to_owned(),
        };
        format!("LSN {from}: {octets} octets that held {held}")
    }

    /// The LSN after the last octet of the segment.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Octets from `at`, fewer than `count` at the end of what is stored there. What the disk cannot read comes
    /// as zeros, which no checksum matches.
    pub(crate) fn octets(&mut self, at: u64, count: usize) -> &[u8] {
        match self.spot(at) {
            Spot::Void => &[],
            Spot::File(place, left) => {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                self.filed(place, count.min(left))
            }
            Spot::Pack(pack, from, left) => {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                let octets = self.unpacked(pack);
                let to = from.saturating_add(count.min(left)).min(octets.len());
                octets.get(from..to).unwrap_or_default()
            }
        }
    }

    fn filed(&mut self, at: u64, count: usize) -> &[u8] {
        let inside =
            at >= self.window_at && at + count as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
            let wanted = count.max(WINDOW.min(left));
            self.window = read_some(&self.file, at, wanted)
                .unwrap_or_else(|_| read_around_damage(&self.file, at, wanted));
            self.window_at = at;
        }
        let from = usize::try_from(at - self.window_at).unwrap_or(0);
        let to = (from + count).min(self.window.len());
        self.window.get(from..to).unwrap_or_default()
    }

    fn unpacked(&mut self, pack: usize) -> &[u8] {
        if self.pack.as_ref().is_none_or(|(known, _)| *known != pack) {
            let place = self.runs.as_ref().and_then(|runs| runs.packs.get(pack));
            let octets = place.and_then(|place| runs::pack(&self.file, *place, self.seed).ok());
            self.pack = Some((pack, octets.unwrap_or_default()));
        }
        self.pack.as_ref().map_or(&[], |(_, octets)| octets)
    }

    /// A header at `at` whose frame lies in this file and whose checksum matches.
    pub(crate) fn frame(&mut self, at: u64) -> Option<Header> {
        let seed = self.seed;
        let header = Header::decode(self.octets(at, 32))?;
        if header.lsn.0 != at || header.total() > self.bound(at).saturating_sub(at) {
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

    pub(crate) fn segment_head(&mut self) -> Option<SegmentHead> {
        let first = self.first;
        match self.frame(first) {
            Some(header) if header.kind == Some(Kind::Segment) => {
                SegmentHead::decode(self.payload(first, &header))
            }
            _ => None,
        }
    }

    /// Whether all chunks of a body match their checksums.
    pub(crate) fn body(&mut self, at: u64, header: &Header) -> bool {
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
    pub(super) fn next_group(&mut self, from: u64) -> Option<u64> {
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
        loop {
            at = self.present(at);
            if at >= to {
                return None;
            }
            let bound = self.bound(at);
            if bound <= at {
                return None;
            }
            let octets = self.octets(at, WINDOW);
            if let Some(place) = octets
                .windows(MAGIC.len())
                .position(|window| window == MAGIC)
            {
                let place = at + place as u64;
                return (place < to).then_some(place);
            }
            let read = octets.len() as u64;
            // No frame begins in one stretch and ends in another.
            at = if read < MAGIC.len() as u64 || at + read >= bound {
                bound
            } else {
                at + read - (MAGIC.len() as u64 - 1)
            };
        }
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
