//! The one who learns: takes the entries of the journal in their order, off the executor, and writes what each
//! changed in one transaction with how far it is. After a crash it goes on behind that place: each label counts once.
//!
//! The weights themselves are 12 MiB in which a single letter touches nearly every page, so they are not written with
//! each label. A lesson (features and steps, some kilobytes) is; pages follow in turn, all of them within [`ROUND`]
//! lessons, each with the last entry that is in it. At a start every page is read and brought up to date from the
//! lessons behind it.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use congvu_directory::AgencyId;
use congvu_message::Summary;
use congvu_net::Shutdown;
use congvu_spam::Letter as Parsed;
use congvu_spam::statistics::model::PAGES;
use congvu_spam::statistics::{Class, Delta, Features, Steps, features, stored};
use congvu_store::{AccountId, Error, Read, Record as _, Result, Store, Timestamp, Topic};

use super::lesson::{Effect, Person, Question, effect};
use super::models::{Models, newest, steps_of};
use super::output::{KEPT, Output, Stroke};
use super::record::{
    Act, Counts, Done, Entry, EntryBody, Lesson, Letter, Page, Pupil, Source, State, What, class,
};
use crate::Scope;
use crate::standing::{Memory, Told};

/// Entries learned at once: with their lessons far below a megabyte in a transaction, usually.
const BATCH: usize = 32;
/// Lessons within which every page is written once: at a start so many are applied again, in a tenth of a second.
pub(crate) const ROUND: u32 = 1_024;
/// Octets of a letter that are read: texts stand in front, and of those 10,000 octets count.
const READ_MAX: u64 = 1024 * 1024;
/// Weights of persons and agencies at hand while learning: some 10 MiB.
const AT_HAND: usize = 500_000;
/// After a failure of the store.
const AGAIN: Duration = Duration::from_secs(30);
/// Pages brought up to date at once before old lessons go.
const PAGES_AT_ONCE: usize = 16;

/// Learns until the stop.
pub(crate) async fn teach(
    store: Store,
    models: Arc<Models>,
    memory: Arc<Memory>,
    mut shutdown: Shutdown,
) {
    let mut watcher = store.watch(Topic::Filter);
    let mut teacher = None;
    loop {
        let result = match teacher.as_mut() {
            None => match Teacher::load(store.clone(), Arc::clone(&models)).await {
                Ok(loaded) => {
                    teacher = Some(loaded.telling(&memory));
                    continue;
                }
                Err(error) => Err(error),
            },
            Some(teacher) => teacher.step().await,
        };
        match result {
            Ok(true) if !shutdown.is_stopping() => continue,
            Ok(_) => {}
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "labels not learned; they are kept, and tried again");
                tokio::select! {
                    () = shutdown.stopping() => return,
                    () = tokio::time::sleep(AGAIN) => continue,
                }
            }
        }
        tokio::select! {
            () = shutdown.stopping() => return,
            () = watcher.changed() => {
                watcher.take();
            }
        }
    }
}

/// How far learning is, and what it needs at hand.
pub(crate) struct Teacher {
    store: Store,
    mind: Option<Mind>,
    /// Learned, but not yet written.
    pending: Option<Arc<Output>>,
}

/// What learning changes in memory.
struct Mind {
    store: Store,
    models: Arc<Models>,
    /// Is told about senders and copies, if there is one.
    memory: Option<Arc<Memory>>,
    state: State,
    /// The last entry in each page as stored.
    upto: Vec<u64>,
    persons: HashMap<AccountId, Person>,
    agencies: HashMap<AgencyId, Group>,
}

#[derive(Default)]
struct Group {
    counts: Counts,
    delta: Delta,
}

impl Teacher {
    /// Reads what was learned into `models`.
    pub(crate) async fn load(store: Store, models: Arc<Models>) -> Result<Self> {
        let mind = Mind {
            store: store.clone(),
            models,
            memory: None,
            state: State::default(),
            upto: vec![0; PAGES],
            persons: HashMap::new(),
            agencies: HashMap::new(),
        };
        let runtime = tokio::runtime::Handle::current();
        let loaded = tokio::task::spawn_blocking(move || {
            let mut mind = mind;
            runtime.block_on(mind.load()).map(|()| mind)
        });
        let mind = loaded.await.map_err(|_| Error::Closed)??;
        Ok(Self {
            store,
            mind: Some(mind),
            pending: None,
        })
    }

