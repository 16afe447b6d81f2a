//! Text to octets: charsets from before Unicode, transfer encodings, encoded words.
//!
//! Written apart from what reads them (`congvu-message`), so that a mistake of one is seen by the other.

use std::fmt::Write as _;

use crate::writing::apart;

/// A charset of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    /// With combining tones.
    Windows1258,
    /// TCVN 5712 as the "ABC" fonts have it.
    Tcvn3,
    Viscii,
}

/// VISCII from 0x80 (RFC 1456).
const VISCII: &str = "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ";

/// TCVN 5712: letters that follow one another, from which octet on.
const TCVN: [(u8, &str); 9] = [
    (0xA1, "ĂÂÊÔƠƯĐ"),
    (0xA8, "ăâêôơưđ"),
    (0xB5, "àảãáạ"),
    (0xBB, "ằẳẵắ"),
    (0xC6, "ặầẩẫấậè"),
    (0xCE, "ẻẽéẹềểễếệìỉ"),
    (0xDC, "ĩíịò"),
    (0xE1, "ỏõóọồổỗốộờởỡớợù"),
    (0xF1, "ủũúụừửữứựỳỷỹýỵ"),
];

/// What Windows-1258 has above 0x7F of Vietnamese: the rest is made with combining tones.
const WINDOWS: [(char, u8); 42] = [
    ('À', 0xC0),
    ('Á', 0xC1),
    ('Â', 0xC2),
    ('Ă', 0xC3),
    ('È', 0xC8),
    ('É', 0xC9),
    ('Ê', 0xCA),
    ('\u{300}', 0xCC),
    ('Í', 0xCD),
    ('Đ', 0xD0),
    ('\u{309}', 0xD2),
    ('Ó', 0xD3),
    ('Ô', 0xD4),
    ('Ơ', 0xD5),
    ('Ù', 0xD9),
    ('Ú', 0xDA),
    ('Ư', 0xDD),
    ('\u{303}', 0xDE),
    ('à', 0xE0),
    ('á', 0xE1),
    ('â', 0xE2),
    ('ă', 0xE3),
    ('è', 0xE8),
    ('é', 0xE9),
    ('ê', 0xEA),
    ('\u{301}', 0xEC),
    ('í', 0xED),
    ('đ', 0xF0),
    ('\u{323}', 0xF2),
    ('ó', 0xF3),
    ('ô', 0xF4),
    ('ơ', 0xF5),
    ('ù', 0xF9),
    ('ú', 0xFA),
    ('ư', 0xFD),
    ('–', 0x96),
    ('…', 0x85),
    ('“', 0x93),
    ('”', 0x94),
    ('’', 0x92),
    ('•', 0x95),
    ('\u{A0}', 0xA0),
];

impl Charset {
    /// The label that programs give it; TCVN3 has none, so they say what they like.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Windows1258 => "windows-1258",
            Self::Tcvn3 => "iso-8859-1",
            Self::Viscii => "viscii",
        }
    }

    /// The octets of a text, if the charset has all of its letters.
    pub(crate) fn encode(self, text: &str) -> Option<Vec<u8>> {
        if self == Self::Utf8 {
            return Some(text.as_bytes().to_vec());
        }
        let mut out = Vec::with_capacity(text.len());
        for c in text.chars() {
            if c.is_ascii() {
                out.push(u8::try_from(c).ok()?);
                continue;
            }
            match self {
                Self::Viscii => out.push(place(VISCII, c)? | 0x80),
                Self::Tcvn3 => out.push(tcvn(c)?),
                Self::Windows1258 | Self::Utf8 => windows(c, &mut out)?,
            }
        }
        Some(out)
    }
}

fn place(row: &str, c: char) -> Option<u8> {
    let at = row.chars().position(|of| of == c)?;
    u8::try_from(at).ok()
}

fn tcvn(c: char) -> Option<u8> {
    let find = |c| {
        let mut rows = TCVN.iter();
        rows.find_map(|(from, row)| place(row, c).map(|at| from + at))
    };
    // Capitals with a tone are small letters in a font of capitals.
    find(c).or_else(|| find(c.to_lowercase().next()?))
}

