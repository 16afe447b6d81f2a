//! What can be asked: questions, changes, and orders to the running server.

use std::fmt;

use congvu_store::MailboxId;
use congvu_store::page::Hex;
use congvu_wire::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::change::Change;
use crate::deleted::DeletedQuery;
use crate::mail::MailRequest;
use crate::quarantine::QuarantineRequest;
use crate::query::Query;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Reads only.
    Query(Query),
    /// Changes something, and is audited.
    Change(Change),
    /// Finds deleted messages.
    Deleted(DeletedQuery),
    /// Forgets deleted mail that is past its window, and is audited.
    Purge,
    /// Looks into the store itself: for checks, statistics and backups.
    Store(StoreQuery),
    /// Looks into the quarantine, or tells of it.
    Quarantine(QuarantineRequest),
    /// Moves messages; over a connection of its own.
    Mail(MailRequest),
    /// Give back the space of what is expunged for good. Answered when it has begun.
    Compact {
        /// Octets read and written in a second; as fast as the disk is, if not said.
        rate: Option<u64>,
    },
    /// What the server is and does.
    Status,
    /// Take over certificates and configuration again.
    Reload,
    /// Finish what is under way and end.
    Stop,
}

/// What a check, a count or a backup needs from the process that has the store open. Reads only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreQuery {
    /// Up to where everything is durable.
    Position,
    /// A part of the index.
    Page {
        /// Where it begins; empty = at the beginning.
        from: Hex,
    },
    /// Counters of mailboxes against their messages.
    Mailboxes {
        /// Which.
        ids: Vec<MailboxId>,
    },
    /// Sums of accounts, domains and agencies against the mailboxes.
    Homes,
    /// How far compaction is.
    Compaction,
}

/// A password on its way from the keyboard to the hash: through a socket that only its owner can open, never
/// into a log or an audit record.
#[derive(Clone, PartialEq, Eq)]
pub struct Plain(pub Secret);

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(…)")
    }
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(self.0.expose());
        serializer.serialize_str(
            text.map_err(|_| serde::ser::Error::custom("the password is not UTF-8"))?,
        )
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Secret::new(
            String::deserialize(deserializer)?.into_bytes(),
        )))
    }
}

/// Where a new password comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewPassword {
    /// Chosen; must follow the rules for passwords.
    Given(Plain),
    /// Made here and told once.
    Generate,
    /// None: nobody logs in with a main password.
    None,
}
