//! The end of an attempt: statuses, notices and the next instant, in one transaction.
//!
//! Invariant: a recipient becomes final in the same transaction that queues or delivers the notice about
//! it. Before that transaction is durable the recipient is still owed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use congvu_directory::resolve::{self, Recipient, Resolution};
use congvu_directory::{Error, Result};
use congvu_message::Address;
use congvu_net::Shutdown;
use congvu_store::queue::{Entry, NewEntry, NewRcpt, Outcome, QueueWrite, Rcpt};
use congvu_store::trace::{
    Accepted, Attempt, Client, Door, Event, Fate, Placed as Copied, Tls, Tried,
};
use congvu_store::tx::Quota;
use congvu_store::{Flags, NewBody, NewMessage, Read, Tx};
use tracing::{error, info, warn};

use crate::batch::{Batch, NoBatch};
use crate::dispatch::Shared;
use crate::report::{self, Letter, Report};
use crate::schedule::Next;
use crate::verdict::Verdict;

/// Pause before a transaction that the store refused is tried again (full disk).
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// What else decides about notices, and with whom we spoke.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    /// The server's name; empty when none was reached.
    pub(crate) host: String,
    /// Its address.
    pub(crate) address: Option<IpAddr>,
    /// The handshake, and whether the certificate was verified.
    pub(crate) tls: Option<(Tls, bool)>,
    /// The next server offers DSN and was told what the sender wants.
    pub(crate) notices_passed_on: bool,
    /// The next server is the last (LMTP).
    pub(crate) last_hop: bool,
}

/// One transaction to be done, repeatable.
struct Plan {
    entry: Entry,
    /// By domain: (index, outcome).
    outcomes: Vec<(String, Vec<(u32, Outcome)>)>,
    warned: Vec<Rcpt>,
    told: Attempt,
    notice: Option<(Address, Letter, NewBody)>,
    zone: i16,
}

/// Where a notice went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placed {
    /// None was needed, or the entry is gone.
    Nothing,
    /// Into this many mailboxes, and to this many recipients elsewhere.
    Sent(usize, usize),
    /// Nobody has the sender's address (any more).
    Nowhere,
}

/// Records what came of a batch, `verdicts` in the order of its recipients. Goes on until the store takes
/// it or the server stops: what was delivered must not be sent again while we know it.
pub(crate) async fn settle(
    shared: &Shared,
    batch: Batch,
    verdicts: Vec<Verdict>,
    context: Context,
    shutdown: &Shutdown,
) {
    if batch.rcpts.is_empty() {
        return;
    }
    let mut shutdown = shutdown.clone();
    let entry = batch.entry.id;
    let plan = loop {
        match plan(shared, &batch, &verdicts, &context).await {
            Ok(plan) => break Arc::new(plan),
            Err(error) => {
                error!(%entry, %error, "cannot prepare a notice");
                if !pause(&mut shutdown).await {
                    return;
                }
            }
        }
    };
    loop {
        let again = Arc::clone(&plan);
        match shared.store().transact(move |tx| again.run(tx)).await {
            Ok(placed) => {
                tell(&plan.entry, placed);
                return;
            }
            Err(error) => {
                error!(%entry, %error, "cannot record what came of an attempt");
                if !pause(&mut shutdown).await {
                    return;
                }
            }
        }
    }
}

/// A task that could not even be loaded: nothing is lost by it, an administrator has to look.
pub(crate) async fn set_aside(shared: &Shared, none: NoBatch, shutdown: &Shutdown) {
    match none {
        NoBatch::Gone => {}
        NoBatch::Trouble(error) => {
            warn!(%error, "cannot read the queue");
            pause(&mut shutdown.clone()).await;
        }
        NoBatch::Unreadable(entry, reason) => {
            error!(entry = %entry.id, trace = entry.trace, reason, "message unreadable, entry held");
            hold(
                shared,
                &entry,
                format!("the message cannot be read: {reason}"),
            )
            .await;
        }
    }
}

/// Holds an entry with a reason.
pub(crate) async fn hold(shared: &Shared, entry: &Entry, reason: String) {
    let id = entry.id;
    if let Err(error) = shared
        .store()
        .transact(move |tx| tx.hold(id, &reason))
        .await
    {
        error!(entry = %id, %error, "cannot hold an entry");
    }
}

async fn pause(shutdown: &mut Shutdown) -> bool {
    tokio::select! {
        () = shutdown.stopping() => false,
        () = tokio::time::sleep(STORE_PAUSE) => true,
    }
}

