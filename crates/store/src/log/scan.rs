//! Walks the log after a crash or for a rebuild: hands over every commit, finds the torn tail and
//! damage in the middle.
//!
//! A group is written only after the `fdatasync` of the one before it returned. So what is damaged
//! before a later valid group (or segment) was durable once: it is reported and skipped. What is
//! damaged at the very end was never acknowledged: it is cut at the last whole group.

use std::sync::Arc;

use super::frame::{self, Commit, Header, Kind, SegmentHead};
use super::pages::Pages;
use super::segment::{Segment, Segments, read_some};
use super::writer::End;
use crate::error::{Error, Result};
use crate::id::Lsn;

/// Octets of a segment frame.
pub(crate) const SEGMENT_FRAME: u64 = frame::HEADER + frame::SEGMENT_PAYLOAD;
/// Octets of a group frame.
pub(super) const GROUP_FRAME: u64 = frame::HEADER + frame::GROUP_PAYLOAD;
/// Most damaged places that are described one by one.
const DESCRIBED: usize = 1_000;

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Where the log ends.
    pub(crate) end: End,
    /// Damaged places before the end.
    pub(crate) damaged: Vec<String>,
    /// Octets after `end` in its segment: the torn tail.
    pub(crate) torn: u64,
    /// Segment files begun and never used, to be removed.
    pub(crate) unused: Vec<Arc<Segment>>,
    /// Commits handed over.
    pub(crate) commits: u64,
    /// Octets before the end that may have held commits and could not be read.
    pub(crate) lost: u64,
    /// Where the first of them stand, or the group that they are in.
    pub(crate) lost_from: Option<Lsn>,
}

/// The store's number from the first readable segment head, or the known one if any head has it: a file that
/// somebody put in the wrong folder is damage, and not another store.
pub(crate) fn seed(segments: &Segments, known: Option<u64>) -> Result<Option<u64>> {
    let mut first = None;
    for segment in segments.all() {
        let opened = segments.open(&segment)?;
        let begin = read_some(
            &opened.file,
            0,
            usize::try_from(SEGMENT_FRAME).unwrap_or(64),
        );
        if let Some(head) = begin.ok().and_then(|begin| SegmentHead::of_file(&begin)) {
            first = first.or(Some(head.store));
            if known.is_none() || known == Some(head.store) {
                return Ok(Some(head.store));
            }
        }
    }
    Ok(first)
}

/// Where the log ends when nothing is damaged: the end of the last file.
pub(crate) fn length(segments: &Segments) -> Result<Lsn> {
    let Some(last) = segments.all().pop() else {
        return Ok(Lsn(0));
    };
    segments.open(&last)?.end().map(Lsn)
}

/// Walks from `from` (the beginning of a group, or 0) to the end. `floor` is the end of a group that is
/// known to have been durable. `last` is the number of the group before `from`.
pub(crate) fn scan(
    segments: &Segments,
    seed: u64,
    from: End,
    floor: Lsn,
    commit: &mut dyn FnMut(Lsn, Commit) -> Result<()>,
) -> Result<Found> {
    let mut found = Found {
        end: from,
        ..Found::default()
    };
    let mut all = segments.all();
    while let Some(last) = all.pop_if(|last| last.first > 0 && last.first >= floor.0) {
        let mut pages = Pages::open(segments, &last, seed)?;
        if pages.segment_head().is_some() || pages.next_group(last.first).is_some() {
            all.push(last);
            break;
        }
        found.unused.push(last);
    }
    let begin = all
        .iter()
        .rposition(|segment| segment.first <= from.lsn.0)
        .unwrap_or(0);
    let mut expected = (from.lsn.0 == 0).then_some(0);
    for (index, segment) in all.iter().enumerate().skip(begin) {
        let mut pages = Pages::open(segments, segment, seed)?;
        if let Some(expected) = expected.filter(|expected| *expected != segment.first) {
            found.lose(expected, segment.first.saturating_sub(expected));
            found.report(format!(
                "{}: octets before this segment are missing",
                segment.path.display()
            ));
        }
        match pages.segment_head() {
            Some(head) if head.store != seed => {
                return Err(Error::Damaged(format!(
                    "{} belongs to another store",
                    segment.path.display()
                )));
            }
            Some(_) => {}
            None => found.report(format!("{}: head of the segment", segment.path.display())),
        }
        if pages.mended() {
            found.report(format!("{}: table of runs", segment.path.display()));
        }
        expected = Some(pages.end());
        let mut walk = Walk {
            // A rewritten segment was durable as a whole before it got its name.
            last: index + 1 == all.len() && !pages.rewritten(),
            pages,
            found: &mut found,
            floor,
            commit,
        };
        walk.segment(from.lsn.0.max(segment.first + SEGMENT_FRAME))?;
    }
    let missing = floor.0.saturating_sub(found.end.lsn.0);
    if missing > 0 {
        let end = found.end.lsn;
        found.lose(end.0, missing);
        found.report(format!(
            "LSN {end}: {missing} octets at the end are missing"
        ));
    }
    Ok(found)
}

