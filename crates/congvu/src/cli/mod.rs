//! The administrator's commands: `congvu NOUN VERB …`.
//!
//! Each command becomes requests to `congvu_admin`, performed by the running server or, when none runs, on
//! the store itself. Here are only words, arguments and printing; nothing is decided here.
//!
//! Exit codes: 0 done, 1 refused, 2 wrong usage (also of clap), 3 server or store not reachable.

mod account;
mod address;
mod agency;
mod amount;
pub(crate) mod backup;
mod domain;
mod learn;
mod list;
pub(crate) mod mail;
pub(crate) mod migrate;
mod password;
mod print;
mod quarantine;
mod server;
pub(crate) mod spam;
pub(crate) mod store;
mod table;
mod trace;
mod undelete;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use congvu_admin::{Connection, DeletedQuery, Query, Reason, Refusal, Reply, Request};
use congvu_store::Options;

use crate::config::Config;

/// Refused, not found, not allowed.
const REFUSED: u8 = 1;
/// Wrong arguments, or a configuration that cannot be read.
pub(crate) const USAGE: u8 = 2;
/// Neither server nor store can be reached, or they failed.
const UNAVAILABLE: u8 = 3;

/// Nouns and their verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Agencies: ministry, province, commune … a tree of any depth.
    #[command(subcommand)]
    Agency(agency::Verb),
    /// Mail domains of agencies.
    #[command(subcommand)]
    Domain(domain::Verb),
    /// Accounts of persons (and, for all verbs but add, of posts).
    #[command(subcommand)]
    Account(account::Verb),
    /// Accounts of posts (vanthu@…), which persons operate.
    #[command(subcommand)]
    Post(account::PostVerb),
    /// Who operates which post.
    #[command(subcommand)]
    Operator(account::OperatorVerb),
    /// Further addresses of accounts, or addresses that lead elsewhere.
    #[command(subcommand)]
    Alias(address::AliasVerb),
    /// Groups of recipients.
    #[command(subcommand)]
    Group(address::GroupVerb),
    /// Limits and usage of accounts, domains and agencies.
    #[command(subcommand)]
    Quota(domain::QuotaVerb),
    /// Main passwords of accounts.
    #[command(subcommand)]
    Password(password::Verb),
    /// App passwords: one for each device or program, revocable.
    #[command(subcommand)]
    AppPassword(password::AppVerb),
    /// Mail that waits to be sent to other servers.
    #[command(subcommand)]
    Queue(server::QueueVerb),
    /// Letters that the filter held: list, release, delete them.
    #[command(subcommand)]
    Quarantine(quarantine::Verb),
    /// Deleted messages: find them, bring them back.
    #[command(subcommand)]
    Message(undelete::MessageVerb),
    /// Deleted mailboxes: find them, bring them back.
    #[command(subcommand)]
    Mailbox(undelete::MailboxVerb),
    /// Holds: what must be kept whatever is deleted.
    #[command(subcommand)]
    Hold(undelete::HoldVerb),
    /// Lists of senders that are wanted or not, of the house, of agencies and of accounts.
    #[command(subcommand)]
    List(list::Verb),
    /// What became of a letter: from whom, by which way, where it is.
    Trace(trace::TraceArgs),
    /// Who did what: every administrative act.
    Audit(server::AuditArgs),
    /// What the server is and does.
    Status,
    /// Let the server take over its configuration and certificates again.
    Reload,
    /// Let the server finish what is under way and end.
    Stop,
}

/// What a command asks.
enum Plan {
    /// Requests, one after another, until one is refused.
    Do(Vec<Request>),
    /// A listing, page by page.
    List(Query),
    /// The first so many of a listing.
    Some(Query, usize),
    /// A listing of deleted messages.
    ListDeleted(DeletedQuery),
    /// Bringing messages back.
    Undelete(undelete::Undelete),
    /// Letters in quarantine.
    Quarantine(quarantine::Act),
    /// What became of letters.
    Trace(congvu_admin::trace::Ask),
}

impl From<Query> for Plan {
    fn from(query: Query) -> Self {
        Self::Do(vec![Request::Query(query)])
    }
}

impl From<congvu_admin::Change> for Plan {
    fn from(change: congvu_admin::Change) -> Self {
        Self::Do(vec![Request::Change(change)])
    }
}

