//! Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3) or UTF-8 (RFC 9051 section 5.1).
//!
//! Invariant: a decoded name is Unicode in normal form C without controls, and equal names are equal
//! strings however the client wrote them. Only the canonical modified UTF-7 form is accepted, because a
//! name with two spellings has been used to reach other people's mailboxes (CVE-2020-24386).
//! What a name means (hierarchy, INBOX, rights) is not here, save that INBOX is written one way.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use unicode_normalization::UnicodeNormalization;

/// The separator of hierarchy levels.
pub const SEPARATOR: char = '/';

/// Longest name in octets of UTF-8: the store's keys and LIST lines stay small, and 1,000 octets are
/// over 300 Vietnamese letters with two marks each, in a path of any depth.
pub const NAME_OCTETS: usize = 1_000;

/// The base64 of modified UTF-7: `,` for `/`, no padding, spare bits zero.
const SHIFTED: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    NO_PAD.with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// How names are spelt in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// Until something else is enabled.
    #[default]
    Utf7,
    /// After ENABLE UTF8=ACCEPT (RFC 6855 section 3) or ENABLE IMAP4rev2 (RFC 9051 section 5.1).
    Utf8,
}

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Octets above 127 before UTF-8 was enabled.
    #[error("8-bit mailbox names need ENABLE UTF8=ACCEPT")]
    EightBit,
    /// Not UTF-8.
    #[error("mailbox name is not UTF-8")]
    Utf8,
    /// Not modified UTF-7, or not its one canonical spelling.
    #[error("mailbox name is not canonical modified UTF-7")]
    Utf7,
    /// A control, a line separator or a byte order mark.
    #[error("mailbox name has a forbidden character")]
    Forbidden,
    /// Longer than [`NAME_OCTETS`].
    #[error("mailbox name is too long")]
    TooLong,
}

/// Decodes a name or pattern as written; the result is in NFC, and INBOX (alone or as the first level)
/// in upper case.
pub fn decode(raw: &[u8], spelling: Spelling) -> Result<String, NameError> {
    if raw.len() > NAME_OCTETS * 3 {
        return Err(NameError::TooLong);
    }
    let text = std::str::from_utf8(raw).map_err(|_| match spelling {
        Spelling::Utf7 => NameError::EightBit,
        Spelling::Utf8 => NameError::Utf8,
    })?;
    let text: String = match spelling {
        Spelling::Utf8 => text.nfc().collect(),
        Spelling::Utf7 if text.is_ascii() => from_utf7(text)?.nfc().collect(),
        Spelling::Utf7 => return Err(NameError::EightBit),
    };
    if text.chars().any(forbidden) {
        return Err(NameError::Forbidden);
    }
    if text.len() > NAME_OCTETS {
        return Err(NameError::TooLong);
    }
    Ok(with_inbox(text))
}

/// Spells a name for the client.
pub fn encode(name: &str, spelling: Spelling) -> String {
    match spelling {
        Spelling::Utf8 => name.to_owned(),
        Spelling::Utf7 => to_utf7(name),
    }
}

/// RFC 9051 section 5.1 allows neither controls nor, by RFC 5198 section 2, line and paragraph
/// separators; a byte order mark would make two equal-looking names.
fn forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// RFC 9051 section 5.1: INBOX in any case is INBOX; its children follow.
fn with_inbox(name: String) -> String {
    let Some((first, rest)) = name.split_at_checked(5) else {
        return name;
    };
    if first.eq_ignore_ascii_case("INBOX") && (rest.is_empty() || rest.starts_with(SEPARATOR)) {
        return format!("INBOX{rest}");
    }
    name
}

/// ```text
/// &-            an ampersand
/// &base64-      UTF-16BE of everything that is not printable ASCII; never two shifts in a row
/// ```
fn from_utf7(text: &str) -> Result<String, NameError> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_shift = false;
    while let Some(at) = rest.find('&') {
        let (plain, shift) = rest.split_at(at);
        name.push_str(plain);
        let (code, tail) = shift
            .get(1..)
            .and_then(|s| s.split_once('-'))
            .ok_or(NameError::Utf7)?;
        rest = tail;
        if code.is_empty() {
            name.push('&');
            after_shift = false;
            continue;
        }
        if after_shift && plain.is_empty() {
            return Err(NameError::Utf7);
        }
        name.push_str(&unshift(code)?);
        after_shift = true;
    }
    name.push_str(rest);
    Ok(name)
}

fn unshift(code: &str) -> Result<String, NameError> {
    let octets = SHIFTED.decode(code).map_err(|_| NameError::Utf7)?;
    if octets.len() % 2 != 0 {
        return Err(NameError::Utf7);
    }
    let units = octets.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    let text: String = char::decode_utf16(units)
        .collect::<Result<_, _>>()
        .map_err(|_| NameError::Utf7)?;
    // What can stand for itself must.
    if text.is_empty() || text.bytes().any(|b| matches!(b, 0x20..=0x7e)) {
        return Err(NameError::Utf7);
    }
    Ok(text)
}

