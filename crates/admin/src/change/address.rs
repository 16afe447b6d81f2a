//! Changes of aliases and groups.

use congvu_directory::edit::alias;
use congvu_directory::edit::group::{self, NewGroup};
use congvu_directory::find;
use congvu_store::Tx;
use serde::{Deserialize, Serialize};

use super::{address, agency_id};
use crate::error::Result;

/// Changes of aliases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AliasChange {
    /// Creates one.
    Add {
        /// Its address.
        address: String,
        /// Where it leads.
        targets: Vec<String>,
    },
    /// Gives it another address.
    Rename {
        /// Which.
        address: String,
        /// New address.
        to: String,
    },
    /// Lets it lead to one more address.
    AddTarget {
        /// Which.
        address: String,
        /// Where to.
        target: String,
    },
    /// Takes an address from where it leads.
    RemoveTarget {
        /// Which.
        address: String,
        /// Which of its targets.
        target: String,
    },
    /// Removes it.
    Remove {
        /// Which.
        address: String,
    },
}

impl AliasChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let changed = match self {
            Self::Add {
                address: text,
                targets,
            } => {
                let targets: Vec<_> = targets.iter().map(|t| address(t)).collect::<Result<_>>()?;
                alias::create(tx, &address(text)?, &targets)?
            }
            Self::Rename { address: text, to } => {
                alias::rename(tx, &address(text)?, &address(to)?)?
            }
            Self::AddTarget {
                address: text,
                target,
            } => alias::add_target(tx, &address(text)?, &address(target)?)?,
            Self::RemoveTarget {
                address: text,
                target,
            } => alias::remove_target(tx, &address(text)?, &address(target)?)?,
            Self::Remove { address: text } => alias::remove(tx, &address(text)?)?,
        };
        Ok(changed.address().to_string())
    }
}

/// Changes of groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupChange {
    /// Creates one.
    Add {
        /// Its address.
        address: String,
        /// Display name.
        name: String,
        /// Code of its agency; the domain's when none is given.
        agency: Option<String>,
        /// Its first members.
        members: Vec<String>,
    },
    /// Gives it another address.
    Rename {
        /// Which.
        address: String,
        /// New address.
        to: String,
    },
    /// Changes what is given.
    Set {
        /// Which.
        address: String,
        /// Display name.
        name: Option<String>,
        /// Code of its new agency.
        agency: Option<String>,
    },
    /// Lets mail to it through again.
    Enable {
        /// Which.
        address: String,
    },
    /// Refuses mail to it.
    Disable {
        /// Which.
        address: String,
    },
    /// Adds members: accounts, other groups, addresses elsewhere.
    AddMember {
        /// Which.
        address: String,
        /// Whom.
        members: Vec<String>,
    },
    /// Takes members out.
    RemoveMember {
        /// Which.
        address: String,
        /// Whom.
        members: Vec<String>,
    },
    /// Removes it; its members stay.
    Remove {
        /// Which.
        address: String,
    },
}

impl GroupChange {
    fn subject(&self) -> &str {
        match self {
            Self::Add { address, .. }
            | Self::Rename { address, .. }
            | Self::Set { address, .. }
            | Self::Enable { address }
            | Self::Disable { address }
            | Self::AddMember { address, .. }
            | Self::RemoveMember { address, .. }
            | Self::Remove { address } => address,
        }
    }

    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let subject = address(self.subject())?;
        if let Self::Add {
            name,
            agency,
            members,
            ..
        } = self
        {
            let agency = agency_id(tx, agency.as_deref())?;
            let created = group::create(
                tx,
                &NewGroup {
                    address: subject,
                    name: name.clone(),
                    agency,
                },
            )?;
            for member in members {
                group::add_member(tx, created.id, &address(member)?)?;
            }
            return Ok(created.address().to_string());
        }
        let mut found = find::group(tx, &subject)?;
        match self {
            Self::Add { .. } => {}
            Self::Rename { to, .. } => found = group::rename(tx, found.id, &address(to)?)?,
            Self::Set { name, agency, .. } => {
                if let Some(name) = name {
                    found = group::set_name(tx, found.id, name)?;
                }
                if let Some(agency) = agency {
                    let agency = find::agency(tx, agency)?.id;
                    found = group::set_agency(tx, found.id, agency)?;
                }
            }
            Self::Enable { .. } => found = group::set_enabled(tx, found.id, true)?,
            Self::Disable { .. } => found = group::set_enabled(tx, found.id, false)?,
            Self::AddMember { members, .. } => {
                for member in members {
                    group::add_member(tx, found.id, &address(member)?)?;
                }
            }
            Self::RemoveMember { members, .. } => {
                for member in members {
                    group::remove_member(tx, found.id, &address(member)?)?;
                }
            }
            Self::Remove { .. } => found = group::remove(tx, found.id)?,
        }
        Ok(found.address().to_string())
    }
}
