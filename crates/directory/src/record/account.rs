//! Accounts: persons, and posts that persons operate.

use congvu_message::Address;
use congvu_store::{AccountId, LedgerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgencyId, record};

/// What kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A human being.
    Person,
    /// An office (`vanthu@…`) that several persons may operate, and that outlives them.
    Post,
}

/// One account: a home in the store, one primary address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Stable id.
    pub id: AccountId,
    /// Person or post.
    pub kind: Kind,
    /// Local part of the primary address as written, NFC.
    pub local: String,
    /// Domain of the primary address, A-label form; never an alias domain.
    pub domain: String,
    /// Display name: `Nguyễn Văn An`, `Văn thư xã Bình Minh`.
    pub name: String,
    /// To whom it belongs; need not be the domain's agency.
    pub agency: AgencyId,
    /// Its own usage and limits; domain and agencies are charged beside it.
    pub ledger: LedgerId,
    /// When false, it neither receives nor logs in.
    pub enabled: bool,
    /// When it was created.
    pub created: Timestamp,
}

impl Account {
    /// The primary address.
    pub fn address(&self) -> Address {
        Address {
            local: self.local.clone(),
            domain: self.domain.clone(),
        }
    }
    /// The RFC 8474 style identifier that clients may keep: survives renames, never reused.
    pub fn object_id(&self) -> String {
        format!("A{}", self.id)
    }
}

record!(
    Account,
    "account",
    Account,
    AccountId,
    |this| this.id,
    |key| key.0.to_be_bytes().to_vec()
);
