//! Finds the MIME structure of a message: one pass over its lines, no recursion, exact octet places.
//!
//! Invariant: a part's places satisfy `header_at <= body_at <= end_at`, lie inside its parent's body, and
//! the line break before a boundary belongs to the boundary (RFC 2046 section 5.1.1). Time is linear in
//! the size: a line that begins with `--` is compared with at most `DEPTH_MAX` boundaries.

use std::ops::Range;

use crate::envelope;
use crate::guard::{
    BOUNDARY_MAX, Bound, DEPTH_MAX, HEADER_MAX, PART_HEADER_MAX, PARTS_MAX, WEIGHT_MAX,
};
use crate::header::{is_blank, line_end};
use crate::list::Budget;
use crate::summary::{Envelope, Part};
use crate::transfer::Encoding;

/// The structure of `raw`, or which bound it exceeds.
pub(crate) fn walk(raw: &[u8]) -> Result<(Envelope, Part), Bound> {
    let mut walker = Walker {
        raw,
        at: 0,
        line: 0,
        after_blank: false,
        nodes: Vec::new(),
        open: Vec::new(),
        budget: Budget::default(),
        weight: 0,
    };
    walker.run()?;
    Ok(walker.tree())
}

struct Walker<'a> {
    raw: &'a [u8],
    /// The next line begins here.
    at: usize,
    /// Lines passed.
    line: usize,
    /// The last line passed was empty.
    after_blank: bool,
    /// In the order of their headers, so a parent stands before its children.
    nodes: Vec<Node>,
    /// The entities that are open now, the innermost last.
    open: Vec<Open>,
    budget: Budget,
    /// Octets of all texts so far.
    weight: usize,
}

struct Node {
    part: Part,
    parent: usize,
    kind: Kind,
    /// Of the message whose root this is.
    envelope: Option<Envelope>,
    /// Number of the body's first line.
    body_line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Multipart,
    Message,
}

struct Open {
    node: usize,
    /// Of a multipart whose closing boundary was not seen yet.
    boundary: Option<Vec<u8>>,
}

/// A boundary line: of which open entity, and whether it is the closing one.
struct Hit {
    level: usize,
    closing: bool,
}

