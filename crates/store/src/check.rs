//! Checks a store: every octet of the log, every pair of the index, and one against the other.
//!
//! The log is the truth: the index must hold the last write of each key and nothing else, and every
//! body that it refers to must be there, whole. Works while the server runs: the log is read up to a durable
//! end, then the index page by page, then what the log got meanwhile; keys written meanwhile are left out of the
//! comparison. Sums and counters are checked by [`crate::tx::Snapshot::check_mailbox`] and its like.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{self, Counters, Home, Identity, RemovedHome, RemovedMailbox};
use crate::error::Result;
use crate::files::{LogFiles, Progress};
use crate::id::{AccountId, BodyId, Lsn, MailboxId, Uid};
use crate::log::frame::Commit;
use crate::log::survey::{Damage, Inspector, Seen};
use crate::page::IndexPage;
use crate::queue::Rcpt;
use crate::record::{Record as _, Table};
use crate::refs::{self, Holder, Reference};
use crate::tx::Ledger;
use crate::{keys, leaf, quarantine};

/// Most problems listed one by one; more are counted.
pub const LISTED: usize = 10_000;

/// Where something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A damaged place of the log. What it held is in further problems, where known.
    Log,
    /// The octets of a message are damaged or missing.
    Body,
    /// A record of the index is damaged, missing or not what the log says. A rebuild repairs it.
    Index,
    /// Counters or sums that do not match what they count.
    Sums,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in words.
    pub what: String,
    /// Whose, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Name of the mailbox, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// Which message of the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    /// Which body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyId>,
    /// Place in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lsn: Option<Lsn>,
}

impl Problem {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        Self {
            place,
            what: what.into(),
            account: None,
            mailbox: None,
            uid: None,
            body: None,
            lsn: None,
        }
    }
}

/// What a check read, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// What is wrong; at most [`LISTED`].
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub count: u64,
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
    /// Octets at the very end of the log that were never acknowledged; the next start cuts them.
    pub torn: u64,
}

impl Findings {
    /// Adds a problem.
    pub fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        }
    }
}

/// The last write of a key: hash of the value, and whether the index was seen to have the key.
struct Written {
    value: u64,
    seen: bool,
}

/// A check on its way: [`Check::log`], then every page to [`Check::page`], then [`Check::finish`].
#[derive(Default)]
pub struct Check {
    findings: Findings,
    /// Up to where the log was read.
    end: Lsn,
    written: HashMap<Box<[u8]>, Written>,
    /// Whole bodies.
    bodies: HashSet<u64>,
    /// Transactions may be lost: numbers were skipped in the index alone.
    lost: bool,
    /// Keys that differ from the log, unless they were written meanwhile.
    suspects: Vec<(Box<[u8]>, &'static str)>,
    mailboxes: BTreeMap<MailboxId, (AccountId, String)>,
    references: Vec<Reference>,
}

impl Check {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the log up to a durable end, or to the end of its files.
    pub fn log(&mut self, files: &LogFiles, to: Option<Lsn>, progress: Progress<'_>) -> Result<()> {
        let total = to.map_or_else(|| files.length(), Ok)?.0;
        let mut first = First {
            check: self,
            total,
            progress,
        };
        let surveyed = files.survey(Lsn(0), to, &mut first)?;
        (self.end, self.findings.torn) = (surveyed.end, surveyed.torn);
        self.findings.octets = surveyed.end.0;
        Ok(())
    }

    /// Takes a page of the index. All pages must come, in order.
    pub fn page(&mut self, page: &IndexPage) {
        for (key, sealed) in &page.pairs {
            self.pair(&key.0, &sealed.0);
        }
    }

    /// Mailboxes that the index holds.
    pub fn mailboxes(&self) -> Vec<MailboxId> {
        self.mailboxes.keys().copied().collect()
    }

