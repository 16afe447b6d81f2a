//! Near copies of a letter in the last day: how many came, to how many people, how many of those complained.
//!
//! A copy is found by one of four bands of its fingerprint (`congvu_spam::simhash`) and then compared bit by bit. Bounded
//! in texts, in people counted of a text, and in texts compared for one letter, so that nobody makes it slow by letters
//! that share a band.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use congvu_spam::facts::Copies;
use congvu_spam::simhash::Fingerprint;

/// Seconds for which a text is remembered after its last copy.
const DAY: i64 = 86_400;
/// Most texts: some 20 MB when each has many recipients, usually 5 MB. A ministry gets some ten thousand different
/// letters a day.
const TEXTS: usize = 20_000;
/// Texts of a band that are compared: with 20,000 texts a band has one or two by chance.
const COMPARED: usize = 32;
/// Different people counted of a text. What is beyond says nothing more: bulk begins far below.
const PEOPLE: usize = 128;

/// The texts of the last day.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Texts>);

#[derive(Debug, Default)]
struct Texts {
    by_number: HashMap<u64, Text>,
    /// By band and value: numbers of the newest texts, at most [`COMPARED`], the newest last.
    bands: HashMap<(usize, u16), Vec<u64>>,
    /// In the order of their first coming.
    order: VecDeque<u64>,
    next: u64,
}

#[derive(Debug)]
struct Text {
    fingerprint: Fingerprint,
    last: i64,
    seen: u32,
    recipients: Vec<u64>,
    reporters: Vec<u64>,
}

impl Book {
    /// What is known of copies of this text, should it now go to these people (numbers of accounts).
    pub(crate) fn copies(&self, fingerprint: Fingerprint, to: &[u64], now: i64) -> Copies {
        let mut book = self.lock();
        let Some(text) = book.find(fingerprint, now) else {
            return Copies {
                seen: 0,
                recipients: count(to.len()),
                reported: 0,
            };
        };
        let new = to
            .iter()
            .take(PEOPLE)
            .filter(|person| !text.recipients.contains(person));
        Copies {
            seen: text.seen,
            recipients: count(text.recipients.len() + new.count()),
            reported: count(text.reporters.len()),
        }
    }

    /// A letter with this text was delivered to these people.
    pub(crate) fn came(&self, fingerprint: Fingerprint, to: &[u64], now: i64) {
        let mut book = self.lock();
        let text = book.find_or_add(fingerprint, now);
        text.seen = text.seen.saturating_add(1);
        for person in to {
            put(&mut text.recipients, *person);
        }
    }

    /// Somebody said that it is spam, or takes that back. Each counts once.
    pub(crate) fn told(&self, fingerprint: Fingerprint, person: u64, spam: bool, now: i64) {
        let mut book = self.lock();
        let text = book.find_or_add(fingerprint, now);
        if spam {
            put(&mut text.reporters, person);
        } else {
            text.reporters.retain(|other| *other != person);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Texts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Texts {
    fn find(&mut self, fingerprint: Fingerprint, now: i64) -> Option<&mut Text> {
        let number = self.number(fingerprint, now)?;
        self.by_number.get_mut(&number)
    }

    fn number(&self, fingerprint: Fingerprint, now: i64) -> Option<u64> {
        let bands = fingerprint.bands();
        let candidates = bands.iter().enumerate().flat_map(|(band, value)| {
            let numbers = self.bands.get(&(band, *value)).map(Vec::as_slice);
            numbers.unwrap_or_default().iter().rev()
        });
        candidates
            .filter_map(|number| Some((number, self.by_number.get(number)?)))
            .filter(|(_, text)| text.last > now - DAY && text.fingerprint.is_near(fingerprint))
            .min_by_key(|(_, text)| (text.fingerprint.0 ^ fingerprint.0).count_ones())
            .map(|(number, _)| *number)
    }

    fn find_or_add(&mut self, fingerprint: Fingerprint, now: i64) -> &mut Text {
        let number = self.number(fingerprint, now).unwrap_or_else(|| {
            self.forget();
            let number = self.next;
            self.next += 1;
            self.order.push_back(number);
            for (band, value) in fingerprint.bands().into_iter().enumerate() {
                let numbers = self.bands.entry((band, value)).or_default();
                // An older text of a crowded band is still found by its other three.
                if numbers.len() == COMPARED {
                    numbers.remove(0);
                }
                numbers.push(number);
            }
            number
        });
        let text = self.by_number.entry(number).or_insert_with(|| Text {
            fingerprint,
            last: now,
            seen: 0,
            recipients: Vec::new(),
            reporters: Vec::new(),
        });
        text.last = text.last.max(now);
        text
    }

    /// Makes room for one: the text that came first goes.
    fn forget(&mut self) {
        if self.order.len() < TEXTS {
            return;
        }
        let Some(number) = self.order.pop_front() else {
            return;
        };
        let Some(text) = self.by_number.remove(&number) else {
            return;
        };
        for (band, value) in text.fingerprint.bands().into_iter().enumerate() {
            if let Some(numbers) = self.bands.get_mut(&(band, value)) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.bands.remove(&(band, value));
                }
            }
        }
    }
}

fn put(people: &mut Vec<u64>, person: u64) {
    if people.len() < PEOPLE && !people.contains(&person) {
        people.push(person);
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Fingerprint = Fingerprint(0x0123_4567_89AB_CDEF);

    fn counts(copies: Copies) -> (u32, u32, u32) {
        (copies.seen, copies.recipients, copies.reported)
    }

    #[test]
    fn copies_are_counted_for_a_day() {
        let book = Book::default();
        assert_eq!(counts(book.copies(AT, &[1], DAY)), (0, 1, 0));
        book.came(AT, &[1, 2], DAY);
        let near = Fingerprint(AT.0 ^ 0b101);
        book.came(near, &[2, 3], DAY + 5);
        assert_eq!(counts(book.copies(AT, &[3, 4], DAY + 9)), (2, 4, 0));
        book.told(near, 1, true, DAY + 10);
        book.told(AT, 1, true, DAY + 10);
        book.told(AT, 2, true, DAY + 10);
        assert_eq!(counts(book.copies(AT, &[1], DAY + 11)), (2, 3, 2));
        book.told(AT, 2, false, DAY + 12);
        assert_eq!(counts(book.copies(AT, &[1], DAY + 13)), (2, 3, 1));
        let far = Fingerprint(AT.0 ^ 0b1111);
        assert_eq!(counts(book.copies(far, &[1], DAY + 13)), (0, 1, 0));
        assert_eq!(counts(book.copies(AT, &[1], 3 * DAY)), (0, 1, 0));
    }

    #[test]
    fn bounded_whatever_comes() {
        let book = Book::default();
        for n in 0..50_000_u64 {
            // All share one band.
            let spread = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            book.came(Fingerprint(spread << 16 | 7), &[n], DAY);
        }
        let texts = book.lock();
        assert_eq!(texts.by_number.len(), TEXTS);
        let kept: usize = texts.bands.values().map(Vec::len).sum();
        assert!(kept <= 4 * TEXTS);
        assert!(texts.bands.values().all(|band| band.len() <= COMPARED));
        drop(texts);
        let people: Vec<u64> = (0..5_000).collect();
        book.came(AT, &people, DAY);
        assert_eq!(counts(book.copies(AT, &[1], DAY)).1, 128);
    }
}
