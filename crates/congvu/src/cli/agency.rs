//! `congvu agency …`

use clap::Subcommand;
use congvu_admin::change::{AgencyChange, Setting};
use congvu_admin::{Change, Query};
use congvu_directory::record::Threshold;
use congvu_directory::record::filter::QUARANTINE_DAYS_MOST;
use congvu_directory::retention::MOST_DAYS;

use super::Plan;

/// What can be done with agencies.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create an agency.
    Add {
        /// Short name to type: H29.12, BNV.
        code: String,
        /// Full name: "Ủy ban nhân dân xã Bình Minh".
        #[arg(long)]
        name: Option<String>,
        /// Code of the agency above it.
        #[arg(long, value_name = "CODE")]
        parent: Option<String>,
    },
    /// List agencies.
    List {
        /// Only this agency and those below it.
        #[arg(long, value_name = "CODE")]
        within: Option<String>,
    },
    /// Show one agency.
    Show {
        /// Which.
        code: String,
    },
    /// Give an agency another code.
    Rename {
        /// Present code.
        code: String,
        /// New code.
        to: String,
    },
    /// Change an agency.
    #[command(arg_required_else_help = true)]
    Set {
        /// Which.
        code: String,
        /// Full name.
        #[arg(long)]
        name: Option<String>,
        /// Code of the new agency above it.
        #[arg(long, value_name = "CODE", conflicts_with = "root")]
        parent: Option<String>,
        /// Hang it under no agency.
        #[arg(long)]
        root: bool,
        /// Most IMAP sessions of an account here and below; "inherit" for what holds above.
        #[arg(long, value_name = "NUMBER|inherit", value_parser = sessions)]
        sessions: Option<Setting<u32>>,
        /// Whether aliases and groups here and below may be given targets on other servers: yes, no,
        /// inherit. Targets that exist stay.
        #[arg(long, value_name = "yes|no|inherit", value_parser = yes_no)]
        foreign_targets: Option<Setting<bool>>,
        /// For how many days deleted messages, mailboxes and accounts here and below can be brought back: 0 to
        /// 3650, "inherit" for what holds above (30 where nothing does).
        #[arg(long, value_name = "DAYS|inherit", value_parser = days)]
        undelete_days: Option<Setting<u16>>,
    },
    /// Say what the spam filter does with letters to an agency and to those below it.
    #[command(arg_required_else_help = true)]
    Filter {
        /// Which.
        code: String,
        /// Whether letters from outside are judged: yes, no, inherit.
        #[arg(long, value_name = "yes|no|inherit", value_parser = yes_no)]
        enabled: Option<Setting<bool>>,
        /// From which probability of spam on letters are marked in the inbox (0.5 where nothing is set).
        #[arg(long, value_name = "P|never|inherit", value_parser = threshold)]
        labelled: Option<Setting<Threshold>>,
        /// From which on they go into Junk (0.92).
        #[arg(long, value_name = "P|never|inherit", value_parser = threshold)]
        junk: Option<Setting<Threshold>>,
        /// From which on they are held, if two kinds of evidence speak for it (0.995).
        #[arg(long, value_name = "P|never|inherit", value_parser = threshold)]
        quarantine: Option<Setting<Threshold>>,
        /// From which on they are refused, if two kinds of evidence speak for it and all recipients' agencies refuse
        /// (never).
        #[arg(long, value_name = "P|never|inherit", value_parser = threshold)]
        reject: Option<Setting<Threshold>>,
        /// For how many days held letters are kept, 1 to 365 (30).
        #[arg(long, value_name = "DAYS|inherit", value_parser = quarantine_days)]
        quarantine_days: Option<Setting<u16>>,
        /// Endings of attached files that may come in, with commas: pdf,docx,xlsx; "all", or "inherit".
        #[arg(long, value_name = "ENDINGS|all|inherit", value_parser = endings)]
        attachments: Option<Setting<Vec<String>>>,
    },
    /// Protect the name of an agency or leader: a letter that bears it and comes from elsewhere is suspicious.
    Protect {
        /// Which agency it holds for, with those below it.
        code: String,
        /// The name: "Ủy ban nhân dân xã Bình Minh".
        name: String,
        /// A domain that may use it, with those below it; given several times for several. Without: all domains of
        /// this server.
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<String>,
    },
    /// Protect a name no longer.
    Unprotect {
        /// Which agency.
        code: String,
        /// The name.
        name: String,
    },
    /// Let the accounts of an agency work again.
    Enable {
        /// Which.
        code: String,
    },
    /// Stop all accounts of an agency and of those below it: no logins, no mail. Nothing is removed.
    Disable {
        /// Which.
        code: String,
    },
    /// Remove an agency in which nothing is left.
    Remove {
        /// Which.
        code: String,
    },
}

