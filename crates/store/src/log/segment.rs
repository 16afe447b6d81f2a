//! Segment files: their names, the set of them, and reading by LSN.
//!
//! `log/<first lsn as 16 hex digits>.log`. An LSN is the number of octets since the beginning of
//! the log, so the place in a file is the LSN less the file's first; LSNs never change. In a segment that
//! compaction rewrote, a table tells the place (`runs`); such a file can hold the log up to the end of what were
//! several segments.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::frame::SegmentHead;
use super::runs::{Place, Rewritten, Runs};
use crate::error::{Error, Result};
use crate::id::Lsn;

/// Most segment files kept open at a time: well below the usual limit of 1,024 descriptors, which
/// connections need too.
const OPEN_FILES: usize = 256;
/// Octets of tables of rewritten segments kept in memory: some of two hundred segments of usual mail.
const TABLES: usize = 32 * 1024 * 1024;
/// What a file being written by compaction has after its name.
pub(crate) const NEW: &str = "new";

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
    /// A rewritten segment gets its name.
    Rename,
    /// A file that is not needed any more is removed.
    Remove,
    /// It is asked how much room is left.
    Room,
}

/// A function that may fail an act.
pub(crate) type Fault = Arc<dyn Fn(Act) -> io::Result<()> + Send + Sync>;

/// The disk under the log: the real one, with a seat for faults.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    fault: Option<Fault>,
    /// Octets that are left, where a test says so.
    left: Option<Arc<AtomicU64>>,
}

#[cfg(test)]
impl Disk {
    /// Fails acts on purpose.
    pub(crate) fn failing(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            left: None,
        }
    }

    /// Has as many octets left as it is told.
    pub(crate) fn with_left(left: &Arc<AtomicU64>) -> Self {
        Self {
            fault: None,
            left: Some(Arc::clone(left)),
        }
    }
}

impl Disk {
    fn ask(&self, act: Act) -> io::Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| fault(act))
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
    /// Gives a file the name of another.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Act::Rename)?;
        std::fs::rename(from, to)
    }
    /// Removes a file.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Act::Remove)?;
        std::fs::remove_file(path)
    }
    /// Octets that may still be written in a folder. Where the system does not tell, the writes
    /// themselves will.
    pub(crate) fn room(&self, folder: &Path) -> io::Result<u64> {
        self.ask(Act::Room)?;
        if let Some(left) = &self.left {
            return Ok(left.load(Ordering::Relaxed));
        }
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
    opened: Mutex<Option<Arc<Opened>>>,
}

/// An open segment file. What it says of itself was read from this very file, so it stays right when another
/// takes its name.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    /// The segment's first LSN.
    pub(crate) first: u64,
    /// If compaction wrote it.
    pub(crate) rewritten: Option<Rewritten>,
}

impl Opened {
    pub(crate) fn new(file: File, first: u64) -> Self {
        let rewritten = Rewritten::look(&file, first);
        Self {
            file: Arc::new(file),
            first,
            rewritten,
        }
    }

    /// Where the log goes on after it.
    pub(crate) fn end(&self) -> Result<u64> {
        if let Some(rewritten) = &self.rewritten {
            return Ok(rewritten.end);
        }
        let found = self.file.metadata();
        let length = found.map_err(|error| Error::io("reading the log", &error))?;
        Ok(self.first.saturating_add(length.len()))
    }

    /// A file that was written just now.
    pub(crate) fn written(file: Arc<File>, first: u64, head: &SegmentHead) -> Self {
        let rewritten = Some(Rewritten {
            end: head.end.0,
            created: head.created,
        });
        Self {
            file,
            first,
            rewritten,
        }
    }
}

/// All segment files, ascending.
#[derive(Debug)]
pub(crate) struct Segments {
    /// The `log` folder.
    pub(crate) folder: PathBuf,
    all: RwLock<BTreeMap<u64, Arc<Segment>>>,
    /// Whether files are opened for writing, too.
    writable: bool,
    /// Tables of rewritten segments, those used last at the end.
    tables: Mutex<VecDeque<(u64, i64, Arc<Runs>)>>,
}

