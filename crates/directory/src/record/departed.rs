//! Accounts that were removed, as long as their messages are kept.

use congvu_store::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Account, AddressKey, numbers, record};

/// A removed account: all that is needed to bring it back, or to say whose the kept messages are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    /// As it was.
    pub account: Account,
    /// When it was removed.
    pub at: Timestamp,
    /// Days for which it is kept, when its agency is gone and cannot say so any more.
    pub days: Option<u16>,
}

impl Departed {
    /// What all records begin with.
    pub(crate) fn prefix() -> Vec<u8> {
        vec![b'a']
    }
}

record!(
    Departed,
    "removed account",
    Departed,
    AccountId,
    |this| this.account.id,
    |key| numbers(b'a', &[key.0])
);

/// Address → removed account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DepartedName {
    pub(crate) address: AddressKey,
    pub(crate) account: AccountId,
}

impl DepartedName {
    pub(crate) fn prefix(address: &AddressKey) -> Vec<u8> {
        let mut octets = vec![b'n'];
        octets.extend(address.octets());
        octets.push(0);
        octets
    }
}

record!(
    DepartedName,
    "name of a removed account",
    Departed,
    (AddressKey, AccountId),
    |this| (this.address.clone(), this.account),
    |key| {
        let mut octets = DepartedName::prefix(&key.0);
        octets.extend_from_slice(&key.1.0.to_be_bytes());
        octets
    }
);