/// Wrong usage; the text says what is right.
type Usage = String;

impl Noun {
    fn plan(self, zone: i16) -> Result<Plan, Usage> {
        match self {
            Self::Agency(verb) => Ok(verb.plan()),
            Self::Domain(verb) => Ok(verb.plan()),
            Self::Account(verb) => verb.plan(),
            Self::Post(verb) => verb.plan(),
            Self::Operator(verb) => Ok(verb.plan()),
            Self::Alias(verb) => Ok(verb.plan()),
            Self::Group(verb) => Ok(verb.plan()),
            Self::Quota(verb) => verb.plan(),
            Self::Password(verb) => verb.plan(),
            Self::AppPassword(verb) => Ok(verb.plan()),
            Self::Queue(verb) => Ok(verb.plan()),
            Self::Quarantine(verb) => Ok(verb.plan()),
            Self::Message(verb) => verb.plan(zone),
            Self::Mailbox(verb) => Ok(verb.plan()),
            Self::Hold(verb) => Ok(verb.plan()),
            Self::List(verb) => verb.plan(zone),
            Self::Trace(args) => args.plan(zone),
            Self::Audit(args) => args.plan(zone),
            Self::Status => Ok(Plan::Do(vec![Request::Status])),
            Self::Reload => Ok(Plan::Do(vec![Request::Reload])),
            Self::Stop => Ok(Plan::Do(vec![Request::Stop])),
        }
    }
}

/// Runs one command.
pub(crate) fn run(config: &Path, json: bool, noun: Noun) -> ExitCode {
    carry_out(config, json, |zone| noun.plan(zone))
}

/// Does what a command asks, which may depend on the time zone of the server.
fn carry_out(config: &Path, json: bool, plan: impl FnOnce(i16) -> Result<Plan, Usage>) -> ExitCode {
    let config = match Config::read(config) {
        Ok(config) => config,
        Err(problems) => {
            crate::complain(&problems);
            return ExitCode::from(USAGE);
        }
    };
    let zone = config.server.zone;
    let plan = match plan(zone) {
        Ok(plan) => plan,
        Err(usage) => {
            eprintln!("error: {usage}");
            return ExitCode::from(USAGE);
        }
    };
    let output = print::Output { json, zone };
    match crate::runtime().block_on(perform(&config, plan, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let refusal = Refusal::from(error);
            output.refusal(&refusal);
            ExitCode::from(if refusal.reason == Reason::Unavailable {
                UNAVAILABLE
            } else {
                REFUSED
            })
        }
    }
}

async fn perform(config: &Config, plan: Plan, output: &print::Output) -> congvu_admin::Result<()> {
    let mut connection = congvu_admin::connect(
        &config.server.data,
        &config.control.socket,
        Options::default(),
    )
    .await?;
    let done = execute(&mut connection, plan, output).await;
    // Closing also when refused; the refusal is the more telling error of the two.
    let closed = connection.close().await;
    done.and(closed)
}

async fn execute(
    connection: &mut Connection,
    plan: Plan,
    output: &print::Output,
) -> congvu_admin::Result<()> {
    match plan {
        Plan::Do(requests) => {
            for request in requests {
                let reply = connection.request(request).await?;
                output.reply(&reply);
            }
        }
        Plan::List(query) => output.reply(&list(connection, query, usize::MAX).await?),
        Plan::Trace(ask) => {
            let lives = congvu_admin::trace::follow(connection, &ask).await?;
            output.lives(&lives);
        }
        Plan::Quarantine(act) => quarantine::perform(connection, act, output).await?,
        Plan::Some(query, limit) => output.reply(&list(connection, query, limit).await?),
        Plan::ListDeleted(query) => undelete::list(connection, query, output).await?,
        Plan::Undelete(wanted) => undelete::undelete(connection, wanted, output).await?,
    }
    Ok(())
}

/// A listing up to `limit` entries.
async fn list(
    connection: &mut Connection,
    query: Query,
    limit: usize,
) -> congvu_admin::Result<Reply> {
    let mut all: Reply = connection.request(Request::Query(query.clone())).await?;
    while all.entries() < limit
        && let Some(next) = all.next()
    {
        let query = query.clone().continued(next);
        all.append(connection.request(Request::Query(query)).await?);
    }
    all.truncate(limit);
    Ok(all)
}
