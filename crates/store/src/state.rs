//! The lock and the small file that tells how the store was left: `state`, a few lines of text, twice.
//!
//! The file has two slots, which are written in turn, in place: so a full disk does not keep a store from starting,
//! and a write that is torn leaves the other slot. The valid one with the higher serial number counts.
//!
//! `clean` is written last of all when the store closes; `open` carries the boot id, because what a
//! killed process handed to the operating system is still there on the same boot and doubtful after
//! another; `rebuilding` and `doubtful` mean that the index is not to be trusted.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::id::Lsn;

/// Newest format of the file and of the folder's layout.
const FORMAT: u32 = 2;
/// Octets of a slot: no write of one touches a block of the other.
const SLOT: usize = 4096;

/// How the store was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// Closed; the log ended here.
    Clean(Lsn),
    /// In use, on this boot.
    Open(String),
    /// While its index was being rebuilt.
    Rebuilding,
    /// Closed, after records of the index were found damaged.
    Doubtful,
    /// While its log was being brought back from a backup: not all of it is there.
    Restoring,
    /// From a backup that ended here; numbers given out since must be skipped.
    Restored(Lsn),
}

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The store's number.
    pub(crate) store: u64,
    pub(crate) left: Left,
}

impl State {
    /// Reads the file. `None` when it is missing or makes no sense: then nothing is known.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("state");
        match std::fs::read(&path) {
            Ok(octets) => Ok(newest(&octets)?.map(|(_, _, state)| state)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("reading {}", path.display()), &error)),
        }
    }

    fn decode(text: &str) -> Result<Option<Self>> {
        let field = |name: &str| {
            text.lines().find_map(|line| {
                line.strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix(' '))
            })
        };
        if let Some(found) = field("format")
            .and_then(|format| format.parse().ok())
            .filter(|found| *found > FORMAT)
        {
            return Err(Error::Newer {
                what: "the store".to_owned(),
                found,
                known: FORMAT,
            });
        }
        let hex = |name: &str| field(name).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let left = match field("left") {
            Some("clean") => hex("end").map(|end| Left::Clean(Lsn(end))),
            Some("open") => field("boot").map(|boot| Left::Open(boot.to_owned())),
            Some("rebuilding") => Some(Left::Rebuilding),
            Some("restoring") => Some(Left::Restoring),
            Some("restored") => hex("end").map(|end| Left::Restored(Lsn(end))),
            Some("doubtful") => Some(Left::Doubtful),
            _ => None,
        };
        Ok(hex("store")
            .zip(left)
            .map(|(store, left)| Self { store, left }))
    }

    fn encode(&self, serial: u64) -> Vec<u8> {
        let left = match &self.left {
            Left::Clean(end) => format!("left clean\nend {:016x}\n", end.0),
            Left::Open(boot) => format!("left open\nboot {boot}\n"),
            Left::Rebuilding => "left rebuilding\n".to_owned(),
            Left::Restoring => "left restoring\n".to_owned(),
            Left::Restored(end) => format!("left restored\nend {:016x}\n", end.0),
            Left::Doubtful => "left doubtful\n".to_owned(),
        };
        let store = self.store;
        let text = format!("format {FORMAT}\nserial {serial}\nstore {store:016x}\n{left}");
        let sum = xxh3_64(text.as_bytes());
        let mut slot = format!("{text}sum {sum:016x}\n").into_bytes();
        slot.resize(SLOT, b'\n');
        slot
    }

    /// Writes the older slot, or the file if there is none yet; durable when this returns.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join("state");
        let write = || -> std::io::Result<()> {
            let known = std::fs::read(&path).unwrap_or_default();
            let newest = newest(&known).ok().flatten();
            if let Some((slot, serial, _)) = newest.filter(|_| known.len() == 2 * SLOT) {
                let file = File::options().write(true).open(&path)?;
                let at = if slot == 0 { SLOT as u64 } else { 0 };
                file.write_all_at(&self.encode(serial + 1), at)?;
                return file.sync_all();
            }
            let new = folder.join("state.new");
            let mut file = File::create(&new)?;
            file.write_all(&self.encode(1))?;
            file.write_all(&[b'\n'; SLOT])?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| Error::io(format!("writing {}", path.display()), &error))
    }
}

