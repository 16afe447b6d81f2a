//! Values of the store's own records: a version octet, then postcard. Old versions stay readable
//! for ever: a change of layout gets a new version and keeps the old reader.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{AccountId, LedgerId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
use crate::mailbox::{Mailbox, SpecialUse};

/// Version of all layouts below.
pub(crate) const VERSION: u8 = 1;

/// Octets of a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("plain data into memory cannot fail")
}

/// Back from octets. `what` names the record in errors.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, octets: &[u8]) -> Result<T> {
    let rest = current(what, octets)?;
    postcard::from_bytes(rest).map_err(|error| Error::Damaged(format!("{what}: {error}")))
}

/// What follows the version octet.
pub(crate) fn current<'a>(what: &str, octets: &'a [u8]) -> Result<&'a [u8]> {
    match octets.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
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

impl Identity {
    /// Whose mailbox, its name, and what its messages' keyword indexes mean.
    pub(crate) fn shown(&self) -> (AccountId, &str, UidValidity, &[String]) {
        (self.account, &self.name, self.uidvalidity, &self.keywords)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
