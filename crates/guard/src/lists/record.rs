//! List entries and their counts as they lie in the store.

use congvu_spam::facts::Side;
use congvu_store::{Error, Read, Record, Result, Table, Timestamp};
use serde::{Deserialize, Serialize};

use super::Entry;
use crate::Scope;

/// First octet of the keys of entries.
const ENTRY: u8 = b'e';
/// First octet of the keys of counts.
const COUNTS: u8 = b'c';
/// Version octet of the values.
const VERSION: u8 = 1;

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// For whom it holds.
    pub scope: Scope,
    /// What is listed.
    pub entry: Entry,
    /// Wanted or not.
    pub side: Side,
    /// Seconds since 1970 from which on it counts for nothing; `None`: for ever.
    pub until: Option<i64>,
    /// Why.
    pub reason: String,
    /// Who put it there.
    pub by: String,
    /// When.
    pub added: Timestamp,
}

/// The value of an entry; the rest is its key.
#[derive(Serialize, Deserialize)]
struct Value {
    block: bool,
    until: Option<i64>,
    reason: String,
    by: String,
    added: Timestamp,
}

impl Listed {
    /// Whether its time is over.
    pub fn is_over(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Beginning of the keys of entries: of one scope, or of all.
pub(super) fn prefix(scope: Option<Scope>) -> Vec<u8> {
    let mut octets = vec![ENTRY];
    if let Some(scope) = scope {
        octets.extend_from_slice(&scope.octets());
    }
    octets
}

pub(super) fn octets((scope, entry): &(Scope, Entry)) -> Vec<u8> {
    let (kind, text) = match entry {
        Entry::Address(text) => (b'a', text),
        Entry::Domain(text) => (b'd', text),
        Entry::Network(text) => (b'n', text),
        Entry::Link(text) => (b'l', text),
    };
    let mut octets = prefix(Some(*scope));
    octets.push(kind);
    octets.extend_from_slice(text.as_bytes());
    octets
}

fn key_of(octets: &[u8]) -> Option<(Scope, Entry)> {
    let scope = Scope::from_octets(octets.get(1..10)?)?;
    let text = String::from_utf8(octets.get(11..)?.to_vec()).ok()?;
    let entry = match octets.get(10)? {
        b'a' => Entry::Address(text),
        b'd' => Entry::Domain(text),
        b'n' => Entry::Network(text),
        b'l' => Entry::Link(text),
        _ => return None,
    };
    Some((scope, entry))
}

/// A key as text that people hand back and do not read.
pub(super) fn token(key: &(Scope, Entry)) -> String {
    let hex = |b: u8| format!("{b:02x}");
    octets(key).into_iter().map(hex).collect()
}

/// Back from [`token`].
pub(super) fn from_token(text: &str) -> Option<(Scope, Entry)> {
    let octet = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let octets: Option<Vec<u8>> = (0..text.len()).step_by(2).map(octet).collect();
    key_of(&octets?)
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("{what} of a sender list"))
}

fn unpack<T: serde::de::DeserializeOwned>(what: &str, value: &[u8]) -> Result<T> {
    match value.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| damaged(what)),
        Some((&found, _)) if found > VERSION => Err(Error::Newer {
            what: format!("{what} of a sender list"),
            found: u32::from(found),
            known: u32::from(VERSION),
        }),
        _ => Err(damaged(what)),
    }
}

fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("plain data into memory cannot fail")
}

impl Record for Listed {
    const TABLE: Table = Table::SenderList;
    type Key = (Scope, Entry);
    fn key(&self) -> Self::Key {
        (self.scope, self.entry.clone())
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        octets(key)
    }
    fn encode(&self) -> Vec<u8> {
        pack(&Value {
            block: self.side == Side::Block,
            until: self.until,
            reason: self.reason.clone(),
            by: self.by.clone(),
            added: self.added,
        })
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let (scope, entry) = key_of(key).ok_or_else(|| damaged("the key"))?;
        let Value {
            block,
            until,
            reason,
            by,
            added,
        } = unpack("an entry", value)?;
        Ok(Self {
            scope,
            entry,
            side: if block { Side::Block } else { Side::Allow },
            until,
            reason,
            by,
            added,
        })
    }
}

/// How many entries of each kind a scope has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// The scope; `None`: all together, links only.
    pub(crate) scope: Option<Scope>,
    pub(crate) addresses: u32,
    pub(crate) domains: u32,
    pub(crate) networks: u32,
    pub(crate) links: u32,
}

impl Counts {
    /// Of a scope.
    pub(crate) fn of<R: Read>(r: &R, scope: Scope) -> Result<Self> {
        let none = || Self {
            scope: Some(scope),
            ..Self::default()
        };
        Ok(r.get::<Self>(&Some(scope))?.unwrap_or_else(none))
    }

    /// Of all scopes: links only.
    pub(crate) fn of_all<R: Read>(r: &R) -> Result<Self> {
        Ok(r.get::<Self>(&None)?.unwrap_or_default())
    }

    pub(crate) fn all(&self) -> u32 {
        let senders = self.addresses.saturating_add(self.domains);
        senders
            .saturating_add(self.networks)
            .saturating_add(self.links)
    }

    pub(super) fn add(&mut self, entry: &Entry, by: i32) {
        let count = match entry {
            Entry::Address(_) => &mut self.addresses,
            Entry::Domain(_) => &mut self.domains,
            Entry::Network(_) => &mut self.networks,
            Entry::Link(_) => &mut self.links,
        };
        *count = count.saturating_add_signed(by);
    }
}

impl Record for Counts {
    const TABLE: Table = Table::SenderList;
    type Key = Option<Scope>;
    fn key(&self) -> Self::Key {
        self.scope
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        let mut octets = vec![COUNTS];
        if let Some(scope) = key {
            octets.extend_from_slice(&scope.octets());
        }
        octets
    }
    fn encode(&self) -> Vec<u8> {
        pack(self)
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        unpack("the counts", value)
    }
}
