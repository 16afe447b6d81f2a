//! Deliver: the message is complete. Verdict by its header, summary, verdict by its author, plan, the filter's verdict,
//! placement, and the reply with the id under which it can be followed.
//!
//! What only our own copies have stands in front of the octets that are sent on: Return-Path, then what the filter says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use congvu_directory::{Recipient, Resolution};
use congvu_guard::correspondence::Sent;
use congvu_guard::learn::{self, Reported};
use congvu_guard::{Gathered, Glance, Ruling};
use congvu_message::Summary;
use congvu_smtp::ask::{self, Answer, Kind, Reply};
use congvu_store::queue::{self, Lane, NewEntry};
use congvu_store::{BodyId, Draft, Flags, NewBody, NewMessage};
use tracing::{error, info};

use crate::Shared;
use crate::facts::Connection;
use crate::filter;
use crate::notice;
use crate::place::{Letter, Placed, place};
use crate::plan::{Plan, plan};
use crate::quarantine::Shown;
use crate::rcpt::Accepted;
use crate::record;
use crate::refusal::Refusal;
use crate::transaction::Transaction;
use crate::verdict::{Verdict, judge, judge_author};

/// Messages above this are parsed only a few at a time, as parsing wants the octets in one piece.
const LARGE: u64 = 1024 * 1024;

/// Messages up to this are parsed and compressed in place: it takes two milliseconds at most, and handing them to
/// another thread and waking up again costs CPU time and gains nothing while all processors are busy.
const SMALL: u64 = 256 * 1024;

/// Longest Message-ID that is logged, octets: a line of a header (RFC 5322 section 2.1.1).
const MESSAGE_ID_MOST: usize = 998;

/// Delivers and answers: one reply; over LMTP one for each accepted recipient.
pub(crate) async fn deliver(
    shared: &Shared,
    connection: &Connection,
    mut transaction: Transaction,
) -> Answer {
    let size = transaction.received();
    let outcome = receive(shared, connection, &mut transaction).await;
    log(connection, &transaction, size, &outcome);
    if let Err(refusal) = &outcome {
        shared
            .refused
            .message(&shared.store, connection, &transaction, &refusal.reply());
    }
    answer(
        connection.kind,
        &transaction.id,
        &transaction.rcpts,
        outcome,
    )
}

/// One line a message. Never its subject or body.
fn log(
    connection: &Connection,
    transaction: &Transaction,
    size: u64,
    outcome: &Result<Placed, Refusal>,
) {
    let Transaction {
        id,
        sender,
        rcpts,
        message_id,
        judged,
        ..
    } = transaction;
    let (verdict, p) = judged.as_ref().map_or(("none", 0.0), |judged| {
        (judged.verdict.as_str(), f32::from(judged.unwanted) / 1000.0)
    });
    let (from, claims_local) = (&sender.mail.from, sender.claims_local);
    let (to, rcpts) = (transaction.shown_rcpts(), rcpts.len());
    let (kind, account, tls) = (
        connection.kind,
        connection.account(),
        connection.tls_version(),
    );
    let (remote, port) = (connection.peer.remote.ip(), connection.peer.remote.port());
    match outcome {
        Ok(Placed {
            copies,
            queued,
            full,
            held,
        }) => {
            let (queued, full, held) =
                (queued.map_or(0, |queued| queued.0), full.len(), held.len());
            info!(
                id, from, to, rcpts, size, copies, queued, full, held, verdict, p, message_id, ?kind, tls, account, claims_local, %remote, port,
                "accept message"
            );
        }
        Err(refusal) => {
            let Reply {
                code, text: reason, ..
            } = refusal.reply();
            info!(
                id, from, to, rcpts, size, code, reason, verdict, p, message_id, ?kind, tls, account, claims_local, %remote, port,
                "refuse message"
            );
        }
    }
}

fn answer(kind: Kind, id: &str, rcpts: &[Accepted], outcome: Result<Placed, Refusal>) -> Answer {
    let queued = || Reply::new(250, (2, 0, 0), format!("Ok: queued as {id}"));
    match (kind, outcome) {
        (Kind::Lmtp, Ok(placed)) => {
            let each = |rcpt: &Accepted| {
                let full = rcpt
                    .only_account()
                    .is_some_and(|account| placed.full.contains(&account));
                if full {
                    Refusal::OverQuota(rcpt.shown()).reply()
                } else {
                    queued()
                }
            };
            Answer::Replies(rcpts.iter().map(each).collect())
        }
        (Kind::Lmtp, Err(refusal)) => {
            Answer::Replies(rcpts.iter().map(|_| refusal.reply()).collect())
        }
        (_, Ok(_)) => Answer::Reply(queued()),
        (_, Err(refusal)) => Answer::Reply(refusal.reply()),
    }
}

