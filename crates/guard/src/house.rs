//! For tests: a guard over an empty store in a folder of its own.

use congvu_directory::Directory;
use congvu_store::{Options, Store};
use tempfile::TempDir;

use crate::{Guard, Settings};

/// A guard, and its folder.
pub(crate) fn guard() -> (Guard, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), Options::default()).unwrap();
    (
        Guard::new(Directory::new(store), Settings::default()),
        folder,
    )
}
