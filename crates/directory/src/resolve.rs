//! From an address to its mailboxes.

use congvu_message::Address;
use congvu_store::AccountId;

/// What an address means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The domain is not ours.
    Foreign,
    /// Our domain, but nobody has this address (550 5.1.1).
    Unknown,
    /// The account exists but is disabled (550 5.2.1).
    Disabled,
    /// Whom it reaches, each once; aliases and groups expanded (loops cut, at most 10,000).
    Recipients(Vec<Recipient>),
}

/// One recipient after expansion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// An account here, with the plus detail of the address if any (`user+detail@`).
    Account {
        /// Whose INBOX.
        account: AccountId,
        /// Its primary address.
        address: Address,
        /// Plus detail.
        detail: Option<String>,
    },
    /// An alias or group member elsewhere: goes to the queue.
    Foreign(Address),
}