async fn receive(
    shared: &Shared,
    connection: &Connection,
    transaction: &mut Transaction,
) -> Result<Placed, Refusal> {
    let arrived = transaction.finish(shared, connection)?;
    if let Verdict::Refuse(refusal) = judge(connection, &arrived.header) {
        return Err(refusal);
    }
    let watched = filter::watches(connection);
    let report = filter::report(shared, connection, transaction);
    let read = read(shared, arrived.draft, watched, report.is_some()).await?;
    transaction.message_id = read
        .summary
        .envelope
        .message_id
        .clone()
        .filter(|id| id.len() <= MESSAGE_ID_MOST);
    if let Verdict::Refuse(refusal) =
        judge_author(connection, &shared.directory, &arrived.header.octets).await?
    {
        return Err(refusal);
    }
    let plan = plan(&transaction.rcpts);
    let gathered = if watched {
        filter::gather(shared, connection, transaction, &plan, &read).await
    } else {
        None
    };
    let shown = if gathered.is_some() {
        Shown::of(&read.summary.envelope)
    } else {
        Shown::default()
    };
    let labels = filter::labels(shared, connection, report, &read).await;
    let front = format!("Return-Path: <{}>\r\n", transaction.sender.mail.from);
    let Sealed { body, skip, ruling } = seal(shared, read, front, gathered).await?;
    if let Some(ruling) = &ruling {
        transaction.judged = Some(filter::told(ruling));
        if ruling.refuses() {
            let contact = format!("postmaster@{}", shared.settings.hostname);
            return Err(Refusal::Spam(contact));
        }
        if ruling.defers() {
            return Err(Refusal::ComeAgain);
        }
    }
    let notices =
        notice::of_delivery(shared, connection.kind, transaction, &arrived.header.octets).await?;
    let letter = Letter {
        kind: connection.kind,
        message: NewMessage {
            flags: Flags::default(),
            keywords: Vec::new(),
            date: transaction.at.seconds(),
            zone: shared.settings.zone,
        },
        entry: entry(
            connection,
            transaction,
            &plan,
            &body,
            skip,
            arrived.eight_bit,
        ),
        first: transaction.rcpts.first().ok_or(Refusal::Failed)?.shown(),
        told: record::accepted(connection, transaction, &plan, body.len()),
        body,
        sent: sent(shared, connection, transaction, &plan).await,
        plan,
        ruling,
        shown,
        labels,
        notices,
    };
    let ruling = letter.ruling.clone();
    let accounts: Vec<_> = letter
        .plan
        .local
        .iter()
        .map(|place| place.account)
        .collect();
    let placed = place(&shared.store, letter).await?;
    if let Some(ruling) = ruling {
        let at = transaction.at.seconds();
        shared
            .guard
            .settled(&ruling, &transaction.id, &accounts, at);
    }
    Ok(placed)
}

/// What the guard writes down of a letter that an account of ours sends: for the account that logged in, and for the
/// post that it writes as.
async fn sent(
    shared: &Shared,
    connection: &Connection,
    transaction: &Transaction,
    plan: &Plan,
) -> Vec<Sent> {
    let Some(login) = connection.login.as_ref().filter(|_| connection.submits()) else {
        return Vec::new();
    };
    if plan.foreign.is_empty() {
        return Vec::new();
    }
    let mut accounts = vec![login.account];
    if let Some(address) = &transaction.sender.address
        && let Ok(Resolution::Recipients(targets)) = shared.directory.resolve(address).await
        && let [Recipient::Account { account, .. }] = targets.as_slice()
        && *account != login.account
    {
        accounts.push(*account);
    }
    let to: Vec<String> = plan
        .foreign
        .iter()
        .map(|rcpt| rcpt.address.clone())
        .collect();
    let of = |account| Sent {
        account,
        message_id: transaction.message_id.clone(),
        to: to.clone(),
        at: transaction.at.seconds(),
    };
    accounts.into_iter().map(of).collect()
}

