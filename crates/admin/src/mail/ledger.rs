//! What was brought from other servers: which message there is which message here, and what its flags were.
//!
//! Written in the transaction that places the message, so that a run that was killed at any moment goes on
//! without a message lost or doubled. Sixteen neighbouring UIDs of the other side share a record.

use aws_lc_rs::digest::{SHA256, digest};
use congvu_store::{
    Error as StoreError, FlagChange, Flags, MailboxId, Read, Record, Result as StoreResult, Table,
    Tx, Uid,
};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Version of both layouts.
const VERSION: u8 = 1;
/// UIDs of a record; a power of two.
const UIDS: u32 = 16;
/// Keywords of a message that are compared with what the other side says later. With the next bound a record
/// stays below 64 KiB.
pub(crate) const KEYWORDS: usize = 20;
/// Longest keyword, octets.
pub(crate) const KEYWORD: usize = 100;
/// Records read or removed at once.
const PAGE: usize = 512;

/// A mailbox of another server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    account: u64,
    /// Server and login.
    server: String,
    /// Its name there, as the server writes it.
    mailbox: Vec<u8>,
    uidvalidity: u32,
    /// Where its messages are.
    target: u64,
    /// Which ledger.
    number: u64,
}

impl Source {
    fn key_of(account: u64, server: &str, mailbox: &[u8]) -> (u64, Vec<u8>) {
        let text = [server.as_bytes(), &[0], mailbox].concat();
        let sum = digest(&SHA256, &text);
        (account, sum.as_ref()[..16].to_vec())
    }
}

impl Record for Source {
    const TABLE: Table = Table::Moved;
    type Key = (u64, Vec<u8>);
    fn key(&self) -> Self::Key {
        Self::key_of(self.account, &self.server, &self.mailbox)
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        [&b"s"[..], &key.0.to_be_bytes(), &key.1].concat()
    }
    fn encode(&self) -> Vec<u8> {
        encode(self)
    }
    fn decode(_: &[u8], value: &[u8]) -> StoreResult<Self> {
        decode(value)
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Moved {
    /// UID there.
    remote: u32,
    /// UID here.
    local: u32,
    /// Flags there when they were last seen.
    flags: u8,
    /// Keywords there.
    keywords: Vec<String>,
}

/// Messages whose UIDs there are neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Leaf {
    number: u64,
    first: u32,
    entries: Vec<Moved>,
}

impl Record for Leaf {
    const TABLE: Table = Table::Moved;
    type Key = (u64, u32);
    fn key(&self) -> Self::Key {
        (self.number, self.first)
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        [&b"u"[..], &key.0.to_be_bytes(), &key.1.to_be_bytes()].concat()
    }
    fn encode(&self) -> Vec<u8> {
        encode(self)
    }
    fn decode(_: &[u8], value: &[u8]) -> StoreResult<Self> {
        decode(value)
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("plain data into memory cannot fail")
}

fn decode<T: serde::de::DeserializeOwned>(value: &[u8]) -> StoreResult<T> {
    let damaged = |why: &str| StoreError::Damaged(format!("ledger of a migration: {why}"));
    match value.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|e| damaged(&e.to_string())),
        Some((&found, _)) if found > VERSION => Err(StoreError::Newer {
            what: "ledger of a migration".to_owned(),
            found: u32::from(found),
            known: u32::from(VERSION),
        }),
        _ => Err(damaged("unknown version")),
    }
}

/// What is asked for by [`super::MailRequest::Ledger`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Server and login.
    pub server: String,
    /// Name of the mailbox there, as the server writes it.
    pub mailbox: Vec<u8>,
    /// Its UIDVALIDITY there.
    pub uidvalidity: u32,
    /// The mailbox here.
    pub target: MailboxId,
}

/// A message as it was last seen there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// UID there.
    pub remote: u32,
    /// System flags as bits.
    pub flags: u8,
    /// Keywords.
    pub keywords: Vec<String>,
}

/// Opens the ledger of a mailbox there: its number, and the number of one that is worth nothing any more,
/// because either mailbox was made anew since.
pub(crate) fn open(tx: &mut Tx<'_>, account: u64, origin: &Origin) -> Result<(u64, Option<u64>)> {
    let key = Source::key_of(account, &origin.server, &origin.mailbox);
    let known: Option<Source> = tx.get(&key)?;
    let target = origin.target.0;
    if let Some(known) = &known
        && known.uidvalidity == origin.uidvalidity
        && known.target == target
    {
        return Ok((known.number, None));
    }
    let number = tx.next("moved")?;
    tx.put(&Source {
        account,
        server: origin.server.clone(),
        mailbox: origin.mailbox.clone(),
        uidvalidity: origin.uidvalidity,
        target,
        number,
    })?;
    Ok((number, known.map(|known| known.number)))
}

