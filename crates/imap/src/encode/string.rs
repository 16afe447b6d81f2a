//! Strings: quoted, literal, NIL, encoded words, mailbox names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Encoder;
use crate::name;

/// Longest quoted string; clients with line buffers read a longer one better as a literal.
const QUOTED_OCTETS: usize = 1_024;

/// Octets of UTF-8 in one encoded word: 45 make 60 of base64, 72 with `=?UTF-8?B?` and `?=`, under the 75
/// of RFC 2047 section 2.
const WORD_OCTETS: usize = 45;

impl Encoder {
    /// ```text
    /// string = quoted / literal
    /// ```
    /// Text of a header field or a parameter: controls become spaces, and what is not ASCII becomes encoded
    /// words (RFC 2047) for a client that did not say that it takes UTF-8. So does text that only looks like
    /// an encoded word, lest the client decode it a second time.
    pub(super) fn string(&mut self, text: &str) {
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) && !text.contains("=?") {
            return self.quoted(text);
        }
        let clean: String = text
            .chars()
            .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
            .collect();
        if clean.contains("=?") || !(clean.is_ascii() || self.enabled.utf8()) {
            self.quoted(&encoded_words(&clean));
        } else {
            self.quoted(&clean);
        }
    }

    /// ```text
    /// nstring = string / nil
    /// ```
    pub(super) fn nstring(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.raw("NIL"),
        }
    }

    /// Text without controls: a quoted string, or a literal when it is long.
    pub(super) fn quoted(&mut self, text: &str) {
        if text.len() > QUOTED_OCTETS {
            self.put(format_args!("{{{}}}\r\n{text}", text.len()));
            return;
        }
        self.raw("\"");
        for piece in text.split_inclusive(['"', '\\']) {
            match piece.strip_suffix(['"', '\\']) {
                Some(head) => {
                    self.raw(head);
                    self.raw("\\");
                    self.raw(&piece[head.len()..]);
                }
                None => self.raw(piece),
            }
        }
        self.raw("\"");
    }

    /// Octets as a client gave them, ASCII without controls: a header field's name.
    pub(super) fn astring(&mut self, text: &str) {
        if !text.is_empty()
            && text.bytes().all(crate::command::parser::is_astring_char)
            && !text.eq_ignore_ascii_case("NIL")
        {
            self.raw(text);
        } else if text.bytes().any(|b| b.is_ascii_control()) {
            self.put(format_args!("{{{}}}\r\n{text}", text.len()));
        } else {
            self.quoted(text);
        }
    }

    /// ```text
    /// mailbox = "INBOX" / astring
    /// ```
    pub(super) fn mailbox(&mut self, mailbox: &str) {
        if mailbox == "INBOX" {
            self.raw(mailbox);
        } else {
            self.quoted(&name::encode(mailbox, self.enabled.spelling()));
        }
    }
}

/// ```text
/// encoded-word = "=?" charset "?" encoding "?" encoded-text "?="    RFC 2047
/// ```
/// Words are cut between characters and joined by spaces, which a reader drops.
pub(super) fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, tail) = rest.split_at(rest.floor_char_boundary(WORD_OCTETS));
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        rest = tail;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Enabled;

    fn string(enabled: Enabled, text: &str) -> String {
        let mut encoder = Encoder {
            enabled,
            ..Encoder::default()
        };
        encoder.string(text);
        String::from_utf8(encoder.take()).expect("UTF-8")
    }

    #[test]
    fn strings() {
        fn check(text: &str, old: &str, new: &str) {
            assert_eq!(string(Enabled::default(), text), old);
            assert_eq!(
                string(
                    Enabled {
                        utf8_accept: true,
                        rev2: false
                    },
                    text
                ),
                new
            );
            assert_eq!(
                string(
                    Enabled {
                        utf8_accept: false,
                        rev2: true
                    },
                    text
                ),
                new
            );
        }
        check("", "\"\"", "\"\"");
        check("NIL", "\"NIL\"", "\"NIL\"");
        check(r#"a"b\c"#, r#""a\"b\\c""#, r#""a\"b\\c""#);
        check("a\r\n* BYE\0", "\"a  * BYE \"", "\"a  * BYE \"");
        check("Thư", "\"=?UTF-8?B?VGjGsA==?=\"", "\"Thư\"");
        check(
            "=?x?",
            "\"=?UTF-8?B?PT94Pw==?=\"",
            "\"=?UTF-8?B?PT94Pw==?=\"",
        );
    }

    #[test]
    fn long_strings_are_literals() {
        let long = "a".repeat(QUOTED_OCTETS + 1);
        assert_eq!(
            string(Enabled::default(), &long),
            format!("{{1025}}\r\n{long}")
        );
        let edge = "a".repeat(QUOTED_OCTETS);
        assert_eq!(string(Enabled::default(), &edge), format!("\"{edge}\""));
    }

    #[test]
    fn encoded_words_decode() {
        let text = "Công văn hỏa tốc số 15/UBND-VP về việc phòng chống bão 😀";
        let words = encoded_words(text);
        assert!(words.split(' ').all(|word| word.len() <= 75));
        assert_eq!(congvu_message::words::decode(words.as_bytes()), text);
    }

    #[test]
    fn names() {
        fn check(name: &str, old: &str, new: &str) {
            for (enabled, expected) in [
                (Enabled::default(), old),
                (
                    Enabled {
                        utf8_accept: false,
                        rev2: true,
                    },
                    new,
                ),
            ] {
                let mut encoder = Encoder {
                    enabled,
                    ..Encoder::default()
                };
                encoder.mailbox(name);
                assert_eq!(String::from_utf8(encoder.take()).as_deref(), Ok(expected));
            }
        }
        check("INBOX", "INBOX", "INBOX");
        check(
            "Văn bản đến",
            "\"V&AQM-n b&HqM-n &AREevw-n\"",
            "\"Văn bản đến\"",
        );
        check("a&b\"", "\"a&-b\\\"\"", "\"a&b\\\"\"");
    }
}
