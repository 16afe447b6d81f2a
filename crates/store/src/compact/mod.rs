//! Compaction: gives back the space of bodies that no record refers to.
//!
//! First a pass over the index finds the live bodies (`mark`), then sealed segments in which little is live are
//! written anew without the dead ones (`rewrite`). Group and commit frames all stay, packed; so the log alone still
//! makes the index, whatever has become of snapshots. What is dead once is dead for ever: a transaction gets a
//! body from a record that it reads, or puts a new one into the log; there is no third way.
//!
//! A damaged frame is never dropped: its segment stays as it is and is reported.

mod mark;
mod rewrite;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::Lsn;
use crate::log::frame::Header;
use crate::log::segment::{Segment, read};
use crate::space;
use crate::store::Shared;
use mark::Marks;
use rewrite::Unit;

/// Percent of a segment that must be dead before it is rewritten: then at most as much is copied as is given back.
const DEAD: u64 = 50;
/// The same when the disk is nearly full.
const DEAD_TIGHT: u64 = 25;
/// The same when an administrator asks for it.
const DEAD_ASKED: u64 = 10;
/// A rewritten file is merged with its neighbours up to this part of a usual segment; else there would be as many
/// files as there ever were segments.
const SMALL: u64 = 4;
/// So many small neighbours are merged even when none of them has anything dead.
const MANY: usize = 4;
/// Most segments that become one file at once: what is begun should be ended soon.
const TOGETHER: usize = 8;
/// Longest sleep: a store that closes waits no longer.
const NAP: Duration = Duration::from_millis(50);

/// How to compact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pacing {
    /// Octets read and written in a second; `None` = as fast as the disk is.
    pub rate: Option<u64>,
    /// Somebody waits for it: one that runs by itself gives way, and less must be dead.
    pub asked: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compacted {
    /// Live bodies.
    pub live: u64,
    /// Segment files that were rewritten.
    pub rewritten: u64,
    /// Files that they became.
    pub written: u64,
    /// Bodies that were dropped.
    pub dropped: u64,
    /// Octets of the files that were rewritten.
    pub before: u64,
    /// Octets of the files that they became.
    pub after: u64,
    /// Segments that stay as they are, and why.
    pub left: Vec<String>,
    /// Ended before it was done: the store closes, or somebody else asked for it.
    pub ended: bool,
}

/// What compaction does now, and did last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compaction {
    /// Whether it runs.
    pub running: bool,
    /// Whether somebody asked for the one that runs.
    pub asked: bool,
    /// How many that somebody asked for have ended since the store was opened.
    pub ended: u64,
    /// Octets read or about to be.
    pub done: u64,
    /// Of how many; 0 while the index is read.
    pub total: u64,
    /// What the last one did.
    pub last: Option<Compacted>,
    /// Why the last one failed.
    pub error: Option<String>,
}

/// One at a time, and none once the store closes.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    busy: Mutex<()>,
    closing: AtomicBool,
    /// Who asked for it and waits for the one that runs.
    waiting: AtomicUsize,
    state: Mutex<Compaction>,
}

impl Gate {
    /// What it does now.
    pub(crate) fn state(&self) -> Compaction {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Compaction> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what runs and lets nothing begin; waits for it.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        drop(self.busy.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn enter(&self, asked: bool) -> Result<MutexGuard<'_, ()>> {
        if asked && !self.locked().asked {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let guard = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Ok(guard);
        }
        match self.busy.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Compaction("it is under way already".to_owned()))
            }
        }
    }
}

/// Why work ends.
#[derive(Debug)]
enum Halt {
    /// It must give way.
    Stopped,
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Keeps to a rate, and ends when it must.
struct Pace<'a> {
    gate: &'a Gate,
    pacing: Pacing,
    begun: Instant,
    spent: u64,
}

impl Pace<'_> {
    fn halt(&self) -> Result<(), Halt> {
        let gives_way = !self.pacing.asked && self.gate.waiting.load(Ordering::Relaxed) > 0;
        if gives_way || self.gate.closing.load(Ordering::Relaxed) {
            return Err(Halt::Stopped);
        }
        Ok(())
    }

    /// Octets were read or written.
    fn spent(&mut self, octets: u64) -> Result<(), Halt> {
        self.spent += octets;
        let Some(rate) = self.pacing.rate else {
            return self.halt();
        };
        let millis = u128::from(self.spent) * 1_000 / u128::from(rate.max(1));
        let due = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        while let Some(early) = due
            .checked_sub(self.begun.elapsed())
            .filter(|early| *early > NAP / 10)
        {
            self.halt()?;
            std::thread::sleep(early.min(NAP));
        }
        self.halt()
    }

    fn rest(&self, time: Duration) -> Result<(), Halt> {
        let begun = Instant::now();
        while let Some(left) = time.checked_sub(begun.elapsed()) {
            self.halt()?;
            std::thread::sleep(left.min(NAP));
        }
        self.halt()
    }
}

