//! Looking into a backup without making a store of it: its index is made in a folder of its own from the log,
//! up to where the manifest says, and thrown away after.
//!
//! Only records that lead to messages and their owners are kept. Memory is bounded by one batch of writes,
//! whatever the backup's size.

use std::collections::BTreeMap;
use std::path::Path;

use super::manifest::Manifest;
use super::verify::manifest;
use super::{copy, line};
use crate::body::Body;
use crate::engine::{self, Engine};
use crate::error::Result;
use crate::files::{LogFiles, Progress};
use crate::id::{BodyId, Lsn, Timestamp};
use crate::log::frame::Commit;
use crate::log::survey::{Damage, Inspector, Seen};
use crate::record::Table;
use crate::tx::Snapshot;

/// Cache of the index, octets.
const CACHE: u64 = 32 * 1024 * 1024;
/// Octets of writes collected before they go to the index: later ones of a key replace earlier ones.
const COLLECT: usize = 32 * 1024 * 1024;
/// Writes of one batch.
const BATCH: usize = 4_096;

/// A backup that is open for reading.
pub struct View {
    engine: Box<dyn Engine>,
    files: LogFiles,
    manifest: Manifest,
    damaged: Vec<String>,
}

impl View {
    /// Opens the backup in a folder; the index is made in `work`, which must be empty and is the caller's to
    /// remove. Reads all of the backup's log. Blocking.
    pub fn open(backup: &Path, work: &Path, progress: Progress<'_>) -> Result<Self> {
        let manifest = manifest(backup)?;
        let files = copy::files(backup, &manifest, manifest.store);
        let engine = engine::open(&work.join("index"), CACHE)?;
        let mut reader = Reader {
            engine: engine.as_ref(),
            writes: BTreeMap::new(),
            octets: 0,
            damaged: Vec::new(),
            total: manifest.lsn.0,
            progress,
        };
        files.survey(Lsn(0), Some(manifest.lsn), &mut reader)?;
        reader.spill()?;
        let damaged = reader.damaged;
        Ok(Self {
            engine,
            files,
            manifest,
            damaged,
        })
    }

    /// The number of the store that the backup is of.
    pub fn store(&self) -> u64 {
        self.manifest.store
    }

    /// When it was made.
    pub fn made(&self) -> Timestamp {
        self.manifest.made
    }

    /// Damaged places of its log.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// Reads from its index.
    pub fn read<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        read(&Snapshot {
            engine: self.engine.as_ref(),
        })
    }

    /// Opens a body.
    pub fn body(&self, id: BodyId) -> Result<Body> {
        self.files.body(id)
    }
}

/// Tables that lead nowhere here: counters, undelete, the queue, trace and audit records.
fn is_wanted(key: &[u8]) -> bool {
    let unwanted = [
        Table::Meta,
        Table::Expunged,
        Table::Removed,
        Table::QueueEntry,
        Table::QueueRcpt,
        Table::QueueOrder,
        Table::Trace,
        Table::TracePage,
        Table::TraceState,
        Table::Audit,
    ];
    !unwanted
        .iter()
        .any(|table| key.first() == Some(&(*table as u8)))
}

struct Reader<'a> {
    engine: &'a dyn Engine,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    octets: usize,
    damaged: Vec<String>,
    total: u64,
    progress: Progress<'a>,
}

impl Reader<'_> {
    fn spill(&mut self) -> Result<()> {
        self.octets = 0;
        let mut writes = std::mem::take(&mut self.writes).into_iter().peekable();
        while writes.peek().is_some() {
            self.engine.apply(&mut writes.by_ref().take(BATCH))?;
        }
        Ok(())
    }
}

impl Inspector for Reader<'_> {
    fn commit(&mut self, _: Lsn, commit: Commit) -> Result<()> {
        for (key, value) in commit.ops {
            if is_wanted(&key) {
                self.octets += key.len() + value.as_ref().map_or(0, Vec::len);
                self.writes.insert(key, value);
            }
        }
        if self.octets > COLLECT {
            self.spill()?;
        }
        Ok(())
    }
    fn body(&mut self, _: Seen) -> Result<()> {
        Ok(())
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        self.damaged.push(line(&damage));
        Ok(())
    }
    fn reached(&mut self, at: Lsn) {
        (self.progress)(at.0, self.total);
    }
}
