//! The coding of words: Vietnamese syllables as one or two octets each, so that zstd gets a third of the octets
//! and finds their frequencies where its matches are too short to pay. Anything else stays as it is or is escaped;
//! every sequence of octets comes back exactly.
//!
//! | octet | meaning |
//! |---|---|
//! | `80`–`E7` | a common syllable |
//! | `E8`–`FF`, `0E`–`1E` | with the next octet, a less common one |
//! | `1F` | with the next two octets, a rare one |
//! | `01` | the next syllable follows without a blank |
//! | `02`, `03` | the next syllable begins with a capital, is all capitals |
//! | `04` | the next character stands as it is (length by its first octet, as in UTF-8) |
//! | `0A` | CR LF |
//! | others | themselves |
//!
//! A syllable has a blank before it, unless what stands before it opens something or is a blank or line end.

use std::sync::LazyLock;

use super::syllables;

const JOINED: u8 = 1;
const CAPITAL: u8 = 2;
const CAPITALS: u8 = 3;
const ESCAPE: u8 = 4;
/// First code of one octet.
const SHORT: u8 = 0x80;
/// Codes of one octet.
const SHORTS: usize = 0x68;
/// First octets of codes of two.
const HIGH: std::ops::RangeInclusive<u8> = 0xE8..=0xFF;
const LOW: std::ops::RangeInclusive<u8> = 0x0E..=0x1E;
/// First octet of codes of three.
const LONG: u8 = 0x1F;
/// Codes of one or two octets.
const SHORTER: usize = SHORTS + (24 + 17) * 256;
/// Longest word that can be a syllable, octets: `nghiễng` has ten.
const LONGEST: usize = 12;
/// Places of the table of forms are two to this power: three times as many as forms.
const BITS: u32 = 17;
const PLACES: usize = 1 << BITS;

/// A syllable as it is written, in one cache line with its number: looking words up is most of the work.
#[derive(Clone, Copy, Default)]
struct Form {
    key: Key,
    /// 0, [`CAPITAL`] or [`CAPITALS`].
    case: u8,
    number: u16,
}

/// A word's octets and their count, compared and hashed as numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Key {
    text: [u8; LONGEST],
    /// 0: no word.
    length: u8,
}

impl Key {
    /// `None` for what is too long or too short to be a syllable with a number.
    fn new(word: &[u8]) -> Option<Self> {
        let length = u8::try_from(word.len()).ok()?;
        if !(2..=LONGEST).contains(&word.len()) {
            return None;
        }
        let mut text = [0; LONGEST];
        text[..word.len()].copy_from_slice(word);
        Some(Self { text, length })
    }

    /// The key of the first `length` octets of `around`, without a loop over them.
    fn cut(around: [u8; LONGEST], length: usize) -> Option<Self> {
        if !(2..=LONGEST).contains(&length) {
            return None;
        }
        let mut whole = [0; 16];
        whole[..LONGEST].copy_from_slice(&around);
        let kept = u128::from_le_bytes(whole) & ((1 << (8 * length)) - 1);
        let mut text = [0; LONGEST];
        text.copy_from_slice(&kept.to_le_bytes()[..LONGEST]);
        Some(Self {
            text,
            length: u8::try_from(length).ok()?,
        })
    }

    /// Where the table looks first. Multiplied by odd numbers, the high bits depend on all octets.
    fn place(self) -> usize {
        let mut whole = [0; 16];
        whole[..LONGEST].copy_from_slice(&self.text);
        let [first, second] = [0, 64].map(|shift| {
            let half = u128::from_le_bytes(whole) >> shift & u128::from(u64::MAX);
            u64::try_from(half).unwrap_or(0)
        });
        let mixed = (first
            ^ (second << 8 | u64::from(self.length)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_mul(0xD6E8_FEB8_6659_FD93);
        usize::try_from((mixed ^ mixed >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS))
            .unwrap_or(0)
    }
}

impl Form {
    fn new(text: &str, number: usize, case: u8) -> Self {
        Self {
            key: Key::new(text.as_bytes()).expect("two to LONGEST octets"),
            case,
            number: u16::try_from(number).expect("fewer than 2^16"),
        }
    }
}

struct Table {
    /// By case, then number.
    forms: [Vec<Form>; 3],
    /// By hash, with linear probing.
    places: Vec<Form>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let lower = syllables::table();
    let capital = |syllable: &String| {
        let mut chars = syllable.chars();
        let first = chars.next().into_iter().flat_map(char::to_uppercase);
        first.chain(chars).collect::<String>()
    };
    let forms = |case, written: &dyn Fn(&String) -> String| {
        let texts = lower.iter().map(written).enumerate();
        texts
            .map(|(number, text)| Form::new(&text, number, case))
            .collect()
    };
    let mut table = Table {
        forms: [
            forms(0, &String::clone),
            forms(CAPITAL, &capital),
            forms(CAPITALS, &|syllable| syllable.to_uppercase()),
        ],
        places: vec![Form::default(); PLACES],
    };
    for form in table.forms.iter().flatten() {
        let mut place = form.key.place();
        // The first of two that are written alike stays.
        while table.places[place].key.length > 0 && table.places[place].key != form.key {
            place = (place + 1) % PLACES;
        }
        if table.places[place].key.length == 0 {
            table.places[place] = *form;
        }
    }
    table
});

impl Table {
    fn form(&self, number: usize, case: u8) -> Option<&Form> {
        self.forms[usize::from(case.saturating_sub(1))].get(number)
    }

