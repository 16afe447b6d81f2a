//! Reads the whole log, every octet of it, for checks, salvage and backups. Changes nothing; works
//! beside the process that writes, because what is durable in the log never changes.
//!
//! Unlike `scan`, which decides what a start may believe, this goes on past every damage and says what
//! it met; each frame that is valid by itself is handed over.

use super::frame::{self, Commit, Header, Kind};
use super::pages::Pages;
use super::scan::{GROUP_FRAME, SEGMENT_FRAME};
use super::segment::Segments;
use crate::error::{Error, Result};
use crate::id::{BodyId, Lsn};

/// A damaged place of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub lsn: Lsn,
    /// Its length.
    pub octets: u64,
    /// Which body frame is damaged, when nothing else is.
    pub body: Option<BodyId>,
    /// What is damaged, in words.
    pub what: String,
}

/// A body frame whose head is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: BodyId,
    /// Octets of the frame.
    pub(crate) frame: u64,
}

/// Who is told what the log holds. In the order of the log.
pub(crate) trait Inspector {
    /// A valid commit.
    fn commit(&mut self, at: Lsn, commit: Commit) -> Result<()>;
    /// A body, all of whose chunks are whole.
    fn body(&mut self, body: Seen) -> Result<()>;
    /// Something is damaged.
    fn damage(&mut self, damage: Damage) -> Result<()>;
    /// Everything before this place has been read.
    fn reached(&mut self, at: Lsn);
    /// Whether the chunks of bodies are read and compared with their checksums.
    fn reads_chunks(&self) -> bool {
        true
    }
}

/// Which part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Begin of a group, or 0.
    pub(crate) from: Lsn,
    /// A durable end; `None` = to the end of the last file, which may be torn.
    pub(crate) to: Option<Lsn>,
    /// What is known to have been durable when `to` is not known.
    pub(crate) floor: Lsn,
}

/// Where a survey ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Surveyed {
    /// The log's end.
    pub(crate) end: Lsn,
    /// Octets of a torn tail after it: never acknowledged.
    pub(crate) torn: u64,
}

/// Reads a span of the log.
pub(crate) fn survey(
    segments: &Segments,
    seed: u64,
    span: Span,
    inspector: &mut dyn Inspector,
) -> Result<Surveyed> {
    let mut all = segments.all();
    let mut survey = Survey {
        seed,
        span,
        at: span.from.0,
        inspector,
    };
    let mut index = 0;
    while let Some(segment) = all.get(index) {
        index += 1;
        let next = all.get(index).map(|next| next.first);
        if next.is_some_and(|next| next <= survey.at) {
            continue;
        }
        let mut pages = match Pages::open(segments, segment, seed) {
            Ok(pages) => pages,
            Err(_) if !segments.has(segment) => {
                // Compaction put it into another file: on where this is in that.
                (all, index) = (segments.all(), 0);
                continue;
            }
            Err(error) => return Err(error),
        };
        let bound = next
            .unwrap_or(u64::MAX)
            .min(span.to.map_or(u64::MAX, |to| to.0));
        let end = pages.end().min(bound);
        if segment.first >= bound {
            break;
        }
        survey.missing(segment.first)?;
        if survey.at == segment.first && !survey.head(&mut pages, end)? {
            continue;
        }
        if pages.mended() {
            let what = format!("the table of runs of {}", segment.path.display());
            survey.inspector.damage(Damage {
                lsn: Lsn(segment.first),
                octets: 0,
                body: None,
                what,
            })?;
        }
        // A rewritten segment was durable as a whole before it got its name.
        let last = next.is_none() && !pages.rewritten();
        if let Some(torn) = survey.segment(&mut pages, end, last)? {
            let end = Lsn(survey.at);
            return Ok(Surveyed { end, torn });
        }
    }
    if let Some(to) = span.to {
        survey.missing(to.0)?;
    }
    Ok(Surveyed {
        end: Lsn(survey.at),
        torn: 0,
    })
}

struct Survey<'a> {
    seed: u64,
    span: Span,
    at: u64,
    inspector: &'a mut dyn Inspector,
}

