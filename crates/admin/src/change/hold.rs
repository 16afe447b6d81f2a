//! Holds: what must be kept whatever is deleted.

use congvu_directory::edit::hold as edit;
use congvu_directory::record::{AddressKey, Held, HoldId};
use congvu_directory::{find, retention};
use congvu_store::{AccountId, Read, Tx};
use serde::{Deserialize, Serialize};

use super::address;
use crate::audit::Who;
use crate::error::{Error, Result};

/// Changes of holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldChange {
    /// Puts one on an account, on one mailbox of it, or on an agency with all below it.
    Add {
        /// The account, also a removed one.
        address: Option<String>,
        /// Only this mailbox, also a deleted one.
        mailbox: Option<String>,
        /// Code of the agency.
        agency: Option<String>,
        /// Why.
        reason: String,
    },
    /// Takes one off.
    Remove {
        /// Its number.
        id: u64,
    },
}

impl HoldChange {
    /// Says which hold.
    pub(super) fn apply(&self, tx: &mut Tx<'_>, who: &Who) -> Result<String> {
        let hold = match self {
            Self::Add {
                address,
                mailbox,
                agency,
                reason,
            } => {
                let (on, name) = match (address, agency) {
                    (Some(address), None) => held(tx, address, mailbox.as_deref())?,
                    (None, Some(code)) if mailbox.is_none() => {
                        let agency = find::agency(tx, code)?;
                        (Held::Agency(agency.id), agency.code)
                    }
                    _ => {
                        return Err(Error::Invalid(
                            "a hold stands on an account, on a mailbox of an account, or on an agency"
                                .to_owned(),
                        ));
                    }
                };
                edit::add(tx, on, &name, reason, &who.name())?
            }
            Self::Remove { id } => edit::remove(tx, HoldId(*id))?,
        };
        Ok(format!("{} {}", hold.id, hold.name))
    }
}

/// The account or mailbox that is meant, and what it is called.
fn held<R: Read>(r: &R, text: &str, mailbox: Option<&str>) -> Result<(Held, String)> {
    let (account, address) = with_departed(r, text)?;
    Ok(match mailbox {
        None => (Held::Account(account), address),
        Some(name) => (
            edit::mailbox(r, account, name)?,
            format!("{address} {name}"),
        ),
    })
}

/// An account by its address; when there is none, the one that was removed last under it.
pub(crate) fn with_departed<R: Read>(r: &R, text: &str) -> Result<(AccountId, String)> {
    let wanted = address(text)?;
    match find::account(r, &wanted) {
        Ok(found) => Ok((found.id, found.address().to_string())),
        Err(missing @ congvu_directory::Error::Missing(..)) => {
            match retention::departed(r, &AddressKey::from(&wanted))? {
                Some(departed) => Ok((departed.account.id, departed.account.address().to_string())),
                None => Err(missing.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}
