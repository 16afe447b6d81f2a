//! The directory's records as they lie in the store.
//!
//! Every value begins with a version octet, followed by postcard; every key is big-endian or folded text,
//! so that scans come in a useful order. A table that holds several kinds of records distinguishes them by
//! the first octet of the key. Rules and relations between records are kept by [`crate::edit`], not here.

mod account;
mod address;
mod agency;
mod credential;
mod departed;
mod domain;
pub mod filter;
mod group;
mod hold;
mod index;
#[cfg(test)]
mod layout_tests;
mod operator;

pub use account::{Account, Kind};
pub use address::{AddressKey, Entry, Meaning, Target};
pub use agency::{Agency, AgencyId, Policy};
pub(crate) use credential::Pepper;
pub use credential::{Credential, CredentialId, Keyring, MAIN};

pub use departed::Departed;
pub(crate) use departed::DepartedName;
pub use domain::Domain;
pub use filter::{FilterPolicy, ProtectedName, Threshold};
pub use group::{Group, GroupId, Member};
pub use hold::{Held, Hold, HoldId};
pub(crate) use index::{AgencyCode, Child, Reference, Referrer, Within};
pub(crate) use operator::{Operates, Operator};

use congvu_store::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes the version octet and the value.
fn pack<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![version]).expect("plain data into memory cannot fail")
}

/// Reads a value of a known version. `what` names the record in the error.
fn unpack<T: DeserializeOwned>(what: &str, known: u8, octets: &[u8]) -> Result<T> {
    match octets.split_first() {
        Some((&version, rest)) if version == known => {
            postcard::from_bytes(rest).map_err(|e| Error::Damaged(format!("{what}: {e}")))
        }
        Some((&version, _)) if version > known => Err(Error::Newer {
            what: what.to_owned(),
            found: u32::from(version),
            known: u32::from(known),
        }),
        Some((&version, _)) => Err(Error::Damaged(format!(
            "{what}: version {version} was never written"
        ))),
        None => Err(Error::Damaged(format!("{what}: empty value"))),
    }
}

/// Implements `Record` for a serde type: table, key type, its key, and the key's octets.
macro_rules! record {
    ($name:ident, $what:literal, $table:ident, $key:ty, |$this:ident| $of:expr, |$k:ident| $octets:expr) => {
        impl congvu_store::Record for $name {
            const TABLE: congvu_store::Table = congvu_store::Table::$table;
            type Key = $key;
            fn key(&self) -> $key {
                let $this = self;
                $of
            }
            fn key_octets($k: &$key) -> Vec<u8> {
                $octets
            }
            fn encode(&self) -> Vec<u8> {
                super::pack(1, self)
            }
            fn decode(_key: &[u8], value: &[u8]) -> congvu_store::Result<Self> {
                super::unpack($what, 1, value)
            }
        }
    };
}
use record;

/// A number that names a record for ever.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub u64);
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
use id;

/// One leading octet, then big-endian numbers.
fn numbers(kind: u8, ids: &[u64]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + ids.len() * 8);
    key.push(kind);
    for id in ids {
        key.extend_from_slice(&id.to_be_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use congvu_store::{AccountId, LedgerId, Record, Timestamp};

    use super::*;

    fn sample() -> Account {
        Account {
            id: AccountId(7),
            kind: Kind::Post,
            local: "vanthu".into(),
            domain: "xa.test".into(),
            name: "Văn thư".into(),
            agency: AgencyId(1),
            ledger: LedgerId(9),
            enabled: true,
            created: Timestamp(1),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let account = sample();
        assert_eq!(
            Account::decode(&Account::key_octets(&account.key()), &account.encode()).unwrap(),
            account
        );
    }

    #[test]
    fn other_versions_and_damage_are_told_apart() {
        let mut octets = sample().encode();
        octets[0] = 2;
        assert!(matches!(
            Account::decode(&[], &octets),
            Err(Error::Newer {
                found: 2,
                known: 1,
                ..
            })
        ));
        octets[0] = 0;
        assert!(matches!(
            Account::decode(&[], &octets),
            Err(Error::Damaged(_))
        ));
        assert!(matches!(Account::decode(&[], &[]), Err(Error::Damaged(_))));
        let octets = sample().encode();
        for len in 1..octets.len() {
            assert!(Account::decode(&[], &octets[..len]).is_err(), "{len}");
        }
    }
}
