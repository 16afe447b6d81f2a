//! Everything that only reads.

use congvu_directory::edit::hold;
use congvu_directory::view::{self, Filter, Page};
use congvu_directory::{Kind, find, name, resolve};
use congvu_guard::Scope;
use congvu_guard::lists::{Entry, Listed, side_name};
use congvu_store::queue::{QueueId, QueueRead, Rcpt, RcptStatus};
use congvu_store::{Read, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::change::{ListOf, Subject, account, address, agency_id};
use crate::deleted;
use crate::error::{Error, Result};
use crate::learning;
use crate::reply::{OperatorsView, QuotaView, Reply};
use crate::trace;

/// Entries of a page of the queue.
const QUEUE_PAGE: usize = 200;
/// Most recipients shown of one queue entry.
const QUEUE_RCPTS: usize = 20_000;
/// Records of one scan.
const SCAN: usize = 1_024;

/// A question. `after` continues a listing where the last page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// One agency.
    Agency {
        /// Which.
        code: String,
    },
    /// Agencies.
    Agencies {
        /// Only this one and those below.
        within: Option<String>,
        /// Continuation.
        after: Option<String>,
    },
    /// One domain.
    Domain {
        /// Which.
        domain: String,
    },
    /// Domains.
    Domains {
        /// Only of this agency and those below.
        agency: Option<String>,
        /// Continuation.
        after: Option<String>,
    },
    /// One account.
    Account {
        /// Which.
        address: String,
    },
    /// Accounts.
    Accounts {
        /// Only of this agency and those below.
        agency: Option<String>,
        /// Only of this domain.
        domain: Option<String>,
        /// Only this kind.
        kind: Option<Kind>,
        /// Continuation.
        after: Option<String>,
    },
    /// Operators of a post, or posts of a person.
    Operators {
        /// Post or person.
        address: String,
    },
    /// One alias.
    Alias {
        /// Which.
        address: String,
    },
    /// Aliases.
    Aliases {
        /// Only in domains of this agency and those below.
        agency: Option<String>,
        /// Only of this domain.
        domain: Option<String>,
        /// Continuation.
        after: Option<String>,
    },
    /// One group.
    Group {
        /// Which.
        address: String,
    },
    /// Groups.
    Groups {
        /// Only of this agency and those below.
        agency: Option<String>,
        /// Only of this domain.
        domain: Option<String>,
        /// Continuation.
        after: Option<String>,
    },
    /// Usage and limits.
    Quota {
        /// Whose.
        subject: Subject,
    },
    /// App passwords of an account.
    AppPasswords {
        /// Whose.
        address: String,
    },
    /// The queue, oldest first.
    Queue {
        /// Continuation.
        after: Option<String>,
    },
    /// One message of the queue.
    QueueEntry {
        /// Which.
        id: u64,
    },
    /// Holds by number.
    Holds,
    /// What the filter learned.
    Learning {
        /// Only of this agency and those below.
        agency: Option<String>,
        /// In so many days, today included.
        days: u32,
    },
    /// What people said of letters, oldest first.
    Labels {
        /// Only this account.
        address: Option<String>,
        /// Continuation.
        after: Option<String>,
    },
    /// Lists of senders.
    Lists {
        /// Whose; `None`: all lists.
        of: Option<ListOf>,
        /// Continuation.
        after: Option<String>,
    },
    /// Removed accounts that are kept.
    RemovedAccounts {
        /// Continuation.
        after: Option<String>,
    },
    /// Deleted mailboxes of an account, also of a removed one.
    DeletedMailboxes {
        /// Whose.
        address: String,
        /// Continuation.
        after: Option<String>,
    },
    /// Trace records that any of these keys finds, oldest first.
    Trace {
        /// What they are found by.
        keys: Vec<congvu_store::trace::Key>,
        /// From this instant on.
        since: Option<Timestamp>,
        /// Up to this instant.
        until: Option<Timestamp>,
        /// Only what concerns this agency and those below.
        agency: Option<String>,
        /// Continuation.
        after: Option<String>,
    },
    /// Audit records, oldest first.
    Audit {
        /// From this instant on.
        since: Option<Timestamp>,
        /// Up to this instant.
        until: Option<Timestamp>,
        /// Continuation.
        after: Option<String>,
    },
}

/// An entry of a list of senders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedView {
    /// `allow` or `block`.
    pub side: String,
    /// What is listed: its kind and itself.
    #[serde(flatten)]
    pub entry: Entry,
    /// Code of the agency whose list it is.
    pub agency: Option<String>,
    /// The account whose list it is.
    pub account: Option<String>,
    /// Seconds since 1970 from which on it counts for nothing.
    pub until: Option<i64>,
    /// Why.
    pub reason: String,
    /// Who put it there.
    pub by: String,
    /// When, milliseconds since 1970.
    pub added: Timestamp,
}