async fn plan(
    shared: &Shared,
    batch: &Batch,
    verdicts: &[Verdict],
    context: &Context,
) -> Result<Plan> {
    let settings = shared.settings();
    let now = shared.now();
    let entry = &batch.entry;
    let mut plan = Plan {
        entry: entry.clone(),
        outcomes: Vec::new(),
        warned: Vec::new(),
        told: Attempt {
            id: entry.trace.clone(),
            queue: entry.id,
            host: context.host.clone(),
            address: context.address,
            tls: context.tls.clone(),
            tried: Vec::new(),
            notice: None,
        },
        notice: None,
        zone: settings.zone,
    };
    let mut reports = Vec::new();
    for (rcpt, verdict) in batch.rcpts.iter().zip(verdicts) {
        let attempts = rcpt.attempts.saturating_add(1);
        let outcome = match verdict.clone() {
            Verdict::Delivered(reason) => {
                reports.extend(Report::delivered(rcpt, &reason, now, context));
                Outcome::Delivered {
                    reply: reason.text,
                    remote: reason.remote,
                }
            }
            Verdict::Failed(reason) => {
                reports.extend(Report::failed(rcpt, &reason, now));
                Outcome::Failed {
                    reply: reason.text,
                    remote: reason.remote,
                }
            }
            Verdict::Later(mut reason) => {
                match settings.schedule.decide(attempts, entry.arrived, now) {
                    Next::Again { at, warn } => {
                        if warn && !rcpt.warned {
                            let until = settings.schedule.until(entry.arrived);
                            reports.extend(Report::delayed(rcpt, &reason, now, until));
                            plan.warned.push(rcpt.clone());
                        }
                        Outcome::Deferred {
                            next: at,
                            reply: reason.text,
                            remote: reason.remote,
                        }
                    }
                    Next::GiveUp => {
                        reason.status = (5, 4, 7);
                        reason.text.push_str(" (given up: not delivered in time)");
                        reports.extend(Report::failed(rcpt, &reason, now));
                        Outcome::Failed {
                            reply: reason.text,
                            remote: reason.remote,
                        }
                    }
                }
            }
        };
        log(entry, rcpt, &outcome);
        tell_tried(&mut plan.told.tried, rcpt, &outcome);
        match plan
            .outcomes
            .iter_mut()
            .find(|(domain, _)| *domain == rcpt.domain)
        {
            Some((_, of_domain)) => of_domain.push((rcpt.index, outcome)),
            None => plan
                .outcomes
                .push((rcpt.domain.clone(), vec![(rcpt.index, outcome)])),
        }
    }
    // Nobody answers a notice: the null reverse-path gets none (RFC 5321 section 6.1).
    if !reports.is_empty() && !entry.sender.is_empty() {
        match Address::parse(&entry.sender) {
            Ok(to) => {
                let letter = report::letter(shared.store(), &settings, batch, reports, now).await?;
                plan.told.notice = Some(letter.trace.clone());
                let summary = congvu_message::summarize(&letter.octets).encode();
                let body = shared.store().prepare(&letter.octets, &summary)?;
                plan.notice = Some((to, letter, body));
            }
            Err(error) => {
                warn!(entry = %entry.id, %error, "no notice: the sender's address is not valid");
            }
        }
    }
    Ok(plan)
}

impl Plan {
    fn run(&self, tx: &mut Tx<'_>) -> Result<Placed> {
        let mut changed = false;
        for (domain, outcomes) in &self.outcomes {
            if let Some(settled) = tx.settle(self.entry.id, domain, outcomes)? {
                changed |= !settled.rcpts.is_empty();
            }
        }
        if !changed {
            return Ok(Placed::Nothing);
        }
        tx.trace(Event::Attempt(self.told.clone()))?;
        if tx.get::<Entry>(&self.entry.id)?.is_some() {
            self.warn(tx)?;
        }
        match &self.notice {
            Some((to, letter, body)) => self.place(tx, to, letter, body),
            None => Ok(Placed::Nothing),
        }
    }

    /// What is told of the notice; where it went is filled in the transaction.
    fn notice_told(&self, to: &Address, letter: &Letter) -> Accepted {
        Accepted {
            id: letter.trace.clone(),
            about: Some(self.entry.trace.clone()),
            door: Door::Notice,
            client: Client::default(),
            sender: String::new(),
            message_id: None,
            size: letter.size,
            judged: None,
            rcpts: vec![to.to_string()],
            others: Vec::new(),
            placed: Vec::new(),
            full: Vec::new(),
            queued: None,
        }
    }

