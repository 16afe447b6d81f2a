//! Trace records as they are shown: names instead of numbers.

use std::net::IpAddr;

use congvu_store::trace::{Place, Tried};
use congvu_store::{MailboxId, Timestamp, Uid};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// Its place among all records.
    pub place: Place,
    /// When, milliseconds since 1970.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: EventView,
}

/// What happened, with names instead of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventView {
    /// A letter was taken.
    Accepted(AcceptedView),
    /// Some recipients were tried elsewhere.
    Attempt(AttemptView),
    /// Something was refused.
    Refused(RefusedView),
    /// Copies left a mailbox.
    Removed(RemovedView),
    /// An administrator handled the queue entry.
    Handled {
        /// The letter.
        id: String,
        /// The queue entry.
        queue: u64,
        /// What was done.
        act: String,
    },
    /// A letter was held in the quarantine, or left it.
    Quarantined(QuarantinedView),
}

/// A letter in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedView {
    /// The letter.
    pub id: String,
    /// Its number in the quarantine.
    pub number: u64,
    /// For whom it came.
    pub account: String,
    /// `held`, `released`, `deleted`, `expired` or `forgotten`.
    pub act: String,
    /// Who did it; empty for the filter and the calendar.
    pub by: String,
    /// Where it is now, if it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<PlacedView>,
}

/// A letter that was taken, or more of its recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedView {
    /// The id that the client was told.
    pub id: String,
    /// Of a notice: the letter it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// `mx`, `submission`, `lmtp` or `notice`; `more` for further recipients.
    pub door: String,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What it called itself.
    pub hello: String,
    /// `TLSv1.3 TLS_AES_256_GCM_SHA384`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Who was logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Reverse-path.
    pub sender: String,
    /// Message-ID without angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Octets.
    pub size: u64,
    /// What the filter said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<congvu_store::trace::Judged>,
    /// As the client named them.
    pub recipients: Vec<String>,
    /// Addresses elsewhere that aliases and groups led to.
    pub others: Vec<String>,
    /// Copies in mailboxes.
    pub placed: Vec<PlacedView>,
    /// Accounts that had no room.
    pub full: Vec<String>,
    /// The queue entry for recipients elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
}

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedView {
    /// Whose.
    pub account: String,
    /// In which mailbox, as it is called now.
    pub mailbox: String,
    /// The mailbox's number.
    pub number: MailboxId,
    /// The copy's number in it.
    pub uid: Uid,
}

/// An attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// The letter.
    pub id: String,
    /// The queue entry.
    pub queue: u64,
    /// The server; empty when none was reached.
    pub host: String,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Whether the certificate was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// What came of it.
    pub tried: Vec<Tried>,
    /// The id of the notice to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedView {
    /// The transaction's id, if it came that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `mx`, `submission` or `lmtp`.
    pub door: String,
    /// The client's address.
    pub address: IpAddr,
    /// What it called itself.
    pub hello: String,
    /// Who was logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Reverse-path, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The refused recipient, or those of a refused letter.
    pub recipients: Vec<String>,
    /// Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What the client heard.
    pub reply: String,
    /// How often within a second.
    pub times: u32,
}

/// Copies that left a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedView {
    /// From which mailbox, as it is called now.
    pub mailbox: String,
    /// Its number.
    pub number: MailboxId,
    /// Who did it.
    pub by: String,
    /// Where they were moved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_number: Option<MailboxId>,
    /// Which: old number, new number (0 when expunged), how many in a row.
    pub runs: Vec<(u32, u32, u32)>,
}

impl EventView {
    /// The letter's id.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Accepted(letter) => Some(&letter.id),
            Self::Attempt(attempt) => Some(&attempt.id),
            Self::Refused(refused) => refused.id.as_deref(),
            Self::Handled { id, .. } => Some(id),
            Self::Quarantined(held) => Some(&held.id),
            Self::Removed(_) => None,
        }
    }
}

impl RemovedView {
    /// Whether a copy went, and where to if it was moved.
    pub fn of(&self, mailbox: MailboxId, uid: Uid) -> Option<Option<(MailboxId, Uid)>> {
        if mailbox != self.number {
            return None;
        }
        let (from, to, _) = self
            .runs
            .iter()
            .find(|(from, _, count)| (*from..from.saturating_add(*count)).contains(&uid.0))?;
        let moved = self
            .to_number
            .map(|target| (target, Uid(to.saturating_add(uid.0 - from))));
        Some(moved)
    }
}
