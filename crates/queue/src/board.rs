//! The board: which tasks stand in line for which destination, and who works there.
//!
//! In memory only; the store knows what is owed, so a lost board costs a scan. A task on the board is
//! offered once, until it is released. Every method is short and is called under one lock.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use congvu_store::queue::{QueueId, TaskKey};
use tokio::sync::Notify;

use crate::route::Destination;

/// Tasks kept in line for one destination: enough work for its connections between two scans.
pub(crate) const LINE_MOST: usize = 1_000;
/// Tasks on the board in all: some 40 MB of memory. What finds no place is offered again in a later round.
pub(crate) const BOARD_MOST: usize = 100_000;
/// Times that a task may end its worker in a panic before its entry is set aside.
pub(crate) const PANICS_MOST: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Board {
    lines: HashMap<Destination, Line>,
    /// On the board: in line or in hand.
    known: HashSet<TaskKey>,
    workers: usize,
    /// More lines want a worker than there are connections.
    pressed: bool,
    panics: HashMap<QueueId, u32>,
}

#[derive(Debug, Default)]
struct Line {
    /// The most urgent first.
    waiting: BTreeSet<TaskKey>,
    workers: usize,
    /// Workers whose session came to a transaction.
    ready: usize,
    /// How many workers the other side seems to bear; `None`: not found out.
    bears: Option<usize>,
    /// Rung when a task comes.
    bell: Arc<Notify>,
}

impl Board {
    /// Whether a task is in line or in hand.
    pub(crate) fn knows(&self, task: &TaskKey) -> bool {
        self.known.contains(task)
    }

    /// Offers a due task; `false` when it is known already or its line is full.
    pub(crate) fn offer(&mut self, task: &TaskKey, destination: &Destination) -> bool {
        if self.known.len() >= BOARD_MOST || self.known.contains(task) {
            return false;
        }
        let line = self.lines.entry(destination.clone()).or_default();
        if line.waiting.len() >= LINE_MOST {
            return false;
        }
        line.waiting.insert(task.clone());
        line.bell.notify_one();
        self.known.insert(task.clone());
        true
    }

    /// Destinations that should get one more worker each, the least served and most urgent first, at most as
    /// many as `connections` allows. They are counted as started.
    pub(crate) fn start(&mut self, connections: usize, per_destination: usize) -> Vec<Destination> {
        let free = connections.saturating_sub(self.workers);
        let mut wanting: Vec<_> = self
            .lines
            .iter()
            .filter(|(_, line)| line.wants_worker(per_destination))
            .filter_map(|(destination, line)| {
                Some((line.workers, line.waiting.first()?, destination))
            })
            .collect();
        self.pressed = wanting.len() > free;
        if free == 0 {
            return Vec::new();
        }
        // There may be many thousand lines, and few of them get their turn.
        if free < wanting.len() {
            wanting.select_nth_unstable(free);
            wanting.truncate(free);
        }
        wanting.sort_unstable();
        let chosen: Vec<_> = wanting
            .into_iter()
            .map(|(_, _, destination)| destination.clone())
            .collect();
        for destination in &chosen {
            if let Some(line) = self.lines.get_mut(destination) {
                line.workers += 1;
                self.workers += 1;
            }
        }
        chosen
    }

    /// Whether somebody waits for a connection: then none is kept idle.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// A domain that stands in line there: where a worker looks up its way.
    pub(crate) fn peek(&self, destination: &Destination) -> Option<TaskKey> {
        self.lines.get(destination)?.waiting.first().cloned()
    }

    /// Takes the most urgent task in line, and the others of the same entry there.
    pub(crate) fn take(&mut self, destination: &Destination) -> Vec<TaskKey> {
        let Some(line) = self.lines.get_mut(destination) else {
            return Vec::new();
        };
        let Some(first) = line.waiting.pop_first() else {
            return Vec::new();
        };
        // Only a relay serves several domains; those of one entry are neighbours unless times differ.
        let same: Vec<_> = line
            .waiting
            .iter()
            .take_while(|task| {
                (task.lane, task.next, task.entry) == (first.lane, first.next, first.entry)
            })
            .cloned()
            .collect();
        for task in &same {
            line.waiting.remove(task);
        }
        let mut taken = vec![first];
        taken.extend(same);
        taken
    }

    /// Takes everything in line: nothing can be sent there now.
    pub(crate) fn take_all(&mut self, destination: &Destination) -> Vec<TaskKey> {
        let line = self.lines.get_mut(destination);
        line.map(|line| std::mem::take(&mut line.waiting).into_iter().collect())
            .unwrap_or_default()
    }

    /// The bell of a line.
    pub(crate) fn bell(&self, destination: &Destination) -> Option<Arc<Notify>> {
        self.lines
            .get(destination)
            .map(|line| Arc::clone(&line.bell))
    }

    /// These tasks are settled or given back: they may be offered again.
    pub(crate) fn release(&mut self, tasks: &[TaskKey]) {
        for task in tasks {
            self.known.remove(task);
        }
    }

    /// A worker's session came to a transaction.
    pub(crate) fn ready(&mut self, destination: &Destination) {
        if let Some(line) = self.lines.get_mut(destination) {
            line.ready += 1;
        }
    }

