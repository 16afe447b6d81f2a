//! Snapshots of the index: ordered, checksummed dumps beside the log, from which a rebuild begins
//! instead of from the beginning of the log. They are taken while transactions go on.
//!
//! Why a dump whose pages are of different moments is enough: it begins at LSN b and ends at LSN e. A key
//! that no commit between b and e writes has the value of b in the dump. A key that one writes gets,
//! when the log is replayed from b on, its last write, whatever the dump has; for commits are plain puts
//! and deletes. So dump and replay give the exact index at every LSN from e on, provided no commit between b
//! and e is lost; if one is, the dump may hold a part of it and is not used.
//!
//! A snapshot is never the only copy of anything: the log stays the truth.

mod file;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) use file::Dumped;

use crate::committer::Applied;
use crate::engine::{Engine, Op};
use crate::error::{Error, Result};
use crate::id::Lsn;
use crate::keys;
use crate::log::segment::Disk;
use crate::log::writer::RESERVE;
use crate::store::Shared;

/// Octets read under one hold of the index: about a millisecond, which is how long a group may wait.
/// Tests want many pages of few records.
const PAGE: usize = if cfg!(test) { 1_024 } else { 256 * 1024 };
/// Octets after which the file is synced: the log's next `fdatasync` must not wait for a whole snapshot.
const SYNC: u64 = 8 * 1024 * 1024;
/// How many are kept: when the newest is damaged, the one before it is used.
const KEPT: usize = 2;
/// A new snapshot is due when the log grew by this multiple of the last one's size, so that they cost at
/// most half of what the log costs.
const GROWTH: u64 = 2;
/// Ends of file names: a whole one, and one being written.
const WHOLE: &str = ".snap";
const NEW: &str = ".snap.new";

/// A key and its value as the index has it.
type Pair = (Vec<u8>, Vec<u8>);

/// What the pace of a dump is told (the time that the last page took) and answers (go on or stop).
type Pace<'a> = &'a mut dyn FnMut(Duration) -> ControlFlow<()>;

/// The snapshots in a store's folder, newest first.
pub(crate) fn list(folder: &Path) -> Result<Vec<(Lsn, PathBuf)>> {
    let mut found: Vec<(Lsn, PathBuf)> = names(folder)?
        .into_iter()
        .filter_map(|path| Some((begin_of(&path, WHOLE)?, path)))
        .collect();
    found.sort_unstable_by(|one, two| two.cmp(one));
    Ok(found)
}