    /// What the log got while the index was read decides about the rest. `to` is a durable end that
    /// is not before the last page.
    pub fn finish(mut self, files: &LogFiles, to: Option<Lsn>) -> Result<Findings> {
        let mut touched = HashSet::new();
        if let Some(to) = to.filter(|to| *to > self.end) {
            let mut tail = Tail {
                touched: &mut touched,
                bodies: &mut self.bodies,
                findings: &mut self.findings,
            };
            files.survey(self.end, Some(to), &mut tail)?;
        }
        for (key, what) in std::mem::take(&mut self.suspects) {
            if !touched.contains(&key) {
                let problem = self.about(&key, what);
                self.findings.add(problem);
            }
        }
        let unseen: Vec<Box<[u8]>> = std::mem::take(&mut self.written)
            .into_iter()
            .filter(|(key, written)| !written.seen && !touched.contains(key))
            .map(|(key, _)| key)
            .collect();
        for key in unseen {
            let problem = self.about(&key, "is in the log, but not in the index");
            self.findings.add(problem);
        }
        for reference in std::mem::take(&mut self.references) {
            if !self.bodies.contains(&reference.body.0) {
                let problem = self.lost_body(&reference);
                self.findings.add(problem);
            }
        }
        Ok(self.findings)
    }

    /// What the log alone shows, when there is no index to compare.
    pub fn without_index(self) -> Findings {
        self.findings
    }

    fn pair(&mut self, key: &[u8], sealed: &[u8]) {
        self.findings.records += 1;
        let Ok(value) = keys::unseal(key, sealed) else {
            if let Some(written) = self.written.get_mut(key) {
                written.seen = true;
            }
            let problem = self.about(key, "does not match its checksum");
            self.findings.add(problem);
            return;
        };
        if key != keys::APPLIED && key != keys::STORE {
            let skipped = self.lost && is_number(key);
            match self.written.get_mut(key) {
                Some(written) => {
                    written.seen = true;
                    if written.value != xxh3_64(sealed) && !skipped {
                        self.suspects.push((key.into(), "is not what the log says"));
                    }
                }
                None => self.suspects.push((key.into(), "is not in the log")),
            }
        }
        if self.content(key, value).is_err() {
            let problem = self.about(key, "makes no sense");
            self.findings.add(problem);
        }
    }

    /// Reads a value as what it should be; notes names of mailboxes and references to bodies.
    fn content(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let mailbox = MailboxId(keys::number_at(key, 1));
        let rest = key.get(1..).unwrap_or_default();
        match key.first() {
            Some(&table) if table == Table::Home as u8 => {
                codec::decode::<Home>("home", value)?;
            }
            Some(&table) if table == Table::Mailbox as u8 && keys::is_counters(key) => {
                codec::decode::<Counters>("counters", value)?;
            }
            Some(&table) if table == Table::Mailbox as u8 => {
                let identity: Identity = codec::decode("mailbox", value)?;
                let (account, name, ..) = identity.shown();
                self.mailboxes.insert(mailbox, (account, name.to_owned()));
            }
            Some(&table) if table == Table::MailboxName as u8 => {
                codec::decode::<MailboxId>("mailbox name", value)?;
            }
            Some(&table) if table == Table::Subscription as u8 => {
                codec::decode::<String>("subscription", value)?;
            }
            Some(&table) if table == Table::Ledger as u8 => {
                codec::decode::<Ledger>("ledger", value)?;
            }
            Some(&table) if table == Table::Removed as u8 => {
                if keys::number_at(key, 17) == 0 {
                    codec::decode::<RemovedHome>("removed home", value)?;
                } else {
                    codec::decode::<RemovedMailbox>("removed mailbox", value)?;
                }
            }
            Some(&table) if table == Table::QueueRcpt as u8 => {
                Rcpt::decode(rest, value)?;
            }
            Some(&table) if table == Table::QuarantineState as u8 => {
                quarantine::state_makes_sense(rest, value)?;
            }
            _ => {}
        }
        refs::references(key, value, &mut |mut reference| {
            if let Holder::Message(mailbox, uid) = reference.holder {
                // Messages of a deleted mailbox stay under their keys for the undelete window.
                if self.mailboxes.contains_key(&mailbox) {
                    self.findings.messages += 1;
                } else {
                    reference.holder = Holder::Expunged(mailbox, uid);
                }
            }
            // Whole bodies need not be remembered.
            if !self.bodies.contains(&reference.body.0) {
                self.references.push(reference);
            }
        })
    }

    /// A problem of one record of the index.
    fn about(&self, key: &[u8], what: &str) -> Problem {
        about(key, what, &|id| self.mailboxes.get(&id).cloned())
    }

