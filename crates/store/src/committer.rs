//! The committer: one thread that runs transactions one after another and makes them durable in
//! groups.
//!
//! Invariants: a caller gets `Ok` only after `fdatasync` returned and the index shows its effects;
//! a transaction that fails leaves no trace; after a failed sync no write is tried again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::codec;
use crate::dump::Dumps;
use crate::engine::{Engine, Op, panic_text};
use crate::error::{Error, Result};
use crate::feed::Change;
use crate::id::{ModSeq, Timestamp};
use crate::keys;
use crate::log::frame::{self, Commit, Kind};
use crate::log::writer::{End, Failed, Piece, Writer};
use crate::overlay::Overlay;
use crate::store::Shared;
use crate::tx::{Group, Tx};

/// Transactions that may wait; a sender past that waits itself.
pub(crate) const WAITING: usize = 1_024;
/// Most transactions of a group: the last of them waits for all the others' closures.
const GROUP: usize = 512;
/// Octets after which a group is closed: keeps memory and the time of one `fdatasync` bounded.
const GROUP_OCTETS: u64 = 32 * 1024 * 1024;

/// A transaction with its caller, whatever its types.
pub(crate) trait Job: Send {
    /// Runs the closure; `false` when it failed.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller: `Ok` = what the closure returned.
    fn finish(self: Box<Self>, outcome: Result<()>);
}

/// What the thread is asked.
pub(crate) enum Command {
    Run(Box<dyn Job>),
    Close(oneshot::Sender<Result<()>>),
}

/// A job of given types.
pub(crate) struct Closure<T, E, F> {
    pub(crate) run: F,
    pub(crate) result: Option<Result<T, E>>,
    pub(crate) reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Closure<T, E, F>
where
    T: Send,
    E: From<Error> + Send,
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let result = (self.run)(tx);
        let kept = result.is_ok();
        self.result = Some(result);
        kept
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let answer = match (self.result, outcome) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Closed.into()),
        };
        // The caller may have gone away; the transaction stands all the same.
        let _ = self.reply.send(answer);
    }
}

/// How far the log is applied to the index, with what the next group needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Applied {
    pub(crate) lsn: u64,
    pub(crate) group: u64,
    /// Number of the last transaction.
    pub(crate) number: ModSeq,
    /// Time of the last transaction.
    pub(crate) time: Timestamp,
}

impl Applied {
    /// The write that goes with every batch.
    pub(crate) fn op(&self) -> Op {
        (
            keys::APPLIED.to_vec(),
            Some(keys::seal(keys::APPLIED, &codec::encode(self))),
        )
    }

    /// From the index.
    pub(crate) fn read(engine: &dyn Engine) -> Result<Option<Self>> {
        crate::source::raw(engine, keys::APPLIED)?
            .map(|value| codec::decode("applied", &value))
            .transpose()
    }
}

/// The thread's state.
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: Writer,
    pub(crate) number: ModSeq,
    pub(crate) time: Timestamp,
    pub(crate) dumps: Dumps,
}

/// A group while its closures run.
struct Running {
    group: Group,
    number: ModSeq,
    time: Timestamp,
    changes: Vec<Change>,
    /// With what failed of itself.
    done: Vec<(Box<dyn Job>, Option<Error>)>,
}

impl Committer {
    /// Serves until closed or until no sender is left; then closes the store cleanly.
    pub(crate) fn serve(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(GROUP);
        loop {
            let mut closing = None;
            if commands.blocking_recv_many(&mut batch, GROUP) == 0 {
                break;
            }
            let mut jobs = VecDeque::with_capacity(batch.len());
            for command in batch.drain(..) {
                match command {
                    Command::Run(job) if closing.is_none() => jobs.push_back(job),
                    Command::Run(job) => job.finish(Err(Error::Closed)),
                    Command::Close(reply) => {
                        closing.get_or_insert_with(Vec::new).push(reply);
                    }
                }
            }
            while !jobs.is_empty() {
                self.group(&mut jobs);
            }
            if let Some(replies) = closing {
                commands.close();
                while let Some(command) = commands.blocking_recv() {
                    match command {
                        Command::Run(job) => job.finish(Err(Error::Closed)),
                        Command::Close(reply) => drop(reply.send(Ok(()))),
                    }
                }
                let result = self.close();
                for reply in replies {
                    // Who asked may have gone away.
                    let _ = reply.send(result.clone());
                }
                return;
            }
        }
        if let Err(error) = self.close() {
            tracing::error!(%error, "close store");
        }
    }

