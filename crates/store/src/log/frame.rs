//! Octets of frames: the header that all kinds share, and the payloads of commit, group and segment
//! frames. Body payloads are in `body`.
//!
//! A frame is believed only when its checksum matches *and* its own LSN is where it stands. The
//! checksum is seeded with the store's number, so that octets of another store, or octets that a
//! sender put into a message, are never taken for a frame of this log.

use xxhash_rust::xxh3::Xxh3;

use crate::engine::Op;
use crate::error::{Error, Result};
use crate::id::{Lsn, ModSeq, Timestamp};

/// First octets of every frame.
pub(crate) const MAGIC: [u8; 4] = *b"CvL1";
/// Length of a frame header, octets.
pub(crate) const HEADER: u64 = 32;
/// The newest frame version that this program knows: that of body frames. The other kinds have version 1.
pub(crate) const VERSION: u8 = 2;
/// Payload of a segment frame, octets.
pub(crate) const SEGMENT_PAYLOAD: u64 = 32;
/// Payload of a group frame, octets.
pub(crate) const GROUP_PAYLOAD: u64 = 24;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The first frame of a segment file.
    Segment = 1,
    /// The beginning of a group: all frames that one `fdatasync` made durable.
    Group = 2,
    /// The octets of one message with their summary.
    Body = 3,
    /// The index operations of one transaction.
    Commit = 4,
    /// In a rewritten segment: which parts of the log it holds, and where.
    Runs = 5,
    /// In a rewritten segment: group and commit frames, compressed together.
    Pack = 6,
}

impl Kind {
    fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Segment),
            2 => Some(Self::Group),
            3 => Some(Self::Body),
            4 => Some(Self::Commit),
            5 => Some(Self::Runs),
            6 => Some(Self::Pack),
            _ => None,
        }
    }
}

/// A decoded header. `kind` is `None` for a kind that a newer program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u8,
    pub(crate) kind: Option<Kind>,
    /// 0 = not encrypted.
    pub(crate) key: u16,
    /// Octets after the header.
    pub(crate) length: u32,
    /// How many of them the checksum covers; the rest carries checksums of its own.
    pub(crate) covered: u32,
    pub(crate) lsn: Lsn,
    pub(crate) checksum: u64,
}

impl Header {
    /// The whole frame, octets.
    pub(crate) fn total(&self) -> u64 {
        HEADER + u64::from(self.length)
    }

    /// Reads a header; `None` when these octets cannot be one.
    pub(crate) fn decode(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; 32] = octets.first_chunk()?;
        let header = Self {
            version: octets[4],
            kind: Kind::from_octet(octets[5]),
            key: u16::from_be_bytes([octets[6], octets[7]]),
            length: number(octets, 8),
            covered: number(octets, 12),
            lsn: Lsn(long(octets, 16)),
            checksum: long(octets, 24),
        };
        (octets[..4] == MAGIC && header.covered <= header.length).then_some(header)
    }

    /// Whether header and covered octets match the checksum.
    pub(crate) fn matches(&self, octets: &[u8], seed: u64) -> bool {
        let Some(covered) = octets.get(32..32 + self.covered as usize) else {
            return false;
        };
        checksum(&octets[..24], covered, seed) == self.checksum
    }
}

pub(crate) fn number(octets: &[u8], at: usize) -> u32 {
    octets
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

pub(crate) fn long(octets: &[u8], at: usize) -> u64 {
    octets
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

pub(crate) fn checksum(head: &[u8], covered: &[u8], seed: u64) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(head);
    hash.update(covered);
    hash.digest()
}

/// A header for a payload of `length` octets whose first octets are `covered`.
pub(crate) fn header(kind: Kind, length: u32, covered: &[u8], lsn: Lsn, seed: u64) -> [u8; 32] {
    let mut octets = [0; 32];
    octets[..4].copy_from_slice(&MAGIC);
    octets[4] = if kind == Kind::Body { VERSION } else { 1 };
    octets[5] = kind as u8;
    octets[8..12].copy_from_slice(&length.to_be_bytes());
    let under = u32::try_from(covered.len())
        .expect("the covered octets are part of a payload of 32-bit length");
    octets[12..16].copy_from_slice(&under.to_be_bytes());
    octets[16..24].copy_from_slice(&lsn.0.to_be_bytes());
    let sum = checksum(&octets[..24], covered, seed);
    octets[24..].copy_from_slice(&sum.to_be_bytes());
    octets
}

/// A whole frame whose payload is covered by its checksum.
pub(crate) fn whole(kind: Kind, payload: &[u8], lsn: Lsn, seed: u64) -> Result<Vec<u8>> {
    let length = u32::try_from(payload.len()).map_err(|_| Error::TooLarge(payload.len()))?;
    let mut octets = Vec::with_capacity(32 + payload.len());
    octets.extend_from_slice(&header(kind, length, payload, lsn, seed));
    octets.extend_from_slice(payload);
    Ok(octets)
}

/// Payload of a segment frame. Its own checksum has seed 0, because it tells the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    /// The store's number, drawn at creation; the seed of all other checksums.
    pub(crate) store: u64,
    /// First LSN of the file: that of this frame.
    pub(crate) first: Lsn,
    /// When the file was begun.
    pub(crate) created: Timestamp,
    /// In a rewritten segment where the log goes on after it; 0 = written by appending.
    pub(crate) end: Lsn,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(32);
        payload.extend_from_slice(&self.store.to_be_bytes());
        payload.extend_from_slice(&self.first.0.to_be_bytes());
        payload.extend_from_slice(&self.created.0.to_be_bytes());
        payload.extend_from_slice(&self.end.0.to_be_bytes());
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        (payload.len() as u64 == SEGMENT_PAYLOAD).then(|| Self {
            store: long(payload, 0),
            first: Lsn(long(payload, 8)),
            created: Timestamp(long(payload, 16).cast_signed()),
            end: Lsn(long(payload, 24)),
        })
    }

    /// From the first octets of a file, if they are whole.
    pub(crate) fn of_file(begin: &[u8]) -> Option<Self> {
        let header = Header::decode(begin)?;
        let ours = header.kind == Some(Kind::Segment) && header.matches(begin, 0);
        let payload = begin.get(32..32 + header.length as usize)?;
        ours.then(|| Self::decode(payload)).flatten()
    }
}

