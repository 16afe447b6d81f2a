//! Trace records: what happened to a letter, so that an administrator can be told it without searching logs.
//!
//! A record is written in the transaction of the act that it tells of; its key is the transaction's number, so
//! records only ever come at the end. They are found by fingerprints: a background task ([`keep`]) gathers those
//! of some thousand records in one page, which costs a letter a few octets instead of an index record for each
//! address. Records are kept for a time that is counted, not read from the clock.
//!
//! What is asked and how it is shown is `admin`'s business.

pub mod keep;
mod tls;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::id::{AccountId, MailboxId, ModSeq, Timestamp, Uid};
use crate::queue::QueueId;
use crate::record::{Record, Table};
use crate::tx::{Read, Tx};

pub use crate::quarantine::{QuarantineAct, Quarantined};
pub use keep::Keeper;
pub use tls::Tls;

/// Version octet of the values. A change of a struct below makes a new version; older ones stay readable.
const VERSION: u8 = 1;
/// Octets of addresses in one record, names of recipients and of others apart; more goes into further records.
/// Both together, with what else a record has, stay below 64 KiB.
const ADDRESSES_MOST: usize = 16 * 1024;
/// Copies told in one record, for the same reason: at most 25 octets each.
const PLACES_MOST: usize = 800;
/// Messages of one expunge told in one record: their fingerprints must fit a page.
const REMOVED_MOST: usize = 4_000;
/// Longest text kept of what strangers say (a host name, an address, a Message-ID), octets.
const TEXT_MOST: usize = 320;
/// Longest reply kept, octets: it tells the reason in its first line.
const REPLY_MOST: usize = 300;

/// Where a record stands: the transaction, and its number in it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Place {
    /// The transaction.
    pub transaction: ModSeq,
    /// 0, 1, 2 … of it.
    pub part: u16,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Its key.
    pub place: Place,
    /// When, by the clock.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What happened. Variants keep their places for ever.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are the largest, and none is kept for long"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A letter was taken, placed and queued.
    Accepted(Accepted),
    /// The rest of a letter with many recipients.
    More(More),
    /// Some recipients were tried at another server.
    Attempt(Attempt),
    /// A letter, or a command about one, was refused.
    Refused(Refused),
    /// Messages left a mailbox.
    Removed(Removed),
    /// An administrator did something to a letter in the queue.
    Handled(Handled),
    /// A letter was held in the quarantine, or left it.
    Quarantined(Quarantined),
}

/// By which door a letter came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Door {
    /// From another server.
    Mx,
    /// From an account of ours.
    Submission,
    /// From a server in front of us.
    Lmtp,
    /// A notice of our own.
    Notice,
}

/// Who was at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Client {
    /// Its address; `None` for ourselves.
    pub address: Option<IpAddr>,
    /// What it called itself.
    pub hello: String,
    /// The handshake, if there was one.
    pub tls: Option<Tls>,
    /// Who was logged in.
    pub account: Option<AccountId>,
}

/// What a filter said of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Probability that it is unwanted, in thousandths.
    pub unwanted: u16,
    /// What came of it, in one word of the filter's.
    pub verdict: String,
    /// Names of the reasons that weighed most.
    pub reasons: Vec<String>,
}

/// A copy in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub mailbox: MailboxId,
    /// Under which number.
    pub uid: Uid,
}

/// A letter that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The id that the client was told.
    pub id: String,
    /// Of a notice: the letter it is about.
    pub about: Option<String>,
    /// By which door it came.
    pub door: Door,
    /// From whom.
    pub client: Client,
    /// Reverse-path; empty for `<>`.
    pub sender: String,
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Octets.
    pub size: u64,
    /// What the filter said, if there is one.
    pub judged: Option<Judged>,
    /// Recipients as the client named them.
    pub rcpts: Vec<String>,
    /// Addresses elsewhere that aliases and groups led to.
    pub others: Vec<String>,
    /// Copies in mailboxes.
    pub placed: Vec<Placed>,
    /// Accounts without room, which got none.
    pub full: Vec<AccountId>,
    /// The queue entry for recipients elsewhere.
    pub queued: Option<QueueId>,
}