impl Segments {
    /// Lists the folder, and removes what an unfinished compaction left. Files with other names are left alone.
    pub(crate) fn list(folder: &Path) -> Result<Self> {
        let (segments, covered) = Self::found(folder, true)?;
        for path in covered.into_iter().chain(unfinished(folder)?) {
            std::fs::remove_file(&path)
                .map_err(|error| Error::io(format!("removing {}", path.display()), &error))?;
        }
        Ok(segments)
    }

    /// The same for one who only reads, beside the process that writes or from a read-only disk.
    pub(crate) fn read_only(folder: &Path) -> Result<Self> {
        Ok(Self::found(folder, false)?.0)
    }

    /// Files of any names that hold segments, for reading.
    pub(crate) fn of_files(folder: &Path, files: impl Iterator<Item = (u64, PathBuf)>) -> Self {
        Self::of(folder, files, false)
    }

    fn of(folder: &Path, files: impl Iterator<Item = (u64, PathBuf)>, writable: bool) -> Self {
        let segment = |(first, path)| {
            let opened = Mutex::default();
            (
                first,
                Arc::new(Segment {
                    first,
                    path,
                    opened,
                }),
            )
        };
        Self {
            folder: folder.to_owned(),
            all: RwLock::new(files.map(segment).collect()),
            writable,
            tables: Mutex::default(),
        }
    }

    /// The segments, and files all of whose octets that count are in a rewritten segment before them: their
    /// removal was not finished.
    fn found(folder: &Path, writable: bool) -> Result<(Self, Vec<PathBuf>)> {
        let mut files = BTreeMap::new();
        for path in paths(folder)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let first = name
                .and_then(|name| name.strip_suffix(".log"))
                .filter(|digits| digits.len() == 16)
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            if let Some(first) = first {
                files.insert(first, path);
            }
        }
        let segments = Self::of(folder, files.into_iter(), writable);
        let (mut covered, mut end) = (Vec::new(), 0);
        for segment in segments.all() {
            if segment.first < end {
                segments.forget(segment.first);
                covered.push(segment.path.clone());
            } else if let Ok(opened) = segments.open(&segment) {
                end = opened.rewritten.map_or(end, |rewritten| rewritten.end);
            }
        }
        Ok((segments, covered))
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

    /// Whether a segment is still one of them, and was not replaced.
    pub(crate) fn has(&self, segment: &Arc<Segment>) -> bool {
        let now = self.holding(Lsn(segment.first));
        now.is_some_and(|now| Arc::ptr_eq(&now, segment))
    }

    /// The file that holds the frame at `lsn`, and its place there.
    pub(crate) fn locate(&self, lsn: Lsn, seed: u64) -> Result<(Arc<File>, u64)> {
        let opened = loop {
            let segment = self.holding(lsn).ok_or(Error::NoBody)?;
            match self.open(&segment) {
                Ok(opened) => break opened,
                Err(error) => {
                    // Compaction may just have put its frames into another file.
                    if self.has(&segment) {
                        return Err(error);
                    }
                }
            }
        };
        let place = match self.runs(&opened, seed)? {
            None => lsn.0.checked_sub(opened.first).ok_or(Error::NoBody)?,
            Some(runs) => {
                let run = runs.find(lsn.0, &mut 0).map_err(|_| Error::NoBody)?;
                match run.place {
                    Place::File(place) => place + (lsn.0 - run.lsn),
                    Place::Pack(..) => return Err(Error::NoBody),
                }
            }
        };
        Ok((Arc::clone(&opened.file), place))
    }

