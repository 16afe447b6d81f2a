//! Reading a whole backup again.

use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::{MANIFEST, Manifest};
use super::{Damages, copy, line};
use crate::error::{Error, Result};
use crate::files::Progress;
use crate::id::{Lsn, Timestamp};

/// What a backup holds, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Everything before this place is in it.
    pub lsn: Lsn,
    /// When it was made.
    pub made: Timestamp,
    /// Segments.
    pub segments: u64,
    /// Octets.
    pub octets: u64,
    /// Files that are missing or not as they were written, and damaged frames in them.
    pub problems: Vec<String>,
}

/// The manifest of a folder that should hold a backup.
pub(super) fn manifest(folder: &Path) -> Result<Manifest> {
    let missing = || {
        Error::Backup(format!(
            "there is no complete backup in {}",
            folder.display()
        ))
    };
    Manifest::read(folder, MANIFEST)?.ok_or_else(missing)
}

/// Reads every octet of a backup: files against the manifest, frames against their own checksums.
pub fn verify(folder: &Path, progress: Progress<'_>) -> Result<Verified> {
    let manifest = manifest(folder)?;
    let mut problems = Vec::new();
    for entry in manifest.segments.values() {
        let path = entry.path(folder);
        let sum = File::open(&path)
            .map_err(super::failed("opening", &path))
            .and_then(|file| copy::sum(&file, entry.length));
        match sum {
            Ok(sum) if sum == entry.sum => {}
            Ok(_) => problems.push(format!("{} is not as it was written", path.display())),
            Err(error) => problems.push(error.to_string()),
        }
        progress(entry.first + entry.length, manifest.lsn.0);
    }
    let mut damages = Damages {
        found: Vec::new(),
        total: manifest.lsn.0,
        progress,
    };
    // A missing file was told; the survey would stop at it.
    let present: Vec<_> = manifest
        .segments
        .values()
        .filter(|entry| entry.path(folder).exists())
        .map(|entry| (entry.first, *entry))
        .collect();
    let readable = Manifest {
        segments: present.into_iter().collect(),
        ..manifest.clone()
    };
    copy::files(folder, &readable, manifest.store).survey(
        Lsn(0),
        Some(manifest.lsn),
        &mut damages,
    )?;
    problems.extend(damages.found.iter().map(line));
    Ok(Verified {
        lsn: manifest.lsn,
        made: manifest.made,
        segments: manifest.segments.len() as u64,
        octets: manifest.segments.values().map(|entry| entry.length).sum(),
        problems,
    })
}
