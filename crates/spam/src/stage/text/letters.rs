//! Tricks with the letters of a text: look-alikes of other scripts within words, letters that no language has together,
//! controls that no reader sees, words spelled letter by letter.
//!
//! Vietnamese, with all its marks, composed or not, is never one of them; nor are units (µm, kΩ), names of the languages of
//! the highlands (Čư M'gar), science (TNFα), or Russian with English words in it.

use crate::statistics::folded::latin;

/// Octets of a text that are looked at: tricks stand where they are read.
const OCTETS_MAX: usize = 16 * 1024;
/// Letters in a row, each a word of its own, from which on a word is spelled.
const SPELLED_MIN: usize = 5;

/// Words with Greek letters between Latin ones that are no formula.
const GREEK_MIN: usize = 5;

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Words of letters in all.
    pub(super) words: usize,
    /// Words with look-alike letters of other scripts, or with letters that no language has beside these.
    pub(super) disguised: usize,
    /// One of them.
    pub(super) example: Option<String>,
    /// Invisible characters within words, and characters that turn the direction around.
    pub(super) controls: usize,
    /// Letters of mathematics, in circles or squares.
    pub(super) fancy: usize,
    /// Letters of spelled words that are not all capitals.
    pub(super) spelled: usize,
    /// Letters in all.
    pub(super) letters: usize,
    /// Words half Latin, half Cyrillic, which Russian has too ("SMSка").
    halves: usize,
    /// Words with Greek letters between Latin ones, which formulas have too ("sinαcosβ").
    greek: usize,
    /// A whole word in Cyrillic or Greek.
    foreign: usize,
    /// Letters that are written from right to left.
    leftward: bool,
    /// Turns that such letters need.
    turns: usize,
}

/// Reads a text.
pub(super) fn read(text: &str) -> Seen {
    let mut seen = Seen::default();
    let mut run = Run::default();
    let text = &text[..text.floor_char_boundary(OCTETS_MAX)];
    for token in text.split_ascii_whitespace() {
        if token.is_ascii() {
            seen.letters += token.len();
            seen.words += 1;
            if token.len() > 2 {
                run.end(&mut seen);
                dotted(token, &mut seen);
            } else {
                run.ascii(token, &mut seen);
            }
            continue;
        }
        for word in token.split(['\u{A0}', '\u{3000}', '\u{2003}', '\u{2002}', '\u{2009}']) {
            if !word.is_empty() {
                seen.words += 1;
                run.word(word, &mut seen);
                dotted(word, &mut seen);
                // "μg/lần" is two words of two scripts.
                let parts = |c: char| c.is_ascii_punctuation() || c.is_ascii_digit();
                for part in word.split(parts).filter(|part| !part.is_ascii()) {
                    self::word(part, &mut seen);
                }
            }
        }
    }
    run.end(&mut seen);
    // What a Russian or Greek text does is its own affair.
    if seen.foreign == 0 {
        seen.disguised += seen.halves;
    }
    if seen.greek >= GREEK_MIN {
        seen.disguised += seen.greek;
    }
    if !seen.leftward {
        seen.controls += seen.turns;
    }
    seen
}

/// Words of a single letter in a row.
#[derive(Default)]
struct Run {
    letters: usize,
    small: bool,
    kinds: Vec<char>,
}

impl Run {
    fn ascii(&mut self, token: &str, seen: &mut Seen) {
        match token.as_bytes() {
            [b] if b.is_ascii_alphabetic() => self.push(char::from(*b)),
            [b] if b.is_ascii_punctuation() => {}
            _ => self.end(seen),
        }
    }

    fn word(&mut self, word: &str, seen: &mut Seen) {
        let mut chars = word.chars().filter(|c| !is_mark(*c));
        match (chars.next(), chars.next()) {
            (Some(c), None) if c.is_alphabetic() => self.push(c),
            _ => self.end(seen),
        }
    }

    fn push(&mut self, c: char) {
        self.letters += 1;
        self.small |= c.is_lowercase();
        if self.kinds.len() < 4 && !self.kinds.contains(&c) {
            self.kinds.push(c);
        }
    }

    fn end(&mut self, seen: &mut Seen) {
        // "C Ộ N G  H Ò A" heads official letters; "x x x x" ticks boxes.
        if self.letters >= SPELLED_MIN && self.small && self.kinds.len() >= 4 {
            seen.spelled += self.letters;
        }
        *self = Self::default();
    }
}