impl Survey<'_> {
    /// Octets that no file holds.
    fn missing(&mut self, until: u64) -> Result<()> {
        if self.at < until {
            self.damage(until, None, "missing: no file holds them".to_owned())?;
        }
        Ok(())
    }

    fn damage(&mut self, until: u64, body: Option<BodyId>, what: String) -> Result<()> {
        let damage = Damage {
            lsn: Lsn(self.at),
            octets: until.saturating_sub(self.at),
            body,
            what,
        };
        self.at = until;
        self.inspector.damage(damage)
    }

    /// The first frame of a file; `false` when the file is not of this log.
    fn head(&mut self, pages: &mut Pages, end: u64) -> Result<bool> {
        let until = self.at.saturating_add(SEGMENT_FRAME).min(end);
        match pages.segment_head() {
            Some(head) if head.store != self.seed => {
                self.damage(end, None, "a file of another store".to_owned())?;
                return Ok(false);
            }
            Some(_) => self.at = until,
            None => self.damage(until, None, "the head of a segment".to_owned())?,
        }
        Ok(true)
    }

    /// The rest of a file; the length of a torn tail, if it has one.
    fn segment(&mut self, pages: &mut Pages, end: u64, last: bool) -> Result<Option<u64>> {
        loop {
            self.at = pages.present(self.at).min(end);
            if self.at >= end {
                break;
            }
            let doubtful = last && self.span.to.is_none() && self.at >= self.span.floor.0;
            let group = pages.group(self.at);
            if doubtful && let Some(group) = group {
                let until = self.at.saturating_add(group.length);
                if until > end || (until == end && !whole(pages, self.at + GROUP_FRAME, end)) {
                    return Ok(Some(end - self.at));
                }
            }
            let header = pages
                .frame(self.at)
                .filter(|header| header.total() <= end - self.at);
            if let Some(header) = header {
                self.frame(pages, &header)?;
            } else {
                let stop = pages.bound(self.at).min(end);
                let next = pages.next_frame(self.at + 1, stop);
                if doubtful && next.is_none() {
                    return Ok(Some(end - self.at));
                }
                let next = next.unwrap_or(stop);
                let body = body_at(pages, self.at, next);
                let what = pages.describe(self.at, next);
                self.damage(next, body, what)?;
            }
            self.inspector.reached(Lsn(self.at));
        }
        Ok(None)
    }

    /// A valid frame.
    fn frame(&mut self, pages: &mut Pages, header: &Header) -> Result<()> {
        if header.version > frame::VERSION || header.kind.is_none() {
            return Err(Error::Newer {
                what: format!("frame {} of the log", self.at),
                found: u32::from(header.version.max(frame::VERSION + 1)),
                known: u32::from(frame::VERSION),
            });
        }
        let until = self.at + header.total();
        match header.kind {
            Some(Kind::Commit) => match Commit::decode(pages.payload(self.at, header)) {
                Some(commit) => self.inspector.commit(Lsn(self.at), commit)?,
                None => self.damage(until, None, "a commit that contradicts itself".to_owned())?,
            },
            Some(Kind::Body) => {
                let id = BodyId(self.at);
                if !self.inspector.reads_chunks() || pages.body(self.at, header) {
                    let frame = header.total();
                    self.inspector.body(Seen { id, frame })?;
                } else {
                    self.damage(until, Some(id), format!("chunks of body {id}"))?;
                }
            }
            Some(Kind::Segment | Kind::Group | Kind::Runs | Kind::Pack) | None => {}
        }
        self.at = until;
        Ok(())
    }
}

/// Whether valid frames with whole bodies fill a stretch.
fn whole(pages: &mut Pages, from: u64, to: u64) -> bool {
    let mut at = from;
    while at < to {
        let header = pages.frame(at).filter(|header| header.total() <= to - at);
        let Some(header) = header else { return false };
        if header.kind == Some(Kind::Body) && !pages.body(at, &header) {
            return false;
        }
        at += header.total();
    }
    true
}

/// The body whose frame was exactly this stretch, as far as its header still tells.
fn body_at(pages: &mut Pages, from: u64, to: u64) -> Option<BodyId> {
    let header = Header::decode(pages.octets(from, 32))?;
    let just =
        header.kind == Some(Kind::Body) && header.lsn.0 == from && header.total() == to - from;
    just.then_some(BodyId(from))
}