impl Found {
    fn lose(&mut self, at: u64, octets: u64) {
        self.lost += octets;
        if octets > 0 {
            self.lost_from.get_or_insert(Lsn(at));
        }
    }

    fn report(&mut self, what: String) {
        if self.damaged.len() < DESCRIBED {
            self.damaged.push(what);
        }
    }
}

/// A walk through one segment.
struct Walk<'a> {
    pages: Pages,
    found: &'a mut Found,
    floor: Lsn,
    /// No segment follows.
    last: bool,
    commit: &'a mut dyn FnMut(Lsn, Commit) -> Result<()>,
}

/// Frames between two places.
#[derive(Default)]
struct Stretch {
    commits: Vec<Commit>,
    bad: Vec<String>,
    /// Octets of `bad` that may have held commits.
    lost: u64,
}

impl Walk<'_> {
    fn segment(&mut self, from: u64) -> Result<()> {
        let mut at = from;
        let end = self.pages.end();
        loop {
            at = self.pages.present(at);
            if at >= end {
                break;
            }
            let group = self.pages.group(at);
            let group_end = group
                .and_then(|group| at.checked_add(group.length))
                .unwrap_or(u64::MAX);
            let (stretch, next) = if group.is_some() {
                let deep = self.last && group_end >= end && group_end > self.floor.0;
                let stretch = self.stretch(at + GROUP_FRAME, group_end.min(end), deep)?;
                (stretch, (group_end <= end).then_some(group_end))
            } else {
                (Stretch::default(), None)
            };
            if let Some(next) = next.filter(|_| stretch.bad.is_empty()) {
                self.take(at, stretch)?;
                at = next;
            } else {
                // Damaged. Was it durable once?
                let later = self.pages.next_group(next.unwrap_or(at + 1));
                let durable = later.is_some() || !self.last || at < self.floor.0;
                if !durable {
                    self.found.torn = end - at;
                    self.found.end.lsn = Lsn(at);
                    return Ok(());
                }
                let stop = next.or(later).unwrap_or(end);
                let mut stretch = if next.is_some() {
                    stretch
                } else {
                    self.stretch(at, stop, false)?
                };
                if stretch.bad.is_empty() {
                    stretch.bad.push(self.pages.describe(at, stop));
                }
                self.found.lose(at, stretch.lost);
                for what in std::mem::take(&mut stretch.bad) {
                    self.found.report(what);
                }
                self.take(at, stretch)?;
                at = stop;
            }
            if let Some(group) = group {
                self.found.end.group = self.found.end.group.max(group.number);
            }
            self.found.end.lsn = Lsn(at);
        }
        self.found.end.lsn = Lsn(self.found.end.lsn.0.max(end));
        Ok(())
    }

    /// Hands over the commits of what stood at `at`.
    fn take(&mut self, at: u64, stretch: Stretch) -> Result<()> {
        for commit in stretch.commits {
            self.found.commits += 1;
            (self.commit)(Lsn(at), commit)?;
        }
        Ok(())
    }

    /// Reads the frames of a stretch; after a damaged one it goes on at the next that is valid.
    fn stretch(&mut self, from: u64, to: u64, deep: bool) -> Result<Stretch> {
        let mut stretch = Stretch::default();
        let mut at = from;
        loop {
            at = self.pages.present(at);
            if at >= to {
                break;
            }
            let header = self
                .pages
                .frame(at)
                .filter(|header| header.total() <= to - at);
            let Some(header) = header else {
                let stop = self.pages.bound(at).min(to);
                let next = self.pages.next_frame(at + 1, stop).unwrap_or(stop);
                stretch.bad.push(self.pages.describe(at, next));
                stretch.lost += if self.is_just_a_body(at, next) {
                    0
                } else {
                    next - at
                };
                at = next;
                continue;
            };
            if header.version > frame::VERSION || header.kind.is_none() {
                return Err(Error::Newer {
                    what: format!("frame {at} of the log"),
                    found: u32::from(header.version.max(frame::VERSION + 1)),
                    known: u32::from(frame::VERSION),
                });
            }
            match header.kind {
                Some(Kind::Commit) => {
                    if let Some(commit) = Commit::decode(self.pages.payload(at, &header)) {
                        stretch.commits.push(commit);
                    } else {
                        stretch.lost += header.total();
                        let what = format!("LSN {at}: a commit that contradicts itself");
                        stretch.bad.push(what);
                    }
                }
                Some(Kind::Body) if deep && !self.pages.body(at, &header) => {
                    stretch.bad.push(format!("LSN {at}: chunks of a body"));
                }
                _ => {}
            }
            at += header.total();
        }
        Ok(stretch)
    }

    /// Whether a damaged place was one body frame exactly, so that no commit can have been in it.
    fn is_just_a_body(&mut self, from: u64, to: u64) -> bool {
        Header::decode(self.pages.octets(from, 32)).is_some_and(|header| {
            header.kind == Some(Kind::Body) && header.lsn.0 == from && header.total() == to - from
        })
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