    /// A worker could open no session. `true`: others can, so the other side wants fewer of us.
    pub(crate) fn crowded(&mut self, destination: &Destination) -> bool {
        match self.lines.get_mut(destination) {
            Some(line) if line.ready > 0 => {
                line.bears = Some(line.ready);
                true
            }
            _ => false,
        }
    }

    /// A worker has ended.
    pub(crate) fn ended(&mut self, destination: &Destination, was_ready: bool) {
        self.workers = self.workers.saturating_sub(1);
        if let Some(line) = self.lines.get_mut(destination) {
            line.workers = line.workers.saturating_sub(1);
            // A worker that panicked cannot say whether it was ready.
            line.ready = line
                .ready
                .saturating_sub(usize::from(was_ready))
                .min(line.workers);
            if line.workers == 0 && line.waiting.is_empty() {
                self.lines.remove(destination);
            }
        }
    }

    /// Counts a panic; how many there were.
    pub(crate) fn panicked(&mut self, entry: QueueId) -> u32 {
        let count = self.panics.entry(entry).or_default();
        *count += 1;
        let found = *count;
        if found >= PANICS_MOST {
            self.panics.remove(&entry);
        }
        found
    }
}

impl Line {
    fn wants_worker(&self, per_destination: usize) -> bool {
        let limit = self
            .bears
            .unwrap_or(per_destination)
            .min(per_destination)
            .max(1);
        // A further connection pays off when there is work for several messages on each.
        let useful = if self.workers == 0 {
            1
        } else {
            self.workers * 2
        };
        self.workers < limit && self.waiting.len() >= useful
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Peer;
    use congvu_smtp::client::TlsPolicy;
    use congvu_store::Timestamp;
    use congvu_store::queue::Lane;

    fn task(lane: Lane, entry: u64, domain: &str) -> TaskKey {
        TaskKey {
            lane,
            next: Timestamp(1),
            entry: QueueId(entry),
            domain: domain.into(),
        }
    }

    fn at(domain: &str) -> Destination {
        Destination::Domain(domain.into())
    }

    #[test]
    fn a_task_is_offered_once() {
        let mut board = Board::default();
        let first = task(Lane::Normal, 1, "a.test");
        assert!(board.offer(&first, &at("a.test")));
        assert!(!board.offer(&first, &at("a.test")));
        assert_eq!(board.take(&at("a.test")), std::slice::from_ref(&first));
        assert!(!board.offer(&first, &at("a.test")), "in hand");
        board.release(std::slice::from_ref(&first));
        assert!(board.offer(&first, &at("a.test")));
    }

    #[test]
    fn destinations_are_served_in_turn_and_urgent_ones_first() {
        let mut board = Board::default();
        for entry in 0..100 {
            board.offer(&task(Lane::Normal, entry, "big.test"), &at("big.test"));
        }
        board.offer(&task(Lane::Normal, 200, "small.test"), &at("small.test"));
        board.offer(&task(Lane::HoaToc, 300, "urgent.test"), &at("urgent.test"));
        assert_eq!(
            board.start(3, 5),
            [at("urgent.test"), at("big.test"), at("small.test")]
        );
        assert!(board.start(3, 5).is_empty(), "no connection left");
        assert!(board.is_pressed(), "the big one wants more");
        assert_eq!(board.start(10, 5), [at("big.test")]);
        assert!(!board.is_pressed());
        assert_eq!(board.start(10, 5), [at("big.test")]);
        board.take_all(&at("small.test"));
        board.ended(&at("small.test"), false);
        assert_eq!(board.workers, 4);
        assert!(board.bell(&at("small.test")).is_none());
    }

    #[test]
    fn a_relay_gets_all_domains_of_an_entry_at_once() {
        let mut board = Board::default();
        let relay = Destination::Server(Peer {
            host: "relay.test".into(),
            port: 25,
            lmtp: false,
            tls: TlsPolicy::Never,
            login: None,
        });
        for (entry, domain) in [(1, "a.test"), (1, "b.test"), (2, "a.test")] {
            board.offer(&task(Lane::Normal, entry, domain), &relay);
        }
        assert_eq!(board.take(&relay).len(), 2);
        assert_eq!(board.take(&relay).len(), 1);
        assert!(board.take(&relay).is_empty());
    }

    #[test]
    fn a_crowded_server_is_given_fewer_connections() {
        let mut board = Board::default();
        for entry in 0..100 {
            board.offer(&task(Lane::Normal, entry, "a.test"), &at("a.test"));
        }
        board.start(10, 5);
        assert!(!board.crowded(&at("a.test")), "nobody is ready");
        board.ready(&at("a.test"));
        board.start(10, 5);
        assert!(board.crowded(&at("a.test")));
        board.ended(&at("a.test"), false);
        assert!(board.start(10, 5).is_empty());
    }

    #[test]
    fn lines_are_bounded_and_panics_counted() {
        let mut board = Board::default();
        for entry in 0..2_000 {
            board.offer(&task(Lane::Normal, entry, "a.test"), &at("a.test"));
        }
        assert_eq!(board.take_all(&at("a.test")).len(), LINE_MOST);
        assert_eq!([1, 2, 3], [(); 3].map(|()| board.panicked(QueueId(1))));
        assert_eq!(board.panicked(QueueId(1)), 1);
    }
}