    fn lost_body(&self, reference: &Reference) -> Problem {
        let mut problem = Problem::new(Place::Body, "");
        problem.body = Some(reference.body);
        problem.lsn = Some(Lsn(reference.body.0));
        let (id, uid, what) = match reference.holder {
            Holder::Message(id, uid) => (Some(id), Some(uid), "a message"),
            Holder::Expunged(id, uid) => (Some(id), Some(uid), "an expunged message"),
            Holder::Queue(_) => (None, None, "a message of the queue"),
            Holder::Quarantine(_) => (None, None, "a letter in quarantine"),
        };
        let known = id.and_then(|id| self.mailboxes.get(&id));
        problem.account = known.map(|(account, _)| *account);
        problem.mailbox = known.map(|(_, name)| name.clone());
        problem.uid = uid;
        let entry = match reference.holder {
            Holder::Queue(number) | Holder::Quarantine(number) => format!(" (number {number})"),
            _ => String::new(),
        };
        problem.what = format!("the octets of {what}{entry} are damaged or missing");
        problem
    }
}

/// Account and name of a mailbox, if known.
pub(crate) type Named<'a> = &'a dyn Fn(MailboxId) -> Option<(AccountId, String)>;

/// A problem of one record of the index.
pub(crate) fn about(key: &[u8], what: &str, named: Named<'_>) -> Problem {
    let number = keys::number_at(key, 1);
    let mut problem = Problem::new(Place::Index, "");
    let is = |table: Table| key.first() == Some(&(table as u8));
    let of_mailbox = is(Table::Mailbox) || is(Table::Message) || is(Table::Expunged);
    let record = if of_mailbox {
        (problem.account, problem.mailbox) = named(MailboxId(number)).unzip();
        if is(Table::Message) {
            let first = keys::first_of(key);
            problem.uid = Some(first);
            format!(
                "the record of messages {first} to {} of mailbox {number}",
                first.0 | (leaf::UIDS - 1)
            )
        } else if is(Table::Expunged) {
            problem.uid = Some(keys::uid_of(key));
            format!("the record of an expunged message of mailbox {number}")
        } else if keys::is_counters(key) {
            format!("the record of the counters of mailbox {number}")
        } else {
            format!("the record of mailbox {number}")
        }
    } else if is(Table::Home) || is(Table::MailboxName) || is(Table::Subscription) {
        problem.account = Some(AccountId(number));
        format!("record {} of an account", key.escape_ascii())
    } else {
        format!("record {}", key.escape_ascii())
    };
    problem.what = format!("{record} {what}");
    problem
}

/// Keys whose values are skipped in the index alone after damage.
pub(crate) fn is_number(key: &[u8]) -> bool {
    keys::is_counters(key) || keys::is_removed_mailbox(key) || key.starts_with(&keys::sequence(""))
}

/// A damaged place of the log as a problem.
pub(crate) fn of_log(damage: Damage) -> Problem {
    let mut problem = Problem::new(Place::Log, damage.what);
    problem.lsn = Some(damage.lsn);
    problem.body = damage.body;
    problem
}

/// The first reading of the log.
struct First<'a, 'p> {
    check: &'a mut Check,
    total: u64,
    progress: Progress<'p>,
}

impl Inspector for First<'_, '_> {
    fn commit(&mut self, _: Lsn, commit: Commit) -> Result<()> {
        self.check.findings.transactions += 1;
        for (key, value) in commit.ops {
            match value {
                Some(value) => {
                    let (value, seen) = (xxh3_64(&value), false);
                    let written = Written { value, seen };
                    self.check.written.insert(key.into(), written);
                }
                None => {
                    self.check.written.remove(key.as_slice());
                }
            }
        }
        Ok(())
    }
    fn body(&mut self, body: Seen) -> Result<()> {
        self.check.findings.bodies += 1;
        self.check.bodies.insert(body.id.0);
        Ok(())
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        self.check.lost |= damage.body.is_none();
        self.check.findings.add(of_log(damage));
        Ok(())
    }
    fn reached(&mut self, at: Lsn) {
        (self.progress)(at.0, self.total);
    }
}

/// What was written while the index was read.
struct Tail<'a> {
    touched: &'a mut HashSet<Box<[u8]>>,
    bodies: &'a mut HashSet<u64>,
    findings: &'a mut Findings,
}

impl Inspector for Tail<'_> {
    fn commit(&mut self, _: Lsn, commit: Commit) -> Result<()> {
        let keys = commit.ops.into_iter().map(|(key, _)| key.into());
        self.touched.extend(keys);
        Ok(())
    }
    fn body(&mut self, body: Seen) -> Result<()> {
        self.bodies.insert(body.id.0);
        Ok(())
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        self.findings.add(of_log(damage));
        Ok(())
    }
    fn reached(&mut self, _: Lsn) {}
}
