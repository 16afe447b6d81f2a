//! Opening a store: whom to trust, what to replay, what to rebuild.
//!
//! | found | done |
//! |---|---|
//! | nothing | created |
//! | clean mark, index ends where the log ends | opened |
//! | in use on this boot (killed) | opened, log after `applied` replayed |
//! | in use on another boot, `rebuilding`, or no state | index moved aside, rebuilt from the newest good snapshot and the log after it |
//! | `doubtful` | index moved aside, rebuilt from the whole log; its snapshots are removed |
//! | index refuses to open, panics, is another store's, ahead of the log or without `applied` | rebuilt, as after another boot |

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec;
use crate::committer::Applied;
use crate::dump::{self, Dumped};
use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::id::Lsn;
use crate::keys;
use crate::log::scan::{self, Found, SEGMENT_FRAME};
use crate::log::segment::{Disk, Segments};
use crate::log::writer::{End, RESERVE, Writer};
use crate::repair;
use crate::replay::{Pace, in_two};
use crate::reserve;
use crate::state::{Left, Lock, State, boot};
use crate::store::{Options, Report};

/// An index whose files have more than so many times the octets of its records is written anew, in key order,
/// at a start: in use three is usual.
const BLOATED: u64 = 4;
/// Below this size it does not matter, octets.
const BLOATED_LEAST: u64 = 256 * 1024 * 1024;
/// One that was made in this time is left, so that no start takes longer in vain.
const BLOATED_AGE: Duration = Duration::from_hours(7 * 24);

/// An opened store before its committer runs.
pub(crate) struct Opened {
    pub(crate) lock: Lock,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) writer: Writer,
    pub(crate) seed: u64,
    pub(crate) applied: Applied,
    pub(crate) report: Report,
    /// The log was brought back from a backup: numbers must be skipped, and the state says so until then.
    pub(crate) restored: bool,
}

/// How to open.
pub(crate) struct How<'a> {
    pub(crate) options: &'a Options,
    pub(crate) disk: &'a Disk,
    /// Why the index is made anew in any case.
    pub(crate) rebuild: Option<&'a str>,
    /// Told how much of the log is applied.
    pub(crate) progress: crate::files::Progress<'a>,
}

/// Opens or creates the store in `folder`.
#[allow(
    clippy::needless_pass_by_value,
    reason = "made for this call, and lends its progress"
)]
pub(crate) fn open(folder: &Path, how: How<'_>) -> Result<Opened> {
    let (options, disk) = (how.options, how.disk);
    for path in [folder.to_owned(), folder.join("log"), folder.join("tmp")] {
        make_folder(&path)?;
    }
    let lock = Lock::take(folder)?;
    clear_tmp(&folder.join("tmp"))?;
    dump::tidy(folder)?;
    let full = reserve::needed(folder);
    if full {
        make_room(folder)?;
    }
    let state = State::read(folder)?;
    if matches!(
        state.as_ref().map(|state| &state.left),
        Some(Left::Restoring)
    ) {
        return Err(Error::Backup(format!(
            "the restore into {} was not finished; run it again",
            folder.display()
        )));
    }
    let segments = Arc::new(Segments::list(&folder.join("log"))?);
    let seed = find_log(folder, &segments, disk, state.as_ref())?;
    let mut opening = Opening {
        folder,
        options,
        segments: &segments,
        seed,
        floor: Lsn(0),
        restored: None,
        report: Report::default(),
        progress: how.progress,
    };
    opening.report.full = full;
    let (engine, applied) = opening.index(state, how.rebuild)?;
    let (report, restored) = (opening.report, opening.restored);
    let end = End {
        lsn: Lsn(applied.lsn),
        group: applied.group,
    };
    let writer = Writer::open(
        disk.clone(),
        Arc::clone(&segments),
        seed,
        options.segment,
        end,
    )?;
    if restored.is_none() {
        State {
            store: seed,
            left: Left::Open(boot()),
        }
        .write(folder)?;
    }
    Ok(Opened {
        lock,
        engine,
        segments,
        writer,
        seed,
        applied,
        report,
        restored: restored.is_some(),
    })
}