/// `V.i.a.g.r.a`, `t-i-ề-n`: letters with one and the same mark between them. `U.S.A.` is an abbreviation, `e.g.` too short.
fn dotted(token: &str, seen: &mut Seen) {
    const JOINED_MIN: usize = 3;
    let mut letters = 0;
    let mut small = false;
    let mut separator = None;
    let mut is_turn = true;
    for c in token.chars().filter(|c| !is_mark(*c)) {
        if is_turn && c.is_alphabetic() {
            letters += 1;
            small |= c.is_lowercase();
        } else if !is_turn
            && matches!(c, '.' | '-' | '_' | '*' | '|')
            && separator.is_none_or(|separator| separator == c)
        {
            separator = Some(c);
        } else if !is_turn && matches!(c, ',' | '!' | '?' | ':' | ';' | ')') {
            // What ends a sentence ends the word.
            break;
        } else if is_turn && letters > 0 {
            break;
        } else {
            return;
        }
        is_turn = !is_turn;
    }
    if letters >= SPELLED_MIN || (letters >= JOINED_MIN && small) {
        seen.spelled += letters;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    Other,
}

/// Letters of a word in which nothing can be wrong, as in nearly all of Vietnamese; `None`: it must be looked at.
fn ordinary(word: &str) -> Option<usize> {
    let mut letters = 0;
    for c in word.chars() {
        match c {
            'a'..='z'
            | 'A'..='Z'
            | '\u{C0}'..='\u{FF}'
            | '\u{1EA0}'..='\u{1EF9}'
            | 'ă'
            | 'Ă'
            | 'đ'
            | 'Đ'
            | 'ĩ'
            | 'Ĩ'
            | 'ũ'
            | 'Ũ'
            | 'ơ'
            | 'Ơ'
            | 'ư'
            | 'Ư' => {}
            _ => return None,
        }
        letters += 1;
    }
    Some(letters)
}

fn word(word: &str, seen: &mut Seen) {
    if let Some(letters) = ordinary(word) {
        seen.letters += letters;
        return;
    }
    let mut vietnamese = false;
    let mut odd = false;
    let mut foreign = 0;
    let mut unlike = false;
    let mut latins = 0;
    let mut changes = 0;
    let mut cyrillic = false;
    let mut before: Option<Script> = None;
    let mut hidden = 0;
    for c in word.chars() {
        let script = match c {
            'a'..='z'
            | 'A'..='Z'
            | '\u{C0}'..='\u{24F}'
            | '\u{250}'..='\u{2AF}'
            | '\u{1E00}'..='\u{1EFF}' => {
                vietnamese |= matches!(c, '\u{1EA0}'..='\u{1EF9}' | 'ơ' | 'ư' | 'Ơ' | 'Ư');
                odd |= is_odd(c);
                Script::Latin
            }
            '\u{400}'..='\u{52F}' => Script::Cyrillic,
            '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Script::Greek,
            '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}' => {
                hidden += usize::from(before == Some(Script::Latin));
                continue;
            }
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                seen.turns += usize::from(matches!(c, '\u{202D}' | '\u{202E}'));
                continue;
            }
            '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' => {
                seen.leftward = true;
                Script::Other
            }
            '\u{1D400}'..='\u{1D7CB}' | '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}' => {
                seen.fancy += 1;
                Script::Other
            }
            // Marks drawn through letters belong to no language.
            '\u{334}'..='\u{338}' => {
                odd = true;
                vietnamese = true;
                continue;
            }
            '0'..='9' | '\u{300}'..='\u{36F}' => continue,
            c if c.is_alphabetic() => Script::Other,
            _ => {
                // A hyphen parts what may be of two scripts.
                before = None;
                continue;
            }
        };
        seen.letters += 1;
        // Within a word, not at its end: a list may be joined by them.
        if script == Script::Latin {
            seen.controls += hidden;
            latins += 1;
        }
        hidden = 0;
        if matches!(script, Script::Cyrillic | Script::Greek) {
            foreign += 1;
            cyrillic |= script == Script::Cyrillic;
            let lower = c.to_lowercase().next().unwrap_or(c);
            unlike |= latin(lower).is_none() && latin(c).is_none();
        }
        if let Some(before) = before
            && before != script
            && script != Script::Other
            && before != Script::Other
        {
            changes += 1;
        }
        before = Some(script);
    }
    let mixed = latins > 0 && foreign > 0 && !unlike;
    let between = mixed && changes >= 2;
    if (vietnamese && (odd || foreign > 0) && latins > 1) || (between && cyrillic) {
        seen.disguised += 1;
        if seen.example.is_none() {
            seen.example = Some(word.to_owned());
        }
    } else if between {
        seen.greek += 1;
        if seen.example.is_none() {
            seen.example = Some(word.to_owned());
        }
    } else if mixed && changes == 1 && cyrillic && latins + foreign > 2 {
        seen.halves += 1;
        if seen.example.is_none() {
            seen.example = Some(word.to_owned());
        }
    } else if latins == 0 && foreign > 2 {
        seen.foreign += 1;
    }
}

