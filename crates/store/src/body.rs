//! The stored octets of a message: what goes into a body frame and what comes out.
//!
//! A body frame begins with the *front*: the message's header and its summary, packed together, so that one short
//! read answers what clients ask to show a list. The rest of the message follows in chunks of 256 KiB, each coded,
//! compressed and checksummed on its own; so a partial FETCH of a large message reads only what it needs, and
//! memory stays bounded. The layout is in `head`, building one in `draft`.

mod head;

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::id::BodyId;
use crate::log::frame::{self, Header, Kind};
use crate::log::segment::{read, read_some};
pub use head::CHUNK;
pub(crate) use head::{Front, HEADER, Head, Slot, cover};

/// Octets read first when the frame's length is known: usual messages are whole in them.
const FIRST_READ: usize = 128 * 1024;
/// Octets read first when the frame's length is not known, or only its head is wanted: the heads of nearly all
/// messages.
const FIRST_READ_HEAD: usize = 4 * 1024;

/// A message prepared in the caller's task: compressed, checksummed, not yet in the log.
/// Cheap to clone. Past 1 MiB it lives in a temporary file of the store's folder.
#[derive(Debug, Clone)]
pub struct NewBody(pub(crate) Arc<Prepared>);

/// The inside of a [`NewBody`].
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) octets: u64,
    pub(crate) covered: Vec<u8>,
    pub(crate) front: Vec<u8>,
    pub(crate) chunks: Chunks,
    pub(crate) stored: u64,
}

/// Where compressed chunks are.
#[derive(Debug)]
pub(crate) enum Chunks {
    Memory(Vec<u8>),
    /// A file without a name, and its length.
    File(File, u64),
}

impl NewBody {
    /// Length in octets as it will be served.
    pub fn len(&self) -> u64 {
        self.0.octets
    }
    /// Whether it has no octets.
    pub fn is_empty(&self) -> bool {
        self.0.octets == 0
    }
    /// Octets of all chunks as stored.
    pub(crate) fn stored(&self) -> u64 {
        self.0.stored
    }
    /// Chunks that stand before the others.
    pub(crate) fn front(&self) -> &[u8] {
        &self.0.front
    }
    pub(crate) fn chunks(&self) -> &Chunks {
        &self.0.chunks
    }
    /// Length of the whole frame.
    pub(crate) fn frame(&self) -> Result<u32> {
        let total = frame::HEADER + self.0.covered.len() as u64 + self.0.stored;
        u32::try_from(total)
            .map_err(|_| Error::TooLarge(usize::try_from(total).unwrap_or(usize::MAX)))
    }
    /// Frame header and the octets under its checksum.
    pub(crate) fn head(&self, id: BodyId, seed: u64) -> Result<Vec<u8>> {
        let length = self.frame()? - 32;
        let mut head = Vec::with_capacity(32 + self.0.covered.len());
        head.extend_from_slice(&frame::header(
            Kind::Body,
            length,
            &self.0.covered,
            crate::id::Lsn(id.0),
            seed,
        ));
        head.extend_from_slice(&self.0.covered);
        Ok(head)
    }
}

/// A stored body, open for reading.
#[derive(Debug, Clone)]
pub struct Body(Arc<Open>);

#[derive(Debug)]
struct Open {
    id: BodyId,
    octets: u64,
    table: Vec<Slot>,
    /// The beginning of the message, then its summary.
    front: Vec<u8>,
    /// Octets of the message in `front`.
    header: usize,
    file: Arc<File>,
    /// Place of the frame in the file.
    at: u64,
    /// Place of the first chunk in the frame.
    chunks: u64,
    /// The beginning of the frame, as far as it was read.
    begin: Vec<u8>,
    /// The chunk unpacked last, by its place: who reads piece by piece meets each chunk several times.
    last: Mutex<Option<(u64, Arc<Vec<u8>>)>>,
    seed: u64,
}

