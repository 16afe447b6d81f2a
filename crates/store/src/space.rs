//! Free space of the file system that the store lies on.
//!
//! Whoever takes mail asks before, because the index cannot live without space: a full disk is best met
//! while there is still some left.

use std::path::Path;

use crate::error::{Error, Result};

/// What is left of a file system.
pub(crate) struct Room {
    pub(crate) octets: u64,
    pub(crate) inodes: u64,
}

/// What a process without privileges may still use; `None` where the system does not tell.
pub(crate) fn room(folder: &Path) -> Option<Room> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(Room {
        octets: system.f_bavail.saturating_mul(system.f_frsize),
        // Some file systems have no table of inodes.
        inodes: if system.f_files == 0 {
            u64::MAX
        } else {
            system.f_favail
        },
    })
}

/// Octets that a process without privileges may still write there.
pub(crate) fn free(folder: &Path) -> Result<u64> {
    let system = rustix::fs::statvfs(folder).map_err(|errno| {
        Error::io(
            format!("asking for the space of {}", folder.display()),
            &errno.into(),
        )
    })?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Free space below which a disk is nearly full, octets; or a fiftieth of it, if that is more.
const TIGHT: u64 = 1024 * 1024 * 1024;

/// Whether the disk is nearly full. One that does not tell is not.
pub(crate) fn tight(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|system| {
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        let all = system.f_blocks.saturating_mul(system.f_frsize);
        free < TIGHT.max(all / 50)
    })
}

/// Octets of the files in a folder and below; what cannot be read counts nothing.
pub(crate) fn used(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => used(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_file_system() {
        let folder = tempfile::TempDir::new().expect("a folder");
        assert!(free(folder.path()).expect("an answer") > 0);
        assert!(free(&folder.path().join("absent")).is_err());
    }
}
