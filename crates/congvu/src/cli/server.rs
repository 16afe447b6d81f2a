//! `congvu queue …` and `congvu audit`

use clap::{Args, Subcommand};
use congvu_admin::change::QueueChange;
use congvu_admin::{Change, Query, Request};

use super::amount::{Edge, instant};
use super::{Plan, Usage};

/// What can be done with the queue. Numbers are those that `queue list` shows.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueVerb {
    /// List what waits, oldest first.
    List {
        /// Begin after this number: how a long queue is read piece by piece.
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// At most so many.
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
    },
    /// Show one message with its recipients and the last answers.
    Show {
        /// Its number.
        id: u64,
    },
    /// Try messages now: some by their numbers, or everything that is not held.
    Retry {
        /// Their numbers.
        #[arg(required_unless_present_any = ["all", "domain"])]
        ids: Vec<u64>,
        /// Everything.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// Only recipients of this domain; without numbers, of every message.
        #[arg(long)]
        domain: Option<String>,
    },
    /// Keep messages from being tried.
    Hold {
        /// Their numbers.
        #[arg(required = true)]
        ids: Vec<u64>,
        /// Why; shown in listings.
        #[arg(long, default_value = "held by an administrator")]
        reason: String,
    },
    /// Let held messages go on.
    Release {
        /// Their numbers.
        #[arg(required = true)]
        ids: Vec<u64>,
    },
    /// Forget messages. Their senders are not told.
    Drop {
        /// Their numbers.
        #[arg(required = true)]
        ids: Vec<u64>,
    },
}

impl QueueVerb {
    pub(super) fn plan(self) -> Plan {
        let each = |ids: Vec<u64>, change: &dyn Fn(u64) -> QueueChange| {
            Plan::Do(
                ids.into_iter()
                    .map(|id| Request::Change(Change::Queue(change(id))))
                    .collect(),
            )
        };
        match self {
            Self::List { after, limit } => {
                let query = Query::Queue {
                    after: after.map(|number| number.to_string()),
                };
                match limit {
                    Some(limit) => Plan::Some(query, limit),
                    None => Plan::List(query),
                }
            }
            Self::Show { id } => Query::QueueEntry { id }.into(),
            Self::Retry { ids, domain, .. } if ids.is_empty() => {
                Change::Queue(QueueChange::RetryAll { domain }).into()
            }
            Self::Retry { ids, domain, .. } => each(ids, &|id| QueueChange::Retry {
                id,
                domain: domain.clone(),
            }),
            Self::Hold { ids, reason } => each(ids, &|id| QueueChange::Hold {
                id,
                reason: reason.clone(),
            }),
            Self::Release { ids } => each(ids, &|id| QueueChange::Release { id }),
            Self::Drop { ids } => each(ids, &|id| QueueChange::Drop { id }),
        }
    }
}

/// Which audit records.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// From this day or instant on: 2026-11-22, "2026-11-22 08:30", in the server's time zone.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this day (included) or instant.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl AuditArgs {
    pub(super) fn plan(self, zone: i16) -> Result<Plan, Usage> {
        let since = self
            .since
            .map(|text| instant(&text, zone, Edge::Begin))
            .transpose()?;
        let until = self
            .until
            .map(|text| instant(&text, zone, Edge::End))
            .transpose()?;
        Ok(Plan::List(Query::Audit {
            since,
            until,
            after: None,
        }))
    }
}