impl Body {
    /// Opens the frame at `at` of `file`. `frame` is how much of it is read at once: its length, or 0 when that is
    /// not known or only the front is wanted.
    pub(crate) fn open(
        id: BodyId,
        file: Arc<File>,
        at: u64,
        frame: u32,
        seed: u64,
    ) -> Result<Self> {
        let first = if frame == 0 {
            FIRST_READ_HEAD
        } else {
            (frame as usize).clamp(32, FIRST_READ)
        };
        let mut begin =
            read_some(&file, at, first).map_err(|error| Error::io("reading the log", &error))?;
        let header = Header::decode(&begin)
            .filter(|header| header.kind == Some(Kind::Body) && header.lsn.0 == id.0)
            .ok_or(Error::NoBody)?;
        if header.version > frame::VERSION || header.key != 0 {
            let found = u32::from(header.version.max(frame::VERSION + 1));
            return Err(Error::Newer {
                what: format!("body {id}"),
                found,
                known: u32::from(frame::VERSION),
            });
        }
        let covered = 32 + header.covered as usize;
        if begin.len() < covered {
            begin = read(&file, at, covered)?;
        }
        if !header.matches(&begin, seed) {
            return Err(Error::Damaged(format!("head of body {id}")));
        }
        let head = begin
            .get(32..covered)
            .and_then(|covered| Head::decode(header.version, covered))
            .ok_or_else(|| Error::Damaged(format!("head of body {id} contradicts itself")))?;
        let front = head.front()?;
        let (octets, table, header) = (head.octets, head.table, head.header);
        Ok(Self(Arc::new(Open {
            id,
            octets,
            table,
            front,
            header,
            file,
            at,
            chunks: covered as u64,
            begin,
            last: Mutex::default(),
            seed,
        })))
    }

    /// Which body.
    pub fn id(&self) -> BodyId {
        self.0.id
    }
    /// Length in octets as served.
    pub fn len(&self) -> u64 {
        self.0.octets
    }
    /// Whether it has no octets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The summary given to [`crate::Store::prepare`], as it was.
    pub fn summary(&self) -> &[u8] {
        &self.0.front[self.0.header..]
    }
    /// The beginning of the message that is kept beside the summary and costs no further reading: its header,
    /// unless that is very long.
    pub fn header(&self) -> &[u8] {
        &self.0.front[..self.0.header]
    }
    /// Octets `from..from + len`, cut at the end. Reads and unpacks only the chunks concerned.
    /// Blocking; [`crate::Store::octets`] is the same for async callers.
    pub fn octets(&self, from: u64, len: u64) -> Result<Vec<u8>> {
        let to = from.saturating_add(len).min(self.0.octets);
        let mut out = Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or(0));
        let header = self.header();
        let inside =
            |octet: u64| usize::try_from(octet).map_or(header.len(), |at| at.min(header.len()));
        out.extend_from_slice(&header[inside(from)..inside(to).max(inside(from))]);
        let (mut place, mut served) = (self.0.chunks, header.len() as u64);
        for slot in &self.0.table {
            let end = served + u64::from(slot.octets);
            if served >= to {
                break;
            }
            if end > from {
                let octets = self.chunk(slot, place)?;
                let cut = |octet: u64| {
                    usize::try_from(octet.saturating_sub(served))
                        .unwrap_or(octets.len())
                        .min(octets.len())
                };
                out.extend_from_slice(&octets[cut(from)..cut(to)]);
            }
            served = end;
            place += u64::from(slot.stored);
        }
        Ok(out)
    }

    fn chunk(&self, slot: &Slot, place: u64) -> Result<Arc<Vec<u8>>> {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, octets)) = last.as_ref().filter(|(known, _)| *known == place) {
            return Ok(Arc::clone(octets));
        }
        let octets = Arc::new(self.unpack(slot, place)?);
        *last = Some((place, Arc::clone(&octets)));
        Ok(octets)
    }

    fn unpack(&self, slot: &Slot, place: u64) -> Result<Vec<u8>> {
        let from = usize::try_from(place).unwrap_or(usize::MAX);
        match self
            .0
            .begin
            .get(from..from.saturating_add(slot.stored as usize))
        {
            Some(stored) => slot.unpack(stored, self.0.seed),
            None => slot.unpack(
                &read(&self.0.file, self.0.at + place, slot.stored as usize)?,
                self.0.seed,
            ),
        }
        .map_err(|error| match error {
            Error::Damaged(what) => Error::Damaged(format!("body {}: {what}", self.0.id)),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests;
