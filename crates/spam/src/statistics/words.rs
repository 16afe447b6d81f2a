//! Which words weighed most: the weights of hashed pieces gathered back to the words that contain them.
//!
//! Costs about as much as a scan, so it is done for the few letters that are shown to somebody.

use congvu_message::fold;

use super::features::{Features, Seen, decoded, each_once, gram};
use super::model::{Model, UNIT, norm};
use super::tokens;
use crate::Letter;
use crate::evidence::shown;

/// Octets of text looked at.
const TEXT_MAX: usize = 10_000;
/// Octets of a word shown; longer ones are codes.
const WORD_MAX: usize = 40;
/// Log-odds below which a word is not worth a mention.
const LEAST: f32 = 0.02;

/// A word and what it weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// The word in lower case; `field: word` for one of the header.
    pub text: String,
    /// Log-odds; positive speaks for spam.
    pub weight: f32,
}

/// The words of a letter, the heaviest first, at most `most`.
pub fn heaviest(model: &Model, letter: &Letter<'_>, features: &Features, most: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let scale = norm(&features.views[0]) * UNIT;
    let mut room = TEXT_MAX;
    each_once(|seen| {
        decoded(letter, |_, piece| {
            let piece = &piece[..piece.len().min(room)];
            room -= piece.len();
            of_text(model, piece, scale, seen, &mut words);
        });
    });
    let scale = norm(&features.views[2]) * UNIT;
    each_once(|seen| {
        tokens::visit(letter, |token| {
            let number = token.hash();
            let weight = model.weight(2, number) * scale;
            if weight.abs() > LEAST && seen.put(number) {
                let of = String::from_utf8_lossy(token.of);
                let word = String::from_utf8_lossy(token.word);
                words.push(Word {
                    text: shown(&format!("{of}: {word}").to_lowercase()),
                    weight,
                });
            }
        });
    });
    // By name among equals, so that the same letter is always explained in the same words.
    words.sort_by(|a, b| {
        let by_weight = b.weight.abs().total_cmp(&a.weight.abs());
        by_weight.then_with(|| a.text.cmp(&b.text))
    });
    words.truncate(most);
    words
}

/// Adds the words of a text. A piece counts for the word that most of it lies in, where it stands first; so a word that
/// comes again weighs nothing more.
fn of_text(model: &Model, text: &[u8], scale: f32, seen: &mut Seen, words: &mut Vec<Word>) {
    let in_word = |b: u8| b.is_ascii_alphanumeric() || b >= 0x80 || b == b'$';
    let mut at = 0;
    while at < text.len() {
        if !in_word(text[at]) {
            at += 1;
            continue;
        }
        let end = text[at..]
            .iter()
            .position(|&b| !in_word(b))
            .map_or(text.len(), |found| at + found);
        // Pieces that begin one octet before the word up to two before its end have most of themselves in it.
        let first = at.saturating_sub(1);
        let last = end.saturating_sub(2).max(first + 1);
        let mut sum = 0.0;
        for start in first..last {
            if let Some(octets) = text.get(start..).and_then(|rest| rest.first_chunk::<4>()) {
                let number = gram(*octets);
                if seen.put(number) {
                    sum += model.weight(0, number);
                }
            }
        }
        let weight = sum * scale;
        if weight.abs() > LEAST && end - at <= WORD_MAX {
            let word = fold::normalize(&String::from_utf8_lossy(&text[at..end]));
            words.push(Word {
                text: shown(&word),
                weight,
            });
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Class, Rate, features};
    use congvu_message::summarize;

    #[test]
    fn names_the_words_that_tell() {
        let model = Model::default();
        let texts = [
            ("Kính gửi các đơn vị, đề nghị nạp báo cáo", Class::Ham),
            ("Kính gửi quý khách, nạp ngay nhận thưởng", Class::Spam),
        ];
        for _ in 0..20 {
            for (text, class) in texts {
                let raw = format!("Subject: thư\r\n\r\n{text}");
                let summary = summarize(raw.as_bytes());
                let found = features(&Letter::read(raw.as_bytes(), &summary));
                model.learn(&found, class, Rate::SORTED);
            }
        }
        let raw = "Subject: thư\r\n\r\nKính gửi: nhận thưởng và báo cáo";
        let summary = summarize(raw.as_bytes());
        let letter = Letter::read(raw.as_bytes(), &summary);
        let words = heaviest(&model, &letter, &features(&letter), 10);
        let weight = |text: &str| {
            let found = words.iter().find(|word| word.text == text);
            found.map_or(0.0, |word| word.weight)
        };
        assert!(weight("thưởng") > 0.1, "{words:?}");
        assert!(weight("báo") < -0.05, "{words:?}");
        assert!(weight("kính").abs() < weight("thưởng"));
        assert!(
            words
                .windows(2)
                .all(|pair| pair[0].weight.abs() >= pair[1].weight.abs())
        );
    }
}
