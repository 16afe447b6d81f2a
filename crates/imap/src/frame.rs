//! Framing: octets into commands of lines and literals, with every size bounded before memory is spent.
//!
//! Invariant: what the framer calls the end of a command is what the parser reads as its end: a literal is
//! recognised only by its header at the end of a line, and its octets stand in the command as they came.
//! A line ends with CRLF alone; a bare LF is reported and ends the session, so that no text pasted into a
//! command by a web front end can start another command. What is done with a literal is the machine's choice.

/// A literal announced at the end of a line: `{n}`, `{n+}`, `~{n}`, `~{n+}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Octets that follow.
    pub size: u64,
    /// The client waits for a continuation before it sends them.
    pub sync: bool,
}

/// What the framer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// More input is needed.
    More,
    /// The command is complete.
    Command,
    /// A literal follows: accept, swallow, or take it in pieces.
    Literal(Literal),
    /// The command outgrew the limit: call [`Frames::discard`].
    TooLong,
    /// A line without its CR.
    BareLf,
    /// Discarding found no end within the bound.
    Endless,
}

/// How much of a refused command is read to find its end. A client that pipelines an over-long set or a
/// non-synchronising literal gets its BAD and goes on; past one MiB the connection is worth less than the work.
const DISCARD_OCTETS: u64 = 1 << 20;

/// Room that an empty buffer keeps: thousands of idle connections keep no room for the messages they sent.
const IDLE_OCTETS: usize = 4 * 1024;

/// What is kept of a command that is too long: enough for its tag.
const HEAD_OCTETS: usize = 512;

/// Longest literal header that is looked for: `~{18446744073709551615+}`.
const HEADER_OCTETS: usize = 24;

/// What happens to the octets of the present literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    No,
    Keep(u64),
    Drop(u64),
}

