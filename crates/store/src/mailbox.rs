//! Mailboxes: names, identities, counters.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};

/// RFC 6154 special uses. One mailbox an account for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpecialUse {
    /// `\Drafts`
    Drafts,
    /// `\Sent`
    Sent,
    /// `\Junk`
    Junk,
    /// `\Trash`
    Trash,
    /// `\Archive`
    Archive,
    /// `\Flagged` (virtual elsewhere; a plain mark here)
    Flagged,
    /// `\All`
    All,
    /// `\Important` (RFC 8457)
    Important,
}

/// A mailbox with its counters. Counters change in the same transaction as the messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Stable id.
    pub id: MailboxId,
    /// Owner.
    pub account: AccountId,
    /// Full name in NFC, hierarchy separated by `/`; `INBOX` in capitals.
    pub name: String,
    /// Never changes.
    pub uidvalidity: UidValidity,
    /// The next UID.
    pub uidnext: Uid,
    /// Highest mod-sequence of any change in it.
    pub modseq: ModSeq,
    /// Number of messages.
    pub messages: u32,
    /// Number without `\Seen`.
    pub unseen: u32,
    /// Number with `\Deleted`.
    pub deleted: u32,
    /// Sum of message sizes, octets (RFC 8438).
    pub size: u64,
    /// UIDs from here on are `\Recent` to the next read-write session (RFC 3501).
    pub recent_from: Uid,
    /// Special use, if any.
    pub special_use: Option<SpecialUse>,
    /// Keyword names in first-use order; a message's keywords are indexes into it. At most 256.
    pub keywords: Vec<String>,
    /// When it was created.
    pub created: Timestamp,
}
