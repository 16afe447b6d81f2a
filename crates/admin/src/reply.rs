//! Answers, typed, for the command line and other programs.

use congvu_directory::view::{
    AccountDetail, AccountView, AgencyView, AliasView, AppPasswordView, DomainView, GroupView,
    HoldView, Page, RemovedAccountView, Usage,
};
use congvu_store::Timestamp;
use congvu_store::check::Problem;
use congvu_store::compact::Compaction;
use congvu_store::page::{IndexPage, Position};
use serde::{Deserialize, Serialize};

use crate::audit::AuditView;
use crate::learning::{LabelView, LearningView};
use crate::mail::MailReply;
use crate::quarantine::{DigestsView, QuarantineDetail, QuarantineView};
use crate::query::{ListedView, QueueDetail, QueueView};
use crate::request::Plain;
use crate::retention::Swept;
use crate::trace::TraceView;

/// What came of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadedView {
    /// Settings that differ from those the server runs with and wait for a restart.
    pub waiting: Vec<String>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The change is durable.
    Done(Done),
    /// One agency.
    Agency(AgencyView),
    /// Agencies.
    Agencies(Page<AgencyView>),
    /// One domain.
    Domain(DomainView),
    /// Domains.
    Domains(Page<DomainView>),
    /// One account.
    Account(AccountDetail),
    /// Accounts.
    Accounts(Page<AccountView>),
    /// Operators of a post, or posts of a person.
    Operators(OperatorsView),
    /// One alias.
    Alias(AliasView),
    /// Aliases.
    Aliases(Page<AliasView>),
    /// One group with its members.
    Group(GroupView),
    /// Groups.
    Groups(Page<GroupView>),
    /// Usage and limits of one account, domain or agency.
    Quota(QuotaView),
    /// App passwords of an account.
    AppPasswords(Vec<AppPasswordView>),
    /// What a file of accounts made, or would make.
    Import(ImportView),
    /// The queue.
    Queue(Page<QueueView>),
    /// One message of the queue.
    QueueEntry(QueueDetail),
    /// Trace records.
    Trace(Page<TraceView>),
    /// Audit records.
    Audit(Page<AuditView>),
    /// Holds.
    Holds(Vec<HoldView>),
    /// What the filter learned.
    Learning(Box<LearningView>),
    /// What people said of letters.
    Labels(Page<LabelView>),
    /// Lists of senders.
    Lists(Page<ListedView>),
    /// Removed accounts.
    RemovedAccounts(Page<RemovedAccountView>),
    /// Deleted mailboxes.
    DeletedMailboxes(Page<DeletedMailboxView>),
    /// Deleted messages.
    DeletedMessages(Page<DeletedMessageView>),
    /// Messages that were brought back.
    Undeleted(UndeletedView),
    /// Letters in quarantine.
    Quarantine(Page<QuarantineView>),
    /// One of them.
    QuarantineLetter(Box<QuarantineDetail>),
    /// Digests that were sent.
    Digests(DigestsView),
    /// What was forgotten for good.
    Purged(Swept),
    /// From inside the store.
    Store(StoreReply),
    /// About messages.
    Mail(MailReply),
    /// What the server is and does.
    Status(StatusView),
    /// The server took its configuration over.
    Reloaded(ReloadedView),
}

/// Answer to a [`crate::request::StoreQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreReply {
    /// Up to where everything is durable.
    Position(Position),
    /// A part of the index.
    Page(IndexPage),
    /// What is wrong.
    Problems(Vec<Problem>),
    /// How far compaction is.
    Compaction(Box<Compaction>),
}

/// A deleted mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedMailboxView {
    /// Its number, for ever.
    pub number: u64,
    /// Its last name.
    pub mailbox: String,
    /// Messages in it.
    pub messages: u32,
    /// Their octets.
    pub size: u64,
    /// When it was deleted, milliseconds since 1970.
    pub deleted: Timestamp,
    /// For how many days more it is kept at least.
    pub days_left: u32,
    /// Whether a hold keeps it.
    pub held: bool,
}

/// A deleted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedMessageView {
    /// Its name, for ever.
    pub id: String,
    /// The mailbox it was in, by its last name.
    pub mailbox: String,
    /// Whether that mailbox was deleted with it.
    pub mailbox_deleted: bool,
    /// Octets.
    pub size: u32,
    /// When it arrived, milliseconds since 1970.
    pub arrived: Timestamp,
    /// When it was deleted, milliseconds since 1970.
    pub deleted: Timestamp,
    /// From field.
    pub from: String,
    /// To field.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Message-ID.
    pub message_id: Option<String>,
    /// For how many days more it is kept at least.
    pub days_left: u32,
    /// Whether a hold keeps it.
    pub held: bool,
}

/// Messages that were brought back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UndeletedView {
    /// Which, and where they are.
    pub placed: Vec<PlacedView>,
    /// Those that could not be brought back: never deleted, back already, or forgotten.
    pub missing: Vec<String>,
}

/// Where a message is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedView {
    /// The name it had as a deleted message.
    pub id: String,
    /// Its mailbox.
    pub mailbox: String,
    /// Its new UID there.
    pub uid: u32,
}

