//! One message in one mailbox: the record, without its octets.

use crate::id::{BodyId, ModSeq, Timestamp, Uid};

/// System flags as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(2);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(4);
    /// `\Deleted`
    pub const DELETED: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);

    /// Whether all of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both sets together.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// `self` without `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// One message in one mailbox. Encoded in at most 100 octets, sixteen neighbours in one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// UID in its mailbox.
    pub uid: Uid,
    /// System flags.
    pub flags: Flags,
    /// Indexes into [`crate::Mailbox::keywords`], ascending.
    pub keywords: Vec<u16>,
    /// Last change.
    pub modseq: ModSeq,
    /// INTERNALDATE, seconds since 1970.
    pub date: i64,
    /// Zone of INTERNALDATE, minutes east of UTC.
    pub zone: i16,
    /// RFC822.SIZE: octets as served.
    pub size: u32,
    /// The octets.
    pub body: BodyId,
    /// Length of the body frame in the log, so that one read suffices.
    pub frame: u32,
    /// RFC 8474 THREADID; 0 = none assigned.
    pub thread: u64,
    /// RFC 8514: when it was placed into this mailbox.
    pub saved: Timestamp,
}

/// What to place into a mailbox.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// System flags.
    pub flags: Flags,
    /// Keyword names.
    pub keywords: Vec<String>,
    /// INTERNALDATE, seconds since 1970.
    pub date: i64,
    /// Zone of INTERNALDATE, minutes east of UTC.
    pub zone: i16,
}

/// How STORE changes flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagChange {
    /// FLAGS
    Replace(Flags, Vec<String>),
    /// +FLAGS
    Add(Flags, Vec<String>),
    /// -FLAGS
    Remove(Flags, Vec<String>),
}
