//! `store check`: everything is read and compared, beside the running server or alone; what is damaged is
//! named as people know it.
//!
//! The log is read by the process that checks, not by the server; the server gives pages of its index.

use std::collections::HashMap;
use std::path::Path;

use congvu_message::summary::Summary;
use congvu_store::check::{Check, Findings, Place, Problem};
use congvu_store::page::Hex;
use congvu_store::{BodyId, LogFiles, Lsn, Options, Store};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::open::{Connection, Site};
use crate::query::Query;
use crate::reply::Reply;
use crate::request::{Request, StoreQuery};
use crate::store::{Progress, blocking, page, position, problems};

/// Mailboxes of one question: each is one view of the index.
const MAILBOXES: usize = 64;

/// A problem with the names that people use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// What and where.
    #[serde(flatten)]
    pub problem: Problem,
    /// Address of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Message-ID, where the body's head is still readable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// Outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Whether nothing is wrong.
    pub whole: bool,
    /// How many problems there are; the list may be shorter.
    pub count: u64,
    /// What is wrong.
    pub problems: Vec<Named>,
    /// Octets of the log.
    pub octets: u64,
    /// Whole bodies in the log.
    pub bodies: u64,
    /// Transactions in the log.
    pub transactions: u64,
    /// Records of the index.
    pub records: u64,
    /// Messages in mailboxes.
    pub messages: u64,
    /// Octets at the end of the log that were never acknowledged.
    pub torn: u64,
}

/// Checks the store of a site.
pub async fn check(site: &Site, progress: Progress) -> Result<Checked> {
    let mut server = site.server().await?;
    let end = match &mut server {
        Some(server) => Some(position(server).await?),
        None => None,
    };
    let files = open_files(&site.data)?;
    if end.is_some_and(|end| end.store != files.store()) {
        return Err(Error::Invalid(format!(
            "the store in {} is not the one that the server at {} uses; check the configuration",
            site.data.display(),
            site.socket.display()
        )));
    }
    let to = end.map(|end| end.lsn);
    let told = progress.clone();
    let check = blocking(move || {
        let mut check = Check::new();
        check.log(&files, to, &mut |done, all| {
            told("reading the log", done, all);
        })?;
        Ok(check)
    })
    .await?;

    let mut further = Vec::new();
    let connection = match server {
        Some(server) => Ok(server),
        None => open_here(site, &mut further).await,
    };
    let (mut findings, names) = match connection {
        Ok(mut connection) => {
            let outcome = with_index(&mut connection, site, check).await;
            connection.close().await?;
            outcome?
        }
        Err(error) => {
            further.push(index_problem(format!("the store does not open: {error}")));
            (check.without_index(), HashMap::new())
        }
    };
    for problem in further {
        findings.add(problem);
    }
    name(&site.data, findings, &names)
}

fn open_files(data: &Path) -> Result<LogFiles> {
    LogFiles::of_store(data).map_err(|error| {
        let remedy = match error {
            congvu_store::Error::Io { .. } => "; run this as root or as the user that runs congvu",
            _ => "",
        };
        let data = data.display();
        Error::Unreachable(format!("cannot read the log in {data}: {error}{remedy}"))
    })
}

fn index_problem(what: String) -> Problem {
    Problem {
        place: Place::Index,
        what,
        account: None,
        mailbox: None,
        uid: None,
        body: None,
        lsn: None,
    }
}

/// Opens the store of a stopped server, as every command does; what that repairs is told.
async fn open_here(site: &Site, further: &mut Vec<Problem>) -> Result<Connection> {
    let (connection, report) = site
        .open(|path| Store::open(path, Options::default()))
        .await?;
    if let Some(why) = report.rebuilt {
        further.push(index_problem(format!(
            "the index could not be used and was made anew from the log: {why}"
        )));
    }
    Ok(connection)
}

type Names = HashMap<u64, String>;

async fn with_index(
    connection: &mut Connection,
    site: &Site,
    mut check: Check,
) -> Result<(Findings, Names)> {
    let mut further = Vec::new();
    let mut from = Some(Hex::default());
    while let Some(place) = from {
        match page(connection, place).await {
            Ok(page) => {
                check.page(&page);
                from = page.next;
            }
            Err(error) => {
                // What could not be read is then reported as missing, record by record.
                further.push(index_problem(format!("the index is not readable: {error}")));
                break;
            }
        }
    }
    for ids in check.mailboxes().chunks(MAILBOXES) {
        let ids = ids.to_vec();
        sums(connection, StoreQuery::Mailboxes { ids }, &mut further).await;
    }
    sums(connection, StoreQuery::Homes, &mut further).await;
    let end: Lsn = position(connection).await?.lsn;
    let data = site.data.clone();
    let mut findings = blocking(move || Ok(check.finish(&open_files(&data)?, Some(end))?)).await?;
    for problem in further {
        findings.add(problem);
    }
    let names = if findings.problems.iter().any(|p| p.account.is_some()) {
        addresses(connection).await?
    } else {
        Names::new()
    };
    Ok((findings, names))
}

/// Sums that cannot be computed, because records are damaged, are a problem themselves.
async fn sums(connection: &mut Connection, query: StoreQuery, found: &mut Vec<Problem>) {
    match problems(connection, query).await {
        Ok(problems) => found.extend(problems),
        Err(error) => found.push(index_problem(format!("sums cannot be checked: {error}"))),
    }
}

/// Addresses of accounts by their number.
async fn addresses(connection: &mut Connection) -> Result<Names> {
    let mut names = Names::new();
    let mut after = None;
    loop {
        let query = Query::Accounts {
            agency: None,
            domain: None,
            kind: None,
            after,
        };
        let Reply::Accounts(page) = connection.request(Request::Query(query)).await? else {
            return Ok(names);
        };
        for account in page.entries {
            let number = account.id.strip_prefix('A').and_then(|id| id.parse().ok());
            if let Some(number) = number {
                names.insert(number, account.address);
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(names);
        }
    }
}

fn name(data: &Path, findings: Findings, names: &Names) -> Result<Checked> {
    let files = open_files(data)?;
    let with_names = |problem: Problem| Named {
        address: problem.account.and_then(|id| names.get(&id.0).cloned()),
        message_id: problem.body.and_then(|body| message_id(&files, body)),
        problem,
    };
    Ok(Checked {
        whole: findings.count == 0,
        count: findings.count,
        problems: findings.problems.into_iter().map(with_names).collect(),
        octets: findings.octets,
        bodies: findings.bodies,
        transactions: findings.transactions,
        records: findings.records,
        messages: findings.messages,
        torn: findings.torn,
    })
}

/// The Message-ID from a body's summary.
pub(crate) fn message_id(files: &LogFiles, body: BodyId) -> Option<String> {
    let body = files.body(body).ok()?;
    Summary::decode(body.summary()).ok()?.envelope.message_id
}
