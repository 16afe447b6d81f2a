//! Sets of messages as a client writes them, resolved on a view: ranges are intersected, never expanded.

use std::collections::VecDeque;

use congvu_imap::ask::SequenceSet;

use crate::uids::Uids;

/// A sequence number beyond the mailbox (RFC 9051 section 9, `seq-number`: answered with BAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// The sequence numbers that a command works on: ascending ranges that neither overlap nor touch,
/// all of them in the view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    ranges: VecDeque<(u32, u32)>,
}

impl Targets {
    /// From ranges in any order.
    fn merged(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut merged: VecDeque<(u32, u32)> = VecDeque::new();
        for (from, to) in ranges {
            match merged.back_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push_back((from, to)),
            }
        }
        Self { ranges: merged }
    }

    /// Every message of the view.
    pub(crate) fn all(uids: &Uids) -> Self {
        let ranges = if uids.is_empty() {
            VecDeque::new()
        } else {
            VecDeque::from([(1, uids.len())])
        };
        Self { ranges }
    }

    /// A set of sequence numbers or UIDs on a view. UIDs that are not there are no error
    /// (RFC 9051 section 6.4.9); sequence numbers beyond the mailbox are.
    pub(crate) fn resolve(
        set: &SequenceSet,
        uid: bool,
        uids: &Uids,
        saved: &Uids,
    ) -> Result<Self, OutOfRange> {
        match set {
            SequenceSet::Saved => Ok(Self::of_uids(saved.ranges(), uids)),
            SequenceSet::Ranges(ranges) if uid => {
                let star = uids.last().unwrap_or(0);
                Ok(Self::of_uids(
                    ranges.iter().map(|&(from, to)| ordered(from, to, star)),
                    uids,
                ))
            }
            SequenceSet::Ranges(ranges) => {
                let exists = uids.len();
                let ranges: Vec<_> = ranges
                    .iter()
                    .map(|&(from, to)| ordered(from, to, exists))
                    .collect();
                if ranges.iter().any(|&(from, to)| from == 0 || to > exists) {
                    return Err(OutOfRange);
                }
                Ok(Self::merged(ranges))
            }
        }
    }

    /// The same for SEARCH, where numbers beyond the mailbox match nothing.
    ///
    /// Deviates: RFC 9051 suggests BAD; clients send `SEARCH 1:* …` to empty mailboxes (Outlook, Evolution).
    pub(crate) fn resolve_leniently(
        set: &SequenceSet,
        uid: bool,
        uids: &Uids,
        saved: &Uids,
    ) -> Self {
        match set {
            SequenceSet::Ranges(ranges) if !uid => {
                let exists = uids.len();
                let within = ranges.iter().filter_map(|&(from, to)| {
                    let (from, to) = ordered(from, to, exists);
                    let (from, to) = (from.max(1), to.min(exists));
                    (from <= to).then_some((from, to))
                });
                Self::merged(within.collect())
            }
            _ => Self::resolve(set, uid, uids, saved).unwrap_or_default(),
        }
    }

    /// Ranges of UIDs as sequence numbers of the view.
    fn of_uids(ranges: impl Iterator<Item = (u32, u32)>, uids: &Uids) -> Self {
        let found = ranges.filter_map(|(from, to)| {
            let first = uids.below(from) + 1;
            let last = to.checked_add(1).map_or(uids.len(), |end| uids.below(end));
            (first <= last).then_some((first, last))
        });
        Self::merged(found.collect())
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the sequence number belongs to it.
    pub(crate) fn contains(&self, seq: u32) -> bool {
        let after = self.ranges.partition_point(|&(from, _)| from <= seq);
        after
            .checked_sub(1)
            .and_then(|index| self.ranges.get(index))
            .is_some_and(|&(_, to)| seq <= to)
    }

    /// Takes the next sequence numbers, at most `most`, with their UIDs.
    pub(crate) fn take(&mut self, most: usize, uids: &Uids) -> Vec<Pick> {
        let mut picks = Vec::new();
        while let Some((from, to)) = self.ranges.pop_front() {
            let mut seq = from;
            while seq <= to && picks.len() < most {
                if let Some(uid) = uids.at(seq) {
                    picks.push(Pick { seq, uid });
                }
                seq += 1;
            }
            if seq <= to {
                self.ranges.push_front((seq, to));
                break;
            }
        }
        picks
    }

    /// All UIDs of it.
    pub(crate) fn uids(mut self, uids: &Uids) -> Vec<u32> {
        self.take(usize::MAX, uids)
            .into_iter()
            .map(|pick| pick.uid)
            .collect()
    }
}

