//! What was learned, in memory: the house's model, read by any number of scans while it learns, and the corrections of
//! those agencies and accounts whose mail comes in.
//!
//! Corrections are made from the lessons of their owner when somebody asks for them, and kept as long as there is room.
//! Whoever taught nothing, nearly everybody, is known without a look into the store.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use congvu_directory::AgencyId;
use congvu_spam::statistics::{Delta, Model, Steps};
use congvu_store::{AccountId, Read, Record as _, Result, Store};

use super::record::{Done, Lesson, Pupil, Reset, What, Within};
use crate::Scope;

/// Weights of all corrections together: about 20 MiB.
const ROOM: usize = 1_000_000;
/// Corrections made for one letter. Those of a circular's other recipients are made for later letters.
const AT_ONCE: usize = 32;
/// The newest lessons of an account that make up its correction, and of an agency; a letter of older ones is forgotten.
const OF_ACCOUNT: u64 = 128;
/// See [`OF_ACCOUNT`].
const OF_AGENCY: u64 = 256;
/// The beginning of the newest lessons moves by so many at once, so that a correction is not made anew for each.
const STRIDE: u64 = 32;

/// What is in memory.
#[derive(Debug, Default)]
pub(crate) struct Models {
    pub(crate) house: Arc<Model>,
    /// Who taught something.
    teachers: RwLock<HashSet<Scope>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    deltas: HashMap<Scope, (Arc<Delta>, u64)>,
    weights: usize,
    /// Grows with every use.
    clock: u64,
    /// Grows when somebody taught: what was made from the store before that is old.
    learned: u64,
}

impl Models {
    pub(crate) fn teaches(&self, scope: Scope) -> bool {
        let teachers = self.teachers.read();
        teachers
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&scope)
    }

    pub(crate) fn add_teachers(&self, scopes: impl IntoIterator<Item = Scope>) {
        let teachers = self.teachers.write();
        teachers
            .unwrap_or_else(PoisonError::into_inner)
            .extend(scopes);
    }

    pub(crate) fn teachers(&self) -> usize {
        let teachers = self.teachers.read();
        teachers.unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn cached(&self, scope: Scope) -> Option<Arc<Delta>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let (delta, used) = kept.deltas.get_mut(&scope)?;
        *used = now;
        Some(Arc::clone(delta))
    }

    /// A correction has learned.
    pub(crate) fn renew(&self, scope: Scope, delta: Arc<Delta>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.learned += 1;
        kept.keep(scope, delta);
    }

    /// It is made anew when somebody asks for it.
    pub(crate) fn forget(&self, scope: Scope) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.learned += 1;
        kept.forget(scope);
    }

    fn learned(&self) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.learned
    }

    /// Keeps what was made from the store, unless somebody taught meanwhile.
    fn keep_made(&self, scope: Scope, delta: Arc<Delta>, learned: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.learned == learned {
            kept.keep(scope, delta);
        }
    }

    /// Nothing was learned.
    pub(crate) fn clear(&self) {
        self.house.set_learned(0, 0);
        for page in 0..congvu_spam::statistics::model::PAGES {
            self.house.set_page(page, &[]);
        }
        let mut teachers = self
            .teachers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        teachers.clear();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let learned = kept.learned + 1;
        *kept = Kept {
            learned,
            ..Kept::default()
        };
    }

    /// The corrections that apply to accounts with their agencies. Makes those that are missing, up to a bound.
    pub(crate) async fn corrections(
        &self,
        store: &Store,
        accounts: &[(AccountId, AgencyId)],
    ) -> HashMap<Scope, Arc<Delta>> {
        let mut found = HashMap::new();
        let mut made = 0;
        for &(account, agency) in accounts {
            for scope in [Scope::Agency(agency), Scope::Account(account)] {
                if found.contains_key(&scope) || !self.teaches(scope) {
                    continue;
                }
                let delta = match self.cached(scope) {
                    Some(delta) => delta,
                    None if made < AT_ONCE => {
                        made += 1;
                        let learned = self.learned();
                        match make(store, scope).await {
                            Ok(delta) => {
                                let delta = Arc::new(delta);
                                self.keep_made(scope, Arc::clone(&delta), learned);
                                delta
                            }
                            Err(error) => {
                                tracing::warn!(?scope, %error, "correction of the filter not read; it counts for nothing");
                                continue;
                            }
                        }
                    }
                    None => continue,
                };
                found.insert(scope, delta);
            }
        }
        found
    }
}

