//! How many advertising letters an advertiser sent to a recipient in the last 24 hours (Decree 91/2020: at most three).
//!
//! An advertiser is what is registered of the From domain.

use crate::soft::Soft;

/// Seconds that count.
const DAY: i64 = 86_400;
/// Letters remembered: one more than are allowed says all there is to say.
const LETTERS: usize = 4;
/// Most pairs of advertiser and recipient: some 6 MB.
pub(crate) const MOST: usize = 100_000;

/// When the last letters came, seconds since 1970; 0 = none.
pub(crate) type Letters = [i64; LETTERS];

/// Letters within a day up to `now`, one that comes now included.
pub(crate) fn today(book: &Soft<Letters>, key: u64, now: i64) -> u32 {
    let found = book.find(key).unwrap_or_default();
    let recent = |at: &&i64| **at > now - DAY && **at > 0;
    let count = found.iter().filter(recent).count();
    u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
}

/// One came.
pub(crate) fn count(book: &Soft<Letters>, key: u64, now: i64) {
    book.change(key, |letters| {
        letters.rotate_right(1);
        letters[0] = now;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_within_a_day_is_the_fourth() {
        let book = Soft::new(MOST);
        let start = 20_000 * DAY;
        for n in 0..3 {
            assert_eq!(today(&book, 1, start + n), u32::try_from(n).unwrap() + 1);
            count(&book, 1, start + n);
        }
        assert_eq!(today(&book, 1, start + DAY - 60), 4);
        assert_eq!(today(&book, 1, start + DAY), 3);
        assert_eq!(today(&book, 1, start + DAY + 60), 1);
        assert_eq!(today(&book, 2, start), 1);
    }
}
