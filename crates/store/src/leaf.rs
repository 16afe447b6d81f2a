//! Leaves: the messages of sixteen neighbouring UIDs of a mailbox in one value.
//!
//! Measured against one record a message (`docs/decisions/0004-sixteen-messages-a-value.md`): reading a
//! mailbox and changing all of it is many times quicker, changing one message costs the same.
//!
//! A value is a version octet, a bitmap of the UIDs present (two octets, lowest bit = first UID), then
//! the messages in that order.

use serde::{Deserialize, Serialize};

use crate::codec::{VERSION, current};
use crate::error::{Error, Result};
use crate::id::{BodyId, ModSeq, Timestamp, Uid};
use crate::message::{Flags, Message};

/// UIDs of a leaf; a power of two.
pub(crate) const UIDS: u32 = 16;

/// The first UID of the leaf that a UID belongs to.
pub(crate) fn first(uid: Uid) -> Uid {
    Uid(uid.0 & !(UIDS - 1))
}

/// A message without its UID. At most 100 octets.
#[derive(Serialize, Deserialize)]
struct Stored {
    flags: u8,
    /// Bit n of octet m: keyword 8m + n. At most 32 octets.
    keywords: Vec<u8>,
    modseq: u64,
    date: i64,
    zone: i16,
    size: u32,
    body: u64,
    frame: u32,
    thread: u64,
    saved: i64,
}

/// Octets of a leaf. The messages are ascending and all of this leaf.
pub(crate) fn encode(messages: &[Message]) -> Vec<u8> {
    let present = messages
        .iter()
        .fold(0_u16, |bits, message| bits | 1 << (message.uid.0 % UIDS));
    let mut octets = Vec::with_capacity(3 + messages.len() * 64);
    octets.push(VERSION);
    octets.extend_from_slice(&present.to_be_bytes());
    for message in messages {
        let stored = Stored {
            flags: message.flags.0,
            keywords: bitmap(&message.keywords),
            modseq: message.modseq.0,
            date: message.date,
            zone: message.zone,
            size: message.size,
            body: message.body.0,
            frame: message.frame,
            thread: message.thread,
            saved: message.saved.0,
        };
        octets = postcard::to_extend(&stored, octets).expect("plain data into memory cannot fail");
    }
    octets
}

/// The messages of a leaf whose first UID is `first`.
pub(crate) fn decode(first: Uid, octets: &[u8]) -> Result<Vec<Message>> {
    let (uids, mut rest) = open(first, octets)?;
    let mut messages = Vec::with_capacity(UIDS as usize);
    for uid in uids {
        let (stored, left): (Stored, _) =
            postcard::take_from_bytes(rest).map_err(|_| damaged(first))?;
        rest = left;
        messages.push(Message {
            uid,
            flags: Flags(stored.flags),
            keywords: indexes(&stored.keywords),
            modseq: ModSeq(stored.modseq),
            date: stored.date,
            zone: stored.zone,
            size: stored.size,
            body: BodyId(stored.body),
            frame: stored.frame,
            thread: stored.thread,
            saved: Timestamp(stored.saved),
        });
    }
    Ok(messages)
}

/// The UIDs of a leaf whose first UID is `first`, without reading the messages.
pub(crate) fn uids(first: Uid, octets: &[u8]) -> Result<impl Iterator<Item = Uid>> {
    Ok(open(first, octets)?.0)
}

fn open(first: Uid, octets: &[u8]) -> Result<(impl Iterator<Item = Uid> + use<>, &[u8])> {
    let (present, rest) = current("messages", octets)?
        .split_first_chunk()
        .ok_or_else(|| damaged(first))?;
    let present = u16::from_be_bytes(*present);
    let uids = (0..UIDS)
        .filter(move |place| present >> place & 1 == 1)
        .map(move |place| Uid(first.0 | place));
    Ok((uids, rest))
}

fn damaged(first: Uid) -> Error {
    Error::Damaged(format!("messages from UID {first} on"))
}

fn bitmap(indexes: &[u16]) -> Vec<u8> {
    let mut octets = Vec::new();
    for &index in indexes {
        let octet = usize::from(index / 8);
        if octets.len() <= octet {
            octets.resize(octet + 1, 0);
        }
        octets[octet] |= 1 << (index % 8);
    }
    octets
}

fn indexes(bitmap: &[u8]) -> Vec<u16> {
    (0_u16..)
        .zip(
            bitmap
                .iter()
                .flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1)),
        )
        .filter_map(|(index, set)| set.then_some(index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest(uid: u32) -> Message {
        Message {
            uid: Uid(uid),
            flags: Flags(31),
            keywords: (0..256).collect(),
            modseq: ModSeq(u64::MAX),
            date: i64::MIN,
            zone: i16::MIN,
            size: u32::MAX,
            body: BodyId(u64::MAX),
            frame: u32::MAX,
            thread: u64::MAX,
            saved: Timestamp(i64::MIN),
        }
    }

    #[test]
    fn the_largest_leaf_is_small_and_comes_back() {
        let first = u32::MAX - 15;
        let messages: Vec<Message> = (first..=u32::MAX).map(largest).collect();
        let octets = encode(&messages);
        assert!(octets.len() <= 16 * 100 + 3, "{} octets", octets.len());
        assert_eq!(decode(Uid(first), &octets).unwrap(), messages);
        assert_eq!(first, super::first(Uid(u32::MAX)).0);
    }

    #[test]
    fn any_set_of_uids_comes_back() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..500 {
            let random_word = random.u16(0..37);
            let messages: Vec<Message> = (32..48)
                .filter(|_| random.bool())
                .map(|uid| Message {
                    keywords: (0..256).filter(|index| index % 37 == random_word).collect(),
                    flags: Flags(3),
                    ..largest(uid)
                })
                .collect();
            let octets = encode(&messages);
            assert_eq!(decode(Uid(32), &octets).unwrap(), messages);
            let found: Vec<Uid> = uids(Uid(32), &octets).unwrap().collect();
            assert_eq!(
                found,
                messages
                    .iter()
                    .map(|message| message.uid)
                    .collect::<Vec<_>>()
            );
            let cut = random.usize(0..octets.len());
            if cut < octets.len() && !messages.is_empty() {
                assert!(decode(Uid(32), &octets[..cut]).is_err());
            }
            let mut bad = octets;
            let at = random.usize(0..bad.len());
            bad[at] = random.u8(..);
            let _ = decode(Uid(32), &bad);
        }
    }
}