    /// What is learned from now on is told to the memory of senders as well.
    fn telling(mut self, memory: &Arc<Memory>) -> Self {
        if let Some(mind) = &mut self.mind {
            mind.memory = Some(Arc::clone(memory));
        }
        self
    }

    /// Learns some entries; whether there may be more.
    pub(crate) async fn step(&mut self) -> Result<bool> {
        if let Some(output) = self.pending.clone() {
            self.write(output).await?;
        }
        let Some(mut mind) = self.mind.take() else {
            return Err(Error::Closed);
        };
        let from = mind.state.taught.saturating_add(1);
        let entries = self
            .store
            .read(move |r| r.scan::<Entry>(&[0], &Entry::key_octets(&from), BATCH))
            .await;
        let entries = match entries {
            Ok(entries) if !entries.is_empty() => entries,
            other => {
                // Nothing to do: what is at hand is given back.
                mind.persons.clear();
                mind.agencies.clear();
                self.mind = Some(mind);
                return other.map(|_| false);
            }
        };
        let runtime = tokio::runtime::Handle::current();
        let learned = tokio::task::spawn_blocking(move || {
            let output = runtime.block_on(mind.learn(entries));
            (mind, output)
        });
        let (mind, output) = learned.await.map_err(|_| Error::Closed)?;
        self.mind = Some(mind);
        let output = Arc::new(output?);
        self.pending = Some(Arc::clone(&output));
        self.write(output).await?;
        Ok(true)
    }

    async fn write(&mut self, output: Arc<Output>) -> Result<()> {
        let written = Arc::clone(&output);
        let state = self.store.transact(move |tx| written.write(tx)).await?;
        self.pending = None;
        if let Some(mind) = self.mind.as_mut() {
            mind.state = state;
            mind.publish(&output);
        }
        Ok(())
    }
}

impl Mind {
    async fn load(&mut self) -> Result<()> {
        let state = self.store.read(|r| r.get::<State>(&())).await?;
        self.state = state.unwrap_or_default();
        self.models.clear();
        if let Err(error) = self.load_pages().await {
            tracing::warn!(%error, "what the filter learned is damaged; it is learned again from the labels that are kept");
            for page in 0..PAGES {
                self.models.house.set_page(page, &[]);
            }
            self.upto = vec![self.state.since; PAGES];
        }
        self.replay().await?;
        let since = self.state.since;
        let mut from = Pupil::key_octets(&Scope::House);
        loop {
            let start = from.clone();
            let page = self
                .store
                .read(move |r| r.scan::<Pupil>(&[1], &start, congvu_store::tx::PAGE))
                .await?;
            let Some(last) = page.last() else { break };
            from = Pupil::key_octets(&last.scope);
            from.push(0);
            let teachers = page.iter().filter(|pupil| pupil.counts.last > since);
            self.models.add_teachers(teachers.map(|pupil| pupil.scope));
        }
        // Last: until now the model said nothing.
        self.models
            .house
            .set_learned(self.state.ham, self.state.spam);
        tracing::info!(
            labels = self.state.taught,
            ham = self.state.ham,
            spam = self.state.spam,
            teachers = self.models.teachers(),
            "filter loaded"
        );
        Ok(())
    }

    async fn load_pages(&mut self) -> Result<()> {
        for number in 0..PAGES {
            let Ok(key) = u16::try_from(number) else {
                break;
            };
            let page = self.store.read(move |r| r.get::<Page>(&key)).await?;
            let page = page.filter(|page| page.upto > self.state.since);
            self.upto[number] = page.as_ref().map_or(self.state.since, |page| page.upto);
            if let Some(page) = page {
                self.models.house.set_page(number, &page.weights);
            }
        }
        Ok(())
    }

    /// Brings every page to the last entry that was done.
    async fn replay(&mut self) -> Result<()> {
        let mut next = self.upto.iter().min().copied().unwrap_or(0) + 1;
        while next <= self.state.taught {
            let from = next;
            let page = self
                .store
                .read(move |r| r.scan::<Done>(&[2], &Done::key_octets(&from), BATCH))
                .await?;
            let Some(last) = page.last() else { break };
            next = last.id + 1;
            for done in page {
                let (lesson, sign) = match done.what {
                    What::Learned(lesson) => (Some(lesson), 1.0),
                    What::Revoked { label } => (self.lesson(label).await?, -1.0),
                    What::Nothing => (None, 0.0),
                };
                let Some(lesson) = lesson.filter(|lesson| !lesson.house().is_none()) else {
                    continue;
                };
                let Some(features) = lesson.features() else {
                    tracing::warn!(label = done.id, "lesson damaged; left out");
                    continue;
                };
                let behind = |page: usize| self.upto.get(page).is_some_and(|&upto| upto < done.id);
                let house = &self.models.house;
                house.shift_where(&features, lesson.house(), sign, behind);
            }
        }
        Ok(())
    }

