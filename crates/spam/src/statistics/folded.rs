//! Text as it remains when every disguise is taken off: no diacritics, no spacing, no punctuation, look-alike letters
//! made Latin, Telex and VNI typing undone.
//!
//! "Khuyến mãi", "khuyen mai", "k h u y ế n  m ã i", "khuyeens maix", "khuye61n ma4i" and "кhuyếп mãі" become the same
//! letters. Two forms are kept, with blanks between the words and without any. What is lost (English "has" becomes "ha") is lost in every message alike.

use std::sync::LazyLock;

use congvu_message::fold;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Longest syllable as typed with Telex: `nghieengs` and the like.
const TYPED_MAX: usize = 10;

/// Keys for marks in one syllable: `dduwowcj` has four, `nguwowif` three.
const KEYS_MAX: usize = 4;

/// Folded text in two forms.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// The words with one blank before each.
    pub(crate) spaced: Vec<u8>,
    /// The words without anything between them, so that spacing hides nothing.
    pub(crate) squeezed: Vec<u8>,
}

impl Folded {
    /// Appends a text until there are `max` octets.
    pub(crate) fn push(&mut self, text: &str, max: usize) {
        let mut word = Vec::new();
        let mut rest = text;
        let mut spelled = false;
        while !rest.is_empty() {
            let (letters, end) = letters(rest, &mut word);
            rest = &rest[end..];
            if word.is_empty() {
                // Two blanks end a word that is spelled with one between its letters.
                spelled = false;
                continue;
            }
            untype(&mut word);
            let room = max.saturating_sub(self.spaced.len() + 1);
            if room == 0 {
                break;
            }
            word.truncate(room);
            if !(spelled && letters == 1) {
                self.spaced.push(b' ');
            }
            spelled = letters == 1;
            self.spaced.extend_from_slice(&word);
            self.squeezed.extend_from_slice(&word);
        }
    }
}

/// Puts the letters and digits of the first word of a text into `out`, folded. Returns how many they are and where the
/// next word begins.
fn letters(text: &str, out: &mut Vec<u8>) -> (usize, usize) {
    out.clear();
    let mut count = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if b.is_ascii() {
            at += 1;
            if b.is_ascii_alphanumeric() {
                count += 1;
                out.push(b.to_ascii_lowercase());
            } else if b.is_ascii_whitespace() {
                return (count, at);
            }
            continue;
        }
        let Some(c) = text[at..].chars().next() else {
            break;
        };
        at += c.len_utf8();
        if c.is_whitespace() {
            return (count, at);
        }
        if let Some(folded) = folded(c) {
            count += 1;
            out.extend_from_slice(folded.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    (count, at)
}

/// Characters below this have their folded letters in a table: Latin with all marks, Greek, Cyrillic and what looks like them.
const TABLED: u32 = 0x2000;

/// Of each, what [`fold_one`] says of it: it takes several searches, and Vietnamese text asks for it at every third letter.
static TABLE: LazyLock<Vec<Option<char>>> = LazyLock::new(|| {
    (0..TABLED)
        .map(|number| char::from_u32(number).and_then(fold_one))
        .collect()
});

/// The letter or digit that remains of a character.
fn folded(c: char) -> Option<char> {
    match TABLE.get(c as usize) {
        Some(known) => *known,
        None => fold_one(c),
    }
}

/// The same, found out. `None` for a mark that stands apart: it belongs to the letter before it and goes with it.
fn fold_one(c: char) -> Option<char> {
    let lower = c.to_lowercase().next().unwrap_or(c);
    let folded = latin(lower).or_else(|| fold::base(lower).map(plain));
    folded.filter(|folded| folded.is_alphanumeric())
}

/// The plain letter of full-width, mathematical, circled and superscript ones.
fn plain(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    let mut first = None;
    decompose_compatible(c, |part| {
        if part.is_alphanumeric() && !is_combining_mark(part) {
            first.get_or_insert(part);
        }
    });
    first.map_or(c, |found| {
        latin(found).unwrap_or(found).to_ascii_lowercase()
    })
}

/// The Latin letter that a letter of another script, or a rare Latin one, is mistaken for.
pub(crate) fn latin(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' | 'ɑ' | 'ª' => 'a',
        'Ь' | 'ь' | 'ƅ' | 'β' | 'ß' | 'в' => 'b',
        'с' | 'ϲ' | 'ç' | '¢' => 'c',
        'ԁ' | 'ɗ' | 'ɖ' | 'ð' => 'd',
        'е' | 'ε' | 'є' | 'ҽ' | 'э' | 'ə' => 'e',
        'ƒ' | 'ſ' => 'f',
        'ɡ' | 'ց' => 'g',
        'һ' | 'ħ' | 'н' => 'h',
        'і' | 'ι' | 'ı' | 'ɩ' | 'ї' => 'i',
        'ј' | 'ϳ' => 'j',
        'κ' | 'к' | 'ĸ' => 'k',
        'ӏ' | 'ǀ' | 'ł' | 'ℓ' => 'l',
        'м' | 'ϻ' => 'm',
        'п' | 'η' | 'ŋ' | 'ո' | 'и' => 'n',
        'о' | 'ο' | 'օ' | 'ɵ' | 'σ' => 'o',
        'р' | 'ρ' | 'þ' => 'p',
        'ԛ' => 'q',
        'г' | 'ɾ' => 'r',
        'ѕ' | 'ʂ' => 's',
        'т' | 'τ' | 'ŧ' => 't',
        'υ' | 'ц' | 'ʋ' | 'ս' | 'µ' | 'μ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' | 'ѡ' | 'ш' => 'w',
        'х' | 'χ' | '×' => 'x',
        'у' | 'γ' | 'ү' | 'ý' => 'y',
        'ʐ' | 'ƶ' => 'z',
        _ => return None,
    })
}

