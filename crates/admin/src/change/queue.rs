//! Changes of the queue, by an administrator.

use congvu_store::Tx;
use congvu_store::queue::{QueueId, QueueRead, QueueWrite};
use congvu_store::trace::{Event, Handled};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Changes of the queue. `id` is the number that `queue list` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueChange {
    /// Tries its waiting recipients now.
    Retry {
        /// Which.
        id: u64,
        /// Only those of this domain.
        domain: Option<String>,
    },
    /// Tries everything now that is not held, page by page. Has its own way, because it needs many transactions.
    RetryAll {
        /// Only recipients of this domain.
        domain: Option<String>,
    },
    /// Keeps it from being tried.
    Hold {
        /// Which.
        id: u64,
        /// Why: shown in listings.
        reason: String,
    },
    /// Lets it go on.
    Release {
        /// Which.
        id: u64,
    },
    /// Forgets it without telling the sender.
    Drop {
        /// Which.
        id: u64,
    },
}

impl QueueChange {
    fn act(&self) -> &'static str {
        match self {
            Self::Retry { .. } | Self::RetryAll { .. } => "retry",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::Drop { .. } => "drop",
        }
    }

    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let id = match self {
            Self::Retry { id, .. }
            | Self::Hold { id, .. }
            | Self::Release { id }
            | Self::Drop { id } => id,
            // The pages were done one by one before; here is only their end, which is recorded.
            Self::RetryAll { .. } => return Ok("all".to_owned()),
        };
        let entry = tx
            .queue_entry(QueueId(*id))?
            .ok_or_else(|| Error::Missing("queue entry", id.to_string()))?;
        tx.trace(Event::Handled(Handled {
            id: entry.trace.clone(),
            queue: entry.id,
            act: self.act().to_owned(),
        }))?;
        match self {
            Self::Retry { domain, .. } => {
                if entry.hold.is_some() {
                    return Err(Error::Invalid(format!(
                        "message {id} is held; release it first"
                    )));
                }
                if !tx.retry(entry.id, domain.as_deref())? {
                    return Err(Error::Missing(
                        "waiting recipient of message",
                        id.to_string(),
                    ));
                }
            }
            Self::Hold { reason, .. } => {
                tx.hold(entry.id, reason)?;
            }
            Self::Release { .. } => {
                if !tx.release(entry.id)? {
                    return Err(Error::Invalid(format!("message {id} is not held")));
                }
            }
            Self::Drop { .. } => {
                tx.drop_entry(entry.id)?;
            }
            Self::RetryAll { .. } => {}
        }
        Ok(id.to_string())
    }
}