/// Further recipients of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct More {
    /// The letter.
    pub id: String,
    /// As in [`Accepted`].
    pub rcpts: Vec<String>,
    /// As in [`Accepted`].
    pub others: Vec<String>,
    /// As in [`Accepted`].
    pub placed: Vec<Placed>,
}

/// How an attempt ended for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// The next server took it over.
    Delivered,
    /// To be tried again.
    Deferred,
    /// Given up.
    Returned,
}

/// Some recipients with the same fate for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What came of it.
    pub fate: Fate,
    /// The server's words, or why there were none.
    pub reply: String,
    /// When the next attempt is due, if one is.
    pub next: Option<Timestamp>,
    /// Who.
    pub rcpts: Vec<String>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The letter.
    pub id: String,
    /// Its queue entry.
    pub queue: QueueId,
    /// The server that was spoken to, with its address; empty when none was reached.
    pub host: String,
    /// Its address.
    pub address: Option<IpAddr>,
    /// The handshake, and whether the certificate was verified.
    pub tls: Option<(Tls, bool)>,
    /// What came of it.
    pub tried: Vec<Tried>,
    /// The id of the notice that the sender gets about it.
    pub notice: Option<String>,
}

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refused {
    /// The transaction's id, if it came that far.
    pub id: Option<String>,
    /// By which door.
    pub door: Door,
    /// The client's address.
    pub address: IpAddr,
    /// What it called itself.
    pub hello: String,
    /// Who was logged in.
    pub account: Option<AccountId>,
    /// Reverse-path, if it was named.
    pub sender: Option<String>,
    /// The refused recipient, or the recipients of a refused letter.
    pub rcpts: Vec<String>,
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// What the client heard.
    pub reply: String,
    /// How often, the same within a second or so.
    pub times: u32,
}

/// Messages that left a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// Who did it.
    pub by: AccountId,
    /// Where they went, if they were moved.
    pub to: Option<MailboxId>,
    /// Which: old number, new number (0 when expunged), how many in a row.
    pub runs: Vec<(u32, u32, u32)>,
}

/// What an administrator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// The letter.
    pub id: String,
    /// Its queue entry.
    pub queue: QueueId,
    /// `hold`, `release`, `retry` or `drop`.
    pub act: String,
}

/// What records are found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// A letter's id.
    Id(String),
    /// A Message-ID, with or without angle brackets.
    MessageId(String),
    /// An address, in any letter case.
    Address(String),
    /// An account that sent or got it.
    Account(AccountId),
    /// A copy.
    Placed(MailboxId, Uid),
}

impl Key {
    /// What pages and comparisons use.
    pub fn print(&self) -> u64 {
        match self {
            Self::Id(id) => print(b'i', id.as_bytes()),
            Self::MessageId(id) => print(b'm', bare(id).as_bytes()),
            Self::Address(address) => print(b'a', short(&address.to_lowercase()).as_bytes()),
            Self::Account(account) => print(b'c', &account.0.to_be_bytes()),
            Self::Placed(mailbox, uid) => place_print(*mailbox, uid.0),
        }
    }
}

fn print(kind: u8, octets: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&[kind]);
    hash.update(octets);
    hash.digest()
}

fn place_print(mailbox: MailboxId, uid: u32) -> u64 {
    let mut octets = mailbox.0.to_be_bytes().to_vec();
    octets.extend(uid.to_be_bytes());
    print(b'p', &octets)
}

/// A text as kept, cut at a character's end.
fn short(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_MOST)].to_owned()
}

fn bare(id: &str) -> String {
    short(id.trim().trim_start_matches('<').trim_end_matches('>'))
}

