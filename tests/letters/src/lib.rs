//! Test mail: office letters of two Vietnamese houses and the spam of their time, from grammars, by seed.
//!
//! The two houses ([`House`]) share the forms of documents and the mail programs, as all offices do, but no place, office,
//! subject, sender or signature; the campaigns of spam are of the same kinds in other words. What was learned of one says
//! little about the other, so that a measurement on the other measures something. Every letter is a function of house,
//! campaign, seed and number; spam moreover of the [`Form`] that it is written in, and the same letter in all forms.
//!
//! Good for gates against regressions. No proof of quality on real mail: the grammars know some hundred sentences, real
//! offices write millions. Nobody in these letters exists; all domains are reserved ones (RFC 2606).
//!
//! No dependencies: `xtask` uses it, and tests do without the server.

mod body;
mod client;
pub mod corpus;
mod date;
mod grammar;
mod letter;
mod octets;
mod person;
mod random;
mod values;
mod writing;

pub use writing::Form;

use grammar::Grammar;
use random::Random;

/// Links in texts stand between these until the body is made: address and label.
pub(crate) const LINK: char = '\u{E000}';
/// See [`LINK`].
pub(crate) const LINK_END: char = '\u{E001}';

/// When the first letter was written: 5 January 2026, 8:00 in Vietnam.
const BEGIN: u64 = 1_767_574_800;
/// Seconds between letters of a class.
const SPACING: u64 = 600;

/// An office, or the campaigns of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum House {
    /// Agriculture, roads and land of a lowland province.
    A,
    /// Health, schools and culture of a mountain city.
    B,
}

/// Whether a letter is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wanted.
    Ham,
    /// Not wanted.
    Spam,
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Whether it is wanted.
    pub class: Class,
    /// Its kind: `dispatch`, `gambling` …
    pub genre: &'static str,
    /// How it is written.
    pub form: Form,
    /// When it was sent, seconds since 1970.
    pub time: u64,
    /// The message, with CRLF.
    pub raw: Vec<u8>,
}

/// Makes letters.
#[derive(Debug)]
pub struct Generator {
    ham: Grammar,
    spam: Grammar,
    house: House,
    campaigns: House,
    seed: u64,
}

impl Generator {
    /// Letters of a house and the spam of its time.
    pub fn new(house: House, seed: u64) -> Self {
        Self::with_campaigns(house, house, seed)
    }

    /// Letters of a house, and spam from the campaigns of that or of the other's time.
    pub fn with_campaigns(house: House, campaigns: House, seed: u64) -> Self {
        let office = include_str!("../data/office.txt");
        let own = match house {
            House::A => include_str!("../data/house-a.txt"),
            House::B => include_str!("../data/house-b.txt"),
        };
        let campaign = match campaigns {
            House::A => include_str!("../data/spam-a.txt"),
            House::B => include_str!("../data/spam-b.txt"),
        };
        Self {
            ham: Grammar::read(&[office, own]),
            spam: Grammar::read(&[include_str!("../data/spam.txt"), campaign]),
            house,
            campaigns,
            seed,
        }
    }

    /// The office letter of that number.
    pub fn ham(&self, number: u64) -> Letter {
        self.ham_at(number, BEGIN + number * SPACING)
    }

    /// The unwanted letter of that number, written in a form.
    pub fn spam(&self, number: u64, form: Form) -> Letter {
        self.spam_at(number, form, BEGIN + number * SPACING)
    }

    /// The form in which spam of that number comes when forms are mixed: half with diacritics, a tenth in each other.
    pub fn mixed(&self, number: u64) -> Form {
        let drawn = Random::new(&[self.seed, 5, number]).below(10);
        Form::ALL[drawn.saturating_sub(4)]
    }

    fn ham_at(&self, number: u64, time: u64) -> Letter {
        let mut random = Random::new(&[self.seed, self.house as u64, 11, number]);
        letter::ham(&self.ham, self.house, time, &mut random)
    }

    fn spam_at(&self, number: u64, form: Form, time: u64) -> Letter {
        let mut random = Random::new(&[self.seed, self.campaigns as u64, 13, number]);
        letter::spam(&self.spam, self.house, time, form, &mut random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_that_is_asked_for_exists() {
        let (ham, spam) = letter::beginnings();
        for house in [House::A, House::B] {
            let generator = Generator::new(house, 1);
            for (grammar, beginnings) in [(&generator.ham, &ham), (&generator.spam, &spam)] {
                let (rules, values) = grammar.asked();
                for rule in rules.iter().chain(beginnings) {
                    assert!(grammar.has(rule), "no rule {rule} ({house:?})");
                }
                for value in values {
                    let known = values::NAMES.contains(&value.as_str())
                        || matches!(value.as_bytes(), [b'n', b'1'..=b'6']);
                    assert!(known, "no value {value}");
                }
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_letters() {
        let (one, two) = (Generator::new(House::A, 7), Generator::new(House::A, 7));
        let other = Generator::new(House::A, 8);
        for number in 0..50 {
            assert_eq!(one.ham(number), two.ham(number));
            let form = one.mixed(number);
            assert_eq!(one.spam(number, form), two.spam(number, form));
            assert_ne!(one.ham(number).raw, other.ham(number).raw);
        }
    }

    #[test]
    fn letters_are_messages() {
        for house in [House::A, House::B] {
            let generator = Generator::new(house, 3);
            for number in 0..400 {
                let form = generator.mixed(number);
                for letter in [generator.ham(number), generator.spam(number, form)] {
                    let text = String::from_utf8_lossy(&letter.raw);
                    assert!(!text.contains(LINK) && !text.contains(LINK_END), "{text}");
                    let (head, body) = text.split_once("\r\n\r\n").unwrap();
                    for field in ["From: ", "To: ", "Date: ", "Content-Type: "] {
                        assert!(head.contains(field), "{field} {text}");
                    }
                    assert!(!body.trim().is_empty(), "{text}");
                    assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text}");
                    assert!(text.lines().all(|line| line.len() < 998), "{text}");
                }
            }
        }
    }

    #[test]
    fn only_the_writing_differs_between_forms() {
        let generator = Generator::new(House::B, 3);
        for number in 0..100 {
            let genres: Vec<_> = Form::ALL
                .map(|form| generator.spam(number, form))
                .iter()
                .map(|letter| (letter.genre, letter.time))
                .collect();
            assert!(genres.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
