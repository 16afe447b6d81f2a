//! Finds Vietnamese text whose charset is not named, or named wrongly: the reading whose words are Vietnamese
//! syllables is the right one.
//!
//! A sample of fixed size is read in each charset in turn. Only words with octets above 127 count, and only where the
//! reading differs from Windows-1252: what both read alike proves nothing. Other languages must never be taken for
//! Vietnamese, so doubt means no. VIQR is all of ASCII and cannot be told from plain text: only its label counts.

use crate::legacy::{Legacy, western_octet};
use crate::syllable::{is_common, is_syllable};

/// Octets looked at, from the line of the first one above 127 on: some 800 words.
const SAMPLE: usize = 4096;

/// When several readings are equally good, the first one is taken.
const READINGS: [Legacy; 7] = [
    Legacy::Utf8,
    Legacy::Windows1258,
    Legacy::Abc,
    Legacy::Tcvn,
    Legacy::Vni,
    Legacy::Viscii,
    Legacy::Vps,
];

/// The charset of Vietnamese text in octets that are not what their label says; `None` when in doubt.
pub(crate) fn octets(bytes: &[u8]) -> Option<Legacy> {
    let first = bytes.iter().position(|b| !b.is_ascii())?;
    let begin = bytes.get(..first)?.iter().rposition(|&b| b == b'\n');
    // No line of text is longer: HTML in one line begins later.
    let begin = begin.map_or(0, |at| at + 1).max(first.saturating_sub(256));
    let rest = bytes.get(begin..)?;
    let mut sample = rest.get(..SAMPLE).unwrap_or(rest);
    if sample.len() < rest.len() {
        // The last word may be cut.
        let end = sample.iter().rposition(u8::is_ascii_whitespace);
        sample = sample.get(..end.unwrap_or(sample.len()))?;
    }
    let mut best: Option<(usize, Legacy)> = None;
    for charset in READINGS {
        if charset == Legacy::Utf8 && std::str::from_utf8(bytes).is_err() {
            continue;
        }
        let tally = Tally::of(charset, sample);
        if tally.is_vietnamese() && best.is_none_or(|(good, _)| tally.good > good) {
            best = Some((tally.good, charset));
        }
    }
    best.map(|(_, charset)| charset)
}

/// Mends Unicode text that was made from a legacy charset as if that were Windows-1252; `None` for all other text.
pub(crate) fn mended(text: &str) -> Option<String> {
    let first = text.bytes().position(|b| !b.is_ascii())?;
    let begin = text.floor_char_boundary(first.saturating_sub(256));
    let mut sample = Vec::new();
    let mut letters = 0;
    for c in text.get(begin..)?.chars().take(SAMPLE) {
        // Real Vietnamese leaves here with its first letter that Windows-1252 has not.
        let octet = western_octet(c)?;
        letters += usize::from(octet > 0xA0);
        sample.push(octet);
    }
    // English with typographic quotes has none.
    if letters < 2 {
        return None;
    }
    let charset = octets(&sample)?;
    let mut out = String::with_capacity(text.len());
    let mut run = Vec::new();
    for c in text.chars() {
        if let Some(octet) = western_octet(c) {
            run.push(octet);
        } else {
            out.push_str(&charset.decode(&run));
            run.clear();
            out.push(c);
        }
    }
    out.push_str(&charset.decode(&run));
    Some(out)
}

/// What the words of a sample are in one reading.
#[derive(Debug, Default)]
struct Tally {
    /// Syllables with marks, read otherwise in Windows-1252.
    good: usize,
    /// Words with marks that are no syllables.
    bad: usize,
    /// Of the good ones, those that are common.
    common: usize,
    /// Different good ones, up to [`MANY`].
    kinds: Vec<String>,
    /// Words of ASCII that may be syllables without marks.
    plain: usize,
    /// Words of ASCII that may not.
    foreign: usize,
}

/// So many different syllables prove the reading even among many other words.
const MANY: usize = 5;

impl Tally {
    fn of(charset: Legacy, sample: &[u8]) -> Self {
        let mut tally = Self::default();
        let mut rest = sample;
        while let Some((&b, tail)) = rest.split_first() {
            if b == b'<'
                && tail
                    .first()
                    .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'/')
            {
                let end = tail.iter().position(|&b| b == b'>');
                rest = tail.get(end.unwrap_or(tail.len())..).unwrap_or_default();
                continue;
            }
            let length = rest.iter().take_while(|&&b| is_letter(charset, b)).count();
            let (word, after) = rest.split_at(length.max(1));
            rest = after;
            if length > 1 {
                tally.add(charset, word);
            }
            if tally.bad > 20 && tally.good < tally.bad {
                break;
            }
        }
        tally
    }

    fn add(&mut self, charset: Legacy, word: &[u8]) {
        let read = |charset: Legacy| {
            let text = charset.decode(word);
            text.trim_matches(|c: char| !c.is_alphabetic()).to_owned()
        };
        let reading = if word.is_ascii() {
            String::from_utf8_lossy(word).into_owned()
        } else {
            read(charset)
        };
        let length = reading.chars().count();
        if length < 2 {
            return;
        }
        // Abbreviations: "QĐ-UBND".
        if length <= 5
            && reading.chars().all(char::is_uppercase)
            && !is_syllable(&reading.to_lowercase())
        {
            return;
        }
        let lower = reading.to_lowercase();
        let valid = is_syllable(&lower);
        if reading.is_ascii() {
            *(if valid {
                &mut self.plain
            } else {
                &mut self.foreign
            }) += 1;
        } else if !valid {
            self.bad += 1;
        } else if reading != read(Legacy::Western) {
            self.good += 1;
            self.common += usize::from(is_common(&lower));
            if self.kinds.len() < MANY && !self.kinds.contains(&lower) {
                self.kinds.push(lower);
            }
        }
    }

    fn is_vietnamese(&self) -> bool {
        if self.kinds.len() >= MANY {
            // Names and typing errors stand in every text; one word in three or four is common.
            return self.good * 100 >= (self.good + self.bad) * 85 && self.common * 8 >= self.good;
        }
        // A subject: no word may speak against it.
        self.kinds.len() >= 2
            && self.bad == 0
            && self.common >= 1
            && self.good + self.plain >= 2 * self.foreign
    }
}

/// Octets of words. Octet A0 is a blank, but a letter in VISCII and half of "à" in UTF-8.
fn is_letter(charset: Legacy, b: u8) -> bool {
    match b {
        0xA0 => matches!(charset, Legacy::Utf8 | Legacy::Viscii),
        0x80.. => true,
        _ => b.is_ascii_alphabetic(),
    }
}
