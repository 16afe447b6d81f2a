//! Backups of a store: copies of its log up to one durable LSN, and a manifest that says what they are.
//!
//! `<folder>/log/<first LSN>-<time of creation>.log` are copies of segments; `manifest` is replaced when, and only
//! when, all it names is written, synced and read back. So at every moment the folder holds one complete
//! backup, or none yet. What is durable in the log never changes, so copying needs no pause of the server.
//! A segment that was written anew (other time of creation) gets a file of its own beside the old one, which
//! goes after the manifest no longer names it.

mod copy;
mod manifest;
mod restore;
mod verify;
mod view;

pub use copy::{Backed, backup};
pub use restore::{Restored, restore};
pub use verify::{Verified, verify};
pub use view::View;

use std::path::Path;

use crate::error::{Error, Result};
use crate::log::survey::{Damage, Inspector, Seen};
use crate::{Lsn, log::frame::Commit};

/// Collects damage, tells progress.
struct Damages<'p> {
    found: Vec<Damage>,
    total: u64,
    progress: crate::files::Progress<'p>,
}

impl Inspector for Damages<'_> {
    fn commit(&mut self, _: Lsn, _: Commit) -> Result<()> {
        Ok(())
    }
    fn body(&mut self, _: Seen) -> Result<()> {
        Ok(())
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        self.found.push(damage);
        Ok(())
    }
    fn reached(&mut self, at: Lsn) {
        (self.progress)(at.0, self.total);
    }
}

/// A damage in one line.
fn line(damage: &Damage) -> String {
    format!(
        "LSN {}, {} octets: {}",
        damage.lsn, damage.octets, damage.what
    )
}

/// A folder with its parents, for its owner only, its name durable.
fn make_folder(path: &Path) -> Result<()> {
    crate::recover::make_folder(path)
}

fn failed(what: &str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let context = format!("{what} {}", path.display());
    move |error| Error::io(context.clone(), &error)
}

fn sync_folder(path: &Path) -> Result<()> {
    std::fs::File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("syncing", path))
}
