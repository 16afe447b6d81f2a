//! Unstructured text of header fields: raw UTF-8 and RFC 2047 encoded words to Unicode.
//!
//! Neighbouring words of one charset are joined *before* they are decoded: many programs cut a word in
//! the middle of a character, against RFC 2047 section 5. Linear in the size of the value.

use crate::charset;
use crate::header::unfold;
use crate::transfer::{self, Encoding};

/// Decodes a value: unfolded, trimmed of ASCII blanks, encoded words decoded, controls made blanks.
pub fn decode(value: &[u8]) -> String {
    let flat = unfold(value);
    let mut out = String::with_capacity(flat.len());
    let mut pending: Option<Pending> = None;
    let mut plain = 0;
    let mut at = 0;
    let mut ends = Ends { known: None };
    while at < flat.len() {
        if flat[at] == b'='
            && let Some(word) = Word::read(&flat, at, &mut ends)
        {
            let between = &flat[plain..at];
            let adjacent = between.iter().all(|b| matches!(b, b' ' | b'\t'));
            match &mut pending {
                Some(open) if adjacent && open.charset.eq_ignore_ascii_case(word.charset) => {
                    open.bytes.extend_from_slice(&word.bytes);
                }
                _ => {
                    let joined = pending.is_some() && adjacent;
                    flush(&mut pending, &mut out);
                    if !joined {
                        push_plain(&mut out, between);
                    }
                    pending = Some(Pending {
                        charset: word.charset.to_owned(),
                        bytes: word.bytes,
                    });
                }
            }
            at = word.end;
            plain = at;
        } else {
            at += 1;
        }
    }
    flush(&mut pending, &mut out);
    push_plain(&mut out, &flat[plain..]);
    out
}

/// ```text
/// encoded-word = "=?" charset "?" encoding "?" encoded-text "?="     ; RFC 2047 section 2
/// charset      = token [ "*" language ]                              ; RFC 2231 section 5
/// ```
struct Word<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
    end: usize,
}

struct Pending {
    charset: String,
    bytes: Vec<u8>,
}

/// Where the next `?=` is: remembered, so that a value full of openings is not searched again for each.
struct Ends {
    known: Option<usize>,
}

impl Ends {
    fn after(&mut self, flat: &[u8], from: usize) -> Option<usize> {
        match self.known {
            Some(end) if end >= from => {}
            _ => {
                let found = flat.get(from..)?.windows(2).position(|pair| pair == b"?=");
                self.known = Some(found.map_or(usize::MAX, |offset| from + offset));
            }
        }
        self.known.filter(|&end| end != usize::MAX)
    }
}

/// Longest `charset*language` read.
const LABEL_MAX: usize = 80;

impl<'a> Word<'a> {
    fn read(flat: &'a [u8], at: usize, ends: &mut Ends) -> Option<Self> {
        let rest = flat.get(at..)?.strip_prefix(b"=?")?;
        let label = rest.iter().take(LABEL_MAX).position(|&b| b == b'?')?;
        let charset = std::str::from_utf8(rest.get(..label)?).ok()?;
        let charset = charset.split('*').next().unwrap_or_default();
        if charset.is_empty() || charset.bytes().any(|b| b <= b' ') {
            return None;
        }
        let encoding = match rest.get(label + 1)? {
            b'b' | b'B' => Encoding::Base64,
            b'q' | b'Q' => Encoding::QuotedPrintable,
            _ => return None,
        };
        if rest.get(label + 2) != Some(&b'?') {
            return None;
        }
        let begin = at + 2 + label + 3;
        let end = ends.after(flat, begin)?;
        let encoded = flat.get(begin..end)?;
        let bytes = match encoding {
            Encoding::Base64 => transfer::decode(Encoding::Base64, encoded),
            _ => q_decode(encoded),
        };
        Some(Self {
            charset,
            bytes,
            end: end + 2,
        })
    }
}

/// The "Q" encoding of RFC 2047 section 4.2. Blanks inside, which some programs leave, are kept.
fn q_decode(encoded: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while let Some(&b) = encoded.get(at) {
        at += 1;
        match b {
            b'_' => bytes.push(b' '),
            b'=' => match (hex(encoded.get(at)), hex(encoded.get(at + 1))) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    at += 2;
                }
                _ => bytes.push(b'='),
            },
            _ => bytes.push(b),
        }
    }
    bytes
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(digit: Option<&u8>) -> Option<u8> {
    match *digit? {
        b @ b'0'..=b'9' => Some(b - b'0'),
        b @ b'a'..=b'f' => Some(b - b'a' + 10),
        b @ b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

fn flush(pending: &mut Option<Pending>, out: &mut String) {
    if let Some(word) = pending.take() {
        push_clean(out, &charset::decode(&word.charset, &word.bytes));
    }
}

fn push_plain(out: &mut String, bytes: &[u8]) {
    push_clean(out, &charset::decode("utf-8", bytes));
}

/// Line ends and other controls that an encoded word smuggles in never reach a protocol line.
fn push_clean(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[track_caller]
    fn check(value: &str, expected: &str) {
        assert_eq!(decode(value.as_bytes()), expected, "{value:?}");
    }

    #[test]
    fn words() {
        check(" plain text \r\n", "plain text");
        check("a\r\n  b", "a  b");
        check("Công văn số 1", "Công văn số 1");
        check("vào nhà nước, Ngày à", "vào nhà nước, Ngày à");
        check("=?utf-8?q?C=C3=B4ng_v=C4=83n?= 12", "Công văn 12");
        check("=?UTF-8?B?Q8O0bmc=?= =?UTF-8?B?IHbEg24=?=", "Công văn");
        check("a =?utf-8?q?b?= c =?utf-8?q?d?=", "a b c d");
        check("=?utf-8?q?a?= =?iso-8859-1?q?=E0?=", "aà");
        check("=?utf-8*vi?q?a?=", "a");
        check("=?utf-8?q?a b?=", "a b");
        check("=?utf-8?q?a=0D=0Ab?=", "a  b");
        check("=?utf-8?x?a?=", "=?utf-8?x?a?=");
        check("=?utf-8?q?open", "=?utf-8?q?open");
        check("=?", "=?");
        check("=??q?a?=", "=??q?a?=");
        check("=?utf-8?q??=", "");
    }

    #[test]
    fn characters_cut_in_two_words() {
        check("=?utf-8?q?Nguy=E1=BB?=\r\n =?utf-8?q?=85n?=", "Nguyễn");
        // "Việt" in base64, cut inside "ệ" (E1 BB 87).
        check("=?UTF-8?B?Vmnhuw==?= =?utf-8?B?h3Q=?=", "Việt");
    }

    #[test]
    fn linear() {
        // Every opening looks for an end that is not there, or far away.
        let value = "x=?a?q?".repeat(200_000);
        assert!(decode(value.as_bytes()) == value, "left as it is");
        let value = format!("{}?=", "x=?a?b?".repeat(200_000));
        assert!(decode(value.as_bytes()).len() <= value.len());
    }
}