/// One message of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    /// Sequence number.
    pub(crate) seq: u32,
    /// UID.
    pub(crate) uid: u32,
}

/// A range with `*` replaced and its bounds in order.
fn ordered(from: Option<u32>, to: Option<u32>, star: u32) -> (u32, u32) {
    let (from, to) = (from.unwrap_or(star), to.unwrap_or(star));
    (from.min(to), from.max(to))
}

#[cfg(test)]
mod tests {
    use congvu_imap::ask::SequenceSet;

    use super::{OutOfRange, Targets};
    use crate::uids::Uids;

    fn check(
        ranges: &[(Option<u32>, Option<u32>)],
        uid: bool,
        expected: Result<&[u32], OutOfRange>,
    ) {
        let uids = Uids::ascending([2, 3, 4, 10, 11, 20]);
        let found = Targets::resolve(
            &SequenceSet::Ranges(ranges.to_vec()),
            uid,
            &uids,
            &Uids::default(),
        );
        assert_eq!(
            found.map(|targets| targets.uids(&uids)),
            expected.map(<[u32]>::to_vec),
            "{ranges:?}"
        );
    }

    #[test]
    fn sequence_numbers() {
        check(&[(Some(1), Some(1))], false, Ok(&[2]));
        check(
            &[(Some(6), Some(4)), (Some(1), Some(2)), (Some(2), Some(3))],
            false,
            Ok(&[2, 3, 4, 10, 11, 20]),
        );
        check(&[(Some(5), None)], false, Ok(&[11, 20]));
        check(&[(None, None)], false, Ok(&[20]));
        check(&[(Some(1), Some(7))], false, Err(OutOfRange));
        check(&[(Some(7), None)], false, Err(OutOfRange));
        check(&[(Some(1), Some(u32::MAX))], false, Err(OutOfRange));
    }

    #[test]
    fn uid_numbers() {
        check(&[(Some(3), Some(10))], true, Ok(&[3, 4, 10]));
        check(&[(Some(5), Some(9))], true, Ok(&[]));
        check(
            &[(Some(1), Some(u32::MAX))],
            true,
            Ok(&[2, 3, 4, 10, 11, 20]),
        );
        check(&[(Some(100), None)], true, Ok(&[20]));
        check(
            &[(Some(20), Some(11)), (Some(2), Some(2)), (Some(2), Some(4))],
            true,
            Ok(&[2, 3, 4, 11, 20]),
        );
    }

    #[test]
    fn an_empty_mailbox() {
        let none = Uids::default();
        let all = SequenceSet::Ranges(vec![(Some(1), None)]);
        assert_eq!(Targets::resolve(&all, false, &none, &none), Err(OutOfRange));
        assert!(Targets::resolve(&all, true, &none, &none).is_ok_and(|targets| targets.is_empty()));
        assert!(Targets::resolve_leniently(&all, false, &none, &none).is_empty());
    }

    #[test]
    fn the_saved_result_follows_expunges() {
        let (uids, saved) = (Uids::ascending([2, 4, 5]), Uids::ascending([3, 4, 9]));
        let found = Targets::resolve(&SequenceSet::Saved, false, &uids, &saved).unwrap();
        assert_eq!(found.uids(&uids), [4]);
    }

    #[test]
    fn pages() {
        let uids = Uids::ascending(1..=10);
        let mut targets = Targets::all(&uids);
        assert!(targets.contains(1) && targets.contains(10) && !targets.contains(11));
        assert_eq!(
            targets
                .take(4, &uids)
                .iter()
                .map(|pick| pick.seq)
                .collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        assert_eq!(targets.take(100, &uids).len(), 6);
        assert!(targets.is_empty());
    }
}
