//! Rewritten segments: what compaction makes of segment files.
//!
//! The file holds the frames that survive, octet for octet with their own LSNs: bodies as they were, group and
//! commit frames compressed together in packs. A table of *runs* says which stretches of the log are there and
//! where; everything else between the segment's first LSN and its end is void. A frame is believed only where
//! the table says. A table that is damaged is made again from the frames, each of which names its own LSN.

use std::fs::File;
use std::sync::Arc;

use super::frame::{self, Header, Kind, MAGIC, SegmentHead, long, number};
use super::scan::SEGMENT_FRAME;
use super::segment::{Disk, read, read_some};
use crate::error::{Error, Result};
use crate::id::{Lsn, Timestamp};
use crate::zip;

/// Last octets of a rewritten file: a mark and the place of the table.
const FOOT: u64 = 16;
/// First octets of a foot.
const MARK: [u8; 8] = *b"CvLruns\0";
/// Octets of frames that are packed together: one damaged block of a disk costs about what is in one
/// pack, and a transaction is read by unpacking no more than this. Larger ones save little.
const PACK: usize = 64 * 1024;
/// Octets collected before a write, and read at a time.
const BUFFER: usize = 1024 * 1024;
/// Octets after which a file is synced while it is written: the log's next `fdatasync` must not wait for
/// all of it.
const SYNC: u64 = 8 * 1024 * 1024;
/// Fixed part of a table: first LSN, end, octets of bodies, numbers of runs and packs, octets of the rows.
const FIXED: usize = 40;
/// A row of the table: LSN, length, place.
const RUN: usize = 24;
/// Marks a place in a pack: 31 bits for the pack, 32 for the octet in it.
const PACKED: u64 = 1 << 63;
/// Marks rows or packs that are stored without compression.
const AS_IS: u32 = 1 << 31;

/// Where the octets of a run begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file.
    File(u64),
    /// In a pack: which, and at which octet of it.
    Pack(usize, u64),
}

/// A stretch of the log that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) lsn: u64,
    pub(crate) length: u64,
    pub(crate) place: Place,
}

impl Run {
    /// The LSN after it.
    pub(crate) fn end(&self) -> u64 {
        self.lsn + self.length
    }
}

/// The table of a rewritten segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs {
    /// The segment's first LSN.
    pub(crate) first: u64,
    /// Where the log goes on after it.
    pub(crate) end: u64,
    /// Octets of its body frames.
    pub(crate) bodies: u64,
    /// Ascending.
    pub(crate) all: Vec<Run>,
    /// Places of the packs in the file.
    pub(crate) packs: Vec<u64>,
    /// Made from the frames, because the table is damaged.
    pub(crate) mended: bool,
}

impl Runs {
    /// The run that holds `at`, or the first LSN stored after it. `near` is where the last one was found.
    pub(crate) fn find(&self, at: u64, near: &mut usize) -> Result<Run, u64> {
        let found = |run: &Run| run.lsn <= at && at < run.end();
        for index in [*near, near.saturating_add(1)] {
            if let Some(run) = self.all.get(index).filter(|run| found(run)) {
                *near = index;
                return Ok(*run);
            }
        }
        let after = self.all.partition_point(|run| run.lsn <= at);
        let before = after.checked_sub(1);
        if let Some((index, run)) = before.and_then(|index| Some((index, self.all.get(index)?)))
            && found(run)
        {
            *near = index;
            return Ok(*run);
        }
        Err(self.all.get(after).map_or(self.end, |run| run.lsn))
    }

