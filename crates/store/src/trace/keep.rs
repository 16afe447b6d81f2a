//! Pages of fingerprints, and the end of old records.
//!
//! A page covers a row of records that nothing can come between any more. It holds 32 bits of every fingerprint,
//! sorted: a search reads pages, some 12 KB for a thousand letters, and only those records whose page has what is
//! looked for. The newest records have no page yet and are read one by one.
//!
//! Age is counted in time that was lived through: it grows while the server runs, and by the clock at most a week
//! for each time it was off. So no clock that jumps makes all records old at once.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Found, Place, Trace, VERSION, Wanted, unpack};
use crate::error::{Error, Result};
use crate::id::Timestamp;
use crate::record::{Record, Table};
use crate::store::Store;
use crate::tx::{PAGE, Read, Tx};

/// Fingerprints of a page: 48 KB, so that the page fits a record whatever the last record adds.
const PRINTS_MOST: usize = 4_000;
/// A page is closed after this time, however few records it has: pages are what ages.
const PAGE_TIME: Duration = Duration::from_hours(6);
/// What the clock may say of one pause of the server.
const PAUSE_MOST: Duration = Duration::from_hours(7 * 24);
/// Pages looked at in one step of a search: a megabyte.
const PAGES_A_STEP: usize = 64;
/// Records found in one step of a search after which it pauses.
const FOUND_A_STEP: usize = 200;

/// Fingerprints of the records from `first` to `last`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    first: Place,
    last: Place,
    /// Counted time when it was closed.
    age: u64,
    /// The earliest and the latest instant of its records, by the clock.
    times: (Timestamp, Timestamp),
    /// Upper halves of fingerprints, ascending, four octets each.
    prints: Vec<u8>,
}

impl Page {
    fn of(records: &[Trace], age: u64) -> Option<Self> {
        let mut prints: Vec<u32> = records
            .iter()
            .flat_map(|record| record.event.prints())
            .map(half)
            .collect();
        prints.sort_unstable();
        prints.dedup();
        let times = records.iter().map(|record| record.at);
        Some(Self {
            first: records.first()?.place,
            last: records.last()?.place,
            age,
            times: (times.clone().min()?, times.max()?),
            prints: prints.into_iter().flat_map(u32::to_be_bytes).collect(),
        })
    }

    fn may_have(&self, prints: &[u64]) -> bool {
        let (all, _) = self.prints.as_chunks::<4>();
        prints
            .iter()
            .any(|print| all.binary_search(&half(*print).to_be_bytes()).is_ok())
    }
}

fn half(print: u64) -> u32 {
    u32::try_from(print >> 32).unwrap_or(0)
}

impl Record for Page {
    const TABLE: Table = Table::TracePage;
    type Key = Place;
    fn key(&self) -> Place {
        self.first
    }
    fn key_octets(key: &Place) -> Vec<u8> {
        key.octets()
    }
    fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("plain structs serialize into memory")
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        unpack("page of trace records", value)
    }
}

/// How far pages go, and the counted time. There is one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Where the next page begins.
    pub(super) next: Place,
    /// Counted time, milliseconds.
    pub(super) age: u64,
    /// Counted time when the last page was closed.
    pub(super) closed: u64,
    /// The clock when this was written.
    pub(super) clock: Timestamp,
}

impl Record for State {
    const TABLE: Table = Table::TraceState;
    type Key = ();
    fn key(&self) {}
    fn key_octets((): &()) -> Vec<u8> {
        Vec::new()
    }
    fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("plain structs serialize into memory")
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        unpack("state of trace records", value)
    }
}

/// Makes pages and removes what is old, step by step; one for a running store.
#[derive(Debug)]
pub struct Keeper {
    /// Counted time at `since`; known after the first step.
    age: Option<u64>,
    since: Instant,
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            age: None,
            since: Instant::now(),
        }
    }
}

