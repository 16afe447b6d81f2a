//! Octets of a named charset to Unicode. Never fails: what cannot be decoded becomes U+FFFD.
//!
//! The decoders are `mail-parser`'s (with `encoding_rs` behind them); this file decides which one, and
//! what to do when the label is missing, unknown or wrong.

use std::borrow::Cow;

use crate::detect;
use crate::legacy::Legacy;
use mail_parser::decoders::charsets::map::charset_decoder;

/// Longest charset label looked at; the longest registered one has 45 octets.
const LABEL_MAX: usize = 45;

/// Decodes `bytes` labelled as `charset` (empty: not labelled).
///
/// Text that says US-ASCII, says nothing or names an unknown charset, and is not ASCII, is taken as UTF-8
/// if it is valid UTF-8, else as Windows-1252: that is what such mail nearly always is. Vietnamese text in a charset
/// from before Unicode is recognised there, and where the label says UTF-8, Western or Windows-1258 and is wrong.
pub fn decode<'a>(charset: &str, bytes: &'a [u8]) -> Cow<'a, str> {
    let label = charset.trim_matches(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
    let utf8 = ["utf-8", "utf8", "unicode-1-1-utf-8"]
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name));
    let unlabelled = label.is_empty()
        || ["us-ascii", "ascii", "unknown-8bit", "8bit"]
            .iter()
            .any(|name| label.eq_ignore_ascii_case(name));
    if utf8 || unlabelled {
        // Asked first whether it is valid: the lossy way takes several times as long to find out.
        return match std::str::from_utf8(bytes) {
            Ok(text) => detect::mended(text).map_or(Cow::Borrowed(text), Cow::Owned),
            Err(_) => match detect::octets(bytes) {
                Some(charset) => Cow::Owned(charset.decode(bytes)),
                None if utf8 => String::from_utf8_lossy(bytes),
                None => western(bytes),
            },
        };
    }
    if let Some(charset) = Legacy::named(label) {
        let found = (charset == Legacy::Windows1258).then(|| detect::octets(bytes));
        return Cow::Owned(found.flatten().unwrap_or(charset).decode(bytes));
    }
    let decoder = (label.len() <= LABEL_MAX)
        .then(|| charset_decoder(label.as_bytes()))
        .flatten();
    // Programs that know nothing of charsets name the one of their makers.
    let doubtful = decoder.is_none()
        || [
            "iso-8859-1",
            "iso-8859-15",
            "latin1",
            "windows-1252",
            "cp1252",
            "x-user-defined",
        ]
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name));
    if doubtful && let Some(charset) = detect::octets(bytes) {
        return Cow::Owned(charset.decode(bytes));
    }
    match decoder {
        Some(decoder) => Cow::Owned(decoder(bytes)),
        None => std::str::from_utf8(bytes).map_or_else(|_| western(bytes), Cow::Borrowed),
    }
}

fn western(bytes: &[u8]) -> Cow<'_, str> {
    match charset_decoder(b"windows-1252") {
        Some(decoder) => Cow::Owned(decoder(bytes)),
        None => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decodes() {
        let check = |charset, bytes: &[u8], expected| {
            assert_eq!(decode(charset, bytes), expected, "{charset}");
        };
        check("UTF-8", "Công văn à".as_bytes(), "Công văn à");
        check("utf-8", b"a\xc3", "a\u{fffd}");
        check("", "đ".as_bytes(), "đ");
        check("us-ascii", b"caf\xe9", "café");
        check("no-such-charset", b"caf\xe9", "café");
        check("\"iso-8859-1\"", b"\xe0", "à");
        check("windows-1252", b"\x93x\x94", "“x”");
        check("gb18030", b"\xd6\xd0", "中");
        check("iso-2022-jp", b"\x1b$B%O\x1b(B", "ハ");
        check(&"x".repeat(5000), b"a", "a");
    }
}