/// Compacts what is worth it. Blocking, for long.
pub(crate) fn compact(shared: &Shared, pacing: Pacing) -> Result<Compacted> {
    let gate = &shared.compaction;
    let _busy = gate.enter(pacing.asked)?;
    {
        let mut state = gate.locked();
        (state.running, state.asked) = (true, pacing.asked);
        (state.done, state.total) = (0, 0);
    }
    let outcome = run(shared, pacing);
    let mut state = gate.locked();
    (state.running, state.asked) = (false, false);
    state.ended += u64::from(pacing.asked);
    state.last = outcome.as_ref().ok().cloned();
    state.error = outcome.as_ref().err().map(ToString::to_string);
    outcome
}

fn run(shared: &Shared, pacing: Pacing) -> Result<Compacted> {
    if let Some(error) = shared.failed() {
        return Err(error);
    }
    if shared.lost {
        return Err(Error::Compaction(
            "this start found transactions of the log damaged; what they referred to is kept, until a start \
             finds the index whole"
                .to_owned(),
        ));
    }
    let mut compacted = Compacted::default();
    let mut pace = Pace {
        gate: &shared.compaction,
        pacing,
        begun: Instant::now(),
        spent: 0,
    };
    match passes(shared, &mut pace, &mut compacted) {
        Ok(()) => {}
        Err(Halt::Stopped) => compacted.ended = true,
        Err(Halt::Failed(error)) => return Err(error),
    }
    for why in &compacted.left {
        tracing::error!(why, "leave segment as it is");
    }
    Ok(compacted)
}

fn passes(shared: &Shared, pace: &mut Pace<'_>, compacted: &mut Compacted) -> Result<(), Halt> {
    let mut from = 0;
    loop {
        let marks = mark::mark(shared, from, pace.pacing.rate.is_some(), &|| pace.halt())?;
        compacted.live += marks.live.len() as u64;
        let (units, next) = plan(shared, &marks, from, pace.pacing)?;
        shared.compaction.locked().total += units.iter().map(|(_, octets)| octets).sum::<u64>();
        for (unit, octets) in units {
            one(shared, &unit, &marks, pace, compacted)?;
            shared.compaction.locked().done += octets;
        }
        if marks.upto == u64::MAX {
            return Ok(());
        }
        from = next;
    }
}

/// Rewrites a unit and counts what came of it.
fn one(
    shared: &Shared,
    unit: &Unit,
    marks: &Marks,
    pace: &mut Pace<'_>,
    compacted: &mut Compacted,
) -> Result<(), Halt> {
    let before = unit
        .segments
        .iter()
        .map(|one| length(shared, one))
        .sum::<Result<u64>>()?;
    match rewrite::rewrite(shared, unit, marks, pace) {
        Ok(done) => {
            compacted.rewritten += unit.segments.len() as u64;
            compacted.written += 1;
            compacted.dropped += done.dropped;
            compacted.before += before;
            compacted.after += done.octets;
            let (first, dropped, after) = (unit.first, done.dropped, done.octets);
            tracing::info!(first, dropped, before, after, "rewrite segment");
            Ok(())
        }
        Err(Halt::Failed(error @ (Error::Damaged(_) | Error::NoSpace(_)))) => {
            let name = shared.segments.path(unit.first);
            compacted.left.push(format!("{}: {error}", name.display()));
            Ok(())
        }
        Err(halt) => Err(halt),
    }
}

fn length(shared: &Shared, segment: &Segment) -> Result<u64> {
    let opened = shared.segments.open(segment)?;
    let found = opened.file.metadata();
    found
        .map(|found| found.len())
        .map_err(|error| Error::io(format!("reading {}", segment.path.display()), &error))
}

/// A sealed segment, weighed.
struct Weighed {
    segment: Arc<Segment>,
    end: u64,
    octets: u64,
    /// Octets that it may have when it is rewritten.
    rest: u64,
    /// Enough of it is dead.
    sparse: bool,
    small: bool,
}

