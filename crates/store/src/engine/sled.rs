//! The embedded engine. The only file that knows sled.
//!
//! Settings are measured ones: one tree, segments of 4 MiB (a tenth of the insert time of the
//! default), no compression, flushed every 500 ms. `flush` does not reach the disk on Linux, which
//! is why the log, not this, is the truth.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Engine, Op, Visit};
use crate::error::{Error, Result};

/// sled's unit of file space, octets.
const SEGMENT: usize = 4 * 1024 * 1024;
/// How often sled writes its buffers in the background, milliseconds.
const FLUSH_EVERY_MS: u64 = 500;

/// An open sled database; closed when dropped.
pub(super) struct Sled {
    db: sled::Db,
    doubted: AtomicBool,
}

/// Opens or creates.
pub(super) fn open(folder: &Path, cache: u64) -> Result<Sled> {
    sled::Config::new()
        .path(folder)
        .cache_capacity(cache)
        .segment_size(SEGMENT)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .open()
        .map(|db| Sled {
            db,
            doubted: AtomicBool::new(false),
        })
        .map_err(|error| failed(&error))
}

/// A snapshot that sled was writing when it was killed makes its next `open` fail; without it sled
/// reads its own log instead.
pub(super) fn tidy(folder: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(format!("reading {}", folder.display()), &error)),
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let path = entry.path();
            std::fs::remove_file(&path)
                .map_err(|error| Error::io(format!("removing {}", path.display()), &error))?;
        }
    }
    Ok(())
}

fn failed(error: &sled::Error) -> Error {
    match error {
        sled::Error::Io(error) => Error::io("index", error),
        other => Error::Damaged(format!("index: {other}")),
    }
}

impl Sled {
    fn failed(&self, error: &sled::Error) -> Error {
        if !matches!(error, sled::Error::Io(_)) {
            self.doubt();
        }
        failed(error)
    }
}

impl Engine for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self
            .db
            .get(key)
            .map_err(|error| self.failed(&error))?
            .map(|value| value.to_vec()))
    }

    fn visit(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<()> {
        if from >= to {
            return Ok(());
        }
        for pair in self.db.range(from..to) {
            let (key, value) = pair.map_err(|error| self.failed(&error))?;
            if let ControlFlow::Break(()) = visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, ops: &mut dyn Iterator<Item = Op>) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in ops {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.db
            .apply_batch(batch)
            .map_err(|error| self.failed(&error))
    }

    fn flush(&self) -> Result<()> {
        self.db
            .flush()
            .map(drop)
            .map_err(|error| self.failed(&error))
    }

    fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    fn doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }
}
