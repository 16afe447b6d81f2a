//! Scrubbing: while the store is in use, everything in it is read slowly and compared, so that decay is
//! known long before somebody needs what decayed.
//!
//! A pass reads every octet of the log against its checksums (`patrol`), then every record of the index
//! against the last write that the log has of it, and the counters against what they count (`compare`).
//! Nothing is changed: findings are told, and neither make the index doubted nor rebuild it; that is for a
//! start or an administrator to decide. A thread of its own, at a bounded rate; how far it is stands in the
//! file `scrub`, so that a pass goes on after a restart.

mod compare;
mod patrol;
mod status;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use status::Status;

use crate::check::Problem;
use crate::committer::Applied;
use crate::engine::{Engine, Op, Visit};
use crate::error::{Error, Result};
use crate::id::{Lsn, Timestamp};
use crate::store::{Shared, Store};
use crate::tx::Snapshot;

/// How long after an error of the disk a pass is tried again.
const AGAIN: Duration = Duration::from_hours(1);
/// Shortest rest: below it, keeping the rate would cost more than reading.
const REST: Duration = Duration::from_millis(20);

/// How to scrub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Octets read a second, at most.
    pub rate: u64,
    /// From the end of a pass to the next one.
    pub every: Duration,
    /// Before the first one begins or goes on: a start has other things to do.
    pub after: Duration,
}

/// What is told.
#[derive(Debug, Clone)]
pub enum Event {
    /// A pass begins, or goes on after a restart.
    Begun(Status),
    /// Something is wrong.
    Found(Problem),
    /// A pass is finished.
    Finished(Status),
    /// A pass was given up for now; it is tried again.
    Failed(Error),
}

/// Who is told.
type Teller = Box<dyn FnMut(Event) + Send>;

/// The thread; it ends when this is dropped.
pub struct Scrub {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scrub {
    /// Begins to scrub a store. `tell` is called on the thread, and may block it.
    pub fn start(
        store: &Store,
        settings: Settings,
        tell: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let mut thread = Thread {
            // Not the store itself: it closes when the last user is gone.
            shared: Arc::clone(store.shared()),
            settings,
            tell: Box::new(tell),
        };
        let thread = std::thread::Builder::new()
            .name("scrub".to_owned())
            .spawn(move || thread.serve(&stopped))
            .map_err(|error| Error::io("starting the thread for scrubbing", &error))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Scrub {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for scrubbing panicked");
        }
    }
}

struct Thread {
    shared: Arc<Shared>,
    settings: Settings,
    tell: Teller,
}

/// A pass ended early.
enum Ended {
    /// Told to stop, or the store was closed.
    Stopped,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        // What a stop makes of a reading under way.
        match error {
            Error::Closed => Self::Stopped,
            error => Self::Failed(error),
        }
    }
}

impl Thread {
    fn serve(&mut self, stop: &Receiver<()>) {
        let mut wait = self.settings.after;
        loop {
            if let Err(RecvTimeoutError::Disconnected) = stop.recv_timeout(wait) {
                return;
            }
            let folder = self.shared.folder.clone();
            let status = Status::read(&folder)
                .filter(|status| status.store == self.shared.seed)
                .unwrap_or_else(|| Status::of(self.shared.seed));
            wait = due(&status, self.settings.every);
            if !wait.is_zero() {
                continue;
            }
            let pace = Pace::new(self.settings.rate, stop);
            let pass = Pass {
                shared: &self.shared,
                pace,
                tell: &mut self.tell,
                status,
                folder,
            };
            wait = match pass.run() {
                Ok(()) => self.settings.every,
                Err(Ended::Stopped) => return,
                Err(Ended::Failed(error)) => {
                    (self.tell)(Event::Failed(error));
                    AGAIN
                }
            };
        }
    }
}

/// How long until the next pass; none when one is under way.
fn due(status: &Status, every: Duration) -> Duration {
    let Some(finished) = status.finished.filter(|_| status.at.is_none()) else {
        return Duration::ZERO;
    };
    // A clock that was set back must not stop the scrub for years.
    let since = Timestamp::now().0.saturating_sub(finished.0).max(0);
    every.saturating_sub(Duration::from_millis(since.unsigned_abs()))
}

/// A pass under way.
struct Pass<'a> {
    shared: &'a Shared,
    pace: Pace<'a>,
    tell: &'a mut Teller,
    status: Status,
    folder: PathBuf,
}

impl Pass<'_> {
    fn run(mut self) -> Result<(), Ended> {
        if self.status.at.is_none() {
            self.status.begin();
            self.save();
        }
        (self.tell)(Event::Begun(self.status));
        self.patrol()?;
        self.compare()?;
        self.sums()?;
        self.status.finish();
        self.save();
        (self.tell)(Event::Finished(self.status));
        Ok(())
    }

    /// Only where to go on stands in the file: if it cannot be written, the pass begins again.
    fn save(&self) {
        if let Err(error) = self.status.write(&self.folder) {
            tracing::debug!(%error, "scrub: position not saved");
        }
    }

    fn found(&mut self, problem: Problem) {
        self.status.problems += 1;
        (self.tell)(Event::Found(problem));
    }

    /// Looks at the index in one consistent state.
    fn look<T>(&self, run: impl FnOnce(&Snapshot<'_>) -> Result<T>) -> Result<T> {
        let engine = self
            .shared
            .engine
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let quiet = Quiet(engine.as_deref().ok_or(Error::Closed)?);
        run(&Snapshot { engine: &quiet })
    }

    /// Up to where the log is durable.
    fn end(&self) -> Result<Lsn> {
        let missing = || Error::Damaged("the index does not tell how far it goes".to_owned());
        self.look(|view| {
            let applied = Applied::read(view.engine)?.ok_or_else(missing)?;
            Ok(Lsn(applied.lsn))
        })
    }
}

/// Keeps a rate, and knows when to stop.
struct Pace<'a> {
    rate: u64,
    stop: &'a Receiver<()>,
    since: Instant,
    octets: u64,
}

impl<'a> Pace<'a> {
    fn new(rate: u64, stop: &'a Receiver<()>) -> Self {
        Self {
            rate: rate.max(1),
            stop,
            since: Instant::now(),
            octets: 0,
        }
    }

    /// So many octets were read. `Error::Closed` = stop.
    fn spent(&mut self, octets: u64) -> Result<()> {
        self.octets = self.octets.saturating_add(octets);
        let millis = u128::from(self.octets) * 1_000 / u128::from(self.rate);
        let until = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let rest = until.saturating_sub(self.since.elapsed());
        if rest < REST {
            return Ok(());
        }
        let stopped = self.stop.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected);
        // Time that was lost elsewhere is not made up for.
        (self.since, self.octets) = (Instant::now(), 0);
        if stopped { Err(Error::Closed) } else { Ok(()) }
    }
}

/// The index for one who only looks: what is wrong with it is told, but makes nobody doubt it.
struct Quiet<'a>(&'a dyn Engine);

impl Engine for Quiet<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.get(key)
    }
    fn visit(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<()> {
        self.0.visit(from, to, visit)
    }
    fn apply(&self, _: &mut dyn Iterator<Item = Op>) -> Result<()> {
        Err(Error::ReadOnly("scrubbing changes nothing".to_owned()))
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn doubt(&self) {}
    fn doubted(&self) -> bool {
        self.0.doubted()
    }
}

#[cfg(test)]
mod tests;
