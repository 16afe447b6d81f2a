//! What was learned, for people: counts of days and agencies, and the labels themselves.

use congvu_directory::AgencyId;
use congvu_spam::statistics::model::{self, PAGE, PAGES};
use congvu_store::{AccountId, Read, Record as _, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::record::{Act, Done, Entry, Letter, Source, State, Tally, TallyCounts, What};

/// How far learning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The last label that was learned.
    pub learned: u64,
    /// Labels that wait.
    pub waiting: u64,
    /// Letters of the house that its model knows.
    pub ham: u32,
    /// See `ham`.
    pub spam: u32,
    /// The oldest label that is kept, and can be taken back.
    pub oldest: u64,
    /// How far the house's model is believed, in thousandths.
    pub trust: u16,
    /// How far corrections of agencies and accounts are, in thousandths.
    pub ground: u16,
    /// Octets of the house's model in memory.
    pub octets: u64,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Whose; `None` for an administrator who speaks for the house.
    pub account: Option<AccountId>,
    /// What was said.
    pub spam: bool,
    /// How.
    pub source: Source,
    /// Its state, in one word: `waiting`, `learned` (for others too), `own` (for the account alone), `unread` (the
    /// letter was gone), `revoked`.
    pub state: String,
}

/// How far learning is.
pub fn progress<R: Read>(r: &R) -> Result<Progress> {
    let state = r.get::<State>(&())?.unwrap_or_default();
    let mut waiting = 0;
    let mut from = state.taught.saturating_add(1);
    loop {
        let page = r.scan::<Entry>(&[0], &Entry::key_octets(&from), WAITING)?;
        let Some(last) = page.last() else { break };
        waiting += page.len() as u64;
        from = last.id.saturating_add(1);
        if page.len() < WAITING || waiting >= WAITING_MOST {
            break;
        }
    }
    Ok(Progress {
        learned: state.taught,
        waiting,
        ham: state.ham,
        spam: state.spam,
        oldest: state.oldest.max(1),
        trust: thousandths(model::trust_after(state.ham, state.spam)),
        ground: thousandths(model::ground_after(state.ham)),
        octets: (PAGES * PAGE * size_of::<f32>()) as u64,
    })
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 1000"
)]
fn thousandths(share: f32) -> u16 {
    (share * 1000.0).round() as u16
}

/// Entries counted at once, and at most.
const WAITING: usize = 100;
const WAITING_MOST: u64 = 10_000;

/// Counts of these agencies (all, if none is named) from a day (since 1970) on, added up.
pub fn counts<R: Read>(r: &R, agencies: &[AgencyId], from: u32) -> Result<TallyCounts> {
    let mut sum = TallyCounts::default();
    let mut start = Tally::key_octets(&(from, AgencyId(0)));
    loop {
        let page = r.scan::<Tally>(b"T", &start, congvu_store::tx::PAGE)?;
        for tally in &page {
            if agencies.is_empty() || agencies.contains(&tally.agency) {
                sum.add(&tally.counts);
            }
        }
        match page.last() {
            Some(last) if page.len() == congvu_store::tx::PAGE => {
                start = last.key_after();
            }
            _ => return Ok(sum),
        }
    }
}

impl Tally {
    fn key_after(&self) -> Vec<u8> {
        let mut key = Self::key_octets(&(self.day, self.agency));
        key.push(0);
        key
    }
}

impl TallyCounts {
    fn add(&mut self, other: &Self) {
        for (sum, counts) in self.labels.iter_mut().zip(other.labels) {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum = sum.saturating_add(count);
            }
        }
        self.agreed = self.agreed.saturating_add(other.agreed);
        self.false_positives = self.false_positives.saturating_add(other.false_positives);
        self.missed = self.missed.saturating_add(other.missed);
        self.revoked = self.revoked.saturating_add(other.revoked);
        self.unread = self.unread.saturating_add(other.unread);
    }
}

/// Labels from a number on, oldest first, at most `most` entries of the journal looked at; from where to go on.
pub fn labels<R: Read>(
    r: &R,
    from: u64,
    most: usize,
    account: Option<AccountId>,
) -> Result<(Vec<Given>, Option<u64>)> {
    let page = r.scan::<Entry>(&[0], &Entry::key_octets(&from), most)?;
    let next = match page.last() {
        Some(last) if page.len() == most => last.id.checked_add(1),
        _ => None,
    };
    let mut found = Vec::new();
    for entry in page {
        if account.is_some() && entry.body.account != account {
            continue;
        }
        let Act::Learn { spam, source, .. } = entry.body.act else {
            continue;
        };
        let done = r.get::<Done>(&entry.id)?.map(|done| done.what);
        let state = match done {
            None => "waiting",
            Some(What::Learned(lesson)) if lesson.revoked.is_some() => "revoked",
            Some(What::Learned(lesson)) if lesson.counted => "learned",
            Some(What::Learned(_)) => "own",
            Some(_) => "unread",
        };
        found.push(Given {
            id: entry.id,
            at: entry.body.at,
            account: entry.body.account,
            spam,
            source,
            state: state.to_owned(),
        });
    }
    Ok((found, next))
}

/// What a letter that is not stored here teaches: for `congvu spam learn FILE`. CPU work.
pub fn letter(raw: &[u8]) -> Letter {
    let summary = congvu_message::summarize(raw);
    let letter = congvu_spam::Letter::read(raw, &summary);
    Letter::told(letter.features())
}
