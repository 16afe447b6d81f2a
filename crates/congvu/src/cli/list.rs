//! `congvu list …`

use clap::{Args, Subcommand};
use congvu_admin::change::{ListChange, ListEntry, ListOf};
use congvu_admin::query::ListedView;
use congvu_admin::{Change, Query};
use congvu_guard::lists::Entry;
use congvu_store::Timestamp;

use super::amount::{Edge, instant};
use super::print::Output;
use super::table::Table;
use super::{Plan, Usage};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What can be done with lists of senders.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Letters of this sender are wanted.
    Allow(New),
    /// Letters of this sender are not wanted: they go into Junk at least.
    Block(New),
    /// Show lists, of all or of one.
    Show {
        #[command(flatten)]
        of: Whose,
        /// Only what holds for the whole house.
        #[arg(long, conflicts_with_all = ["agency", "account"])]
        house: bool,
    },
    /// Take an entry off a list.
    Remove {
        /// What was listed.
        entry: String,
        /// It is the host of a link.
        #[arg(long)]
        link: bool,
        #[command(flatten)]
        of: Whose,
    },
}

/// A new entry.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// An address (an@so.example), a domain with all below it (so.example), a network (192.0.2.0/24).
    entry: String,
    /// It is the host of links in letters, with all below it.
    #[arg(long)]
    link: bool,
    #[command(flatten)]
    of: Whose,
    /// Up to this day (included) or instant; without, for ever.
    #[arg(long, value_name = "TIME", conflicts_with = "days")]
    until: Option<String>,
    /// For so many days from now on.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: Option<u16>,
    /// Why; needed unless it is an account's own.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Whose list: of an agency or an account; neither: of the whole house.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// Code of the agency: for it and those below.
    #[arg(long, value_name = "CODE", conflicts_with = "account")]
    agency: Option<String>,
    /// Address of the account: for it alone.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
}

impl From<Whose> for ListOf {
    fn from(whose: Whose) -> Self {
        Self {
            agency: whose.agency,
            account: whose.account,
        }
    }
}

impl New {
    fn entry(self, zone: i16) -> Result<ListEntry, Usage> {
        let until = match (self.until, self.days) {
            (Some(text), _) => Some(instant(&text, zone, Edge::End)?.seconds()),
            (None, Some(days)) => Some(Timestamp::now().seconds() + i64::from(days) * DAY),
            (None, None) => None,
        };
        Ok(ListEntry {
            entry: self.entry,
            link: self.link,
            of: self.of.into(),
            until,
            reason: self.reason,
        })
    }
}

impl Verb {
    pub(super) fn plan(self, zone: i16) -> Result<Plan, Usage> {
        let change = match self {
            Self::Allow(new) => ListChange::Allow(new.entry(zone)?),
            Self::Block(new) => ListChange::Block(new.entry(zone)?),
            Self::Show { of, house } => {
                let one = house || of.agency.is_some() || of.account.is_some();
                return Ok(Plan::List(Query::Lists {
                    of: one.then(|| of.into()),
                    after: None,
                }));
            }
            Self::Remove { entry, link, of } => ListChange::Remove {
                entry,
                link,
                of: of.into(),
            },
        };
        Ok(Change::List(change).into())
    }
}

/// Lists as a table.
pub(super) fn lists(output: &Output, all: &[ListedView]) -> String {
    let mut table = Table::new(&["FOR", "", "WHAT", "ENTRY", "UNTIL", "BY", "REASON"]);
    for one in all {
        let of = one.agency.clone().or_else(|| one.account.clone());
        let until = one
            .until
            .map(|seconds| Timestamp(seconds.saturating_mul(1000)));
        table.row(vec![
            of.unwrap_or_else(|| "house".to_owned()),
            one.side.clone(),
            kind(one).to_owned(),
            one.entry.to_string(),
            until.map_or_else(String::new, |at| output.time(at)),
            one.by.clone(),
            one.reason.clone(),
        ]);
    }
    table.to_string()
}

fn kind(one: &ListedView) -> &'static str {
    match one.entry {
        Entry::Address(_) => "address",
        Entry::Domain(_) => "domain",
        Entry::Network(_) => "network",
        Entry::Link(_) => "link",
    }
}
