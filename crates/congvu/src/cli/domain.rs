//! `congvu domain …` and `congvu quota …`

use clap::{Args, Subcommand};
use congvu_admin::change::{DomainChange, QuotaChange, Subject};
use congvu_admin::{Change, Query};

use super::amount::octets;
use super::{Plan, Usage};

/// What can be done with domains.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a domain.
    Add {
        /// Its name: xa.gov.vn, also with Vietnamese letters.
        domain: String,
        /// Code of the agency that it belongs to.
        #[arg(long, value_name = "CODE")]
        agency: String,
        /// Make it an alias: every address in it means the same in that domain.
        #[arg(long, value_name = "DOMAIN")]
        alias_of: Option<String>,
    },
    /// List domains.
    List {
        /// Only those of this agency and those below it.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
    },
    /// Show one domain.
    Show {
        /// Which.
        domain: String,
    },
    /// Give a domain another name, with all its addresses; mailboxes stay.
    Rename {
        /// Present name.
        domain: String,
        /// New name.
        to: String,
        /// Keep the present name as an alias domain.
        #[arg(long)]
        keep: bool,
    },
    /// Change a domain.
    #[command(arg_required_else_help = true)]
    Set {
        /// Which.
        domain: String,
        /// Code of the agency that it belongs to from now on.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
        /// Account that gets mail to postmaster@ and abuse@.
        #[arg(long, value_name = "ADDRESS")]
        postmaster: Option<String>,
    },
    /// Let the accounts of a domain work again.
    Enable {
        /// Which.
        domain: String,
    },
    /// Stop all accounts of a domain: no logins, no mail. Nothing is removed.
    Disable {
        /// Which.
        domain: String,
    },
    /// Remove a domain in which no address is left.
    Remove {
        /// Which.
        domain: String,
    },
}

impl Verb {
    pub(super) fn plan(self) -> Plan {
        let change = match self {
            Self::List { agency } => {
                return Plan::List(Query::Domains {
                    agency,
                    after: None,
                });
            }
            Self::Show { domain } => return Query::Domain { domain }.into(),
            Self::Add {
                domain,
                agency,
                alias_of,
            } => DomainChange::Add {
                domain,
                agency,
                alias_of,
            },
            Self::Rename { domain, to, keep } => DomainChange::Rename { domain, to, keep },
            Self::Set {
                domain,
                agency,
                postmaster,
            } => DomainChange::Set {
                domain,
                agency,
                postmaster,
            },
            Self::Enable { domain } => DomainChange::Enable { domain },
            Self::Disable { domain } => DomainChange::Disable { domain },
            Self::Remove { domain } => DomainChange::Remove { domain },
        };
        Change::Domain(change).into()
    }
}

/// Whose quota.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// An account.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    /// All accounts of a domain together.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// All accounts of an agency and of those below it together.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
}

impl Whose {
    fn subject(self) -> Result<Subject, Usage> {
        let account = self.account.map(Subject::Account);
        let subject = account
            .or(self.domain.map(Subject::Domain))
            .or(self.agency.map(Subject::Agency));
        subject.ok_or_else(|| "give --account, --domain or --agency".to_owned())
    }
}

/// What can be done with quotas.
#[derive(Debug, Subcommand)]
pub(crate) enum QuotaVerb {
    /// Set limits. What is there already stays, also when it is more.
    Set {
        #[command(flatten)]
        whose: Whose,
        /// Most octets: 500M, 2G; "none" for no limit.
        #[arg(long, value_name = "SIZE", value_parser = octets, required_unless_present = "messages")]
        size: Option<u64>,
        /// Most messages; 0 for no limit.
        #[arg(long, value_name = "NUMBER")]
        messages: Option<u64>,
    },
    /// Show usage and limits.
    Show {
        #[command(flatten)]
        whose: Whose,
    },
    /// List usage and limits of accounts.
    List {
        /// Only accounts of this agency and those below it.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
        /// Only accounts of this domain.
        #[arg(long)]
        domain: Option<String>,
    },
}

impl QuotaVerb {
    pub(super) fn plan(self) -> Result<Plan, Usage> {
        Ok(match self {
            Self::List { agency, domain } => Plan::List(Query::Accounts {
                agency,
                domain,
                kind: None,
                after: None,
            }),
            Self::Show { whose } => Query::Quota {
                subject: whose.subject()?,
            }
            .into(),
            Self::Set {
                whose,
                size,
                messages,
            } => {
                let subject = whose.subject()?;
                Change::Quota(QuotaChange::Set {
                    subject,
                    octets: size,
                    messages,
                })
                .into()
            }
        })
    }
}
