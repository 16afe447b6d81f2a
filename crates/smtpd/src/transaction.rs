//! A mail transaction: from MAIL to the end of the message (RFC 5321 section 3.3). Carries what that state
//! has and nothing of the connection; RSET drops it, and with it the draft.

use std::sync::Arc;

use congvu_guard::{Pending, SenderFacts};
use congvu_message::Address;
use congvu_smtp::ask::Kind;
use congvu_store::Timestamp;
use congvu_store::trace::Judged;

use crate::Shared;
use crate::facts::{Connection, Sender};
use crate::filter;
use crate::header::Treatment;
use crate::intake::{Arrived, Desk, Intake};
use crate::rcpt::Accepted;
use crate::refusal::Refusal;
use crate::trace::{self, Stamp};

/// Most recipients of a transaction after groups were expanded: what one queue entry can hold.
const TARGETS_MOST: usize = 20_000;

/// Recipients named in a log line: all of usual letters; the count stands beside.
const RCPTS_SHOWN: usize = 20;

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Id in replies, logs, queue and Received.
    pub id: String,
    /// When MAIL came.
    pub at: Timestamp,
    /// MAIL.
    pub sender: Sender,
    /// Accepted recipients.
    pub rcpts: Vec<Accepted>,
    /// Message-ID, once the message was parsed: under it other servers log the same message.
    pub message_id: Option<String>,
    /// What the filter said, once it did.
    pub judged: Option<Judged>,
    /// What the DNS is asked about the sender meanwhile.
    pub asked: Option<Arc<Pending<SenderFacts>>>,
    intake: Intake,
}

impl Transaction {
    /// Opened by an accepted MAIL.
    pub(crate) fn new(sender: Sender) -> Self {
        let at = Timestamp::now();
        Self {
            id: trace::id(at),
            at,
            sender,
            rcpts: Vec::new(),
            message_id: None,
            judged: None,
            asked: None,
            intake: Intake::default(),
        }
    }

    /// Adds an accepted recipient.
    pub(crate) fn add(&mut self, rcpt: Accepted) -> Result<(), Refusal> {
        let targets: usize = self.rcpts.iter().map(|rcpt| rcpt.targets.len()).sum();
        if targets + rcpt.targets.len() > TARGETS_MOST {
            return Err(Refusal::TooManyRcpts(TARGETS_MOST));
        }
        self.rcpts.push(rcpt);
        Ok(())
    }

    /// Recipients for log lines, as given; of many the first ones.
    pub(crate) fn shown_rcpts(&self) -> String {
        let first: Vec<&str> = self
            .rcpts
            .iter()
            .take(RCPTS_SHOWN)
            .map(|rcpt| rcpt.rcpt.to.as_str())
            .collect();
        first.join(",")
    }

    /// Octets received so far.
    pub(crate) fn received(&self) -> u64 {
        self.intake.received()
    }

    /// Takes the next octets of the message.
    pub(crate) async fn take(
        &mut self,
        chunk: Vec<u8>,
        shared: &Shared,
        connection: &Connection,
    ) -> Result<(), Refusal> {
        // The desk borrows the transaction, the intake changes: it is taken out meanwhile.
        let mut intake = std::mem::take(&mut self.intake);
        let taken = intake.take(chunk, &self.desk(shared, connection)).await;
        self.intake = intake;
        taken
    }

    /// The message is complete.
    pub(crate) fn finish(
        &mut self,
        shared: &Shared,
        connection: &Connection,
    ) -> Result<Arrived, Refusal> {
        std::mem::take(&mut self.intake).finish(&self.desk(shared, connection))
    }

    fn desk<'a>(&'a self, shared: &'a Shared, connection: &'a Connection) -> Desk<'a> {
        let settings = &shared.settings;
        let single = if let [rcpt] = self.rcpts.as_slice() {
            Some(rcpt.rcpt.to.as_str())
        } else {
            None
        };
        Desk {
            store: &shared.store,
            size_limit: settings.size_limit,
            stamp: Stamp {
                connection,
                hostname: &settings.hostname,
                id: &self.id,
                utf8: self.sender.mail.utf8,
                rcpt: single,
                at: self.at,
                zone: settings.zone,
            },
            treatment: Treatment {
                hostname: &settings.hostname,
                outside: filter::watches(connection),
                complete: connection.kind != Kind::Lmtp && connection.may_relay(),
                domain: self
                    .sender
                    .address
                    .as_ref()
                    .map_or(&settings.hostname, |address: &Address| &address.domain),
                id: &self.id,
                at: self.at,
                zone: settings.zone,
            },
        }
    }
}