/// A message of the queue as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its number.
    pub id: u64,
    /// Id that the sender was told and that the logs carry.
    pub trace: String,
    /// Envelope sender; empty for notices.
    pub sender: String,
    /// Octets.
    pub size: u64,
    /// When it was accepted, milliseconds since 1970.
    pub arrived: Timestamp,
    /// All recipients.
    pub recipients: u32,
    /// Those that still wait.
    pub waiting: u32,
    /// Why it is held, if it is.
    pub hold: Option<String>,
}

impl From<congvu_store::queue::Entry> for QueueView {
    fn from(entry: congvu_store::queue::Entry) -> Self {
        Self {
            id: entry.id.0,
            trace: entry.trace,
            sender: entry.sender,
            size: entry.size,
            arrived: entry.arrived,
            recipients: entry.rcpts,
            waiting: entry.waiting,
            hold: entry.hold,
        }
    }
}

/// A message of the queue with its recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDetail {
    /// As listed.
    #[serde(flatten)]
    pub message: QueueView,
    /// Recipients by domain.
    pub rcpts: Vec<RcptView>,
}

/// A recipient of a message of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RcptView {
    /// Address.
    pub address: String,
    /// `waiting`, `delivered` or `failed`.
    pub status: String,
    /// Finished attempts.
    pub attempts: u32,
    /// When it is due, milliseconds since 1970.
    pub next: Timestamp,
    /// The last answer, or why there was none.
    pub reply: Option<String>,
    /// Who gave it.
    pub remote: Option<String>,
}

impl From<Rcpt> for RcptView {
    fn from(rcpt: Rcpt) -> Self {
        let status = match rcpt.status {
            RcptStatus::Waiting => "waiting",
            RcptStatus::Delivered => "delivered",
            RcptStatus::Failed => "failed",
        };
        Self {
            address: rcpt.address,
            status: status.to_owned(),
            attempts: rcpt.attempts,
            next: rcpt.next,
            reply: rcpt.reply,
            remote: rcpt.remote,
        }
    }
}

fn lists<R: Read>(r: &R, of: Option<&ListOf>, after: Option<&str>) -> Result<Page<ListedView>> {
    let scope = of
        .map(|of| of.scope(r))
        .transpose()?
        .map(|(scope, _)| scope);
    let (entries, next) = congvu_guard::lists::listing(r, scope, after)?;
    let view = |listed: Listed| {
        let (agency, account) = match listed.scope {
            Scope::House => (None, None),
            Scope::Agency(id) => {
                let found = r.get::<congvu_directory::record::Agency>(&id)?;
                let code = found.map_or_else(|| format!("(removed {id})"), |found| found.code);
                (Some(code), None)
            }
            Scope::Account(id) => {
                let found = r.get::<congvu_directory::Account>(&id)?;
                let address = found.map_or_else(
                    || format!("(removed {id})"),
                    |found| found.address().to_string(),
                );
                (None, Some(address))
            }
        };
        Ok(ListedView {
            side: side_name(listed.side).to_owned(),
            entry: listed.entry,
            agency,
            account,
            until: listed.until,
            reason: listed.reason,
            by: listed.by,
            added: listed.added,
        })
    };
    let entries: Result<_> = entries.into_iter().map(view).collect();
    Ok(Page {
        entries: entries?,
        next,
    })
}

fn filter<R: Read>(
    r: &R,
    agency: Option<&String>,
    domain: Option<&String>,
    kind: Option<Kind>,
) -> Result<Filter> {
    let domain = match domain {
        None => None,
        Some(text) => Some(find::domain(r, &name::domain(text)?)?.name),
    };
    Ok(Filter {
        agency: agency_id(r, agency.map(String::as_str))?,
        domain,
        kind,
    })
}

impl Query {
    /// The same question from where a page ended. Questions that are no listings stay as they are.
    pub fn continued(mut self, next: &str) -> Self {
        if let Self::Agencies { after, .. }
        | Self::Domains { after, .. }
        | Self::Accounts { after, .. }
        | Self::Aliases { after, .. }
        | Self::Groups { after, .. }
        | Self::Queue { after }
        | Self::Lists { after, .. }
        | Self::RemovedAccounts { after }
        | Self::DeletedMailboxes { after, .. }
        | Self::Trace { after, .. }
        | Self::Labels { after, .. }
        | Self::Audit { after, .. } = &mut self
        {
            *after = Some(next.to_owned());
        }
        self
    }