    async fn lesson(&self, label: u64) -> Result<Option<Box<Lesson>>> {
        let done = self.store.read(move |r| r.get::<Done>(&label)).await?;
        Ok(match done.map(|done| done.what) {
            Some(What::Learned(lesson)) => Some(lesson),
            _ => None,
        })
    }

    /// Learns entries as far as they belong together. Taking back and learning do not mix, since what is at hand is
    /// made anew from the store in between.
    async fn learn(&mut self, entries: Vec<Entry>) -> Result<Output> {
        let mut output = Output {
            state: self.state,
            ..Output::default()
        };
        let (mut learned, mut revoked) = (false, false);
        for entry in entries {
            let EntryBody {
                at,
                account,
                agency,
                act,
            } = entry.body;
            let what = match act {
                Act::Learn { .. } | Act::Reset if revoked => break,
                Act::Revoke { .. } | Act::Reset if learned => break,
                Act::Reset => {
                    self.models.clear();
                    self.upto = vec![entry.id; PAGES];
                    output.state = State {
                        since: entry.id,
                        taught: entry.id,
                        oldest: self.state.oldest,
                        ..State::default()
                    };
                    self.persons.clear();
                    self.agencies.clear();
                    output.done.push(Done {
                        id: entry.id,
                        what: What::Nothing,
                    });
                    break;
                }
                Act::Learn {
                    spam,
                    source,
                    letter,
                    judged,
                } => {
                    learned = true;
                    let label = Given {
                        id: entry.id,
                        at,
                        account,
                        agency,
                        spam,
                        source,
                        judged,
                    };
                    self.learn_one(&label, &letter, &mut output).await?
                }
                Act::Revoke { label } => {
                    revoked = true;
                    self.revoke_one(entry.id, label, &mut output).await?
                }
            };
            output.done.push(Done { id: entry.id, what });
            output.state.taught = entry.id;
        }
        self.turn_pages(&mut output);
        Ok(output)
    }

    async fn learn_one(
        &mut self,
        given: &Given,
        letter: &Letter,
        output: &mut Output,
    ) -> Result<What> {
        let found = read(&self.store, letter);
        let stroke = Stroke {
            spam: given.spam,
            source: given.source,
            judged: given.judged,
            unread: found.is_none(),
            back: false,
        };
        output.tally(given.at, given.agency, stroke);
        let Some((features, told)) = found else {
            tracing::debug!(label = given.id, "labelled letter is gone; nothing learned");
            return Ok(What::Nothing);
        };
        if let Some(account) = given.account {
            self.fetch(account, given.agency).await?;
        }
        let person = given.account.and_then(|account| self.persons.get(&account));
        let group = given.agency.and_then(|agency| self.agencies.get(&agency));
        let class = class(given.spam);
        let effect = effect(&Question {
            features: &features,
            class,
            source: given.source,
            at: given.at.0,
            model: &self.models.house,
            person,
            agency: group.map(|group| &group.delta),
        });
        if let (Some(memory), Some(told)) = (&self.memory, &told) {
            let said = (class, effect.reaches);
            memory.reported(told, given.account, said, given.at.seconds());
        }
        if effect.reaches {
            self.models.house.add(&features, class, effect.house);
            match class {
                Class::Ham => output.state.ham += 1,
                Class::Spam => output.state.spam += 1,
            }
            if !effect.house.is_none() {
                output.state.due += u32::try_from(PAGES).unwrap_or(u32::MAX);
            }
        }
        let places = self.apply(given, &features, class, &effect, output);
        let steps = [effect.house, effect.within, effect.own];
        let views = [0, 1, 2].map(|view| {
            if steps.iter().any(|steps| steps.0[view] != 0.0) {
                stored::encode(&features.views[view])
            } else {
                Vec::new()
            }
        });
        Ok(What::Learned(Box::new(Lesson {
            at: given.at,
            account: given.account,
            agency: given.agency,
            spam: given.spam,
            source: given.source,
            judged: given.judged,
            others: effect.others,
            counted: effect.reaches,
            house: effect.house.0,
            within: effect.within.0,
            own: effect.own.0,
            views,
            places,
            revoked: None,
        })))
    }

