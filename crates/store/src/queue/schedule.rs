//! What can be done with the queue's tables: enqueue, find what is due, settle an attempt, hold,
//! release, retry, drop, count.
//!
//! Every change keeps the invariant of [`super`] and tells watchers of [`Topic::Queue`]. Tasks that are
//! being tried keep their records; who tries them remembers that in memory, so a crash forgets it and
//! the task is simply due again.

use std::collections::BTreeSet;

use super::{
    Entry, NewEntry, NewRcpt, Order, QueueId, Rcpt, RcptStatus, TaskKey, cut, domain_prefix,
};
use crate::error::{Error, Result};
use crate::feed::Topic;
use crate::id::Timestamp;
use crate::record::Record;
use crate::tx::{Read, Tx};

/// Records a scan: the most that [`Read::scan`] gives.
const PAGE: usize = 1_024;
/// Entries made due in one transaction: some hundred records in usual queues, so that mail that comes meanwhile
/// waits for milliseconds.
const RETRY_PAGE: usize = 200;
/// Most recipients of one entry: the directory's bound for an expanded group, on top of the largest RCPT limit.
const RCPTS_MOST: usize = 20_000;

/// How an attempt ended for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next server took it over.
    Delivered {
        /// Its reply.
        reply: String,
        /// Its name.
        remote: Option<String>,
    },
    /// To be tried again at `next`.
    Deferred {
        /// When.
        next: Timestamp,
        /// The reply, or why there was none.
        reply: String,
        /// The server's name, if one answered.
        remote: Option<String>,
    },
    /// Given up.
    Failed {
        /// The reply, or why.
        reply: String,
        /// The server's name, if one answered.
        remote: Option<String>,
    },
}

/// What settling left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The entry as it is now (as it was last, when finished).
    pub entry: Entry,
    /// The recipients that changed, as they are now.
    pub rcpts: Vec<Rcpt>,
    /// Nobody waits any more: entry and recipients are gone.
    pub finished: bool,
}

/// Sums over the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Entries, held ones included.
    pub entries: u64,
    /// Held entries.
    pub held: u64,
    /// Waiting recipients.
    pub waiting: u64,
    /// Octets of the entries.
    pub octets: u64,
    /// When the oldest entry arrived.
    pub oldest: Option<Timestamp>,
}

/// Questions to the queue, in reads and in transactions.
pub trait QueueRead: Read {
    /// One entry.
    fn queue_entry(&self, id: QueueId) -> Result<Option<Entry>> {
        self.get::<Entry>(&id)
    }

    /// At most `limit` (≤ 1,024) entries from `from` on, oldest first.
    fn queue_entries(&self, from: QueueId, limit: usize) -> Result<Vec<Entry>> {
        self.scan(&[], &Entry::key_octets(&from), limit)
    }

    /// At most `limit` (≤ 1,024) recipients of an entry, whatever their state, by domain; `after` is the last
    /// one of the page before.
    fn queue_rcpts(&self, id: QueueId, after: Option<&Rcpt>, limit: usize) -> Result<Vec<Rcpt>> {
        page(self, &Entry::key_octets(&id), after, limit)
    }

    /// At most `limit` recipients of a task. `None` when the task is gone or held.
    fn task(&self, key: &TaskKey, limit: usize) -> Result<Option<(Entry, Vec<Rcpt>)>> {
        if self.get::<Order>(key)?.is_none() {
            return Ok(None);
        }
        let Some(entry) = self.queue_entry(key.entry)? else {
            return Ok(None);
        };
        let mut found = Vec::new();
        each_rcpt(self, &domain_prefix(key.entry, &key.domain), |rcpt| {
            if rcpt.status == RcptStatus::Waiting && rcpt.next == key.next {
                found.push(rcpt);
            }
            found.len() < limit
        })?;
        Ok(Some((entry, found)))
    }

    /// At most `limit` (≤ 1,024) tasks that are due, the most urgent lane first, then the longest due.
    /// `after` continues behind the last task of the page before.
    fn due(&self, now: Timestamp, after: Option<&TaskKey>, limit: usize) -> Result<Vec<TaskKey>> {
        let mut tasks = Vec::new();
        for lane in super::Lane::ALL {
            let from = match after {
                Some(key) if key.lane > lane => continue,
                Some(key) if key.lane == lane => successor(Order::key_octets(key)),
                _ => Vec::new(),
            };
            let page: Vec<Order> = self.scan(&[lane as u8], &from, limit - tasks.len())?;
            tasks.extend(
                page.into_iter()
                    .map(|order| order.0)
                    .take_while(|key| key.next <= now),
            );
            if tasks.len() == limit {
                break;
            }
        }
        Ok(tasks)
    }

