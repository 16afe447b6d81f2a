//! Placement: the one transaction that puts a message into every local mailbox and queues it for everybody
//! else, together with the notices it causes.
//!
//! Invariant: a client hears 250 only after this transaction is durable, and it is all or nothing; over LMTP
//! alone, where each recipient has a reply of its own, those whose mailbox is full are left out.

use std::collections::HashSet;
use std::sync::Arc;

use congvu_guard::Ruling;
use congvu_guard::correspondence::{self, Sent};
use congvu_guard::learn::{self, Label};
use congvu_message::Address;
use congvu_smtp::ask::Kind;
use congvu_spam::{Judgement, Verdict};
use congvu_store::queue::{NewEntry, NewRcpt, QueueId, QueueWrite};
use congvu_store::trace::{Accepted, Event};
use congvu_store::tx::Quota;
use congvu_store::{AccountId, NewBody, NewMessage, Store, Tx, trace};

use crate::plan::Plan;
use crate::policy;
use crate::quarantine::{self, Shown};
use crate::quota::{self, Limit};
use crate::refusal::Refusal;

/// A message ready to be placed.
#[derive(Debug)]
pub(crate) struct Letter {
    /// How it came.
    pub kind: Kind,
    /// The stored octets.
    pub body: NewBody,
    /// Flags and date of local copies.
    pub message: NewMessage,
    /// Who gets it.
    pub plan: Plan,
    /// What the filter says.
    pub ruling: Option<Ruling>,
    /// What is written down if an account of ours sends it.
    pub sent: Vec<Sent>,
    /// What it says of itself, for those who find it in quarantine.
    pub shown: Shown,
    /// What its sender says of letters that it reports.
    pub labels: Vec<Label>,
    /// Envelope of the copies to be sent; its `body` is filled in the transaction.
    pub entry: NewEntry,
    /// First recipient, named when all mailboxes are full.
    pub first: Address,
    /// Notices to the sender that become true with the placement.
    pub notices: Vec<Notice>,
    /// What is told of it; where it went is filled in the transaction.
    pub told: Accepted,
}

/// A confirmation to the sender, prepared.
#[derive(Debug)]
pub(crate) struct Notice {
    /// Its octets.
    pub body: NewBody,
    /// Only if this account got its copy.
    pub of: Option<AccountId>,
    /// Our accounts that get it.
    pub local: Vec<AccountId>,
    /// Where else it goes.
    pub foreign: Vec<NewRcpt>,
    /// Envelope for those.
    pub entry: NewEntry,
}

impl Letter {
    /// What happens to an account's copy.
    fn verdict(&self, account: AccountId) -> Verdict {
        let ruling = self.ruling.as_ref();
        ruling.map_or(Verdict::Inbox, |ruling| ruling.verdict(account))
    }

