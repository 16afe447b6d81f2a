//! The change feed: who waits is told what changed, after it is durable and visible.
//!
//! Soft: a watcher that falls behind by more than 4,096 changes gets `rescan` instead of a list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::id::{AccountId, MailboxId, ModSeq, Uid};

/// What one can watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Messages of one mailbox.
    Mailbox(MailboxId),
    /// Mailbox list, names and subscriptions of one account.
    Account(AccountId),
    /// Queue records.
    Queue,
    /// Directory records.
    Directory,
    /// Trace records of refusals, which no other topic tells of.
    Trace,
    /// What people said of letters, and what else the filter keeps.
    Filter,
    /// Everything (push, tracing).
    All,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub topic: Topic,
    /// What.
    pub kind: ChangeKind,
    /// When, as the transaction's number.
    pub modseq: ModSeq,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A message came.
    Added(Uid),
    /// Flags or keywords changed.
    Flagged(Uid),
    /// A message went.
    Expunged(Uid),
    /// The mailbox itself was deleted.
    Removed,
    /// A record of the topic changed (mailbox list, queue, directory).
    Touched,
}

/// What a watcher collected since it was last asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Changes in order.
    pub changes: Vec<Change>,
    /// Too many were missed: read the state anew.
    pub rescan: bool,
}

/// Changes kept for a watcher that does not take them.
const KEPT: usize = 4_096;

/// A subscription to one topic; dropped = unsubscribed.
#[derive(Debug)]
pub struct Watcher {
    seat: Arc<Seat>,
    topic: Topic,
    seats: Weak<Seats>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let Some(seats) = self.seats.upgrade() else {
            return;
        };
        let mut seats = seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_topic) = seats.get_mut(&self.topic) {
            of_topic.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            if of_topic.is_empty() {
                seats.remove(&self.topic);
            }
        }
    }
}

type Seats = Mutex<HashMap<Topic, Vec<Arc<Seat>>>>;

#[derive(Debug, Default)]
struct Seat {
    batch: Mutex<Batch>,
    wake: Notify,
}

impl Watcher {
    /// Waits until something is there. Cancel-safe: nothing is taken.
    pub async fn changed(&mut self) {
        loop {
            let woken = self.seat.wake.notified();
            if !self.seat.is_empty() {
                return;
            }
            // `notify_one` keeps a permit, so a change between the look and this line is not missed.
            woken.await;
        }
    }
    /// Takes what is there, without waiting.
    pub fn take(&mut self) -> Batch {
        std::mem::take(
            &mut *self
                .seat
                .batch
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Seat {
    fn is_empty(&self) -> bool {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.changes.is_empty() && !batch.rescan
    }

    fn push(&self, changes: &[&Change]) {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.changes.len() + changes.len() > KEPT {
            *batch = Batch {
                changes: Vec::new(),
                rescan: true,
            };
        } else if !batch.rescan {
            batch.changes.extend(changes.iter().copied());
        }
        drop(batch);
        self.wake.notify_one();
    }
}

/// All watchers of a store.
#[derive(Debug, Default)]
pub(crate) struct Feed(Arc<Seats>);

impl Feed {
    /// Watches a topic from now on.
    pub(crate) fn watch(&self, topic: Topic) -> Watcher {
        let seat = Arc::new(Seat::default());
        self.seats()
            .entry(topic)
            .or_default()
            .push(Arc::clone(&seat));
        Watcher {
            seat,
            topic,
            seats: Arc::downgrade(&self.0),
        }
    }

    /// Tells everybody concerned, in order.
    pub(crate) fn publish(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut by_topic: HashMap<Topic, Vec<&Change>> = HashMap::new();
        for change in changes {
            by_topic.entry(change.topic).or_default().push(change);
        }
        by_topic
            .entry(Topic::All)
            .or_default()
            .extend(changes.iter().filter(|change| change.topic != Topic::All));
        let seats = self.seats();
        for (topic, changes) in by_topic {
            for seat in seats.get(&topic).into_iter().flatten() {
                seat.push(&changes);
            }
        }
    }

    /// The store ends: everybody looks once more and finds it closed.
    pub(crate) fn end(&self) {
        for seat in self.seats().values().flatten() {
            seat.batch
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .rescan = true;
            seat.wake.notify_one();
        }
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<Topic, Vec<Arc<Seat>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(topic: Topic, number: u64) -> Change {
        Change {
            topic,
            kind: ChangeKind::Touched,
            modseq: ModSeq(number),
        }
    }

    #[test]
    fn watchers_get_their_topic_in_order_and_nothing_after_they_left() {
        let feed = Feed::default();
        let mut one = feed.watch(Topic::Mailbox(MailboxId(1)));
        let mut all = feed.watch(Topic::All);
        let gone = feed.watch(Topic::Queue);
        drop(gone);
        let changes: Vec<_> = (0..10)
            .map(|number| change(Topic::Mailbox(MailboxId(number % 2)), number))
            .chain([change(Topic::Queue, 10)])
            .collect();
        feed.publish(&changes);
        let numbers = |batch: Batch| {
            batch
                .changes
                .iter()
                .map(|change| change.modseq.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(one.take()), [1, 3, 5, 7, 9]);
        assert_eq!(numbers(all.take()), (0..=10).collect::<Vec<_>>());
        assert_eq!(one.take(), Batch::default());
        assert!(!feed.seats().contains_key(&Topic::Queue));
    }

    #[test]
    fn who_falls_behind_is_told_to_rescan() {
        let feed = Feed::default();
        let mut watcher = feed.watch(Topic::Queue);
        for number in 0..=KEPT as u64 {
            feed.publish(&[change(Topic::Queue, number)]);
        }
        feed.publish(&[change(Topic::Queue, 9_999)]);
        assert_eq!(
            watcher.take(),
            Batch {
                changes: Vec::new(),
                rescan: true
            }
        );
        feed.publish(&[change(Topic::Queue, 10_000)]);
        assert_eq!(watcher.take().changes.len(), 1);
    }

    #[tokio::test]
    async fn changed_wakes_and_takes_nothing() {
        let feed = Arc::new(Feed::default());
        let mut watcher = feed.watch(Topic::Directory);
        let publisher = Arc::clone(&feed);
        let task = tokio::spawn(async move { publisher.publish(&[change(Topic::Directory, 1)]) });
        watcher.changed().await;
        watcher.changed().await;
        assert_eq!(watcher.take().changes.len(), 1);
        task.await.unwrap();
        feed.end();
        watcher.changed().await;
        assert!(watcher.take().rescan);
    }
}
