//! What is tried in one transaction: one entry, some of its due recipients, its octets.

use std::ops::Range;

use congvu_message::{Part, Summary};
use congvu_smtp::ask::{BodyKind, Mail, Notify, Rcpt as SmtpRcpt, Ret};
use congvu_smtp::client::{Extensions, Transaction};
use congvu_store::queue::{self, Entry, QueueRead, Rcpt, TaskKey};
use congvu_store::{Body, Error, Store};

/// Recipients of one transaction: every server must take 100 (RFC 5321 section 4.5.3.1.8).
const RCPTS_MOST: usize = 100;
/// Octets given to the machine at once: large enough for few reads, small enough for many connections.
const CHUNK: u64 = 64 * 1024;

/// A batch in a worker's hand.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) entry: Entry,
    pub(crate) tasks: Vec<TaskKey>,
    pub(crate) rcpts: Vec<Rcpt>,
    pub(crate) body: Body,
    /// The next octet to send.
    at: u64,
}

/// Why there is no batch.
#[derive(Debug)]
pub(crate) enum NoBatch {
    /// Settled, held or dropped meanwhile.
    Gone,
    /// The message cannot be read; the reason.
    Unreadable(Entry, String),
    /// The store has trouble.
    Trouble(Error),
}

impl Batch {
    /// Reads what is due of these tasks of one entry now: at most `limit` recipients.
    pub(crate) async fn load(
        store: &Store,
        tasks: Vec<TaskKey>,
        limit: usize,
    ) -> Result<Self, NoBatch> {
        let wanted = tasks.clone();
        let found = store
            .read(move |r| {
                let mut entry = None;
                let mut rcpts = Vec::new();
                for task in &wanted {
                    if rcpts.len() >= limit {
                        break;
                    }
                    if let Some((found, mut of_task)) = r.task(task, limit - rcpts.len())? {
                        entry = Some(found);
                        rcpts.append(&mut of_task);
                    }
                }
                Ok::<_, Error>(entry.map(|entry| (entry, rcpts)))
            })
            .await
            .map_err(NoBatch::Trouble)?;
        let Some((entry, rcpts)) = found.filter(|(_, rcpts)| !rcpts.is_empty()) else {
            return Err(NoBatch::Gone);
        };
        match store.body(entry.body, entry.frame).await {
            Ok(body) => {
                let at = u64::from(entry.skip);
                Ok(Self {
                    entry,
                    tasks,
                    rcpts,
                    body,
                    at,
                })
            }
            Err(error @ (Error::NoBody | Error::Damaged(_))) => {
                Err(NoBatch::Unreadable(entry, error.to_string()))
            }
            Err(error) => Err(NoBatch::Trouble(error)),
        }
    }

    /// How many recipients a server takes in one transaction.
    pub(crate) fn limit(offered: &Extensions) -> usize {
        let stated = offered.rcpt_max.and_then(|max| usize::try_from(max).ok());
        stated.unwrap_or(RCPTS_MOST).clamp(1, RCPTS_MOST)
    }

    /// The transaction for a server with these extensions.
    ///
    /// 8-bit octets go to servers without 8BITMIME as they are: all of them have passed them on for twenty
    /// years, and a conversion would break signatures. SMTPUTF8 is asked for only where `utf8` says that
    /// something needs it; a server without it then gets nothing, and the sender a notice (5.6.7).
    pub(crate) fn transaction(&self, utf8: bool) -> Transaction {
        let entry = &self.entry;
        let mail = Mail {
            from: entry.sender.clone(),
            size: Some(entry.size),
            body: match entry.body_kind {
                queue::BodyKind::SevenBit => BodyKind::SevenBit,
                queue::BodyKind::EightBit => BodyKind::EightBit,
                queue::BodyKind::Binary => BodyKind::Binary,
            },
            utf8,
            ret: entry.ret.map(|ret| match ret {
                queue::Ret::Full => Ret::Full,
                queue::Ret::Headers => Ret::Headers,
            }),
            envid: entry.envid.clone(),
            auth: None,
        };
        let rcpts = self.rcpts.iter().map(|rcpt| SmtpRcpt {
            to: rcpt.address.clone(),
            notify: rcpt.notify.map(|notify| Notify {
                success: notify.success,
                failure: notify.failure,
                delay: notify.delay,
            }),
            orcpt: rcpt.orcpt.clone(),
        });
        Transaction {
            mail,
            rcpts: rcpts.collect(),
        }
    }

    /// Whether the message must be sent with SMTPUTF8: the client that submitted it said so, and either the
    /// server offers it or an address or a header field really is not ASCII.
    pub(crate) async fn needs_utf8(
        &self,
        store: &Store,
        offered: &Extensions,
    ) -> Result<bool, Error> {
        if !self.entry.utf8 || offered.utf8 {
            return Ok(self.entry.utf8);
        }
        if !self.entry.sender.is_ascii() || self.rcpts.iter().any(|rcpt| !rcpt.address.is_ascii()) {
            return Ok(true);
        }
        let Ok(summary) = Summary::decode(self.body.summary()) else {
            return Ok(true);
        };
        let mut headers = Vec::new();
        headers_of(&summary.root, &mut headers);
        for header in headers {
            let octets = store
                .octets(
                    &self.body,
                    header.start,
                    header.end.saturating_sub(header.start),
                )
                .await?;
            if !octets.is_ascii() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next octets; empty at the end.
    pub(crate) async fn chunk(&mut self, store: &Store) -> Result<Vec<u8>, Error> {
        let octets = store.octets(&self.body, self.at, CHUNK).await?;
        self.at += u64::try_from(octets.len()).unwrap_or(CHUNK);
        Ok(octets)
    }
}

/// The header blocks of a message and its parts. Depth is bounded where the tree is made.
fn headers_of(part: &Part, out: &mut Vec<Range<u64>>) {
    out.push(part.header_at..part.body_at);
    for child in &part.parts {
        headers_of(child, out);
    }
    if let Some(message) = &part.message {
        headers_of(&message.1, out);
    }
}
