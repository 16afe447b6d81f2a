//! Vietnamese charsets from before Unicode: VISCII and VIQR (RFC 1456), TCVN 5712 and its form for fonts (TCVN3,
//! "ABC"), VNI for Windows, VPS, Windows-1258.
//!
//! Old archives and some office programs still send them, labelled or not; `detect` finds the ones without a true
//! label. The result is NFC: TCVN 5712 and Windows-1258 have combining tone marks. Nothing here encodes.

use unicode_normalization::UnicodeNormalization;

/// Characters of the octets 128 to 255.
type Upper = &'static str;
/// Letters that stand among the controls.
type Low = &'static [(u8, char)];

const VISCII: Upper = "\
    ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐ\
    ỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲ\
    Õắằặấầẩậẽẹếềểễệố\
    ồổỗỠƠộờởịỰỨỪỬơớƯ\
    ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳ\
    ĐứÒÓÔạỷừửÙÚỹỵÝỡư\
    àáâãảăữẫèéêẻìíĩỉ\
    đựòóôõỏọụùúũủýợỮ";

const VISCII_LOW: Low = &[
    (0x02, 'Ẳ'),
    (0x05, 'Ẵ'),
    (0x06, 'Ẫ'),
    (0x14, 'Ỷ'),
    (0x19, 'Ỹ'),
    (0x1E, 'Ỵ'),
];

const TCVN: Upper = "\
    ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨ\
    ÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ\
    \u{A0}ĂÂÊÔƠƯĐăâêôơưđẰ\
    \u{300}\u{309}\u{303}\u{301}\u{323}àảãáạẲằẳẵắẴ\
    ẮẦẨẪẤỀặầẩẫấậèỂẻẽ\
    éẹềểễếệìỉỄẾỒĩíịò\
    Ổỏõóọồổỗốộờởỡớợù\
    ỖủũúụừửữứựỳỷỹýỵỐ";

const TCVN_LOW: Low = &[
    (0x01, 'Ú'),
    (0x02, 'Ụ'),
    (0x04, 'Ừ'),
    (0x05, 'Ử'),
    (0x06, 'Ữ'),
    (0x11, 'Ứ'),
    (0x12, 'Ự'),
    (0x13, 'Ỳ'),
    (0x14, 'Ỷ'),
    (0x15, 'Ỹ'),
    (0x16, 'Ý'),
    (0x17, 'Ỵ'),
];

const VPS: Upper = "\
    ÀẢÃẤẦẨọỗĂếềểệẮẰẲ\
    Ế‘’ỀỂỄỐỒỔỖýỷỵỚỜỞ\
    \u{A0}ắằẳẵặỠớÙờởỡŨỨợỪ\
    ổỬỲỸÍÌộỈĨÓửữÒỎÕự\
    ầÁÂấẩẫậđẻÉÊẹỉễịỹ\
    ƯỦồốÔỏơÈừứÚũưÝẺß\
    àáâãảạăçèéêẽìíîĩ\
    ẴĐòóôõöƠụùúủüỶẼỳ";

const VPS_LOW: Low = &[
    (0x02, 'Ạ'),
    (0x03, 'Ậ'),
    (0x04, 'Ặ'),
    (0x05, 'Ẹ'),
    (0x06, 'Ệ'),
    (0x10, 'Ị'),
    (0x11, 'Ọ'),
    (0x12, 'Ộ'),
    (0x13, 'Ợ'),
    (0x14, 'Ụ'),
    (0x15, 'Ự'),
    (0x19, 'Ỵ'),
    (0x1C, 'Ẫ'),
    (0x1D, 'Ữ'),
];

/// The octets 128 to 159 of Windows-1252; the five that it leaves out are controls.
const WESTERN: Upper = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ";

/// A charset that is decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legacy {
    Viscii,
    Viqr,
    /// TCVN 5712-1, all of it.
    Tcvn,
    /// TCVN3, what `.VnTime` and its sisters show: 160 to 255 as in TCVN 5712, and below them what Windows has
    /// there (quotation marks). Capitals with a tone are small letters in a font of capitals (`.VnTimeH`).
    Abc,
    Vni,
    Vps,
    Windows1258,
    /// UTF-8, for text that says otherwise.
    Utf8,
    /// Windows-1252: how such text is read by who does not know better.
    Western,
}