    /// When the first task after `now` is due: how long a scheduler may sleep.
    fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let mut first = None;
        for lane in super::Lane::ALL {
            let key = TaskKey {
                lane,
                next: Timestamp(now.0.saturating_add(1)),
                entry: QueueId(0),
                domain: String::new(),
            };
            let page: Vec<Order> = self.scan(&[lane as u8], &Order::key_octets(&key), 1)?;
            if let Some(order) = page.first() {
                first = Some(first.map_or(order.0.next, |at: Timestamp| at.min(order.0.next)));
            }
        }
        Ok(first)
    }

    /// Adds one page of entries from `from` on to `counts`; `Some` is where the next page begins.
    fn queue_count(&self, from: QueueId, counts: &mut Counts) -> Result<Option<QueueId>> {
        let page = self.queue_entries(from, PAGE)?;
        for entry in &page {
            counts.entries += 1;
            counts.held += u64::from(entry.hold.is_some());
            counts.waiting += u64::from(entry.waiting);
            counts.octets += entry.size;
            counts.oldest = Some(
                counts
                    .oldest
                    .map_or(entry.arrived, |oldest| oldest.min(entry.arrived)),
            );
        }
        Ok(page
            .last()
            .filter(|_| page.len() == PAGE)
            .map(|last| QueueId(last.id.0 + 1)))
    }
}

impl<T: Read> QueueRead for T {}

/// Changes of the queue, in a transaction.
pub trait QueueWrite {
    /// Queues a message for its recipients, due at once. At least one recipient, at most 20,000. The body must
    /// be attached in the same transaction.
    fn enqueue(&mut self, new: &NewEntry, rcpts: &[NewRcpt]) -> Result<QueueId>;
    /// Records how an attempt ended: (index, outcome) of each recipient tried. Recipients that are final
    /// or unknown meanwhile are left alone. `None` when the entry is gone.
    fn settle(
        &mut self,
        entry: QueueId,
        domain: &str,
        outcomes: &[(u32, Outcome)],
    ) -> Result<Option<Settled>>;
    /// Notes that the sender was told of the delay of these recipients.
    fn warned(&mut self, rcpts: &[Rcpt]) -> Result<()>;
    /// Makes all waiting recipients of an entry (in one domain, if given) due now. `false` when there are none.
    fn retry(&mut self, entry: QueueId, domain: Option<&str>) -> Result<bool>;
    /// [`QueueWrite::retry`] for one page of entries from `from` on, but for those that are held. How many had
    /// something to try, and where the next page begins.
    fn retry_page(&mut self, from: QueueId, domain: Option<&str>)
    -> Result<(u64, Option<QueueId>)>;
    /// Keeps an entry from being tried. An attempt under way finishes. `false` when the entry is gone.
    fn hold(&mut self, entry: QueueId, reason: &str) -> Result<bool>;
    /// Lets a held entry go on when its recipients are due. `false` when it is gone or was not held.
    fn release(&mut self, entry: QueueId) -> Result<bool>;
    /// Forgets an entry without telling anybody. `None` when it is gone.
    fn drop_entry(&mut self, entry: QueueId) -> Result<Option<Entry>>;
}

