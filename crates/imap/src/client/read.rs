//! Responses out of octets: lines and literals, every size bounded, and the values inside them.
//!
//! The server may send anything. A response's text is bounded, so are literals; the octets of one message are
//! kept up to the caller's limit and thrown away past it, so that one message too large costs no other.

use congvu_wire::line::{Line, LineBuffer};

use super::ask::{Body, Fetched, Listed};
use crate::date::parse_date_time;

/// Octets of a response beside its messages: a line with the labels or keywords of one message has some hundred.
const TEXT: usize = 1 << 20;
/// Octets of a literal that is no message: a mailbox name.
const NAME: u64 = 64 * 1024;
/// Deepest nesting of parentheses: what we ask for has two.
const DEEPEST: usize = 16;
/// Octets of a literal after which the server is seen to make progress.
const PROGRESS: u64 = 64 * 1024;

/// A response is no IMAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbage;

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Vec<u8>),
    Literal(Vec<u8>),
    /// A literal that was larger than is kept.
    Skipped(u64),
}

/// Collects responses.
#[derive(Debug)]
pub(super) struct Reader {
    input: LineBuffer,
    pieces: Vec<Piece>,
    text: usize,
    /// Octets of the present literal that are still to come.
    missing: Option<u64>,
    largest: u64,
    /// Grows whenever the server completes something.
    pub(super) progress: u64,
    since: u64,
}

impl Reader {
    pub(super) fn new(largest: u64) -> Self {
        Self {
            input: LineBuffer::new(TEXT),
            pieces: Vec::new(),
            text: 0,
            missing: None,
            largest,
            progress: 0,
            since: 0,
        }
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.input.push(octets);
    }

    /// Forgets everything: before a TLS handshake.
    pub(super) fn clear(&mut self) {
        *self = Self {
            progress: self.progress,
            ..Self::new(self.largest)
        };
    }

    /// The next whole response.
    pub(super) fn response(&mut self) -> Result<Option<Vec<Piece>>, Garbage> {
        loop {
            if let Some(missing) = self.missing {
                if missing > 0 && !self.literal(missing) {
                    return Ok(None);
                }
                if self.missing == Some(0) {
                    self.missing = None;
                }
                continue;
            }
            let line = match self.input.line() {
                None => return Ok(None),
                Some(Line::TooLong) => return Err(Garbage),
                // A line that ends with LF alone still has one meaning.
                Some(Line::Whole(line) | Line::Bare(line)) => line,
            };
            self.progress += 1;
            self.text += line.len();
            if self.text > TEXT {
                return Err(Garbage);
            }
            match header(&line) {
                Some((text, size)) if self.has_literals(&line) => {
                    self.begin(&line[..text], size)?;
                }
                _ => {
                    self.pieces.push(Piece::Text(line));
                    self.text = 0;
                    return Ok(Some(std::mem::take(&mut self.pieces)));
                }
            }
        }
    }

    /// Status responses are text for people and may end in anything.
    fn has_literals(&self, line: &[u8]) -> bool {
        let first = match self.pieces.first() {
            Some(Piece::Text(first)) => first.as_slice(),
            _ => line,
        };
        let Some(rest) = first.strip_prefix(b"* ") else {
            return false;
        };
        let word = rest
            .split(|octet| *octet == b' ')
            .next()
            .unwrap_or_default();
        ![&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"]
            .iter()
            .any(|status| word.eq_ignore_ascii_case(status))
    }

    fn begin(&mut self, text: &[u8], size: u64) -> Result<(), Garbage> {
        let end = text.trim_ascii_end().to_ascii_uppercase();
        let message = end.ends_with(b"BODY[]") || end.ends_with(b"RFC822");
        if !message && size > NAME {
            return Err(Garbage);
        }
        self.text += if message {
            0
        } else {
            usize::try_from(size).unwrap_or(TEXT)
        };
        self.pieces.push(Piece::Text(text.to_vec()));
        self.pieces.push(if size > self.largest {
            Piece::Skipped(size)
        } else {
            // Grows as octets come, so that a claimed size alone takes no memory.
            Piece::Literal(Vec::new())
        });
        self.missing = Some(size);
        Ok(())
    }

    /// Takes what has come of a literal; whether it is complete.
    fn literal(&mut self, missing: u64) -> bool {
        let there = self.input.octets().len() as u64;
        let count = there.min(missing);
        let octets = self.input.take(usize::try_from(count).unwrap_or(0));
        if let Some(Piece::Literal(kept)) = self.pieces.last_mut() {
            kept.extend_from_slice(&octets);
        }
        self.missing = Some(missing - count);
        self.since += count;
        self.progress += self.since / PROGRESS;
        self.since %= PROGRESS;
        count == missing
    }
}

/// `… {123}` at the end of a line: where it begins, and the number.
fn header(line: &[u8]) -> Option<(usize, u64)> {
    let inner = line.strip_suffix(b"}")?;
    let at = inner.iter().rposition(|octet| *octet == b'{')?;
    let digits = std::str::from_utf8(&inner[at + 1..]).ok()?;
    let digits = digits.strip_suffix('+').unwrap_or(digits);
    let number = digits.bytes().all(|octet| octet.is_ascii_digit());
    let begin = at - usize::from(at > 0 && line[at - 1] == b'~');
    Some((begin, digits.parse().ok().filter(|_| number)?))
}

/// A value inside a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Atom(Vec<u8>),
    Text(Vec<u8>),
    Skipped(u64),
    List(Vec<Value>),
}

