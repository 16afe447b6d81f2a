//! Holds: orders to keep what is deleted.

use congvu_store::{AccountId, MailboxId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgencyId, id, numbers, record};

id!(/// A hold, for ever: never reused.
    HoldId);

/// What a hold stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Held {
    /// All of an account.
    Account(AccountId),
    /// One mailbox.
    Mailbox(AccountId, MailboxId),
    /// All accounts of an agency and of those below it.
    Agency(AgencyId),
}

impl Held {
    /// What the keys of all holds on it begin with.
    pub(crate) fn prefix(self) -> Vec<u8> {
        match self {
            Self::Account(id) => numbers(b'a', &[id.0]),
            Self::Mailbox(_, id) => numbers(b'm', &[id.0]),
            Self::Agency(id) => numbers(b'g', &[id.0]),
        }
    }
}

/// One hold. Nothing that was deleted there is forgotten while it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its number.
    pub id: HoldId,
    /// What is held.
    pub on: Held,
    /// What it was called when the hold was put on: an address, a code, the name of a mailbox.
    pub name: String,
    /// Why: a file number, a decision.
    pub reason: String,
    /// Who put it on.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

record!(
    Hold,
    "hold",
    Hold,
    (Held, HoldId),
    |this| (this.on, this.id),
    |key| {
        let mut octets = key.0.prefix();
        octets.extend_from_slice(&key.1.0.to_be_bytes());
        octets
    }
);
