//! Room kept for the day on which the disk is full: a few files in `reserve/` that hold nothing. They are given up
//! when a store must start, delete or compact on a disk without room, blocks or inodes, and made again once
//! there is enough.

use std::fs::File;
use std::path::Path;

use rustix::fs::FallocateFlags;

use crate::log::writer::{FLOOR, RESERVE};
use crate::space;

/// Files, each of which is an inode that the index or the log may need.
const FILES: u64 = 8;
/// Octets of each. Together twice what is always left to the index.
const OCTETS: u64 = 2 * FLOOR / FILES;
/// Inodes below which there are too few: the index makes one at a time, the log and compaction one each.
const INODES: u64 = 8;

/// Whether there is too little room to start or to delete.
pub(crate) fn needed(folder: &Path) -> bool {
    space::room(folder).is_some_and(|room| room.octets < FLOOR || room.inodes < INODES)
}

/// Gives up the reserve; whether there was one.
pub(crate) fn give_up(folder: &Path) -> bool {
    let mut given = false;
    for entry in std::fs::read_dir(folder.join("reserve"))
        .into_iter()
        .flatten()
        .flatten()
    {
        given |= std::fs::remove_file(entry.path()).is_ok();
    }
    if given {
        tracing::error!(
            folder = %folder.display(),
            "disk full: give up the reserve; make room, mail is refused until there is some"
        );
    }
    given
}

/// Makes what of the reserve is missing, if there is room for it and for much else.
pub(crate) fn make(folder: &Path) -> std::io::Result<()> {
    let Some(room) = space::room(folder) else {
        return Ok(());
    };
    if room.octets < 2 * RESERVE + FILES * OCTETS || room.inodes < 64 * FILES {
        return Ok(());
    }
    let reserve = folder.join("reserve");
    std::fs::create_dir_all(&reserve)?;
    for number in 0..FILES {
        let path = reserve.join(number.to_string());
        if path.exists() {
            continue;
        }
        let file = File::create(&path)?;
        if let Err(error) = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, OCTETS) {
            // A file system without reservations keeps no room for anybody.
            std::fs::remove_file(&path)?;
            return Err(error.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_given_up_whole() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!give_up(folder.path()), "there is none yet");
        make(folder.path()).unwrap();
        let octets = || space::used(&folder.path().join("reserve"));
        assert_eq!(octets(), FILES * OCTETS);
        make(folder.path()).unwrap();
        assert_eq!(octets(), FILES * OCTETS);
        assert!(give_up(folder.path()));
        assert_eq!(octets(), 0);
    }
}
