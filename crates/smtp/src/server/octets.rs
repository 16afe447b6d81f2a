//! The octets of a message after DATA or BDAT: where it ends, dots, and line ends that are none.
//!
//! Invariant: only CR LF `.` CR LF ends DATA (RFC 5321 section 4.1.1.4). A CR or LF that stands alone is
//! remembered as a defect; then the message is read to its true end and refused, because the next server
//! might see an end where we see none (SMTP smuggling, CVE-2023-51764).

/// What is wrong with a message's octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    /// CR without LF, or LF without CR.
    BareLineEnd,
    /// A line longer than [`MAX_LINE`].
    LongLine,
}

/// Octets of one line of a text message, its end not counted.
///
/// Deviates: RFC 5321 section 4.5.3.1.6 knows 998. Web programs and scanners send whole attachments and
/// HTML pages as one line, other servers take them, and nothing here keeps a line in memory. What is
/// longer than this is no mail.
pub(super) const MAX_LINE: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Text,
    /// After CR.
    Cr,
    /// A dot at the start of a line.
    Dot,
    /// After that dot, CR.
    DotCr,
}

/// Finds the end of DATA and takes away the dots that the client added.
#[derive(Debug)]
pub(super) struct Dots {
    at: At,
    line: u64,
    pub(super) defect: Option<Defect>,
}

impl Dots {
    pub(super) fn new() -> Self {
        Self {
            at: At::LineStart,
            line: 0,
            defect: None,
        }
    }

    /// Reads `input`, appends the message's octets to `out` (never more than were read) as long as there
    /// is no defect. Gives how many octets were used and whether the end was among them.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut used = 0;
        while let Some(&octet) = input.get(used) {
            if self.at == At::LineStart {
                let rest = input.get(used..).unwrap_or_default();
                let (lines, _) = rest.split_at(plain_lines(rest));
                if !lines.is_empty() {
                    self.keep(lines, out);
                    used += lines.len();
                    continue;
                }
            }
            if self.at == At::Text || (self.at == At::LineStart && octet != b'.') {
                let rest = input.get(used..).unwrap_or_default();
                let text = memchr::memchr2(b'\r', b'\n', rest);
                let text = rest.get(..text.unwrap_or(rest.len())).unwrap_or_default();
                if !text.is_empty() {
                    self.text(text, out);
                    used += text.len();
                    continue;
                }
            }
            used += 1;
            match (self.at, octet) {
                (At::LineStart, b'.') => self.at = At::Dot,
                (At::LineStart | At::Text, b'\r') => {
                    self.keep(b"\r", out);
                    self.at = At::Cr;
                }
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => return (used, true),
                (At::Cr, b'\n') => {
                    self.keep(b"\n", out);
                    self.at = At::LineStart;
                    self.line = 0;
                }
                (At::Cr | At::DotCr, b'\r') => {
                    self.defect = Some(Defect::BareLineEnd);
                    self.at = At::Cr;
                }
                (At::Cr | At::DotCr, _) | (_, b'\n') => {
                    self.defect = Some(Defect::BareLineEnd);
                    self.at = At::Text;
                }
                // The dot was the client's addition (RFC 5321 section 4.5.2).
                (_, octet) => self.text(&[octet], out),
            }
        }
        (used, false)
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.at = At::Text;
        self.line = self.line.saturating_add(text.len() as u64);
        if self.line > MAX_LINE {
            self.defect = self.defect.or(Some(Defect::LongLine));
        }
        self.keep(text, out);
    }

    fn keep(&self, octets: &[u8], out: &mut Vec<u8>) {
        if self.defect.is_none() {
            out.extend_from_slice(octets);
        }
    }
}

/// Octets of the whole lines at the beginning that go out as they are: none begins with a dot, each ends with
/// CRLF and has no other CR or LF, none is too long.
fn plain_lines(input: &[u8]) -> usize {
    let mut end = 0;
    while let Some(rest) = input.get(end..).filter(|rest| !rest.starts_with(b".")) {
        let Some(text) = memchr::memchr2(b'\r', b'\n', rest) else {
            break;
        };
        if !rest.get(text..).unwrap_or_default().starts_with(b"\r\n") || text as u64 > MAX_LINE {
            break;
        }
        end += text + 2;
    }
    end
}

/// Watches the line ends of a text message that comes in chunks (BDAT), across their borders.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    cr: bool,
    line: u64,
}

impl LineEnds {
    /// The first defect in these octets, if any.
    pub(super) fn read(&mut self, octets: &[u8]) -> Option<Defect> {
        for &octet in octets {
            if self.cr != (octet == b'\n') {
                return Some(Defect::BareLineEnd);
            }
            self.cr = octet == b'\r';
            self.line = if octet == b'\n' {
                0
            } else {
                self.line.saturating_add(1)
            };
            if self.line > MAX_LINE + 1 {
                return Some(Defect::LongLine);
            }
        }
        None
    }

