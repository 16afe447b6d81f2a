//! Changes of domains, and of quotas.

use congvu_directory::edit::domain::{self, NewDomain};
use congvu_directory::edit::quota;
use congvu_directory::{find, name};
use congvu_store::{LedgerId, Read, Tx};
use serde::{Deserialize, Serialize};

use super::{account, old_name};
use crate::error::Result;

/// Changes of domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainChange {
    /// Creates one.
    Add {
        /// Its name, in A-labels or U-labels.
        domain: String,
        /// Code of its agency.
        agency: String,
        /// Makes it an alias of this domain.
        alias_of: Option<String>,
    },
    /// Gives it another name, with all its addresses.
    Rename {
        /// Present name.
        domain: String,
        /// New name.
        to: String,
        /// Keeps the present name as an alias domain.
        keep: bool,
    },
    /// Changes what is given.
    Set {
        /// Which.
        domain: String,
        /// Code of its new agency.
        agency: Option<String>,
        /// Address of the account that gets `postmaster@` and `abuse@`.
        postmaster: Option<String>,
    },
    /// Lets its accounts work again.
    Enable {
        /// Which.
        domain: String,
    },
    /// Stops all accounts in it.
    Disable {
        /// Which.
        domain: String,
    },
    /// Removes it when no address is left in it.
    Remove {
        /// Which.
        domain: String,
    },
}

impl DomainChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let changed = match self {
            Self::Add {
                domain,
                agency,
                alias_of,
            } => {
                let agency = find::agency(tx, agency)?.id;
                domain::create(
                    tx,
                    &NewDomain {
                        name: domain.clone(),
                        agency,
                        alias_of: alias_of.clone(),
                    },
                )?
            }
            Self::Rename { domain, to, keep } => {
                domain::rename(tx, &name::domain(domain)?, to, old_name(*keep))?
            }
            Self::Set {
                domain,
                agency,
                postmaster,
            } => {
                let name = name::domain(domain)?;
                let mut found = find::domain(tx, &name)?;
                if let Some(agency) = agency {
                    let agency = find::agency(tx, agency)?.id;
                    found = domain::set_agency(tx, &name, agency)?;
                }
                if let Some(postmaster) = postmaster {
                    let postmaster = account(tx, postmaster)?.id;
                    found = domain::set_postmaster(tx, &name, postmaster)?;
                }
                found
            }
            Self::Enable { domain } => domain::set_enabled(tx, &name::domain(domain)?, true)?,
            Self::Disable { domain } => domain::set_enabled(tx, &name::domain(domain)?, false)?,
            Self::Remove { domain } => domain::remove(tx, &name::domain(domain)?)?,
        };
        Ok(changed.name)
    }
}

/// What has a quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// An account, by address.
    Account(String),
    /// A domain.
    Domain(String),
    /// An agency with everything below, by code.
    Agency(String),
}

impl Subject {
    /// Its ledger, and its name in full.
    pub(crate) fn ledger<R: Read>(&self, r: &R) -> Result<(LedgerId, String)> {
        Ok(match self {
            Self::Account(address) => {
                let account = account(r, address)?;
                (account.ledger, account.address().to_string())
            }
            Self::Domain(text) => {
                let domain = find::domain(r, &name::domain(text)?)?;
                (domain.ledger, domain.name)
            }
            Self::Agency(code) => {
                let agency = find::agency(r, code)?;
                (agency.ledger, agency.code)
            }
        })
    }
}

/// Changes of quotas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaChange {
    /// Sets limits. `None` leaves one as it is, 0 takes it away.
    Set {
        /// Whose.
        subject: Subject,
        /// Most octets.
        octets: Option<u64>,
        /// Most messages.
        messages: Option<u64>,
    },
}

impl QuotaChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let Self::Set {
            subject,
            octets,
            messages,
        } = self;
        let (ledger, name) = subject.ledger(tx)?;
        quota::set(tx, ledger, *octets, *messages)?;
        Ok(name)
    }
}
