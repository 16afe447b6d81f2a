//! What agencies prescribe for the filter, and which domains are ours: read from the directory once and kept until it
//! changes.
//!
//! Each look takes the directory's changes from the feed first, so that what an administrator was told to hold holds for
//! the next letter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use congvu_directory::record::{Domain, FilterPolicy, Threshold};
use congvu_directory::{AgencyId, find};
use congvu_spam::Thresholds;
use congvu_spam::facts::Protected;
use congvu_store::{Read, Store, Topic, Watcher};

use crate::Guard;
use crate::lists::any_links;

/// Records of a scan at once (the store's page).
const PAGE: usize = 1024;
/// Domains of ours that are known to the filter. Beyond, the rest is not: nothing is blocked for it.
const DOMAINS_MOST: usize = 20_000;

/// What holds in an agency.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wishes {
    /// Whether letters from outside are judged.
    pub enabled: bool,
    /// From which probability on what happens.
    pub thresholds: Thresholds,
    /// Names that outsiders must not bear.
    pub protected: Arc<Vec<Protected>>,
    /// Endings of attached files that may come in; empty: all.
    pub attachments: Arc<Vec<String>>,
    /// The agency and all above it, nearest first.
    pub line: Vec<AgencyId>,
}

/// Our domains, and what holds in the agencies that were asked for.
pub(crate) type Asked = (Arc<Vec<String>>, Vec<Arc<Wishes>>);

/// What was read, and the changes that make it old.
#[derive(Debug)]
pub(crate) struct Prescriptions {
    changes: Mutex<Watcher>,
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    domains: Option<Arc<Vec<String>>>,
    /// Whether any list has hosts of links.
    links: Option<bool>,
    agencies: HashMap<AgencyId, Arc<Wishes>>,
}

impl Prescriptions {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            changes: Mutex::new(store.watch(Topic::Directory)),
            known: Mutex::default(),
        }
    }

    /// What is known, unless the directory changed.
    fn known(&self) -> Known {
        let batch = lock(&self.changes).take();
        let mut known = lock(&self.known);
        if batch.rescan || !batch.changes.is_empty() {
            *known = Known::default();
        }
        known.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guard {
    /// Whether hosts of links are looked up; also where that is not known yet.
    pub(crate) fn wants_hosts(&self) -> bool {
        self.0.prescriptions.known().links.unwrap_or(true)
    }

    /// Our domains, and the wishes of these agencies in their order.
    pub(crate) async fn wishes(&self, agencies: Vec<AgencyId>) -> congvu_directory::Result<Asked> {
        let prescriptions = &self.0.prescriptions;
        let known = prescriptions.known();
        let found = |known: &Known| -> Option<Asked> {
            let each = agencies
                .iter()
                .map(|agency| known.agencies.get(agency).cloned());
            Some((known.domains.clone()?, each.collect::<Option<_>>()?))
        };
        if let Some(found) = found(&known) {
            return Ok(found);
        }
        let asked = agencies.clone();
        let (domains, links, wishes) = self
            .store()
            .read(move |r| {
                let domains = match &known.domains {
                    Some(domains) => Arc::clone(domains),
                    None => Arc::new(domains(r)?),
                };
                let wishes = |agency: &AgencyId| match known.agencies.get(agency) {
                    Some(known) => Ok(Arc::clone(known)),
                    None => wishes(r, *agency).map(Arc::new),
                };
                let each: congvu_directory::Result<Vec<_>> = asked.iter().map(wishes).collect();
                let links = match known.links {
                    Some(links) => links,
                    None => any_links(r)?,
                };
                Ok::<_, congvu_directory::Error>((domains, links, each?))
            })
            .await?;
        // A change that came meanwhile is still in the feed, and empties this at the next look.
        let mut known = lock(&prescriptions.known);
        known.domains = Some(Arc::clone(&domains));
        known.links = Some(links);
        let read = agencies.into_iter().zip(wishes.iter().cloned());
        known.agencies.extend(read);
        Ok((domains, wishes))
    }
}

/// The names of all domains of this server.
fn domains<R: Read>(r: &R) -> congvu_directory::Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut from = Vec::new();
    while names.len() < DOMAINS_MOST {
        let page = r.scan::<Domain>(&[], &from, PAGE)?;
        let full = page.len() == PAGE;
        names.extend(page.into_iter().map(|domain| domain.name));
        let Some(last) = names.last().filter(|_| full) else {
            break;
        };
        from = <Domain as congvu_store::Record>::key_octets(last);
        from.push(0);
    }
    Ok(names)
}

fn wishes<R: Read>(r: &R, agency: AgencyId) -> congvu_directory::Result<Wishes> {
    let line = find::lineage(r, agency)?;
    let policy = line.iter().fold(FilterPolicy::default(), |below, above| {
        below.below(&above.filter)
    });
    let usual = Thresholds::default();
    let protected = policy.protected.into_iter().map(|one| Protected {
        name: one.name,
        domains: one.domains,
    });
    Ok(Wishes {
        enabled: policy.enabled.unwrap_or(true),
        thresholds: Thresholds {
            labelled: number(policy.labelled, usual.labelled),
            junk: number(policy.junk, usual.junk),
            quarantine: number(policy.quarantine, usual.quarantine),
            reject: number(policy.reject, usual.reject),
        },
        protected: Arc::new(protected.collect()),
        attachments: Arc::new(policy.attachments.unwrap_or_default()),
        line: line.iter().map(|agency| agency.id).collect(),
    })
}

/// Above 1: never.
const NEVER: f32 = 2.0;

#[allow(
    clippy::cast_possible_truncation,
    reason = "four digits fit a single precision number"
)]
fn number(threshold: Option<Threshold>, usual: f32) -> f32 {
    threshold.map_or(usual, |set| {
        set.probability().map_or(NEVER, |share| share as f32)
    })
}