/// What is to be rewritten, with the octets to read; and where the next pass begins.
fn plan(
    shared: &Shared,
    marks: &Marks,
    from: u64,
    pacing: Pacing,
) -> Result<(Vec<(Unit, u64)>, u64)> {
    let tight = space::tight(&shared.folder);
    let dead = match (pacing.asked, tight) {
        (true, _) => DEAD_ASKED,
        (false, true) => DEAD_TIGHT,
        (false, false) => DEAD,
    };
    let mut all = shared.segments.all();
    // The log goes on in the last one.
    all.pop();
    let (mut weighed, mut next) = (Vec::new(), marks.upto);
    for segment in all {
        if segment.first < from {
            continue;
        }
        match weigh(shared, marks, segment, dead)? {
            Ok(one) => weighed.push(one),
            Err(first) => {
                // Its bodies are not all known in this pass.
                if first > from {
                    next = next.min(first);
                }
                break;
            }
        }
    }
    let mut units: Vec<(u64, Unit, u64)> = Vec::new();
    let mut together: Vec<Weighed> = Vec::new();
    for one in weighed {
        let rest: u64 = together.iter().map(|one| one.rest).sum();
        let joins = (one.sparse || one.small)
            && together.len() < TOGETHER
            && rest + one.rest <= shared.limit
            // Octets that no file holds must not become void.
            && together.last().is_none_or(|last| last.end == one.segment.first);
        if !joins {
            units.extend(unit(std::mem::take(&mut together)));
        }
        if one.sparse || one.small {
            together.push(one);
        }
    }
    units.extend(unit(together));
    if tight {
        // The smallest first: each gives the room for the next.
        units.sort_by_key(|(rest, ..)| *rest);
    }
    let units = units.into_iter().map(|(_, unit, octets)| (unit, octets));
    Ok((units.collect(), next))
}

/// Neighbours as one file, if that is worth it.
fn unit(together: Vec<Weighed>) -> Option<(u64, Unit, u64)> {
    let worth = together.iter().any(|one| one.sparse) || together.len() >= MANY;
    let (first, end) = (together.first()?.segment.first, together.last()?.end);
    let rest = together.iter().map(|one| one.rest).sum();
    let octets = together.iter().map(|one| one.octets).sum();
    let segments = together.into_iter().map(|one| one.segment).collect();
    let unit = Unit {
        segments,
        first,
        end,
    };
    worth.then_some((rest, unit, octets))
}

/// Weighs a segment; its first LSN when the marks do not know all of it.
fn weigh(
    shared: &Shared,
    marks: &Marks,
    segment: Arc<Segment>,
    dead: u64,
) -> Result<std::result::Result<Weighed, u64>> {
    let opened = shared.segments.open(&segment)?;
    let octets = length(shared, &segment)?;
    let runs = shared.segments.runs(&opened, shared.seed)?;
    let end = runs
        .as_ref()
        .map_or(segment.first + octets, |runs| runs.end);
    if end > marks.upto || Lsn(end) > marks.at {
        return Ok(Err(segment.first));
    }
    let mut live = 0;
    for (id, frame) in marks.within(segment.first, end) {
        live += match frame {
            0 => frame_of(shared, *id),
            frame => u64::from(*frame),
        };
    }
    let (gain, rest) = if let Some(runs) = &runs {
        let gain = runs.bodies.saturating_sub(live);
        (gain, octets.saturating_sub(gain))
    } else {
        // Transactions shrink to about a fifth.
        let gain = octets.saturating_sub(live);
        (gain, octets - gain + gain / 5)
    };
    Ok(Ok(Weighed {
        end,
        octets,
        rest,
        sparse: gain > 0 && gain.saturating_mul(100) >= octets.saturating_mul(dead),
        small: runs.is_some() && octets <= shared.limit / SMALL,
        segment,
    }))
}

/// Length of a body's frame by its header; 0 when it cannot be read, which is then found when it is copied.
fn frame_of(shared: &Shared, id: u64) -> u64 {
    let found = shared.segments.locate(Lsn(id), shared.seed);
    let octets = found.and_then(|(file, place)| read(&file, place, 32));
    octets
        .ok()
        .and_then(|octets| Header::decode(&octets))
        .map_or(0, |header| header.total())
}

#[cfg(test)]
mod tests;