/// Latin letters beyond Western Europe that neither Vietnamese nor the languages of Viet Nam's highlands write.
fn is_odd(c: char) -> bool {
    match c {
        'ă' | 'Ă' | 'đ' | 'Đ' | 'ĩ' | 'Ĩ' | 'ũ' | 'Ũ' | 'ơ' | 'Ơ' | 'ư' | 'Ư'
        // Ê Đê, Gia Rai, Ba Na, M'nông.
        | 'č' | 'Č' | 'ĕ' | 'Ĕ' | 'ĭ' | 'Ĭ' | 'ŏ' | 'Ŏ' | 'ŭ' | 'Ŭ' | 'ƀ' | 'Ƀ' => false,
        '\u{100}'..='\u{2AF}' => true,
        _ => false,
    }
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_normalization::UnicodeNormalization;

    fn tricks(text: &str) -> [usize; 4] {
        let seen = read(text);
        [seen.disguised, seen.controls, seen.fancy, seen.spelled]
    }

    #[test]
    fn no_vietnamese_syllable_is_a_trick() {
        const INITIALS: [&str; 28] = [
            "", "b", "c", "ch", "d", "đ", "g", "gh", "gi", "h", "k", "kh", "l", "m", "n", "ng",
            "ngh", "nh", "p", "ph", "qu", "r", "s", "t", "th", "tr", "v", "x",
        ];
        const VOWELS: [&str; 30] = [
            "a", "ă", "â", "e", "ê", "i", "o", "ô", "ơ", "u", "ư", "y", "ai", "ao", "âu", "ây",
            "eo", "êu", "ia", "iê", "oa", "oă", "oe", "oi", "ôi", "ơi", "uô", "ươ", "uyê", "ưu",
        ];
        const FINALS: [&str; 9] = ["", "c", "ch", "m", "n", "ng", "nh", "p", "t"];
        const TONES: [&str; 6] = ["", "\u{300}", "\u{301}", "\u{303}", "\u{309}", "\u{323}"];
        let mut text = String::new();
        for initial in INITIALS {
            for vowel in VOWELS {
                for last in FINALS {
                    for tone in TONES {
                        text.extend([initial, vowel, tone, last, " "]);
                    }
                }
            }
        }
        let composed: String = text.nfc().collect();
        let apart: String = text.nfd().collect();
        for form in [composed.clone(), apart, composed.to_uppercase()] {
            let mut rest = form.as_str();
            while !rest.is_empty() {
                let end = rest.floor_char_boundary(OCTETS_MAX);
                let seen = read(&rest[..end]);
                assert_eq!(
                    (seen.disguised, seen.controls, seen.fancy),
                    (0, 0, 0),
                    "{:?}",
                    seen.example
                );
                rest = &rest[end..];
            }
        }
    }

    #[test]
    fn what_looks_odd_and_is_not() {
        for text in [
            "C Ộ N G  H Ò A  X Ã  H Ộ I  C H Ủ  N G H Ĩ A  V I Ệ T  N A M",
            "Čư M'gar, Ƀuôn Ma Thuột, Krông Nô, Y Ƀih",
            "5 µm, 10 kΩ, TNFα, IFNγ, β-caroten, ĐT: 0123",
            "10μg/lần, 5μg/ngày, 3μm/độ; sinαcosβ + sinβcosα, kΩm",
            "Отправьте SMSку на iPhoneов и PDFы",
            "Gửi anh A, B, C, D và E; x x x x x x; a) b) c)",
            "U.S.A. e.g. i.e. a-b T.P.H v.v. Q.1 a--b",
            "Zażółć gęślą jaźń, Škoda, Łódź, Tōkyō, Ólafsson",
            "שלום\u{202e}abc",
            "\u{feff}Kính gửi \u{200b} các anh chị\u{200b}",
            "👨\u{200d}👩\u{200d}👧 नमस्ते क्\u{200d}ष",
            "I am a b c",
        ] {
            assert_eq!(tricks(text), [0; 4], "{text}");
        }
    }

    #[test]
    fn tricks_are_seen() {
        assert_eq!(tricks("Viеtcоmbank thâŋGửĮ RiêngBạŋ ŃạpĐầų"), [4, 0, 0, 0]);
        assert_eq!(tricks("khuyếп mãi раypal раураl"), [3, 0, 0, 0]);
        assert_eq!(tricks("Vιagra cαsino bοnus sαle lοan freε"), [5, 0, 0, 0]);
        assert_eq!(tricks("V\u{200b}i\u{200b}a\u{2060}gra"), [0, 3, 0, 0]);
        assert_eq!(tricks("abc\u{202e}fdp.exe"), [0, 1, 0, 0]);
        assert_eq!(tricks("𝐍𝐡𝐚̣̂𝐧 Ⓝⓖⓐⓨ"), [0, 0, 8, 0]);
        assert_eq!(tricks("k h u y ế n  m ã i"), [0, 0, 0, 9]);
        assert_eq!(tricks("V.i.a.g.r.a k-h-u-y-e-n"), [0, 0, 0, 12]);
        assert_eq!(tricks("t-i-\u{1ec1}-n mặt, m.a.u! V-a-y"), [0, 0, 0, 10]);
        assert_eq!(tricks("tiề\u{338}n"), [1, 0, 0, 0]);
    }

    #[test]
    fn hostile() {
        for piece in ["a ", "\u{200b}", "а", "aа", "a.", "\u{338}", "\u{a0}", "𝐚"] {
            assert!(read(&piece.repeat(100_000)).words <= OCTETS_MAX);
        }
    }
}
