//! The soft memory across restarts: one small file, written now and then and at the end, read at the start.
//!
//! Kept is what takes weeks to gather (reputation, rates, letters without complaint, who passed greylisting); near copies
//! and advertisers of the day begin anew. The file may be lost: one that is missing, damaged or of another version is
//! left aside with a line in the log, and the memory begins empty. It is replaced as a whole, under another name first.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use congvu_store::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use xxhash_rust::xxh3::xxh3_64;

use crate::Guard;
use crate::correspondence;
use crate::greylist::Tried;
use crate::rates::Pace;
use crate::reputation::Counts;
use crate::soft::Soft;
use crate::standing::{Memory, Received};

/// First octets of the file, with its version.
const MAGIC: &[u8; 8] = b"CVHABIT1";
/// Largest file that is read, octets: twice what full memory takes.
const FILE_MOST: u64 = 64 * 1024 * 1024;
/// From one writing to the next: what is lost in a crash is as much.
const EVERY: Duration = Duration::from_mins(10);
/// From one forgetting of old correspondence to the next, in writings: a day.
const FORGET_EVERY: u32 = 144;

/// What the file holds, in postcard after the magic and a checksum.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    seed: u64,
    since: i64,
    reputation: Vec<(u64, Counts)>,
    rates: Vec<(u64, Pace)>,
    received: Vec<(u64, Received)>,
    tried: Vec<(u64, Tried)>,
}

/// Reads the memory from a file, or begins an empty one. Blocking.
pub(crate) fn load(path: &Path) -> Memory {
    let now = Timestamp::now().seconds();
    match read(path) {
        Ok(saved) => {
            // A clock that was ahead when it was written must not keep rates silent for ever.
            let memory = Memory::new(saved.seed, saved.since.min(now));
            fill(&memory.reputation, saved.reputation);
            fill(&memory.rates, saved.rates);
            fill(&memory.received, saved.received);
            fill(&memory.tried, saved.tried);
            memory
        }
        Err(error) => {
            if error.kind() == io::ErrorKind::NotFound {
                info!("no memory of senders yet");
            } else {
                warn!(file = %path.display(), %error, "memory of senders begins anew");
            }
            Memory::new(fastrand::u64(..), now)
        }
    }
}

fn fill<V: Clone + Default>(soft: &Soft<V>, all: Vec<(u64, V)>) {
    for (key, value) in all {
        soft.change(key, |entry| *entry = value);
    }
}

fn read(path: &Path) -> io::Result<Saved> {
    if std::fs::metadata(path)?.len() > FILE_MOST {
        return Err(damaged("larger than it can be"));
    }
    let octets = std::fs::read(path)?;
    let rest = octets
        .strip_prefix(MAGIC)
        .ok_or_else(|| damaged("of another version"))?;
    let (sum, rest) = rest.split_first_chunk().ok_or_else(|| damaged("cut off"))?;
    if u64::from_be_bytes(*sum) != xxh3_64(rest) {
        return Err(damaged("its checksum does not fit"));
    }
    postcard::from_bytes(rest).map_err(|error| damaged(&error.to_string()))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn write(memory: &Memory, path: &Path) -> io::Result<()> {
    let saved = Saved {
        seed: memory.keys.0,
        since: memory.since.load(Ordering::Relaxed),
        reputation: memory.reputation.all(),
        rates: memory.rates.all(),
        received: memory.received.all(),
        tried: memory.tried.all(),
    };
    let rest = postcard::to_stdvec(&saved).map_err(io::Error::other)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let coming = path.with_extension("new");
    let written = replace(path, &coming, &rest);
    if written.is_err() {
        // A full disk needs the room; that this fails too changes nothing.
        let _ = std::fs::remove_file(&coming);
    }
    written
}

fn replace(path: &Path, coming: &Path, rest: &[u8]) -> io::Result<()> {
    let mut file = File::create(coming)?;
    file.write_all(MAGIC)?;
    file.write_all(&xxh3_64(rest).to_be_bytes())?;
    file.write_all(rest)?;
    file.sync_all()?;
    std::fs::rename(coming, path)
}

impl Guard {
    /// Writes the memory of senders to a file. What fails is told in the log and costs nothing but memory.
    pub async fn save(&self, path: PathBuf) {
        let guard = self.clone();
        let written = tokio::task::spawn_blocking(move || write(guard.standing(), &path)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "memory of senders not written"),
            Err(error) => warn!(%error, "memory of senders not written"),
        }
    }

    /// Writes the memory every ten minutes and forgets old correspondence once a day, until aborted.
    pub async fn tend(self, path: PathBuf) {
        let mut turns = 0_u32;
        loop {
            tokio::time::sleep(EVERY).await;
            self.save(path.clone()).await;
            turns += 1;
            // The first time after an hour, so that restarts every day do not keep it from happening.
            if turns % FORGET_EVERY == 6 {
                let now = Timestamp::now().seconds();
                match correspondence::forget(self.store(), now).await {
                    Ok(forgotten) => info!(forgotten, "old correspondence forgotten"),
                    Err(error) => warn!(%error, "old correspondence not forgotten"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{greylist, reputation};
    use congvu_spam::statistics::Class;

    const WAIT: Duration = Duration::from_mins(1);

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filter/senders");
        let memory = Memory::new(77, 1_000);
        reputation::tell(&memory.reputation, &[5], Class::Spam, 2_000);
        assert!(!greylist::pass(&memory.tried, &[9], WAIT, 2_000));
        write(&memory, &path).unwrap();
        let again = load(&path);
        assert_eq!(again.keys.0, 77);
        assert_eq!(again.since.load(Ordering::Relaxed), 1_000);
        assert_eq!(again.reputation.find(5), memory.reputation.find(5));
        assert!(greylist::pass(&again.tried, &[9], WAIT, 2_060));
    }

    #[test]
    fn a_damaged_file_is_left_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("senders");
        let memory = Memory::new(77, 1_000);
        reputation::tell(&memory.reputation, &[5], Class::Spam, 2_000);
        write(&memory, &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(load(&path).reputation.find(5), None, "{cut}");
        }
        for at in 0..whole.len() {
            let mut octets = whole.clone();
            octets[at] ^= 0x10;
            std::fs::write(&path, &octets).unwrap();
            assert_eq!(load(&path).reputation.find(5), None, "{at}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(load(&path).reputation.find(5), None);
    }
}
