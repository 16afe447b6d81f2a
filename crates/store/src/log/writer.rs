//! Appends groups to the log: as few writes as possible, one `fdatasync`.
//!
//! After [`Writer::append`] returned `Ok` the group is durable. After `Refused` the log is as
//! before. After `Broken` nobody knows what the disk holds: the store must take no more writes,
//! because a second `fdatasync` can succeed without the lost pages ever reaching the disk.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::frame::{self, GroupHead, Kind, SegmentHead};
use super::segment::{Disk, Segments, read};
use crate::body::{Chunks, NewBody};
use crate::error::{Error, Result};
use crate::id::{Lsn, Timestamp};

/// Octets collected before a write: large enough that a usual group is one write.
const BUFFER: usize = 1024 * 1024;

/// Room that bodies leave on the disk: transactions without, index, state file and other programs need some, and sled takes no
/// more writes after its first that failed. Its unwritten buffers are below 16 MiB; the rest is caution.
pub(crate) const RESERVE: u64 = 64 * 1024 * 1024;

/// Room below which nothing at all is written: what sled has not written yet is below this.
pub(crate) const FLOOR: u64 = 16 * 1024 * 1024;

/// A part of a group, in the order of the log.
pub(crate) enum Piece {
    /// A whole frame.
    Frame(Vec<u8>),
    /// Header and covered octets of a body frame, whose chunks follow from `NewBody`.
    Body(Vec<u8>, NewBody),
}

impl Piece {
    /// Octets it will take in the log.
    pub(crate) fn total(&self) -> u64 {
        match self {
            Self::Frame(octets) => octets.len() as u64,
            Self::Body(head, body) => head.len() as u64 + body.stored(),
        }
    }
}

/// Why a group was not appended.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Nothing happened; try again later.
    Refused(Error),
    /// No more writes until restarted.
    Broken(Error),
}

/// The end of the log.
pub(crate) struct Writer {
    disk: Disk,
    segments: Arc<Segments>,
    file: Arc<File>,
    path: PathBuf,
    /// First LSN of the current segment.
    first: u64,
    /// Nothing can be appended to it: the segments after it are lost, and it was rewritten.
    sealed: bool,
    /// Octets that were free when the group began; all when the system does not tell.
    room: u64,
    /// Where the next group begins.
    end: u64,
    /// Number of the last group.
    group: u64,
    /// The store's number.
    seed: u64,
    /// Segments are closed past this size.
    limit: u64,
    /// What a group is put together in, kept for the next one.
    buffer: Vec<u8>,
}

/// Where the log ends, as found at start-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct End {
    /// The next LSN.
    pub(crate) lsn: Lsn,
    /// Number of the last group.
    pub(crate) group: u64,
}

impl Writer {
    /// Continues a log at its end.
    pub(crate) fn open(
        disk: Disk,
        segments: Arc<Segments>,
        seed: u64,
        limit: u64,
        end: End,
    ) -> Result<Self> {
        let segment = segments
            .holding(end.lsn)
            .ok_or_else(|| Error::Damaged("the log has no segment".to_owned()))?;
        let opened = segments.open(&segment)?;
        let (path, first) = (segment.path.clone(), segment.first);
        Ok(Self {
            disk,
            segments,
            file: Arc::clone(&opened.file),
            path,
            first,
            sealed: opened.rewritten.is_some(),
            room: u64::MAX,
            end: end.lsn.0,
            group: end.group,
            seed,
            limit,
            buffer: Vec::new(),
        })
    }

    /// Begins a log: the first segment.
    pub(crate) fn create(disk: &Disk, segments: &Segments, seed: u64) -> Result<End> {
        let end = start_segment(disk, segments, seed, 0).map_err(|failed| match failed {
            Failed::Refused(error) | Failed::Broken(error) => error,
        })?;
        Ok(End {
            lsn: Lsn(end),
            group: 0,
        })
    }

    /// Where the log ends.
    pub(crate) fn end(&self) -> End {
        End {
            lsn: Lsn(self.end),
            group: self.group,
        }
    }

    /// Makes ready for a group and returns the LSN of its first frame after the group frame.
    pub(crate) fn begin(&mut self) -> Result<Lsn, Failed> {
        if self.sealed || self.end - self.first >= self.limit {
            let first = self.end;
            let end = start_segment(&self.disk, &self.segments, self.seed, first)?;
            let segment = self
                .segments
                .holding(Lsn(first))
                .expect("the segment was added just now");
            let opened = self.segments.open(&segment).map_err(Failed::Refused)?;
            (self.file, self.sealed) = (Arc::clone(&opened.file), false);
            self.path.clone_from(&segment.path);
            (self.first, self.end) = (first, end);
        }
        // What cannot be asked is full.
        self.room = self.disk.room(&self.segments.folder).unwrap_or(0);
        Ok(Lsn(self.end + frame::HEADER + frame::GROUP_PAYLOAD))
    }

    /// Whether there is no room for bodies. Small transactions go on: deleting must, too.
    pub(crate) fn tight(&self) -> bool {
        self.room < RESERVE
    }

