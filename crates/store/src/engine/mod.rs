//! The index engine behind the store: an ordered map of octets with atomic batches.
//!
//! Its content can always be made again from the message log, so durability is not asked of it;
//! order and atomicity are. Which program does it is known to one file each (`sled.rs`); `recent.rs` gathers
//! writes before it.

mod recent;
mod sled;

use std::ops::ControlFlow;
use std::path::Path;

use crate::error::{Error, Result};

pub(crate) use recent::{Recent, Writes, over};

/// One write of a batch: the key, and the value to put or `None` to delete.
pub(crate) type Op = (Vec<u8>, Option<Vec<u8>>);

/// What a visit does with a pair: go on or stop.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>;

/// An ordered map of octets.
pub(crate) trait Engine: Send + Sync {
    /// One value.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Calls `visit` for every pair with `from <= key < to` in ascending order until it breaks.
    fn visit(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<()>;
    /// Applies all operations or none.
    fn apply(&self, ops: &mut dyn Iterator<Item = Op>) -> Result<()>;
    /// Hands everything to the operating system.
    fn flush(&self) -> Result<()>;
    /// Something read from it was wrong: the next start should not trust it.
    fn doubt(&self);
    /// Whether that happened.
    fn doubted(&self) -> bool;
}

/// Opens or creates the index in `folder`. A panic inside the engine, which damaged files can
/// cause, becomes an error.
pub(crate) fn open(folder: &Path, cache: u64) -> Result<Box<dyn Engine>> {
    match std::panic::catch_unwind(|| sled::open(folder, cache)) {
        Ok(opened) => opened.map(|engine| Box::new(engine) as Box<dyn Engine>),
        Err(panic) => Err(Error::Damaged(format!(
            "the index engine panicked: {}",
            panic_text(panic.as_ref())
        ))),
    }
}

/// Removes what a killed engine can leave behind and then stumble over; before [`open`].
pub(crate) fn tidy(folder: &Path) -> Result<()> {
    sled::tidy(folder)
}

/// The words of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
