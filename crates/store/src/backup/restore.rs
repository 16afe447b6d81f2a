//! A whole store from a backup.
//!
//! The new folder says `restoring` until every segment is there, so that no server takes a half for a whole,
//! then `restored`: the first opening makes the index from the log and skips numbers that the store may have
//! given out after the backup (`repair`).

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::manifest::Entry;
use super::verify::manifest;
use super::{failed, make_folder, sync_folder};
use crate::error::{Error, Result};
use crate::files::Progress;
use crate::id::{Lsn, Timestamp};
use crate::log::segment::read_some;
use crate::state::{Left, Lock, State};

/// Octets copied at a time.
const PIECE: u64 = 1 << 20;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The state that the store was brought back to.
    pub lsn: Lsn,
    /// When the backup was made.
    pub made: Timestamp,
    /// Segments.
    pub segments: u64,
    /// Octets.
    pub octets: u64,
    /// Files of the backup that are damaged; what is readable in them is there.
    pub damaged: Vec<String>,
}

/// Writes the store of a backup into a new or empty folder, or finishes that. The store must then be opened
/// once with [`crate::Store::open`].
pub fn restore(backup: &Path, folder: &Path, progress: Progress<'_>) -> Result<Restored> {
    let manifest = manifest(backup)?;
    make_folder(folder)?;
    let unfinished = State {
        store: manifest.store,
        left: Left::Restoring,
    };
    if State::read(folder)?.as_ref() != Some(&unfinished) {
        let mut entries = std::fs::read_dir(folder).map_err(failed("reading", folder))?;
        if entries.next().is_some() {
            return Err(Error::Backup(format!(
                "{} is not empty; a store is restored into a new folder only",
                folder.display()
            )));
        }
    }
    let _lock = Lock::take(folder)?;
    unfinished.write(folder)?;
    let log = folder.join("log");
    make_folder(&log)?;
    let mut damaged = Vec::new();
    for entry in manifest.segments.values() {
        let from = entry.path(backup);
        let name = format!("{:016x}.log", entry.first);
        let (part, path) = (log.join(format!("{name}.part")), log.join(name));
        match copy(entry, &from, &part) {
            Ok(true) => {}
            Ok(false) => damaged.push(format!("{} is not as it was written", from.display())),
            Err(Error::Damaged(why)) => damaged.push(why),
            Err(error) => return Err(error),
        }
        if part.exists() {
            std::fs::rename(&part, &path).map_err(failed("renaming", &part))?;
        }
        progress(entry.first + entry.length, manifest.lsn.0);
    }
    sync_folder(&log)?;
    State {
        store: manifest.store,
        left: Left::Restored(manifest.lsn),
    }
    .write(folder)?;
    Ok(Restored {
        lsn: manifest.lsn,
        made: manifest.made,
        segments: manifest.segments.len() as u64,
        octets: manifest.segments.values().map(|entry| entry.length).sum(),
        damaged,
    })
}

/// Copies one segment; `false` when it is not as it was written. A file that is missing is damage.
fn copy(entry: &Entry, from: &Path, to: &Path) -> Result<bool> {
    let source = match File::open(from) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Damaged(format!("{} is missing", from.display())));
        }
        Err(error) => return Err(failed("opening", from)(error)),
    };
    let mut target = File::create(to).map_err(failed("creating", to))?;
    let mut hash = Xxh3::new();
    let mut at = 0;
    while at < entry.length {
        let count = usize::try_from((entry.length - at).min(PIECE)).unwrap_or(0);
        let octets = read_some(&source, at, count).map_err(failed("reading", from))?;
        if octets.is_empty() {
            break;
        }
        hash.update(&octets);
        target.write_all(&octets).map_err(failed("writing", to))?;
        at += octets.len() as u64;
    }
    target.sync_all().map_err(failed("syncing", to))?;
    Ok(at == entry.length && hash.digest128() == entry.sum)
}