/// A finished change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What was changed: an address, a code, a name.
    pub subject: String,
    /// A generated password. Shown once: it is kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Plain>,
}

/// Who operates what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorsView {
    /// The account that was asked about.
    pub address: String,
    /// The persons who operate it, if it is a post.
    pub operators: Vec<String>,
    /// The posts it operates, if it is a person.
    pub operates: Vec<String>,
}

/// Usage and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaView {
    /// Whose.
    pub subject: String,
    /// Sums and limits.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What a file of accounts made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportView {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Accounts, in the order of the file.
    pub accounts: Vec<Imported>,
}

/// One imported account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Its address.
    pub address: String,
    /// Its generated password, told once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Plain>,
}

/// What the server is and does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Whether a server runs; otherwise the store was read directly.
    pub running: bool,
    /// Version of the program.
    pub version: String,
    /// Process id of the server.
    pub pid: Option<u32>,
    /// Since when it runs, milliseconds since 1970.
    pub started: Option<Timestamp>,
    /// Where it listens.
    pub listeners: Vec<String>,
    /// Messages in the queue.
    pub queue_messages: u64,
    /// Of these, held.
    pub queue_held: u64,
    /// Recipients that wait.
    pub queue_recipients: u64,
    /// When the oldest message in the queue arrived.
    pub queue_oldest: Option<Timestamp>,
}

impl Reply {
    /// Where the next page of a listing begins, if there is one.
    pub fn next(&self) -> Option<&str> {
        match self {
            Self::Agencies(page) => page.next.as_deref(),
            Self::Domains(page) => page.next.as_deref(),
            Self::Accounts(page) => page.next.as_deref(),
            Self::Aliases(page) => page.next.as_deref(),
            Self::Groups(page) => page.next.as_deref(),
            Self::Queue(page) => page.next.as_deref(),
            Self::Lists(page) => page.next.as_deref(),
            Self::RemovedAccounts(page) => page.next.as_deref(),
            Self::DeletedMailboxes(page) => page.next.as_deref(),
            Self::DeletedMessages(page) => page.next.as_deref(),
            Self::Trace(page) => page.next.as_deref(),
            Self::Audit(page) => page.next.as_deref(),
            Self::Labels(page) => page.next.as_deref(),
            Self::Quarantine(page) => page.next.as_deref(),
            _ => None,
        }
    }

    /// Entries of a listing; 0 of anything else.
    pub fn entries(&self) -> usize {
        match self {
            Self::Agencies(page) => page.entries.len(),
            Self::Domains(page) => page.entries.len(),
            Self::Accounts(page) => page.entries.len(),
            Self::Lists(page) => page.entries.len(),
            Self::Aliases(page) => page.entries.len(),
            Self::Groups(page) => page.entries.len(),
            Self::Queue(page) => page.entries.len(),
            Self::Trace(page) => page.entries.len(),
            Self::Audit(page) => page.entries.len(),
            Self::Labels(page) => page.entries.len(),
            _ => 0,
        }
    }

    /// Leaves the first `most` entries of a listing.
    pub fn truncate(&mut self, most: usize) {
        match self {
            Self::Agencies(page) => page.entries.truncate(most),
            Self::Domains(page) => page.entries.truncate(most),
            Self::Accounts(page) => page.entries.truncate(most),
            Self::Aliases(page) => page.entries.truncate(most),
            Self::Groups(page) => page.entries.truncate(most),
            Self::Queue(page) => page.entries.truncate(most),
            Self::Trace(page) => page.entries.truncate(most),
            Self::Audit(page) => page.entries.truncate(most),
            Self::Labels(page) => page.entries.truncate(most),
            _ => {}
        }
    }

    /// Appends the next page of the same listing.
    pub fn append(&mut self, page: Self) {
        fn join<T>(so_far: &mut Page<T>, page: Page<T>) {
            so_far.entries.extend(page.entries);
            so_far.next = page.next;
        }
        match (self, page) {
            (Self::Agencies(all), Self::Agencies(page)) => join(all, page),
            (Self::Domains(all), Self::Domains(page)) => join(all, page),
            (Self::Accounts(all), Self::Accounts(page)) => join(all, page),
            (Self::Aliases(all), Self::Aliases(page)) => join(all, page),
            (Self::Groups(all), Self::Groups(page)) => join(all, page),
            (Self::Queue(all), Self::Queue(page)) => join(all, page),
            (Self::Lists(all), Self::Lists(page)) => join(all, page),
            (Self::RemovedAccounts(all), Self::RemovedAccounts(page)) => join(all, page),
            (Self::DeletedMailboxes(all), Self::DeletedMailboxes(page)) => join(all, page),
            (Self::DeletedMessages(all), Self::DeletedMessages(page)) => join(all, page),
            (Self::Trace(all), Self::Trace(page)) => join(all, page),
            (Self::Audit(all), Self::Audit(page)) => join(all, page),
            (Self::Labels(all), Self::Labels(page)) => join(all, page),
            (Self::Quarantine(all), Self::Quarantine(page)) => join(all, page),
            (other, page) => *other = page,
        }
    }
}