/// The framer of one connection.
#[derive(Debug)]
pub(crate) struct Frames {
    input: Vec<u8>,
    /// Consumed up to here.
    at: usize,
    /// No LF between `at` and here.
    scanned: usize,
    command: Vec<u8>,
    open: Open,
    /// Octets thrown away of a refused command.
    discarded: Option<u64>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            input: Vec::new(),
            at: 0,
            scanned: 0,
            command: Vec::new(),
            open: Open::No,
            discarded: None,
        }
    }

    /// Octets from the peer. Called only when all that could be used was used, so little is moved.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.input.drain(..self.at);
            self.scanned -= self.at;
            self.at = 0;
        }
        if self.input.is_empty() && self.input.capacity() > IDLE_OCTETS {
            self.input = Vec::new();
        }
        self.input.extend_from_slice(bytes);
    }

    /// Forgets everything (RFC 9051 section 6.2.1: what came before the handshake does not count).
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The first octet that was not consumed.
    pub(crate) fn first(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Looks for the end of the command, whose text and kept literals together are at most `limit` octets.
    pub(crate) fn next(&mut self, limit: usize) -> Frame {
        if !self.fill() {
            return Frame::More;
        }
        let Some(end) = self.find_lf() else {
            return self.partial(limit);
        };
        let line = &self.input[self.at..end];
        self.at = end + 1;
        self.scanned = self.at;
        let Some(text) = line.strip_suffix(b"\r") else {
            return Frame::BareLf;
        };
        let literal = literal_header(text);
        if let Some(count) = &mut self.discarded {
            *count += line.len() as u64;
            if *count > DISCARD_OCTETS {
                return Frame::Endless;
            }
        } else if self.command.len() + text.len() > limit {
            // Only the tag is read of a refused command.
            if self.command.is_empty() {
                self.command
                    .extend_from_slice(&text[..text.len().min(HEAD_OCTETS)]);
            }
            self.discarded = Some(0);
        } else {
            self.command.extend_from_slice(text);
        }
        literal.map_or(Frame::Command, Frame::Literal)
    }

    /// Whether the refused command was cut, so that its text must not be parsed.
    pub(crate) fn is_cut(&self) -> bool {
        self.discarded.is_some()
    }

    /// From here on the command's octets are thrown away until its end.
    pub(crate) fn discard(&mut self) {
        self.discarded.get_or_insert(0);
        if self.command.is_empty() {
            let there = &self.input[self.at..];
            self.command
                .extend_from_slice(&there[..there.len().min(HEAD_OCTETS)]);
        }
    }

    /// The literal's octets become part of the command.
    pub(crate) fn accept(&mut self, literal: Literal) {
        self.command.extend_from_slice(b"\r\n");
        self.open = Open::Keep(literal.size);
    }

    /// The literal's octets are thrown away. False when it is longer than that is worth.
    #[must_use]
    pub(crate) fn swallow(&mut self, literal: Literal) -> bool {
        let count = self.discarded.get_or_insert(0);
        *count = count.saturating_add(literal.size);
        self.open = Open::Drop(literal.size);
        *count <= DISCARD_OCTETS
    }

    /// The complete command (or what was kept of a refused one); the next one begins.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.discarded = None;
        std::mem::take(&mut self.command)
    }

    /// The command so far.
    pub(crate) fn so_far(&self) -> &[u8] {
        &self.command
    }

    /// Octets the framer keeps for the present command.
    pub(crate) fn len(&self) -> usize {
        self.command.len()
    }

    /// Octets that were not consumed.
    pub(crate) fn there(&self) -> u64 {
        (self.input.len() - self.at) as u64
    }

    /// Up to `max` octets of a literal that is passed on in pieces.
    pub(crate) fn piece(&mut self, max: u64) -> Vec<u8> {
        let there = self.input.len() - self.at;
        let count = usize::try_from(max).map_or(there, |max| max.min(there));
        let piece = if self.at == 0 && count == self.input.len() {
            std::mem::take(&mut self.input)
        } else {
            let piece = self.input[self.at..self.at + count].to_vec();
            self.at += count;
            piece
        };
        self.scanned = self.at;
        piece
    }

    /// The next line without literals, if it is there whole; it is not consumed.
    pub(crate) fn peek_line(&mut self, limit: usize) -> Result<Option<&[u8]>, Frame> {
        let Some(end) = self.find_lf() else {
            return if self.input.len() - self.at > limit {
                Err(Frame::TooLong)
            } else {
                Ok(None)
            };
        };
        match self.input[self.at..end].strip_suffix(b"\r") {
            None => Err(Frame::BareLf),
            Some(line) if line.len() > limit => Err(Frame::TooLong),
            Some(line) => Ok(Some(line)),
        }
    }

    /// Consumes the line that `peek_line` showed.
    pub(crate) fn skip_line(&mut self) {
        if let Some(end) = self.find_lf() {
            self.at = end + 1;
            self.scanned = self.at;
        }
    }

    /// Moves the octets of an open literal. False when more are needed.
    fn fill(&mut self) -> bool {
        let (left, keep) = match self.open {
            Open::No => return true,
            Open::Keep(left) => (left, true),
            Open::Drop(left) => (left, false),
        };
        let there = &self.input[self.at..];
        let count = usize::try_from(left).map_or(there.len(), |left| left.min(there.len()));
        if keep {
            self.command.extend_from_slice(&there[..count]);
        }
        self.at += count;
        self.scanned = self.at;
        let left = left - count as u64;
        self.open = match (left, keep) {
            (0, _) => Open::No,
            (_, true) => Open::Keep(left),
            (_, false) => Open::Drop(left),
        };
        left == 0
    }

    /// An incomplete line.
    fn partial(&mut self, limit: usize) -> Frame {
        let there = self.input.len() - self.at;
        let Some(count) = &mut self.discarded else {
            return if self.command.len() + there > limit {
                Frame::TooLong
            } else {
                Frame::More
            };
        };
        // The end of the line may be a literal header or the CR of its CRLF.
        let spare = there.saturating_sub(HEADER_OCTETS + 2);
        *count += spare as u64;
        self.at += spare;
        if *count > DISCARD_OCTETS {
            Frame::Endless
        } else {
            Frame::More
        }
    }

    fn find_lf(&mut self) -> Option<usize> {
        let found = self.input[self.scanned..]
            .iter()
            .position(|&b| b == b'\n')
            .map(|i| self.scanned + i);
        self.scanned = found.unwrap_or(self.input.len());
        found
    }
}