/// A message that was read once.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Its octets.
    pub draft: Draft,
    /// Its summary.
    pub summary: Summary,
    /// What the filter's look-ups need of it.
    pub glance: Glance,
    /// The letters that it reports.
    pub reported: Option<Reported>,
}

/// A message as it will be stored.
#[derive(Debug)]
struct Sealed {
    body: NewBody,
    /// Octets in front that are not sent on.
    skip: u32,
    /// What the filter says.
    ruling: Option<Ruling>,
}

/// Parses, and reads what the filter needs to ask.
async fn read(
    shared: &Shared,
    draft: Draft,
    watched: bool,
    report: bool,
) -> Result<Reading, Refusal> {
    let guard = shared.guard.clone();
    heavy(shared, draft.len(), move || {
        let raw = draft.raw()?;
        let summary = congvu_message::summarize(&raw);
        let glance = if watched {
            filter::glance(&guard, &raw, &summary)
        } else {
            Glance::default()
        };
        let reported = report.then(|| learn::reported(&raw, &summary));
        drop(raw);
        Ok(Reading {
            draft,
            summary,
            glance,
            reported,
        })
    })
    .await
}

/// Scans, puts in front what only our own copies have, and compresses.
async fn seal(
    shared: &Shared,
    read: Reading,
    mut front: String,
    gathered: Option<Gathered>,
) -> Result<Sealed, Refusal> {
    let Reading {
        mut draft,
        mut summary,
        ..
    } = read;
    let long = gathered.as_ref().is_some_and(Gathered::takes_long);
    let octets = draft.len().max(if long { SMALL + 1 } else { 0 });
    heavy(shared, octets, move || {
        let ruling = gathered.and_then(|gathered| filter::judge(&gathered, &draft, &summary));
        if let Some(ruling) = &ruling {
            front.push_str(&ruling.header);
        }
        let skip = u32::try_from(front.len()).map_err(|_| Refusal::Failed)?;
        draft.prepend(front.as_bytes())?;
        summary.shift(skip.into());
        Ok(Sealed {
            body: draft.finish(&summary.encode())?,
            skip,
            ruling,
        })
    })
    .await
}

/// Does what takes all octets of a message: in place if it is small, otherwise off the executor, large ones only a few
/// at a time. A message at which our code panics is refused for the moment.
async fn heavy<T: Send + 'static>(
    shared: &Shared,
    octets: u64,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    if octets <= SMALL {
        return catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            error!("refuse mail: parsing failed");
            Err(Refusal::Failed)
        });
    }
    let _turn = if octets > LARGE {
        Some(shared.large.acquire().await.map_err(|_| Refusal::Failed)?)
    } else {
        None
    };
    let done = tokio::task::spawn_blocking(work);
    done.await.unwrap_or_else(|panic| {
        error!(%panic, "refuse mail: parsing failed");
        Err(Refusal::Failed)
    })
}

/// The envelope for copies that go on.
fn entry(
    connection: &Connection,
    transaction: &Transaction,
    plan: &Plan,
    body: &NewBody,
    skip: u32,
    eight_bit: bool,
) -> NewEntry {
    let mail = &transaction.sender.mail;
    NewEntry {
        lane: Lane::Normal,
        sender: transaction
            .sender
            .address
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        body: BodyId::default(),
        frame: 0,
        skip,
        size: body.len().saturating_sub(skip.into()),
        account: connection.login.as_ref().map(|login| login.account),
        envid: mail.envid.clone(),
        ret: mail.ret.map(|ret| match ret {
            ask::Ret::Full => queue::Ret::Full,
            ask::Ret::Headers => queue::Ret::Headers,
        }),
        // An alias can lead to an internationalized address that the client did not name.
        utf8: mail.utf8 || plan.foreign.iter().any(|rcpt| !rcpt.address.is_ascii()),
        body_kind: match mail.body {
            ask::BodyKind::Binary => queue::BodyKind::Binary,
            ask::BodyKind::EightBit => queue::BodyKind::EightBit,
            // Said or not: the next server must know what comes.
            ask::BodyKind::SevenBit if eight_bit => queue::BodyKind::EightBit,
            ask::BodyKind::SevenBit => queue::BodyKind::SevenBit,
        },
        hold: None,
        trace: transaction.id.clone(),
    }
}
