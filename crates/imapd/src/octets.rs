//! Octets of a stored body as they are asked for: a range, decoded or not, read piece by piece.
//!
//! A literal's length is said before its octets, so a stream delivers exactly what was announced. Should a
//! piece turn out damaged half-way, the rest is filled with blanks, the command ends with NO and the log
//! says which body it was: the session and its other messages go on.

use congvu_imap::ask::Answer;
use congvu_message::transfer::{Decoder, Encoding};
use congvu_store::{Body, Result};

use crate::blocking::blocking;
use crate::refuse;
use crate::session::{LoggedIn, Work, done};

/// Octets read at once: a chunk of the store.
pub(crate) const CHUNK: u64 = 256 * 1024;

/// A stretch of a body on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    body: Body,
    /// Next octet to read of the body, and the end.
    at: u64,
    end: u64,
    decoder: Option<Decoder>,
    /// Decoded octets still to be left out before the first that is wanted.
    skip: u64,
    /// Octets still to deliver.
    left: u64,
    /// A piece could not be read.
    damaged: bool,
}

impl Stream {
    /// The octets `from..end` of a body as they are.
    pub(crate) fn plain(body: &Body, from: u64, end: u64) -> Self {
        let end = end.min(body.len());
        Self {
            body: body.clone(),
            at: from,
            end,
            decoder: None,
            skip: 0,
            left: end.saturating_sub(from),
            damaged: false,
        }
    }

    /// The octets `from..end` of a body decoded, of these `skip..skip + most`. Reads them once to know the
    /// length. Blocking.
    pub(crate) fn decoded(
        body: &Body,
        (from, end): (u64, u64),
        encoding: Encoding,
        (skip, most): (u64, u64),
    ) -> Result<Self> {
        let mut counted: u64 = 0;
        let wanted = skip.saturating_add(most);
        let decoder = Some(Decoder::new(encoding));
        let begin = Self {
            decoder,
            left: u64::MAX,
            ..Self::plain(body, from, end)
        };
        let mut all = begin.clone();
        while counted < wanted {
            let piece = all.piece()?;
            if piece.is_empty() {
                break;
            }
            counted = counted.saturating_add(piece.len() as u64);
        }
        let left = counted.min(wanted).saturating_sub(skip);
        Ok(Self {
            skip,
            left,
            ..begin
        })
    }

    /// Octets still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Leaves out `skip` octets and delivers at most `most` of those after them. Only of plain octets that
    /// were not begun.
    pub(crate) fn part(mut self, skip: u64, most: u64) -> Self {
        let skip = skip.min(self.left);
        self.at += skip;
        self.left = (self.left - skip).min(most);
        self
    }

    /// All octets. Blocking.
    pub(crate) fn whole(mut self) -> Result<Vec<u8>> {
        let mut all = self.piece()?;
        while self.left > 0 {
            let piece = self.piece()?;
            if piece.is_empty() {
                break;
            }
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// The next octets, filled with blanks once a piece could not be read. Not empty as long as octets
    /// are left.
    pub(crate) async fn next(&mut self) -> Vec<u8> {
        if !self.damaged {
            let mut stream = self.clone();
            let read = blocking(move || stream.piece().map(|piece| (piece, stream))).await;
            match read {
                Ok((piece, stream)) if !piece.is_empty() => {
                    *self = stream;
                    return piece;
                }
                Ok(_) => tracing::error!(body = %self.body.id(), "body ended early"),
                Err(error) => tracing::error!(body = %self.body.id(), %error, "body unreadable"),
            }
            self.damaged = true;
        }
        let fill = self.left.min(CHUNK);
        self.left -= fill;
        vec![b' '; usize::try_from(fill).unwrap_or(0)]
    }

    /// Whether a piece could not be read.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// The next octets; empty at the end.
    fn piece(&mut self) -> Result<Vec<u8>> {
        while self.left > 0 && (self.at < self.end || self.decoder.is_some()) {
            let mut len = self.end.saturating_sub(self.at).min(CHUNK);
            if self.decoder.is_none() {
                len = len.min(self.left);
            }
            let raw = if len == 0 {
                Vec::new()
            } else {
                self.body.octets(self.at, len)?
            };
            self.at += raw.len() as u64;
            let mut out = match self.decoder.as_mut() {
                None => raw,
                Some(decoder) => {
                    let last = raw.is_empty() || self.at >= self.end;
                    let mut out = Vec::with_capacity(raw.len());
                    decoder.push(&raw, &mut out);
                    if last {
                        decoder.finish(&mut out);
                        self.decoder = None;
                    }
                    out
                }
            };
            let skip = self.skip.min(out.len() as u64);
            self.skip -= skip;
            out.drain(..usize::try_from(skip).unwrap_or(out.len()));
            out.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= out.len() as u64;
            if !out.is_empty() {
                return Ok(out);
            }
            if len == 0 {
                break;
            }
        }
        Ok(Vec::new())
    }
}

impl LoggedIn {
    /// The next octets of the literal that the last answer left open.
    pub(crate) async fn octets(&mut self) -> Answer {
        let Work::Fetch(run) = &mut self.work else {
            return done(refuse::bad("No literal is open"));
        };
        match run.next_octets().await {
            Some(octets) => Answer::Octets(octets),
            None => done(refuse::bad("No literal is open")),
        }
    }
}
