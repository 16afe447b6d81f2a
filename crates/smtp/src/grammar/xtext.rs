//! xtext (RFC 3461 section 4): printable octets as they are, the others as `+HH`.

/// Decodes to printable ASCII (space included); `None` when it is no xtext or hides a control or an 8-bit
/// octet, which could otherwise reach a header.
///
/// ```text
/// xtext   = *( xchar / hexchar )
/// xchar   = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "="
/// hexchar = ASCII "+" immediately followed by two upper case hexadecimal digits
/// ```
pub fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut pieces = text.split('+');
    for (index, piece) in std::iter::once(pieces.next()?).chain(pieces).enumerate() {
        let plain = if index == 0 {
            piece
        } else {
            let (hex, plain) = piece.split_at_checked(2)?;
            let upper = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
            if !hex.chars().all(upper) {
                return None;
            }
            let octet = u8::from_str_radix(hex, 16).ok()?;
            if octet != b' ' && !octet.is_ascii_graphic() {
                return None;
            }
            decoded.push(char::from(octet));
            plain
        };
        if !plain.bytes().all(|o| o.is_ascii_graphic() && o != b'=') {
            return None;
        }
        decoded.push_str(plain);
    }
    Some(decoded)
}

/// Encodes any text.
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_graphic() && octet != b'+' && octet != b'=' {
            encoded.push(char::from(octet));
        } else {
            let _ = write!(encoded, "+{octet:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_only_what_is_printable() {
        for (input, expected) in [
            ("abc", Some("abc")),
            ("", Some("")),
            ("a+2Bb+3Dc", Some("a+b=c")),
            ("+20", Some(" ")),
            ("a+2b", None),
            ("a+0D+0A", None),
            ("a+00", None),
            ("+C3+A9", None),
            ("a+", None),
            ("a+4", None),
            ("a=b", None),
            ("é", None),
            ("+é", None),
        ] {
            assert_eq!(decode(input).as_deref(), expected, "{input}");
        }
        let text: String = (' '..='~').collect();
        assert_eq!(decode(&encode(&text)), Some(text));
    }
}