    /// Appends the frames of a group after [`Self::begin`] and syncs them.
    pub(crate) fn append(&mut self, pieces: &[Piece]) -> Result<End, Failed> {
        let length =
            frame::HEADER + frame::GROUP_PAYLOAD + pieces.iter().map(Piece::total).sum::<u64>();
        let head = GroupHead {
            number: self.group + 1,
            length,
        }
        .encode();
        let head =
            frame::whole(Kind::Group, &head, Lsn(self.end), self.seed).map_err(Failed::Refused)?;
        let bodies = pieces.iter().any(|piece| matches!(piece, Piece::Body(..)));
        let least = if bodies { RESERVE } else { FLOOR };
        if self.room < length.saturating_add(least)
            && (bodies || !self.make_room(length.saturating_add(least)))
        {
            let full = Error::NoSpace(self.path.display().to_string());
            return Err(Failed::Refused(full));
        }
        if let Err(error) = self.write(&head, pieces) {
            return Err(self.take_back(error));
        }
        if let Err(error) = self.disk.sync(&self.file) {
            // The callers are told that it failed, so it should not come back at the next start. What
            // this cut does to the disk is as unknown as the rest; nothing depends on it.
            let _ = self.disk.truncate(&self.file, self.end - self.first);
            let context = format!("syncing {}", self.path.display());
            return Err(Failed::Broken(Error::io(context, &error)));
        }
        self.end += length;
        self.group += 1;
        Ok(self.end())
    }

    /// Gives up the reserve for a small transaction; whether there is room now.
    fn make_room(&mut self, octets: u64) -> bool {
        let folder = &self.segments.folder;
        let given = folder.parent().is_some_and(crate::reserve::give_up);
        if given {
            self.room = self.disk.room(folder).unwrap_or(0);
        }
        self.room >= octets
    }

    fn write(&mut self, head: &[u8], pieces: &[Piece]) -> Result<()> {
        let mut out = Out {
            buffer: std::mem::take(&mut self.buffer),
            at: self.end - self.first,
            writer: self,
        };
        let written = out.group(head, pieces);
        let mut buffer = std::mem::take(&mut out.buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    /// Cuts off what a failed group left behind.
    fn take_back(&self, cause: Error) -> Failed {
        match self.disk.truncate(&self.file, self.end - self.first) {
            Ok(()) if matches!(cause, Error::NoSpace(_)) => Failed::Refused(cause),
            Ok(()) => Failed::Broken(cause),
            Err(error) => Failed::Broken(Error::io(
                format!("cutting {}", self.path.display()),
                &error,
            )),
        }
    }
}

/// Collects octets and writes them in large pieces.
struct Out<'a> {
    writer: &'a Writer,
    buffer: Vec<u8>,
    at: u64,
}

impl Out<'_> {
    fn group(&mut self, head: &[u8], pieces: &[Piece]) -> Result<()> {
        self.put(head)?;
        for piece in pieces {
            match piece {
                Piece::Frame(octets) => self.put(octets)?,
                Piece::Body(head, body) => {
                    self.put(head)?;
                    self.put(body.front())?;
                    match body.chunks() {
                        Chunks::Memory(octets) => self.put(octets)?,
                        Chunks::File(file, length) => self.put_file(file, *length)?,
                    }
                }
            }
        }
        self.flush()
    }

    fn put(&mut self, octets: &[u8]) -> Result<()> {
        if self.buffer.len() + octets.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    fn put_file(&mut self, file: &File, length: u64) -> Result<()> {
        let mut from = 0;
        while from < length {
            let count = (length - from).min(BUFFER as u64);
            let octets = read(file, from, usize::try_from(count).unwrap_or(BUFFER))?;
            self.put(&octets)?;
            from += count;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.writer
            .disk
            .write(&self.writer.file, &self.buffer, self.at)
            .map_err(|error| {
                Error::io(format!("writing {}", self.writer.path.display()), &error)
            })?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Creates a segment file with its first frame, durable together with its name. Returns its end.
fn start_segment(disk: &Disk, segments: &Segments, seed: u64, first: u64) -> Result<u64, Failed> {
    let path = segments.path(first);
    let head = SegmentHead {
        store: seed,
        first: Lsn(first),
        created: Timestamp::now(),
        end: Lsn(0),
    }
    .encode();
    let head = frame::whole(Kind::Segment, &head, Lsn(first), 0).map_err(Failed::Refused)?;
    let refused = |error: &std::io::Error| {
        Failed::Refused(Error::io(format!("creating {}", path.display()), error))
    };
    let file = disk.create(&path).map_err(|error| refused(&error))?;
    if let Err(error) = disk.write(&file, &head, 0) {
        return match std::fs::remove_file(&path) {
            Ok(()) => Err(refused(&error)),
            Err(_) => Err(Failed::Broken(Error::io(
                format!("creating {}", path.display()),
                &error,
            ))),
        };
    }
    if let Err(error) = disk
        .sync(&file)
        .and_then(|()| disk.sync_folder(&segments.folder))
    {
        return Err(Failed::Broken(Error::io(
            format!("syncing {}", path.display()),
            &error,
        )));
    }
    segments.add(first, file);
    Ok(first + head.len() as u64)
}