impl QueueWrite for Tx<'_> {
    fn enqueue(&mut self, new: &NewEntry, rcpts: &[NewRcpt]) -> Result<QueueId> {
        if rcpts.is_empty() || rcpts.len() > RCPTS_MOST {
            return Err(Error::Limit("recipients of a queue entry"));
        }
        if rcpts
            .iter()
            .any(|rcpt| rcpt.domain.is_empty() || rcpt.domain.contains('\0'))
        {
            return Err(Error::Limit("route key of a recipient"));
        }
        let count = u32::try_from(rcpts.len()).expect("at most RCPTS_MOST");
        let (id, now) = (QueueId(self.next("queue")?), self.now());
        let new = new.clone();
        let entry = Entry {
            id,
            lane: new.lane,
            sender: new.sender,
            body: new.body,
            frame: new.frame,
            skip: new.skip,
            size: new.size,
            arrived: now,
            account: new.account,
            envid: new.envid,
            ret: new.ret,
            utf8: new.utf8,
            body_kind: new.body_kind,
            hold: new.hold,
            trace: new.trace,
            rcpts: count,
            waiting: count,
        };
        self.put(&entry)?;
        for (index, rcpt) in (0..count).zip(rcpts) {
            self.put(&Rcpt {
                entry: id,
                index,
                address: rcpt.address.clone(),
                domain: rcpt.domain.clone(),
                status: RcptStatus::Waiting,
                attempts: 0,
                first: None,
                next: now,
                reply: None,
                remote: None,
                warned: false,
                notify: rcpt.notify,
                orcpt: rcpt.orcpt.clone(),
            })?;
        }
        if entry.hold.is_none() {
            for domain in rcpts
                .iter()
                .map(|rcpt| &rcpt.domain)
                .collect::<BTreeSet<_>>()
            {
                self.put(&Order(TaskKey {
                    lane: entry.lane,
                    next: now,
                    entry: id,
                    domain: domain.clone(),
                }))?;
            }
        }
        self.touch(Topic::Queue);
        Ok(id)
    }

    fn settle(
        &mut self,
        id: QueueId,
        domain: &str,
        outcomes: &[(u32, Outcome)],
    ) -> Result<Option<Settled>> {
        let Some(mut entry) = self.queue_entry(id)? else {
            return Ok(None);
        };
        let before = due_set(self, &entry, &domain_prefix(id, domain))?;
        let now = self.now();
        let mut rcpts = Vec::new();
        for (index, outcome) in outcomes {
            let key = super::RcptKey {
                entry: id,
                domain: domain.to_owned(),
                index: *index,
            };
            let Some(mut rcpt) = self
                .get::<Rcpt>(&key)?
                .filter(|rcpt| rcpt.status == RcptStatus::Waiting)
            else {
                continue;
            };
            let (status, reply, remote) = match outcome.clone() {
                Outcome::Delivered { reply, remote } => (RcptStatus::Delivered, reply, remote),
                Outcome::Failed { reply, remote } => (RcptStatus::Failed, reply, remote),
                Outcome::Deferred {
                    next,
                    reply,
                    remote,
                } => {
                    rcpt.next = next;
                    (RcptStatus::Waiting, reply, remote)
                }
            };
            rcpt.status = status;
            rcpt.reply = Some(cut(reply));
            rcpt.remote = remote;
            rcpt.attempts = rcpt.attempts.saturating_add(1);
            rcpt.first = rcpt.first.or(Some(now));
            entry.waiting = entry
                .waiting
                .saturating_sub(u32::from(status != RcptStatus::Waiting));
            self.put(&rcpt)?;
            rcpts.push(rcpt);
        }
        let finished = entry.waiting == 0;
        if finished {
            self.drop_entry(id)?;
        } else {
            let after = due_set(self, &entry, &domain_prefix(id, domain))?;
            reorder(self, &before, &after)?;
            self.put(&entry)?;
        }
        self.touch(Topic::Queue);
        Ok(Some(Settled {
            entry,
            rcpts,
            finished,
        }))
    }

    fn warned(&mut self, rcpts: &[Rcpt]) -> Result<()> {
        for rcpt in rcpts {
            if let Some(mut rcpt) = self.get::<Rcpt>(&rcpt.key())? {
                rcpt.warned = true;
                self.put(&rcpt)?;
            }
        }
        Ok(())
    }

    fn retry(&mut self, id: QueueId, domain: Option<&str>) -> Result<bool> {
        let Some(entry) = self.queue_entry(id)? else {
            return Ok(false);
        };
        let prefix = domain.map_or_else(
            || Entry::key_octets(&id),
            |domain| domain_prefix(id, domain),
        );
        let before = due_set(self, &entry, &prefix)?;
        let mut waiting = Vec::new();
        each_rcpt(self, &prefix, |rcpt| {
            if rcpt.status == RcptStatus::Waiting {
                waiting.push(rcpt);
            }
            true
        })?;
        let now = self.now();
        for rcpt in &mut waiting {
            rcpt.next = now;
            self.put(rcpt)?;
        }
        let after = due_set(self, &entry, &prefix)?;
        reorder(self, &before, &after)?;
        self.touch(Topic::Queue);
        Ok(!waiting.is_empty())
    }

    fn retry_page(
        &mut self,
        from: QueueId,
        domain: Option<&str>,
    ) -> Result<(u64, Option<QueueId>)> {
        let page = self.queue_entries(from, RETRY_PAGE)?;
        let mut retried = 0;
        for entry in page.iter().filter(|entry| entry.hold.is_none()) {
            retried += u64::from(self.retry(entry.id, domain)?);
        }
        let next = page.last().and_then(|last| last.id.0.checked_add(1));
        let next = next.filter(|_| page.len() == RETRY_PAGE).map(QueueId);
        Ok((retried, next))
    }

    fn hold(&mut self, id: QueueId, reason: &str) -> Result<bool> {
        let Some(mut entry) = self.queue_entry(id)? else {
            return Ok(false);
        };
        let before = due_set(self, &entry, &Entry::key_octets(&id))?;
        reorder(self, &before, &BTreeSet::new())?;
        entry.hold = Some(cut(reason.to_owned()));
        self.put(&entry)?;
        self.touch(Topic::Queue);
        Ok(true)
    }

    fn release(&mut self, id: QueueId) -> Result<bool> {
        let Some(mut entry) = self.queue_entry(id)?.filter(|entry| entry.hold.is_some()) else {
            return Ok(false);
        };
        entry.hold = None;
        let after = due_set(self, &entry, &Entry::key_octets(&id))?;
        reorder(self, &BTreeSet::new(), &after)?;
        self.put(&entry)?;
        self.touch(Topic::Queue);
        Ok(true)
    }

    fn drop_entry(&mut self, id: QueueId) -> Result<Option<Entry>> {
        let Some(entry) = self.queue_entry(id)? else {
            return Ok(None);
        };
        let mut keys = Vec::new();
        let mut orders = BTreeSet::new();
        each_rcpt(self, &Entry::key_octets(&id), |rcpt| {
            keys.push(rcpt.key());
            // Also the instants of recipients made final just now: their order record may still stand.
            orders.insert(TaskKey {
                lane: entry.lane,
                next: rcpt.next,
                entry: id,
                domain: rcpt.domain,
            });
            true
        })?;
        for key in &keys {
            self.delete::<Rcpt>(key)?;
        }
        reorder(self, &orders, &BTreeSet::new())?;
        self.delete::<Entry>(&id)?;
        self.touch(Topic::Queue);
        Ok(Some(entry))
    }
}

