//! Ascending UIDs as runs of consecutive numbers: the frozen view of a mailbox in a few octets.
//!
//! Invariant: runs ascend, do not touch, and `before` is the number of UIDs in all earlier runs, so that
//! sequence number and UID are found from each other by binary search. A mailbox of 100,000 messages of
//! which few were expunged costs an idle session some hundred octets instead of 400 KB.

use congvu_store::Uid;

/// Consecutive UIDs `first..first + len`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u32,
    len: u32,
    before: u32,
}

impl Run {
    /// The last UID; runs are never empty.
    fn last(self) -> u32 {
        self.first + (self.len - 1)
    }
}

/// A set of UIDs, each with its sequence number (RFC 9051 section 2.3.1.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uids {
    runs: Vec<Run>,
}

impl Uids {
    /// From UIDs in ascending order.
    pub(crate) fn ascending(uids: impl IntoIterator<Item = u32>) -> Self {
        let mut all = Self::default();
        for uid in uids {
            all.push(uid);
        }
        all
    }

    /// How many.
    pub(crate) fn len(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.before + run.len)
    }

    /// None at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The highest UID.
    pub(crate) fn last(&self) -> Option<u32> {
        self.runs.last().map(|run| run.last())
    }

    /// Adds a UID at the end; one that is not higher than the last is already known and ignored.
    pub(crate) fn push(&mut self, uid: u32) {
        let before = self.len();
        match self.runs.last_mut() {
            Some(run) if uid <= run.last() => {}
            Some(run) if uid - 1 == run.last() => run.len += 1,
            _ => self.runs.push(Run {
                first: uid,
                len: 1,
                before,
            }),
        }
    }

    /// The UID of a sequence number (1 is the first).
    pub(crate) fn at(&self, seq: u32) -> Option<u32> {
        let index = self
            .runs
            .partition_point(|run| run.before < seq)
            .checked_sub(1)?;
        let run = self.runs.get(index)?;
        let offset = seq - run.before - 1;
        (offset < run.len).then(|| run.first + offset)
    }

    /// The sequence number of a UID.
    pub(crate) fn seq(&self, uid: u32) -> Option<u32> {
        let index = self
            .runs
            .partition_point(|run| run.first <= uid)
            .checked_sub(1)?;
        let run = self.runs.get(index)?;
        (uid <= run.last()).then(|| run.before + (uid - run.first) + 1)
    }

    /// Whether the UID is there.
    pub(crate) fn contains(&self, uid: u32) -> bool {
        self.seq(uid).is_some()
    }

    /// How many UIDs are lower than this one.
    pub(crate) fn below(&self, uid: u32) -> u32 {
        match self
            .runs
            .partition_point(|run| run.first < uid)
            .checked_sub(1)
            .and_then(|index| self.runs.get(index))
        {
            Some(run) => run.before + run.len.min(uid - run.first),
            None => 0,
        }
    }

    /// Takes UIDs out; those not there are ignored.
    pub(crate) fn remove(&mut self, gone: &Uids) {
        if gone.is_empty() {
            return;
        }
        let mut kept = Self::default();
        for run in &self.runs {
            let mut from = run.first;
            let start = gone.runs.partition_point(|hole| hole.last() < run.first);
            for hole in gone
                .runs
                .iter()
                .skip(start)
                .take_while(|hole| hole.first <= run.last())
            {
                kept.push_range(from, hole.first);
                from = from.max(hole.last().saturating_add(1));
            }
            kept.push_range(from, run.last().saturating_add(1));
        }
        *self = kept;
    }

    /// All UIDs in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs.iter().flat_map(|run| run.first..=run.last())
    }

    /// All as pairs (first, last).
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.runs.iter().map(|run| (run.first, run.last()))
    }

    /// Adds `from..end` behind the last.
    fn push_range(&mut self, from: u32, end: u32) {
        if from >= end {
            return;
        }
        let before = self.len();
        match self.runs.last_mut() {
            Some(run) if from - 1 == run.last() => run.len += end - from,
            _ => self.runs.push(Run {
                first: from,
                len: end - from,
                before,
            }),
        }
    }
}

impl FromIterator<Uid> for Uids {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        Self::ascending(uids.into_iter().map(|uid| uid.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Uids;

    fn check(uids: &Uids, model: &BTreeSet<u32>) {
        assert_eq!(
            uids.iter().collect::<Vec<_>>(),
            model.iter().copied().collect::<Vec<_>>()
        );
        assert_eq!(uids.len() as usize, model.len());
        assert_eq!(uids.last(), model.last().copied());
        for (index, uid) in model.iter().enumerate() {
            let seq = u32::try_from(index + 1).unwrap();
            assert_eq!(uids.at(seq), Some(*uid));
            assert_eq!(uids.seq(*uid), Some(seq));
        }
        assert_eq!(uids.at(0), None);
        assert_eq!(uids.at(uids.len() + 1), None);
        for uid in 1..120 {
            assert_eq!(uids.contains(uid), model.contains(&uid), "{uid}");
            assert_eq!(
                uids.below(uid) as usize,
                model.range(..uid).count(),
                "{uid}"
            );
        }
    }

    #[test]
    fn empty() {
        check(&Uids::default(), &BTreeSet::new());
    }

    #[test]
    fn behaves_like_a_plain_set() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..200 {
            let mut model: BTreeSet<u32> =
                (0..random.u32(0..80)).map(|_| random.u32(1..100)).collect();
            let mut uids = Uids::ascending(model.iter().copied());
            check(&uids, &model);
            let gone: BTreeSet<u32> = (0..random.u32(0..40)).map(|_| random.u32(1..110)).collect();
            uids.remove(&Uids::ascending(gone.iter().copied()));
            model.retain(|uid| !gone.contains(uid));
            check(&uids, &model);
            for uid in 100..110 {
                if random.bool() {
                    uids.push(uid);
                    model.insert(uid);
                }
            }
            check(&uids, &model);
        }
    }

    #[test]
    fn the_highest_uid() {
        let mut uids = Uids::ascending([u32::MAX - 1, u32::MAX]);
        assert_eq!(uids.seq(u32::MAX), Some(2));
        uids.remove(&Uids::ascending([u32::MAX]));
        assert_eq!(uids.last(), Some(u32::MAX - 1));
    }
}