    /// Answers from one state of the store.
    pub(crate) fn answer<R: Read>(&self, r: &R) -> Result<Reply> {
        Ok(match self {
            Self::Agency { code } => Reply::Agency(view::agency_view(r, &find::agency(r, code)?)?),
            Self::Agencies { within, after } => {
                let within = agency_id(r, within.as_deref())?;
                Reply::Agencies(view::agencies(r, within, after.as_deref())?)
            }
            Self::Domain { domain } => Reply::Domain(view::domain_view(
                r,
                &find::domain(r, &name::domain(domain)?)?,
            )?),
            Self::Domains { agency, after } => {
                let agency = agency_id(r, agency.as_deref())?;
                Reply::Domains(view::domains(r, agency, after.as_deref())?)
            }
            Self::Account { address } => {
                Reply::Account(view::account_detail(r, &account(r, address)?)?)
            }
            Self::Accounts {
                agency,
                domain,
                kind,
                after,
            } => {
                let filter = filter(r, agency.as_ref(), domain.as_ref(), *kind)?;
                Reply::Accounts(view::accounts(r, &filter, after.as_deref())?)
            }
            Self::Operators { address } => Reply::Operators(operators(r, address)?),
            Self::Alias { address: text } => {
                Reply::Alias(view::alias_view(r, &find::alias(r, &address(text)?)?)?)
            }
            Self::Aliases {
                agency,
                domain,
                after,
            } => {
                let filter = filter(r, agency.as_ref(), domain.as_ref(), None)?;
                Reply::Aliases(view::aliases(r, &filter, after.as_deref())?)
            }
            Self::Group { address: text } => {
                Reply::Group(view::group_detail(r, &find::group(r, &address(text)?)?)?)
            }
            Self::Groups {
                agency,
                domain,
                after,
            } => {
                let filter = filter(r, agency.as_ref(), domain.as_ref(), None)?;
                Reply::Groups(view::groups(r, &filter, after.as_deref())?)
            }
            Self::Quota { subject } => {
                let (ledger, subject) = subject.ledger(r)?;
                Reply::Quota(QuotaView {
                    subject,
                    usage: r.ledger(ledger)?.into(),
                })
            }
            Self::AppPasswords { address } => {
                Reply::AppPasswords(view::app_passwords(r, account(r, address)?.id)?)
            }
            Self::Queue { after } => Reply::Queue(queue(r, after.as_deref())?),
            Self::QueueEntry { id } => Reply::QueueEntry(queue_entry(r, *id)?),
            Self::Learning { agency, days } => {
                Reply::Learning(Box::new(learning::stats(r, agency.as_deref(), *days)?))
            }
            Self::Labels { address, after } => {
                Reply::Labels(learning::labels(r, address.as_deref(), after.as_deref())?)
            }
            Self::Holds => Reply::Holds(hold::all(r)?.into_iter().map(Into::into).collect()),
            Self::Lists { of, after } => Reply::Lists(lists(r, of.as_ref(), after.as_deref())?),
            Self::RemovedAccounts { after } => {
                Reply::RemovedAccounts(view::removed_accounts(r, after.as_deref())?)
            }
            Self::DeletedMailboxes { address, after } => {
                Reply::DeletedMailboxes(deleted::mailboxes(r, address, after.as_deref())?)
            }
            Self::Trace {
                keys,
                since,
                until,
                agency,
                after,
            } => Reply::Trace(trace::answer(
                r,
                keys,
                (*since, *until),
                agency.as_deref(),
                after.as_deref(),
            )?),
            Self::Audit {
                since,
                until,
                after,
            } => Reply::Audit(audit::list(r, *since, *until, after.as_deref())?),
        })
    }
}

fn operators<R: Read>(r: &R, address: &str) -> Result<OperatorsView> {
    let found = account(r, address)?;
    let named = |ids: Vec<congvu_store::AccountId>| -> Result<Vec<String>> {
        ids.into_iter()
            .map(|id| Ok(find::account_by_id(r, id)?.address().to_string()))
            .collect()
    };
    Ok(OperatorsView {
        address: found.address().to_string(),
        operators: named(resolve::operators(r, found.id)?)?,
        operates: named(resolve::operated(r, found.id)?)?,
    })
}

fn queue<R: Read>(r: &R, after: Option<&str>) -> Result<Page<QueueView>> {
    let from = after
        .and_then(|a| a.parse::<u64>().ok())
        .map_or(0, |last| last.saturating_add(1));
    let page = r.queue_entries(QueueId(from), QUEUE_PAGE)?;
    let next = match page.last() {
        Some(last) if page.len() == QUEUE_PAGE => Some(last.id.to_string()),
        _ => None,
    };
    Ok(Page {
        entries: page.into_iter().map(QueueView::from).collect(),
        next,
    })
}

fn queue_entry<R: Read>(r: &R, id: u64) -> Result<QueueDetail> {
    let entry = r
        .queue_entry(QueueId(id))?
        .ok_or_else(|| Error::Missing("queue entry", id.to_string()))?;
    let mut rcpts: Vec<Rcpt> = Vec::new();
    while rcpts.len() < QUEUE_RCPTS {
        let page = r.queue_rcpts(entry.id, rcpts.last(), SCAN)?;
        let full = page.len() == SCAN;
        rcpts.extend(page);
        if !full {
            break;
        }
    }
    Ok(QueueDetail {
        message: entry.into(),
        rcpts: rcpts.into_iter().map(RcptView::from).collect(),
    })
}
