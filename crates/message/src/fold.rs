//! Texts for searching: normal form, folding without diacritics, and the match between them.
//!
//! The normal form ([`normalize`]) keeps its diacritics: NFC, lower case, blanks collapsed. Folding
//! comes after it, so that both answers stay possible: a letter of the query *without* a mark
//! matches that letter with any mark (`cong van` finds `công văn`, as people type), a letter *with* a
//! mark matches only itself (`công` does not find `cống`). Unicode calls this asymmetric search
//! (UTS 10 section 8). `đ` counts as `d` with a mark.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::find;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// Octets of text that a search looks at in a message, half of them: more than the words of any letter; the rest
/// of a long report is found by its beginning.
pub const TEXT_MAX: usize = 256 * 1024;

/// NFC, lower case, runs of white space collapsed to one blank, trimmed.
pub fn normalize(text: &str) -> String {
    let mut out = Words {
        text: String::with_capacity(text.len()),
        blank: false,
    };
    // Nothing composes with a line end, so each line can go its own way.
    for line in text.split_inclusive('\n') {
        if line.chars().all(is_settled) {
            line.chars().flat_map(lower).for_each(|c| out.push(c));
        } else {
            // Lower-casing may decompose ("İ"), so NFC is restored after it.
            let composed = line.nfc().flat_map(char::to_lowercase).nfc();
            composed.for_each(|c| out.push(c));
        }
    }
    out.text
}

/// Text with single blanks between words.
struct Words {
    text: String,
    blank: bool,
}

impl Words {
    fn push(&mut self, c: char) {
        if c.is_whitespace() || c.is_control() {
            self.blank = true;
        } else if !is_invisible(c) && !self.is_stray(c) {
            if self.blank && !self.text.is_empty() {
                self.text.push(' ');
            }
            self.blank = false;
            self.text.push(c);
        }
    }

    /// A mark without a letter is part of no word.
    fn is_stray(&self, c: char) -> bool {
        !c.is_ascii() && (self.blank || self.text.is_empty()) && is_combining_mark(c)
    }
}

/// Characters of which any sequence is in NFC (`NFC_Quick_Check=Yes` and no marks, Unicode Standard Annex 15) and
/// stays so in lower case: Latin with all of Vietnamese, and punctuation. They make up nearly all mail here, and
/// normalising takes most of the time of receiving a message.
fn is_settled(c: char) -> bool {
    c.is_ascii()
        || (matches!(c, '\u{80}'..='\u{2FF}' | '\u{1E00}'..='\u{1EFF}' | '\u{2010}'..='\u{205E}')
            && c != 'İ')
}

/// As `char::to_lowercase`, quicker for ASCII.
fn lower(c: char) -> impl Iterator<Item = char> {
    let (ascii, other) = if c.is_ascii() {
        (Some(c.to_ascii_lowercase()), None)
    } else {
        (None, Some(c.to_lowercase()))
    };
    ascii.into_iter().chain(other.into_iter().flatten())
}

/// The base letter of a character of normalized text; `None` for a mark that stands alone.
pub fn base(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    let code = c as usize;
    for (range, bases) in [(LATIN, &LATIN_BASES), (VIETNAMESE, &VIETNAMESE_BASES)] {
        if range.contains(&code) {
            return bases.get(code - range.start).copied();
        }
    }
    match c {
        _ if is_combining_mark(c) => None,
        // Hangul syllables decompose into letters, which are no marks.
        '\u{AC00}'..='\u{D7A3}' => Some(c),
        _ => Some(first_of(c)),
    }
}

/// Latin letters with marks.
const LATIN: Range<usize> = 0xC0..0x250;
/// Latin letters with two marks and more.
const VIETNAMESE: Range<usize> = 0x1E00..0x1F00;

/// Base letters of [`LATIN`]: looking them up takes a tenth of the time of finding them.
static LATIN_BASES: LazyLock<Vec<char>> = LazyLock::new(|| bases(LATIN));
/// Base letters of [`VIETNAMESE`].
static VIETNAMESE_BASES: LazyLock<Vec<char>> = LazyLock::new(|| bases(VIETNAMESE));