    /// Changes what is at hand of the account and of its agency; where the lesson stands in their lists.
    fn apply(
        &mut self,
        given: &Given,
        features: &Features,
        class: Class,
        effect: &Effect,
        output: &mut Output,
    ) -> [Option<u64>; 2] {
        let mut places = [None, None];
        let teaches = !(effect.own.is_none() && effect.within.is_none() && effect.house.is_none());
        if let Some(account) = given.account
            && let Some(person) = self.persons.get_mut(&account)
        {
            person.counts.add(class, effect, given.at.0);
            person.counts.last = given.id;
            let scope = Scope::Account(account);
            if teaches {
                places[0] = Some(person.counts.lessons);
                output.list(scope, person.counts.lessons, given.id);
                person.counts.lessons += 1;
                person.own.add(features, class, effect.own);
                person.within.add(features, class, effect.within);
                person.house.add(features, class, effect.house);
            }
            output.counts.insert(scope, person.counts);
        }
        if let Some(agency) = given.agency
            && let Some(group) = self.agencies.get_mut(&agency)
        {
            group.counts.add(class, effect, given.at.0);
            group.counts.last = given.id;
            let scope = Scope::Agency(agency);
            if !effect.within.is_none() {
                places[1] = Some(group.counts.lessons);
                output.list(scope, group.counts.lessons, given.id);
                group.counts.lessons += 1;
                group.delta.add(features, class, effect.within);
            }
            output.counts.insert(scope, group.counts);
        }
        places
    }

    async fn revoke_one(&mut self, by: u64, label: u64, output: &mut Output) -> Result<What> {
        let Some(mut lesson) = self.lesson(label).await? else {
            return Ok(What::Nothing);
        };
        if lesson.revoked.is_some() || label <= self.state.since {
            return Ok(What::Nothing);
        }
        let Some(features) = lesson.features() else {
            tracing::warn!(label, "lesson damaged; it cannot be taken back");
            return Ok(What::Nothing);
        };
        let class = lesson.class();
        if lesson.counted {
            self.models.house.forget(&features, class, lesson.house());
            match class {
                Class::Ham => output.state.ham = output.state.ham.saturating_sub(1),
                Class::Spam => output.state.spam = output.state.spam.saturating_sub(1),
            }
            output.state.due += u32::try_from(PAGES).unwrap_or(u32::MAX);
        }
        let of = [
            lesson.account.map(Scope::Account),
            lesson.agency.map(Scope::Agency),
        ];
        for scope in of.into_iter().flatten() {
            let counts = if let Some(counts) = output.counts.get(&scope) {
                Some(*counts)
            } else {
                let pupil = self.store.read(move |r| r.get::<Pupil>(&scope)).await?;
                pupil.map(|pupil| pupil.counts)
            };
            if let Some(mut counts) = counts {
                counts.take(class, lesson.others);
                output.counts.insert(scope, counts);
            }
            output.anew.insert(scope);
        }
        let stroke = Stroke {
            spam: lesson.spam,
            source: lesson.source,
            judged: lesson.judged,
            unread: false,
            back: true,
        };
        output.tally(lesson.at, lesson.agency, stroke);
        lesson.revoked = Some(by);
        output.done.push(Done {
            id: label,
            what: What::Learned(lesson),
        });
        Ok(What::Revoked { label })
    }

    /// Takes the pages that are due now, and those that hold up old lessons.
    fn turn_pages(&mut self, output: &mut Output) {
        let upto = output.state.taught;
        let mut turned = BTreeSet::new();
        while output.state.due >= ROUND && turned.len() < PAGES {
            output.state.due -= ROUND;
            turned.insert(usize::from(output.state.cursor));
            output.state.cursor = (output.state.cursor + 1) % u16::try_from(PAGES).unwrap_or(1);
        }
        let settled = upto.saturating_sub(KEPT / 2);
        let behind = self.upto.iter().enumerate();
        let mut behind = behind.filter(|(_, upto)| **upto < settled);
        while turned.len() < PAGES_AT_ONCE
            && let Some((page, _)) = behind.next()
        {
            turned.insert(page);
        }
        for page in turned {
            let Ok(number) = u16::try_from(page) else {
                continue;
            };
            output.pages.push(Page {
                number,
                upto,
                weights: self.models.house.page(page),
            });
        }
        let written = |page: usize| {
            output
                .pages
                .iter()
                .any(|written| usize::from(written.number) == page)
        };
        let oldest = self.upto.iter().enumerate();
        let oldest = oldest.map(|(page, &old)| if written(page) { upto } else { old });
        output.settled = oldest.min().unwrap_or(0);
    }