/// The order records that recipients under `prefix` call for.
fn due_set<R: Read + ?Sized>(tx: &R, entry: &Entry, prefix: &[u8]) -> Result<BTreeSet<TaskKey>> {
    let mut set = BTreeSet::new();
    if entry.hold.is_none() {
        each_rcpt(tx, prefix, |rcpt| {
            if rcpt.status == RcptStatus::Waiting {
                set.insert(TaskKey {
                    lane: entry.lane,
                    next: rcpt.next,
                    entry: entry.id,
                    domain: rcpt.domain,
                });
            }
            true
        })?;
    }
    Ok(set)
}

fn reorder(tx: &mut Tx<'_>, before: &BTreeSet<TaskKey>, after: &BTreeSet<TaskKey>) -> Result<()> {
    for key in before.difference(after) {
        tx.delete::<Order>(key)?;
    }
    for key in after.difference(before) {
        tx.put(&Order(key.clone()))?;
    }
    Ok(())
}

/// Visits recipients under a key prefix in pages until `visit` says stop.
fn each_rcpt<R: Read + ?Sized>(
    tx: &R,
    prefix: &[u8],
    mut visit: impl FnMut(Rcpt) -> bool,
) -> Result<()> {
    let mut last = None;
    loop {
        let found = page(tx, prefix, last.as_ref(), PAGE)?;
        let whole = found.len() == PAGE;
        last = found.last().cloned();
        for rcpt in found {
            if !visit(rcpt) {
                return Ok(());
            }
        }
        if !whole {
            return Ok(());
        }
    }
}

fn page<R: Read + ?Sized>(
    tx: &R,
    prefix: &[u8],
    after: Option<&Rcpt>,
    limit: usize,
) -> Result<Vec<Rcpt>> {
    let from = after.map_or_else(Vec::new, |rcpt| successor(Rcpt::key_octets(&rcpt.key())));
    tx.scan(prefix, &from, limit)
}

/// The least key greater than this one.
fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

#[cfg(test)]
mod tests;