    /// The table of a rewritten segment; `None` of any other.
    pub(crate) fn runs(&self, opened: &Opened, seed: u64) -> Result<Option<Arc<Runs>>> {
        let Some(rewritten) = &opened.rewritten else {
            return Ok(None);
        };
        let (first, created) = (opened.first, rewritten.created.0);
        {
            let mut tables = locked(&self.tables);
            let known = tables
                .iter()
                .rposition(|(of, made, _)| (*of, *made) == (first, created));
            if let Some(found) = known.and_then(|at| tables.remove(at)) {
                let runs = Arc::clone(&found.2);
                tables.push_back(found);
                return Ok(Some(runs));
            }
        }
        let runs = Arc::new(Runs::load(&opened.file, rewritten, first, seed)?);
        let mut tables = locked(&self.tables);
        tables.push_back((first, created, Arc::clone(&runs)));
        let mut weight: usize = tables.iter().map(|(.., runs)| runs.weight()).sum();
        while weight > TABLES && tables.len() > 1 {
            weight -= tables.pop_front().map_or(0, |(.., runs)| runs.weight());
        }
        Ok(Some(runs))
    }

    /// Adds a new file.
    pub(crate) fn add(&self, first: u64, file: File) {
        let opened = Opened {
            file: Arc::new(file),
            first,
            rewritten: None,
        };
        self.put(first, Vec::new(), opened);
    }

    /// Puts an open file in the place of the segments that it was written from.
    pub(crate) fn put(&self, first: u64, from: Vec<u64>, opened: Opened) {
        let segment = Segment {
            first,
            path: self.path(first),
            opened: Mutex::new(Some(Arc::new(opened))),
        };
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        for old in from {
            all.remove(&old);
        }
        all.insert(first, Arc::new(segment));
    }

    /// Forgets a file that was removed.
    pub(crate) fn forget(&self, first: u64) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&first);
    }

    /// The open file of a segment; opens it when need be and closes another when there are many.
    pub(crate) fn open(&self, segment: &Segment) -> Result<Arc<Opened>> {
        if let Some(opened) = locked(&segment.opened).as_ref() {
            return Ok(Arc::clone(opened));
        }
        let file = File::options()
            .read(true)
            .write(self.writable)
            .open(&segment.path)
            .map_err(|error| Error::io(format!("opening {}", segment.path.display()), &error))?;
        let opened = Arc::new(Opened::new(file, segment.first));
        self.make_room(segment.first);
        *locked(&segment.opened) = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn make_room(&self, keep: u64) {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<_> = all
            .values()
            .filter(|one| one.first != keep && locked(&one.opened).is_some())
            .collect();
        if open.len() >= OPEN_FILES {
            // The oldest segments are read least; whoever reads one at this moment keeps it open.
            *locked(&open[0].opened) = None;
        }
    }
}

fn locked<T>(inside: &Mutex<T>) -> MutexGuard<'_, T> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: io::Error| Error::io(format!("reading {}", folder.display()), &error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| Ok(entry.map_err(failed)?.path()))
        .collect()
}

/// Files that compaction was writing when the process ended.
fn unfinished(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = paths(folder)?;
    let end = format!(".log.{NEW}");
    paths.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.ends_with(&end))
    });
    Ok(paths)
}

/// Holds a log's folder for reading, so that compaction removes nothing meanwhile, or alone, to do that. On file
/// systems without locks readers go on: compaction itself does not.
#[derive(Debug)]
pub(crate) struct Hold {
    _folder: File,
}

impl Hold {
    /// Waits for at most the moment in which a segment is replaced.
    pub(crate) fn shared(folder: &Path) -> Result<Self> {
        let file = File::open(folder)
            .map_err(|error| Error::io(format!("opening {}", folder.display()), &error))?;
        if let Err(error) = file.lock_shared() {
            tracing::debug!(%error, folder = %folder.display(), "cannot lock folder");
        }
        Ok(Self { _folder: file })
    }

    /// `None` while somebody reads.
    pub(crate) fn alone(folder: &Path) -> Result<Option<Self>> {
        let failed = |error: io::Error| Error::io(format!("locking {}", folder.display()), &error);
        let file = File::open(folder).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _folder: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }
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