    /// Runs one group from the front of `jobs`.
    pub(crate) fn group(&mut self, jobs: &mut VecDeque<Box<dyn Job>>) {
        if let Some(error) = self.shared.failed() {
            jobs.drain(..)
                .for_each(|job| job.finish(Err(error.clone())));
            return;
        }
        let next = match self.writer.begin() {
            Ok(next) => next,
            Err(failed) => {
                let error = self.failed(failed);
                jobs.drain(..)
                    .for_each(|job| job.finish(Err(error.clone())));
                return;
            }
        };
        let running = {
            let engine = self
                .shared
                .engine
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let Some(engine) = engine.as_deref() else {
                jobs.drain(..)
                    .for_each(|job| job.finish(Err(Error::Closed)));
                return;
            };
            let group = Group {
                overlay: Overlay::default(),
                pieces: Vec::new(),
                next,
                seed: self.shared.seed,
                tight: self.writer.tight(),
            };
            let (number, time) = (self.number, self.time);
            let mut running = Running {
                group,
                number,
                time,
                changes: Vec::new(),
                done: Vec::new(),
            };
            let begin = next.0;
            while running.done.len() < GROUP && running.group.next.0 - begin < GROUP_OCTETS {
                let Some(job) = jobs.pop_front() else { break };
                running.run(job, engine);
            }
            running
        };
        self.commit(running);
    }

    /// Runs one transaction before the thread serves others.
    pub(crate) fn alone<T, F>(&mut self, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, mut answer) = oneshot::channel();
        let result = None;
        let job: Box<dyn Job> = Box::new(Closure { run, result, reply });
        self.group(&mut [job].into_iter().collect());
        answer.try_recv().unwrap_or(Err(Error::Closed))
    }

    /// Makes a group durable and visible and answers its callers.
    fn commit(&mut self, mut running: Running) {
        let outcome = if running.group.pieces.is_empty() {
            Ok(())
        } else {
            match self.writer.append(&running.group.pieces) {
                Ok(end) => {
                    (self.number, self.time) = (running.number, running.time);
                    self.apply(&mut running.group.overlay, end)
                }
                Err(failed) => Err(self.failed(failed)),
            }
        };
        if outcome.is_ok() {
            self.shared.feed.publish(&running.changes);
        }
        for (job, own) in running.done {
            job.finish(own.map_or_else(|| outcome.clone(), Err));
        }
        self.dumps.grown(self.writer.end().lsn);
    }

    fn apply(&mut self, overlay: &mut Overlay, end: End) -> Result<()> {
        let applied = Applied {
            lsn: end.lsn.0,
            group: end.group,
            number: self.number,
            time: self.time,
        };
        let mut ops = overlay.take().into_iter().chain([applied.op()]);
        let engine = self
            .shared
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(engine) = engine.as_deref() else {
            return Err(Error::Closed);
        };
        let result =
            catch_unwind(AssertUnwindSafe(|| engine.apply(&mut ops))).unwrap_or_else(|panic| {
                Err(Error::Damaged(format!(
                    "the index engine panicked: {}",
                    panic_text(panic.as_ref())
                )))
            });
        // In the log but not visible: the index can only be made right by a restart.
        result.map_err(|error| {
            self.shared
                .fail(&format!("the index does not take a batch: {error}"))
        })
    }

    fn failed(&self, failed: Failed) -> Error {
        match failed {
            Failed::Refused(error) => {
                tracing::warn!(%error, "refuse writes");
                error
            }
            Failed::Broken(error) => self.shared.fail(&error.to_string()),
        }
    }

    /// Hands the index to the disk and writes the clean mark.
    fn close(&mut self) -> Result<()> {
        self.dumps.stop();
        let result = self.shared.close(self.writer.end().lsn);
        self.shared.feed.end();
        result
    }
}

impl Running {
    /// Runs one transaction on top of those before it.
    fn run(&mut self, mut job: Box<dyn Job>, engine: &dyn Engine) {
        self.group.overlay.enter();
        let (pieces, next) = (self.group.pieces.len(), self.group.next);
        let number = ModSeq(self.number.0 + 1);
        // Time never runs backwards in the log, whatever the clock does.
        let now = self.time.max(Timestamp::now());
        let mut tx = Tx {
            engine,
            group: &mut self.group,
            number,
            now,
            changes: Vec::new(),
            attached: Vec::new(),
            traced: 0,
        };
        let ran = catch_unwind(AssertUnwindSafe(|| job.run(&mut tx)));
        let changes = std::mem::take(&mut tx.changes);
        let own = match ran {
            Ok(true) => self.stage(number, now, pieces).err(),
            Ok(false) => Some(Error::Closed),
            Err(panic) => Some(Error::Panicked(panic_text(panic.as_ref()))),
        };
        if own.is_none() {
            self.group.overlay.keep();
            self.changes
                .extend(changes.into_iter().map(|(topic, kind)| Change {
                    topic,
                    kind,
                    modseq: number,
                }));
        } else {
            self.group.overlay.undo_all();
            self.group.drop_pieces(pieces, next);
        }
        self.done.push((job, own));
    }

    /// Adds the commit frame of a transaction that wrote something.
    fn stage(&mut self, number: ModSeq, time: Timestamp, pieces: usize) -> Result<()> {
        let ops = self.group.overlay.ops();
        if !ops.is_empty() || self.group.pieces.len() > pieces {
            let payload = Commit { number, time, ops }.encode()?;
            let frame = frame::whole(Kind::Commit, &payload, self.group.next, self.group.seed)?;
            self.group.push(Piece::Frame(frame));
            (self.number, self.time) = (number, time);
        }
        Ok(())
    }
}
