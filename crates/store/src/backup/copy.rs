//! Making a backup, or bringing one up to date.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::manifest::{Entry, MANIFEST, Manifest, PARTIAL};
use super::{Damages, failed, line, make_folder, sync_folder};
use crate::error::{Error, Result};
use crate::files::{LogFiles, Progress};
use crate::id::{Lsn, Timestamp};
use crate::log::frame::SegmentHead;
use crate::log::scan::SEGMENT_FRAME;
use crate::log::segment::{read, read_some};
use crate::state::Lock;

/// Octets copied at a time.
const PIECE: usize = 1 << 20;
/// Octets at the end of a segment that are compared when it was copied before: they tell its number, time
/// and content from those of a store that went another way after a restore.
const FINGERPRINT: u64 = 4_096;

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backed {
    /// Everything before this place is in the backup.
    pub lsn: Lsn,
    /// Segments in it.
    pub segments: u64,
    /// Octets in it.
    pub octets: u64,
    /// Octets copied now; the others were there.
    pub copied: u64,
    /// Damaged places of the store's own log among what was copied now. They are in the backup as they are.
    pub damaged: Vec<String>,
}

/// A segment of the store, up to the end of the backup.
struct Source {
    file: File,
    first: u64,
    created: u64,
    length: u64,
}

/// Copies the log up to a durable end into a folder of its own, reads everything copied back, and names
/// it in the manifest. May be broken off at any moment and run again.
pub fn backup(files: &LogFiles, to: Lsn, folder: &Path, progress: Progress<'_>) -> Result<Backed> {
    make_folder(folder)?;
    make_folder(&folder.join("log"))?;
    let _lock = Lock::take(folder)?;
    let old = Manifest::read(folder, MANIFEST)?;
    if let Some(manifest) = &old {
        if manifest.store != files.store() {
            return Err(refused(folder, "holds a backup of another store"));
        }
        if manifest.lsn > to {
            return Err(refused(folder, "is newer than the store"));
        }
    }
    // A damaged note of an unfinished run is worth nothing, and costs nothing.
    let partial = Manifest::read(folder, PARTIAL)
        .ok()
        .flatten()
        .filter(|partial| partial.store == files.store());
    let mut copying = Copying {
        folder,
        known: old.into_iter().chain(partial).collect(),
        done: Manifest {
            store: files.store(),
            lsn: to,
            made: Timestamp::now(),
            segments: BTreeMap::new(),
        },
        copied: 0,
        from: to,
    };
    let segments = files.segments()?;
    for (index, segment) in segments.iter().enumerate() {
        let first = segment.first.0;
        let end = segments
            .get(index + 1)
            .map_or(to.0, |next| next.first.0.min(to.0));
        if first >= end {
            break;
        }
        // What was rewritten is sealed: all of the file belongs to the backup.
        let length = if segment.rewritten {
            segment.octets
        } else {
            (end - first).min(segment.octets)
        };
        copying.segment(&source(&segment.path, first, length)?)?;
        progress(end, to.0);
    }
    let damaged = copying.look(files.store(), progress)?;
    let Copying { done, copied, .. } = copying;
    done.write(folder, MANIFEST)?;
    remove_rest(folder, &done)?;
    Ok(Backed {
        lsn: to,
        segments: done.segments.len() as u64,
        octets: done.segments.values().map(|entry| entry.length).sum(),
        copied,
        damaged,
    })
}

fn refused(folder: &Path, why: &str) -> Error {
    Error::Backup(format!("{} {why}; name another folder", folder.display()))
}

fn source(path: &Path, first: u64, length: u64) -> Result<Source> {
    let file = File::open(path).map_err(failed("opening", path))?;
    let begin = read_some(&file, 0, usize::try_from(SEGMENT_FRAME).unwrap_or(64))
        .map_err(failed("reading", path))?;
    // A damaged head has no time; its segment is copied all the same.
    let head = SegmentHead::of_file(&begin);
    Ok(Source {
        file,
        first,
        created: head.map_or(0, |head| head.created.0.cast_unsigned()),
        length,
    })
}

struct Copying<'a> {
    folder: &'a Path,
    /// What earlier runs copied.
    known: Vec<Manifest>,
    done: Manifest,
    copied: u64,
    /// The first place that was copied now.
    from: Lsn,
}

