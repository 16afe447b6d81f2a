//! Deliver: the message is complete. Verdict by its header, summary, verdict by its author, plan, placement,
//! and the reply with the id under which it can be followed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use congvu_message::Envelope;
use congvu_smtp::ask::{self, Answer, Kind, Reply};
use congvu_store::queue::{self, Lane, NewEntry};
use congvu_store::{BodyId, Draft, Flags, NewBody, NewMessage};
use tracing::{error, info};

use crate::Shared;
use crate::facts::Connection;
use crate::notice;
use crate::place::{Letter, Placed, place};
use crate::plan::{Plan, plan};
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
        ..
    } = transaction;
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
        }) => {
            let (queued, full) = (queued.map_or(0, |queued| queued.0), full.len());
            info!(
                id, from, to, rcpts, size, copies, queued, full, message_id, ?kind, tls, account, claims_local, %remote, port,
                "accept message"
            );
        }
        Err(refusal) => {
            let Reply {
                code, text: reason, ..
            } = refusal.reply();
            info!(
                id, from, to, rcpts, size, code, reason, message_id, ?kind, tls, account, claims_local, %remote, port,
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
    let (body, envelope) = derive(shared, arrived.draft).await?;
    transaction.message_id = envelope
        .message_id
        .clone()
        .filter(|id| id.len() <= MESSAGE_ID_MOST);
    if let Verdict::Refuse(refusal) =
        judge_author(connection, &shared.directory, &arrived.header.octets).await?
    {
        return Err(refusal);
    }
    let plan = plan(&transaction.rcpts);
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
            arrived.skip,
            arrived.eight_bit,
        ),
        first: transaction.rcpts.first().ok_or(Refusal::Failed)?.shown(),
        told: record::accepted(connection, transaction, &plan, body.len()),
        body,
        plan,
        notices,
    };
    place(&shared.store, letter).await
}

/// Parses once, off the executor unless the message is small; one that makes the parser panic is refused.
async fn derive(shared: &Shared, draft: Draft) -> Result<(NewBody, Envelope), Refusal> {
    if draft.len() <= SMALL {
        let derived = catch_unwind(AssertUnwindSafe(|| summarized(draft)));
        return derived.unwrap_or_else(|_| {
            error!("refuse mail: parsing failed");
            Err(Refusal::Failed)
        });
    }
    let _turn = if draft.len() > LARGE {
        Some(shared.large.acquire().await.map_err(|_| Refusal::Failed)?)
    } else {
        None
    };
    let derived = tokio::task::spawn_blocking(move || summarized(draft));
    derived.await.unwrap_or_else(|panic| {
        error!(%panic, "refuse mail: parsing failed");
        Err(Refusal::Failed)
    })
}

fn summarized(draft: Draft) -> Result<(NewBody, Envelope), Refusal> {
    let summary = congvu_message::summarize(&draft.raw()?);
    Ok((draft.finish(&summary.encode())?, summary.envelope))
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
