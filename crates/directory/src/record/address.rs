//! What stands before the `@`: accounts, aliases and groups share one name space in each domain.

use congvu_message::Address;
use congvu_store::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{GroupId, record};
use crate::name::fold;

/// Where an address is found: domain and folded local part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressKey {
    /// A-label domain.
    pub domain: String,
    /// Local part, NFC and without case.
    pub local: String,
}

impl AddressKey {
    /// The place of a local part in a domain.
    pub fn new(domain: &str, local: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            local: fold(local),
        }
    }
    /// Octets: domain, NUL, local part; a domain is one range.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut key = Self::prefix(&self.domain);
        key.extend_from_slice(self.local.as_bytes());
        key
    }
    /// What all addresses of a domain begin with.
    pub(crate) fn prefix(domain: &str) -> Vec<u8> {
        let mut key = domain.as_bytes().to_vec();
        key.push(0);
        key
    }
}

impl From<&Address> for AddressKey {
    fn from(address: &Address) -> Self {
        Self::new(&address.domain, &address.local)
    }
}

/// Where an alias leads, or who is in a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// An account here; survives its renames.
    Account(AccountId),
    /// A group here; survives its renames.
    Group(GroupId),
    /// Any other address, here or elsewhere.
    Address {
        /// Local part as written.
        local: String,
        /// A-label domain.
        domain: String,
    },
}

impl Target {
    /// Octets that are the same for the same target: in keys.
    pub(crate) fn octets(&self) -> Vec<u8> {
        match self {
            Self::Account(id) => super::numbers(b'a', &[id.0]),
            Self::Group(id) => super::numbers(b'g', &[id.0]),
            Self::Address { local, domain } => {
                let mut key = vec![b'x'];
                key.extend(AddressKey::new(domain, local).octets());
                key
            }
        }
    }
}

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meaning {
    /// The primary address of an account.
    Account(AccountId),
    /// Another name for these, at least one.
    Alias(Vec<Target>),
    /// A group.
    Group(GroupId),
}

/// One address in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Local part as written, NFC.
    pub local: String,
    /// A-label domain.
    pub domain: String,
    /// What it means.
    pub meaning: Meaning,
    /// When it was created.
    pub created: Timestamp,
}

impl Entry {
    /// As an address.
    pub fn address(&self) -> Address {
        Address {
            local: self.local.clone(),
            domain: self.domain.clone(),
        }
    }
}

record!(
    Entry,
    "address",
    Address,
    AddressKey,
    |this| AddressKey::new(&this.domain, &this.local),
    |key| key.octets()
);
