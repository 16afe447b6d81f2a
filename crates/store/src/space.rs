//! Free space of the file system that the store lies on.
//!
//! Whoever takes mail asks before, because the index cannot live without space: a full disk is best met
//! while there is still some left.

use std::path::Path;

use crate::error::{Error, Result};

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