    /// Puts an account and its agency at hand.
    async fn fetch(&mut self, account: AccountId, agency: Option<AgencyId>) -> Result<()> {
        let at_hand = |persons: &HashMap<_, Person>| -> usize {
            let each = persons.values();
            each.map(|person| person.own.len() + person.within.len() + person.house.len())
                .sum()
        };
        if !self.persons.contains_key(&account) {
            if at_hand(&self.persons) > AT_HAND {
                // Those of this batch are not in the store yet.
                let batch =
                    |account: &AccountId| self.persons[account].counts.last > self.state.taught;
                let old: Vec<_> = self.persons.keys().copied().filter(|a| !batch(a)).collect();
                for account in old {
                    self.persons.remove(&account);
                }
            }
            let scope = Scope::Account(account);
            let mut person = Person::default();
            let counts = newest(&self.store, scope, |lesson, features| {
                let class = lesson.class();
                person.own.add(features, class, Steps(lesson.own));
                person.within.add(features, class, Steps(lesson.within));
                person.house.add(features, class, lesson.house());
            });
            person.counts = counts.await?;
            self.persons.insert(account, person);
        }
        if let Some(agency) = agency
            && !self.agencies.contains_key(&agency)
        {
            let scope = Scope::Agency(agency);
            let mut group = Group::default();
            let counts = newest(&self.store, scope, |lesson, features| {
                group
                    .delta
                    .add(features, lesson.class(), steps_of(lesson, scope));
            });
            group.counts = counts.await?;
            self.agencies.insert(agency, group);
        }
        Ok(())
    }

    /// What was written is seen by those who judge.
    fn publish(&mut self, output: &Output) {
        for page in &output.pages {
            if let Some(upto) = self.upto.get_mut(usize::from(page.number)) {
                *upto = page.upto;
            }
        }
        let teachers = output.within.iter().map(|within| within.scope);
        self.models.add_teachers(teachers);
        for &scope in &output.anew {
            self.forget(scope);
        }
        for &scope in output.changed.difference(&output.anew) {
            let delta = match scope {
                Scope::Account(account) => self.persons.get(&account).map(|person| &person.own),
                Scope::Agency(agency) => self.agencies.get(&agency).map(|group| &group.delta),
                Scope::House => None,
            };
            match delta {
                Some(delta) => self.models.renew(scope, Arc::new(delta.clone())),
                None => self.models.forget(scope),
            }
        }
    }

    fn forget(&mut self, scope: Scope) {
        self.models.forget(scope);
        match scope {
            Scope::Account(account) => {
                self.persons.remove(&account);
            }
            Scope::Agency(agency) => {
                self.agencies.remove(&agency);
            }
            Scope::House => {}
        }
    }
}

/// A label as the teacher takes it.
struct Given {
    id: u64,
    at: Timestamp,
    account: Option<AccountId>,
    agency: Option<AgencyId>,
    spam: bool,
    source: Source,
    judged: Option<bool>,
}

/// The features of a letter, and what its sender is known by; `None` if it is gone, or nothing can be made of it.
/// Blocking.
fn read(store: &Store, letter: &Letter) -> Option<(Features, Option<Told>)> {
    match letter {
        Letter::Features(views) => {
            let mut found = Features::default();
            for (view, octets) in views.iter().enumerate() {
                found.views[view] = stored::decode(octets)?;
            }
            Some((found, None))
        }
        Letter::Stored { body, frame } => {
            let body = store.open_body(*body, *frame).ok()?;
            let raw = body.octets(0, body.len().min(READ_MAX)).ok()?;
            let summary = Summary::decode(body.summary()).ok()?;
            let scan = || {
                let letter = Parsed::read(&raw, &summary);
                (features(&letter), Some(Told::of(&letter)))
            };
            catch_unwind(AssertUnwindSafe(scan))
                .inspect_err(
                    |_| tracing::error!(body = %body.id(), "reading a labelled letter panicked"),
                )
                .ok()
        }
    }
}
