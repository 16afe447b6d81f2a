//! What became of a letter: trace records read and told, for `congvu trace`.
//!
//! A search has two passes: letters (and refusals) that what was asked for names, then everything that happened
//! to them. Each pass reads in bounded steps. Whoever asks for one agency sees the letters of its people only, and
//! in them no copies of others.

mod view;

use std::collections::{BTreeMap, BTreeSet};

use congvu_directory::find;
use congvu_directory::record::AgencyId;
use congvu_directory::view::Page;
use congvu_message::Address;
use congvu_store::quarantine::End;
use congvu_store::trace::{
    Accepted, Attempt, Door, Event, Key, Place, Placed, QuarantineAct, Quarantined, Refused,
    Removed, Trace, TraceRead, Wanted,
};
use congvu_store::{AccountId, MailboxId, Read, Timestamp, Uid};
use serde::Serialize;

use crate::change::agency_id;
use crate::error::{Error, Result};
use crate::open::Connection;
use crate::query::Query;
use crate::reply::Reply;
use crate::request::Request;

pub use view::{
    AcceptedView, AttemptView, EventView, PlacedView, QuarantinedView, RefusedView, RemovedView,
    TraceView,
};

/// Letters told at once unless asked otherwise.
pub const LETTERS: usize = 50;
/// Records that a letter has in the first pass at most: bounds what is held of an address that is in every letter.
const RECORDS: usize = 20;
/// Copies of one letter that are followed on (moved, expunged): of a circular, the first ones.
const COPIES: usize = 200;

/// A letter, or a refusal of one, with all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Life {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// In order.
    pub events: Vec<TraceView>,
}

/// What to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// A letter's id, a Message-ID or an address.
    pub what: String,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Only letters of this agency and those below.
    pub agency: Option<String>,
    /// The newest so many letters.
    pub most: usize,
}

/// Follows letters; oldest first.
pub async fn follow(connection: &mut Connection, ask: &Ask) -> Result<Vec<Life>> {
    let what = ask.what.trim();
    let keys = if what.contains('@') {
        let bare = what.trim_start_matches('<').trim_end_matches('>');
        vec![Key::MessageId(bare.into()), Key::Address(bare.into())]
    } else {
        vec![Key::Id(what.to_lowercase())]
    };
    let most = ask.most.saturating_mul(RECORDS);
    let mut ids = BTreeMap::new();
    let mut lives = Vec::new();
    let mut known = BTreeSet::new();
    for trace in gather(connection, ask, keys, most, (ask.since, ask.until)).await? {
        match trace.event.id() {
            Some(id) => {
                ids.entry(id.to_owned()).or_insert(trace.place);
            }
            None if known.insert(trace.place) => lives.push((trace.place, Life::alone(trace))),
            None => {}
        }
    }
    // The newest are kept.
    let mut places: Vec<Place> = ids
        .values()
        .chain(lives.iter().map(|(at, _)| at))
        .copied()
        .collect();
    places.sort_unstable();
    let first = places.len().saturating_sub(ask.most);
    let oldest = places.get(first).copied().unwrap_or_default();
    lives.retain(|(place, _)| *place >= oldest);
    ids.retain(|_, place| *place >= oldest);
    if ids.is_empty() && lives.is_empty() {
        return Err(Error::Missing("letter on record", what.to_owned()));
    }
    if !ids.is_empty() {
        lives.extend(follow_on(connection, ask, &ids).await?);
    }
    lives.sort_by_key(|(place, _)| *place);
    Ok(lives.into_iter().map(|(_, life)| life).collect())
}