    /// The syllable of `length` octets at a place.
    fn find(&self, octets: &[u8], at: usize, length: usize) -> Option<&Form> {
        let rest = octets.get(at..)?;
        let key = match rest.first_chunk() {
            Some(around) => Key::cut(*around, length),
            None => Key::new(rest.get(..length)?),
        }?;
        let mut place = key.place();
        loop {
            let form = &self.places[place];
            if form.key == key {
                return Some(form);
            }
            if form.key.length == 0 {
                return None;
            }
            place = (place + 1) % PLACES;
        }
    }
}

/// Whether a syllable after this octet has a blank before it that is not written down.
fn spaced(before: u8) -> bool {
    !matches!(
        before,
        b'\n' | b' ' | b'\t' | b'(' | b'[' | b'"' | b'\'' | b'/' | b'-' | b'>' | b'=' | b'_'
    )
}

fn is_letter(octet: u8) -> bool {
    octet >= 0x80 || octet.is_ascii_alphabetic()
}

/// Octets of the character that begins with this one; 1 for what begins none.
fn length(first: u8) -> usize {
    match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    }
}

/// Whether octets look like text in which syllables will be found: UTF-8 (all but a thirty-second), with enough
/// letters that are not ASCII at its beginning.
fn is_worth_it(octets: &[u8]) -> bool {
    let begin = &octets[..octets.len().min(SAMPLE)];
    if begin.iter().filter(|octet| **octet >= 0x80).count() * 32 <= begin.len() {
        return false;
    }
    // Nearly all text is UTF-8 throughout, which is quicker to see.
    if std::str::from_utf8(octets).is_ok() {
        return true;
    }
    let mut left = octets.len() / 32 + 2;
    for chunk in octets.utf8_chunks() {
        let Some(now) = left.checked_sub(chunk.invalid().len()) else {
            return false;
        };
        left = now;
    }
    true
}

/// Octets looked at for letters.
const SAMPLE: usize = 4096;

/// The coded form, if it is shorter by a tenth at least.
pub(super) fn encode(octets: &[u8]) -> Option<Vec<u8>> {
    if !is_worth_it(octets) {
        return None;
    }
    let table = &*TABLE;
    let mut out = Vec::with_capacity(octets.len());
    let mut before = b'\n';
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        // A blank that a syllable brings with it.
        if octet == b' ' && spaced(before) {
            let word = word(octets, at + 1);
            if let Some(form) = table.find(octets, at + 1, word.len()) {
                put(form, &mut out);
            } else {
                out.push(octet);
                plain(word, &mut out);
            }
            at += 1 + word.len();
            before = word.last().copied().unwrap_or(octet);
            continue;
        }
        if is_letter(octet) {
            let word = word(octets, at);
            if let Some(form) = table.find(octets, at, word.len()) {
                if spaced(before) {
                    out.push(JOINED);
                }
                put(form, &mut out);
            } else {
                plain(word, &mut out);
            }
            at += word.len();
            before = word[word.len() - 1];
            continue;
        }
        match octet {
            b'\r' if octets.get(at + 1) == Some(&b'\n') => {
                out.push(b'\n');
                at += 1;
                before = b'\n';
                at += 1;
                continue;
            }
            JOINED..=ESCAPE | b'\n' | 0x0E..=0x1F => out.extend_from_slice(&[ESCAPE, octet]),
            _ => out.push(octet),
        }
        before = octet;
        at += 1;
    }
    (out.len() < octets.len() - octets.len() / 10).then_some(out)
}

/// The letters from a place on.
fn word(octets: &[u8], at: usize) -> &[u8] {
    let rest = octets.get(at..).unwrap_or_default();
    let end = rest.iter().position(|octet| !is_letter(*octet));
    &rest[..end.unwrap_or(rest.len())]
}

fn put(form: &Form, out: &mut Vec<u8>) {
    if form.case > 0 {
        out.push(form.case);
    }
    let number = usize::from(form.number);
    if number < SHORTS {
        out.push(SHORT + u8::try_from(number).expect("below SHORTS"));
    } else {
        let below = number < SHORTER;
        let rest = number - if below { SHORTS } else { SHORTER };
        let high = u8::try_from(rest / 256).expect("below 2^8 as numbers are below 2^16");
        let span = HIGH.end() - HIGH.start() + 1;
        match high {
            _ if !below => out.extend_from_slice(&[LONG, high]),
            _ if high < span => out.push(HIGH.start() + high),
            _ => out.push(LOW.start() + (high - span)),
        }
        out.push(u8::try_from(rest % 256).expect("a rest of 256"));
    }
}

