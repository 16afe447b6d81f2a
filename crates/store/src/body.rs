//! The stored octets of a message: what goes into a body frame and what comes out.
//!
//! A body is stored in chunks of 256 KiB, each compressed and checksummed on its own, after a summary;
//! so a partial FETCH of a large message reads only what it needs, and memory stays bounded.

use std::sync::Arc;

use crate::error::Result;
use crate::id::BodyId;

/// A message prepared in the caller's task: compressed, checksummed, not yet in the log.
/// Cheap to clone. Past 1 MiB it lives in a temporary file of the store's folder.
#[derive(Debug, Clone)]
pub struct NewBody(Arc<()>);

/// A stored body, open for reading.
#[derive(Debug, Clone)]
pub struct Body(Arc<()>);

impl Body {
    /// Which body.
    pub fn id(&self) -> BodyId {
        todo!()
    }
    /// Length in octets as served.
    pub fn len(&self) -> u64 {
        todo!()
    }
    /// Whether it has no octets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The summary given to [`crate::Store::prepare`], as it was.
    pub fn summary(&self) -> &[u8] {
        todo!()
    }
    /// Octets `from..from + len`, cut at the end. Reads and unpacks only the chunks concerned.
    /// Blocking; [`crate::Store::octets`] is the same for async callers.
    pub fn octets(&self, _from: u64, _len: u64) -> Result<Vec<u8>> {
        todo!()
    }
}