/// Payload of a group frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupHead {
    /// 1, 2, 3 …
    pub(crate) number: u64,
    /// Octets of the group, this frame included.
    pub(crate) length: u64,
}

impl GroupHead {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(24);
        payload.extend_from_slice(&self.number.to_be_bytes());
        payload.extend_from_slice(&self.length.to_be_bytes());
        payload.extend_from_slice(&[0; 8]);
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        (payload.len() as u64 == GROUP_PAYLOAD).then(|| Self {
            number: long(payload, 0),
            length: long(payload, 8),
        })
    }
}

/// Payload of a commit frame: everything one transaction changes in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// The transaction's number.
    pub(crate) number: ModSeq,
    /// When it ran.
    pub(crate) time: Timestamp,
    /// What it writes, each key once.
    pub(crate) ops: Vec<Op>,
}

/// Value length that means "delete".
const DELETE: u32 = u32::MAX;

impl Commit {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let size: usize = self
            .ops
            .iter()
            .map(|(key, value)| 6 + key.len() + value.as_ref().map_or(0, Vec::len))
            .sum();
        let mut payload = Vec::with_capacity(20 + size);
        payload.extend_from_slice(&self.number.0.to_be_bytes());
        payload.extend_from_slice(&self.time.0.to_be_bytes());
        let count = u32::try_from(self.ops.len()).map_err(|_| Error::TooLarge(self.ops.len()))?;
        payload.extend_from_slice(&count.to_be_bytes());
        for (key, value) in &self.ops {
            let length = u16::try_from(key.len()).map_err(|_| Error::TooLarge(key.len()))?;
            payload.extend_from_slice(&length.to_be_bytes());
            let octets = value.as_deref().unwrap_or_default();
            let length = match value {
                None => DELETE,
                Some(value) => {
                    u32::try_from(value.len()).map_err(|_| Error::TooLarge(value.len()))?
                }
            };
            payload.extend_from_slice(&length.to_be_bytes());
            payload.extend_from_slice(key);
            payload.extend_from_slice(octets);
        }
        Ok(payload)
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let mut rest = payload;
        let mut take = |count: usize| -> Option<&[u8]> {
            let (taken, left) = rest.split_at_checked(count)?;
            rest = left;
            Some(taken)
        };
        let number = ModSeq(long(take(8)?, 0));
        let time = Timestamp(long(take(8)?, 0).cast_signed());
        let count = number_of(take(4)?);
        let mut ops = Vec::with_capacity((count as usize).min(payload.len() / 6));
        for _ in 0..count {
            let lengths = take(6)?;
            let key_length = usize::from(u16::from_be_bytes([lengths[0], lengths[1]]));
            let value_length = number_of(&lengths[2..]);
            let key = take(key_length)?.to_vec();
            let value = if value_length == DELETE {
                None
            } else {
                Some(take(value_length as usize)?.to_vec())
            };
            ops.push((key, value));
        }
        rest.is_empty().then_some(Self { number, time, ops })
    }
}

fn number_of(octets: &[u8]) -> u32 {
    number(octets, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_believed_only_whole_in_place_and_of_this_store() {
        let frame = whole(Kind::Commit, b"payload", Lsn(4711), 9).unwrap();
        let header = Header::decode(&frame).unwrap();
        assert_eq!(
            (header.kind, header.length, header.covered, header.lsn),
            (Some(Kind::Commit), 7, 7, Lsn(4711))
        );
        assert_eq!(header.total(), frame.len() as u64);
        assert!(header.matches(&frame, 9));
        assert!(!header.matches(&frame, 10), "another store's seed");
        assert!(!header.matches(&frame[..frame.len() - 1], 9), "cut");
        for at in 0..frame.len() {
            let mut bad = frame.clone();
            bad[at] ^= 1;
            let believed = Header::decode(&bad).is_some_and(|header| header.matches(&bad, 9));
            assert!(!believed, "flipped bit in octet {at}");
        }
    }

    #[test]
    fn commits_come_back_and_bad_octets_do_not() {
        let commit = Commit {
            number: ModSeq(7),
            time: Timestamp(-5),
            ops: vec![
                (b"k".to_vec(), Some(b"value".to_vec())),
                (b"gone".to_vec(), None),
                (Vec::new(), Some(Vec::new())),
            ],
        };
        let octets = commit.encode().unwrap();
        assert_eq!(Commit::decode(&octets), Some(commit));
        for cut in 0..octets.len() {
            assert_eq!(Commit::decode(&octets[..cut]), None, "cut at {cut}");
        }
        let mut longer = octets;
        longer.push(0);
        assert_eq!(Commit::decode(&longer), None);
    }

    #[test]
    fn any_octets_are_read_without_panic() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let length = random.usize(..80);
            let octets: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            let _ = Commit::decode(&octets);
            let _ = GroupHead::decode(&octets);
            let _ = SegmentHead::decode(&octets);
            let mut framed = MAGIC.to_vec();
            framed.extend_from_slice(&octets);
            if let Some(header) = Header::decode(&framed) {
                assert!(!header.matches(&framed, 1));
            }
        }
    }
}
