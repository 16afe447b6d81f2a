//! `congvu message …`, `congvu mailbox …` and `congvu hold …`: what was deleted, bringing it back, and keeping
//! it.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use congvu_admin::change::{AT_ONCE, HoldChange, MailboxChange, MessageChange};
use congvu_admin::reply::{DeletedMailboxView, DeletedMessageView, UndeletedView};
use congvu_admin::retention::Swept;
use congvu_admin::{Change, Connection, DeletedFilter, DeletedQuery, Error, Query, Reply, Request};
use congvu_directory::view::{HoldView, RemovedAccountView};

use super::amount::{Edge, instant, size};
use super::print::Output;
use super::table::Table;
use super::{Plan, Usage};

/// Which deleted messages. Words are found as in a mail program's search: case does not matter, and letters
/// without marks find those with marks.
#[derive(Debug, Args)]
pub(crate) struct Select {
    /// Name of the mailbox they were in.
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Words of the sender's name or address.
    #[arg(long, value_name = "WORDS")]
    from: Option<String>,
    /// Words of the recipients' names or addresses.
    #[arg(long, value_name = "WORDS")]
    to: Option<String>,
    /// Words of the subject.
    #[arg(long, value_name = "WORDS")]
    subject: Option<String>,
    /// The Message-ID.
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Arrived on this day or later: 2026-11-22, "2026-11-22 08:30", in the server's time zone.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Arrived up to this day (included) or instant.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Deleted on this day or later.
    #[arg(long, value_name = "TIME")]
    deleted_since: Option<String>,
    /// Deleted up to this day (included) or instant.
    #[arg(long, value_name = "TIME")]
    deleted_until: Option<String>,
}

impl Select {
    fn filter(self, zone: i16) -> Result<DeletedFilter, Usage> {
        let time =
            |text: Option<String>, edge| text.map(|text| instant(&text, zone, edge)).transpose();
        Ok(DeletedFilter {
            mailbox: self.mailbox,
            since: time(self.since, Edge::Begin)?,
            until: time(self.until, Edge::End)?,
            deleted_since: time(self.deleted_since, Edge::Begin)?,
            deleted_until: time(self.deleted_until, Edge::End)?,
            from: self.from,
            to: self.to,
            subject: self.subject,
            message_id: self.message_id,
        })
    }
}

/// What can be done with deleted messages.
#[derive(Debug, Subcommand)]
pub(crate) enum MessageVerb {
    /// List deleted messages that can be brought back, also of a removed account.
    ListDeleted {
        /// Whose.
        address: String,
        #[command(flatten)]
        select: Box<Select>,
    },
    /// Bring deleted messages back: with new UIDs, into the mailbox they were in.
    Undelete {
        /// Whose.
        address: String,
        /// A message as listed; may be given several times.
        #[arg(long = "id", value_name = "ID", conflicts_with_all = ["all", "dry_run"])]
        ids: Vec<String>,
        #[command(flatten)]
        select: Box<Select>,
        /// All that was deleted, without further choice.
        #[arg(long)]
        all: bool,
        /// Into this mailbox, which is made if it is missing.
        #[arg(long, value_name = "NAME")]
        into: Option<String>,
        /// Only list what would be brought back.
        #[arg(long)]
        dry_run: bool,
        /// Past the limits of account, domain and agency.
        #[arg(long)]
        exceed_quota: bool,
    },
}

/// Messages to be brought back.
pub(super) struct Undelete {
    address: String,
    /// Named one by one, or found.
    which: Which,
    into: Option<String>,
    exceed_quota: bool,
}

enum Which {
    Ids(Vec<String>),
    Found(DeletedFilter),
}

impl MessageVerb {
    pub(super) fn plan(self, zone: i16) -> Result<Plan, Usage> {
        let found = |address, filter| {
            Plan::ListDeleted(DeletedQuery {
                address,
                filter,
                after: None,
            })
        };
        match self {
            Self::ListDeleted { address, select } => Ok(found(address, select.filter(zone)?)),
            Self::Undelete {
                address,
                ids,
                select,
                all,
                into,
                dry_run,
                exceed_quota,
            } => {
                let filter = select.filter(zone)?;
                let any = filter != DeletedFilter::default();
                if ids.is_empty() && !any && !all {
                    return Err(
                        "say which messages: --id, --subject, --from, --deleted-since … or --all"
                            .to_owned(),
                    );
                }
                if !ids.is_empty() && any {
                    return Err("give either --id or a search, not both".to_owned());
                }
                if dry_run {
                    return Ok(found(address, filter));
                }
                let which = if ids.is_empty() {
                    Which::Found(filter)
                } else {
                    Which::Ids(ids)
                };
                Ok(Plan::Undelete(Undelete {
                    address,
                    which,
                    into,
                    exceed_quota,
                }))
            }
        }
    }
}

