//! `congvu account …`, `congvu post …` and `congvu operator …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use congvu_admin::change::{AccountChange, OperatorChange};
use congvu_admin::{Change, NewPassword, Plain, Query};
use congvu_directory::Kind;
use congvu_wire::Secret;

use super::amount::octets;
use super::password::{Source, read_file};
use super::{Plan, Usage};

/// Largest file of accounts, octets: far more than the most accounts one file may have.
const IMPORT_OCTETS: u64 = 16 << 20;

/// A new account.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Its address.
    address: String,
    /// Display name: "Nguyễn Văn An".
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Code of its agency; otherwise the domain's.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Most octets: 500M, 2G.
    #[arg(long, value_name = "SIZE", value_parser = octets)]
    quota: Option<u64>,
    /// Most messages.
    #[arg(long, value_name = "NUMBER")]
    quota_messages: Option<u64>,
    #[command(flatten)]
    password: Source,
}

impl New {
    fn change(self, kind: Kind, operators: Vec<String>, password: NewPassword) -> Change {
        Change::Account(AccountChange::Add {
            address: self.address,
            kind,
            name: self.name,
            agency: self.agency,
            octets: self.quota,
            messages: self.quota_messages,
            operators,
            password,
        })
    }
}

/// A new address for an account.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// Present address.
    address: String,
    /// New address; it may be in another domain.
    to: String,
    /// Keep the present address as an alias.
    #[arg(long)]
    keep: bool,
}

impl Rename {
    fn plan(self) -> Plan {
        Change::Account(AccountChange::Rename {
            address: self.address,
            to: self.to,
            keep: self.keep,
        })
        .into()
    }
}

/// One account.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Its address, or an alias of its own.
    address: String,
}

/// Which accounts.
#[derive(Debug, Args)]
pub(crate) struct Among {
    /// Only those of this agency and those below it.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Only those of this domain.
    #[arg(long)]
    domain: Option<String>,
}

impl Among {
    fn plan(self, kind: Option<Kind>) -> Plan {
        Plan::List(Query::Accounts {
            agency: self.agency,
            domain: self.domain,
            kind,
            after: None,
        })
    }
}

/// Changes of an account.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Set {
    /// Its address.
    address: String,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// Code of the agency it belongs to from now on.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Make it a person's account or a post.
    #[arg(long, value_name = "person|post", value_parser = kind)]
    kind: Option<Kind>,
}