/// Everything about these letters, and about their copies.
async fn follow_on(
    connection: &mut Connection,
    ask: &Ask,
    ids: &BTreeMap<String, Place>,
) -> Result<Vec<(Place, Life)>> {
    let of_letters: Vec<Key> = ids.keys().cloned().map(Key::Id).collect();
    let mut events: BTreeMap<String, BTreeMap<Place, TraceView>> = BTreeMap::new();
    // Copies by mailbox and number, with their letters; a moved copy is followed to where it went.
    let mut copies: BTreeMap<(MailboxId, Uid), String> = BTreeMap::new();
    for trace in gather(connection, ask, of_letters, usize::MAX, (None, None)).await? {
        let Some(id) = trace.event.id().filter(|id| ids.contains_key(*id)) else {
            continue;
        };
        let id = id.to_owned();
        let placed: &[PlacedView] = match &trace.event {
            EventView::Accepted(letter) => &letter.placed,
            EventView::Quarantined(held) => held.placed.as_slice(),
            _ => &[],
        };
        if !placed.is_empty() {
            let room = COPIES.saturating_sub(copies.values().filter(|of| **of == id).count());
            for placed in placed.iter().take(room) {
                copies.insert((placed.number, placed.uid), id.clone());
            }
        }
        events.entry(id).or_default().insert(trace.place, trace);
    }
    let mut fresh = copies.clone();
    // A copy that is moved to and fro is followed ten times.
    for _ in 0..10 {
        let keys: Vec<Key> = fresh.keys().map(|(m, uid)| Key::Placed(*m, *uid)).collect();
        if keys.is_empty() {
            break;
        }
        let mut next = BTreeMap::new();
        for trace in gather(connection, ask, keys, usize::MAX, (None, None)).await? {
            let EventView::Removed(removed) = &trace.event else {
                continue;
            };
            for ((mailbox, uid), id) in &fresh {
                if let Some(to) = removed.of(*mailbox, *uid) {
                    let of_id = events.entry(id.clone()).or_default();
                    of_id.insert(trace.place, trace.clone());
                    if let Some(to) = to.filter(|to| !copies.contains_key(to)) {
                        next.insert(to, id.clone());
                    }
                }
            }
        }
        copies.extend(next.clone());
        fresh = next;
    }
    // Whoever may see one agency sees no attempts of letters that he may not see.
    let shown = |events: &BTreeMap<Place, TraceView>| {
        ask.agency.is_none()
            || events
                .values()
                .any(|trace| matches!(trace.event, EventView::Accepted(_) | EventView::Refused(_)))
    };
    Ok(events
        .into_iter()
        .filter(|(_, events)| shown(events))
        .filter_map(|(id, events)| {
            let place = *events.keys().next()?;
            let events = events.into_values().collect();
            Some((
                place,
                Life {
                    id: Some(id),
                    events,
                },
            ))
        })
        .collect())
}

