//! Changes of agencies.

use congvu_directory::edit::agency::{self, NewAgency};
use congvu_directory::find;
use congvu_directory::record::{Agency, FilterPolicy, Policy, ProtectedName, Threshold};
use congvu_store::Tx;
use serde::{Deserialize, Serialize};

use super::agency_id;
use crate::error::{Error, Result};

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
    /// Changes what is given of what it prescribes for the spam filter.
    Filter {
        /// Which.
        code: String,
        /// Whether letters from outside are judged.
        enabled: Option<Setting<bool>>,
        /// From which probability on they are marked.
        labelled: Option<Setting<Threshold>>,
        /// Put into Junk.
        junk: Option<Setting<Threshold>>,
        /// Held.
        quarantine: Option<Setting<Threshold>>,
        /// Refused.
        reject: Option<Setting<Threshold>>,
        /// For how many days held letters are kept.
        quarantine_days: Option<Setting<u16>>,
        /// Endings of attached files that may come in; empty: all.
        attachments: Option<Setting<Vec<String>>>,
    },
    /// Protects a name: whoever bears it and writes from elsewhere is suspicious.
    Protect {
        /// Which.
        code: String,
        /// The name of an agency or a leader.
        name: String,
        /// Domains that may use it; none: all of this server.
        domains: Vec<String>,
    },
    /// Protects a name no longer.
    Unprotect {
        /// Which.
        code: String,
        /// The name.
        name: String,
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
            Self::Filter { code, .. } => {
                let found = find::agency(tx, code)?;
                let filter = self.filter(found.filter);
                agency::set_filter(tx, found.id, filter)?
            }
            Self::Protect {
                code,
                name,
                domains,
            } => protect(tx, code, name, domains)?,
            Self::Unprotect { code, name } => {
                let mut found = find::agency(tx, code)?;
                let before = found.filter.protected.len();
                found.filter.protected.retain(|one| !same(&one.name, name));
                if found.filter.protected.len() == before {
                    return Err(Error::Missing("protected name", name.clone()));
                }
                agency::set_filter(tx, found.id, found.filter)?
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

    /// The prescriptions for the filter with what is given changed.
    fn filter(&self, mut filter: FilterPolicy) -> FilterPolicy {
        let Self::Filter {
            enabled,
            labelled,
            junk,
            quarantine,
            reject,
            quarantine_days,
            attachments,
            ..
        } = self
        else {
            return filter;
        };
        let set = |field: &mut Option<Threshold>, setting: &Option<Setting<Threshold>>| {
            if let Some(setting) = setting {
                *field = setting.value();
            }
        };
        set(&mut filter.labelled, labelled);
        set(&mut filter.junk, junk);
        set(&mut filter.quarantine, quarantine);
        set(&mut filter.reject, reject);
        if let Some(enabled) = enabled {
            filter.enabled = enabled.value();
        }
        if let Some(days) = quarantine_days {
            filter.quarantine_days = days.value();
        }
        if let Some(endings) = attachments {
            filter.attachments = match endings {
                Setting::Inherit => None,
                Setting::Is(endings) => Some(endings.clone()),
            };
        }
        filter
    }
}

fn protect(tx: &mut Tx<'_>, code: &str, name: &str, domains: &[String]) -> Result<Agency> {
    let mut found = find::agency(tx, code)?;
    let name = name.trim().to_owned();
    let domain = |text: &String| {
        let domain = congvu_message::address::domain_to_ascii(text);
        domain.map_err(|error| Error::Invalid(format!("{text}: {error}")))
    };
    let domains = domains.iter().map(domain).collect::<Result<_>>()?;
    // Said again, it replaces what was said before.
    found.filter.protected.retain(|one| !same(&one.name, &name));
    found.filter.protected.push(ProtectedName { name, domains });
    Ok(agency::set_filter(tx, found.id, found.filter)?)
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.trim().to_lowercase()
}
