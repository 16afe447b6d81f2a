//! Changes of agencies.

use congvu_directory::edit::agency::{self, NewAgency};
use congvu_directory::find;
use congvu_directory::record::Policy;
use congvu_store::Tx;
use serde::{Deserialize, Serialize};

use super::agency_id;
use crate::error::Result;

/// A prescription of an agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting<T> {
    /// What holds above.
    Inherit,
    /// This.
    Is(T),
}

impl<T: Copy> Setting<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Inherit => None,
            Self::Is(value) => Some(value),
        }
    }
}

/// Changes of agencies. `code` is the agency's present code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgencyChange {
    /// Creates one.
    Add {
        /// Its code.
        code: String,
        /// Full name.
        name: Option<String>,
        /// Code of the agency above.
        parent: Option<String>,
    },
    /// Gives it another code.
    Rename {
        /// Present code.
        code: String,
        /// New code.
        to: String,
    },
    /// Changes what is given.
    Set {
        /// Which.
        code: String,
        /// Full name.
        name: Option<String>,
        /// Code of the new agency above; `Inherit` makes it a root.
        parent: Option<Setting<String>>,
        /// Most sessions an account may have.
        sessions: Option<Setting<u32>>,
        /// Whether mail may be forwarded to other servers.
        foreign_targets: Option<Setting<bool>>,
        /// For how many days deleted mail can be brought back.
        #[serde(default)]
        undelete_days: Option<Setting<u16>>,
    },
    /// Lets its accounts work again.
    Enable {
        /// Which.
        code: String,
    },
    /// Stops all accounts in it and below.
    Disable {
        /// Which.
        code: String,
    },
    /// Removes it when it is empty.
    Remove {
        /// Which.
        code: String,
    },
}

impl AgencyChange {
    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let changed = match self {
            Self::Add { code, name, parent } => {
                let new = NewAgency {
                    code: code.clone(),
                    name: name.clone().unwrap_or_default(),
                    parent: agency_id(tx, parent.as_deref())?,
                    policy: Policy::default(),
                };
                agency::create(tx, &new)?
            }
            Self::Rename { code, to } => {
                let id = find::agency(tx, code)?.id;
                agency::rename(tx, id, to)?
            }
            Self::Set {
                code,
                name,
                parent,
                sessions,
                foreign_targets,
                undelete_days,
            } => {
                let mut found = find::agency(tx, code)?;
                if let Some(name) = name {
                    found = agency::set_name(tx, found.id, name)?;
                }
                if sessions.is_some() || foreign_targets.is_some() || undelete_days.is_some() {
                    let policy = Policy {
                        sessions: sessions.map_or(found.policy.sessions, Setting::value),
                        foreign_targets: foreign_targets
                            .map_or(found.policy.foreign_targets, Setting::value),
                        undelete_days: undelete_days
                            .map_or(found.policy.undelete_days, Setting::value),
                    };
                    found = agency::set_policy(tx, found.id, policy)?;
                }
                match parent {
                    None => found,
                    Some(Setting::Inherit) => agency::set_parent(tx, found.id, None)?,
                    Some(Setting::Is(code)) => {
                        let parent = find::agency(tx, code)?.id;
                        agency::set_parent(tx, found.id, Some(parent))?
                    }
                }
            }
            Self::Enable { code } => {
                let id = find::agency(tx, code)?.id;
                agency::set_enabled(tx, id, true)?
            }
            Self::Disable { code } => {
                let id = find::agency(tx, code)?.id;
                agency::set_enabled(tx, id, false)?
            }
            Self::Remove { code } => {
                let id = find::agency(tx, code)?.id;
                agency::remove(tx, id)?
            }
        };
        Ok(changed.code)
    }
}