fn bases(range: Range<usize>) -> Vec<char> {
    let letters = range.filter_map(|code| char::from_u32(u32::try_from(code).ok()?));
    letters.map(first_of).collect()
}

/// The first character of the canonical decomposition, and the letters that Unicode does not decompose.
fn first_of(c: char) -> char {
    match c {
        'đ' | 'ð' => 'd',
        'ł' => 'l',
        'ø' => 'o',
        _ => {
            let mut first = None;
            decompose_canonical(c, |part| {
                first.get_or_insert(part);
            });
            first.unwrap_or(c)
        }
    }
}

/// Normalized text without any diacritics.
pub fn fold(normalized: &str) -> String {
    normalized.chars().filter_map(base).collect()
}

/// As `fold(&normalize(text))`, in one go where characters are settled.
fn fold_raw(text: &str) -> String {
    let mut out = Words {
        text: String::with_capacity(text.len()),
        blank: false,
    };
    for line in text.split_inclusive('\n') {
        if !out.quickly(line) {
            let composed = line.nfc().flat_map(char::to_lowercase).nfc();
            composed.for_each(|c| out.push_base(c));
        }
    }
    out.text
}

/// What [`fold_raw`] makes of a character below [`QUICK_END`].
#[derive(Clone, Copy)]
enum Quick {
    Blank,
    Nothing,
    Letter(char),
    /// Only the slow way knows.
    Slow,
}

/// End of the Vietnamese letters.
const QUICK_END: usize = VIETNAMESE.end;

static QUICK: LazyLock<Vec<Quick>> = LazyLock::new(|| {
    let of = |c: char| {
        let mut lowered = lower(c);
        match (lowered.next(), lowered.next()) {
            _ if !is_settled(c) => Quick::Slow,
            _ if c.is_whitespace() || c.is_control() => Quick::Blank,
            _ if is_invisible(c) => Quick::Nothing,
            (Some(lowered), None) if !is_combining_mark(lowered) => {
                base(lowered).map_or(Quick::Slow, Quick::Letter)
            }
            _ => Quick::Slow,
        }
    };
    let characters = (0..QUICK_END).map(|code| char::from_u32(u32::try_from(code).ok()?));
    characters.map(|c| c.map_or(Quick::Slow, of)).collect()
});

impl Words {
    /// Adds the base letters of a line of settled characters; takes them back and says `false` when it has others.
    fn quickly(&mut self, line: &str) -> bool {
        let (length, blank) = (self.text.len(), self.blank);
        let quick = QUICK.as_slice();
        for c in line.chars() {
            match quick.get(c as usize) {
                Some(Quick::Letter(letter)) => {
                    if self.blank && !self.text.is_empty() {
                        self.text.push(' ');
                    }
                    self.blank = false;
                    self.text.push(*letter);
                }
                Some(Quick::Blank) => self.blank = true,
                Some(Quick::Nothing) => {}
                _ if is_settled(c) => self.push_base(c),
                _ => {
                    self.text.truncate(length);
                    self.blank = blank;
                    return false;
                }
            }
        }
        true
    }

    /// As [`Self::push`], and only the base letter stays.
    fn push_base(&mut self, c: char) {
        let length = self.text.len();
        self.push(c);
        if self.text.len() > length && self.text.ends_with(c) {
            self.text.truncate(self.text.len() - c.len_utf8());
            self.text.extend(base(c));
        }
    }
}

/// A query, prepared once for many texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Without diacritics.
    folded: String,
    /// Normalized characters, if any of them has a mark.
    exact: Option<Vec<char>>,
}

impl Query {
    /// From what a person typed.
    pub fn new(text: &str) -> Self {
        let normalized = normalize(text);
        let folded = fold(&normalized);
        let exact = (folded != normalized)
            .then(|| normalized.chars().filter(|&c| base(c).is_some()).collect());
        Self { folded, exact }
    }

    /// Whether the query is contained in `normalized` (made by [`normalize`]). An empty query is
    /// contained in everything (RFC 9051 section 6.4.4).
    pub fn matches(&self, normalized: &str) -> bool {
        let found = if normalized.is_ascii() {
            normalized.contains(&self.folded)
        } else {
            fold(normalized).contains(&self.folded)
        };
        match &self.exact {
            Some(wanted) if found => Self::stands_in(wanted, normalized),
            _ => found,
        }
    }

