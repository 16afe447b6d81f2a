//! A letter as numbers: which of 2^20 features each view has. One pass over bounded text, no allocation for each piece.
//!
//! A feature is there or not; how often does not count, so that repeating a word gains nothing. The text that other
//! filters wrote into the header is left out: what they think is not what the letter says, and learning it would be
//! learning their verdicts.

use std::cell::RefCell;

use congvu_message::{header, words};
use unicode_normalization::UnicodeNormalization;

use super::folded::Folded;
use super::tokens;
use crate::Letter;

/// Two to this power are the weights of a view: 4 MiB as f32. A quarter of it costs a tenth more mistakes, four times of
/// it gains nothing (measured).
pub const BITS: u32 = 20;
/// Views.
pub const VIEWS: usize = 3;
/// Octets of text of a view. Letters say what they want early; beyond this more text changed nothing (measured).
const VIEW_MAX: usize = 10_000;
/// Octets of header fields of a view together, so that text remains whatever the header.
const HEADER_MAX: usize = 4_000;
/// Octets of one field: lists of recipients are long and say little.
const FIELD_MAX: usize = 400;

/// The features of a letter: for each view the numbers of those it has, each once, below 2^[`BITS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// Decoded, folded, tokens.
    pub views: [Vec<u32>; VIEWS],
    /// Where in the decoded view the header ends and the text begins.
    pub text_from: usize,
}

/// Reads the features of a letter.
pub fn features(letter: &Letter<'_>) -> Features {
    let folded = letter.folded();
    let mut text_from = 0;
    Features {
        views: [
            each_once(|seen| {
                decoded(letter, |of_text, piece| {
                    if !of_text {
                        text_from = usize::MAX;
                    } else if text_from == usize::MAX {
                        text_from = seen.found.len();
                    }
                    seen.grams(piece, 0);
                });
                text_from = text_from.min(seen.found.len());
            }),
            each_once(|seen| {
                seen.grams(&folded.spaced, 0);
                seen.grams(&folded.squeezed, SALT);
            }),
            each_once(|seen| {
                tokens::visit(letter, |token| {
                    seen.put(token.hash());
                });
            }),
        ],
        text_from,
    }
}

/// The number of four octets.
pub(crate) fn gram(octets: [u8; 4]) -> u32 {
    number(u32::from_le_bytes(octets))
}

/// Told apart from the same octets in another form.
const SALT: u32 = 0x5BD1_E995;

/// Spreads 32 bits over the table: multiplication by odd constants with the high half folded in (after Knuth).
pub(crate) fn number(key: u32) -> u32 {
    let once = key.wrapping_mul(0x9E37_79B1);
    let twice = (once ^ (once >> 15)).wrapping_mul(0x85EB_CA77);
    twice >> (32 - BITS)
}

/// Gives the pieces of the decoded view and whether they are of the text: header fields with their names, then the
/// texts, markup included.
pub(crate) fn decoded(letter: &Letter<'_>, mut visit: impl FnMut(bool, &[u8])) {
    let mut room = HEADER_MAX;
    let mut line = Vec::new();
    let mut subject = Vec::new();
    for field in header::fields(letter.header()) {
        if is_of_filter(field.name) || is_trace(field.name) {
            continue;
        }
        line.clear();
        line.extend_from_slice(field.name);
        line.extend_from_slice(b": ");
        let value = &field.value[..field.value.len().min(FIELD_MAX)];
        line.extend_from_slice(composed(&words::decode(value)).as_bytes());
        line.push(b'\n');
        line.truncate(room);
        room -= line.len();
        if field.is("Subject") && subject.is_empty() {
            subject.extend_from_slice(&line);
        } else {
            visit(false, &line);
        }
        if room == 0 {
            break;
        }
    }
    // It is text: whoever disguises the text disguises it too.
    visit(true, &subject);
    let mut room = VIEW_MAX - (HEADER_MAX - room);
    for text in &letter.texts {
        let piece = &text.text[..text.text.floor_char_boundary(room)];
        visit(true, composed(piece).as_bytes());
        room -= piece.len();
        if room < 4 {
            break;
        }
    }
}

/// NFC, but only where marks stand apart: nearly all text is composed already.
fn composed(text: &str) -> std::borrow::Cow<'_, str> {
    // U+0300 to U+036F begin with CC or CD in UTF-8.
    if text.bytes().any(|b| matches!(b, 0xCC | 0xCD)) {
        text.nfc().collect::<String>().into()
    } else {
        text.into()
    }
}

/// The folded view: subject, then the visible text.
pub(crate) fn folded(letter: &Letter<'_>) -> Folded {
    let mut out = Folded::default();
    let subject = letter.summary.envelope.subject.as_deref();
    out.push(subject.unwrap_or_default(), FIELD_MAX);
    for text in &letter.texts {
        out.push(text.visible(), VIEW_MAX + FIELD_MAX);
    }
    out
}

