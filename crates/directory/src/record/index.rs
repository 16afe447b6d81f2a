//! Secondary indexes: what lies in an agency, and who refers to an account or group.

use serde::{Deserialize, Serialize};

use super::{AddressKey, AgencyId, GroupId, Target, numbers, record};
use congvu_store::AccountId;

/// Folded code → agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgencyCode {
    pub(crate) folded: String,
    pub(crate) agency: AgencyId,
}

record!(
    AgencyCode,
    "agency code",
    Name,
    String,
    |this| this.folded.clone(),
    |key| {
        let mut octets = vec![b'n'];
        octets.extend_from_slice(key.as_bytes());
        octets
    }
);

/// A thing that belongs to an agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Within {
    Agency(AgencyId),
    Domain(String),
    Account(AccountId),
    Group(GroupId),
}

/// Agency → what is directly in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) agency: AgencyId,
    pub(crate) child: Within,
}

impl Child {
    pub(crate) fn prefix(agency: AgencyId) -> Vec<u8> {
        numbers(b'c', &[agency.0])
    }
    /// The children that are agencies: they come first.
    pub(crate) fn agencies(agency: AgencyId) -> Vec<u8> {
        let mut octets = Self::prefix(agency);
        octets.push(b'a');
        octets
    }
    /// The children that are accounts.
    pub(crate) fn accounts(agency: AgencyId) -> Vec<u8> {
        let mut octets = Self::prefix(agency);
        octets.push(b'p');
        octets
    }
}

record!(
    Child,
    "agency member",
    Name,
    (AgencyId, Within),
    |this| (this.agency, this.child.clone()),
    |key| {
        let mut octets = Child::prefix(key.0);
        match &key.1 {
            Within::Agency(id) => octets.extend(numbers(b'a', &[id.0])),
            Within::Domain(name) => {
                octets.push(b'd');
                octets.extend_from_slice(name.as_bytes());
            }
            Within::Group(id) => octets.extend(numbers(b'g', &[id.0])),
            Within::Account(id) => octets.extend(numbers(b'p', &[id.0])),
        }
        octets
    }
);

/// Who refers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Referrer {
    Alias(AddressKey),
    Group(GroupId),
}

/// Account or group → the aliases and groups that lead to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) target: Target,
    pub(crate) by: Referrer,
}

impl Reference {
    pub(crate) fn prefix(target: &Target) -> Vec<u8> {
        let mut octets = vec![b'r'];
        octets.extend(target.octets());
        octets
    }
}

record!(
    Reference,
    "reference",
    Name,
    (Target, Referrer),
    |this| (this.target.clone(), this.by.clone()),
    |key| {
        let mut octets = Reference::prefix(&key.0);
        match &key.1 {
            Referrer::Alias(address) => {
                octets.push(b'a');
                octets.extend(address.octets());
            }
            Referrer::Group(id) => octets.extend(numbers(b'g', &[id.0])),
        }
        octets
    }
);