fn sessions(text: &str) -> Result<Setting<u32>, String> {
    match text {
        "inherit" => Ok(Setting::Inherit),
        number => number
            .parse()
            .map(Setting::Is)
            .map_err(|_| "give a whole number or \"inherit\"".to_owned()),
    }
}

fn days(text: &str) -> Result<Setting<u16>, String> {
    match text {
        "inherit" => Ok(Setting::Inherit),
        number => number
            .parse()
            .ok()
            .filter(|days| *days <= MOST_DAYS)
            .map(Setting::Is)
            .ok_or_else(|| format!("give a number of days, 0 to {MOST_DAYS}, or \"inherit\"")),
    }
}

fn threshold(text: &str) -> Result<Setting<Threshold>, String> {
    match text {
        "inherit" => Ok(Setting::Inherit),
        text => text.parse().map(Setting::Is),
    }
}

fn quarantine_days(text: &str) -> Result<Setting<u16>, String> {
    let days = match text {
        "inherit" => return Ok(Setting::Inherit),
        number => number.parse().ok(),
    };
    days.filter(|days| (1..=QUARANTINE_DAYS_MOST).contains(days))
        .map(Setting::Is)
        .ok_or_else(|| {
            format!("give a number of days, 1 to {QUARANTINE_DAYS_MOST}, or \"inherit\"")
        })
}

#[allow(clippy::unnecessary_wraps, reason = "as clap wants it")]
fn endings(text: &str) -> Result<Setting<Vec<String>>, String> {
    let ending = |word: &str| word.trim().trim_start_matches('.').to_ascii_lowercase();
    Ok(match text {
        "inherit" => Setting::Inherit,
        "all" => Setting::Is(Vec::new()),
        list => Setting::Is(list.split(',').map(ending).collect()),
    })
}

fn yes_no(text: &str) -> Result<Setting<bool>, String> {
    match text {
        "inherit" => Ok(Setting::Inherit),
        "yes" => Ok(Setting::Is(true)),
        "no" => Ok(Setting::Is(false)),
        _ => Err("give yes, no or inherit".to_owned()),
    }
}

impl Verb {
    pub(super) fn plan(self) -> Plan {
        let change = match self {
            Self::List { within } => {
                return Plan::List(Query::Agencies {
                    within,
                    after: None,
                });
            }
            Self::Show { code } => return Query::Agency { code }.into(),
            Self::Add { code, name, parent } => AgencyChange::Add { code, name, parent },
            Self::Rename { code, to } => AgencyChange::Rename { code, to },
            Self::Set {
                code,
                name,
                parent,
                root,
                sessions,
                foreign_targets,
                undelete_days,
            } => {
                let parent = if root {
                    Some(Setting::Inherit)
                } else {
                    parent.map(Setting::Is)
                };
                AgencyChange::Set {
                    code,
                    name,
                    parent,
                    sessions,
                    foreign_targets,
                    undelete_days,
                }
            }
            Self::Filter {
                code,
                enabled,
                labelled,
                junk,
                quarantine,
                reject,
                quarantine_days,
                attachments,
            } => AgencyChange::Filter {
                code,
                enabled,
                labelled,
                junk,
                quarantine,
                reject,
                quarantine_days,
                attachments,
            },
            Self::Protect {
                code,
                name,
                domains,
            } => AgencyChange::Protect {
                code,
                name,
                domains,
            },
            Self::Unprotect { code, name } => AgencyChange::Unprotect { code, name },
            Self::Enable { code } => AgencyChange::Enable { code },
            Self::Disable { code } => AgencyChange::Disable { code },
            Self::Remove { code } => AgencyChange::Remove { code },
        };
        Change::Agency(change).into()
    }
}
