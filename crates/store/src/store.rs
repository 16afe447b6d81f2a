//! The store as a value: open, read, transact, watch, close.

use std::path::Path;

use crate::body::{Body, NewBody};
use crate::error::{Error, Result};
use crate::feed::{Topic, Watcher};
use crate::id::BodyId;
use crate::tx::{Snapshot, Tx};

/// Settings with their defaults.
#[derive(Debug, Clone)]
pub struct Options {
    /// sled's cache, octets (64 MiB).
    pub cache: u64,
    /// A log segment is closed past this size, octets (256 MiB).
    pub segment: u64,
}

/// What opening found and did; for the log and `congvu store`.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Frames of the log applied to the index.
    pub replayed: u64,
    /// Why the index was rebuilt, if it was.
    pub rebuilt: Option<String>,
    /// Octets of a torn tail that were cut.
    pub cut: u64,
    /// Damaged frames in the middle: where, and what they held as far as known.
    pub damaged: Vec<String>,
}

/// The mailstore. Cheap to clone; closed when the last clone is closed or dropped.
#[derive(Clone)]
pub struct Store(std::sync::Arc<()>);

#[allow(unused_variables, clippy::unused_async, reason = "signatures first")]
impl Store {
    /// Opens or creates the store in a folder. Blocking: for start-up.
    pub fn open(folder: &Path, options: Options) -> Result<(Self, Report)> {
        todo!()
    }
    /// Reads a consistent state. Runs in place: keep it short.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Fn(&Snapshot<'_>) -> Result<T, E> + Send + 'static,
    {
        todo!()
    }
    /// Runs `f` on the committer and returns once its effects are durable (`fdatasync` returned)
    /// and visible. An error leaves no trace.
    pub async fn transact<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        todo!()
    }
    /// Compresses and checksums octets with their summary. CPU work: call it in the caller's task.
    pub fn prepare(&self, octets: &[u8], summary: &[u8]) -> Result<NewBody> {
        todo!()
    }
    /// Opens a body: reads its head and summary.
    pub async fn body(&self, id: BodyId, frame: u32) -> Result<Body> {
        todo!()
    }
    /// Octets of a body, off the executor.
    pub async fn octets(&self, body: &Body, from: u64, len: u64) -> Result<Vec<u8>> {
        todo!()
    }
    /// Watches a topic from now on.
    pub fn watch(&self, topic: Topic) -> Watcher {
        todo!()
    }
    /// Finishes what is under way, writes the clean mark. Later calls get `Closed`.
    pub async fn close(&self) -> Result<()> {
        todo!()
    }
}