const NAMES: [(&str, Legacy); 27] = [
    ("viscii", Legacy::Viscii),
    ("csviscii", Legacy::Viscii),
    ("viscii1.1-1", Legacy::Viscii),
    ("x-viet-viscii", Legacy::Viscii),
    ("viqr", Legacy::Viqr),
    ("csviqr", Legacy::Viqr),
    ("tcvn", Legacy::Tcvn),
    ("tcvn-5712", Legacy::Tcvn),
    ("tcvn5712", Legacy::Tcvn),
    ("tcvn5712-1", Legacy::Tcvn),
    ("tcvn5712-1:1993", Legacy::Tcvn),
    ("x-viet-tcvn", Legacy::Tcvn),
    ("x-viet-tcvn5712", Legacy::Tcvn),
    ("tcvn3", Legacy::Abc),
    ("tcvn-3", Legacy::Abc),
    ("x-tcvn3", Legacy::Abc),
    ("tcvn-abc", Legacy::Abc),
    ("vni", Legacy::Vni),
    ("vni-win", Legacy::Vni),
    ("vni-windows", Legacy::Vni),
    ("x-viet-vni", Legacy::Vni),
    ("vps", Legacy::Vps),
    ("x-vps", Legacy::Vps),
    ("x-viet-vps", Legacy::Vps),
    ("windows-1258", Legacy::Windows1258),
    ("cp1258", Legacy::Windows1258),
    ("x-cp1258", Legacy::Windows1258),
];

impl Legacy {
    /// The charset of a label.
    pub(crate) fn named(label: &str) -> Option<Self> {
        let known = NAMES
            .iter()
            .find(|(name, _)| label.eq_ignore_ascii_case(name));
        known.map(|(_, charset)| *charset)
    }

    /// Decodes a text; what is no letter of the charset stays what Windows-1252 has for it.
    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Viscii => table(bytes, VISCII, VISCII_LOW),
            Self::Tcvn => table(bytes, TCVN, TCVN_LOW),
            Self::Vps => table(bytes, VPS, VPS_LOW),
            Self::Abc => abc(bytes),
            Self::Vni => vni(bytes),
            Self::Viqr => viqr(bytes),
            Self::Windows1258 => bytes.iter().map(|&b| windows_1258(b)).nfc().collect(),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Western => bytes.iter().map(|&b| western(b)).collect(),
        }
    }
}

fn table(bytes: &[u8], upper: Upper, low: Low) -> String {
    let upper: Vec<char> = upper.chars().collect();
    let letter = |&b: &u8| match b.checked_sub(128) {
        Some(at) => upper.get(usize::from(at)).copied().unwrap_or_default(),
        None => low
            .iter()
            .find(|(octet, _)| *octet == b)
            .map_or(char::from(b), |(_, letter)| *letter),
    };
    bytes.iter().map(letter).nfc().collect()
}

/// An octet in Windows-1252.
fn western(b: u8) -> char {
    match b {
        0x80..=0x9F => WESTERN
            .chars()
            .nth(usize::from(b - 0x80))
            .unwrap_or_default(),
        _ => char::from(b),
    }
}

/// The octet of a character in Windows-1252.
pub(crate) fn western_octet(c: char) -> Option<u8> {
    match u8::try_from(c) {
        Ok(b) => Some(b),
        Err(_) => WESTERN
            .chars()
            .zip(0x80..)
            .find(|(known, _)| *known == c)
            .map(|(_, b)| b),
    }
}

fn abc(bytes: &[u8]) -> String {
    let upper: Vec<char> = TCVN.chars().collect();
    let letter = |&b: &u8| match b {
        0xA0..=0xFF => upper
            .get(usize::from(b - 0x80))
            .copied()
            .unwrap_or_default(),
        _ => western(b),
    };
    capitals(&bytes.iter().map(letter).nfc().collect::<String>())
}

/// Windows-1258 has five tone marks and seven letters where Windows-1252 has others.
fn windows_1258(b: u8) -> char {
    match b {
        0xC3 => 'Ă',
        0xCC => '\u{300}',
        0xD0 => 'Đ',
        0xD2 => '\u{309}',
        0xD5 => 'Ơ',
        0xDD => 'Ư',
        0xDE => '\u{303}',
        0xE3 => 'ă',
        0xEC => '\u{301}',
        0xF0 => 'đ',
        0xF2 => '\u{323}',
        0xF5 => 'ơ',
        0xFD => 'ư',
        0xFE => '₫',
        _ => western(b),
    }
}