fn windows(c: char, out: &mut Vec<u8>) -> Option<()> {
    let find = |c| {
        WINDOWS
            .iter()
            .find(|(of, _)| *of == c)
            .map(|(_, octet)| *octet)
    };
    if let Some(octet) = find(c) {
        out.push(octet);
        return Some(());
    }
    let (marked, tone) = apart(c.to_lowercase().next()?)?.toned();
    let marked = if c.is_uppercase() {
        marked.to_uppercase().next()?
    } else {
        marked
    };
    out.push(match u8::try_from(marked) {
        Ok(octet) if octet < 0x80 => octet,
        _ => find(marked)?,
    });
    out.push(find(tone?)?);
    Some(())
}

/// Base64 (RFC 4648 section 4), in lines of 76 or in one.
pub(crate) fn base64(octets: &[u8], lines: bool) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(octets.len() * 3 / 2);
    for (at, three) in octets.chunks(3).enumerate() {
        if lines && at > 0 && at % 19 == 0 {
            out.push_str("\r\n");
        }
        let mut group = 0_usize;
        for &octet in three {
            group = group << 8 | usize::from(octet);
        }
        group <<= 8 * (3 - three.len());
        for place in 0..4 {
            if place <= three.len() {
                out.push(char::from(LETTERS[group >> (18 - 6 * place) & 63]));
            } else {
                out.push('=');
            }
        }
    }
    if lines {
        out.push_str("\r\n");
    }
    out
}

/// Quoted-printable (RFC 2045 section 6.7) of a text with LF line ends.
pub(crate) fn quoted_printable(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len() * 2);
    let mut column = 0;
    for (at, &octet) in octets.iter().enumerate() {
        if octet == b'\n' {
            out.push_str("\r\n");
            column = 0;
            continue;
        }
        let last = octets.get(at + 1).is_none_or(|&next| next == b'\n');
        let plain = (0x21..=0x7E).contains(&octet) && octet != b'=' || octet == b' ' && !last;
        let width = if plain { 1 } else { 3 };
        if column + width > 75 {
            out.push_str("=\r\n");
            column = 0;
        }
        if plain {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "={octet:02X}");
        }
        column += width;
    }
    out
}

/// A header text: as it is if it is ASCII, else in encoded words (RFC 2047), B or Q.
pub(crate) fn encoded_words(text: &str, q: bool) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        // 39 octets are 52 in base64; with Q a third of that.
        let end = rest.floor_char_boundary(if q { 18 } else { 39 });
        let (word, more) = rest.split_at(end);
        rest = more;
        if !out.is_empty() {
            out.push_str("\r\n ");
        }
        if q {
            out.push_str("=?UTF-8?Q?");
            for &octet in word.as_bytes() {
                match octet {
                    b' ' => out.push('_'),
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(octet)),
                    _ => {
                        let _ = write!(out, "={octet:02X}");
                    }
                }
            }
        } else {
            out.push_str("=?UTF-8?B?");
            out.push_str(&base64(word.as_bytes(), false));
        }
        out.push_str("?=");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets() {
        let check = |charset: Charset, text, octets: &[u8]| {
            assert_eq!(charset.encode(text).as_deref(), Some(octets), "{charset:?}");
        };
        check(Charset::Windows1258, "Việt ạ", b"Vi\xEA\xF2t a\xF2");
        check(Charset::Windows1258, "Ở đâu", b"\xD5\xD2 \xF0\xE2u");
        check(Charset::Tcvn3, "Việt ĐỨC", b"Vi\xD6t \xA7\xF8C");
        check(Charset::Viscii, "Việt đỡ", b"Vi\xAEt \xF0\xDE");
        assert_eq!(Charset::Viscii.encode("пo"), None);
    }

    #[test]
    fn encodings() {
        assert_eq!(base64(b"abcd", false), "YWJjZA==");
        assert_eq!(base64(&[0; 60], true).lines().count(), 2);
        assert_eq!(quoted_printable("à= \n.".as_bytes()), "=C3=A0=3D=20\r\n.");
        assert!(
            quoted_printable(&[b'x'; 300])
                .lines()
                .all(|line| line.len() <= 76)
        );
        assert_eq!(encoded_words("plain", false), "plain");
        assert_eq!(encoded_words("Họp", false), "=?UTF-8?B?SOG7jXA=?=");
        assert_eq!(
            encoded_words("Họp à", true),
            "=?UTF-8?Q?H=E1=BB=8Dp_=C3=A0?="
        );
    }
}