impl Event {
    /// What it is found by, each once.
    pub fn prints(&self) -> Vec<u64> {
        let mut prints = Vec::new();
        let id = |prints: &mut Vec<u64>, id: &str| prints.push(print(b'i', id.as_bytes()));
        let addresses = |prints: &mut Vec<u64>, all: &[String]| {
            prints.extend(all.iter().map(|one| Key::Address(one.clone()).print()));
        };
        let message_id = |prints: &mut Vec<u64>, text: &Option<String>| {
            prints.extend(text.iter().map(|one| print(b'm', one.as_bytes())));
        };
        let account = |prints: &mut Vec<u64>, all: Option<AccountId>| {
            prints.extend(all.map(|one| Key::Account(one).print()));
        };
        match self {
            Self::Accepted(accepted) => {
                id(&mut prints, &accepted.id);
                prints.extend(
                    accepted
                        .about
                        .as_deref()
                        .map(|of| print(b'i', of.as_bytes())),
                );
                message_id(&mut prints, &accepted.message_id);
                account(&mut prints, accepted.client.account);
                addresses(&mut prints, std::slice::from_ref(&accepted.sender));
                addresses(&mut prints, &accepted.rcpts);
                addresses(&mut prints, &accepted.others);
                for place in &accepted.placed {
                    account(&mut prints, Some(place.account));
                }
                for full in &accepted.full {
                    account(&mut prints, Some(*full));
                }
            }
            Self::More(more) => {
                id(&mut prints, &more.id);
                addresses(&mut prints, &more.rcpts);
                addresses(&mut prints, &more.others);
                for place in &more.placed {
                    account(&mut prints, Some(place.account));
                }
            }
            Self::Attempt(attempt) => id(&mut prints, &attempt.id),
            Self::Handled(handled) => id(&mut prints, &handled.id),
            Self::Quarantined(held) => {
                id(&mut prints, &held.id);
                account(&mut prints, Some(held.account));
            }
            Self::Refused(refused) => {
                prints.extend(refused.id.as_deref().map(|of| print(b'i', of.as_bytes())));
                message_id(&mut prints, &refused.message_id);
                account(&mut prints, refused.account);
                addresses(&mut prints, refused.sender.as_slice());
                addresses(&mut prints, &refused.rcpts);
            }
            Self::Removed(removed) => {
                for &(from, to, count) in &removed.runs {
                    for step in 0..count {
                        prints.push(place_print(removed.mailbox, from.saturating_add(step)));
                        if let Some(target) = removed.to {
                            prints.push(place_print(target, to.saturating_add(step)));
                        }
                    }
                }
            }
        }
        prints.sort_unstable();
        prints.dedup();
        prints
    }