impl Set {
    fn plan(self) -> Plan {
        let Self {
            address,
            name,
            agency,
            kind,
        } = self;
        Change::Account(AccountChange::Set {
            address,
            name,
            agency,
            kind,
        })
        .into()
    }
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('A').unwrap_or(text);
    digits
        .parse()
        .map_err(|_| "give a number such as A12".to_owned())
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "person" => Ok(Kind::Person),
        "post" => Ok(Kind::Post),
        _ => Err("give person or post".to_owned()),
    }
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a person's account. Without a password option it is asked for.
    Add(New),
    /// List accounts.
    List {
        #[command(flatten)]
        among: Among,
        /// Only persons or only posts.
        #[arg(long, value_name = "person|post", value_parser = kind)]
        kind: Option<Kind>,
    },
    /// Show an account with all that hangs on it.
    Show(Which),
    /// Give an account another address; mailboxes and passwords stay.
    Rename(Rename),
    /// Change an account.
    Set(Set),
    /// Let an account work again.
    Enable(Which),
    /// Stop an account: no logins, no mail. What it has stays.
    Disable(Which),
    /// Remove an account. Its messages stay for the undelete window.
    Remove(Which),
    /// List removed accounts that can be brought back.
    ListRemoved,
    /// Bring a removed account back with its mailboxes. Passwords, aliases, groups and operators do not come
    /// back; without a password option it has none.
    Restore {
        /// The address it had.
        address: String,
        /// Its number in the listing, when several had the address: A12.
        #[arg(long, value_name = "NUMBER", value_parser = number)]
        number: Option<u64>,
        /// Under another address.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        /// Code of another agency.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
        /// Past the limits of domain and agency.
        #[arg(long)]
        exceed_quota: bool,
        #[command(flatten)]
        password: Source,
    },
    /// Create all accounts of a CSV file, or none.
    ///
    /// The first line names the columns: address (required), kind (person or post), name, agency, quota_mb,
    /// quota_messages, password (empty: generated for a person; "-": none), aliases, operators, groups
    /// (several separated by spaces).
    Import {
        /// The file, UTF-8; "-" for standard input.
        file: PathBuf,
        /// Only check: report all errors, change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

impl Verb {
    pub(super) fn plan(self) -> Result<Plan, Usage> {
        Ok(match self {
            Self::Add(new) => {
                let password = new.password.read(|| Source::ask(&new.address))?;
                new.change(Kind::Person, Vec::new(), password).into()
            }
            Self::List { among, kind } => among.plan(kind),
            Self::Show(which) => show(which),
            Self::Rename(rename) => rename.plan(),
            Self::Set(set) => set.plan(),
            Self::Enable(which) => enable(which),
            Self::Disable(which) => disable(which),
            Self::Remove(which) => remove(which, None),
            Self::ListRemoved => Plan::List(Query::RemovedAccounts { after: None }),
            Self::Restore {
                address,
                number,
                to,
                agency,
                exceed_quota,
                password,
            } => Change::Account(AccountChange::Restore {
                address,
                number,
                to,
                agency,
                exceed_quota,
                password: password.read(|| Ok(NewPassword::None))?,
            })
            .into(),
            Self::Import { file, dry_run } => {
                let csv = Plain(Secret::new(read_file(&file, IMPORT_OCTETS)?));
                if std::str::from_utf8(csv.0.expose()).is_err() {
                    return Err(format!(
                        "{} is not UTF-8; in Excel choose \"CSV UTF-8\"",
                        file.display()
                    ));
                }
                Change::Account(AccountChange::Import { csv, dry_run }).into()
            }
        })
    }
}

fn show(which: Which) -> Plan {
    Query::Account {
        address: which.address,
    }
    .into()
}

fn enable(which: Which) -> Plan {
    Change::Account(AccountChange::Enable {
        address: which.address,
    })
    .into()
}

fn disable(which: Which) -> Plan {
    Change::Account(AccountChange::Disable {
        address: which.address,
    })
    .into()
}

fn remove(which: Which, kind: Option<Kind>) -> Plan {
    Change::Account(AccountChange::Remove {
        address: which.address,
        kind,
    })
    .into()
}

/// What can be done with posts.
#[derive(Debug, Subcommand)]
pub(crate) enum PostVerb {
    /// Create a post. Without a password option it has none: its operators open it with their own, under the
    /// login name POST*PERSON.
    Add {
        #[command(flatten)]
        new: New,
        /// A person who operates it; may be given several times.
        #[arg(long = "operator", value_name = "ADDRESS")]
        operators: Vec<String>,
    },
    /// List posts.
    List(Among),
    /// Show a post with all that hangs on it.
    Show(Which),
    /// Give a post another address; mailboxes and operators stay.
    Rename(Rename),
    /// Change a post.
    Set(Set),
    /// Let a post work again.
    Enable(Which),
    /// Stop a post: no logins, no mail. What it has stays.
    Disable(Which),
    /// Remove a post. Its messages stay for the undelete window.
    Remove(Which),
}

impl PostVerb {
    pub(super) fn plan(self) -> Result<Plan, Usage> {
        Ok(match self {
            Self::Add { new, operators } => {
                let password = new.password.read(|| Ok(NewPassword::None))?;
                new.change(Kind::Post, operators, password).into()
            }
            Self::List(among) => among.plan(Some(Kind::Post)),
            Self::Show(which) => show(which),
            Self::Rename(rename) => rename.plan(),
            Self::Set(set) => set.plan(),
            Self::Enable(which) => enable(which),
            Self::Disable(which) => disable(which),
            Self::Remove(which) => remove(which, Some(Kind::Post)),
        })
    }
}

/// What can be done with operators of posts.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorVerb {
    /// Let a person operate a post: open its mailboxes and write under its address.
    Add {
        /// The post.
        post: String,
        /// The person.
        person: String,
    },
    /// End that.
    Remove {
        /// The post.
        post: String,
        /// The person.
        person: String,
    },
    /// List the operators of a post, or the posts of a person.
    List {
        /// Post or person.
        address: String,
    },
}

impl OperatorVerb {
    pub(super) fn plan(self) -> Plan {
        match self {
            Self::Add { post, person } => {
                Change::Operator(OperatorChange::Add { post, person }).into()
            }
            Self::Remove { post, person } => {
                Change::Operator(OperatorChange::Remove { post, person }).into()
            }
            Self::List { address } => Query::Operators { address }.into(),
        }
    }
}
