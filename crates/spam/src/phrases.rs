//! Phrases that betray what a letter is about (`data/phrases.txt`), all found in one pass over the folded text.
//!
//! They are compared squeezed, without anything between the letters, so neither missing diacritics nor spacing nor look-alike
//! letters hide them. What follows from them is in the stages `text` and `advertising`.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::statistics::folded::Folded;

/// Longest phrase in the book, squeezed.
const PHRASE_MAX: usize = 80;
/// Hits of one text that are looked at: a letter that repeats a phrase a thousand times says it once.
const HITS_MAX: usize = 2000;

/// What a phrase is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// What will happen to your mailbox or account.
    Threat,
    /// What you shall do about it.
    Demand,
    /// By when.
    Urgency,
    /// We have filmed you.
    Extortion,
    /// Money that waits for you.
    Fortune,
    /// Betting.
    Gambling,
    /// Lenders.
    Loan,
    /// Shops.
    Sale,
    /// How to receive no more of it.
    OptOut,
}

impl Group {
    /// All groups with their words in the book.
    const ALL: [(&'static str, Self); 9] = [
        ("threat", Self::Threat),
        ("demand", Self::Demand),
        ("urgency", Self::Urgency),
        ("extortion", Self::Extortion),
        ("fortune", Self::Fortune),
        ("gambling", Self::Gambling),
        ("loan", Self::Loan),
        ("sale", Self::Sale),
        ("optout", Self::OptOut),
    ];
}

struct Book {
    phrases: Vec<(Group, &'static str)>,
    searcher: Option<AhoCorasick>,
}

static BOOK: LazyLock<Book> = LazyLock::new(|| {
    let phrases: Vec<_> = lines(include_str!("../data/phrases.txt")).collect();
    let squeezed = phrases.iter().map(|(_, phrase)| squeezed(phrase));
    let searcher = AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .match_kind(MatchKind::Standard)
        .build(squeezed)
        .inspect_err(|error| tracing::error!(%error, "phrases cannot be searched for"))
        .ok();
    Book { phrases, searcher }
});

fn lines(text: &'static str) -> impl Iterator<Item = (Group, &'static str)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (word, phrase) = line.split_once('|')?;
            let (_, group) = Group::ALL.iter().find(|(name, _)| *name == word.trim())?;
            Some((*group, phrase.trim()))
        })
}

fn squeezed(text: &str) -> Vec<u8> {
    let mut folded = Folded::default();
    folded.push(text, 4 * PHRASE_MAX);
    folded.squeezed
}

/// The phrases of a text, each once.
#[derive(Debug, Default)]
pub(crate) struct Phrases {
    found: Vec<usize>,
}

impl Phrases {
    /// Finds them in folded text.
    pub(crate) fn of(squeezed: &[u8]) -> Self {
        let mut found = Vec::new();
        if let Some(searcher) = &BOOK.searcher {
            let hits = searcher.find_overlapping_iter(squeezed);
            for hit in hits.take(HITS_MAX) {
                let phrase = hit.pattern().as_usize();
                if !found.contains(&phrase) {
                    found.push(phrase);
                }
            }
        }
        Self { found }
    }

    /// Finds them in text as people wrote it, at most `max` octets of it when folded.
    pub(crate) fn of_text(text: &str, max: usize) -> Self {
        let mut folded = Folded::default();
        folded.push(text, max);
        Self::of(&folded.squeezed)
    }

    /// Those of a group, as the book writes them, in the order in which they end in the text. One that stands within another
    /// ("hủy đăng ký", "hủy đăng ký nhận") counts once.
    pub(crate) fn group(&self, group: Group) -> Vec<&'static str> {
        let book = &BOOK.phrases;
        let of_group = |&&at: &&usize| book[at].0 == group;
        let all: Vec<&'static str> = self
            .found
            .iter()
            .filter(of_group)
            .map(|&at| book[at].1)
            .collect();
        let within = |phrase: &str| {
            let mut others = all.iter();
            others.any(|other| other.len() > phrase.len() && other.contains(phrase))
        };
        all.iter()
            .copied()
            .filter(|phrase| !within(phrase))
            .collect()
    }

    /// Whether there is one of a group.
    pub(crate) fn has(&self, group: Group) -> bool {
        self.found.iter().any(|&at| BOOK.phrases[at].0 == group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortest squeezed phrase: shorter ones stand inside and across other words.
    const PHRASE_MIN: usize = 9;

    #[test]
    fn the_book_is_well_formed() {
        let text = include_str!("../data/phrases.txt");
        let written = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(written.count(), BOOK.phrases.len());
        assert!(BOOK.searcher.is_some());
        let mut seen = std::collections::HashSet::new();
        let mut faults = Vec::new();
        for (group, phrase) in &BOOK.phrases {
            let squeezed = squeezed(phrase);
            let fits = (PHRASE_MIN..=PHRASE_MAX).contains(&squeezed.len());
            let once = seen.insert(squeezed.clone());
            let found = Phrases::of(&squeezed).has(*group);
            if !(fits && once && found) {
                faults.push(format!("{phrase}: {fits} {once} {found}"));
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
        for (name, group) in Group::ALL {
            assert!(BOOK.phrases.iter().any(|(of, _)| *of == group), "{name}");
        }
    }

    #[test]
    fn disguises_hide_nothing() {
        for text in [
            "Hộp thư của bạn đã đầy!",
            "hop thu cua ban da day",
            "Hop thuw cuar banj ddax ddaafy",
            "H ộ p  t h ư  c ủ a  b ạ n  đ ã  đ ầ y",
            "Hộp.thư_của*bạn đã-đầy",
            "Hộp th\u{200b}ư c\u{1ee7}a b\u{1ea1}n \u{111}ã \u{111}ầ\u{200b}y",
        ] {
            assert!(Phrases::of_text(text, 1000).has(Group::Threat), "{text}");
        }
        let other = Phrases::of_text("Hộp thư của Bộ, bàn đã dạy", 1000);
        assert!(!other.has(Group::Threat));
    }

    #[test]
    fn repeating_is_saying_once() {
        let found = Phrases::of_text(&"hủy đăng ký nhận tin ".repeat(5000), 100_000);
        assert_eq!(found.group(Group::OptOut).len(), 1);
    }
}
