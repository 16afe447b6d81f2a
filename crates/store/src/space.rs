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