    /// Octets that the table takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Run>() * self.all.len() + 8 * self.packs.len()
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let count = |count: usize| u32::try_from(count).map_err(|_| Error::TooLarge(count));
        let mut rows = Vec::with_capacity(self.all.len() * RUN + self.packs.len() * 8);
        for run in &self.all {
            let place = match run.place {
                Place::File(place) => place,
                Place::Pack(pack, at) => PACKED | u64::from(count(pack)?) << 32 | at,
            };
            for number in [run.lsn, run.length, place] {
                rows.extend_from_slice(&number.to_be_bytes());
            }
        }
        for place in &self.packs {
            rows.extend_from_slice(&place.to_be_bytes());
        }
        let mut packed = Vec::new();
        let as_is = zip::pack(&rows, &mut packed)?;
        let mut payload = Vec::with_capacity(FIXED + packed.len());
        for number in [self.first, self.end, self.bodies] {
            payload.extend_from_slice(&number.to_be_bytes());
        }
        payload.extend_from_slice(&count(self.all.len())?.to_be_bytes());
        payload.extend_from_slice(&count(self.packs.len())?.to_be_bytes());
        let octets = count(rows.len())?;
        payload.extend_from_slice(&octets.to_be_bytes());
        payload.extend_from_slice(&(if as_is { AS_IS } else { 0 }).to_be_bytes());
        payload.extend_from_slice(&packed);
        Ok(payload)
    }

    /// `None` when it contradicts itself or the file that it lies in.
    fn decode(payload: &[u8], length: u64) -> Option<Self> {
        let (fixed, packed) = payload.split_at_checked(FIXED)?;
        let (runs, packs) = (number(fixed, 24) as usize, number(fixed, 28) as usize);
        let octets = number(fixed, 32) as usize;
        if runs.checked_mul(RUN)?.checked_add(packs.checked_mul(8)?)? != octets {
            return None;
        }
        let rows = zip::unpack(packed, number(fixed, 36) & AS_IS != 0, octets).ok()?;
        let (rows, places) = rows.split_at_checked(runs * RUN)?;
        let table = Self {
            first: long(fixed, 0),
            end: long(fixed, 8),
            bodies: long(fixed, 16),
            all: rows
                .chunks_exact(RUN)
                .map(|row| {
                    let place = long(row, 16);
                    Run {
                        lsn: long(row, 0),
                        length: long(row, 8),
                        place: if place & PACKED == 0 {
                            Place::File(place)
                        } else {
                            let pack = (place & !PACKED) >> 32;
                            Place::Pack(usize::try_from(pack).unwrap_or(0), place & 0xFFFF_FFFF)
                        },
                    }
                })
                .collect(),
            packs: places.chunks_exact(8).map(|place| long(place, 0)).collect(),
            mended: false,
        };
        table.sensible(length).then_some(table)
    }

    /// Whether runs ascend and lie in the segment and in the file.
    fn sensible(&self, length: u64) -> bool {
        let mut before = self.first;
        self.all.iter().all(|run| {
            let end = run.lsn.checked_add(run.length);
            let ascends = run.lsn >= before && end.is_some_and(|end| end <= self.end);
            before = end.unwrap_or(u64::MAX);
            ascends
                && match run.place {
                    Place::File(place) => place
                        .checked_add(run.length)
                        .is_some_and(|end| end <= length),
                    Place::Pack(pack, _) => pack < self.packs.len(),
                }
        }) && self.packs.iter().all(|place| *place < length)
    }

    /// The table of a file; made from its frames when it is damaged.
    pub(crate) fn load(file: &File, rewritten: &Rewritten, first: u64, seed: u64) -> Result<Self> {
        let length = length(file)?;
        let table = stored(file, length, first, seed);
        Ok(table.unwrap_or_else(|| mend(file, length, rewritten, first, seed)))
    }
}

/// What the head of a file says of it, or its foot when the head is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Where the log goes on after it.
    pub(crate) end: u64,
    /// When it was written.
    pub(crate) created: Timestamp,
}

impl Rewritten {
    /// Whether a file was rewritten. What cannot be read says nothing.
    pub(crate) fn look(file: &File, first: u64) -> Option<Self> {
        let begin = read_some(file, 0, usize::try_from(SEGMENT_FRAME).ok()?).ok()?;
        if let Some(head) = SegmentHead::of_file(&begin) {
            return (head.end.0 > 0).then_some(Self {
                end: head.end.0,
                created: head.created,
            });
        }
        let length = length(file).ok()?;
        let (place, header) = foot(file, length)?;
        let fixed = read_some(file, place + frame::HEADER, FIXED).ok()?;
        let ours = header.lsn.0 == first && fixed.len() == FIXED && long(&fixed, 0) == first;
        ours.then(|| Self {
            end: long(&fixed, 8),
            created: Timestamp(0),
        })
    }
}

fn length(file: &File) -> Result<u64> {
    file.metadata()
        .map(|found| found.len())
        .map_err(|error| Error::io("reading the log", &error))
}

/// Place and header of the table, as the foot tells.
fn foot(file: &File, length: u64) -> Option<(u64, Header)> {
    let octets = read_some(file, length.checked_sub(FOOT)?, usize::try_from(FOOT).ok()?).ok()?;
    if octets.len() as u64 != FOOT || octets[..8] != MARK {
        return None;
    }
    let place = long(&octets, 8);
    let header = Header::decode(&read_some(file, place, 32).ok()?)?;
    let fits = place.checked_add(header.total())?.checked_add(FOOT)? == length;
    (header.kind == Some(Kind::Runs) && fits).then_some((place, header))
}

