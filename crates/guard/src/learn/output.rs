//! What a batch of entries changed, and how it is written: one transaction, in which old entries go as well.

use std::collections::{BTreeMap, BTreeSet};

use congvu_directory::AgencyId;
use congvu_store::calendar::CalendarRead as _;
use congvu_store::{AccountId, Read, Result, Timestamp, Topic, Tx};

use super::models::moves_on;
use super::record::{
    Act, Counts, Done, Entry, Opinion, Page, Pupil, Source, State, Tally, TallyCounts, What, Within,
};
use crate::Scope;

/// Labels kept, so that they can be taken back: at some 10 KiB each a gigabyte at most.
pub const KEPT: u64 = 100_000;
/// And not longer than this: somewhat more than the year after which statistics are looked at again.
pub const KEPT_DAYS: u32 = 400;
/// Old entries removed with each batch: more than come with it.
const PRUNED: u64 = 64;

/// What a batch writes.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) done: Vec<Done>,
    pub(crate) within: Vec<Within>,
    pub(crate) counts: BTreeMap<Scope, Counts>,
    pub(crate) pages: Vec<Page>,
    pub(crate) tallies: BTreeMap<(u32, AgencyId), Vec<Stroke>>,
    pub(crate) state: State,
    /// Whose corrections changed; made anew from the store if not at hand.
    pub(crate) changed: BTreeSet<Scope>,
    pub(crate) anew: BTreeSet<Scope>,
    /// Old entries may go up to here.
    pub(crate) settled: u64,
}

/// One label in the counts of a day, or one less.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stroke {
    pub(crate) spam: bool,
    pub(crate) source: Source,
    pub(crate) judged: Option<bool>,
    pub(crate) unread: bool,
    pub(crate) back: bool,
}

impl Output {
    pub(crate) fn list(&mut self, scope: Scope, place: u64, label: u64) {
        self.within.push(Within {
            scope,
            place,
            label,
        });
        self.changed.insert(scope);
        if moves_on(scope, place) {
            self.anew.insert(scope);
        }
    }

    pub(crate) fn tally(&mut self, at: Timestamp, agency: Option<AgencyId>, stroke: Stroke) {
        let key = (day(at), agency.unwrap_or(AgencyId(0)));
        self.tallies.entry(key).or_default().push(stroke);
    }

    /// Writes everything, and removes entries that are old enough. Repeatable.
    pub(crate) fn write(&self, tx: &mut Tx<'_>) -> Result<State> {
        let mut state = self.state;
        for done in &self.done {
            tx.put(done)?;
        }
        for within in &self.within {
            tx.put(within)?;
        }
        for (&scope, &counts) in &self.counts {
            tx.put(&Pupil { scope, counts })?;
        }
        for page in &self.pages {
            tx.put(page)?;
        }
        for (&(day, agency), strokes) in &self.tallies {
            let known = tx.get::<Tally>(&(day, agency))?;
            let mut counts = known.map_or_else(TallyCounts::default, |tally| tally.counts);
            for &stroke in strokes {
                counts.count(stroke);
            }
            tx.put(&Tally {
                day,
                agency,
                counts,
            })?;
        }
        state.oldest = self.prune(tx)?;
        tx.put(&state)?;
        tx.touch(Topic::Filter);
        Ok(state)
    }

    /// Removes the oldest entries with all that belongs to them; the oldest that is left.
    fn prune(&self, tx: &mut Tx<'_>) -> Result<u64> {
        let mut oldest = self.state.oldest.max(1);
        let kept_since = tx.kept_since(KEPT_DAYS)?;
        for _ in 0..PRUNED {
            if oldest >= self.settled {
                break;
            }
            let entry = tx.get::<Entry>(&oldest)?;
            let old = entry.as_ref().is_none_or(|entry| {
                oldest + KEPT < self.state.taught
                    || kept_since.is_some_and(|since| entry.body.at <= since)
            });
            if !old {
                break;
            }
            if let Some(entry) = entry {
                remove(tx, &entry)?;
            }
            oldest += 1;
        }
        Ok(oldest)
    }
}

fn remove(tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
    tx.delete::<Entry>(&entry.id)?;
    if let Act::Learn { letter, .. } = &entry.body.act {
        let key = (entry.body.account.unwrap_or(AccountId(0)), letter.number());
        let opinion = tx.get::<Opinion>(&key)?;
        if opinion.is_some_and(|opinion| opinion.held.label == entry.id) {
            tx.delete::<Opinion>(&key)?;
        }
    }
    if let Some(Done {
        what: What::Learned(lesson),
        ..
    }) = tx.get::<Done>(&entry.id)?
    {
        let scopes = [
            lesson.account.map(Scope::Account),
            lesson.agency.map(Scope::Agency),
        ];
        for (scope, place) in scopes.into_iter().zip(lesson.places) {
            if let (Some(scope), Some(place)) = (scope, place) {
                let there = tx.get::<Within>(&(scope, place))?;
                if there.is_some_and(|within| within.label == entry.id) {
                    tx.delete::<Within>(&(scope, place))?;
                }
            }
        }
    }
    tx.delete::<Done>(&entry.id)
}

/// Days since 1970.
pub(crate) fn day(at: Timestamp) -> u32 {
    u32::try_from(at.0.div_euclid(24 * 60 * 60 * 1000)).unwrap_or(0)
}

impl TallyCounts {
    fn count(&mut self, stroke: Stroke) {
        let by = |n: &mut u32| {
            *n = if stroke.back {
                n.saturating_sub(1)
            } else {
                n.saturating_add(1)
            };
        };
        let source = Source::ALL
            .iter()
            .position(|source| *source == stroke.source);
        if let Some(counts) = source.and_then(|source| self.labels.get_mut(source)) {
            by(&mut counts[usize::from(stroke.spam)]);
        }
        match stroke.judged {
            Some(judged) if judged == stroke.spam => by(&mut self.agreed),
            Some(true) => by(&mut self.false_positives),
            Some(false) => by(&mut self.missed),
            None => {}
        }
        if stroke.unread {
            by(&mut self.unread);
        }
        if stroke.back {
            self.revoked = self.revoked.saturating_add(1);
        }
    }
}
