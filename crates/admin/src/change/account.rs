//! Changes of accounts, and of who operates posts.

use congvu_directory::Kind;
use congvu_directory::edit::account::{self as edit, NewAccount};
use congvu_directory::edit::{credential, operator};
use congvu_directory::password::Hashed;
use congvu_directory::record::{AddressKey, Departed};
use congvu_directory::{Account, find, retention};
use congvu_store::{AccountId, Read as _, Tx};
use serde::{Deserialize, Serialize};

use super::{account, address, agency_id, old_name};
use crate::error::{Error, Result};
use crate::request::{NewPassword, Plain};

/// Changes of accounts. `address` is the present primary address, or an alias of the account's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountChange {
    /// Creates one.
    Add {
        /// Primary address.
        address: String,
        /// Person or post.
        kind: Kind,
        /// Display name.
        name: String,
        /// Code of its agency; the domain's when none is given.
        agency: Option<String>,
        /// Most octets; none of its own when `None` or 0.
        octets: Option<u64>,
        /// Most messages; none of its own when `None` or 0.
        messages: Option<u64>,
        /// Who operates it, for a post.
        operators: Vec<String>,
        /// Its main password.
        password: NewPassword,
    },
    /// Gives it another primary address.
    Rename {
        /// Which.
        address: String,
        /// New address.
        to: String,
        /// Keeps the old address as an alias.
        keep: bool,
    },
    /// Changes what is given.
    Set {
        /// Which.
        address: String,
        /// Display name.
        name: Option<String>,
        /// Code of its new agency.
        agency: Option<String>,
        /// Person or post.
        kind: Option<Kind>,
    },
    /// Lets it receive and log in again.
    Enable {
        /// Which.
        address: String,
    },
    /// Refuses its mail and its logins; what it has stays.
    Disable {
        /// Which.
        address: String,
    },
    /// Removes it; its messages stay for the undelete window.
    Remove {
        /// Which.
        address: String,
        /// Only if it is of this kind: who removes a post must not take a person by a slip.
        #[serde(default)]
        kind: Option<Kind>,
    },
    /// Brings a removed one back with its mailboxes.
    Restore {
        /// The address it had; of several the one that was removed last.
        address: String,
        /// Its number (`A12` in listings), when several had the address.
        number: Option<u64>,
        /// Another address.
        to: Option<String>,
        /// Code of another agency.
        agency: Option<String>,
        /// Past limits of octets and messages.
        #[serde(default)]
        exceed_quota: bool,
        /// Its main password: the old one is gone.
        password: NewPassword,
    },
    /// Creates all accounts of a CSV file, or none. See [`crate::import`].
    Import {
        /// The file.
        csv: Plain,
        /// Only checks.
        dry_run: bool,
    },
}

impl AccountChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>, hashed: Option<&Hashed>) -> Result<String> {
        let changed = match self {
            Self::Add {
                address: text,
                kind,
                name,
                agency,
                octets,
                messages,
                operators,
                ..
            } => {
                let new = NewAccount {
                    kind: *kind,
                    address: address(text)?,
                    name: name.clone(),
                    agency: agency_id(tx, agency.as_deref())?,
                    octets_limit: octets.unwrap_or(0),
                    messages_limit: messages.unwrap_or(0),
                };
                let created = edit::create(tx, &new)?;
                if let Some(hashed) = hashed {
                    credential::set_main(tx, created.id, hashed)?;
                }
                for person in operators {
                    let person = account(tx, person)?.id;
                    operator::add(tx, created.id, person)?;
                }
                created
            }
            Self::Rename {
                address: text,
                to,
                keep,
            } => {
                let id = account(tx, text)?.id;
                edit::rename(tx, id, &address(to)?, old_name(*keep))?
            }
            Self::Set {
                address,
                name,
                agency,
                kind,
            } => {
                let mut found = account(tx, address)?;
                if let Some(name) = name {
                    found = edit::set_name(tx, found.id, name)?;
                }
                if let Some(agency) = agency {
                    let agency = find::agency(tx, agency)?.id;
                    found = edit::set_agency(tx, found.id, agency)?;
                }
                if let Some(kind) = kind {
                    found = edit::set_kind(tx, found.id, *kind)?;
                }
                found
            }
            Self::Enable { address } => {
                let id = account(tx, address)?.id;
                edit::set_enabled(tx, id, true)?
            }
            Self::Disable { address } => {
                let id = account(tx, address)?.id;
                edit::set_enabled(tx, id, false)?
            }
            Self::Remove { address, kind } => {
                let found = account(tx, address)?;
                if kind.is_some_and(|kind| kind != found.kind) {
                    return Err(Error::Invalid(format!(
                        "{address} is a person, not a post; nothing was removed (congvu account remove removes persons)"
                    )));
                }
                edit::remove(tx, found.id)?
            }
            Self::Restore { .. } => self.restore(tx, hashed)?,
            Self::Import { .. } => {
                return Err(Error::Invalid(
                    "a file of accounts is imported as a whole, not as one change".to_owned(),
                ));
            }
        };
        Ok(changed.address().to_string())
    }

    fn restore(&self, tx: &mut Tx<'_>, hashed: Option<&Hashed>) -> Result<Account> {
        let Self::Restore {
            address: text,
            number,
            to,
            agency,
            exceed_quota,
            ..
        } = self
        else {
            return Err(Error::Invalid("nothing to bring back".to_owned()));
        };
        let departed = match number {
            Some(number) => tx.get::<Departed>(&AccountId(*number))?,
            None => retention::departed(tx, &AddressKey::from(&address(text)?))?,
        };
        let departed = departed.ok_or_else(|| Error::Missing("removed account", text.clone()))?;
        let to = to.as_deref().map(address).transpose()?;
        let agency = agency_id(tx, agency.as_deref())?;
        let quota = super::undelete::quota(*exceed_quota);
        let restored = match edit::restore(tx, &departed, to.as_ref(), agency, quota) {
            Err(congvu_directory::Error::Store(error)) => {
                return Err(super::undelete::told(tx, &departed.account, error)?);
            }
            other => other?,
        };
        if let Some(hashed) = hashed {
            credential::set_main(tx, restored.id, hashed)?;
        }
        Ok(restored)
    }
}

/// Changes of who operates which post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorChange {
    /// Lets a person operate a post.
    Add {
        /// The post.
        post: String,
        /// The person.
        person: String,
    },
    /// Ends that.
    Remove {
        /// The post.
        post: String,
        /// The person.
        person: String,
    },
}

impl OperatorChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let (Self::Add { post, person } | Self::Remove { post, person }) = self;
        let (post, person): (Account, Account) = (account(tx, post)?, account(tx, person)?);
        match self {
            Self::Add { .. } => {
                operator::add(tx, post.id, person.id)?;
            }
            Self::Remove { .. } => operator::remove(tx, post.id, person.id)?,
        }
        Ok(post.address().to_string())
    }
}
