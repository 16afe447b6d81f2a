//! A transaction and the message that is arriving in it.

use super::octets::{Defect, LineEnds};
use super::say::Said;
use crate::ask::{BodyKind, Mail, Reply};

/// Octets handed to the service at once: large enough that asking costs nothing, small enough that a
/// thousand connections hold some tens of megabytes.
pub(super) const CHUNK: usize = 32 << 10;

pub(super) const TOO_BIG: Said = Said(552, (5, 3, 4), "message too big");

const BARE: Said = Said(
    550,
    (5, 6, 11),
    "bare CR or LF in the message; lines end with CR LF",
);
const LONG_LINE: Said = Said(550, (5, 6, 0), "a line of the message is too long");

/// An open transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) body: BodyKind,
    pub(super) utf8: bool,
    /// Recipients accepted.
    pub(super) accepted: u32,
    /// Recipients refused.
    pub(super) refused: u32,
    /// Once the message has begun.
    pub(super) message: Option<Message>,
}

impl Transaction {
    pub(super) fn new(mail: &Mail) -> Self {
        Self {
            body: mail.body,
            utf8: mail.utf8,
            accepted: 0,
            refused: 0,
            message: None,
        }
    }
}

/// The message so far.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Octets not yet handed over; at most [`CHUNK`].
    pub(super) chunk: Vec<u8>,
    /// Octets of the message.
    size: u64,
    /// Octets read for it, kept or not.
    raw: u64,
    /// Why it will be refused at its end.
    pub(super) failure: Option<Reply>,
    pub(super) line_ends: LineEnds,
}

impl Message {
    /// Accounts for octets read and kept, against the size limit.
    pub(super) fn count(&mut self, raw: usize, kept: usize, size_max: u64) {
        self.raw = self.raw.saturating_add(raw as u64);
        self.size = self.size.saturating_add(kept as u64);
        if self.size > size_max {
            self.fail(TOO_BIG.into());
        }
    }

    pub(super) fn raw(&self) -> u64 {
        self.raw
    }

    /// Whether these octets more would break the limit (a BDAT announces them).
    pub(super) fn would_exceed(&self, more: u64, size_max: u64) -> bool {
        self.size.saturating_add(more) > size_max
    }

    /// The first failure counts; what was collected is no longer needed.
    pub(super) fn fail(&mut self, reply: Reply) {
        self.failure.get_or_insert(reply);
        self.chunk = Vec::new();
    }

    pub(super) fn defect(&mut self, defect: Defect) {
        self.fail(match defect {
            Defect::BareLineEnd => BARE.into(),
            Defect::LongLine => LONG_LINE.into(),
        });
    }
}

/// Octets of a refused message or chunk that are read before the connection is cut: a client that sends
/// this much more than allowed will not listen to a reply.
pub(super) fn gross(size_max: u64) -> u64 {
    size_max.saturating_mul(2).saturating_add(1 << 20)
}
