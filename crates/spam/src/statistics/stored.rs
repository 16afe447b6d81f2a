//! Features as octets, so that a letter that was learned can be taken back or learned again without the letter.
//!
//! The numbers of a view ascend and are spread evenly over 2^20, so the distance to the next is written as its low bits
//! and a run of ones for the rest (Rice coding): about ten bits a feature, half of what a 32-bit list needs packed
//! otherwise. Lossless but for the order, which nothing depends on.

use super::features::BITS;

/// Most features of a view that are read back: more than any letter has (10,400 octets of text twice).
const MOST: usize = 64 * 1024;

/// Octets of a view's numbers.
pub fn encode(numbers: &[u32]) -> Vec<u8> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let low = low_bits(sorted.len());
    let mut out = Writer::default();
    let count = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
    out.octets.extend_from_slice(&count.to_be_bytes());
    let mut next = 0;
    for number in sorted {
        let gap = number - next;
        for _ in 0..gap >> low {
            out.bit(true);
        }
        out.bit(false);
        for at in (0..low).rev() {
            out.bit(gap >> at & 1 == 1);
        }
        next = number + 1;
    }
    out.octets
}

/// Back, ascending; `None` if the octets are none.
pub fn decode(octets: &[u8]) -> Option<Vec<u32>> {
    let (count, bits) = octets.split_first_chunk()?;
    let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
    if count > MOST {
        return None;
    }
    let low = low_bits(count);
    let mut reader = Reader { bits, at: 0 };
    let mut numbers = Vec::with_capacity(count);
    let mut next = 0_u32;
    for _ in 0..count {
        let mut gap = 0_u32;
        while reader.bit()? {
            gap += 1;
        }
        for _ in 0..low {
            gap = gap << 1 | u32::from(reader.bit()?);
        }
        let number = next.checked_add(gap).filter(|number| number >> BITS == 0)?;
        numbers.push(number);
        next = number + 1;
    }
    Some(numbers)
}

/// Bits below the mean distance of so many numbers.
fn low_bits(count: usize) -> u32 {
    let mean = (1_usize << BITS) / count.max(1);
    mean.max(1).ilog2().min(BITS - 1)
}

#[derive(Default)]
struct Writer {
    octets: Vec<u8>,
    used: u8,
}

impl Writer {
    fn bit(&mut self, one: bool) {
        if self.used == 0 {
            self.octets.push(0);
        }
        if let Some(last) = self.octets.last_mut() {
            *last |= u8::from(one) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }
}

struct Reader<'a> {
    bits: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn bit(&mut self) -> Option<bool> {
        let octet = self.bits.get(self.at / 8)?;
        let bit = octet >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Some(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_again() {
        for count in [0_u32, 1, 2, 7, 300, 6_000, 30_000] {
            let mut numbers: Vec<u32> = (0..count)
                .map(|n| crate::statistics::features::number(n.wrapping_mul(77) + count))
                .collect();
            let octets = encode(&numbers);
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(decode(&octets).unwrap(), numbers);
            assert!(octets.len() <= 4 + 3 + numbers.len() * 2, "{count}");
        }
        let edges = [0, 1, (1 << BITS) - 1];
        assert_eq!(decode(&encode(&edges)).unwrap(), edges);
    }

    #[test]
    fn small() {
        let numbers: Vec<u32> = (0..3_000)
            .map(crate::statistics::features::number)
            .collect();
        assert!(encode(&numbers).len() < 3_000 * 11 / 8);
    }

    #[test]
    fn what_is_not_features_is_refused() {
        for octets in [
            &b""[..],
            b"abc",
            &[0, 0, 0, 9],
            &[255; 40],
            &[0, 0, 1, 0, 255],
        ] {
            assert!(decode(octets).is_none());
        }
    }
}