/// Removes a part of a ledger; whether more of it is there.
pub(crate) fn clear(tx: &mut Tx<'_>, number: u64) -> Result<bool> {
    let leaves: Vec<Leaf> = tx.scan(&prefix(number), &[], PAGE)?;
    for leaf in &leaves {
        tx.delete::<Leaf>(&leaf.key())?;
    }
    Ok(leaves.len() == PAGE)
}

fn prefix(number: u64) -> Vec<u8> {
    [&b"u"[..], &number.to_be_bytes()].concat()
}

/// What a ledger holds from a UID there on, and where to go on.
pub(crate) fn page<R: Read>(r: &R, number: u64, from: u32) -> Result<(Vec<Seen>, Option<u32>)> {
    let start = Leaf::key_octets(&(number, from & !(UIDS - 1)));
    let leaves: Vec<Leaf> = r.scan(&prefix(number), &start, PAGE)?;
    let next = leaves
        .last()
        .filter(|_| leaves.len() == PAGE)
        .and_then(|leaf| leaf.first.checked_add(UIDS));
    let seen = leaves.into_iter().flat_map(|leaf| leaf.entries);
    let seen = seen.map(|moved| Seen {
        remote: moved.remote,
        flags: moved.flags,
        keywords: moved.keywords,
    });
    Ok((seen.collect(), next))
}

/// Notes where a message is now.
pub(crate) fn note(tx: &mut Tx<'_>, number: u64, seen: &Seen, local: Uid) -> Result<()> {
    let mut leaf = leaf(tx, number, seen.remote)?;
    leaf.entries.retain(|moved| moved.remote != seen.remote);
    leaf.entries.push(Moved {
        remote: seen.remote,
        local: local.0,
        flags: seen.flags,
        keywords: bounded(&seen.keywords),
    });
    leaf.entries.sort_by_key(|moved| moved.remote);
    Ok(tx.put(&leaf)?)
}

fn leaf(tx: &Tx<'_>, number: u64, remote: u32) -> Result<Leaf> {
    let first = remote & !(UIDS - 1);
    let known = tx.get::<Leaf>(&(number, first))?;
    Ok(known.unwrap_or(Leaf {
        number,
        first,
        entries: Vec::new(),
    }))
}

/// What is remembered of keywords.
pub(crate) fn bounded(keywords: &[String]) -> Vec<String> {
    let short = keywords.iter().filter(|keyword| keyword.len() <= KEYWORD);
    short.take(KEYWORDS).cloned().collect()
}

/// Brings what changed there since it was last seen to the message here: what was set there is set, what was
/// taken away is taken away; what the user changed here stays. Returns whether anything changed.
pub(crate) fn follow(tx: &mut Tx<'_>, number: u64, target: MailboxId, seen: &Seen) -> Result<bool> {
    let mut leaf = leaf(tx, number, seen.remote)?;
    let Some(moved) = leaf.entries.iter_mut().find(|m| m.remote == seen.remote) else {
        return Ok(false);
    };
    let keywords = bounded(&seen.keywords);
    let without = |all: &[String], others: &[String]| -> Vec<String> {
        let mut kept = all.to_vec();
        kept.retain(|one| !others.iter().any(|other| other.eq_ignore_ascii_case(one)));
        kept
    };
    let (old, new) = (Flags(moved.flags), Flags(seen.flags & 31));
    let steps = [
        FlagChange::Add(new.without(old), without(&keywords, &moved.keywords)),
        FlagChange::Remove(old.without(new), without(&moved.keywords, &keywords)),
    ];
    let local = Uid(moved.local);
    (moved.flags, moved.keywords) = (new.0, keywords);
    let mut changed = false;
    for step in steps {
        changed |= match tx.change_flags(target, local, &step) {
            Ok((_, changed)) => changed,
            // Expunged here, or no room for further keywords: nothing to follow.
            Err(StoreError::NoMessage(..) | StoreError::Limit(_)) => false,
            Err(error) => return Err(error.into()),
        };
    }
    tx.put(&leaf)?;
    Ok(changed)
}