/// Words in a font of capitals: ASCII letters that are all capitals, two at least, make capitals of the rest.
fn capitals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !c.is_alphabetic()) {
        let ascii = piece.chars().filter(char::is_ascii_alphabetic);
        let (upper, lower): (Vec<char>, Vec<char>) = ascii.partition(char::is_ascii_uppercase);
        if upper.len() >= 2 && lower.is_empty() {
            out.extend(piece.chars().flat_map(char::to_uppercase));
        } else {
            out.push_str(piece);
        }
    }
    out
}

/// VNI writes a letter and after it a mark that Windows-1252 shows as a letter, in either case; seven letters with
/// marks of their own are single.
fn vni(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    let mut rest = bytes;
    while let [b, tail @ ..] = rest {
        rest = tail;
        let shown = western(*b);
        let small = shown.to_lowercase().next().unwrap_or(shown);
        let letter = match small {
            'ô' => 'ơ',
            'ö' => 'ư',
            'ñ' => 'đ',
            'æ' => 'ỉ',
            'ó' => 'ĩ',
            'ò' => 'ị',
            'î' => 'ỵ',
            _ => small,
        };
        let marks = tail
            .first()
            .filter(|next| !next.is_ascii())
            .and_then(|next| marks(letter, western(*next).to_lowercase().next()?));
        if shown == small {
            out.push(letter);
        } else {
            out.extend(letter.to_uppercase());
        }
        if let Some(marks) = marks {
            out.push_str(marks);
            rest = tail.get(1..).unwrap_or_default();
        }
    }
    out.nfc().collect()
}

/// What a mark of VNI after a letter means.
fn marks(letter: char, mark: char) -> Option<&'static str> {
    let marks = match mark {
        'ù' => "\u{301}",
        'ø' => "\u{300}",
        'û' => "\u{309}",
        'õ' => "\u{303}",
        'ï' => "\u{323}",
        'â' => "\u{302}",
        'á' => "\u{302}\u{301}",
        'à' => "\u{302}\u{300}",
        'å' => "\u{302}\u{309}",
        'ã' => "\u{302}\u{303}",
        'ä' => "\u{302}\u{323}",
        'ê' => "\u{306}",
        'é' => "\u{306}\u{301}",
        'è' => "\u{306}\u{300}",
        'ú' => "\u{306}\u{309}",
        'ü' => "\u{306}\u{303}",
        'ë' => "\u{306}\u{323}",
        _ => return None,
    };
    let fits = match marks.chars().next() {
        Some('\u{302}') => matches!(letter, 'a' | 'e' | 'o'),
        Some('\u{306}') => letter == 'a',
        Some('\u{323}') => matches!(letter, 'a' | 'e' | 'o' | 'u' | 'ơ' | 'ư'),
        _ => matches!(letter, 'a' | 'e' | 'o' | 'u' | 'ơ' | 'ư' | 'y'),
    };
    fits.then_some(marks)
}

/// VIQR: a vowel, the mark that makes another vowel of it, the tone; `dd`; a backslash before what is no mark.
fn viqr(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [b, tail @ ..] = rest {
        rest = tail;
        match (b, tail.first()) {
            (b'\\', Some(next)) if next.is_ascii_punctuation() || matches!(next, b'd' | b'D') => {
                out.push(char::from(*next));
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
            (b'd', Some(b'd')) | (b'D', Some(b'd' | b'D')) => {
                out.push(if *b == b'd' { 'đ' } else { 'Đ' });
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
            _ => out.push(western(*b)),
        }
        let vowel = b.to_ascii_lowercase();
        if !b"aeiouy".contains(&vowel) {
            continue;
        }
        let changed = match (vowel, rest.first()) {
            (b'a', Some(b'(')) => Some('\u{306}'),
            (b'a' | b'e' | b'o', Some(b'^')) => Some('\u{302}'),
            (b'o' | b'u', Some(b'+')) => Some('\u{31B}'),
            _ => None,
        };
        if let Some(mark) = changed {
            out.push(mark);
            rest = rest.get(1..).unwrap_or_default();
        }
        let tone = match rest.first() {
            Some(b'\'') => Some('\u{301}'),
            Some(b'`') => Some('\u{300}'),
            Some(b'?') => Some('\u{309}'),
            Some(b'~') => Some('\u{303}'),
            Some(b'.') => Some('\u{323}'),
            _ => None,
        };
        if let Some(mark) = tone {
            out.push(mark);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    out.nfc().collect()
}