impl Walker<'_> {
    fn run(&mut self) -> Result<(), Bound> {
        let mut parent = None;
        loop {
            let mut hit = self.entity(parent)?;
            if hit.is_none() && self.innermost_is_message() {
                parent = self.open.last().map(|open| open.node);
                continue;
            }
            loop {
                let Some(found) = hit.take().or_else(|| self.boundary()) else {
                    self.close_down_to(0, self.raw.len(), false);
                    return Ok(());
                };
                self.close_down_to(found.level + 1, self.before_boundary(), self.after_blank);
                self.pass_line();
                let Some(open) = self.open.get_mut(found.level) else {
                    break;
                };
                if !found.closing {
                    parent = Some(open.node);
                    break;
                }
                open.boundary = None;
            }
        }
    }

    /// Reads the header at `self.at` and opens the entity. Returns the boundary that cut it short.
    fn entity(&mut self, parent: Option<usize>) -> Result<Option<Hit>, Bound> {
        if self.open.len() > DEPTH_MAX {
            return Err(Bound::Depth);
        }
        if self.nodes.len() >= PARTS_MAX {
            return Err(Bound::Parts);
        }
        let (header, hit) = self.header(if parent.is_none() {
            HEADER_MAX
        } else {
            PART_HEADER_MAX
        })?;
        let block = &self.raw[header.clone()];
        let mut part = Part {
            header_at: as_u64(header.start),
            body_at: as_u64(header.end),
            ..Part::default()
        };
        let parent_kind = parent.and_then(|at| self.nodes.get(at));
        let digest = parent_kind
            .is_some_and(|node| node.kind == Kind::Multipart && node.part.subtype == "digest");
        envelope::read_mime(block, &mut part, digest)?;
        let is_root = parent_kind.is_none_or(|node| node.kind == Kind::Message);
        let envelope = is_root.then(|| envelope::read(block, &mut self.budget));
        if self.budget.exceeded {
            return Err(Bound::Addresses);
        }
        self.weight += part.weight() + envelope.as_ref().map_or(0, Envelope::weight);
        if self.weight > WEIGHT_MAX {
            return Err(Bound::Weight);
        }
        let (kind, boundary) = classify(&mut part);
        let node = self.nodes.len();
        self.nodes.push(Node {
            part,
            parent: parent.unwrap_or(0),
            kind,
            envelope,
            body_line: self.line,
        });
        self.open.push(Open { node, boundary });
        Ok(hit)
    }

    /// Passes a header block: up to the empty line (included), a boundary (excluded) or the end.
    fn header(&mut self, limit: usize) -> Result<(Range<usize>, Option<Hit>), Bound> {
        let start = self.at;
        while self.at < self.raw.len() {
            let end = line_end(self.raw, self.at);
            let line = &self.raw[self.at..end];
            if let Some(hit) = self.match_boundary(line) {
                // A header without its empty line: the line break stays with the header.
                return Ok((start..self.at, Some(hit)));
            }
            let blank = is_blank(line);
            self.pass_line();
            if self.at - start > limit {
                return Err(Bound::Header(limit));
            }
            if blank {
                break;
            }
        }
        Ok((start..self.at, None))
    }

    /// Passes lines up to the next boundary of an open multipart, which stays.
    fn boundary(&mut self) -> Option<Hit> {
        if self.open.iter().all(|open| open.boundary.is_none()) {
            // The rest has no more structure: its lines are only counted.
            let rest = &self.raw[self.at..];
            self.line += memchr::memchr_iter(b'\n', rest).count();
            self.line += usize::from(rest.last().is_some_and(|&b| b != b'\n'));
            self.at = self.raw.len();
            return None;
        }
        while self.at < self.raw.len() {
            let line = &self.raw[self.at..line_end(self.raw, self.at)];
            if let Some(hit) = self.match_boundary(line) {
                return Some(hit);
            }
            self.pass_line();
        }
        None
    }

    /// ```text
    /// delimiter       := CRLF "--" boundary                 ; RFC 2046 section 5.1.1
    /// close-delimiter := delimiter "--"
    /// ```
    fn match_boundary(&self, line: &[u8]) -> Option<Hit> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open
            .iter()
            .enumerate()
            .rev()
            .find_map(
                |(level, open)| match text.strip_prefix(open.boundary.as_deref()?)? {
                    b"" => Some(Hit {
                        level,
                        closing: false,
                    }),
                    b"--" => Some(Hit {
                        level,
                        closing: true,
                    }),
                    _ => None,
                },
            )
    }

    fn pass_line(&mut self) {
        let end = line_end(self.raw, self.at);
        self.after_blank = is_blank(&self.raw[self.at..end]);
        self.line += usize::from(end > self.at);
        self.at = end;
    }

    /// Where the content before the boundary line at `self.at` ends.
    fn before_boundary(&self) -> usize {
        match &self.raw[..self.at] {
            [.., b'\r', b'\n'] => self.at - 2,
            [.., b'\n'] => self.at - 1,
            _ => self.at,
        }
    }

    /// Closes the innermost entities until `keep` are left. `empty_last`: the line whose end belongs to
    /// the boundary is empty, so it is no line of the body.
    fn close_down_to(&mut self, keep: usize, end: usize, empty_last: bool) {
        while self.open.len() > keep {
            let Some(open) = self.open.pop() else { return };
            let Some(node) = self.nodes.get_mut(open.node) else {
                continue;
            };
            node.part.end_at = as_u64(end).max(node.part.body_at);
            let lines = (self.line - node.body_line).saturating_sub(usize::from(empty_last));
            node.part.lines = u32::try_from(lines).unwrap_or(u32::MAX);
        }
    }

    fn innermost_is_message(&self) -> bool {
        self.open
            .last()
            .and_then(|open| self.nodes.get(open.node))
            .is_some_and(|node| node.kind == Kind::Message)
    }

    /// Hangs the nodes into each other, the last first, so that every part is complete when it moves.
    fn tree(mut self) -> (Envelope, Part) {
        while let Some(mut node) = self.nodes.pop() {
            node.part.parts.reverse();
            finish(&mut node);
            if self.nodes.is_empty() {
                return (node.envelope.unwrap_or_default(), node.part);
            }
            let Some(parent) = self.nodes.get_mut(node.parent) else {
                continue;
            };
            match (parent.kind, node.envelope) {
                (Kind::Message, Some(envelope)) => {
                    parent.part.message = Some(Box::new((envelope, node.part)));
                }
                _ => parent.part.parts.push(node.part),
            }
        }
        (Envelope::default(), Part::default())
    }
}

/// What a part is, and the boundary of a multipart. Types that cannot be what they say are corrected.
fn classify(part: &mut Part) -> (Kind, Option<Vec<u8>>) {
    match part.kind.as_str() {
        "multipart" => {
            let boundary = part
                .params
                .iter()
                .find(|(name, _)| name == "boundary")
                .map(|(_, value)| value.trim_end());
            match boundary {
                Some(boundary) if !boundary.is_empty() && boundary.len() <= BOUNDARY_MAX => {
                    (Kind::Multipart, Some(boundary.as_bytes().to_vec()))
                }
                _ => {
                    // Nothing to divide it by: shown as text, so that a person can still read it.
                    as_type(part, "text", "plain");
                    (Kind::Leaf, None)
                }
            }
        }
        "message" if matches!(part.subtype.as_str(), "rfc822" | "global") => {
            if Encoding::named(&part.encoding) == Some(Encoding::Identity) {
                (Kind::Message, None)
            } else {
                // RFC 2046 section 5.2.1 forbids it: octets that hold a message, not a message.
                as_type(part, "application", "octet-stream");
                (Kind::Leaf, None)
            }
        }
        _ => (Kind::Leaf, None),
    }
}

/// A multipart without any part and a message that ended before it began are leaves.
fn finish(node: &mut Node) {
    match node.kind {
        // BODYSTRUCTURE knows no multipart without parts.
        Kind::Multipart if node.part.parts.is_empty() => as_type(&mut node.part, "text", "plain"),
        Kind::Message if node.part.message.is_none() => {
            as_type(&mut node.part, "application", "octet-stream");
        }
        Kind::Multipart | Kind::Message | Kind::Leaf => {}
    }
}

fn as_type(part: &mut Part, kind: &str, subtype: &str) {
    kind.clone_into(&mut part.kind);
    subtype.clone_into(&mut part.subtype);
    part.params.retain(|(name, _)| name != "boundary");
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
