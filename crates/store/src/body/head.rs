//! The covered octets of a body frame: lengths, chunk table, front. `docs/format.md` has them octet by octet.
//! Version 2 is written; version 1 has only the summary in its front and knows no coding.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::coding;
use crate::error::{Error, Result};
use crate::zip::{self, Dictionary};

/// Octets of a chunk before compression, at most. Small enough that a partial FETCH wastes little,
/// large enough that zstd loses almost nothing to smaller windows.
pub const CHUNK: usize = 256 * 1024;
/// Longest header in the front, octets: headers are a few thousand; what is longer is a chunk.
pub(crate) const HEADER: usize = 64 * 1024;
/// Largest summary before compression, octets: the envelope and structure with the most parts that the parser
/// follows fit well.
pub(crate) const SUMMARY: usize = 16 * 1024 * 1024;
/// Fixed part of a body head.
const FIXED: usize = 24;
/// A row of the chunk table.
const ROW: usize = 16;
/// Marks a chunk or front that is stored without compression, in its length.
const AS_IS: u32 = 1 << 31;
/// Marks a chunk that was coded before compression, in its length.
const CODED: u32 = 1 << 30;

/// One chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Octets stored.
    pub(crate) stored: u32,
    /// Stored without compression.
    pub(crate) as_is: bool,
    /// Coded before compression.
    pub(crate) coded: bool,
    /// Octets served.
    pub(crate) octets: u32,
    /// xxh3-64 of the stored octets.
    pub(crate) checksum: u64,
}

impl Slot {
    /// Compresses one chunk and appends it to `out`.
    pub(crate) fn pack(octets: &[u8], seed: u64, out: &mut Vec<u8>) -> Result<Self> {
        let from = out.len();
        let coded = coding::encode(octets);
        let as_is = zip::pack(coded.as_deref().unwrap_or(octets), out)?;
        let stored = &out[from..];
        let too_large = |_| Error::TooLarge(octets.len());
        Ok(Self {
            stored: u32::try_from(stored.len()).map_err(too_large)?,
            as_is,
            coded: coded.is_some(),
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
        let octets = self.octets as usize;
        if !self.coded {
            return zip::unpack(stored, self.as_is, octets);
        }
        let coded = zip::unpack_most(stored, self.as_is, octets)?;
        match coding::decode(&coded, octets) {
            Ok(Some(served)) if served.len() == octets => Ok(served),
            Ok(_) => Err(Error::Damaged(
                "a chunk of a body contradicts its coding".to_owned(),
            )),
            Err(found) => Err(Error::Newer {
                what: "coding of a chunk".to_owned(),
                found: u32::from(found),
                known: u32::from(coding::KNOWN),
            }),
        }
    }
}

/// What goes into the front.
pub(crate) struct Front<'a> {
    /// The beginning of the message.
    pub(crate) header: &'a [u8],
    pub(crate) summary: &'a [u8],
}

/// The octets of a body frame that its checksum covers.
pub(crate) fn cover(octets: u64, table: &[Slot], front: &Front<'_>) -> Result<Vec<u8>> {
    let length = |length: usize| u32::try_from(length).map_err(|_| Error::TooLarge(length));
    let (header, summary) = (front.header, front.summary);
    if summary.len() > SUMMARY {
        return Err(Error::TooLarge(summary.len()));
    }
    let mut packed = Vec::new();
    let as_is = zip::pack_with(Dictionary::Front1, &[header, summary].concat(), &mut packed)?;
    let mut out = Vec::with_capacity(FIXED + table.len() * ROW + packed.len());
    let octets = u32::try_from(octets).map_err(|_| Error::TooLarge(header.len()))?;
    out.extend_from_slice(&octets.to_be_bytes());
    out.extend_from_slice(&length(table.len())?.to_be_bytes());
    out.extend_from_slice(&(length(packed.len())? | if as_is { AS_IS } else { 0 }).to_be_bytes());
    out.extend_from_slice(&length(header.len())?.to_be_bytes());
    out.extend_from_slice(&length(summary.len())?.to_be_bytes());
    out.extend_from_slice(&[Dictionary::Front1.number(), 0, 0, 0]);
    for slot in table {
        let flags = if slot.as_is { AS_IS } else { 0 } | if slot.coded { CODED } else { 0 };
        out.extend_from_slice(&(slot.stored | flags).to_be_bytes());
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
    /// Octets of the message in the front.
    pub(crate) header: usize,
    packed: &'a [u8],
    as_is: bool,
    summary: usize,
    dictionary: u8,
}

impl<'a> Head<'a> {
    /// Reads covered octets of a frame of that version; `None` when they contradict themselves.
    pub(crate) fn decode(version: u8, covered: &'a [u8]) -> Option<Self> {
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
        let (octets, count, stored, header, summary, dictionary) = if version < 2 {
            let (count, stored) = (word(fixed, 8)?, word(fixed, 12)?);
            (long(fixed, 0)?, count, stored, 0, word(fixed, 16)?, 0)
        } else {
            let (octets, count) = (word(fixed, 0)?, word(fixed, 4)?);
            let (stored, header, summary) = (word(fixed, 8)?, word(fixed, 12)?, word(fixed, 16)?);
            (octets.into(), count, stored, header, summary, fixed[20])
        };
        let flags = if version < 2 { AS_IS } else { AS_IS | CODED };
        let (rows, packed) = rest.split_at_checked((count as usize).checked_mul(ROW)?)?;
        let mut table = Vec::with_capacity(count as usize);
        for row in rows.chunks_exact(ROW) {
            let stored = word(row, 0)?;
            let slot = Slot {
                stored: stored & !flags,
                as_is: stored & AS_IS != 0,
                coded: stored & flags & CODED != 0,
                octets: word(row, 4)?,
                checksum: long(row, 8)?,
            };
            if slot.octets as usize > CHUNK {
                return None;
            }
            table.push(slot);
        }
        let chunks: u64 = table.iter().map(|slot| u64::from(slot.octets)).sum();
        let whole = chunks + u64::from(header) == octets
            && packed.len() == (stored & !AS_IS) as usize
            && header as usize <= HEADER
            && summary as usize <= SUMMARY;
        whole.then_some(Self {
            octets,
            table,
            header: header as usize,
            packed,
            as_is: stored & AS_IS != 0,
            summary: summary as usize,
            dictionary,
        })
    }

    /// The beginning of the message, then its summary.
    pub(crate) fn front(&self) -> Result<Vec<u8>> {
        let octets = self.header + self.summary;
        if self.as_is || self.dictionary == 0 {
            return zip::unpack(self.packed, self.as_is, octets);
        }
        let dictionary = Dictionary::numbered(self.dictionary).ok_or_else(|| Error::Newer {
            what: "dictionary of a body".to_owned(),
            found: u32::from(self.dictionary),
            known: u32::from(Dictionary::NEWEST),
        })?;
        zip::unpack_with(dictionary, self.packed, octets)
    }
}