fn to_utf7(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            shift(&mut out, &mut shifted);
            if c == '&' {
                out.push_str("&-");
            } else {
                out.push(c);
            }
        } else {
            let mut units = [0; 2];
            shifted.extend(
                c.encode_utf16(&mut units)
                    .iter()
                    .flat_map(|unit| unit.to_be_bytes()),
            );
        }
    }
    shift(&mut out, &mut shifted);
    out
}

fn shift(out: &mut String, octets: &mut Vec<u8>) {
    if !octets.is_empty() {
        write!(out, "&{}-", SHIFTED.encode(&octets)).expect("writing to a String cannot fail");
        octets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decode() {
        fn check(raw: &str, expected: Result<&str, NameError>) {
            assert_eq!(
                decode(raw.as_bytes(), Spelling::Utf7),
                expected.map(str::to_owned),
                "{raw}"
            );
        }
        check("V&AQM-n b&HqM-n &AREevw-n", Ok("Văn bản đến"));
        check("H&Hs8-a t&HtE-c", Ok("Hỏa tốc"));
        check("Th&AbA- r&AOE-c", Ok("Thư rác"));
        check("&ARAA4w- g&Hu0-i", Ok("Đã gửi"));
        // The same name in normal form D, as macOS writes it.
        check("&ARA-a&AwM- gu&AxsDCQ-i", Ok("Đã gửi"));
        check("&2D3eAA-", Ok("😀"));
        check("a&-b", Ok("a&b"));
        check("&-&-", Ok("&&"));
        check("&AOk-&-", Ok("é&"));
        check("inbox", Ok("INBOX"));
        check("iNbOx/con", Ok("INBOX/con"));
        check("inboxes", Ok("inboxes"));
        check("", Ok(""));
        for broken in [
            "&",
            "a&b",
            "&AOk",
            "&A-",
            "&AGEA-",
            "&AGEA6Q-",
            "&ACY-",
            "&AOk-&AOk-",
            "&2D0-",
            "&AOl-",
            "&AO/-",
            "&AOk=-",
            "&é-",
        ] {
            assert!(
                decode(broken.as_bytes(), Spelling::Utf7).is_err(),
                "{broken}"
            );
        }
        check("Văn", Err(NameError::EightBit));
        check("&AAA-", Err(NameError::Forbidden));
        check("&AA0ACg-", Err(NameError::Forbidden));
        check("&ICg-", Err(NameError::Forbidden));
        check("a\u{7f}", Err(NameError::Forbidden));
    }

    #[test]
    fn utf8_names_decode() {
        fn check(raw: &[u8], expected: Result<&str, NameError>) {
            assert_eq!(decode(raw, Spelling::Utf8), expected.map(str::to_owned));
        }
        check("Văn bản đến".as_bytes(), Ok("Văn bản đến"));
        check(
            "V\u{103}n ba\u{309}n \u{111}e\u{302}\u{301}n".as_bytes(),
            Ok("Văn bản đến"),
        );
        // An ampersand stands for itself here.
        check(b"H&Hs8-a", Ok("H&Hs8-a"));
        check(b"\xff", Err(NameError::Utf8));
        check(&[b'a'; NAME_OCTETS], Ok(&"a".repeat(NAME_OCTETS)));
        check(&[b'a'; NAME_OCTETS + 1], Err(NameError::TooLong));
    }

    #[test]
    fn random_names_come_back() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let name: String = (0..random.usize(..12))
                .map(|_| match random.u8(..4) {
                    0 => random.char(' '..='~'),
                    1 => '&',
                    2 => random.char('\u{a1}'..='\u{1eff}'),
                    _ => random.char('\u{10000}'..='\u{1ffff}'),
                })
                .nfc()
                .collect();
            let name = with_inbox(name);
            for spelling in [Spelling::Utf7, Spelling::Utf8] {
                let wire = encode(&name, spelling);
                assert_eq!(
                    decode(wire.as_bytes(), spelling).as_deref(),
                    Ok(name.as_str()),
                    "{wire}"
                );
            }
        }
    }

    #[test]
    fn random_octets_never_panic() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..5_000 {
            let raw: Vec<u8> = (0..random.usize(..20))
                .map(|_| {
                    if random.bool() {
                        *random.choice(b"&-,+AZ09").expect("not empty")
                    } else {
                        random.u8(..)
                    }
                })
                .collect();
            for spelling in [Spelling::Utf7, Spelling::Utf8] {
                if let Ok(name) = decode(&raw, spelling) {
                    assert_eq!(
                        decode(encode(&name, spelling).as_bytes(), spelling),
                        Ok(name)
                    );
                }
            }
        }
    }
}