impl Value {
    fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(octets) | Self::Text(octets) => Some(octets),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Atom(atom) if atom.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn number<N: std::str::FromStr>(&self) -> Option<N> {
        std::str::from_utf8(self.octets()?).ok()?.parse().ok()
    }

    /// A string; `None` for NIL.
    pub(super) fn string(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(octets) => Some(octets.clone()),
            Self::Atom(octets) if !octets.eq_ignore_ascii_case(b"NIL") => Some(octets.clone()),
            _ => None,
        }
    }

    fn words(&self) -> Vec<String> {
        let all = self.list().unwrap_or_default().iter();
        all.filter_map(Self::octets)
            .map(|octets| String::from_utf8_lossy(octets).into_owned())
            .collect()
    }
}

/// The values of a response. What is not well formed ends where it stops making sense.
pub(super) fn values(pieces: Vec<Piece>) -> Vec<Value> {
    let mut open: Vec<Vec<Value>> = vec![Vec::new()];
    let put = |open: &mut Vec<Vec<Value>>, value: Value| {
        if let Some(last) = open.last_mut() {
            last.push(value);
        }
    };
    for piece in pieces {
        let text = match piece {
            Piece::Literal(octets) => {
                put(&mut open, Value::Text(octets));
                continue;
            }
            Piece::Skipped(size) => {
                put(&mut open, Value::Skipped(size));
                continue;
            }
            Piece::Text(text) => text,
        };
        let mut rest = text.as_slice();
        while let Some((&first, tail)) = rest.split_first() {
            match first {
                b'(' if open.len() < DEEPEST => {
                    open.push(Vec::new());
                    rest = tail;
                }
                b')' if open.len() > 1 => {
                    let list = open.pop().unwrap_or_default();
                    put(&mut open, Value::List(list));
                    rest = tail;
                }
                b' ' | b'(' | b')' => rest = tail,
                b'"' => {
                    let (string, after) = quoted(tail);
                    put(&mut open, Value::Text(string));
                    rest = after;
                }
                _ => {
                    let end = rest
                        .iter()
                        .position(|octet| matches!(octet, b' ' | b'(' | b')' | b'"'))
                        .unwrap_or(rest.len());
                    put(&mut open, Value::Atom(rest[..end].to_vec()));
                    rest = &rest[end..];
                }
            }
        }
    }
    while open.len() > 1 {
        let list = open.pop().unwrap_or_default();
        put(&mut open, Value::List(list));
    }
    open.pop().unwrap_or_default()
}

fn quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut string, mut rest) = (Vec::new(), text);
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'"' => break,
            b'\\' => {
                if let Some((&next, after)) = tail.split_first() {
                    string.push(next);
                    rest = after;
                }
            }
            octet => string.push(octet),
        }
    }
    (string, rest)
}

/// `(\HasNoChildren \Sent) "/" "Sent"`
pub(super) fn listed(values: &[Value]) -> Option<Listed> {
    let [attributes, delimiter, name, ..] = values else {
        return None;
    };
    Some(Listed {
        name: name.octets()?.to_vec(),
        delimiter: delimiter.string().and_then(|text| text.first().copied()),
        attributes: attributes.words(),
    })
}

/// The list of a FETCH response.
pub(super) fn fetched(items: Vec<Value>) -> Fetched {
    let mut fetched = Fetched::default();
    let mut items = items.into_iter();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        if name.is("UID") {
            fetched.uid = value.number().filter(|uid| *uid > 0);
        } else if name.is("FLAGS") {
            fetched.flags = Some(value.words());
        } else if name.is("INTERNALDATE") {
            fetched.date = value.octets().and_then(parse_date_time);
        } else if name.is("RFC822.SIZE") {
            fetched.size = value.number();
        } else if name.is("X-GM-LABELS") {
            fetched.labels = Some(value.words());
        } else if name.is("BODY[]") || name.is("RFC822") {
            fetched.body = Some(match value {
                Value::Skipped(size) => Body::TooLarge(size),
                Value::Text(octets) => Body::Whole(octets),
                Value::Atom(_) | Value::List(_) => Body::Missing,
            });
        }
    }
    fetched
}

/// Namespaces of a NAMESPACE response: what the user's own names begin with, and what others' do.
/// `(("INBOX." ".")) (("Others." ".")) NIL`
pub(super) fn namespaces(values: &[Value]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let prefixes = |value: &Value| -> Vec<Vec<u8>> {
        let all = value.list().unwrap_or_default().iter();
        all.filter_map(|one| one.list()?.first()?.string())
            .collect()
    };
    let own = values.first().map(prefixes).unwrap_or_default();
    let others = values.iter().skip(1).take(2).flat_map(prefixes);
    let others = others.filter(|prefix| !prefix.is_empty()).collect();
    (own.into_iter().next().unwrap_or_default(), others)
}