    /// What is told of a notice about it.
    fn notice_told(&self, notice: &Notice) -> Accepted {
        Accepted {
            id: notice.entry.trace.clone(),
            about: Some(self.told.id.clone()),
            door: trace::Door::Notice,
            client: trace::Client::default(),
            sender: String::new(),
            message_id: None,
            size: notice.body.len(),
            judged: None,
            rcpts: vec![self.told.sender.clone()],
            others: Vec::new(),
            placed: Vec::new(),
            full: Vec::new(),
            queued: None,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Copies in mailboxes.
    pub copies: usize,
    /// The queue entry, if anybody is elsewhere.
    pub queued: Option<QueueId>,
    /// LMTP: accounts without room, which got no copy.
    pub full: HashSet<AccountId>,
    /// Accounts whose copies are in quarantine.
    pub held: HashSet<AccountId>,
}

/// Places a letter; durable when this returns.
pub(crate) async fn place(store: &Store, letter: Letter) -> Result<Placed, Refusal> {
    let letter = Arc::new(letter);
    store.transact(move |tx| commit(tx, &letter)).await
}

fn commit(tx: &mut Tx<'_>, letter: &Letter) -> Result<Placed, Refusal> {
    let mut placed = Placed {
        full: full(tx, letter)?,
        ..Placed::default()
    };
    let mut told = letter.told.clone();
    let mut frame = 0;
    for place in &letter.plan.local {
        if placed.full.contains(&place.account) {
            continue;
        }
        let verdict = letter.verdict(place.account);
        let detail = place.detail.as_deref();
        if verdict >= Verdict::Quarantine
            && let Some(one) = quarantine::hold(tx, letter, place.account, detail)?
        {
            frame = one.frame;
            placed.held.insert(place.account);
            continue;
        }
        let judgement = letter.ruling.as_ref().map(|ruling| &ruling.judgement);
        let label = judgement.and_then(Judgement::label);
        let mailbox = policy::mailbox_for(tx, place.account, detail, verdict, label)?;
        let message = policy::marked(&letter.message, &mailbox, verdict, judgement);
        // The limits were weighed in `full`; from here on usage is only counted.
        let message = tx.append(mailbox.id, &letter.body, &message, Quota::Ignore)?;
        frame = message.frame;
        told.placed.push(trace::Placed {
            account: place.account,
            mailbox: mailbox.id,
            uid: message.uid,
        });
        placed.copies += 1;
    }
    for sent in &letter.sent {
        correspondence::sent(tx, sent)?;
    }
    if let Some(learned) = letter.ruling.as_ref().and_then(Ruling::learned) {
        correspondence::learn(tx, learned)?;
    }
    for label in &letter.labels {
        learn::label(tx, label)?;
    }
    placed.queued = enqueue(tx, &letter.body, frame, &letter.entry, &letter.plan.foreign)?;
    told.queued = placed.queued;
    told.full = placed.full.iter().copied().collect();
    tx.trace(Event::Accepted(told))?;
    let due = |notice: &&Notice| {
        notice
            .of
            .map_or(placed.copies > 0 || placed.held.is_empty(), |account| {
                !placed.full.contains(&account) && !placed.held.contains(&account)
            })
    };
    for notice in letter.notices.iter().filter(due) {
        let mut frame = 0;
        let mut told = letter.notice_told(notice);
        for account in &notice.local {
            let mailbox = policy::mailbox(tx, *account, None)?;
            let message = tx.append(mailbox.id, &notice.body, &letter.message, Quota::Ignore)?;
            frame = message.frame;
            told.placed.push(trace::Placed {
                account: *account,
                mailbox: mailbox.id,
                uid: message.uid,
            });
        }
        told.queued = enqueue(tx, &notice.body, frame, &notice.entry, &notice.foreign)?;
        tx.trace(Event::Accepted(told))?;
    }
    Ok(placed)
}

fn enqueue(
    tx: &mut Tx<'_>,
    body: &NewBody,
    frame: u32,
    entry: &NewEntry,
    rcpts: &[NewRcpt],
) -> Result<Option<QueueId>, Refusal> {
    if rcpts.is_empty() {
        return Ok(None);
    }
    let body = tx.attach(body)?;
    Ok(Some(tx.enqueue(
        &NewEntry {
            body,
            frame,
            ..entry.clone()
        },
        rcpts,
    )?))
}

/// Who gets no copy for want of room, by the rules of `quota`.
fn full(tx: &Tx<'_>, letter: &Letter) -> Result<HashSet<AccountId>, Refusal> {
    let limit = if letter.kind == Kind::Lmtp {
        Limit::Exact
    } else {
        Limit::Grace
    };
    let mut full = HashSet::new();
    for place in letter.plan.local.iter().filter(|place| place.direct) {
        if !quota::room(tx, place.account, letter.body.len(), limit)? {
            full.insert(place.account);
        }
    }
    if letter.kind == Kind::Lmtp {
        return Ok(full);
    }
    if full.len() == letter.plan.local.len() && letter.plan.foreign.is_empty() {
        return Err(Refusal::OverQuota(letter.first.clone()));
    }
    Ok(HashSet::new())
}