    /// In pieces that fit records, strings cut to their limits.
    fn pieces(self) -> Vec<Self> {
        match self {
            Self::Accepted(mut accepted) => {
                let id = accepted.id.clone();
                let mut mores = Vec::new();
                trim(&mut accepted.client.hello);
                trim(&mut accepted.sender);
                accepted.message_id = accepted.message_id.as_deref().map(bare);
                spill(&mut accepted.rcpts, &id, &mut mores, |more, rest| {
                    more.rcpts = rest;
                });
                spill(&mut accepted.others, &id, &mut mores, |more, rest| {
                    more.others = rest;
                });
                if accepted.placed.len() > PLACES_MOST {
                    let rest = accepted.placed.split_off(PLACES_MOST);
                    mores.extend(rest.chunks(PLACES_MOST).map(|some| More {
                        id: id.clone(),
                        placed: some.to_vec(),
                        ..More::default()
                    }));
                }
                accepted.full.truncate(PLACES_MOST);
                let mut pieces = vec![Self::Accepted(accepted)];
                pieces.extend(mores.into_iter().map(Self::More));
                pieces
            }
            Self::Attempt(mut attempt) => {
                trim(&mut attempt.host);
                let all = std::mem::take(&mut attempt.tried);
                let mut pieces = Vec::new();
                for mut tried in all {
                    tried
                        .reply
                        .truncate(tried.reply.floor_char_boundary(REPLY_MOST));
                    while !tried.rcpts.is_empty() {
                        let some = front(&mut tried.rcpts);
                        let octets: usize = attempt.tried.iter().map(weight).sum();
                        if octets > ADDRESSES_MOST {
                            pieces.push(Self::Attempt(attempt.clone()));
                            attempt.tried.clear();
                        }
                        attempt.tried.push(Tried {
                            rcpts: some,
                            reply: tried.reply.clone(),
                            ..tried
                        });
                    }
                }
                pieces.push(Self::Attempt(attempt));
                pieces
            }
            Self::Refused(mut refused) => {
                trim(&mut refused.hello);
                refused.sender.as_mut().map(trim);
                refused.message_id = refused.message_id.as_deref().map(bare);
                refused
                    .reply
                    .truncate(refused.reply.floor_char_boundary(REPLY_MOST));
                refused.rcpts = front(&mut refused.rcpts);
                vec![Self::Refused(refused)]
            }
            Self::Quarantined(mut held) => {
                trim(&mut held.id);
                trim(&mut held.by);
                vec![Self::Quarantined(held)]
            }
            other => vec![other],
        }
    }
}

fn trim(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT_MOST));
}

fn weight(tried: &Tried) -> usize {
    tried.reply.len() + tried.rcpts.iter().map(String::len).sum::<usize>()
}

/// Takes as many of the first addresses as fit one record, at least one.
fn front(addresses: &mut Vec<String>) -> Vec<String> {
    addresses.iter_mut().for_each(trim);
    let mut octets = 0;
    let fit = addresses.iter().take_while(|one| {
        octets += one.len() + 2;
        octets <= ADDRESSES_MOST
    });
    let fit = fit.count().max(1).min(addresses.len());
    let rest = addresses.split_off(fit);
    std::mem::replace(addresses, rest)
}

/// Leaves what fits one record; the rest goes into further ones.
fn spill(
    addresses: &mut Vec<String>,
    id: &str,
    mores: &mut Vec<More>,
    set: impl Fn(&mut More, Vec<String>),
) {
    let mut rest = std::mem::take(addresses);
    *addresses = front(&mut rest);
    while !rest.is_empty() {
        let mut more = More {
            id: id.to_owned(),
            ..More::default()
        };
        set(&mut more, front(&mut rest));
        mores.push(more);
    }
}

impl Removed {
    /// Of pairs of old and new numbers, or old ones alone.
    fn events(
        mailbox: MailboxId,
        by: AccountId,
        to: Option<MailboxId>,
        pairs: &[(Uid, Uid)],
    ) -> Vec<Event> {
        let events = pairs.chunks(REMOVED_MOST).map(|pairs| {
            let mut runs: Vec<(u32, u32, u32)> = Vec::new();
            for (old, new) in pairs {
                match runs.last_mut() {
                    Some((from, at, count))
                        if from.checked_add(*count) == Some(old.0)
                            && (to.is_none() || at.checked_add(*count) == Some(new.0)) =>
                    {
                        *count += 1;
                    }
                    _ => runs.push((old.0, new.0, 1)),
                }
            }
            Event::Removed(Self {
                mailbox,
                by,
                to,
                runs,
            })
        });
        events.collect()
    }
}