/// Letters that are no syllable.
fn plain(word: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&octet) = word.get(at) {
        let count = if octet < 0x80 {
            1
        } else {
            out.push(ESCAPE);
            length(octet).min(word.len() - at)
        };
        out.extend_from_slice(&word[at..at + count]);
        at += count;
    }
}

/// Back from the coded form; `None` when it is none, or gives more than `most` octets.
pub(super) fn decode(coded: &[u8], most: usize) -> Option<Vec<u8>> {
    let table = &*TABLE;
    let mut out: Vec<u8> = Vec::with_capacity(most + LONGEST);
    let (mut joined, mut case) = (false, 0);
    let mut rest = coded;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        let number = match octet {
            JOINED => {
                joined = true;
                continue;
            }
            CAPITAL | CAPITALS => {
                case = octet;
                continue;
            }
            ESCAPE => {
                let count = length(*rest.first()?).min(rest.len());
                let (character, after) = rest.split_at(count);
                out.extend_from_slice(character);
                rest = after;
                None
            }
            b'\n' => {
                out.extend_from_slice(b"\r\n");
                None
            }
            0x80..=0xE7 => Some(usize::from(octet - SHORT)),
            LONG => {
                let (number, after) = rest.split_first_chunk()?;
                rest = after;
                Some(SHORTER + usize::from(u16::from_be_bytes(*number)))
            }
            0xE8.. | 0x0E..=0x1E => {
                let (&low, after) = rest.split_first()?;
                rest = after;
                let high = if octet >= *HIGH.start() {
                    octet - HIGH.start()
                } else {
                    octet - LOW.start() + (HIGH.end() - HIGH.start() + 1)
                };
                Some(SHORTS + usize::from(high) * 256 + usize::from(low))
            }
            _ => {
                out.push(octet);
                None
            }
        };
        if let Some(number) = number {
            if !joined && spaced(out.last().copied().unwrap_or(b'\n')) {
                out.push(b' ');
            }
            // A copy of a fixed length is quicker than one of two to twelve octets.
            let key = &table.form(number, case)?.key;
            let end = out.len() + usize::from(key.length);
            out.extend_from_slice(&key.text);
            out.truncate(end);
        } else if joined || case > 0 {
            return None;
        }
        (joined, case) = (false, 0);
        if out.len() > most {
            return None;
        }
    }
    (!joined && case == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8]) -> usize {
        // Around it what makes it worth coding.
        let around = "công việc của chúng tôi được thực hiện ".repeat(20);
        let whole = [around.as_bytes(), text, around.as_bytes()].concat();
        let coded = encode(&whole).expect("it is shorter");
        assert_eq!(decode(&coded, whole.len()).as_deref(), Some(&whole[..]));
        assert_eq!(decode(&coded, whole.len() - 1), None, "longer than allowed");
        coded.len()
    }

    #[test]
    fn texts_come_back_exactly() {
        for text in [
            "Kính gửi: Ủy ban nhân dân TỈNH (Sở Nội vụ)\r\n> Công văn số 12/NĐ-CP",
            "hai  blanks, bare\nline \r return, \u{1}\u{2}\u{3}\u{4}\u{5}\u{e}\u{1f}, tab\tcông",
            "Đ đ Ð ễ ß 😀 日本 ăâ xyz công-việc \"công\" 'việc' _là_ =có=",
            "",
            "ư",
            "NGUYỄN Nguyễn nGuyễn nguyễN",
        ] {
            check(text.as_bytes());
        }
        check(b"\xE1\xBB");
        check(b" \xFF\xC3 \x80\xE1a");
    }

    #[test]
    fn any_octets_are_read_without_panic() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..5_000 {
            let length = random.usize(..60);
            let octets: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            if let Some(text) = decode(&octets, 4096) {
                assert!(text.len() <= 4096);
            }
            let pieces = ["công", " ", "Việc", "\r\n", "\n", "ễ", "-", "\u{4}", "a"];
            let text: String = (0..length)
                .map(|_| *random.choice(&pieces).unwrap())
                .collect();
            check(text.as_bytes());
            let cut = random.usize(..=text.len());
            check(&text.as_bytes()[cut..]);
        }
    }

    #[test]
    fn vietnamese_gets_a_third() {
        let text = "Căn cứ chức năng, nhiệm vụ được giao, Sở Nội vụ báo cáo kết quả thực hiện công tác tháng này. ";
        let text = text.repeat(10);
        let coded = encode(text.as_bytes()).unwrap();
        assert!(
            coded.len() * 3 < text.len(),
            "{} of {}",
            coded.len(),
            text.len()
        );
        assert_eq!(
            encode("No Vietnamese here at all. ".repeat(20).as_bytes()),
            None
        );
        assert_eq!(encode(&[0xFF; 400]), None);
    }
}
