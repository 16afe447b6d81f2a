//! What the filter learned, as administrators see it, and taking back what an account taught.

use congvu_directory::edit::agency::subtree;
use congvu_directory::view::Page;
use congvu_directory::{AgencyId, find};
use congvu_guard::learn::{self, Given, Source, TallyCounts};
use congvu_store::{Read, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit::{self, Who};
use crate::change::{Change, SpamChange, account, agency_id};
use crate::error::{Error, Result};
use crate::perform::Admin;
use crate::reply::{Done, Reply};

/// Labels of a page.
const PAGE: usize = 500;
/// Labels of an account that are taken back in one transaction.
const AT_ONCE: usize = 200;
/// Labels shown with the counts.
const LAST: u64 = 10;
/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A label as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelView {
    /// Its number.
    pub id: u64,
    /// When, milliseconds since 1970.
    pub at: Timestamp,
    /// Whose; `None` for an administrator who spoke for the house.
    pub account: Option<String>,
    /// `spam` or `ham`.
    pub class: String,
    /// How it was said.
    pub source: Source,
    /// `waiting`, `learned`, `own` (counts for the account alone), `unread` (the letter was gone), `revoked`.
    pub state: String,
}

/// What was learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearningView {
    /// Code of the agency that the counts are of, with all below it; `None`: of the house.
    pub agency: Option<String>,
    /// Days counted.
    pub days: u32,
    /// Labels by the way they were given.
    pub sources: Vec<SourceView>,
    /// Labels that say what the filter had said.
    pub agreed: u32,
    /// Wanted letters that it had put away.
    pub false_positives: u32,
    /// Unwanted letters that it had let through.
    pub missed: u32,
    /// Labels taken back.
    pub revoked: u32,
    /// Labels whose letter was gone.
    pub unread: u32,
    /// How far the house's model is believed, in thousandths.
    pub trust: u16,
    /// How far corrections of agencies and accounts are, in thousandths.
    pub ground: u16,
    /// Wanted letters that the model learned.
    pub ham: u32,
    /// Unwanted ones.
    pub spam: u32,
    /// Octets of the model in memory.
    pub octets: u64,
    /// Labels that were not learned yet.
    pub waiting: u64,
    /// The last labels, oldest first.
    pub last: Vec<LabelView>,
}

/// Labels given in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// Which.
    pub source: Source,
    /// Wanted.
    pub ham: u32,
    /// Unwanted.
    pub spam: u32,
}

/// What was learned, of an agency with all below it, in the last days.
pub(crate) fn stats<R: Read>(r: &R, agency: Option<&str>, days: u32) -> Result<LearningView> {
    let within = agency_id(r, agency)?
        .map(|id| subtree(r, id))
        .transpose()?
        .unwrap_or_default();
    let today = u32::try_from(r.last_time()?.0.div_euclid(DAY)).unwrap_or(0);
    let from = today.saturating_sub(days.saturating_sub(1));
    let counts = learn::counts(r, &within, from)?;
    let progress = learn::progress(r)?;
    let newest = progress.learned.saturating_add(progress.waiting);
    let (last, _) = learn::labels(r, newest.saturating_sub(10 * LAST), PAGE, None)?;
    let mut shown = Vec::new();
    for given in last.into_iter().rev() {
        if shown.len() as u64 >= LAST {
            break;
        }
        if of_agency(r, &given, &within)? {
            shown.push(label_view(r, given)?);
        }
    }
    shown.reverse();
    let TallyCounts {
        agreed,
        false_positives,
        missed,
        revoked,
        unread,
        ..
    } = counts;
    let sources = Source::ALL.into_iter().zip(counts.labels);
    Ok(LearningView {
        agency: agency.map(str::to_owned),
        days,
        sources: sources
            .map(|(source, [ham, spam])| SourceView { source, ham, spam })
            .collect(),
        agreed,
        false_positives,
        missed,
        revoked,
        unread,
        trust: progress.trust,
        ground: progress.ground,
        ham: progress.ham,
        spam: progress.spam,
        octets: progress.octets,
        waiting: progress.waiting,
        last: shown,
    })
}

/// Labels, oldest first.
pub(crate) fn labels<R: Read>(
    r: &R,
    address: Option<&str>,
    after: Option<&str>,
) -> Result<Page<LabelView>> {
    let account = address.map(|address| account(r, address)).transpose()?;
    let from = after.and_then(|after| after.parse().ok()).unwrap_or(0);
    let (found, next) = learn::labels(r, from, PAGE, account.map(|account| account.id))?;
    let entries = found.into_iter().map(|given| label_view(r, given));
    Ok(Page {
        entries: entries.collect::<Result<_>>()?,
        next: next.map(|next| next.to_string()),
    })
}

fn of_agency<R: Read>(r: &R, given: &Given, within: &[AgencyId]) -> Result<bool> {
    if within.is_empty() {
        return Ok(true);
    }
    let Some(id) = given.account else {
        return Ok(false);
    };
    match find::account_by_id(r, id) {
        Ok(account) => Ok(within.contains(&account.agency)),
        Err(congvu_directory::Error::Missing(..)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn label_view<R: Read>(r: &R, given: Given) -> Result<LabelView> {
    let account = match given.account {
        None => None,
        Some(id) => match find::account_by_id(r, id) {
            Ok(account) => Some(account.address().to_string()),
            Err(congvu_directory::Error::Missing(..)) => Some(format!("#{id}")),
            Err(error) => return Err(error.into()),
        },
    };
    Ok(LabelView {
        id: given.id,
        at: given.at,
        account,
        class: if given.spam { "spam" } else { "ham" }.to_owned(),
        source: given.source,
        state: given.state,
    })
}

impl Admin {
    /// Takes back what an account said, page by page, so that no transaction keeps others waiting; recorded with each.
    pub(crate) async fn forget_account(
        &self,
        who: &Who,
        change: &Change,
        address: &str,
        since: Option<Timestamp>,
    ) -> Result<Reply> {
        let (mut gone, mut from) = (0, Some(0));
        let mut first = true;
        while let Some(place) = from {
            let (who, change, address) = (who.clone(), change.clone(), address.to_owned());
            let page = self
                .directory()
                .store()
                .transact::<_, Error, _>(move |tx| {
                    let (account, _) = crate::change::with_departed(tx, &address)?;
                    let since = since.unwrap_or(Timestamp(0));
                    let page = learn::forget_account(tx, account, since, place, AT_ONCE)?;
                    if first || page.0 > 0 {
                        let result = format!("done: {} labels taken back", page.0);
                        audit::record(tx, &who, &change, &result)?;
                    }
                    Ok(page)
                })
                .await?;
            first = false;
            gone += page.0;
            from = page.1;
        }
        Ok(Reply::Done(Done {
            subject: format!("{gone} labels of {address}"),
            password: None,
        }))
    }
}

/// Whether a change is one that goes page by page, and whose labels it takes back.
pub(crate) fn paged(change: &Change) -> Option<(&str, Option<Timestamp>)> {
    match change {
        Change::Spam(SpamChange::ForgetAccount { address, since }) => Some((address, *since)),
        _ => None,
    }
}
