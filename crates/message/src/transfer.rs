//! Content transfer encodings (RFC 2045 section 6), decoded in a stream.
//!
//! Lenient: what is no base64 is passed over, broken quoted-printable stays as it is. A reader of mail
//! wants what is left of a damaged attachment. Encoding for sending is `mail-builder`'s work.

use crate::words::hex;

/// A known transfer encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary: the octets as they are.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
}

impl Encoding {
    /// By its name, in any case; empty is 7bit. `None`: an encoding nobody knows (UNKNOWN-CTE).
    pub fn named(name: &str) -> Option<Self> {
        let is = |known: &str| name.trim().eq_ignore_ascii_case(known);
        if is("") || is("7bit") || is("8bit") || is("binary") {
            Some(Self::Identity)
        } else if is("base64") {
            Some(Self::Base64)
        } else if is("quoted-printable") {
            Some(Self::QuotedPrintable)
        } else {
            None
        }
    }
}

/// Decodes all at once.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::with_capacity(bytes.len());
    decoder.push(bytes, &mut out);
    decoder.finish(&mut out);
    out
}

/// Decodes a body that comes in pieces.
#[derive(Debug, Clone)]
pub struct Decoder {
    encoding: Encoding,
    /// base64: bits not yet put out, and how many sextets they are.
    bits: u32,
    sextets: u8,
    /// quoted-printable: what cannot be decided yet: blanks, or a `=` sequence.
    held: Vec<u8>,
}

impl Decoder {
    /// A decoder at the beginning of a body.
    pub fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            bits: 0,
            sextets: 0,
            held: Vec::new(),
        }
    }

    /// Decodes the next octets into `out`. At most as many octets come out as went in, plus those held.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Identity => out.extend_from_slice(bytes),
            Encoding::Base64 => bytes.iter().for_each(|&b| self.base64(b, out)),
            Encoding::QuotedPrintable => bytes.iter().for_each(|&b| self.quoted(b, out)),
        }
    }

    /// The body is complete: what was held comes out.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Identity => {}
            Encoding::Base64 => self.base64_end(out),
            Encoding::QuotedPrintable => {
                // Trailing blanks of the last line are padding; a half sequence is shown.
                if self.held.first() == Some(&b'=') {
                    let soft = self.held.iter().skip(1).all(u8::is_ascii_whitespace);
                    if !soft {
                        out.append(&mut self.held);
                    }
                }
                self.held.clear();
            }
        }
    }

    fn base64(&mut self, b: u8, out: &mut Vec<u8>) {
        let sextet = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => return self.base64_end(out),
            _ => return,
        };
        self.bits = self.bits << 6 | u32::from(sextet);
        self.sextets += 1;
        if self.sextets == 4 {
            let [_, a, b, c] = self.bits.to_be_bytes();
            out.extend_from_slice(&[a, b, c]);
            self.bits = 0;
            self.sextets = 0;
        }
    }

    /// Padding or the end; encoders that pad each piece of a body are continued after it.
    fn base64_end(&mut self, out: &mut Vec<u8>) {
        let [_, a, b, _] = (self.bits << (6 * (4 - u32::from(self.sextets)))).to_be_bytes();
        match self.sextets {
            3 => out.extend_from_slice(&[a, b]),
            2 => out.push(a),
            _ => {}
        }
        self.bits = 0;
        self.sextets = 0;
    }

    fn quoted(&mut self, b: u8, out: &mut Vec<u8>) {
        match self.held.first() {
            None => match b {
                b'=' | b' ' | b'\t' | b'\r' => self.held.push(b),
                _ => out.push(b),
            },
            Some(b'=') => self.quoted_escape(b, out),
            Some(_) => match b {
                // A run of blanks longer than a line may be is text, not padding.
                b' ' | b'\t' | b'\r' if self.held.len() < crate::header::LINE_MAX => {
                    self.held.push(b);
                }
                b'\n' => {
                    // Blanks before a line end were added on the way (RFC 2045 section 6.7 rule 3).
                    if self.held.last() == Some(&b'\r') {
                        out.push(b'\r');
                    }
                    out.push(b'\n');
                    self.held.clear();
                }
                _ => {
                    out.append(&mut self.held);
                    self.quoted(b, out);
                }
            },
        }
    }

    fn quoted_escape(&mut self, b: u8, out: &mut Vec<u8>) {
        match (self.held.get(1), b) {
            // "=" CRLF, with blanks between, joins two lines.
            (_, b'\n') if self.held.iter().skip(1).all(u8::is_ascii_whitespace) => {
                self.held.clear();
            }
            (None, _) if b.is_ascii_hexdigit() || matches!(b, b' ' | b'\t' | b'\r') => {
                self.held.push(b);
            }
            (Some(first), _)
                if first.is_ascii_whitespace()
                    && matches!(b, b' ' | b'\t' | b'\r')
                    && self.held.len() < 80 =>
            {
                self.held.push(b);
            }
            (Some(first), second) => match (hex(Some(first)), hex(Some(&second))) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    self.held.clear();
                }
                _ => self.give_up(b, out),
            },
            (None, _) => self.give_up(b, out),
        }
    }

    fn give_up(&mut self, b: u8, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.quoted(b, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(encoding: Encoding, input: &[u8], expected: &[u8]) {
        assert_eq!(
            decode(encoding, input),
            expected,
            "{:?}",
            String::from_utf8_lossy(input)
        );
        // In every way of cutting it in two, and octet by octet, the same comes out.
        for cut in 0..=input.len() {
            let mut decoder = Decoder::new(encoding);
            let mut out = Vec::new();
            decoder.push(&input[..cut], &mut out);
            decoder.push(&input[cut..], &mut out);
            decoder.finish(&mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn base64() {
        let check = |input: &[u8], expected: &[u8]| check(Encoding::Base64, input, expected);
        check(b"", b"");
        check(b"Q8O0\r\nbmc=", "Công".as_bytes());
        check(b"YQ==YQ==", b"aa");
        check(b"YW\x00Jj!", b"abc");
        check(b"YWI", b"ab");
        check(b"Y", b"");
        check(b"===", b"");
        check(b"//79", b"\xff\xfe\xfd");
    }

    #[test]
    fn quoted_printable() {
        let check =
            |input: &[u8], expected: &[u8]| check(Encoding::QuotedPrintable, input, expected);
        check(b"C=C3=B4ng", "Công".as_bytes());
        check(b"a=\r\nb=  \r\nc=\nd", b"abcd");
        check(b"a  \r\nb\t\nc  ", b"a\r\nb\nc");
        check(b"a b\rc", b"a b\rc");
        check(b"1=2 =zz =4", b"1=2 =zz =4");
        check(b"=c3=b4", "ô".as_bytes());
        check(b"a=", b"a");
        check(b"==41", b"=A");
    }

    #[test]
    fn names() {
        assert_eq!(Encoding::named(" Base64 "), Some(Encoding::Base64));
        assert_eq!(Encoding::named(""), Some(Encoding::Identity));
        assert_eq!(Encoding::named("x-uuencode"), None);
    }
}
