//! Which records refer to bodies: the one place that knows all of them. What is not named here is dead to
//! compaction, so every table must be, with or without bodies; the compiler asks for it.

use crate::error::{Error, Result};
use crate::id::{BodyId, MailboxId, Uid};
use crate::ops::Expunged;
use crate::queue::Entry;
use crate::record::{Record as _, Table};
use crate::{codec, keys, leaf, quarantine};

/// A record's reference to a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) body: BodyId,
    /// Octets of its frame; 0 when the record does not tell.
    pub(crate) frame: u32,
    pub(crate) holder: Holder,
}

/// Who refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A message of a mailbox that exists, or of one that was deleted.
    Message(MailboxId, Uid),
    /// An expunged message.
    Expunged(MailboxId, Uid),
    /// An entry of the queue.
    Queue(u64),
    /// A letter in quarantine.
    Quarantine(u64),
}

/// Calls `found` for each reference in a record. The value comes without its seal. A record of an unknown table
/// is an error: it may refer to bodies.
pub(crate) fn references(key: &[u8], value: &[u8], found: &mut dyn FnMut(Reference)) -> Result<()> {
    let table = key.first().and_then(|octet| Table::of(*octet));
    let table = table.ok_or_else(|| {
        Error::Damaged(format!(
            "record {} is of no known table",
            key.escape_ascii()
        ))
    })?;
    let mailbox = MailboxId(keys::number_at(key, 1));
    match table {
        Table::Message => {
            for message in leaf::decode(keys::first_of(key), value)? {
                found(Reference {
                    body: message.body,
                    frame: message.frame,
                    holder: Holder::Message(mailbox, message.uid),
                });
            }
        }
        Table::Expunged => {
            let expunged: Expunged = codec::decode("expunged message", value)?;
            let uid = keys::uid_of(key);
            for message in leaf::decode(leaf::first(uid), &expunged.message)? {
                found(Reference {
                    body: message.body,
                    frame: message.frame,
                    holder: Holder::Expunged(mailbox, uid),
                });
            }
        }
        Table::QueueEntry => {
            let entry = Entry::decode(key.get(1..).unwrap_or_default(), value)?;
            found(Reference {
                body: entry.body,
                frame: entry.frame,
                holder: Holder::Queue(entry.id.0),
            });
        }
        Table::Quarantine => {
            let (body, frame, id) = quarantine::body_of(value)?;
            found(Reference {
                body,
                frame,
                holder: Holder::Quarantine(id.0),
            });
        }
        Table::Meta
        | Table::Home
        | Table::Mailbox
        | Table::MailboxName
        | Table::Subscription
        | Table::Ledger
        | Table::Removed
        | Table::QueueRcpt
        | Table::QueueOrder
        | Table::Trace
        | Table::TracePage
        | Table::TraceState
        | Table::QuarantineState
        | Table::Agency
        | Table::Domain
        | Table::Account
        | Table::Address
        | Table::GroupMember
        | Table::Credential
        | Table::Operator
        | Table::Name
        | Table::Departed
        | Table::Hold
        | Table::SenderList
        | Table::Label
        | Table::Moved
        | Table::Weights
        | Table::Correspondent
        | Table::Audit
        | Table::GuardState => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_known_by_its_octet_and_no_other_octet_is() {
        let known: Vec<u8> = (0..=u8::MAX)
            .filter(|octet| Table::of(*octet).is_some())
            .collect();
        assert_eq!(known, b"012345678ABCDEFGHabcdefghijklmnopq");
        let mut none = |_: Reference| panic!("no reference");
        assert!(references(b"~x", b"", &mut none).is_err());
        assert!(references(b"", b"", &mut none).is_err());
        references(b"axy", b"anything", &mut none).unwrap();
    }
}
