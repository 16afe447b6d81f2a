//! Login names and passwords as they are compared: one form for what looks the same.

use unicode_normalization::UnicodeNormalization as _;

/// Longest login name in octets: 64 of local part, `@` and 255 of domain (RFC 5321 section 4.5.3.1).
pub const MAX_NAME: usize = 320;

/// A login name, or `None` when it is empty, too long, no UTF-8 or has an octet outside the allow-list:
/// letters and digits of any script and `. _ - + = @ * ' & # ~ !`. What cannot stand in an address of ours
/// never reaches a lookup or a log. NFC, so that both ways to write `ễ` are one name.
pub fn name(octets: &[u8]) -> Option<String> {
    if octets.is_empty() || octets.len() > MAX_NAME {
        return None;
    }
    let text: String = std::str::from_utf8(octets).ok()?.nfc().collect();
    let allowed = |c: char| c.is_alphanumeric() || "._-+=@*'&#~!".contains(c);
    (text.len() <= MAX_NAME && text.chars().all(allowed)).then_some(text)
}

/// A password in the form that keys are derived from (RFC 4013, SASLprep): NFKC, unusual spaces as
/// U+0020, invisible characters gone. Octets that are no UTF-8 or hold prohibited characters come back as
/// they are, so that a password set elsewhere still works. Idempotent.
///
/// Deviates: the test for mixed writing directions (RFC 3454 section 6) is left out; it would only refuse
/// passwords.
pub fn prepare(password: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(password) else {
        return password.to_vec();
    };
    let prepared: String = text
        .chars()
        .filter(|&c| !is_invisible(c))
        .map(|c| if is_other_space(c) { ' ' } else { c })
        .nfkc()
        .collect();
    if prepared.is_empty() || prepared.chars().any(is_prohibited) {
        return password.to_vec();
    }
    prepared.into_bytes()
}

/// RFC 3454 table C.1.2.
fn is_other_space(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// RFC 3454 table B.1, without U+200B, which RFC 4013 maps to a space.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200c}' | '\u{200d}'
        | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// RFC 3454 tables C.2.1, C.2.2, C.3, C.4, C.6, C.7, C.8 and C.9.
fn is_prohibited(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{2028}' | '\u{2029}'
            | '\u{2061}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffd}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{2ff0}'..='\u{2ffb}' | '\u{340}' | '\u{341}'
            | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_allow_listed() {
        for good in [
            "an@soyte.test",
            "an+a.b-c_d@x.test",
            "vanthu@a.test*an@a.test",
            "nguyễn@x.test",
            "O'Neil@x.test",
        ] {
            assert_eq!(name(good.as_bytes()).as_deref(), Some(good));
        }
        assert_eq!(
            name("nguye\u{302}\u{303}n@x.test".as_bytes()).as_deref(),
            Some("nguyễn@x.test")
        );
        let long = "a".repeat(MAX_NAME + 1);
        for bad in [
            &b""[..],
            b"a b",
            b"a\0b",
            b"a\"b",
            b"${run}",
            b"a%b",
            b"../x",
            b"a\\b",
            b"(uid=*)",
            b"a\xff",
            long.as_bytes(),
        ] {
            assert_eq!(name(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn passwords_take_one_form() {
        // The examples of RFC 4013 section 3.
        for (input, expected) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("a\u{a0}b", "a b"),
            ("mật khẩu", "mật khẩu"),
            ("\u{7}", "\u{7}"),
        ] {
            let expected: String = if input == "mật khẩu" {
                input.nfkc().collect()
            } else {
                expected.into()
            };
            assert_eq!(prepare(input.as_bytes()), expected.as_bytes(), "{input}");
            assert_eq!(prepare(expected.as_bytes()), expected.as_bytes());
        }
        assert_eq!(prepare(b"\xff\xfe"), b"\xff\xfe");
    }
}