/// Lists deleted messages, page by page.
pub(super) async fn list(
    connection: &mut Connection,
    mut query: DeletedQuery,
    output: &Output,
) -> congvu_admin::Result<()> {
    let mut all = connection.request(Request::Deleted(query.clone())).await?;
    while let Some(next) = all.next() {
        query.after = Some(next.to_owned());
        all.append(connection.request(Request::Deleted(query.clone())).await?);
    }
    output.reply(&all);
    Ok(())
}

/// Brings messages back, so many at once as one transaction may move. What is back already stays so when
/// a later part is refused, and is told first.
pub(super) async fn undelete(
    connection: &mut Connection,
    wanted: Undelete,
    output: &Output,
) -> congvu_admin::Result<()> {
    let mut all = UndeletedView::default();
    let done = bring_back(connection, &wanted, &mut all).await;
    if done.is_ok() || !all.placed.is_empty() {
        output.reply(&Reply::Undeleted(all.clone()));
    }
    done?;
    match all.missing.first() {
        Some(first) => Err(Error::Missing("deleted message", first.clone())),
        None => Ok(()),
    }
}

async fn bring_back(
    connection: &mut Connection,
    wanted: &Undelete,
    all: &mut UndeletedView,
) -> congvu_admin::Result<()> {
    let filter = match &wanted.which {
        Which::Ids(ids) => return part(connection, wanted, ids, all).await,
        Which::Found(filter) => filter,
    };
    let mut after = None;
    loop {
        let query = DeletedQuery {
            address: wanted.address.clone(),
            filter: filter.clone(),
            after,
        };
        let Reply::DeletedMessages(page) = connection.request(Request::Deleted(query)).await?
        else {
            return Err(Error::Unreachable("the server gave another answer".into()));
        };
        let ids: Vec<String> = page.entries.into_iter().map(|one| one.id).collect();
        part(connection, wanted, &ids, all).await?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn part(
    connection: &mut Connection,
    wanted: &Undelete,
    ids: &[String],
    all: &mut UndeletedView,
) -> congvu_admin::Result<()> {
    for ids in ids.chunks(AT_ONCE) {
        let change = MessageChange::Undelete {
            address: wanted.address.clone(),
            ids: ids.to_vec(),
            into: wanted.into.clone(),
            exceed_quota: wanted.exceed_quota,
        };
        let request = Request::Change(Change::Message(change));
        if let Reply::Undeleted(view) = connection.request(request).await? {
            all.placed.extend(view.placed);
            all.missing.extend(view.missing);
        }
    }
    Ok(())
}

/// What can be done with deleted mailboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum MailboxVerb {
    /// List deleted mailboxes that can be brought back, also of a removed account.
    ListDeleted {
        /// Whose.
        address: String,
    },
    /// Bring a deleted mailbox back with its messages.
    Undelete {
        /// Whose.
        address: String,
        /// Its last name; of several the one that was deleted last.
        #[arg(required_unless_present = "number", conflicts_with = "number")]
        mailbox: Option<String>,
        /// Its number, as listed.
        #[arg(long)]
        number: Option<u64>,
        /// Under this name; otherwise its own, with a number when that is taken.
        #[arg(long, value_name = "NAME")]
        into: Option<String>,
        /// Past the limits of account, domain and agency.
        #[arg(long)]
        exceed_quota: bool,
    },
}

impl MailboxVerb {
    pub(super) fn plan(self) -> Plan {
        match self {
            Self::ListDeleted { address } => Plan::List(Query::DeletedMailboxes {
                address,
                after: None,
            }),
            Self::Undelete {
                address,
                mailbox,
                number,
                into,
                exceed_quota,
            } => Change::Mailbox(MailboxChange::Undelete {
                address,
                mailbox,
                number,
                into,
                exceed_quota,
            })
            .into(),
        }
    }
}

/// What can be done with holds.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldVerb {
    /// Put a hold on an account, on one mailbox of it, or on an agency with all below it: from now on nothing
    /// that is deleted there is forgotten.
    Add {
        /// The account, also a removed one.
        #[arg(long, value_name = "ADDRESS", required_unless_present = "agency")]
        account: Option<String>,
        /// Only this mailbox of the account, also a deleted one.
        #[arg(long, value_name = "NAME", requires = "account")]
        mailbox: Option<String>,
        /// Code of the agency.
        #[arg(long, value_name = "CODE", conflicts_with = "account")]
        agency: Option<String>,
        /// Why: a file number, a decision.
        #[arg(long)]
        reason: String,
    },
    /// List holds.
    List,
    /// Take holds off: what is past its window is forgotten from then on.
    Remove {
        /// Their numbers.
        #[arg(required = true)]
        ids: Vec<u64>,
    },
}