impl Tx<'_> {
    /// Tells what happened, in this transaction.
    pub fn trace(&mut self, event: Event) -> Result<()> {
        for event in event.pieces() {
            let place = Place {
                transaction: self.number,
                part: self.traced,
            };
            self.traced = self
                .traced
                .checked_add(1)
                .ok_or(Error::Limit("trace records"))?;
            let at = self.now;
            self.put(&Trace { place, at, event })?;
        }
        Ok(())
    }

    /// Tells that messages were expunged.
    pub fn trace_expunged(
        &mut self,
        mailbox: MailboxId,
        by: AccountId,
        uids: &[Uid],
    ) -> Result<()> {
        let pairs: Vec<_> = uids.iter().map(|uid| (*uid, Uid(0))).collect();
        for event in Removed::events(mailbox, by, None, &pairs) {
            self.trace(event)?;
        }
        Ok(())
    }

    /// Tells that messages were moved, each with its old and its new number.
    pub fn trace_moved(
        &mut self,
        mailbox: MailboxId,
        by: AccountId,
        to: MailboxId,
        pairs: &[(Uid, Uid)],
    ) -> Result<()> {
        for event in Removed::events(mailbox, by, Some(to), pairs) {
            self.trace(event)?;
        }
        Ok(())
    }
}

impl Place {
    /// The next possible one.
    pub fn next(self) -> Self {
        match self.part.checked_add(1) {
            Some(part) => Self { part, ..self },
            None => Self {
                transaction: ModSeq(self.transaction.0.saturating_add(1)),
                part: 0,
            },
        }
    }

    fn octets(self) -> Vec<u8> {
        let mut octets = self.transaction.0.to_be_bytes().to_vec();
        octets.extend(self.part.to_be_bytes());
        octets
    }

    fn of(octets: &[u8]) -> Option<Self> {
        let (transaction, part) = octets.split_first_chunk::<8>()?;
        Some(Self {
            transaction: ModSeq(u64::from_be_bytes(*transaction)),
            part: u16::from_be_bytes(part.try_into().ok()?),
        })
    }
}

impl Record for Trace {
    const TABLE: Table = Table::Trace;
    type Key = Place;
    fn key(&self) -> Place {
        self.place
    }
    fn key_octets(key: &Place) -> Vec<u8> {
        key.octets()
    }
    fn encode(&self) -> Vec<u8> {
        postcard::to_extend(&(self.at, &self.event), vec![VERSION])
            .expect("plain structs serialize into memory")
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let place = Place::of(key).ok_or_else(|| Error::Damaged("trace record: key".into()))?;
        let (at, event) = unpack("trace record", value)?;
        Ok(Self { place, at, event })
    }
}

fn unpack<T: for<'a> Deserialize<'a>>(what: &str, value: &[u8]) -> Result<T> {
    let damaged = || Error::Damaged(what.into());
    match value.split_first().ok_or_else(damaged)? {
        (&VERSION, rest) => postcard::from_bytes(rest).map_err(|_| damaged()),
        (0, _) => Err(damaged()),
        (&found, _) => Err(Error::Newer {
            what: what.into(),
            found: found.into(),
            known: VERSION.into(),
        }),
    }
}

/// What a search found in one step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Records, oldest first.
    pub traces: Vec<Trace>,
    /// Where the search goes on; `None` at the end.
    pub next: Option<Place>,
}

/// Which records are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Fingerprints, of which one must be a record's.
    pub prints: Vec<u64>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

impl Wanted {
    fn has(&self, trace: &Trace) -> bool {
        self.in_time(trace.at, trace.at)
            && trace
                .event
                .prints()
                .iter()
                .any(|print| self.prints.contains(print))
    }

    /// Whether anything between two instants may be wanted.
    fn in_time(&self, first: Timestamp, last: Timestamp) -> bool {
        self.since.is_none_or(|since| last >= since)
            && self.until.is_none_or(|until| first <= until)
    }
}

/// Questions to the trace records.
pub trait TraceRead: Read {
    /// One step of a search, from `from` on: bounded, so that writers do not wait for long.
    fn traces(&self, wanted: &Wanted, from: Place) -> Result<Found> {
        keep::search(self, wanted, from)
    }
}

impl<T: Read> TraceRead for T {}

#[cfg(test)]
mod tests;