impl Kept {
    fn keep(&mut self, scope: Scope, delta: Arc<Delta>) {
        self.forget(scope);
        self.weights += delta.len();
        self.clock += 1;
        self.deltas.insert(scope, (delta, self.clock));
        while self.weights > ROOM {
            let oldest = self.deltas.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(scope, _)| *scope) else {
                break;
            };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, scope: Scope) {
        if let Some((delta, _)) = self.deltas.remove(&scope) {
            self.weights -= delta.len();
        }
    }
}

/// Makes a correction from the newest lessons of its owner, on a thread that may take its time.
async fn make(store: &Store, scope: Scope) -> Result<Delta> {
    let store = store.clone();
    let runtime = tokio::runtime::Handle::current();
    let made = tokio::task::spawn_blocking(move || {
        let mut delta = Delta::default();
        runtime.block_on(newest(&store, scope, |lesson, features| {
            delta.add(features, lesson.class(), steps_of(lesson, scope));
        }))?;
        Ok(delta)
    });
    made.await.unwrap_or(Err(congvu_store::Error::Closed))
}

/// The steps of a lesson that belong to a correction.
pub(crate) fn steps_of(lesson: &Lesson, scope: Scope) -> Steps {
    match scope {
        Scope::House => lesson.house(),
        Scope::Agency(_) => Steps(lesson.within),
        Scope::Account(_) => Steps(lesson.own),
    }
}

/// Whether the newest lessons begin elsewhere once this place is taken.
pub(crate) fn moves_on(scope: Scope, place: u64) -> bool {
    first(scope, place + 1) != first(scope, place)
}

fn first(scope: Scope, lessons: u64) -> u64 {
    let most = match scope {
        Scope::Agency(_) => OF_AGENCY,
        _ => OF_ACCOUNT,
    };
    lessons.saturating_sub(most) / STRIDE * STRIDE
}

/// Visits the newest lessons of an account or agency, oldest first, but those that were taken back; its counts.
pub(crate) async fn newest(
    store: &Store,
    scope: Scope,
    mut visit: impl FnMut(&Lesson, &congvu_spam::statistics::Features),
) -> Result<super::record::Counts> {
    let (counts, labels) = store
        .read(move |r| {
            let since = r.get::<Reset>(&())?.map_or(0, |reset| reset.entry);
            let pupil = r.get::<Pupil>(&scope)?;
            let Some(pupil) = pupil.filter(|pupil| pupil.counts.last > since) else {
                return Ok((super::record::Counts::default(), Vec::new()));
            };
            let from = first(scope, pupil.counts.lessons);
            let most = usize::try_from(pupil.counts.lessons - from).unwrap_or(0);
            let start = Within::key_octets(&(scope, from));
            let found = r.scan::<Within>(&start[..10], &start, most)?;
            let labels: Vec<u64> = found.into_iter().map(|within| within.label).collect();
            Ok::<_, congvu_store::Error>((pupil.counts, labels))
        })
        .await?;
    for label in labels {
        let done = store
            .read(move |r| r.get::<Done>(&label))
            .await?
            .map(|done| done.what);
        if let Some(What::Learned(lesson)) = done
            && lesson.revoked.is_none()
            && let Some(features) = lesson.features()
        {
            visit(&lesson, &features);
        }
    }
    Ok(counts)
}