    /// Whether the query is contained in any text, which is normalized first.
    pub fn matches_raw(&self, text: &str) -> bool {
        let found = find(fold_raw(text).as_bytes(), self.folded.as_bytes()).is_some();
        match &self.exact {
            Some(wanted) if found => Self::stands_in(wanted, &normalize(text)),
            _ => found,
        }
    }

    fn stands_in(wanted: &[char], normalized: &str) -> bool {
        let text: Vec<char> = normalized.chars().filter(|&c| base(c).is_some()).collect();
        text.windows(wanted.len().max(1)).any(|window| {
            window.iter().zip(wanted).all(|(&have, &want)| {
                have == want || (base(want) == Some(want) && base(have) == Some(want))
            })
        })
    }
}

/// Soft hyphen, zero-width characters, byte order mark: part of no word.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form() {
        let check = |text, expected| assert_eq!(normalize(text), expected);
        check("  Công\u{a0} VĂN\r\n\tđến ", "công văn đến");
        check("Vie\u{323}\u{302}t", "việt");
        check("co\u{AD}ng\u{200B}van", "congvan");
        check("ĐƯỜNG", "đường");
        check("", "");
        assert_eq!(fold("đường nguyễn ớ ặ"), "duong nguyen o a");
        assert_eq!(fold("한글"), "한글");
        assert_eq!(fold("e\u{300}ĀżỲ\u{250}ἀ"), "eAzY\u{250}α");
    }

    /// The quick way gives what the slow one gives, for every character and its neighbours.
    #[test]
    fn settled_text_needs_no_normalising() {
        let settled: Vec<char> = ('\0'..='\u{FFFF}').filter(|&c| is_settled(c)).collect();
        assert!("aÀđằỮ–“”…".chars().all(is_settled));
        assert!(!"e\u{302}".chars().all(is_settled));
        let slow = |text: &str| -> String {
            let composed = text.nfc().flat_map(char::to_lowercase).nfc();
            composed.collect()
        };
        for &c in &settled {
            let quick: String = lower(c).collect();
            assert_eq!(quick, slow(&c.to_string()), "{c:?}");
        }
        let mut random = fastrand::Rng::with_seed(15);
        for _ in 0..2_000 {
            let text: String = (0..20).filter_map(|_| random.choice(&settled)).collect();
            let quick: String = text.chars().flat_map(lower).collect();
            assert_eq!(quick, slow(&text), "{text:?}");
        }
    }

    #[test]
    fn folding_in_one_go_gives_the_same() {
        let check = |text: &str| assert_eq!(fold_raw(text), fold(&normalize(text)), "{text:?}");
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let pieces =
            "aZđĐỮẠ\u{301}\u{323}e\u{AD}\u{200B}\u{2028}\u{85} \t\r\n\nİßΩ한😀ǅ–ʼ\u{64B}\u{1}";
        let pieces: Vec<char> = pieces.chars().collect();
        for _ in 0..3_000 {
            let count = random.usize(..20);
            let text: String = (0..count).filter_map(|_| random.choice(&pieces)).collect();
            check(&text);
            let text: String = (0..count).map(|_| random.char(..)).collect();
            check(&text);
        }
        for c in '\0'..='\u{FFFF}' {
            check(&format!("{c}a{c} {c}"));
        }
    }

    #[track_caller]
    fn check(query: &str, text: &str, expected: bool) {
        assert_eq!(
            Query::new(query).matches_raw(text),
            expected,
            "{query:?} in {text:?}"
        );
    }

    #[test]
    fn asymmetric() {
        check("cong van", "Về CÔNG VĂN số 12", true);
        check("công văn", "Về CÔNG VĂN số 12", true);
        check("công van", "Về CÔNG VĂN số 12", true);
        check("công", "cống", false);
        check("cong", "cống", true);
        check("đ", "d", false);
        check("d", "Đ", true);
        check("ôn", "cong công", true);
        check("", "x", true);
        check("", "", true);
        check("à", "", false);
        check("ng  v", "Công văn", true);
        check("Nguye\u{302}\u{303}n", "nguyễn", true);
        check("nguyen", "Nguye\u{302}\u{303}n", true);
    }
}