/// One pass, step by step; the newest `most` at least.
async fn gather(
    connection: &mut Connection,
    ask: &Ask,
    keys: Vec<Key>,
    most: usize,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Vec<TraceView>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let query = Query::Trace {
            keys: keys.clone(),
            since,
            until,
            agency: ask.agency.clone(),
            after,
        };
        let Reply::Trace(page) = connection.request(Request::Query(query)).await? else {
            return Err(Error::Unreachable(
                "the server gave another kind of answer than was asked for".to_owned(),
            ));
        };
        all.extend(page.entries);
        if all.len() > most.saturating_mul(2) {
            all.drain(..all.len() - most);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

impl Life {
    fn alone(trace: TraceView) -> Self {
        Self {
            id: None,
            events: vec![trace],
        }
    }
}

/// Answers one step.
pub(crate) fn answer<R: Read>(
    r: &R,
    keys: &[Key],
    times: (Option<Timestamp>, Option<Timestamp>),
    agency: Option<&str>,
    after: Option<&str>,
) -> Result<Page<TraceView>> {
    let within = agency_id(r, agency)?;
    let mut prints: Vec<u64> = keys.iter().map(Key::print).collect();
    // Who got a letter through an alias or a group is named in it by the account alone.
    for key in keys {
        if let Key::Address(text) = key
            && let Ok(address) = Address::parse(text)
            && let Ok(account) = find::account(r, &address)
        {
            prints.push(Key::Account(account.id).print());
        }
    }
    let wanted = Wanted {
        prints,
        since: times.0,
        until: times.1,
    };
    let from = match after {
        None => Place::default(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| Error::Invalid(format!("{text:?} is no place of a listing")))?,
    };
    let found = r.traces(&wanted, from)?;
    let mut names = Names {
        r,
        within,
        accounts: BTreeMap::new(),
        mailboxes: BTreeMap::new(),
    };
    let mut entries = Vec::new();
    for trace in found.traces {
        entries.extend(names.view(trace)?);
    }
    let next = found.next.map(serde_json::to_value).transpose();
    let next = next.map_err(|error| Error::Unreachable(error.to_string()))?;
    Ok(Page {
        entries,
        next: next.map(|place| place.to_string()),
    })
}

/// Names of numbers, each looked up once, and who belongs to the agency that is asked for.
struct Names<'a, R> {
    r: &'a R,
    within: Option<AgencyId>,
    accounts: BTreeMap<AccountId, (String, bool)>,
    mailboxes: BTreeMap<MailboxId, String>,
}

impl<R: Read> Names<'_, R> {
    /// The record with names; `None` when it does not concern the agency.
    fn view(&mut self, trace: Trace) -> Result<Option<TraceView>> {
        if !self.concerns(&trace.event)? {
            return Ok(None);
        }
        let event = match trace.event {
            Event::Accepted(letter) => EventView::Accepted(self.accepted(letter)?),
            Event::More(more) => EventView::Accepted(AcceptedView {
                recipients: self.shown(more.rcpts)?,
                others: more.others,
                placed: self.placed(&more.placed)?,
                ..AcceptedView::more(more.id)
            }),
            Event::Attempt(attempt) => EventView::Attempt(attempted(attempt)),
            Event::Refused(refused) => EventView::Refused(self.refused(refused)?),
            Event::Removed(removed) => EventView::Removed(self.removed(removed)?),
            Event::Handled(handled) => EventView::Handled {
                id: handled.id,
                queue: handled.queue.0,
                act: handled.act,
            },
            Event::Quarantined(held) => EventView::Quarantined(self.quarantined(held)?),
        };
        Ok(Some(TraceView {
            place: trace.place,
            at: trace.at,
            event,
        }))
    }

    /// Whether an agency may know of it. Attempts and the like are asked for by ids of letters that were shown.
    fn concerns(&mut self, event: &Event) -> Result<bool> {
        if self.within.is_none() {
            return Ok(true);
        }
        let (accounts, addresses): (Vec<AccountId>, Vec<&String>) = match event {
            Event::Accepted(letter) => {
                let placed = letter.placed.iter().map(|placed| placed.account);
                let accounts = placed
                    .chain(letter.client.account)
                    .chain(letter.full.clone());
                let named = letter.rcpts.iter().chain([&letter.sender]);
                (accounts.collect(), named.collect())
            }
            Event::More(more) => {
                let placed = more.placed.iter().map(|placed| placed.account);
                (placed.collect(), more.rcpts.iter().collect())
            }
            Event::Refused(refused) => (
                refused.account.into_iter().collect(),
                refused.rcpts.iter().chain(&refused.sender).collect(),
            ),
            Event::Removed(removed) => (vec![removed.by], Vec::new()),
            Event::Quarantined(held) => (vec![held.account], Vec::new()),
            Event::Attempt(_) | Event::Handled(_) => return Ok(true),
        };
        for account in accounts {
            if self.account(account)?.1 {
                return Ok(true);
            }
        }
        for address in addresses {
            if self.is_own(address)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an address is one of the agency's: its account's, or at its domain.
    fn is_own(&mut self, text: &str) -> Result<bool> {
        let Ok(address) = Address::parse(text) else {
            return Ok(false);
        };
        match find::account(self.r, &address) {
            Ok(account) => return Ok(self.account(account.id)?.1),
            Err(error @ congvu_directory::Error::Store(_)) => return Err(error.into()),
            Err(_) => {}
        }
        match find::domain(self.r, &address.domain) {
            Ok(domain) => self.below(domain.agency),
            Err(error @ congvu_directory::Error::Store(_)) => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    fn below(&self, agency: AgencyId) -> Result<bool> {
        let Some(within) = self.within else {
            return Ok(true);
        };
        let line = find::lineage(self.r, agency)?;
        Ok(line.iter().any(|above| above.id == within))
    }

    /// An account's address, and whether it is one of the agency's.
    fn account(&mut self, id: AccountId) -> Result<(String, bool)> {
        if let Some(known) = self.accounts.get(&id) {
            return Ok(known.clone());
        }
        let found = match find::account_by_id(self.r, id) {
            Ok(account) => (account.address().to_string(), self.below(account.agency)?),
            Err(error @ congvu_directory::Error::Store(_)) => return Err(error.into()),
            // Removed since: nobody but those over all agencies may still know.
            Err(_) => (format!("#{id}"), self.within.is_none()),
        };
        self.accounts.insert(id, found.clone());
        Ok(found)
    }

    fn mailbox(&mut self, id: MailboxId) -> Result<String> {
        if let Some(known) = self.mailboxes.get(&id) {
            return Ok(known.clone());
        }
        let found = self.r.mailbox(id)?;
        let name = found.map_or_else(|| format!("#{id}"), |mailbox| mailbox.name);
        self.mailboxes.insert(id, name.clone());
        Ok(name)
    }

    /// Recipients as an agency may see them: its own, and those that are nobody's here.
    fn shown(&mut self, rcpts: Vec<String>) -> Result<Vec<String>> {
        if self.within.is_none() {
            return Ok(rcpts);
        }
        let mut shown = Vec::new();
        for rcpt in rcpts {
            let foreign = Address::parse(&rcpt)
                .is_ok_and(|address| find::domain(self.r, &address.domain).is_err());
            if foreign || self.is_own(&rcpt)? {
                shown.push(rcpt);
            }
        }
        Ok(shown)
    }

    fn placed(&mut self, all: &[Placed]) -> Result<Vec<PlacedView>> {
        let mut shown = Vec::with_capacity(all.len());
        for placed in all {
            let (account, own) = self.account(placed.account)?;
            if own {
                shown.push(PlacedView {
                    account,
                    mailbox: self.mailbox(placed.mailbox)?,
                    number: placed.mailbox,
                    uid: placed.uid,
                });
            }
        }
        Ok(shown)
    }

    fn accepted(&mut self, letter: Accepted) -> Result<AcceptedView> {
        let mut full = Vec::new();
        for account in &letter.full {
            let (address, own) = self.account(*account)?;
            full.extend(own.then_some(address));
        }
        let account = letter.client.account;
        Ok(AcceptedView {
            id: letter.id,
            about: letter.about,
            door: door(letter.door),
            address: letter.client.address,
            hello: letter.client.hello,
            tls: letter.client.tls.map(|tls| tls_text(&tls)),
            account: account
                .map(|id| self.account(id))
                .transpose()?
                .map(|(address, _)| address),
            sender: letter.sender,
            message_id: letter.message_id,
            size: letter.size,
            judged: letter.judged,
            recipients: self.shown(letter.rcpts)?,
            others: letter.others,
            placed: self.placed(&letter.placed)?,
            full,
            queue: letter.queued.map(|queue| queue.0),
        })
    }

    fn refused(&mut self, refused: Refused) -> Result<RefusedView> {
        let account = refused.account;
        Ok(RefusedView {
            id: refused.id,
            door: door(refused.door),
            address: refused.address,
            hello: refused.hello,
            account: account
                .map(|id| self.account(id))
                .transpose()?
                .map(|(address, _)| address),
            sender: refused.sender,
            recipients: self.shown(refused.rcpts)?,
            message_id: refused.message_id,
            reply: refused.reply,
            times: refused.times,
        })
    }

    fn quarantined(&mut self, held: Quarantined) -> Result<QuarantinedView> {
        let act = match held.act {
            QuarantineAct::Held => "held",
            QuarantineAct::Ended(End::Released) => "released",
            QuarantineAct::Ended(End::Deleted) => "deleted",
            QuarantineAct::Ended(End::Expired) => "expired",
            QuarantineAct::Ended(End::Forgotten) => "forgotten",
        };
        Ok(QuarantinedView {
            id: held.id,
            number: held.letter.0,
            account: self.account(held.account)?.0,
            act: act.to_owned(),
            by: held.by,
            placed: self.placed(held.placed.as_slice())?.pop(),
        })
    }

    fn removed(&mut self, removed: Removed) -> Result<RemovedView> {
        Ok(RemovedView {
            mailbox: self.mailbox(removed.mailbox)?,
            number: removed.mailbox,
            by: self.account(removed.by)?.0,
            to: removed.to.map(|to| self.mailbox(to)).transpose()?,
            to_number: removed.to,
            runs: removed.runs,
        })
    }
}

impl AcceptedView {
    fn more(id: String) -> Self {
        Self {
            id,
            about: None,
            door: "more".to_owned(),
            address: None,
            hello: String::new(),
            tls: None,
            account: None,
            sender: String::new(),
            message_id: None,
            size: 0,
            judged: None,
            recipients: Vec::new(),
            others: Vec::new(),
            placed: Vec::new(),
            full: Vec::new(),
            queue: None,
        }
    }
}

fn attempted(attempt: Attempt) -> AttemptView {
    AttemptView {
        id: attempt.id,
        queue: attempt.queue.0,
        host: attempt.host,
        address: attempt.address,
        tls: attempt.tls.as_ref().map(|(tls, _)| tls_text(tls)),
        verified: attempt.tls.as_ref().map(|(_, verified)| *verified),
        tried: attempt.tried,
        notice: attempt.notice,
    }
}

fn tls_text(tls: &congvu_store::trace::Tls) -> String {
    format!("{} {}", tls.version(), tls.cipher())
}

fn door(door: Door) -> String {
    match door {
        Door::Mx => "mx",
        Door::Submission => "submission",
        Door::Lmtp => "lmtp",
        Door::Notice => "notice",
    }
    .to_owned()
}
