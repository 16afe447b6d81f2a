//! The filter's seat: what reception tells the guard about a letter, and what it makes of the answer.
//!
//! Judged is what comes from outside: from other servers without login, unless they may relay here, and over LMTP. What
//! our own accounts submit is not. Invariant: whatever fails here, the letter goes on, unjudged.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use congvu_guard::learn::Label;
use congvu_guard::{Arrival, Asked, Gathered, Glance, Guard, Ruling};
use congvu_message::Summary;
use congvu_smtp::ask::Kind;
use congvu_spam::facts::Login;
use congvu_spam::statistics::Class;
use congvu_store::Draft;
use congvu_store::trace::Judged;
use tokio::time::timeout;
use tracing::error;

use crate::Shared;
use crate::deliver::Reading;
use crate::facts::Connection;
use crate::plan::Plan;
use crate::transaction::Transaction;

/// How long facts are gathered at most. Look-ups have shorter times of their own; clients wait ten minutes for the answer
/// to the end of a letter (RFC 5321 section 4.5.3.2.6).
const GATHER_MOST: Duration = Duration::from_secs(10);
/// Reasons told in the trace.
const REASONS_TOLD: usize = 6;

/// Whether letters of this connection are judged.
pub(crate) fn watches(connection: &Connection) -> bool {
    match connection.kind {
        Kind::Mx => connection.login.is_none() && !connection.relay_peer,
        Kind::Lmtp => true,
        Kind::Submission => false,
    }
}

/// What a letter says of those in it: it came from one of our accounts and goes to a report address.
pub(crate) fn report(
    shared: &Shared,
    connection: &Connection,
    transaction: &Transaction,
) -> Option<Class> {
    connection.login.as_ref()?;
    let to = transaction.rcpts.iter().map(|rcpt| rcpt.rcpt.to.as_str());
    shared.guard.report_to(to)
}

/// The labels that follow from a report.
pub(crate) async fn labels(
    shared: &Shared,
    connection: &Connection,
    class: Option<Class>,
    read: &Reading,
) -> Vec<Label> {
    let (Some(class), Some(login), Some(reported)) = (class, &connection.login, &read.reported)
    else {
        return Vec::new();
    };
    shared
        .guard
        .labels_of(login.account, class, reported.clone())
        .await
}

/// Reads what the look-ups need of a letter.
pub(crate) fn glance(guard: &Guard, raw: &[u8], summary: &Summary) -> Glance {
    careful(|| guard.glance(raw, summary)).unwrap_or_default()
}

/// Gathers facts; `None`: the letter is not judged.
pub(crate) async fn gather(
    shared: &Shared,
    connection: &Connection,
    transaction: &Transaction,
    plan: &Plan,
    read: &Reading,
) -> Option<Gathered> {
    if plan.local.is_empty() {
        return None;
    }
    let direct = connection.kind == Kind::Mx;
    let hello = connection.hello.as_ref().filter(|_| direct);
    let arrival = Arrival {
        client: direct.then(|| connection.peer.remote.ip().to_canonical()),
        helo: hello.map(|hello| hello.name.clone()),
        early_talk: direct && connection.early_talk,
        tls: connection.tls.is_some(),
        login: Login::Nobody,
        sender: transaction.sender.mail.from.clone(),
        to: transaction
            .rcpts
            .iter()
            .map(|rcpt| rcpt.rcpt.to.clone())
            .collect(),
        accounts: plan.local.iter().map(|place| place.account).collect(),
        refusable: direct && plan.foreign.is_empty(),
        at: transaction.at.seconds(),
        octets: read.draft.len(),
        asked: Asked {
            client: connection.asked.clone(),
            sender: transaction.asked.clone(),
        },
    };
    let gathering = shared.guard.gather(&arrival, &read.summary, &read.glance);
    let mut gathering = pin!(gathering);
    let careful = poll_fn(|context| {
        careful(|| gathering.as_mut().poll(context)).unwrap_or(Poll::Ready(None))
    });
    timeout(GATHER_MOST, careful).await.unwrap_or_else(|_| {
        error!(
            id = transaction.id,
            "letter not judged: facts took too long"
        );
        None
    })
}

/// Scans a letter; `None` if that failed.
pub(crate) fn judge(gathered: &Gathered, draft: &Draft, summary: &Summary) -> Option<Ruling> {
    let raw = draft.raw();
    let raw = raw.inspect_err(|error| error!(%error, "letter not judged: reading it failed"));
    let raw = raw.ok()?;
    careful(|| gathered.judge(&raw, summary))
}

/// What the trace tells of a judgement.
pub(crate) fn told(ruling: &Ruling) -> Judged {
    let judgement = &ruling.judgement;
    let names = judgement.evidence.iter().map(|found| found.name);
    Judged {
        unwanted: thousandths(judgement.probability),
        verdict: judgement.verdict.name().to_owned(),
        reasons: names.take(REASONS_TOLD).map(str::to_owned).collect(),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "cut to 0..=1000 before"
)]
fn thousandths(probability: f32) -> u16 {
    (probability * 1000.0).clamp(0.0, 1000.0) as u16
}

/// Does something of the filter's; `None`, and a line in the log, if it panics.
fn careful<T>(work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    if done.is_err() {
        error!("letter not judged: the filter failed");
    }
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_verdict() {
        assert_eq!(careful(|| 1), Some(1));
        assert_eq!(careful(|| -> u8 { panic!("a stage that is broken") }), None);
    }

    #[test]
    fn thousandths_stay_within_their_bounds() {
        let all = [-1.0, 0.0, 0.25, 0.9999, 1.0, 2.0, f32::NAN].map(thousandths);
        assert_eq!(all, [0, 0, 250, 999, 1000, 1000, 0]);
    }
}
