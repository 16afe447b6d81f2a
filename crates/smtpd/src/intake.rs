//! Octets of a message on their way in: the header section is collected, treated as a whole and followed by the
//! body as it streams into a draft of the store.
//!
//! Memory is bounded by [`HEADER_MOST`] and the draft's own megabyte. Judging is not done here.

use congvu_store::{Draft, Store};

use crate::header::{Header, Treatment, treat};
use crate::refusal::Refusal;
use crate::trace::Stamp;

/// Largest header section, octets: 10,000 recipients in To and Cc fit; Postfix keeps 100 KiB, Dovecot 10 MB a field.
const HEADER_MOST: usize = 1024 * 1024;
/// A draft beyond this writes to a file, so it is fed on a blocking thread.
const IN_MEMORY: u64 = 1024 * 1024;

/// A message being received.
#[derive(Debug)]
pub(crate) struct Intake {
    state: State,
    received: u64,
    eight_bit: bool,
}

#[derive(Debug)]
enum State {
    /// The header section so far, and where its last line begins.
    Header { octets: Vec<u8>, line: usize },
    /// The body.
    Body(Box<(Draft, Header)>),
    /// A chunk failed; every later one hears the same.
    Broken(Refusal),
}

/// How the header section is to be treated and stamped.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    /// Where drafts come from.
    pub store: &'a Store,
    /// Largest message.
    pub size_limit: u64,
    /// Our Received field.
    pub stamp: Stamp<'a>,
    /// What happens to the fields.
    pub treatment: Treatment<'a>,
}

/// A message that is there as a whole.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Its octets, as they will be stored.
    pub draft: Draft,
    /// Its header section.
    pub header: Header,
    /// Whether it has octets above 127.
    pub eight_bit: bool,
}

impl Default for Intake {
    /// Nothing received yet.
    fn default() -> Self {
        Self {
            state: State::Header {
                octets: Vec::new(),
                line: 0,
            },
            received: 0,
            eight_bit: false,
        }
    }
}

impl Intake {
    /// Octets received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next octets.
    pub(crate) async fn take(&mut self, chunk: Vec<u8>, desk: &Desk<'_>) -> Result<(), Refusal> {
        self.received = self.received.saturating_add(chunk.len() as u64);
        self.eight_bit |= !chunk.is_ascii();
        let state = std::mem::replace(&mut self.state, State::Broken(Refusal::Failed));
        let next = if self.received > desk.size_limit {
            Err(Refusal::TooLarge(desk.size_limit))
        } else {
            next(state, chunk, desk).await
        };
        match next {
            Ok(state) => {
                self.state = state;
                Ok(())
            }
            Err(refusal) => {
                self.state = State::Broken(refusal.clone());
                Err(refusal)
            }
        }
    }

    /// The message is complete.
    pub(crate) fn finish(self, desk: &Desk<'_>) -> Result<Arrived, Refusal> {
        let (draft, header) = match self.state {
            State::Body(body) => *body,
            // No empty line came: there is only a header section.
            State::Header { octets, .. } => begin(&octets, desk)?,
            State::Broken(refusal) => return Err(refusal),
        };
        Ok(Arrived {
            draft,
            header,
            eight_bit: self.eight_bit,
        })
    }
}

/// The state after these octets.
async fn next(state: State, chunk: Vec<u8>, desk: &Desk<'_>) -> Result<State, Refusal> {
    match state {
        State::Header { mut octets, line } => {
            if octets.is_empty() {
                octets = chunk;
            } else {
                octets.extend_from_slice(&chunk);
            }
            match section_end(&octets, line) {
                Ok(end) => {
                    let (section, rest) = octets.split_at(end);
                    let (mut draft, header) = begin(section, desk)?;
                    draft.write(rest)?;
                    Ok(State::Body(Box::new((draft, header))))
                }
                Err(_) if octets.len() > HEADER_MOST => Err(Refusal::HeaderTooLarge(HEADER_MOST)),
                Err(line) => Ok(State::Header { octets, line }),
            }
        }
        State::Body(mut body) if body.0.len() < IN_MEMORY => {
            body.0.write(&chunk)?;
            Ok(State::Body(body))
        }
        State::Body(mut body) => {
            let write = move || body.0.write(&chunk).map(|()| body);
            let written = tokio::task::spawn_blocking(write)
                .await
                .map_err(|_| Refusal::Failed)?;
            Ok(State::Body(written?))
        }
        State::Broken(refusal) => Err(refusal),
    }
}

/// Starts the draft with Received and the treated header section. What only our own copies have in front of it
/// (Return-Path, what the filter says) is added once the verdict is there.
fn begin(section: &[u8], desk: &Desk<'_>) -> Result<(Draft, Header), Refusal> {
    if section.len() > HEADER_MOST {
        return Err(Refusal::HeaderTooLarge(HEADER_MOST));
    }
    let header = treat(section, &desk.treatment);
    let mut draft = desk.store.draft();
    draft.write(desk.stamp.received().as_bytes())?;
    draft.write(&header.octets)?;
    Ok((draft, header))
}

/// Where the section ends, its empty line included; otherwise where its last, unfinished line begins. `line` is
/// where the search goes on.
fn section_end(octets: &[u8], mut line: usize) -> Result<usize, usize> {
    while let Some(length) = octets
        .get(line..)
        .and_then(|rest| rest.iter().position(|&b| b == b'\n'))
    {
        let next = line + length + 1;
        if matches!(octets.get(line..next), Some(b"\r\n" | b"\n")) {
            return Ok(next);
        }
        line = next;
    }
    Err(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_the_section_whatever_the_chunks() {
        let message = b"From: a\r\nX: b\r\n\r\nbody\r\n\r\n";
        for cut in 0..message.len() {
            let mut octets = message[..cut].to_vec();
            let found = section_end(&octets, 0).or_else(|line| {
                octets.extend_from_slice(&message[cut..]);
                section_end(&octets, line)
            });
            assert_eq!(found, Ok(17), "cut at {cut}");
        }
        assert_eq!(section_end(b"\r\nbody", 0), Ok(2));
        assert_eq!(section_end(b"From: a\r\n", 0), Err(9));
    }
}