impl Copying<'_> {
    fn segment(&mut self, source: &Source) -> Result<()> {
        let known: Vec<Entry> = self
            .known
            .iter()
            .filter_map(|manifest| manifest.segments.get(&source.first))
            .filter(|entry| entry.created == source.created)
            .copied()
            .collect();
        // The one that an unfinished run brought further comes last.
        let entry = match known.last() {
            Some(entry) if holds(entry, self.folder) => self.update(source, entry)?,
            _ => self.copy(source)?,
        };
        self.done.segments.insert(entry.first, entry);
        Ok(())
    }

    /// A segment that is not there yet.
    fn copy(&mut self, source: &Source) -> Result<Entry> {
        let mut entry = Entry {
            first: source.first,
            created: source.created,
            length: source.length,
            sum: 0,
        };
        let path = entry.path(self.folder);
        let part = path.with_extension("part");
        let target = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&part)
            .map_err(failed("creating", &part))?;
        entry.sum = self.transfer(source, &target, &part, 0, None)?;
        Self::written(&target, &part, &entry)?;
        std::fs::rename(&part, &path).map_err(failed("renaming", &part))?;
        sync_folder(&self.folder.join("log"))?;
        self.note(entry)?;
        Ok(entry)
    }

    /// A segment that is there, at least its beginning.
    fn update(&mut self, source: &Source, old: &Entry) -> Result<Entry> {
        let diverged = || {
            refused(
                self.folder,
                "holds a backup of a store that went another way since (it was restored from a backup?)",
            )
        };
        let path = old.path(self.folder);
        if old.length > source.length {
            return Err(diverged());
        }
        let target = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("opening", &path))?;
        if old.length == source.length {
            let at = old.length.saturating_sub(FINGERPRINT);
            let count = usize::try_from(old.length - at).unwrap_or(0);
            let same = read(&source.file, at, count)? == read(&target, at, count)?;
            return if same { Ok(*old) } else { Err(diverged()) };
        }
        // Only octets that the manifest does not name yet are written: broken off, the old backup stays whole.
        let mut entry = *old;
        entry.length = source.length;
        let diverged = diverged();
        entry.sum = self.transfer(
            source,
            &target,
            &path,
            old.length,
            Some((old.sum, diverged)),
        )?;
        Self::written(&target, &path, &entry)?;
        self.note(entry)?;
        Ok(entry)
    }

    /// Reads the source from its beginning and writes what stands from `from` on; the sum of all. `old` is
    /// what the octets before must sum up to, and the error if not.
    fn transfer(
        &mut self,
        source: &Source,
        target: &File,
        path: &Path,
        from: u64,
        old: Option<(u128, Error)>,
    ) -> Result<u128> {
        let mut hash = Xxh3::new();
        let mut at = 0;
        let mut old = old;
        while at < source.length {
            if at == from
                && let Some((sum, error)) = old.take()
                && hash.digest128() != sum
            {
                return Err(error);
            }
            let bound = if at < from { from } else { source.length };
            let count = usize::try_from(bound - at).unwrap_or(PIECE).min(PIECE);
            let octets = read(&source.file, at, count)?;
            hash.update(&octets);
            if at >= from {
                target
                    .write_all_at(&octets, at)
                    .map_err(failed("writing", path))?;
                self.copied += octets.len() as u64;
            }
            at += octets.len() as u64;
        }
        self.from = self.from.min(Lsn(source.first + from));
        Ok(hash.digest128())
    }

    /// Brings a file to the disk and reads it back from there.
    fn written(target: &File, path: &Path, entry: &Entry) -> Result<()> {
        target.sync_all().map_err(failed("syncing", path))?;
        forget(target);
        if sum(target, entry.length)? == entry.sum {
            Ok(())
        } else {
            Err(Error::Damaged(format!(
                "{} does not read back as it was written",
                path.display()
            )))
        }
    }

    /// Remembers what was copied, should this run be broken off.
    fn note(&self, entry: Entry) -> Result<()> {
        let mut segments = self.done.segments.clone();
        for known in &self.known {
            for (first, entry) in &known.segments {
                segments.entry(*first).or_insert(*entry);
            }
        }
        segments.insert(entry.first, entry);
        let partial = Manifest {
            segments,
            ..self.done.clone()
        };
        partial.write(self.folder, PARTIAL)
    }

    /// Reads every frame of what was copied now, from the copy.
    fn look(&self, store: u64, progress: Progress<'_>) -> Result<Vec<String>> {
        let to = self.done.lsn;
        let copies = files(self.folder, &self.done, store);
        let mut damages = Damages {
            found: Vec::new(),
            total: to.0,
            progress,
        };
        if self.from < to {
            copies.survey(self.from, Some(to), &mut damages)?;
        }
        Ok(damages.found.iter().map(line).collect())
    }
}

/// The copies as a log.
pub(super) fn files(folder: &Path, manifest: &Manifest, store: u64) -> LogFiles {
    let paths = manifest
        .segments
        .values()
        .map(|entry| (entry.first, entry.path(folder)));
    LogFiles::of_files(folder, paths.collect(), store)
}

/// Whether the file of an entry is there, at least as long as it should be.
fn holds(entry: &Entry, folder: &Path) -> bool {
    std::fs::metadata(entry.path(folder)).is_ok_and(|found| found.len() >= entry.length)
}

/// Lets the kernel drop its copy, so that reading back asks the disk. Only advice.
fn forget(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// xxh3-128 of the first octets of a file.
pub(super) fn sum(file: &File, length: u64) -> Result<u128> {
    let mut hash = Xxh3::new();
    let mut at = 0;
    while at < length {
        let count = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
        let octets = read(file, at, count)?;
        hash.update(&octets);
        at += octets.len() as u64;
    }
    Ok(hash.digest128())
}

/// Removes copies that the manifest does not name, and notes of unfinished runs.
fn remove_rest(folder: &Path, manifest: &Manifest) -> Result<()> {
    let partial = folder.join(PARTIAL);
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed("removing", &partial)(error));
        }
        _ => {}
    }
    let log = folder.join("log");
    let named: Vec<_> = manifest
        .segments
        .values()
        .map(|entry| entry.path(folder))
        .collect();
    for found in std::fs::read_dir(&log).map_err(failed("reading", &log))? {
        let path = found.map_err(failed("reading", &log))?.path();
        let ours = path
            .extension()
            .is_some_and(|extension| extension == "log" || extension == "part");
        if ours && !named.contains(&path) {
            std::fs::remove_file(&path).map_err(failed("removing", &path))?;
        }
    }
    Ok(())
}
