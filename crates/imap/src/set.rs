//! Sequence sets on the wire: `2:4,7,*`, `$`, and the compact form of numbers that a response lists.
//!
//! Invariant: a range is never expanded, in either direction: `1:4294967295` is two numbers.

use std::fmt::Write as _;

use crate::ask::SequenceSet;

/// Most ranges in a set. A client that names 10,000 scattered messages fills 64 KiB, the longest command.
pub const RANGES: usize = 10_000;

/// ```text
/// sequence-set = (seq-number / seq-range) ["," sequence-set]
/// sequence-set =/ "$"                                           RFC 5182
/// seq-number   = nz-number / "*"
/// ```
pub(crate) fn parse(text: &[u8]) -> Option<SequenceSet> {
    if text == b"$" {
        return Some(SequenceSet::Saved);
    }
    let mut ranges = Vec::new();
    for range in text.split(|&b| b == b',') {
        if ranges.len() == RANGES {
            return None;
        }
        let mut bounds = range.splitn(2, |&b| b == b':');
        let from = bound(bounds.next()?)?;
        let to = bounds.next().map_or(Some(from), bound)?;
        ranges.push((from, to));
    }
    Some(SequenceSet::Ranges(ranges))
}

#[allow(
    clippy::option_option,
    reason = "not a number at all, or `*`, or a number"
)]
fn bound(text: &[u8]) -> Option<Option<u32>> {
    if text == b"*" {
        return Some(None);
    }
    match number(text)? {
        0 => None,
        n => Some(Some(n)),
    }
}

/// ```text
/// number = 1*DIGIT    unsigned 32-bit
/// ```
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    number64(text).and_then(|n| u32::try_from(n).ok())
}

/// ```text
/// number64 = 1*DIGIT    unsigned 63-bit
/// ```
pub(crate) fn number64(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = text.iter().try_fold(0u64, |n, d| {
        n.checked_mul(10)?.checked_add(u64::from(d - b'0'))
    })?;
    i64::try_from(n).is_ok().then_some(n)
}

/// Writes a set as it was read.
pub(crate) fn write(out: &mut String, set: &SequenceSet) {
    let SequenceSet::Ranges(ranges) = set else {
        out.push('$');
        return;
    };
    for (i, (from, to)) in ranges.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_bound(out, *from);
        if from != to {
            out.push(':');
            write_bound(out, *to);
        }
    }
}

fn write_bound(out: &mut String, bound: Option<u32>) {
    match bound {
        Some(n) => write!(out, "{n}").expect("writing to a String cannot fail"),
        None => out.push('*'),
    }
}

/// Numbers in the order given, neighbours that grow by one joined: `3,5:7`. COPYUID pairs two such sets by
/// position (RFC 4315 section 3), so nothing is sorted.
pub(crate) fn compact(numbers: &[u32]) -> SequenceSet {
    let mut ranges: Vec<(Option<u32>, Option<u32>)> = Vec::new();
    for &n in numbers {
        match ranges.last_mut() {
            Some((_, to)) if to.and_then(|last| last.checked_add(1)) == Some(n) => *to = Some(n),
            _ => ranges.push((Some(n), Some(n))),
        }
    }
    SequenceSet::Ranges(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(set: &SequenceSet) -> String {
        let mut out = String::new();
        write(&mut out, set);
        out
    }

    #[test]
    fn sets() {
        for same in [
            "1",
            "*",
            "1:2",
            "2:1",
            "1:*",
            "*:4,5:7",
            "2,4:7,9,12:*",
            "4294967295",
            "$",
            "1:4294967295",
        ] {
            let set = parse(same.as_bytes()).unwrap_or_else(|| panic!("{same}"));
            assert_eq!(text(&set), same);
        }
        for broken in [
            "",
            "0",
            "1:",
            ":1",
            "1,",
            ",1",
            "1:0",
            "a",
            "-1",
            "4294967296",
            "1:2:3",
            "$,1",
            "**",
            "1 ",
            "+1",
        ] {
            assert_eq!(parse(broken.as_bytes()), None, "{broken}");
        }
        let many = vec!["1"; RANGES].join(",");
        assert!(parse(many.as_bytes()).is_some());
        assert!(parse(format!("{many},1").as_bytes()).is_none());
    }

    #[test]
    fn numbers_join() {
        fn check(numbers: &[u32], expected: &str) {
            assert_eq!(text(&compact(numbers)), expected);
        }
        check(&[3], "3");
        check(&[1, 2, 3, 5, 7, 8], "1:3,5,7:8");
        check(&[8, 7, 1, 2], "8,7,1:2");
        check(&[u32::MAX - 1, u32::MAX], "4294967294:4294967295");
        check(&[u32::MAX, 0], "4294967295,0");
    }

    #[test]
    fn random_sets_come_back() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..500 {
            let bound = |random: &mut fastrand::Rng| random.bool().then(|| random.u32(1..));
            let set = SequenceSet::Ranges(
                (0..random.usize(1..9))
                    .map(|_| (bound(&mut random), bound(&mut random)))
                    .collect(),
            );
            assert_eq!(parse(text(&set).as_bytes()), Some(set));
        }
    }
}