/// Creates a folder with its parents, for its owner only; the names are durable when this returns.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make_folder(parent)?;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::File::open(parent)?.sync_all())
        .map_err(|error| Error::io(format!("creating {}", path.display()), &error))
}

fn clear_tmp(folder: &Path) -> Result<()> {
    let failed =
        |error: &std::io::Error| Error::io(format!("clearing {}", folder.display()), error);
    for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        std::fs::remove_file(entry.path()).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// The store's number; begins a log where there is none.
fn find_log(folder: &Path, segments: &Segments, disk: &Disk, state: Option<&State>) -> Result<u64> {
    let found = scan::seed(segments, state.map(|state| state.store))?;
    match (found, state) {
        (Some(seed), Some(state)) if seed != state.store => Err(Error::Damaged(format!(
            "log and state in {} are of different stores",
            folder.display()
        ))),
        (Some(seed), _) => Ok(seed),
        // Every head is damaged, but the number is known.
        (None, Some(state)) if !segments.all().is_empty() => Ok(state.store),
        (None, Some(_)) => Err(Error::Damaged(format!(
            "the log in {} is missing",
            folder.display()
        ))),
        (None, None) => {
            // A first segment whose head was torn when the store was being created holds nothing.
            for segment in segments.all() {
                let length =
                    std::fs::metadata(&segment.path).map_or(u64::MAX, |metadata| metadata.len());
                if segment.first != 0 || length > SEGMENT_FRAME {
                    return Err(Error::Damaged(format!(
                        "no head of {} is readable",
                        segments.folder.display()
                    )));
                }
                remove_file(&segment.path)?;
                segments.forget(segment.first);
            }
            let seed = fastrand::u64(1..);
            Writer::create(disk, segments, seed)?;
            Ok(seed)
        }
    }
}

/// On a full disk the store gives up what it can do without, so that it starts, and people can delete.
fn make_room(folder: &Path) -> Result<()> {
    reserve::give_up(folder);
    if !reserve::needed(folder) {
        return Ok(());
    }
    forget_broken(folder)?;
    // Of two snapshots the newer one serves.
    for (_, path) in dump::list(folder)?.into_iter().skip(1) {
        tracing::warn!(path = %path.display(), "disk full: remove the older snapshot");
        remove_file(&path)?;
    }
    Ok(())
}

/// Removes indexes that were given up.
fn forget_broken(folder: &Path) -> Result<()> {
    let failed = |error: &std::io::Error| Error::io("removing broken indexes", error);
    let entries = std::fs::read_dir(folder).map_err(|error| failed(&error))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("index.broken-") {
            std::fs::remove_dir_all(entry.path()).map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<()> {
    std::fs::remove_file(path)
        .map_err(|error| Error::io(format!("removing {}", path.display()), &error))
}

/// A snapshot that is read without error; a damaged one is told and left.
fn good(read: Result<Dumped>) -> Result<Option<Dumped>> {
    match read {
        Ok(dumped) => Ok(Some(dumped)),
        Err(error @ (Error::NoSpace(_) | Error::Newer { .. })) => Err(error),
        Err(error) => {
            tracing::error!(%error, "leave damaged snapshot");
            Ok(None)
        }
    }
}

struct Opening<'a> {
    folder: &'a Path,
    options: &'a Options,
    segments: &'a Segments,
    seed: u64,
    /// The end of what is known to have been durable.
    floor: Lsn,
    /// The end of the backup that the log was brought back from.
    restored: Option<Lsn>,
    report: Report,
    progress: crate::files::Progress<'a>,
}

impl Opening<'_> {
    /// The index, level with the log.
    fn index(
        &mut self,
        state: Option<State>,
        anew: Option<&str>,
    ) -> Result<(Box<dyn Engine>, Applied)> {
        let path = self.folder.join("index");
        let fresh = !path.exists();
        if let Some(State {
            left: Left::Clean(end),
            ..
        }) = &state
        {
            self.floor = *end;
        }
        let doubtful =
            anew.is_some() || matches!(&state, Some(state) if state.left == Left::Doubtful);
        if let Some(State {
            left: Left::Restored(end),
            ..
        }) = &state
        {
            (self.floor, self.restored) = (*end, Some(*end));
        }
        let trusted = match state.map(|state| state.left) {
            Some(Left::Clean(_)) => Ok(()),
            Some(Left::Open(on)) if on == boot() => Ok(()),
            Some(Left::Open(_)) => Err("the machine went down while the store was open"),
            Some(Left::Rebuilding) => Err("an earlier rebuild did not finish"),
            Some(Left::Restoring | Left::Restored(_)) => Err("it was brought back from a backup"),
            Some(Left::Doubtful) => Err("damaged records were found in it"),
            None if fresh => Err("there was none"),
            None => Err("it is not known how the store was left"),
        };
        let bloated = self.bloated(&path);
        let reason = match trusted {
            _ if anew.is_some() => anew.unwrap_or_default().to_owned(),
            Ok(()) if bloated.is_some() => {
                // There is nothing in it that anybody would want to see.
                std::fs::remove_dir_all(&path)
                    .map_err(|error| Error::io(format!("removing {}", path.display()), &error))?;
                let times = bloated.unwrap_or_default();
                format!("its files had {times} times the octets of its records")
            }
            Ok(()) => match self.trust(&path) {
                Ok(opened) => return Ok(opened),
                Err(error @ (Error::Newer { .. } | Error::NoSpace(_))) => return Err(error),
                Err(error) => error.to_string(),
            },
            Err(reason) => reason.to_owned(),
        };
        self.rebuild(&path, reason, doubtful)
    }

    /// How many times too large the files of the index are, if that is worth making it anew.
    fn bloated(&self, path: &Path) -> Option<u64> {
        let age = std::fs::metadata(path).ok()?.created().ok()?.elapsed();
        let (begin, records) = dump::weight(self.folder)?;
        // What came after the snapshot is at most what the log grew by.
        let grown = scan::length(self.segments).ok()?.0.saturating_sub(begin.0);
        let records = records.saturating_add(grown);
        bloat(crate::space::used(path), records, age.unwrap_or_default())
    }

    /// Opens an index that should be right, checks it and replays what it lacks.
    fn trust(&mut self, path: &Path) -> Result<(Box<dyn Engine>, Applied)> {
        if !path.exists() {
            return Err(Error::Damaged("the index is missing".to_owned()));
        }
        // From here on the index is in use: a power cut must not find the clean mark.
        State {
            store: self.seed,
            left: Left::Open(boot()),
        }
        .write(self.folder)?;
        engine::tidy(path)?;
        let engine = engine::open(path, self.options.cache)?;
        let owner = crate::source::raw(engine.as_ref(), keys::STORE)?;
        if owner.as_deref() != Some(&codec::encode(&self.seed)[..]) {
            return Err(Error::Damaged("the index is not of this store".to_owned()));
        }
        let applied = Applied::read(engine.as_ref())?
            .ok_or_else(|| Error::Damaged("the index does not tell how far it goes".to_owned()))?;
        // What the index has was durable before it got there.
        self.floor = self.floor.max(Lsn(applied.lsn));
        let end = scan::length(self.segments)?;
        if applied.lsn > end.0 || applied.lsn < SEGMENT_FRAME {
            return Err(Error::Damaged(
                "the index goes further than the log".to_owned(),
            ));
        }
        if applied.lsn == end.0 {
            return Ok((engine, applied));
        }
        let applied = self
            .replay(engine.as_ref(), applied, Lsn(0))?
            .expect("a replay that is whole from 0 on is never refused");
        Ok((engine, applied))
    }

    /// Makes a new index: from the newest good snapshot and the log after it, or from all of the log.
    /// Snapshots of an index that had damaged records are not used: what is wrong with it may be in
    /// them, too.
    fn rebuild(
        &mut self,
        path: &Path,
        reason: String,
        doubtful: bool,
    ) -> Result<(Box<dyn Engine>, Applied)> {
        let left = if doubtful {
            Left::Doubtful
        } else {
            Left::Rebuilding
        };
        State {
            store: self.seed,
            left: self.restored.map_or(left, Left::Restored),
        }
        .write(self.folder)?;
        if path.exists() {
            self.move_aside(path)?;
        }
        let started = Instant::now();
        let mut made = None;
        let snapshots = if doubtful {
            Vec::new()
        } else {
            dump::list(self.folder)?
        };
        for (begin, file) in snapshots {
            made = self.load_snapshot(path, &file)?;
            if made.is_some() {
                self.report.snapshot = Some(begin);
                break;
            }
        }
        let (engine, applied) = match made {
            Some(made) => made,
            None => self.read_log(path)?,
        };
        engine.flush()?;
        if doubtful {
            dump::forget(self.folder)?;
        }
        // A store that is being created has nothing to rebuild.
        if applied.number.0 > 0 {
            let commits = self.report.replayed;
            let from = self.report.snapshot.unwrap_or_default().0;
            let millis = started.elapsed().as_millis();
            tracing::warn!(reason, commits, from, millis, "rebuild index");
            self.report.rebuilt = Some(reason);
        }
        Ok((engine, applied))
    }

    /// `None` when the snapshot cannot be used.
    fn load_snapshot(
        &mut self,
        path: &Path,
        file: &Path,
    ) -> Result<Option<(Box<dyn Engine>, Applied)>> {
        let Some(dumped) = self.usable(file)? else {
            return Ok(None);
        };
        tracing::info!(file = %file.display(), records = dumped.pairs, "load snapshot");
        let engine = self.empty(path)?;
        let loaded = dump::load(file, self.seed, engine.as_ref());
        if good(loaded)? != Some(dumped) {
            return Ok(None);
        }
        let applied = self.replay(engine.as_ref(), dumped.begin, dumped.end)?;
        Ok(applied.map(|applied| (engine, applied)))
    }

    /// What a snapshot holds, if it is whole and the log reaches its end.
    fn usable(&mut self, file: &Path) -> Result<Option<Dumped>> {
        let Some(dumped) = good(dump::verify(file, self.seed))? else {
            return Ok(None);
        };
        // What the index had was durable before it got there.
        self.floor = self.floor.max(dumped.end);
        let reached = dumped.end <= scan::length(self.segments)?;
        if !reached {
            tracing::error!(file = %file.display(), "leave snapshot that goes further than the log");
        }
        Ok(reached.then_some(dumped))
    }

    fn read_log(&mut self, path: &Path) -> Result<(Box<dyn Engine>, Applied)> {
        let engine = self.empty(path)?;
        let applied = self
            .replay(engine.as_ref(), Applied::default(), Lsn(0))?
            .expect("a replay that is whole from 0 on is never refused");
        Ok((engine, applied))
    }

    /// A new index without records.
    fn empty(&self, path: &Path) -> Result<Box<dyn Engine>> {
        if path.exists() {
            std::fs::remove_dir_all(path)
                .map_err(|error| Error::io(format!("removing {}", path.display()), &error))?;
        }
        // The engine would create it for everybody to read.
        make_folder(path)?;
        let engine = engine::open(path, self.options.cache)?;
        let owner = keys::seal(keys::STORE, &codec::encode(&self.seed));
        engine.apply(&mut [(keys::STORE.to_vec(), Some(owner))].into_iter())?;
        Ok(engine)
    }

    /// Keeps the newest index that was given up, for whoever wants to know why.
    fn move_aside(&self, path: &Path) -> Result<()> {
        let failed =
            |error: &std::io::Error| Error::io(format!("moving {} aside", path.display()), error);
        forget_broken(self.folder)?;
        // A copy for the curious must not be what keeps the rebuild from finding room.
        if crate::space::free(self.folder)? < crate::space::used(path) + 2 * RESERVE {
            return std::fs::remove_dir_all(path).map_err(|error| failed(&error));
        }
        let aside = PathBuf::from(format!(
            "{}.broken-{}",
            path.display(),
            crate::id::Timestamp::now().seconds()
        ));
        std::fs::rename(path, aside).map_err(|error| failed(&error))
    }

    /// Applies the log after `from`, cuts its torn tail, and reports. `None` when commits before `whole` are
    /// lost: what is in the index then is not what the log says.
    fn replay(
        &mut self,
        engine: &dyn Engine,
        from: Applied,
        whole: Lsn,
    ) -> Result<Option<Applied>> {
        let begin = End {
            lsn: Lsn(from.lsn),
            group: from.group,
        };
        let total = scan::length(self.segments)?;
        let mut pace = Pace::new(from.lsn);
        let (floor, progress) = (self.floor, &mut *self.progress);
        let (found, mut sink) = in_two(engine, from, |hand| {
            scan::scan(self.segments, self.seed, begin, floor, &mut |at, commit| {
                pace.reached(at, total);
                progress(at.0, total.0);
                hand.give(commit)
            })
        })?;
        self.cut(&found)?;
        self.report.cut += found.torn;
        if let Some(lost) = found.lost_from.filter(|lost| *lost < whole) {
            tracing::error!(lsn = lost.0, "leave snapshot: commits of its time are lost");
            return Ok(None);
        }
        sink.applied.lsn = found.end.lsn.0;
        sink.applied.group = found.end.group;
        sink.spill()?;
        let mut applied = sink.applied;
        if found.lost > 0 {
            repair::skip(engine, found.lost, &mut applied)?;
        }
        engine.apply(&mut [applied.op()].into_iter())?;
        for what in &found.damaged {
            tracing::error!(what, "find damage in the log");
        }
        self.report.replayed += found.commits;
        self.report.damaged.extend(found.damaged);
        Ok(Some(applied))
    }

    fn cut(&self, found: &Found) -> Result<()> {
        for segment in &found.unused {
            remove_file(&segment.path)?;
            self.segments.forget(segment.first);
        }
        if found.torn > 0 {
            let segment = self
                .segments
                .holding(found.end.lsn)
                .ok_or_else(|| Error::Damaged("the log has no segment".to_owned()))?;
            let file = Arc::clone(&self.segments.open(&segment)?.file);
            let failed = |error: std::io::Error| {
                Error::io(format!("cutting {}", segment.path.display()), &error)
            };
            tracing::warn!(
                octets = found.torn,
                lsn = found.end.lsn.0,
                "cut torn tail of the log"
            );
            file.set_len(found.end.lsn.0 - segment.first)
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
        }
        Ok(())
    }
}

/// How many times too large an index is, if that is worth making it anew.
fn bloat(files: u64, records: u64, age: Duration) -> Option<u64> {
    let times = files / records.max(1);
    (files >= BLOATED_LEAST && times >= BLOATED && age >= BLOATED_AGE).then_some(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_large_old_index_of_few_records_is_written_anew() {
        let (large, old) = (BLOATED_LEAST, BLOATED_AGE);
        assert_eq!(bloat(large, large / 4, old), Some(4));
        assert_eq!(bloat(large, large / 4 + 1, old), None);
        assert_eq!(bloat(large - 1, 1, old), None);
        assert_eq!(bloat(large, 1, old / 2), None);
        assert_eq!(bloat(large, 0, old), Some(large));
    }
}
