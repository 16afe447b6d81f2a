//! `congvu alias …` and `congvu group …`

use clap::Subcommand;
use congvu_admin::change::{AliasChange, GroupChange};
use congvu_admin::{Change, Query};

use super::Plan;

/// What can be done with aliases.
#[derive(Debug, Subcommand)]
pub(crate) enum AliasVerb {
    /// Create an alias.
    Add {
        /// Its address.
        address: String,
        /// Where it leads: accounts, groups, addresses elsewhere.
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// List aliases.
    List {
        /// Only in domains of this agency and those below it.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
        /// Only of this domain.
        #[arg(long)]
        domain: Option<String>,
    },
    /// Show one alias.
    Show {
        /// Which.
        address: String,
    },
    /// Give an alias another address.
    Rename {
        /// Present address.
        address: String,
        /// New address.
        to: String,
    },
    /// Let it lead to one more address.
    AddTarget {
        /// Which alias.
        address: String,
        /// Where to.
        target: String,
    },
    /// Let it no longer lead to an address.
    RemoveTarget {
        /// Which alias.
        address: String,
        /// Which of its targets.
        target: String,
    },
    /// Remove an alias; where it led stays.
    Remove {
        /// Which.
        address: String,
    },
}

impl AliasVerb {
    pub(super) fn plan(self) -> Plan {
        let change = match self {
            Self::List { agency, domain } => {
                return Plan::List(Query::Aliases {
                    agency,
                    domain,
                    after: None,
                });
            }
            Self::Show { address } => return Query::Alias { address }.into(),
            Self::Add { address, targets } => AliasChange::Add { address, targets },
            Self::Rename { address, to } => AliasChange::Rename { address, to },
            Self::AddTarget { address, target } => AliasChange::AddTarget { address, target },
            Self::RemoveTarget { address, target } => AliasChange::RemoveTarget { address, target },
            Self::Remove { address } => AliasChange::Remove { address },
        };
        Change::Alias(change).into()
    }
}

/// What can be done with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupVerb {
    /// Create a group.
    Add {
        /// Its address.
        address: String,
        /// Display name.
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// Code of its agency; otherwise the domain's.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
        /// Its first members: accounts, groups, addresses elsewhere.
        members: Vec<String>,
    },
    /// List groups.
    List {
        /// Only those of this agency and those below it.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
        /// Only of this domain.
        #[arg(long)]
        domain: Option<String>,
    },
    /// Show a group with its members.
    Show {
        /// Which.
        address: String,
    },
    /// Give a group another address.
    Rename {
        /// Present address.
        address: String,
        /// New address.
        to: String,
    },
    /// Change a group.
    #[command(arg_required_else_help = true)]
    Set {
        /// Which.
        address: String,
        /// Display name.
        #[arg(long)]
        name: Option<String>,
        /// Code of the agency it belongs to from now on.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
    },
    /// Let mail to a group through again.
    Enable {
        /// Which.
        address: String,
    },
    /// Refuse mail to a group.
    Disable {
        /// Which.
        address: String,
    },
    /// Add members.
    AddMember {
        /// Which group.
        address: String,
        /// Accounts, groups, addresses elsewhere.
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Take members out.
    RemoveMember {
        /// Which group.
        address: String,
        /// Whom.
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Remove a group; its members stay.
    Remove {
        /// Which.
        address: String,
    },
}

impl GroupVerb {
    pub(super) fn plan(self) -> Plan {
        let change = match self {
            Self::List { agency, domain } => {
                return Plan::List(Query::Groups {
                    agency,
                    domain,
                    after: None,
                });
            }
            Self::Show { address } => return Query::Group { address }.into(),
            Self::Add {
                address,
                name,
                agency,
                members,
            } => GroupChange::Add {
                address,
                name,
                agency,
                members,
            },
            Self::Rename { address, to } => GroupChange::Rename { address, to },
            Self::Set {
                address,
                name,
                agency,
            } => GroupChange::Set {
                address,
                name,
                agency,
            },
            Self::Enable { address } => GroupChange::Enable { address },
            Self::Disable { address } => GroupChange::Disable { address },
            Self::AddMember { address, members } => GroupChange::AddMember { address, members },
            Self::RemoveMember { address, members } => {
                GroupChange::RemoveMember { address, members }
            }
            Self::Remove { address } => GroupChange::Remove { address },
        };
        Change::Group(change).into()
    }
}
