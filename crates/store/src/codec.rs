//! Values of the store's own records: a version octet, then postcard. Old versions stay readable
//! for ever: a change of layout gets a new version and keeps the old reader.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{AccountId, BodyId, LedgerId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
use crate::mailbox::{Mailbox, SpecialUse};
use crate::message::{Flags, Message};

/// Version of all layouts below.
const VERSION: u8 = 1;

/// Octets of a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("plain data into memory cannot fail")
}

/// Back from octets. `what` names the record in errors.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, octets: &[u8]) -> Result<T> {
    match octets.split_first() {
        Some((&VERSION, rest)) => {
            postcard::from_bytes(rest).map_err(|error| Error::Damaged(format!("{what}: {error}")))
        }
        Some((&found, _)) if found > VERSION => Err(Error::Newer {
            what: what.to_owned(),
            found: u32::from(found),
            known: u32::from(VERSION),
        }),
        _ => Err(Error::Damaged(what.to_owned())),
    }
}

/// An account's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Home {
    /// Charged for every message; its own first.
    pub(crate) ledgers: Vec<LedgerId>,
    /// Number of mailboxes.
    pub(crate) mailboxes: u32,
}

/// What a removed account's home leaves behind for undelete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemovedHome {
    pub(crate) home: Home,
    pub(crate) subscriptions: Vec<String>,
    pub(crate) at: Timestamp,
}

/// What a deleted mailbox leaves behind for undelete; its messages stay where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemovedMailbox {
    pub(crate) mailbox: Mailbox,
    pub(crate) at: Timestamp,
}

/// The part of a mailbox that changes rarely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    account: AccountId,
    name: String,
    uidvalidity: UidValidity,
    special_use: Option<SpecialUse>,
    keywords: Vec<String>,
    created: Timestamp,
}

/// The part of a mailbox that changes with every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    uidnext: Uid,
    modseq: ModSeq,
    messages: u32,
    unseen: u32,
    deleted: u32,
    size: u64,
    recent_from: Uid,
}

impl Counters {
    /// The same with UIDs left out, changed at `modseq`.
    pub(crate) fn skipped(self, uids: u32, modseq: ModSeq) -> Self {
        let uidnext = Uid(self.uidnext.0.saturating_add(uids));
        Self {
            uidnext,
            modseq,
            ..self
        }
    }
}

/// A mailbox in its two parts.
pub(crate) fn split(mailbox: &Mailbox) -> (Identity, Counters) {
    let identity = Identity {
        account: mailbox.account,
        name: mailbox.name.clone(),
        uidvalidity: mailbox.uidvalidity,
        special_use: mailbox.special_use,
        keywords: mailbox.keywords.clone(),
        created: mailbox.created,
    };
    (identity, counters(mailbox))
}

/// The counters of a mailbox.
pub(crate) fn counters(mailbox: &Mailbox) -> Counters {
    Counters {
        uidnext: mailbox.uidnext,
        modseq: mailbox.modseq,
        messages: mailbox.messages,
        unseen: mailbox.unseen,
        deleted: mailbox.deleted,
        size: mailbox.size,
        recent_from: mailbox.recent_from,
    }
}

/// A mailbox from its two parts.
pub(crate) fn join(id: MailboxId, identity: Identity, counters: Counters) -> Mailbox {
    Mailbox {
        id,
        account: identity.account,
        name: identity.name,
        uidvalidity: identity.uidvalidity,
        uidnext: counters.uidnext,
        modseq: counters.modseq,
        messages: counters.messages,
        unseen: counters.unseen,
        deleted: counters.deleted,
        size: counters.size,
        recent_from: counters.recent_from,
        special_use: identity.special_use,
        keywords: identity.keywords,
        created: identity.created,
    }
}

/// A message without its UID, which stands in the key.
#[derive(Serialize, Deserialize)]
struct Stored {
    flags: u8,
    /// Bit n of octet m: keyword 8m + n. At most 32 octets, so that the record stays under 300.
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

/// Octets of a message record.
pub(crate) fn encode_message(message: &Message) -> Vec<u8> {
    let mut keywords = Vec::new();
    for &index in &message.keywords {
        let octet = usize::from(index / 8);
        if keywords.len() <= octet {
            keywords.resize(octet + 1, 0);
        }
        keywords[octet] |= 1 << (index % 8);
    }
    encode(&Stored {
        flags: message.flags.0,
        keywords,
        modseq: message.modseq.0,
        date: message.date,
        zone: message.zone,
        size: message.size,
        body: message.body.0,
        frame: message.frame,
        thread: message.thread,
        saved: message.saved.0,
    })
}

/// Back from octets.
pub(crate) fn decode_message(uid: Uid, octets: &[u8]) -> Result<Message> {
    let stored: Stored = decode("message record", octets)?;
    let keywords = (0_u16..)
        .zip(
            stored
                .keywords
                .iter()
                .flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1)),
        )
        .filter_map(|(index, set)| set.then_some(index))
        .collect();
    Ok(Message {
        uid,
        flags: Flags(stored.flags),
        keywords,
        modseq: ModSeq(stored.modseq),
        date: stored.date,
        zone: stored.zone,
        size: stored.size,
        body: BodyId(stored.body),
        frame: stored.frame,
        thread: stored.thread,
        saved: Timestamp(stored.saved),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_message_record_is_small_and_comes_back() {
        let message = Message {
            uid: Uid(u32::MAX),
            flags: Flags(31),
            keywords: (0..256).collect(),
            modseq: ModSeq(u64::MAX),
            date: i64::MIN,
            zone: i16::MIN,
            size: u32::MAX,
            body: BodyId(u64::MAX),
            frame: u32::MAX,
            thread: u64::MAX,
            saved: Timestamp(i64::MAX),
        };
        let octets = encode_message(&message);
        assert!(octets.len() <= 300, "{} octets", octets.len());
        assert_eq!(decode_message(Uid(u32::MAX), &octets).unwrap(), message);
    }

    #[test]
    fn newer_and_damaged_records_are_told_apart() {
        assert!(matches!(
            decode::<u32>("x", &[2, 1]),
            Err(Error::Newer {
                found: 2,
                known: 1,
                ..
            })
        ));
        assert!(matches!(decode::<u32>("x", &[]), Err(Error::Damaged(_))));
        assert!(matches!(
            decode::<String>("x", &[1, 200]),
            Err(Error::Damaged(_))
        ));
    }
}