impl HoldVerb {
    pub(super) fn plan(self) -> Plan {
        match self {
            Self::Add {
                account,
                mailbox,
                agency,
                reason,
            } => Change::Hold(HoldChange::Add {
                address: account,
                mailbox,
                agency,
                reason,
            })
            .into(),
            Self::List => Query::Holds.into(),
            Self::Remove { ids } => Plan::Do(
                ids.into_iter()
                    .map(|id| Request::Change(Change::Hold(HoldChange::Remove { id })))
                    .collect(),
            ),
        }
    }
}

/// Deleted messages as a table.
pub(super) fn messages(output: &Output, all: &[DeletedMessageView]) -> String {
    let mut table = Table::new(&[
        "ID", "MAILBOX", "ARRIVED", "DELETED", "KEPT", "SIZE", "FROM", "SUBJECT",
    ]);
    for one in all {
        let mailbox = if one.mailbox_deleted {
            format!("{} (deleted)", one.mailbox)
        } else {
            one.mailbox.clone()
        };
        table.row(vec![
            one.id.clone(),
            mailbox,
            output.time(one.arrived),
            output.time(one.deleted),
            left(one.days_left, one.held),
            size(u64::from(one.size)),
            one.from.clone(),
            one.subject.clone(),
        ]);
    }
    table.to_string()
}

/// For how long it is kept still.
fn left(days: u32, held: bool) -> String {
    match (held, days) {
        (true, _) => "held".to_owned(),
        (false, 1) => "1 day".to_owned(),
        (false, days) => format!("{days} days"),
    }
}

/// Deleted mailboxes as a table.
pub(super) fn mailboxes(output: &Output, all: &[DeletedMailboxView]) -> String {
    let mut table = Table::new(&["NUMBER", "MESSAGES", "SIZE", "DELETED", "KEPT", "MAILBOX"]);
    for one in all {
        table.row(vec![
            one.number.to_string(),
            one.messages.to_string(),
            size(one.size),
            output.time(one.deleted),
            left(one.days_left, one.held),
            one.mailbox.clone(),
        ]);
    }
    table.to_string()
}

/// Removed accounts as a table.
pub(super) fn accounts(output: &Output, all: &[RemovedAccountView]) -> String {
    let mut table = Table::new(&["ADDRESS", "NUMBER", "AGENCY", "REMOVED", "KEPT", "NAME"]);
    for one in all {
        table.row(vec![
            one.address.clone(),
            one.id.clone(),
            one.agency.clone().unwrap_or_default(),
            output.time(one.removed),
            left(one.days_left, one.held),
            one.name.clone(),
        ]);
    }
    table.to_string()
}

/// Holds as a table.
pub(super) fn holds(output: &Output, all: &[HoldView]) -> String {
    let mut table = Table::new(&["NUMBER", "ON", "NAME", "SINCE", "BY", "REASON"]);
    for one in all {
        table.row(vec![
            one.id.to_string(),
            one.on.clone(),
            one.name.clone(),
            output.time(one.at),
            one.by.clone(),
            one.reason.clone(),
        ]);
    }
    table.to_string()
}

/// What came back.
pub(super) fn undeleted(view: &UndeletedView) -> String {
    let mut text = String::new();
    if !view.placed.is_empty() {
        let mut table = Table::new(&["ID", "UID", "MAILBOX"]);
        for one in &view.placed {
            table.row(vec![
                one.id.clone(),
                one.uid.to_string(),
                one.mailbox.clone(),
            ]);
        }
        text = table.to_string();
    }
    let _ = writeln!(text, "{} messages brought back", view.placed.len());
    text
}

/// What was forgotten.
pub(super) fn purged(swept: &Swept) -> String {
    format!(
        "forgotten: {} messages, {} deleted mailboxes, {} removed accounts, {} letters in quarantine; kept by holds: {}\n",
        swept.messages, swept.mailboxes, swept.accounts, swept.quarantined, swept.held
    )
}
