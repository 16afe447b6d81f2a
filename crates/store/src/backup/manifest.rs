//! The manifest of a backup: lines of text, the last of which is a checksum of the others.
//!
//! ```text
//! congvu backup 1
//! store 0123456789abcdef
//! lsn 00000000004f1a20
//! made 1790000000000
//! segment <first LSN> <created> <octets> <xxh3-128 of these octets>
//! sum <xxh3-128 of everything above>
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::{failed, sync_folder};
use crate::error::{Error, Result};
use crate::id::{Lsn, Timestamp};

/// Newest format that this program knows.
const FORMAT: u32 = 1;
/// What the first line begins with.
const TITLE: &str = "congvu backup ";

/// A complete backup.
pub(super) const MANIFEST: &str = "manifest";
/// What an unfinished backup has copied so far.
pub(super) const PARTIAL: &str = "manifest.partial";

/// One segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// First LSN.
    pub(super) first: u64,
    /// When the segment was begun, from its head: tells a segment that was written anew from the one before.
    pub(super) created: u64,
    /// Octets that belong to the backup; the file may be longer.
    pub(super) length: u64,
    /// Their xxh3-128.
    pub(super) sum: u128,
}

impl Entry {
    /// Its file.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder
            .join("log")
            .join(format!("{:016x}-{:016x}.log", self.first, self.created))
    }
}

/// The whole manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) store: u64,
    /// Everything before this place is in the backup.
    pub(super) lsn: Lsn,
    pub(super) made: Timestamp,
    pub(super) segments: BTreeMap<u64, Entry>,
}

impl Manifest {
    /// Reads one; `None` when there is none.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Option<Self>> {
        let path = folder.join(name);
        match std::fs::read(&path) {
            Ok(octets) => Self::decode(&octets, &path).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("reading", &path)(error)),
        }
    }

    fn decode(octets: &[u8], path: &Path) -> Result<Self> {
        let damaged = || Error::Damaged(format!("{}", path.display()));
        let text = std::str::from_utf8(octets).map_err(|_| damaged())?;
        let found: u32 = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(TITLE)?.parse().ok())
            .ok_or_else(damaged)?;
        if found > FORMAT {
            return Err(Error::Newer {
                what: path.display().to_string(),
                found,
                known: FORMAT,
            });
        }
        let at = text.rfind("sum ").ok_or_else(damaged)?;
        let (above, sum) = text.split_at(at);
        let sum = sum.strip_prefix("sum ").map(str::trim_end);
        let sum = sum.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        if sum != Some(xxh3_128(above.as_bytes())) {
            return Err(damaged());
        }
        Self::fields(above).ok_or_else(damaged)
    }

    fn fields(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        };
        let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
        let mut segments = BTreeMap::new();
        for line in text.lines() {
            let Some(line) = line.strip_prefix("segment ") else {
                continue;
            };
            let mut words = line.split(' ');
            let entry = Entry {
                first: hex(words.next()?)?,
                created: hex(words.next()?)?,
                length: words.next()?.parse().ok()?,
                sum: u128::from_str_radix(words.next()?, 16).ok()?,
            };
            segments.insert(entry.first, entry);
        }
        Some(Self {
            store: hex(field("store")?)?,
            lsn: Lsn(hex(field("lsn")?)?),
            made: Timestamp(field("made")?.parse().ok()?),
            segments,
        })
    }

    fn encode(&self) -> String {
        let mut text = format!(
            "{TITLE}{FORMAT}\nstore {:016x}\nlsn {:016x}\nmade {}\n",
            self.store, self.lsn.0, self.made
        );
        for entry in self.segments.values() {
            let _ = writeln!(
                text,
                "segment {:016x} {:016x} {} {:032x}",
                entry.first, entry.created, entry.length, entry.sum
            );
        }
        let sum = xxh3_128(text.as_bytes());
        let _ = writeln!(text, "sum {sum:032x}");
        text
    }

    /// Replaces the file; durable when this returns.
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<()> {
        let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
        let replace = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&new)?;
            file.write_all(self.encode().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        replace().map_err(failed("writing", &path))?;
        sync_folder(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_and_no_flipped_bit_does() {
        let entry = Entry {
            first: 7,
            created: u64::MAX,
            length: 5,
            sum: u128::MAX - 1,
        };
        let manifest = Manifest {
            store: 1,
            lsn: Lsn(12),
            made: Timestamp(-3),
            segments: BTreeMap::from([(7, entry)]),
        };
        let text = manifest.encode();
        let path = Path::new("manifest");
        assert_eq!(Manifest::decode(text.as_bytes(), path).unwrap(), manifest);
        for at in 0..text.len() - 1 {
            let mut bad = text.clone().into_bytes();
            bad[at] ^= 1;
            let read = Manifest::decode(&bad, path);
            assert!(read.is_err(), "octet {at}: {read:?}");
        }
        let newer = text.replace("backup 1", "backup 2");
        let read = Manifest::decode(newer.as_bytes(), path);
        assert!(matches!(read, Err(Error::Newer { found: 2, .. })));
    }
}