    /// At the end of the message.
    pub(super) fn end(&self) -> Option<Defect> {
        self.cr.then_some(Defect::BareLineEnd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message or a defect, and the octets after the end.
    type Found = (Result<Vec<u8>, Defect>, Vec<u8>);

    /// What DATA gives, whatever pieces it comes in.
    fn data(input: &[u8]) -> Option<Found> {
        let mut results = Vec::new();
        for step in [1, 2, 3, 7, input.len().max(1)] {
            let mut dots = Dots::new();
            let mut out = Vec::new();
            let mut at = 0;
            let mut ended = false;
            while at < input.len() && !ended {
                let piece = &input[at..input.len().min(at + step)];
                let before = out.len();
                let (used, end) = dots.read(piece, &mut out);
                assert!(out.len() - before <= used);
                at += used;
                ended = end;
            }
            let message = dots.defect.map_or(Ok(out), Err);
            results.push(ended.then(|| (message, input[at..].to_vec())));
        }
        assert!(
            results.windows(2).all(|pair| pair[0] == pair[1]),
            "{}",
            input.escape_ascii()
        );
        results.pop().flatten()
    }

    #[test]
    fn dots_and_the_end() {
        for (input, message, rest) in [
            (&b".\r\n"[..], &b""[..], &b""[..]),
            (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
            (b"..\r\n.\r\n", b".\r\n", b""),
            (b".a\r\n.\r\n", b"a\r\n", b""),
            (b"...a\r\n..\r\n.\r\n", b"..a\r\n.\r\n", b""),
            (b"a.\r\n.\r\n", b"a.\r\n", b""),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n", b""),
            (b"a\r\n\0.\r\nb\r\n.\r\n", b"a\r\n\0.\r\nb\r\n", b""),
            (b"\xff\xfe\r\n.\r\n", b"\xff\xfe\r\n", b""),
        ] {
            assert_eq!(
                data(input),
                Some((Ok(message.to_vec()), rest.to_vec())),
                "{}",
                input.escape_ascii()
            );
        }
        assert_eq!(data(b"a\r\n."), None);
        assert_eq!(data(b""), None);
    }

    /// Each of these was taken for an end by some server. None is one; all are refused.
    #[test]
    fn false_ends() {
        for end in [
            &b"\n.\n"[..],
            b"\n.\r\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\n",
            b"\r\n.\r",
            b"\r\n.\r\r\n",
            b"\r\n\r.\r\n",
            b"\r\r\n.\r\n",
            b"\n\r.\r\n",
            b"\n\n.\r\n",
            b"\r\n.\0\r\n\n",
        ] {
            let mut input = b"before".to_vec();
            input.extend_from_slice(end);
            input.extend_from_slice(b"MAIL FROM:<evil@a.test>\r\n");
            let smuggled = input.len();
            input.extend_from_slice(b".\r\nQUIT\r\n");
            let found = data(&input);
            // `\r\r\n.\r\n` has a true end after its bare CR; what follows it is outside the message anyway.
            let (result, rest) =
                found.unwrap_or_else(|| panic!("{} never ends", end.escape_ascii()));
            assert_eq!(result, Err(Defect::BareLineEnd), "{}", end.escape_ascii());
            if end != b"\r\r\n.\r\n" {
                assert_eq!(rest, input[smuggled + 3..], "{}", end.escape_ascii());
            }
        }
    }

    #[test]
    fn long_lines() {
        let most = usize::try_from(MAX_LINE).expect("fits");
        let line = |length: usize| [vec![b'x'; length], b"\r\n.\r\n".to_vec()].concat();
        let read = |input: &[u8]| {
            let mut dots = Dots::new();
            let mut out = Vec::new();
            assert!(dots.read(input, &mut out).1);
            dots.defect
        };
        assert_eq!(read(&line(most)), None);
        assert_eq!(read(&line(most + 1)), Some(Defect::LongLine));
        assert_eq!(LineEnds::default().read(&line(most)[..most + 2]), None);
        assert_eq!(
            LineEnds::default().read(&line(most + 1)),
            Some(Defect::LongLine)
        );
    }

    #[test]
    fn line_ends_across_chunks() {
        for (chunks, expected) in [
            (&[&b"a\r"[..], b"\nb\r\n"][..], None),
            (&[b"a\r\n", b""], None),
            (&[b"a"], None),
            (&[b"a\r"], Some(Defect::BareLineEnd)),
            (&[b"a\r", b"b"], Some(Defect::BareLineEnd)),
            (&[b"a\n"], Some(Defect::BareLineEnd)),
            (&[b"\r\r\n"], Some(Defect::BareLineEnd)),
            (&[b".\r\n"], None),
        ] {
            let mut ends = LineEnds::default();
            let found = chunks.iter().find_map(|chunk| ends.read(chunk));
            assert_eq!(found.or(ends.end()), expected, "{chunks:?}");
        }
    }
}
