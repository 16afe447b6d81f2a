//! Octets of a named charset to Unicode. Never fails: what cannot be decoded becomes U+FFFD.
//!
//! The decoders are `mail-parser`'s (with `encoding_rs` behind them); this file decides which one, and
//! what to do when the label is missing, unknown or wrong.

use std::borrow::Cow;

use crate::legacy;
use mail_parser::decoders::charsets::map::charset_decoder;

/// Longest charset label looked at; the longest registered one has 45 octets.
const LABEL_MAX: usize = 45;

/// Decodes `bytes` labelled as `charset` (empty: not labelled).
///
/// Text that says US-ASCII, says nothing or names an unknown charset, and is not ASCII, is taken as UTF-8
/// if it is valid UTF-8, else as Windows-1252: that is what such mail nearly always is.
pub fn decode<'a>(charset: &str, bytes: &'a [u8]) -> Cow<'a, str> {
    let label = charset.trim_matches(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
    let utf8 = ["utf-8", "utf8", "unicode-1-1-utf-8"]
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name));
    if utf8 {
        // Asked first whether it is valid: the lossy way takes several times as long to find out.
        return std::str::from_utf8(bytes)
            .map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    }
    let unlabelled = label.is_empty()
        || ["us-ascii", "ascii", "unknown-8bit", "8bit"]
            .iter()
            .any(|name| label.eq_ignore_ascii_case(name));
    if !unlabelled
        && label.len() <= LABEL_MAX
        && let Some(decoder) = charset_decoder(label.as_bytes())
    {
        return Cow::Owned(decoder(bytes));
    }
    if let Some(text) = legacy::decode(label, bytes) {
        return Cow::Owned(text);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decoder) => Cow::Owned(decoder(bytes)),
            None => String::from_utf8_lossy(bytes),
        },
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

    #[test]
    fn windows_1258_is_vietnamese() {
        use unicode_normalization::UnicodeNormalization as _;
        let text: String = decode("windows-1258", b"Vi\xea\xf2t Nam").nfc().collect();
        assert_eq!(text, "Việt Nam");
    }
}
