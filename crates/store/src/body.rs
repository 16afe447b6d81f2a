//! The stored octets of a message: what goes into a body frame and what comes out.
//!
//! A body is stored in chunks of 256 KiB, each compressed and checksummed on its own, after a summary;
//! so a partial FETCH of a large message reads only what it needs, and memory stays bounded.
//! Building one is in `draft`.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::{Error, Result};
use crate::id::BodyId;
use crate::log::frame::{self, Header, Kind};
use crate::log::segment::{read, read_some};
use crate::zip;

/// Octets of a chunk before compression, at most. Small enough that a partial FETCH wastes little,
/// large enough that zstd loses almost nothing to smaller windows.
pub const CHUNK: usize = 256 * 1024;
/// Largest summary before compression, octets: folded search text of a very large message and its
/// structure with the most parts that the parser follows fit well.
pub const SUMMARY: usize = 16 * 1024 * 1024;
/// Fixed part of a body head.
const FIXED: usize = 24;
/// A row of the chunk table.
const ROW: usize = 16;
/// Marks a chunk or summary that is stored without compression, in its length.
const AS_IS: u32 = 1 << 31;
/// Octets read first when the frame's length is known: usual messages are whole in them.
const FIRST_READ: usize = 128 * 1024;
/// Octets read first when the frame's length is not known.
const FIRST_READ_UNKNOWN: usize = 16 * 1024;

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

/// One chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Octets stored.
    pub(crate) stored: u32,
    /// Stored without compression.
    pub(crate) as_is: bool,
    /// Octets served.
    pub(crate) octets: u32,
    /// xxh3-64 of the stored octets.
    pub(crate) checksum: u64,
}

impl Slot {
    /// Compresses one chunk and appends it to `out`.
    pub(crate) fn pack(octets: &[u8], seed: u64, out: &mut Vec<u8>) -> Result<Self> {
        let from = out.len();
        let as_is = zip::pack(octets, out)?;
        let stored = &out[from..];
        let too_large = |_| Error::TooLarge(octets.len());
        Ok(Self {
            stored: u32::try_from(stored.len()).map_err(too_large)?,
            as_is,
            octets: u32::try_from(octets.len()).map_err(too_large)?,
            checksum: xxh3_64_with_seed(stored, seed),
        })
    }

    /// Back from stored octets.
    pub(crate) fn unpack(&self, stored: &[u8], seed: u64) -> Result<Vec<u8>> {
        if xxh3_64_with_seed(stored, seed) != self.checksum {
            return Err(Error::Damaged(
                "a chunk of a body does not match its checksum".to_owned(),
            ));
        }
        zip::unpack(stored, self.as_is, self.octets as usize)
    }
}

/// The octets of a body frame that its checksum covers: lengths, chunk table, summary.
pub(crate) fn cover(octets: u64, table: &[Slot], summary: &[u8]) -> Result<Vec<u8>> {
    if summary.len() > SUMMARY {
        return Err(Error::TooLarge(summary.len()));
    }
    let mut packed = Vec::new();
    let as_is = zip::pack(summary, &mut packed)?;
    let length = |length: usize| u32::try_from(length).map_err(|_| Error::TooLarge(length));
    let mut out = Vec::with_capacity(FIXED + table.len() * ROW + packed.len());
    out.extend_from_slice(&octets.to_be_bytes());
    out.extend_from_slice(&length(table.len())?.to_be_bytes());
    out.extend_from_slice(&(length(packed.len())? | if as_is { AS_IS } else { 0 }).to_be_bytes());
    out.extend_from_slice(&length(summary.len())?.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    for slot in table {
        out.extend_from_slice(&(slot.stored | if slot.as_is { AS_IS } else { 0 }).to_be_bytes());
        out.extend_from_slice(&slot.octets.to_be_bytes());
        out.extend_from_slice(&slot.checksum.to_be_bytes());
    }
    out.extend_from_slice(&packed);
    Ok(out)
}

/// What the covered octets of a body frame say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) octets: u64,
    pub(crate) table: Vec<Slot>,
    summary: &'a [u8],
    summary_as_is: bool,
    summary_octets: usize,
}

impl<'a> Head<'a> {
    /// Reads covered octets; `None` when they contradict themselves.
    pub(crate) fn decode(covered: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = covered.split_at_checked(FIXED)?;
        let word = |octets: &[u8], at: usize| -> Option<u32> {
            octets
                .get(at..)?
                .first_chunk()
                .map(|chunk| u32::from_be_bytes(*chunk))
        };
        let long = |octets: &[u8], at: usize| -> Option<u64> {
            octets
                .get(at..)?
                .first_chunk()
                .map(|chunk| u64::from_be_bytes(*chunk))
        };
        let octets = long(fixed, 0)?;
        let count = word(fixed, 8)? as usize;
        let packed = word(fixed, 12)?;
        let summary_octets = word(fixed, 16)? as usize;
        let (rows, summary) = rest.split_at_checked(count.checked_mul(ROW)?)?;
        let mut table = Vec::with_capacity(count);
        for row in rows.chunks_exact(ROW) {
            let stored = word(row, 0)?;
            let slot = Slot {
                stored: stored & !AS_IS,
                as_is: stored & AS_IS != 0,
                octets: word(row, 4)?,
                checksum: long(row, 8)?,
            };
            if slot.octets as usize > CHUNK {
                return None;
            }
            table.push(slot);
        }
        let served: u64 = table.iter().map(|slot| u64::from(slot.octets)).sum();
        let whole = served == octets
            && summary.len() == (packed & !AS_IS) as usize
            && summary_octets <= SUMMARY;
        whole.then_some(Self {
            octets,
            table,
            summary,
            summary_as_is: packed & AS_IS != 0,
            summary_octets,
        })
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
    summary: Vec<u8>,
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
    /// Opens the frame at `at` of `file`. `frame` is its length, 0 when unknown.
    pub(crate) fn open(
        id: BodyId,
        file: Arc<File>,
        at: u64,
        frame: u32,
        seed: u64,
    ) -> Result<Self> {
        let first = if frame == 0 {
            FIRST_READ_UNKNOWN
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
            .and_then(Head::decode)
            .ok_or_else(|| Error::Damaged(format!("head of body {id} contradicts itself")))?;
        let summary = zip::unpack(head.summary, head.summary_as_is, head.summary_octets)?;
        let (octets, table) = (head.octets, head.table);
        Ok(Self(Arc::new(Open {
            id,
            octets,
            table,
            summary,
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
        &self.0.summary
    }
    /// Octets `from..from + len`, cut at the end. Reads and unpacks only the chunks concerned.
    /// Blocking; [`crate::Store::octets`] is the same for async callers.
    pub fn octets(&self, from: u64, len: u64) -> Result<Vec<u8>> {
        let to = from.saturating_add(len).min(self.0.octets);
        let mut out = Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or(0));
        let (mut place, mut served) = (self.0.chunks, 0_u64);
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