/// The table as it stands in the file.
fn stored(file: &File, length: u64, first: u64, seed: u64) -> Option<Runs> {
    let (place, header) = foot(file, length)?;
    let frame = read(file, place, usize::try_from(header.total()).ok()?).ok()?;
    let whole = header.covered == header.length && header.matches(&frame, seed);
    let table = Runs::decode(frame.get(32..)?, length)?;
    (whole && header.lsn.0 == first && table.first == first).then_some(table)
}

/// The frames in a pack, one after another.
pub(crate) fn pack(file: &File, place: u64, seed: u64) -> Result<Vec<u8>> {
    let damaged = || Error::Damaged(format!("packed transactions at {place}"));
    let header = Header::decode(&read(file, place, 32)?)
        .filter(|header| header.kind == Some(Kind::Pack))
        .ok_or_else(damaged)?;
    if place.saturating_add(header.total()) > length(file)? {
        return Err(damaged());
    }
    let frame = read(file, place, usize::try_from(header.total()).unwrap_or(0))?;
    if header.covered != header.length || !header.matches(&frame, seed) {
        return Err(damaged());
    }
    let (octets, packed) = frame[32..].split_at_checked(4).ok_or_else(damaged)?;
    let octets = number(octets, 0);
    zip::unpack(packed, octets & AS_IS != 0, (octets & !AS_IS) as usize)
}

/// Makes the table from the frames of the file.
fn mend(file: &File, length: u64, rewritten: &Rewritten, first: u64, seed: u64) -> Runs {
    let mut table = Runs {
        first,
        end: rewritten.end,
        bodies: 0,
        all: vec![Run {
            lsn: first,
            length: SEGMENT_FRAME,
            place: Place::File(0),
        }],
        packs: Vec::new(),
        mended: true,
    };
    let mut at = SEGMENT_FRAME.min(length);
    while let Some((place, header)) = next(file, at, length, seed) {
        at = place + header.total();
        match header.kind {
            Some(Kind::Body) => {
                table.bodies += header.total();
                table.all.push(Run {
                    lsn: header.lsn.0,
                    length: header.total(),
                    place: Place::File(place),
                });
            }
            Some(Kind::Pack) => {
                let Ok(octets) = pack(file, place, seed) else {
                    continue;
                };
                table.packs.push(place);
                let mut from = 0;
                while let Some(header) = octets.get(from..).and_then(Header::decode) {
                    table.all.push(Run {
                        lsn: header.lsn.0,
                        length: header.total(),
                        place: Place::Pack(table.packs.len() - 1, from as u64),
                    });
                    from =
                        usize::try_from(header.total()).map_or(octets.len(), |total| from + total);
                }
            }
            Some(Kind::Runs) => break,
            _ => {}
        }
    }
    table.all.sort_unstable_by_key(|run| run.lsn);
    let (mut before, end) = (first, table.end);
    table.all.retain(|run| {
        let fits = run.lsn >= before && run.lsn.checked_add(run.length).is_some_and(|to| to <= end);
        if fits {
            before = run.lsn + run.length;
        }
        fits
    });
    tracing::error!(
        first,
        "make damaged table of runs from the frames of its segment"
    );
    table
}

/// The next valid frame of the file itself.
fn next(file: &File, from: u64, length: u64, seed: u64) -> Option<(u64, Header)> {
    let valid = |at: u64| {
        let header = Header::decode(&read_some(file, at, 32).ok()?)?;
        let covered = usize::try_from(u64::from(header.covered) + frame::HEADER).ok()?;
        if at + header.total() > length {
            return None;
        }
        let octets = read_some(file, at, covered).ok()?;
        header.matches(&octets, seed).then_some((at, header))
    };
    let mut at = from;
    while at < length {
        let octets = read_some(file, at, BUFFER).ok()?;
        let mut inside = 0;
        while let Some(found) = octets
            .get(inside..)?
            .windows(MAGIC.len())
            .position(|window| window == MAGIC)
        {
            inside += found;
            if let Some(frame) = valid(at + inside as u64) {
                return Some(frame);
            }
            inside += 1;
        }
        if octets.len() <= MAGIC.len() {
            break;
        }
        at += (octets.len() - (MAGIC.len() - 1)) as u64;
    }
    None
}

/// Writes a rewritten segment: frames come in the order of their LSNs.
pub(crate) struct Builder<'a> {
    disk: &'a Disk,
    file: File,
    seed: u64,
    table: Runs,
    buffer: Vec<u8>,
    /// Octets written.
    at: u64,
    /// Octets synced.
    synced: u64,
    /// Frames of the next pack.
    packing: Vec<u8>,
    /// LSN of the first of them.
    packing_at: u64,
}

