//! A fingerprint of a letter's text: letters that differ in a few words differ in a few bits.
//!
//! SimHash (Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002): each bit is the majority
//! of that bit over the hashes of all runs of three words. Manku, Jain and Das Sarma ("Detecting near-duplicates for web
//! crawling", WWW 2007) found 64 bits with a distance of at most three good for pages; that is used here. The text is
//! folded before, so that spacing, accents and look-alike letters change nothing. In a text of fewer than some hundred words
//! a changed word moves more than three bits: such copies are found only where the words are the same.

use crate::letter::Letter;
use crate::statistics::folded::Folded;

/// Octets of folded text that are looked at: the letter itself stands at the beginning, and its first 700 words cost some
/// twenty microseconds.
const TEXT_MAX: usize = 4 * 1024;
/// Fewest words of a text that has a fingerprint: "xin cảm ơn anh" is not a copy of the same thanks of another.
const WORDS_MIN: usize = 24;
/// Words of a run.
const RUN: usize = 3;
/// Bits in which copies may differ.
pub const NEAR: u32 = 3;

/// The fingerprint of a text. Compare it by [`Fingerprint::is_near`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of the visible text of a letter, without its subject; `None` if there is too little of it.
    pub fn of(letter: &Letter<'_>) -> Option<Self> {
        let mut folded = Folded::default();
        for text in &letter.texts {
            if folded.spaced.len() >= TEXT_MAX {
                break;
            }
            folded.push(text.visible(), TEXT_MAX);
        }
        Self::of_words(&folded.spaced)
    }

    /// Of words with a blank before each.
    fn of_words(text: &[u8]) -> Option<Self> {
        let mut sums = [0_i32; 64];
        let mut run = [0_u64; RUN];
        let mut words = 0;
        for word in text.split(|&b| b == b' ').filter(|word| !word.is_empty()) {
            run.rotate_left(1);
            run[RUN - 1] = hash(word);
            words += 1;
            if words < RUN {
                continue;
            }
            let together = run
                .iter()
                .fold(0_u64, |all, &one| mix(all.rotate_left(17) ^ one));
            for (bit, sum) in sums.iter_mut().enumerate() {
                *sum += if together >> bit & 1 == 1 { 1 } else { -1 };
            }
        }
        if words < WORDS_MIN {
            return None;
        }
        let set = sums.iter().enumerate().filter(|(_, sum)| **sum > 0);
        Some(Self(set.fold(0, |all, (bit, _)| all | 1 << bit)))
    }

    /// Whether the other is that of a copy.
    pub fn is_near(self, other: Self) -> bool {
        (self.0 ^ other.0).count_ones() <= NEAR
    }

    /// Four pieces, one of which at least is the same in every copy: three differing bits touch three of four.
    pub fn bands(self) -> [u16; 4] {
        let octets = self.0.to_be_bytes();
        std::array::from_fn(|band| u16::from_be_bytes([octets[2 * band], octets[2 * band + 1]]))
    }
}

/// FNV-1a, then mixed.
fn hash(word: &[u8]) -> u64 {
    let folded = word.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, &b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)
    });
    mix(folded)
}

/// Spreads what differs over all bits (the finishing step of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use congvu_message::summarize;

    use super::*;

    const CIRCULAR: &str = "Kính gửi các phòng, ban và đơn vị trực thuộc. Thực hiện kế hoạch công tác quý bốn, Văn phòng \
        đề nghị các đơn vị báo cáo kết quả thực hiện nhiệm vụ được giao, gửi về Văn phòng trước ngày hai mươi lăm để \
        tổng hợp, trình lãnh đạo xem xét. Trong quá trình thực hiện nếu có vướng mắc, đề nghị phản ánh kịp thời để được \
        hướng dẫn. Trân trọng cảm ơn sự phối hợp của các đơn vị và mong nhận được báo cáo đầy đủ, đúng thời hạn quy định.";

    fn of(text: &str) -> Option<Fingerprint> {
        let raw = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n");
        let summary = summarize(raw.as_bytes());
        Fingerprint::of(&Letter::read(raw.as_bytes(), &summary))
    }

    #[test]
    fn copies_are_near() {
        let original = of(CIRCULAR).unwrap();
        let unaccented: String = {
            use unicode_normalization::UnicodeNormalization;
            let apart = CIRCULAR.nfd();
            apart
                .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
                .map(|c| if c == 'đ' { 'd' } else { c })
                .collect()
        };
        assert_eq!(of(&unaccented), Some(original));
        assert_eq!(of(&CIRCULAR.replace(' ', "\n  ")), Some(original));
        let long = CIRCULAR.repeat(4);
        let other = long.replacen("hai mươi lăm", "hai mươi sáu", 1);
        assert!(of(&long).unwrap().is_near(of(&other).unwrap()));
    }

    #[test]
    fn other_letters_are_far() {
        let invoice = "Quý khách thân mến, hóa đơn điện tử tháng mười một của quý khách đã được phát hành. Đề nghị quý khách kiểm tra \
            thông tin và thanh toán trước ngày ba mươi. Mọi thắc mắc xin liên hệ tổng đài chăm sóc khách hàng.";
        let (one, two) = (of(CIRCULAR).unwrap(), of(invoice).unwrap());
        assert!((one.0 ^ two.0).count_ones() > 2 * NEAR);
        assert_eq!(of("Xin cảm ơn anh nhiều."), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn one_band_of_copies_is_the_same() {
        let at = Fingerprint(0x0123_4567_89AB_CDEF);
        for (a, b, c) in [(0, 1, 2), (0, 17, 40), (15, 16, 63), (3, 35, 51)] {
            let near = Fingerprint(at.0 ^ 1 << a ^ 1 << b ^ 1 << c);
            assert!(near.is_near(at));
            let same = near.bands().iter().zip(at.bands()).any(|(x, y)| *x == y);
            assert!(same);
        }
        assert!(!Fingerprint(at.0 ^ 0b1111).is_near(at));
    }
}