impl Keeper {
    /// One step, bounded. Records are kept for `keep`. `true` when there is more to do at once.
    pub async fn step(&mut self, store: &Store, keep: Duration) -> Result<bool> {
        let state = store.read(|r| r.get::<State>(&())).await?;
        let known = state.is_some();
        let state = state.unwrap_or_default();
        let begin = *self.age.get_or_insert_with(|| {
            let pause = if known {
                millis_between(state.clock, Timestamp::now()).min(millis(PAUSE_MOST))
            } else {
                0
            };
            state.age.saturating_add(pause)
        });
        let age = begin.saturating_add(millis(self.since.elapsed()));
        let page = next_page(store, state.next).await?;
        let full = page.len() >= PAGE || prints(&page) >= PRINTS_MOST;
        let late = age.saturating_sub(state.closed) >= millis(PAGE_TIME);
        let closes = !page.is_empty() && (full || late);
        let oldest = store
            .read(|r| Ok::<_, Error>(r.scan::<Page>(&[], &[], 1)?.pop()))
            .await?;
        let old = oldest.filter(|page| age.saturating_sub(page.age) > millis(keep));
        let idle = !closes && old.is_none();
        // The counted time is written now and then, so that a crash costs little of it.
        if idle && known && age.saturating_sub(state.age) < millis(PAGE_TIME) {
            return Ok(false);
        }
        let page = if closes { Page::of(&page, age) } else { None };
        store
            .transact(move |tx| {
                let mut state = State {
                    age,
                    clock: tx.now(),
                    ..state.clone()
                };
                if let Some(page) = &page {
                    tx.put(page)?;
                    state.next = page.last.next();
                    state.closed = age;
                }
                if let Some(old) = &old {
                    forget(tx, old)?;
                }
                tx.put(&state)
            })
            .await?;
        Ok(!idle && (full || !closes))
    }
}

/// Records that a page may cover.
async fn next_page(store: &Store, from: Place) -> Result<Vec<Trace>> {
    store
        .read(move |r| {
            let mut page: Vec<Trace> = r.scan(&[], &from.octets(), PAGE)?;
            let mut sum = 0;
            let fit = page.iter().take_while(|record| {
                let before = sum;
                sum += record.event.prints().len();
                before < PRINTS_MOST
            });
            let fit = fit.count();
            page.truncate(fit);
            Ok::<_, Error>(page)
        })
        .await
}

fn prints(page: &[Trace]) -> usize {
    page.iter().map(|record| record.event.prints().len()).sum()
}

/// Removes a page with its records: at most a thousand.
fn forget(tx: &mut Tx<'_>, page: &Page) -> Result<()> {
    let records: Vec<Trace> = tx.scan(&[], &page.first.octets(), PAGE)?;
    for record in records.iter().filter(|record| record.place <= page.last) {
        tx.delete::<Trace>(&record.place)?;
    }
    tx.delete::<Page>(&page.first)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

pub(super) fn search<R: Read + ?Sized>(r: &R, wanted: &Wanted, from: Place) -> Result<Found> {
    let mut found = Found::default();
    let state = r.get::<State>(&())?.unwrap_or_default();
    if from < state.next {
        let pages: Vec<Page> = r.scan(&[], &from.octets(), PAGES_A_STEP)?;
        let whole = pages.len() < PAGES_A_STEP;
        for page in pages {
            found.next = Some(page.last.next());
            if wanted.in_time(page.times.0, page.times.1) && page.may_have(&wanted.prints) {
                let records: Vec<Trace> = r.scan(&[], &page.first.octets(), PAGE)?;
                let records = records.into_iter();
                let covered = records.filter(|record| record.place <= page.last);
                found
                    .traces
                    .extend(covered.filter(|record| wanted.has(record)));
                if found.traces.len() >= FOUND_A_STEP {
                    return Ok(found);
                }
            }
        }
        if whole {
            found.next = Some(state.next);
        }
        return Ok(found);
    }
    let records: Vec<Trace> = r.scan(&[], &from.octets(), PAGE)?;
    if records.len() == PAGE {
        found.next = records.last().map(|last| last.place.next());
    }
    let records = records.into_iter();
    found
        .traces
        .extend(records.filter(|record| wanted.has(record)));
    Ok(found)
}

#[cfg(test)]
impl Keeper {
    /// As if the server had run for so long.
    pub(super) fn live(&mut self, time: Duration) {
        let age = self.age.get_or_insert(0);
        *age = age.saturating_add(millis(time));
    }
}