/// The slot that counts, its serial number and what it says. A file of format 1 is one text without either.
fn newest(octets: &[u8]) -> Result<Option<(usize, u64, State)>> {
    let mut newest: Option<(usize, u64, State)> = None;
    for (slot, octets) in octets.chunks(SLOT).take(2).enumerate() {
        let text = String::from_utf8_lossy(octets);
        let serial = match text.split_once("\nsum ") {
            None if slot == 0 && !text.contains("\nserial ") => 0,
            Some((above, sum)) => {
                let sum = u64::from_str_radix(sum.trim_end(), 16);
                // What `split_once` took belongs to the text.
                if sum != Ok(xxh3_64(format!("{above}\n").as_bytes())) {
                    continue;
                }
                let serial = above.lines().find_map(|line| line.strip_prefix("serial "));
                serial.and_then(|serial| serial.parse().ok()).unwrap_or(0)
            }
            None => continue,
        };
        if let Some(state) = State::decode(&text)?
            && newest.as_ref().is_none_or(|(_, known, _)| *known < serial)
        {
            newest = Some((slot, serial, state));
        }
    }
    Ok(newest)
}

/// This boot of the machine; random, and so equal to no other, where the system does not tell.
pub(crate) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(
        |_| format!("unknown-{:016x}", fastrand::u64(..)),
        |id| id.trim().to_owned(),
    )
}

/// Holds the store against other processes until dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child that was forked and has not yet started its
        // program. If this fails, closing is what remains.
        let _ = self.0.unlock();
    }
}

impl Lock {
    /// Takes the lock; `Error::Locked` names the process that has it.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("lock");
        let failed =
            |error: &std::io::Error| Error::io(format!("locking {}", path.display()), error);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
                let who = if known {
                    format!(" (process {})", pid.trim())
                } else {
                    String::new()
                };
                return Err(Error::Locked(format!("{}{who}", folder.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        let mut note = || -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(format!("{}\n", std::process::id()).as_bytes())
        };
        // The number is a courtesy to whoever finds the store locked; a full disk must not stop us here.
        let _ = note();
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_and_nonsense_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), None);
        for left in [
            Left::Clean(Lsn(4711)),
            Left::Open("a-b".to_owned()),
            Left::Rebuilding,
            Left::Doubtful,
            Left::Restoring,
            Left::Restored(Lsn(5)),
        ] {
            let state = State { store: 7, left };
            state.write(folder.path()).unwrap();
            assert_eq!(State::read(folder.path()).unwrap(), Some(state));
        }
        for text in [
            "",
            "left clean\n",
            "format 1\nstore xyz\nleft open\nboot b\n",
            "store 1\nleft clean\n",
        ] {
            assert_eq!(State::decode(text).unwrap(), None, "{text:?}");
        }
        assert!(matches!(
            State::decode("format 3\nstore 1\nleft rebuilding\n"),
            Err(Error::Newer { found: 3, .. })
        ));
    }

    #[test]
    fn a_torn_or_flipped_slot_leaves_the_one_before_and_the_first_form_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "format 1\nstore 07\nleft open\nboot a-b\n").unwrap();
        let state = |left| State { store: 7, left };
        let first = state(Left::Open("a-b".to_owned()));
        assert_eq!(State::read(folder.path()).unwrap(), Some(first.clone()));
        let mut before = first;
        for number in 0..5 {
            let now = state(Left::Clean(Lsn(number)));
            now.write(folder.path()).unwrap();
            let octets = std::fs::read(&path).unwrap();
            assert_eq!(octets.len(), 2 * SLOT);
            assert_eq!(State::read(folder.path()).unwrap(), Some(now.clone()));
            let slot = newest(&octets).unwrap().unwrap().0;
            for at in (0..130).map(|at| slot * SLOT + at) {
                let mut bad = octets.clone();
                bad[at] ^= 1;
                let read = newest(&bad);
                let found = read.map(|found| found.map(|(_, _, state)| state));
                match found {
                    Ok(Some(found)) => assert!(found == before || found == now, "{number} {at}"),
                    // The first has no other slot yet.
                    Ok(None) => assert_eq!(number, 0),
                    Err(error) => panic!("{error}"),
                }
            }
            before = now;
        }
    }

    #[test]
    fn the_second_is_told_who_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        match Lock::take(folder.path()) {
            Err(Error::Locked(text)) => {
                assert!(text.contains(&std::process::id().to_string()), "{text}");
            }
            other => panic!("{other:?}"),
        }
        drop(lock);
        Lock::take(folder.path()).unwrap();
    }
}
