//! A store's log read from its files alone: without the index, without the lock, beside the server that
//! writes it or on a disk that cannot be written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::body::Body;
use crate::error::{Error, Result};
use crate::id::{BodyId, Lsn};
use crate::log::scan;
use crate::log::segment::{Hold, Segments};
use crate::log::survey::{self, Inspector, Span, Surveyed};
use crate::state::{Left, State};

/// Told how far a long act is: octets done, octets in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The files of a log. As long as this lives, compaction replaces and removes none of them.
#[derive(Debug)]
pub struct LogFiles {
    _hold: Option<Hold>,
    segments: Segments,
    seed: u64,
    floor: Lsn,
}

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its first LSN.
    pub first: Lsn,
    /// Where the log goes on after it.
    pub end: Lsn,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub octets: u64,
    /// Whether compaction wrote it.
    pub rewritten: bool,
}

impl LogFiles {
    /// The log of the store in a folder.
    pub fn of_store(folder: &Path) -> Result<Self> {
        let log = folder.join("log");
        let hold = Hold::shared(&log)?;
        let segments = Segments::read_only(&log)?;
        let state = State::read(folder)?;
        let floor = match state.as_ref().map(|state| &state.left) {
            Some(Left::Clean(end)) => *end,
            _ => Lsn(0),
        };
        let known = state.map(|state| state.store);
        Self::new(segments, floor, known, hold)
    }

    /// Segments in files of any names, by their first LSN.
    pub(crate) fn of_files(folder: &Path, files: BTreeMap<u64, PathBuf>, seed: u64) -> Self {
        Self {
            _hold: None,
            segments: Segments::of_files(folder, files.into_iter()),
            seed,
            floor: Lsn(0),
        }
    }

    fn new(segments: Segments, floor: Lsn, known: Option<u64>, hold: Hold) -> Result<Self> {
        if segments.all().is_empty() {
            let folder = segments.folder.display();
            return Err(Error::Damaged(format!("there is no log in {folder}")));
        }
        let seed = match (known, scan::seed(&segments, known)?) {
            (Some(known), Some(found)) if known != found => {
                let folder = segments.folder.display();
                let what = format!("log and state in {folder} are of different stores");
                return Err(Error::Damaged(what));
            }
            (known, found) => known.or(found).ok_or_else(|| {
                Error::Damaged(format!(
                    "no head of a segment in {} is readable",
                    segments.folder.display()
                ))
            })?,
        };
        Ok(Self {
            _hold: Some(hold),
            segments,
            seed,
            floor,
        })
    }

    /// The store's number.
    pub fn store(&self) -> u64 {
        self.seed
    }

    /// Its segments, ascending.
    pub fn segments(&self) -> Result<Vec<SegmentFile>> {
        let one = |segment: &std::sync::Arc<crate::log::segment::Segment>| {
            let path = &segment.path;
            let octets = std::fs::metadata(path)
                .map(|found| found.len())
                .map_err(|error| Error::io(format!("reading {}", path.display()), &error))?;
            let rewritten = self.segments.open(segment)?.rewritten;
            Ok(SegmentFile {
                first: Lsn(segment.first),
                end: Lsn(rewritten.map_or(segment.first + octets, |rewritten| rewritten.end)),
                path: path.clone(),
                octets,
                rewritten: rewritten.is_some(),
            })
        };
        self.segments.all().iter().map(one).collect()
    }

    /// Opens a body.
    pub fn body(&self, id: BodyId) -> Result<Body> {
        let (file, place) = self.segments.locate(Lsn(id.0), self.seed)?;
        Body::open(id, file, place, 0, self.seed)
    }

    /// Reads the log from one place on, to a durable end or, if none is known, to the end of its files.
    pub(crate) fn survey(
        &self,
        from: Lsn,
        to: Option<Lsn>,
        inspector: &mut dyn Inspector,
    ) -> Result<Surveyed> {
        let floor = self.floor;
        let span = Span { from, to, floor };
        survey::survey(&self.segments, self.seed, span, inspector)
    }

    /// Where the last file ends.
    pub(crate) fn length(&self) -> Result<Lsn> {
        scan::length(&self.segments)
    }
}
