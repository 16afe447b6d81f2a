//! Which words weighed most: the weights of hashed pieces gathered back to the words that contain them.
//!
//! People want to read words of the letter, so those of subject and visible text come first, with what they weigh as they
//! are written and folded; what the header says follows as `field: word`. Costs about as much as a scan, so it is done
//! for the few letters that are shown to somebody.

use congvu_message::fold;
use unicode_normalization::UnicodeNormalization;

use super::features::{Features, Seen, each_once, gram};
use super::folded::Folded;
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

/// The words of a letter, at most `most`: those of subject and text, the heaviest first, then those of the header. A
/// quarter of the places is the header's, more if the text has too few.
pub fn heaviest(model: &Model, letter: &Letter<'_>, features: &Features, most: usize) -> Vec<Word> {
    let mut header = of_header(model, letter, norm(&features.views[2]) * UNIT);
    let mut words = of_text(model, letter, features);
    sort(&mut words);
    sort(&mut header);
    words.truncate(most - header.len().min(most / 4));
    header.truncate(most - words.len());
    words.append(&mut header);
    words
}

/// The heaviest first. By name among equals, so that the same letter is always explained in the same words.
fn sort(words: &mut [Word]) {
    words.sort_by(|a, b| {
        let by_weight = b.weight.abs().total_cmp(&a.weight.abs());
        by_weight.then_with(|| a.text.cmp(&b.text))
    });
}

fn of_header(model: &Model, letter: &Letter<'_>, scale: f32) -> Vec<Word> {
    let mut words = Vec::new();
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
    words
}

/// Words of subject and visible text, with what they weigh in both views of the text. A word that comes again weighs
/// nothing more.
fn of_text(model: &Model, letter: &Letter<'_>, features: &Features) -> Vec<Word> {
    let mut texts: Vec<String> = Vec::new();
    let mut room = TEXT_MAX;
    let subject = letter.summary.envelope.subject.as_deref();
    for text in subject
        .into_iter()
        .chain(letter.texts.iter().map(crate::letter::Text::visible))
    {
        let text = &text[..text.floor_char_boundary(room)];
        room -= text.len();
        texts.push(text.nfc().collect());
    }
    let places: Vec<(&str, usize, usize)> = texts
        .iter()
        .flat_map(|text| places(text).map(move |(from, to)| (text.as_str(), from, to)))
        .collect();
    let mut weights = vec![0.0; places.len()];
    let scale = norm(&features.views[0]) * UNIT;
    each_once(|seen| {
        for (weight, &(text, from, to)) in weights.iter_mut().zip(&places) {
            *weight += scale * as_written(model, text.as_bytes(), from, to, seen);
        }
    });
    let scale = norm(&features.views[1]) * UNIT;
    each_once(|seen| {
        for (weight, &(text, from, to)) in weights.iter_mut().zip(&places) {
            let mut folded = Folded::default();
            folded.push(&text[from..to], WORD_MAX);
            *weight += scale * sum(model, 1, folded.spaced.windows(4), seen);
        }
    });
    let all = places.iter().zip(weights);
    all.filter(|(_, weight)| weight.abs() > LEAST)
        .map(|(&(text, from, to), weight)| Word {
            text: shown(&fold::normalize(&text[from..to])),
            weight,
        })
        .collect()
}

/// Where the words of a text begin and end; not those that are too long.
fn places(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let in_word = |c: char| c.is_alphanumeric() || c == '$';
            at += text[at..].find(in_word)?;
            let rest = &text[at..];
            let from = at;
            at += rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            if at - from <= WORD_MAX {
                return Some((from, at));
            }
        }
    })
}

/// The weight of the pieces that have most of themselves in the word: those that begin one octet before it up to two
/// before its end.
fn as_written(model: &Model, text: &[u8], from: usize, to: usize, seen: &mut Seen) -> f32 {
    let first = from.saturating_sub(1);
    let last = to.saturating_sub(2).max(first + 1);
    let end = (last + 3).min(text.len());
    sum(model, 0, text[first..end].windows(4), seen)
}

/// The weight of pieces not seen before.
fn sum<'a>(
    model: &Model,
    view: usize,
    pieces: impl Iterator<Item = &'a [u8]>,
    seen: &mut Seen,
) -> f32 {
    let mut sum = 0.0;
    for piece in pieces {
        if let Ok(octets) = piece.try_into() {
            let number = gram(octets);
            if seen.put(number) {
                sum += model.weight(view, number);
            }
        }
    }
    sum
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
        let header = words.iter().position(|word| word.text.contains(": "));
        let of_text = &words[..header.unwrap_or(words.len())];
        assert!(of_text.len() >= 3, "{words:?}");
        assert!(
            of_text
                .windows(2)
                .all(|pair| pair[0].weight.abs() >= pair[1].weight.abs())
        );
        assert!(
            words[of_text.len()..]
                .iter()
                .all(|word| word.text.contains(": ")),
            "{words:?}"
        );
    }

    #[test]
    fn disguised_words_weigh_what_they_are() {
        let model = Model::default();
        let read = |raw: &str, most: usize| {
            let summary = summarize(raw.as_bytes());
            let letter = Letter::read(raw.as_bytes(), &summary);
            heaviest(&model, &letter, &features(&letter), most)
        };
        for _ in 0..10 {
            for (text, class) in [("họp giao ban", Class::Ham), ("nhận thưởng", Class::Spam)]
            {
                let raw = format!("Subject: a\r\n\r\n{text}");
                let summary = summarize(raw.as_bytes());
                let found = features(&Letter::read(raw.as_bytes(), &summary));
                model.learn(&found, class, Rate::SORTED);
            }
        }
        let words = read("Subject: a\r\n\r\nnh\u{430}n thu\u{43e}ng", 4);
        assert!(words[0].weight > 0.1, "{words:?}");
        assert_eq!(read("Subject: a\r\n\r\nnhận thưởng", 1).len(), 1);
        assert!(read("Subject: a\r\n\r\nnhận thưởng", 0).is_empty());
    }

    #[test]
    fn where_words_are() {
        let found: Vec<&str> = places("a, bê-tông $5! x")
            .map(|(from, to)| &"a, bê-tông $5! x"[from..to])
            .collect();
        assert_eq!(found, ["a", "bê", "tông", "$5", "x"]);
        assert_eq!(places(&"x".repeat(100)).count(), 0);
    }
}