/// ```text
/// literal  = "{" number64 ["+"] "}" CRLF *CHAR8      RFC 9051, RFC 7888
/// literal8 = "~{" number64 ["+"] "}" CRLF *OCTET     RFC 3516, RFC 4466
/// ```
fn literal_header(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}")?;
    let tail = &inner[inner.len().saturating_sub(HEADER_OCTETS)..];
    let open = tail.iter().rposition(|&b| b == b'{')?;
    let number = &tail[open + 1..];
    let (digits, sync) = match number.strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (number, true),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number past 64 bits is as unacceptable as the largest one.
    let size = digits.iter().try_fold(0u64, |n, d| {
        n.checked_mul(10)?.checked_add(u64::from(d - b'0'))
    });
    Some(Literal {
        size: size.unwrap_or(u64::MAX),
        sync,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        fn check(line: &str, expected: Option<(u64, bool)>) {
            let expected = expected.map(|(size, sync)| Literal { size, sync });
            assert_eq!(literal_header(line.as_bytes()), expected, "{line}");
        }
        check("a LOGIN {5}", Some((5, true)));
        check("{5+}", Some((5, false)));
        check("a APPEND x ~{0}", Some((0, true)));
        check("{18446744073709551615+}", Some((u64::MAX, false)));
        check("{99999999999999999999}", Some((u64::MAX, true)));
        for other in [
            "",
            "}",
            "{}",
            "{+}",
            "{-1}",
            "{1-}",
            "{1}x",
            "a",
            "{ 1}",
            "{000000000000000000000000000001}",
        ] {
            check(other, None);
        }
    }

    fn frames(input: &str) -> Frames {
        let mut frames = Frames::new();
        frames.push(input.as_bytes());
        frames
    }

    #[test]
    fn literals_become_part_of_the_command() {
        let mut f = frames("a LOGIN {3}\r\nb\r\n {2+}\r\ncd\r\nnext");
        assert_eq!(
            f.next(100),
            Frame::Literal(Literal {
                size: 3,
                sync: true
            })
        );
        f.accept(Literal {
            size: 3,
            sync: true,
        });
        assert_eq!(
            f.next(100),
            Frame::Literal(Literal {
                size: 2,
                sync: false
            })
        );
        f.accept(Literal {
            size: 2,
            sync: false,
        });
        assert_eq!(f.next(100), Frame::Command);
        assert_eq!(f.take(), b"a LOGIN {3}\r\nb\r\n {2+}\r\ncd");
        assert_eq!(f.next(100), Frame::More);
    }

    #[test]
    fn one_octet_at_a_time() {
        let mut f = Frames::new();
        for (i, b) in b"a NOOP\r\nb NOOP\r\n".iter().enumerate() {
            f.push(&[*b]);
            let expected = if i == 7 || i == 15 {
                Frame::Command
            } else {
                Frame::More
            };
            assert_eq!(f.next(100), expected, "{i}");
            if expected == Frame::Command {
                assert_eq!(f.take().len(), 6);
            }
        }
    }

    #[test]
    fn a_long_command_is_refused_and_its_end_found() {
        let mut f = frames(&format!("a {}", "x".repeat(100)));
        assert_eq!(f.next(50), Frame::TooLong);
        f.discard();
        assert_eq!(f.next(50), Frame::More);
        f.push(&[b'x'; 1000]);
        assert_eq!(f.next(50), Frame::More);
        f.push(b" {4+");
        assert_eq!(f.next(50), Frame::More);
        f.push(b"}\r\nabcd\r\nb NOOP\r\n");
        assert_eq!(
            f.next(50),
            Frame::Literal(Literal {
                size: 4,
                sync: false
            })
        );
        assert!(f.swallow(Literal {
            size: 4,
            sync: false
        }));
        assert_eq!(f.next(50), Frame::Command);
        assert!(f.is_cut());
        f.take();
        assert_eq!(f.next(50), Frame::Command);
        assert_eq!(f.take(), b"b NOOP");
    }

    #[test]
    fn discarding_ends() {
        let mut f = frames("a ");
        f.discard();
        for _ in 0..1_024 {
            f.push(&[b'x'; 1_024]);
            f.next(50);
            assert!(f.input.len() < 2_048);
        }
        f.push(&[b'x'; 1_024]);
        assert_eq!(f.next(50), Frame::Endless);
        assert!(!frames("").swallow(Literal {
            size: u64::MAX,
            sync: false
        }));
    }

    #[test]
    fn a_bare_lf_is_no_line_end() {
        assert_eq!(frames("a NOOP\n").next(100), Frame::BareLf);
        assert_eq!(frames("a LOGIN b \"c\nd NOOP\r\n").next(100), Frame::BareLf);
    }
}