/// A Vietnamese syllable typed with Telex or VNI keys becomes the syllable without its marks; anything else stays.
fn untype(word: &mut Vec<u8>) {
    if !(2..=TYPED_MAX).contains(&word.len()) || !word.is_ascii() || !word[0].is_ascii_alphabetic()
    {
        return;
    }
    let mut bare = [0; TYPED_MAX];
    let mut length = 0;
    let mut keys = 0;
    let mut toned = false;
    for (at, &key) in word.iter().enumerate() {
        let so_far = &bare[..length];
        let last = so_far.last().copied();
        let voiced = so_far.iter().any(|&b| is_vowel(b));
        let is_key = match key {
            b'1'..=b'9' => true,
            // dd, aa, ee, oo
            b'd' => at == 1 && last == Some(b'd'),
            b'a' | b'e' | b'o' => last == Some(key),
            b'w' => matches!(last, Some(b'a' | b'o' | b'u')),
            b's' | b'f' | b'r' | b'x' | b'j' => voiced && !toned,
            _ => false,
        };
        if is_key {
            keys += 1;
            toned |= matches!(key, b's' | b'f' | b'r' | b'x' | b'j');
        } else {
            bare[length] = key;
            length += 1;
        }
    }
    if keys > 0 && keys <= KEYS_MAX && is_syllable(&bare[..length]) {
        word.clear();
        word.extend_from_slice(&bare[..length]);
    }
}

fn is_vowel(b: u8) -> bool {
    matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// Initial consonants, one to three vowels, a final consonant that Vietnamese has.
fn is_syllable(letters: &[u8]) -> bool {
    let Some(start) = letters.iter().position(|&b| is_vowel(b)) else {
        return false;
    };
    let vowels = letters[start..]
        .iter()
        .take_while(|&&b| is_vowel(b))
        .count();
    vowels <= 3 && is_initial(&letters[..start]) && is_final(&letters[start + vowels..])
}

fn is_initial(letters: &[u8]) -> bool {
    match *letters {
        [one] => !matches!(one, b'f' | b'j' | b'w' | b'z'),
        []
        | [b'c' | b'g' | b'k' | b'n' | b'p' | b't', b'h']
        | [b'n', b'g']
        | [b't', b'r']
        | [b'n', b'g', b'h'] => true,
        _ => false,
    }
}

fn is_final(letters: &[u8]) -> bool {
    matches!(
        *letters,
        [] | [b'c' | b'm' | b'n' | b'p' | b't'] | [b'c' | b'n', b'h'] | [b'n', b'g']
    )
}

#[cfg(test)]
mod tests {
    use super::Folded;
    use unicode_normalization::UnicodeNormalization;

    fn folded(text: &str) -> String {
        let mut out = Folded::default();
        out.push(text, 10_000);
        String::from_utf8(out.squeezed).unwrap()
    }

    #[test]
    fn the_table_says_what_it_was_made_from() {
        for c in '\0'..='\u{3000}' {
            assert_eq!(super::folded(c), super::fold_one(c), "{c:?}");
        }
    }

    #[test]
    fn six_written_forms_are_one() {
        let plain = folded("Khuyến mãi đặc biệt: người được chọn nhận thưởng");
        assert_eq!(plain, "khuyenmaidacbietnguoiduocchonnhanthuong");
        let apart: String = "Khuyến mãi đặc biệt: người được chọn nhận thưởng"
            .nfd()
            .collect();
        for form in [
            apart.as_str(),
            "khuyen mai dac biet nguoi duoc chon nhan thuong",
            "khuyeens maix ddawcj bieetj nguwowif dduwowcj chonj nhaanj thuwowngr",
            "khuye61n ma4i d9a8c5 bie65t ngu7o7i2 d9u7o7c5 cho5n nha65n thu7o73ng",
            "k h u y ế n  m ã i  đ.ặ.c  b-i-ệ-t người được chọn nhận thưởng",
            "КHUУẾN mãі đặс bіệt пgười đượс chọп пhận thưởпg",
            "khu\u{200b}yến m\u{ad}ãi ｄａｃ 𝐛𝐢𝐞𝐭 nguoi duoc chon nhan thuong",
        ] {
            assert_eq!(folded(form), plain, "{form}");
        }
    }

    #[test]
    fn spelled_words_are_words_again() {
        let mut out = Folded::default();
        out.push("k h u y ế n  m ã i lớn  ở  đ ó,  5 6 a", 1000);
        assert_eq!(out.spaced, b" khuyen mai lon o do 56a");
    }

    #[test]
    fn rare_latin_letters() {
        assert_eq!(
            folded("SsĕŊ ThâŋGửĮ RiêngBạŋ 97.ooo"),
            "ssenthanguirienban97ooo".replace("rienban", "riengban")
        );
    }

    #[test]
    fn what_is_no_typing_stays() {
        assert_eq!(
            folded("letters cars buffer www h264 2026 b2b"),
            "letterscarsbufferwwwh2642026b2b"
        );
    }

    #[test]
    fn bounded() {
        let mut out = Folded::default();
        out.push(&"công văn, ".repeat(10_000), 100);
        assert!(out.spaced.len() <= 100 && out.spaced.len() > 90);
        assert!(out.spaced.starts_with(b" cong van cong"));
    }
}