    fn warn(&self, tx: &mut Tx<'_>) -> Result<()> {
        Ok(tx.warned(&self.warned)?)
    }

    /// To the sender's mailbox if he is ours, else into the queue.
    fn place(
        &self,
        tx: &mut Tx<'_>,
        to: &Address,
        letter: &Letter,
        body: &NewBody,
    ) -> Result<Placed> {
        let found = match resolve::resolve(tx, to) {
            Ok(found) => found,
            Err(error @ Error::Store(_)) => return Err(error),
            // An address that leads nowhere sensible: the notice has no reader, the log has its story.
            Err(_) => Resolution::Unknown,
        };
        let recipients = match found {
            Resolution::Foreign => vec![Recipient::Foreign(to.clone())],
            Resolution::Recipients(recipients) => recipients,
            Resolution::Unknown | Resolution::Disabled => Vec::new(),
        };
        let mut told = self.notice_told(to, letter);
        let mut foreign = Vec::new();
        for recipient in recipients {
            match recipient {
                Recipient::Account { account, .. } => {
                    let Some(inbox) = tx.mailbox_named(account, "INBOX")? else {
                        continue;
                    };
                    let message = NewMessage {
                        flags: Flags::default(),
                        keywords: Vec::new(),
                        date: tx.now().seconds(),
                        zone: self.zone,
                    };
                    // A notice must arrive also in a full mailbox.
                    let placed = tx.append(inbox.id, body, &message, Quota::Ignore)?;
                    told.placed.push(Copied {
                        account,
                        mailbox: inbox.id,
                        uid: placed.uid,
                    });
                }
                Recipient::Foreign(address) => foreign.push(NewRcpt {
                    address: address.to_wire(),
                    domain: address.domain,
                    notify: None,
                    orcpt: None,
                }),
            }
        }
        if !foreign.is_empty() {
            let new = NewEntry {
                lane: self.entry.lane,
                sender: String::new(),
                body: tx.attach(body)?,
                frame: 0,
                skip: letter.skip,
                size: letter.size,
                account: None,
                envid: None,
                ret: None,
                utf8: letter.utf8 || foreign.iter().any(|rcpt| !rcpt.address.is_ascii()),
                body_kind: letter.body_kind,
                hold: None,
                trace: letter.trace.clone(),
            };
            told.queued = Some(tx.enqueue(&new, &foreign)?);
        }
        let local = told.placed.len();
        tx.trace(Event::Accepted(told))?;
        Ok(if local + foreign.len() == 0 {
            Placed::Nowhere
        } else {
            Placed::Sent(local, foreign.len())
        })
    }
}

/// Adds a recipient to those that had the same fate for the same reason.
fn tell_tried(all: &mut Vec<Tried>, rcpt: &Rcpt, outcome: &Outcome) {
    let (fate, reply, next) = match outcome {
        Outcome::Delivered { reply, .. } => (Fate::Delivered, reply, None),
        Outcome::Deferred { reply, next, .. } => (Fate::Deferred, reply, Some(*next)),
        Outcome::Failed { reply, .. } => (Fate::Returned, reply, None),
    };
    let same = |tried: &&mut Tried| tried.fate == fate && tried.reply == *reply;
    if let Some(tried) = all.iter_mut().find(same) {
        // Their next instants differ by the scatter alone: the first is told.
        tried.rcpts.push(rcpt.address.clone());
        tried.next = tried.next.min(next);
        return;
    }
    all.push(Tried {
        fate,
        reply: reply.clone(),
        next,
        rcpts: vec![rcpt.address.clone()],
    });
}

fn log(entry: &Entry, rcpt: &Rcpt, outcome: &Outcome) {
    let (status, reply, remote) = match outcome {
        Outcome::Delivered { reply, remote } => ("delivered", reply, remote),
        Outcome::Deferred { reply, remote, .. } => ("deferred", reply, remote),
        Outcome::Failed { reply, remote } => ("failed", reply, remote),
    };
    info!(
        entry = %entry.id, trace = entry.trace, to = rcpt.address, status, attempts = rcpt.attempts + 1, ?reply,
        remote = remote.as_deref(), "recipient settled"
    );
}

fn tell(entry: &Entry, placed: Placed) {
    match placed {
        Placed::Nothing => {}
        Placed::Sent(local, foreign) => {
            info!(entry = %entry.id, trace = entry.trace, local, foreign, "notice sent");
        }
        Placed::Nowhere => warn!(entry = %entry.id, trace = entry.trace, "notice has no reader"),
    }
}