/// Fields that say how a message travelled: they tell corpora apart, not letters.
pub(crate) fn is_trace(name: &[u8]) -> bool {
    const TRACE: [&str; 10] = [
        "received",
        "return-path",
        "delivered-to",
        "x-original-to",
        "date",
        "dkim-signature",
        "arc-seal",
        "arc-message-signature",
        "arc-authentication-results",
        "authentication-results",
    ];
    TRACE
        .iter()
        .any(|trace| name.eq_ignore_ascii_case(trace.as_bytes()))
}

/// Fields that other filters and mailboxes write.
pub(crate) fn is_of_filter(name: &[u8]) -> bool {
    const PREFIXES: [&str; 21] = [
        "x-spam",
        "x-spamd",
        "x-bogosity",
        "x-rspamd",
        "x-barracuda",
        "x-asg",
        "x-virus",
        "x-amavis",
        "x-antispam",
        "x-anti-spam",
        "x-microsoft-antispam",
        "x-forefront-antispam",
        "x-ms-exchange-organization-scl",
        "x-sid",
        "x-pmx",
        "x-ironport",
        "x-proofpoint",
        "x-mailscanner",
        "x-keywords",
        "x-status",
        "x-congvu",
    ];
    // All of them begin so; most fields do not.
    if !matches!(name.first(), Some(b'x' | b'X' | b's' | b'S')) {
        return false;
    }
    let starts = |prefix: &&str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    PREFIXES.iter().any(starts)
        || ["status", "x-uid", "x-dspam-result", "x-gmail-labels"]
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// Which features were seen: a bit each, so that each is counted once in one step.
pub(crate) struct Seen {
    bits: Vec<u64>,
    found: Vec<u32>,
}

thread_local! {
    /// 128 KiB that are cleared by what was set: asking for them anew takes a fifth of the scan.
    static SEEN: RefCell<Seen> = RefCell::new(Seen {
        bits: vec![0; 1 << (BITS - 6)],
        found: Vec::new(),
    });
}

/// The features that `visit` puts, each once, in the order in which they came.
pub(crate) fn each_once(visit: impl FnOnce(&mut Seen)) -> Vec<u32> {
    SEEN.with_borrow_mut(|seen| {
        // What a scan that failed left behind.
        seen.clear();
        visit(seen);
        let found = seen.found.clone();
        seen.clear();
        found
    })
}

impl Seen {
    /// Puts a feature; whether it is new.
    pub(crate) fn put(&mut self, number: u32) -> bool {
        let Some(word) = self.bits.get_mut(number as usize >> 6) else {
            return false;
        };
        let bit = 1 << (number & 63);
        let new = *word & bit == 0;
        if new {
            *word |= bit;
            self.found.push(number);
        }
        new
    }

    fn grams(&mut self, text: &[u8], salt: u32) {
        for octets in text.windows(4) {
            if let Ok(octets) = octets.try_into() {
                self.put(number(u32::from_le_bytes(octets) ^ salt));
            }
        }
    }

    fn clear(&mut self) {
        for number in self.found.drain(..) {
            if let Some(word) = self.bits.get_mut(number as usize >> 6) {
                *word = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use congvu_message::summarize;

    fn of(raw: &str) -> Features {
        let summary = summarize(raw.as_bytes());
        features(&Letter::read(raw.as_bytes(), &summary))
    }

    #[test]
    fn a_feature_counts_once() {
        for view in of("Subject: aaaa aaaa\r\n\r\nkhuyến mãi khuyến mãi").views {
            let mut sorted = view.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), view.len());
            assert!(!view.is_empty() && view.iter().all(|&number| number >> BITS == 0));
        }
    }

    #[test]
    fn other_filters_are_not_heard() {
        let plain = "From: a@b.example\r\nSubject: x\r\n\r\ntext";
        for field in [
            "X-Spam-Status: Yes",
            "X-Spam: yes",
            "x-bogosity: Spam",
            "X-Rspamd-Score: 15",
            "X-MS-Exchange-Organization-SCL: 9",
            "Status: RO",
        ] {
            assert_eq!(of(&format!("{field}\r\n{plain}")), of(plain), "{field}");
        }
        assert_ne!(of(&format!("X-Mailer: y\r\n{plain}")), of(plain));
    }

    #[test]
    fn marks_apart_or_not_are_the_same() {
        let apart: String = "Subject: a\r\n\r\nKhuyến mãi lớn, miễn phí".nfd().collect();
        let together: String = apart.nfc().collect();
        assert_ne!(apart, together);
        assert_eq!(of(&apart).views, of(&together).views);
    }

    #[test]
    fn a_long_letter_has_bounded_features() {
        let words: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
        let found = of(&format!("Subject: x\r\n\r\n{}", words.join(" ")));
        assert!(
            found
                .views
                .iter()
                .all(|view| view.len() <= 2 * (VIEW_MAX + FIELD_MAX))
        );
    }
}