/// Removes what was being written when the process ended.
pub(crate) fn tidy(folder: &Path) -> Result<()> {
    for path in names(folder)? {
        if begin_of(&path, NEW).is_some() {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes all snapshots: they were taken of an index that is not trusted any more.
pub(crate) fn forget(folder: &Path) -> Result<()> {
    for (_, path) in list(folder)? {
        remove(&path)?;
    }
    Ok(())
}

/// Where the newest snapshot begins, and how many octets of keys and values it holds, about.
pub(crate) fn weight(folder: &Path) -> Option<(Lsn, u64)> {
    let (begin, path) = list(folder).ok()?.into_iter().next()?;
    let weight = file::weight(&File::open(path).ok()?).ok()?;
    Some((begin, weight))
}

/// Reads all of a snapshot and says what it holds, or what is wrong with it.
pub(crate) fn verify(path: &Path, seed: u64) -> Result<Dumped> {
    file::read(path, seed, &mut |_| Ok(()))
}

/// Puts the pairs of a snapshot into an empty index.
pub(crate) fn load(path: &Path, seed: u64, engine: &dyn Engine) -> Result<Dumped> {
    file::read(path, seed, &mut |ops: Vec<Op>| {
        engine.apply(&mut ops.into_iter())
    })
}

/// Takes a snapshot. `None` when told to stop, or when the store was closed.
pub(crate) fn take(shared: &Shared, disk: &Disk, pace: Pace<'_>) -> Result<Option<Dumped>> {
    let Some(begin) = applied(shared)? else {
        return Ok(None);
    };
    let name = format!("index-{:016x}", begin.lsn);
    let new = shared.folder.join(format!("{name}{NEW}"));
    let written = write(shared, disk, pace, &begin, &new);
    if !matches!(written, Ok(Some(_))) {
        // The error that ended it is the one to tell; the next start removes what stays.
        let _ = std::fs::remove_file(&new);
        return written;
    }
    let path = shared.folder.join(format!("{name}{WHOLE}"));
    std::fs::rename(&new, &path)
        .and_then(|()| disk.sync_folder(&shared.folder))
        .map_err(|error| Error::io(format!("naming {}", path.display()), &error))?;
    for (_, path) in list(&shared.folder)?.into_iter().skip(KEPT) {
        remove(&path)?;
    }
    written
}

fn write(
    shared: &Shared,
    disk: &Disk,
    pace: Pace<'_>,
    begin: &Applied,
    path: &Path,
) -> Result<Option<Dumped>> {
    let failed = |error: std::io::Error| Error::io(format!("writing {}", path.display()), &error);
    let file = disk.create(path).map_err(failed)?;
    let mut out = Out {
        disk,
        file,
        at: 0,
        synced: 0,
    };
    out.put(&file::head(shared.seed, begin)).map_err(failed)?;
    let (mut from, mut pairs) = (Vec::new(), 0);
    for number in 1.. {
        let started = Instant::now();
        let Some(batch) = page(shared, &from)? else {
            return Ok(None);
        };
        let Some((last, _)) = batch.last() else {
            // Read after the last page, so not before any of them.
            let Some(end) = applied(shared)?.map(|end| Lsn(end.lsn)) else {
                return Ok(None);
            };
            let octets = file::end(shared.seed, number, end, pairs)?;
            out.put(&octets).and_then(|()| out.sync()).map_err(failed)?;
            return Ok(Some(Dumped {
                begin: *begin,
                end,
                pairs,
            }));
        };
        // The least key after the last one.
        from.clone_from(last);
        from.push(0);
        pairs += batch.len() as u64;
        let octets = file::page(shared.seed, number, &batch)?;
        let room = disk.room(&shared.folder).map_err(failed)?;
        if room < 2 * RESERVE {
            return Err(Error::NoSpace(path.display().to_string()));
        }
        out.put(&octets).map_err(failed)?;
        if pace(started.elapsed()).is_break() {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Octets on their way into the file.
struct Out<'a> {
    disk: &'a Disk,
    file: File,
    at: u64,
    synced: u64,
}

impl Out<'_> {
    fn put(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.disk.write(&self.file, octets, self.at)?;
        self.at += octets.len() as u64;
        if self.at - self.synced >= SYNC {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.synced = self.at;
        self.disk.sync(&self.file)
    }
}

/// How far the index is; `None` when the store is closed.
fn applied(shared: &Shared) -> Result<Option<Applied>> {
    let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
    let Some(engine) = engine.as_deref() else {
        return Ok(None);
    };
    let applied = Applied::read(engine)?;
    applied.map(Some).ok_or_else(|| {
        engine.doubt();
        Error::Damaged("the index does not tell how far it goes".to_owned())
    })
}

/// Pairs from a key on, checked; none after the last. `None` when the store is closed.
fn page(shared: &Shared, from: &[u8]) -> Result<Option<Vec<Pair>>> {
    let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
    let Some(engine) = engine.as_deref() else {
        return Ok(None);
    };
    let (mut page, mut octets) = (Vec::<Pair>::new(), 0);
    // No table has a prefix of 255.
    engine.visit(from, &[u8::MAX], &mut |key, value| {
        // Both are the index's own: a new one gets others.
        if key == keys::APPLIED || key == keys::STORE {
            return Ok(ControlFlow::Continue(()));
        }
        keys::unseal(key, value).inspect_err(|_| engine.doubt())?;
        octets += 6 + key.len() + value.len();
        page.push((key.to_vec(), value.to_vec()));
        Ok(if octets < PAGE {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    if engine.doubted() {
        return Err(Error::Damaged("the index is not trusted".to_owned()));
    }
    Ok(Some(page))
}

/// The committer's hand on the thread that takes snapshots.
pub(crate) struct Dumps {
    requests: Option<SyncSender<Lsn>>,
    thread: Option<JoinHandle<()>>,
    /// The LSN at which the next one is due; never while one is being taken.
    due: Arc<AtomicU64>,
}

impl Dumps {
    /// Starts the thread. A snapshot is due when the log grew by `every` octets.
    pub(crate) fn start(shared: &Arc<Shared>, disk: &Disk, every: u64) -> Result<Self> {
        let (sender, receiver) = sync_channel(1);
        let due = Arc::new(AtomicU64::new(next_due(&shared.folder, every)?));
        let thread = Thread {
            shared: Arc::clone(shared),
            disk: disk.clone(),
            every,
            due: Arc::clone(&due),
        };
        let thread = std::thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || thread.serve(&receiver))
            .map_err(|error| Error::io("starting the thread for snapshots", &error))?;
        Ok(Self {
            requests: Some(sender),
            thread: Some(thread),
            due,
        })
    }

    /// The log has grown.
    pub(crate) fn grown(&self, end: Lsn) {
        if end.0 >= self.due.load(Ordering::Relaxed) {
            // Before it is asked: the thread says when the one after it is due.
            self.due.store(u64::MAX, Ordering::Relaxed);
            if let Some(requests) = &self.requests {
                // Refused only when the thread has ended.
                let _ = requests.try_send(end);
            }
        }
    }

    /// Gives up a snapshot under way and waits for the thread, so that it touches nothing once the store
    /// is closed.
    pub(crate) fn stop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for snapshots panicked");
        }
    }
}

impl Drop for Dumps {
    fn drop(&mut self) {
        self.stop();
    }
}

/// When the next snapshot is due, as far as the files in the folder tell.
fn next_due(folder: &Path, every: u64) -> Result<u64> {
    let Some((begin, path)) = list(folder)?.into_iter().next() else {
        return Ok(every);
    };
    let size = std::fs::metadata(&path).map_or(0, |found| found.len());
    let growth = size.saturating_mul(GROWTH).max(every);
    Ok(begin.0.saturating_add(growth))
}

struct Thread {
    shared: Arc<Shared>,
    disk: Disk,
    every: u64,
    due: Arc<AtomicU64>,
}

impl Thread {
    fn serve(&self, requests: &Receiver<Lsn>) {
        while let Ok(asked) = requests.recv() {
            let started = Instant::now();
            // Half of the time is others'. A closing store ends the wait.
            let mut pace = |worked| match requests.recv_timeout(worked) {
                Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            };
            let next = match take(&self.shared, &self.disk, &mut pace) {
                Ok(Some(dumped)) => {
                    let seconds = started.elapsed().as_secs();
                    let (lsn, records) = (dumped.begin.lsn, dumped.pairs);
                    tracing::info!(lsn, records, seconds, "take snapshot of the index");
                    next_due(&self.shared.folder, self.every)
                }
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let next = next.unwrap_or_else(|error| {
                // The log has everything; only a rebuild would take longer.
                tracing::warn!(%error, "take no snapshot of the index");
                asked.0.saturating_add(self.every)
            });
            self.due.store(next, Ordering::Relaxed);
        }
    }
}

/// Files of the folder.
fn names(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::io(format!("reading {}", folder.display()), &error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    Ok(paths)
}

/// The LSN in a name `index-<16 digits><end>`.
fn begin_of(path: &Path, end: &str) -> Option<Lsn> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("index-")?.strip_suffix(end)?;
    let lsn = u64::from_str_radix(digits, 16).ok()?;
    (digits.len() == 16).then_some(Lsn(lsn))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("removing {}", path.display()), &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
