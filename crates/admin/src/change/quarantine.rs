//! Letters in quarantine: released or deleted by an administrator.

use congvu_guard::quarantine as held;
use congvu_store::Tx;
use congvu_store::quarantine::QuarantineId;
use serde::{Deserialize, Serialize};

use super::undelete::quota;
use crate::audit::Who;
use crate::error::Result;

/// Changes of the quarantine. `id` is the number that `quarantine list` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineChange {
    /// Puts a letter into the mailbox that it was for: somebody says that it is wanted.
    Release {
        /// Which.
        id: u64,
        /// Past the limits of account, domain and agency.
        #[serde(default)]
        exceed_quota: bool,
    },
    /// Deletes a letter for good.
    Delete {
        /// Which.
        id: u64,
    },
}

impl QuarantineChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>, who: &Who) -> Result<String> {
        let letter = match self {
            Self::Release { id, exceed_quota } => {
                held::release(tx, QuarantineId(*id), &who.name(), quota(*exceed_quota))?
            }
            Self::Delete { id } => held::delete(tx, QuarantineId(*id), &who.name())?,
        };
        Ok(format!("{} {}", letter.id, letter.about.rcpt))
    }
}
