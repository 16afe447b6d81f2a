//! Vietnamese charsets from before Unicode that no library decodes: VISCII (RFC 1456) and TCVN 5712.
//!
//! Old archives and some office programs still send them, labelled. Windows-1258 is in the library.
//! The result is NFC: TCVN 5712 has combining tone marks.

use unicode_normalization::UnicodeNormalization;

/// Characters of the octets 128 to 255.
type Upper = &'static str;

const VISCII: Upper = "\
    ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐ\
    ỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲ\
    Õắằặấầẩậẽẹếềểễệố\
    ồổỗỠƠộờởịỰỨỪỬơớƯ\
    ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳ\
    ĐứÒÓÔạỷừửÙÚỹỵÝỡư\
    àáâãảăữẫèéêẻìíĩỉ\
    đựòóôõỏọụùúũủýợỮ";

const TCVN: Upper = "\
    ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨ\
    ÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ\
    \u{A0}ĂÂÊÔƠƯĐăâêôơưđẰ\
    \u{300}\u{309}\u{303}\u{301}\u{323}àảãáạẲằẳẵắẴ\
    ẮẦẨẪẤỀặầẩẫấậèỂẻẽ\
    éẹềểễếệìỉỄẾỒĩíịò\
    Ổỏõóọồổỗốộờởỡớợù\
    ỖủũúụừửữứựỳỷỹýỵỐ";

/// VISCII needs six more letters and puts them among the controls.
const VISCII_LOW: [(u8, char); 6] = [
    (0x02, 'Ẳ'),
    (0x05, 'Ẵ'),
    (0x06, 'Ẫ'),
    (0x14, 'Ỷ'),
    (0x19, 'Ỹ'),
    (0x1E, 'Ỵ'),
];

/// Decodes a text in one of these charsets; `None` for any other label.
pub(crate) fn decode(label: &str, bytes: &[u8]) -> Option<String> {
    let is = |names: &[&str]| names.iter().any(|name| label.eq_ignore_ascii_case(name));
    let (upper, low): (Upper, &[(u8, char)]) =
        if is(&["viscii", "csviscii", "viscii1.1-1", "x-viet-viscii"]) {
            (VISCII, &VISCII_LOW)
        } else if is(&[
            "tcvn",
            "tcvn-5712",
            "tcvn5712",
            "tcvn5712-1",
            "tcvn5712-1:1993",
            "x-viet-tcvn",
            "x-viet-tcvn5712",
        ]) {
            (TCVN, &[])
        } else {
            return None;
        };
    let upper: Vec<char> = upper.chars().collect();
    let letter = |&b: &u8| match b.checked_sub(128) {
        Some(at) => upper
            .get(usize::from(at))
            .copied()
            .unwrap_or(char::REPLACEMENT_CHARACTER),
        None => low
            .iter()
            .find(|(octet, _)| *octet == b)
            .map_or(char::from(b), |(_, letter)| *letter),
    };
    Some(bytes.iter().map(letter).nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_whole() {
        assert_eq!((VISCII.chars().count(), TCVN.chars().count()), (128, 128));
    }

    #[test]
    fn decodes() {
        let check = |label, bytes: &[u8], expected: &str| {
            assert_eq!(decode(label, bytes).as_deref(), Some(expected), "{label}");
        };
        check(
            "VISCII",
            b"C\xF4ng v\xE5n s\xAF 12 c\xFCa \x9Cy ban nh\xE2n d\xE2n t\xEFnh",
            "Công văn số 12 của Ủy ban nhân dân tỉnh",
        );
        check(
            "TCVN5712",
            b"C\xABng v\xA8n s\xE8 12 c\xF1a \x9Ey ban nh\xA9n d\xA9n t\xD8nh",
            "Công văn số 12 của Ủy ban nhân dân tỉnh",
        );
        check("viscii", b"\x02\x1E", "ẲỴ");
        check("tcvn", b"a\xB3", "á");
        assert_eq!(decode("utf-8", b""), None);
    }
}
