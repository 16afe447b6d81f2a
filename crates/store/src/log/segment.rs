//! Segment files: their names, the set of them, and reading by LSN.
//!
//! `log/<first lsn as 16 hex digits>.log`. An LSN is the number of octets since the beginning of
//! the log, so the place in a file is the LSN less the file's first; LSNs never change.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::error::{Error, Result};
use crate::id::Lsn;

/// Most segment files kept open at a time: well below the usual limit of 1,024 descriptors, which
/// connections need too.
const OPEN_FILES: usize = 256;

/// What is done to the disk, as a test sees it before it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A segment file is created.
    Create,
    /// Octets are written to the log.
    Write,
    /// A log file or folder is synced.
    Sync,
    /// A log file is cut.
    Truncate,
    /// It is asked how much room is left.
    Room,
}

/// A function that may fail an act.
pub(crate) type Fault = Arc<dyn Fn(Act) -> io::Result<()> + Send + Sync>;

/// The disk under the log: the real one, with a seat for faults.
#[derive(Clone, Default)]
pub(crate) struct Disk(pub(crate) Option<Fault>);

impl Disk {
    fn ask(&self, act: Act) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |fault| fault(act))
    }
    /// Creates a file that must not exist, for its owner only.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        self.ask(Act::Create)?;
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }
    /// Writes all octets at a place.
    pub(crate) fn write(&self, file: &File, octets: &[u8], at: u64) -> io::Result<()> {
        if let Err(error) = self.ask(Act::Write) {
            // A real disk that fills up takes a part first.
            let _ = file.write_all_at(&octets[..octets.len() / 2], at);
            return Err(error);
        }
        file.write_all_at(octets, at)
    }
    /// `fdatasync`.
    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.ask(Act::Sync)?;
        file.sync_data()
    }
    /// `fsync` of a folder, so that its new names are durable.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.ask(Act::Sync)?;
        File::open(folder)?.sync_all()
    }
    /// Octets that may still be written in a folder. Where the system does not tell, the writes
    /// themselves will.
    pub(crate) fn room(&self, folder: &Path) -> io::Result<u64> {
        self.ask(Act::Room)?;
        Ok(crate::space::free(folder).unwrap_or(u64::MAX))
    }
    /// Cuts a file.
    pub(crate) fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.ask(Act::Truncate)?;
        file.set_len(length)
    }
}

/// One segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Its first LSN.
    pub(crate) first: u64,
    /// Where it is.
    pub(crate) path: PathBuf,
    file: Mutex<Option<Arc<File>>>,
}

/// All segment files, ascending.
#[derive(Debug)]
pub(crate) struct Segments {
    /// The `log` folder.
    pub(crate) folder: PathBuf,
    all: RwLock<BTreeMap<u64, Arc<Segment>>>,
    /// Whether files are opened for writing, too.
    writable: bool,
}

impl Segments {
    /// Lists the folder. Files with other names are left alone.
    pub(crate) fn list(folder: &Path) -> Result<Self> {
        Self::found(folder, true)
    }

    /// The same for one who only reads, beside the process that writes or from a read-only disk.
    pub(crate) fn read_only(folder: &Path) -> Result<Self> {
        Self::found(folder, false)
    }

    /// Files of any names that hold segments, for reading.
    pub(crate) fn of_files(folder: &Path, files: impl Iterator<Item = (u64, PathBuf)>) -> Self {
        let segment = |(first, path)| {
            let file = Mutex::default();
            (first, Arc::new(Segment { first, path, file }))
        };
        Self {
            folder: folder.to_owned(),
            all: RwLock::new(files.map(segment).collect()),
            writable: false,
        }
    }

    fn found(folder: &Path, writable: bool) -> Result<Self> {
        let failed = |error: io::Error| Error::io(format!("reading {}", folder.display()), &error);
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let first = name
                .to_str()
                .and_then(|name| name.strip_suffix(".log"))
                .filter(|digits| digits.len() == 16)
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            if let Some(first) = first {
                all.insert(
                    first,
                    Arc::new(Segment {
                        first,
                        path: entry.path(),
                        file: Mutex::default(),
                    }),
                );
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            all: RwLock::new(all),
            writable,
        })
    }

    /// The path of the segment that begins at `first`.
    pub(crate) fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:016x}.log"))
    }

    /// All of them, ascending.
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The one that can hold `lsn`.
    pub(crate) fn holding(&self, lsn: Lsn) -> Option<Arc<Segment>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.range(..=lsn.0)
            .next_back()
            .map(|(_, segment)| Arc::clone(segment))
    }

    /// Adds a new file.
    pub(crate) fn add(&self, first: u64, file: Arc<File>) {
        let segment = Segment {
            first,
            path: self.path(first),
            file: Mutex::new(Some(file)),
        };
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(first, Arc::new(segment));
    }

    /// Forgets a file that was removed.
    pub(crate) fn forget(&self, first: u64) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&first);
    }

    /// The open file of a segment; opens it when need be and closes another when there are many.
    pub(crate) fn open(&self, segment: &Segment) -> Result<Arc<File>> {
        if let Some(file) = locked(&segment.file).as_ref() {
            return Ok(Arc::clone(file));
        }
        let file = File::options()
            .read(true)
            .write(self.writable)
            .open(&segment.path)
            .map_err(|error| Error::io(format!("opening {}", segment.path.display()), &error))?;
        let file = Arc::new(file);
        self.make_room(segment.first);
        *locked(&segment.file) = Some(Arc::clone(&file));
        Ok(file)
    }

    fn make_room(&self, keep: u64) {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<_> = all
            .values()
            .filter(|one| one.first != keep && locked(&one.file).is_some())
            .collect();
        if open.len() >= OPEN_FILES {
            // The oldest segments are read least; whoever reads one at this moment keeps it open.
            *locked(&open[0].file) = None;
        }
    }
}

fn locked(file: &Mutex<Option<Arc<File>>>) -> MutexGuard<'_, Option<Arc<File>>> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads exactly `length` octets; the end of the file is damage, not an error of the disk.
pub(crate) fn read(file: &File, at: u64, length: usize) -> Result<Vec<u8>> {
    let mut octets = vec![0; length];
    match file.read_exact_at(&mut octets, at) {
        Ok(()) => Ok(octets),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Damaged(format!(
            "the log ends before {length} octets at {at}"
        ))),
        Err(error) => Err(Error::io("reading the log", &error)),
    }
}

/// Reads at most `length` octets: fewer at the end of the file.
pub(crate) fn read_some(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    if i64::try_from(at).is_err() {
        // No file is that long; the system would call it an invalid argument.
        return Ok(Vec::new());
    }
    let mut octets = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut octets[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    octets.truncate(filled);
    Ok(octets)
}