impl<'a> Builder<'a> {
    /// Begins a file for the log from `head.first` to `head.end`.
    pub(crate) fn new(disk: &'a Disk, file: File, head: &SegmentHead) -> Result<Self> {
        let octets = frame::whole(Kind::Segment, &head.encode(), head.first, 0)?;
        let mut table = Runs {
            first: head.first.0,
            end: head.end.0,
            bodies: 0,
            all: Vec::new(),
            packs: Vec::new(),
            mended: false,
        };
        table.all.push(Run {
            lsn: head.first.0,
            length: octets.len() as u64,
            place: Place::File(0),
        });
        Ok(Self {
            disk,
            file,
            seed: head.store,
            table,
            buffer: octets,
            at: 0,
            synced: 0,
            packing: Vec::new(),
            packing_at: 0,
        })
    }

    /// Octets of the file so far, those of the pack on its way included.
    pub(crate) fn length(&self) -> u64 {
        self.at + (self.buffer.len() + self.packing.len()) as u64
    }

    /// A body frame begins: its octets follow by [`Self::octets`].
    pub(crate) fn body(&mut self, lsn: Lsn, length: u64) {
        let place = self.at + self.buffer.len() as u64;
        self.table.bodies += length;
        self.table.all.push(Run {
            lsn: lsn.0,
            length,
            place: Place::File(place),
        });
    }

    /// Octets of the body that began last.
    pub(crate) fn octets(&mut self, octets: &[u8]) -> Result<()> {
        if self.buffer.len() + octets.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    /// A group or commit frame.
    pub(crate) fn small(&mut self, lsn: Lsn, frame: &[u8]) -> Result<()> {
        if !self.packing.is_empty() && self.packing.len() + frame.len() > PACK {
            self.pack()?;
        }
        if self.packing.is_empty() {
            self.packing_at = lsn.0;
        }
        let pack = self.table.packs.len();
        let at = self.packing.len() as u64;
        self.packing.extend_from_slice(frame);
        let length = frame.len() as u64;
        if let Some(last) = self.table.all.last_mut()
            && last.end() == lsn.0
            && last.place == Place::Pack(pack, at.saturating_sub(last.length))
        {
            last.length += length;
            return Ok(());
        }
        self.table.all.push(Run {
            lsn: lsn.0,
            length,
            place: Place::Pack(pack, at),
        });
        Ok(())
    }

    fn pack(&mut self) -> Result<()> {
        let frames = std::mem::take(&mut self.packing);
        if frames.is_empty() {
            return Ok(());
        }
        let octets = u32::try_from(frames.len()).map_err(|_| Error::TooLarge(frames.len()))?;
        let mut packed = Vec::new();
        let as_is = zip::pack(&frames, &mut packed)?;
        let mut payload = Vec::with_capacity(4 + packed.len());
        payload.extend_from_slice(&(octets | if as_is { AS_IS } else { 0 }).to_be_bytes());
        payload.extend_from_slice(&packed);
        let frame = frame::whole(Kind::Pack, &payload, Lsn(self.packing_at), self.seed)?;
        self.table.packs.push(self.at + self.buffer.len() as u64);
        self.octets(&frame)
    }

    /// Ends the file with its table; everything is on the disk when this returns. The length of the file.
    pub(crate) fn finish(mut self) -> Result<(Arc<File>, Runs, u64)> {
        self.pack()?;
        let place = self.at + self.buffer.len() as u64;
        let table = frame::whole(
            Kind::Runs,
            &self.table.encode()?,
            Lsn(self.table.first),
            self.seed,
        )?;
        self.octets(&table)?;
        let mut foot = MARK.to_vec();
        foot.extend_from_slice(&place.to_be_bytes());
        self.octets(&foot)?;
        self.flush()?;
        self.disk
            .sync(&self.file)
            .map_err(|error| Error::io("syncing a rewritten segment", &error))?;
        Ok((Arc::new(self.file), self.table, self.at))
    }

    fn flush(&mut self) -> Result<()> {
        let failed = |error: std::io::Error| Error::io("writing a rewritten segment", &error);
        self.disk
            .write(&self.file, &self.buffer, self.at)
            .map_err(failed)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        if self.at - self.synced >= SYNC {
            self.synced = self.at;
            self.disk.sync(&self.file).map_err(failed)?;
        }
        Ok(())
    }
}
