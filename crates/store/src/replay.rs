//! The replay of the log into an index: one thread reads, another keeps the last write of each key and hands them to
//! the engine in key order. Memory is bounded by what is collected. What is read from where is decided in `recover`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::committer::Applied;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::id::Lsn;
use crate::log::frame::Commit;

/// Octets of writes collected before they go to the index during replay: later writes of a key
/// replace earlier ones, and sorted batches are much quicker.
const COLLECT: usize = 32 * 1024 * 1024;
/// Writes of one batch during replay. Replay may be repeated, so batches need not be transactions.
const BATCH: usize = 4_096;
/// Commits that change threads together.
const HANDFUL: usize = 256;
/// Such handfuls that wait, at most: some megabytes.
const AHEAD: usize = 8;
/// How often a long replay tells how far it is.
const TELL: Duration = Duration::from_secs(5);

/// Tells from time to time how far a replay is, and how quick.
pub(crate) struct Pace {
    begun: Instant,
    told: Instant,
    from: u64,
    commits: u64,
}

impl Pace {
    pub(crate) fn new(from: u64) -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            told: now,
            from,
            commits: 0,
        }
    }

    pub(crate) fn reached(&mut self, at: Lsn, total: Lsn) {
        self.commits += 1;
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let per_second = self.commits.saturating_mul(1_000) / millis.max(1);
        let (done, of) = (
            at.0.saturating_sub(self.from),
            total.0 - self.from.min(total.0),
        );
        tracing::info!(
            octets = done,
            of,
            commits = self.commits,
            per_second,
            "replay log"
        );
    }
}

/// Reads the log on this thread while another takes its commits.
pub(crate) fn in_two<T>(
    engine: &dyn Engine,
    from: Applied,
    read: impl FnOnce(&mut Hand) -> Result<T>,
) -> Result<(T, Sink<'_>)> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<Commit>>(AHEAD);
        let taker = std::thread::Builder::new().name("replay".to_owned());
        let taker = taker.spawn_scoped(scope, move || {
            let mut sink = Sink {
                engine,
                writes: HashMap::new(),
                octets: 0,
                applied: from,
            };
            // The first error ends it; the reader then finds nobody to give to.
            for commit in receiver.into_iter().flatten() {
                sink.take(commit)?;
            }
            Ok(sink)
        });
        let taker = taker.map_err(|error| Error::io("starting a thread", &error))?;
        let mut hand = Hand {
            full: Vec::with_capacity(HANDFUL),
            to: Some(sender),
        };
        let read = read(&mut hand).and_then(|read| hand.end().map(|()| read));
        drop(hand);
        let sink = match taker.join() {
            Ok(sink) => sink?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok((read?, sink))
    })
}

/// Gives commits away by the handful.
pub(crate) struct Hand {
    full: Vec<Commit>,
    to: Option<SyncSender<Vec<Commit>>>,
}

impl Hand {
    pub(crate) fn give(&mut self, commit: Commit) -> Result<()> {
        self.full.push(commit);
        if self.full.len() < HANDFUL {
            return Ok(());
        }
        self.end()
    }

    /// Gives what is left. The taker's own error says why it is gone.
    fn end(&mut self) -> Result<()> {
        let full = std::mem::replace(&mut self.full, Vec::with_capacity(HANDFUL));
        let given = self.to.as_ref().is_some_and(|to| to.send(full).is_ok());
        given.then_some(()).ok_or(Error::Closed)
    }
}

/// Takes commits in order and gives the index the last write of each key.
pub(crate) struct Sink<'a> {
    engine: &'a dyn Engine,
    writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Octets of `writes`.
    octets: usize,
    pub(crate) applied: Applied,
}

impl Sink<'_> {
    fn take(&mut self, commit: Commit) -> Result<()> {
        self.applied.number = self.applied.number.max(commit.number);
        self.applied.time = self.applied.time.max(commit.time);
        for (key, value) in commit.ops {
            let octets = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
            self.octets += octets(&value);
            match self.writes.entry(key) {
                Entry::Occupied(mut known) => {
                    let earlier = known.insert(value);
                    self.octets -= octets(&earlier);
                }
                Entry::Vacant(new) => {
                    self.octets += new.key().len();
                    new.insert(value);
                }
            }
        }
        if self.octets > COLLECT {
            self.spill()
        } else {
            Ok(())
        }
    }

    pub(crate) fn spill(&mut self) -> Result<()> {
        self.octets = 0;
        let mut writes: Vec<_> = std::mem::take(&mut self.writes).into_iter().collect();
        writes.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            self.engine.apply(&mut writes.by_ref().take(BATCH))?;
        }
        Ok(())
    }
}
