//! The dispatcher: reads what is due, puts it on the board, starts workers, sleeps until something is
//! due or changes. One task; everything slow happens in the workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use congvu_directory::Directory;
use congvu_net::Shutdown;
use congvu_store::queue::{Lane, Outcome, QueueId, QueueRead, QueueWrite, TaskKey};
use congvu_store::{Error, Read, Store, Timestamp, Topic};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::board::{Board, PANICS_MOST};
use crate::clock::Clock;
use crate::route::Destination;
use crate::settings::Settings;
use crate::worker::Worker;

/// Tasks of one read.
const PAGE: usize = 1_024;
/// Pages of one look at the queue beside the first: what lies beyond is seen by the looks that follow. So a
/// look stays below some 50 ms of work, and reads of the store short.
const PAGES_MOST: usize = 16;
/// Shortest time between two looks: changes that come together are seen together.
const GAP: Duration = Duration::from_millis(20);
/// Longest time between two looks while something changes.
const GAP_MOST: Duration = Duration::from_secs(1);
/// Looking takes at most one part in ten of the time, however long the queue is.
const GAP_SHARE: u32 = 10;
/// Longest sleep: bounds what a missed change could cost.
const SLEEP_MOST: Duration = Duration::from_mins(1);
/// How often tasks are looked for that a wrong clock put too far away.
const RESCUE_EVERY: Duration = Duration::from_hours(1);
/// Delay of a task that ended its worker in a panic.
const PANIC_DELAY: i64 = 60_000;

/// The outbound queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

/// How far the looks at the queue are. One after another they go round it, so that no destination's tasks,
/// however many, keep those of others from being seen.
#[derive(Debug, Default)]
struct Round {
    /// The last task looked at; `None` = at the beginning.
    at: Option<TaskKey>,
    /// Something changed since the round began: another one has to follow.
    stale: bool,
}

/// What dispatcher and workers share.
pub(crate) struct Shared {
    settings: RwLock<Arc<Settings>>,
    directory: Directory,
    board: Mutex<Board>,
    /// What each worker has taken and not put down.
    hands: Mutex<HashMap<u64, Vec<TaskKey>>>,
    /// Rung when the board may offer more.
    wake: Notify,
    clock: Clock,
}

impl Queue {
    /// The queue of the directory's store; it sends nothing before [`Queue::run`].
    pub fn new(directory: Directory, settings: Settings) -> Self {
        Self(Arc::new(Shared {
            settings: RwLock::new(Arc::new(settings)),
            directory,
            board: Mutex::default(),
            hands: Mutex::default(),
            wake: Notify::new(),
            clock: Clock::start(),
        }))
    }

    /// Takes over other settings; sessions that are open keep theirs.
    pub fn reload(&self, settings: Settings) {
        *self
            .0
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.0.wake.notify_one();
    }

    /// Sends until the stop: then what is under way is finished or broken off before its final dot, and
    /// nothing is begun. Run it once.
    pub async fn run(&self, mut shutdown: Shutdown) {
        let mut watcher = self.0.store().watch(Topic::Queue);
        let mut crew = Crew::new(Arc::clone(&self.0));
        let mut rescued: Option<Instant> = None;
        let mut round = Round::default();
        while !shutdown.is_stopping() {
            if rescued.is_none_or(|at| at.elapsed() >= RESCUE_EVERY) {
                self.0.rescue().await;
                rescued = Some(Instant::now());
            }
            let look = Instant::now();
            let sleep = self.0.offer_due(&mut round).await;
            let gap = (look.elapsed() * GAP_SHARE).clamp(GAP, GAP_MOST);
            crew.start(&shutdown);
            let mut changed = true;
            let end = tokio::select! {
                () = shutdown.stopping() => break,
                end = crew.end() => Some(end),
                () = watcher.changed() => {
                    watcher.take();
                    None
                }
                () = self.0.wake.notified() => None,
                () = tokio::time::sleep(sleep) => {
                    changed = false;
                    None
                }
            };
            if let Some(end) = end {
                crew.see_off(end).await;
            }
            changed |= crew.work_on(Instant::now() + gap, &mut shutdown).await;
            round.stale |= changed && round.at.is_some();
        }
        crew.finish().await;
    }
}

impl Shared {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn store(&self) -> &Store {
        self.directory.store()
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The board, locked; never across an await.
    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hands(&self) -> MutexGuard<'_, HashMap<u64, Vec<TaskKey>>> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker has taken these tasks from the board.
    pub(crate) fn pick_up(&self, worker: u64, tasks: &[TaskKey]) {
        self.hands()
            .entry(worker)
            .or_default()
            .extend_from_slice(tasks);
    }

    /// A worker is done with these tasks: settled or not, the store knows whether they are due.
    pub(crate) fn put_down(&self, worker: u64, tasks: &[TaskKey]) {
        if let Some(hand) = self.hands().get_mut(&worker) {
            hand.retain(|task| !tasks.contains(task));
        }
        self.board().release(tasks);
        self.wake.notify_one();
    }

    /// Puts what is due on the board; how long nothing else will be. Each look begins at the front, where urgent
    /// lanes and what waits longest stand, and goes on where the last one ended.
    async fn offer_due(&self, round: &mut Round) -> Duration {
        match self.store().read(|r| r.last_time()).await {
            Ok(time) => self.clock.not_before(time),
            Err(error) => {
                warn!(%error, "cannot read the queue");
                return SLEEP_MOST;
            }
        }
        let now = self.now();
        let settings = self.settings();
        let mut destinations = HashMap::new();
        let mut after: Option<TaskKey> = None;
        let mut whole = false;
        for look in 0..=PAGES_MOST {
            let from = after.clone();
            let page = match self
                .store()
                .read(move |r| r.due(now, from.as_ref(), PAGE))
                .await
            {
                Ok(page) => page,
                Err(error) => {
                    warn!(%error, "cannot read the queue");
                    return SLEEP_MOST;
                }
            };
            self.offer(&page, &settings, &mut destinations);
            if page.len() < PAGE {
                whole = true;
                break;
            }
            after = page.last().cloned();
            if look == 0 {
                after = after.max(round.at.take());
            }
        }
        round.at = if whole { None } else { after };
        if !whole || std::mem::take(&mut round.stale) {
            return Duration::ZERO;
        }
        match self.store().read(move |r| r.next_due(now)).await {
            Ok(Some(next)) => {
                let wait = u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0);
                Duration::from_millis(wait).min(SLEEP_MOST)
            }
            Ok(None) => SLEEP_MOST,
            Err(error) => {
                warn!(%error, "cannot read the queue");
                SLEEP_MOST
            }
        }
    }

    fn offer(
        &self,
        page: &[TaskKey],
        settings: &Settings,
        destinations: &mut HashMap<String, Destination>,
    ) {
        let mut board = self.board();
        for task in page {
            if board.knows(task) {
                continue;
            }
            if let Some(destination) = destinations.get(&task.domain) {
                board.offer(task, destination);
            } else {
                let destination = settings.route(&task.domain).destination(&task.domain);
                board.offer(task, &destination);
                destinations.insert(task.domain.clone(), destination);
            }
        }
    }

    /// Makes tasks due that lie further ahead than any schedule puts them: the clock was wrong when they
    /// were put off, and has been set back since.
    async fn rescue(&self) {
        let longest =
            i64::try_from(self.settings().schedule.longest().as_millis()).unwrap_or(i64::MAX);
        let horizon = Timestamp(self.now().0.saturating_add(longest));
        for lane in Lane::ALL {
            let from = TaskKey {
                lane,
                next: horizon,
                entry: QueueId(u64::MAX),
                domain: String::new(),
            };
            let far = self
                .store()
                .read(move |r| r.due(Timestamp(i64::MAX), Some(&from), PAGE))
                .await;
            let far = match far {
                Ok(far) => far,
                Err(error) => {
                    warn!(%error, "cannot read the queue");
                    return;
                }
            };
            for task in far
                .into_iter()
                .filter(|task| task.lane == lane && task.next > horizon)
            {
                warn!(entry = %task.entry, domain = task.domain, "due too far ahead, tried now");
                let (entry, domain) = (task.entry, task.domain);
                if let Err(error) = self
                    .store()
                    .transact(move |tx| tx.retry(entry, Some(&domain)))
                    .await
                {
                    warn!(%error, "cannot change the queue");
                }
            }
        }
    }

    /// After a panic: the tasks that were in the worker's hand are put off, an entry that did it
    /// [`PANICS_MOST`] times is set aside.
    async fn after_panic(&self, tasks: &[TaskKey]) {
        for task in tasks {
            let times = self.board().panicked(task.entry);
            error!(entry = %task.entry, domain = task.domain, times, "a task ended its worker");
            let (task, at) = (
                task.clone(),
                Timestamp(self.now().0.saturating_add(PANIC_DELAY)),
            );
            let done = self
                .store()
                .transact(move |tx| {
                    if times >= PANICS_MOST {
                        let reason = format!(
                            "set aside: sending it failed {PANICS_MOST} times by an internal error"
                        );
                        return tx.hold(task.entry, &reason).map(drop);
                    }
                    let Some((_, rcpts)) = tx.task(&task, PAGE)? else {
                        return Ok(());
                    };
                    let put_off = |index| {
                        let outcome = Outcome::Deferred {
                            next: at,
                            reply: "internal error".to_owned(),
                            remote: None,
                        };
                        (index, outcome)
                    };
                    let outcomes: Vec<_> = rcpts.iter().map(|rcpt| put_off(rcpt.index)).collect();
                    tx.settle(task.entry, &task.domain, &outcomes).map(drop)
                })
                .await;
            if let Err::<(), Error>(error) = done {
                error!(%error, "cannot put a task off");
            }
        }
    }
}

/// The workers that run.
struct Crew {
    shared: Arc<Shared>,
    set: JoinSet<bool>,
    posts: HashMap<Id, (u64, Destination)>,
    hired: u64,
}

impl Crew {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            set: JoinSet::new(),
            posts: HashMap::new(),
            hired: 0,
        }
    }

    fn start(&mut self, shutdown: &Shutdown) {
        let settings = self.shared.settings();
        let wanting = self
            .shared
            .board()
            .start(settings.connections, settings.per_destination);
        for destination in wanting {
            self.hired += 1;
            let worker = Worker {
                shared: Arc::clone(&self.shared),
                id: self.hired,
                destination: destination.clone(),
                shutdown: shutdown.clone(),
            };
            let handle = self.set.spawn(worker.work());
            self.posts.insert(handle.id(), (self.hired, destination));
        }
    }

    /// Sees off the workers that end until then and starts others for what is on the board: looks at a long
    /// queue are far apart, and connections must not lie idle between them. Whether any ended.
    async fn work_on(&mut self, until: Instant, shutdown: &mut Shutdown) -> bool {
        let mut ended = false;
        while !shutdown.is_stopping() && Instant::now() < until {
            let end = tokio::select! {
                () = shutdown.stopping() => break,
                () = tokio::time::sleep_until(until) => break,
                end = self.end() => end,
            };
            ended = true;
            self.see_off(end).await;
            while let Some(end) = self.set.try_join_next_with_id() {
                self.see_off(end).await;
            }
            self.start(shutdown);
            // Those that end together are seen off together.
            tokio::time::sleep(GAP).await;
        }
        ended
    }

    /// Ready when a worker has ended; never without workers. Cancel-safe.
    async fn end(&mut self) -> Result<(Id, bool), JoinError> {
        match self.set.join_next_with_id().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }

    async fn see_off(&mut self, end: Result<(Id, bool), JoinError>) {
        let (id, was_ready, panicked) = match &end {
            Ok((id, was_ready)) => (*id, *was_ready, false),
            Err(error) => (error.id(), false, error.is_panic()),
        };
        let Some((worker, destination)) = self.posts.remove(&id) else {
            return;
        };
        let left = self.shared.hands().remove(&worker).unwrap_or_default();
        if panicked {
            self.shared.after_panic(&left).await;
        }
        let mut board = self.shared.board();
        board.ended(&destination, was_ready);
        board.release(&left);
    }

    /// Waits for all.
    async fn finish(mut self) {
        let left = self.set.len();
        if left > 0 {
            info!(workers = left, "queue waits for its sessions");
        }
        while let Some(end) = self.set.join_next_with_id().await {
            self.see_off(end).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;
    use congvu_net::connect::Source;
    use congvu_net::dns::{Resolver, Zone};
    use congvu_net::tls::TlsClient;
    use congvu_store::queue::{BodyKind, NewEntry, NewRcpt};

    fn settings() -> Settings {
        Settings {
            hello: "us.test".into(),
            zone: 0,
            schedule: Schedule::default(),
            connections: 1,
            per_destination: 1,
            routes: Vec::new(),
            source: Source::default(),
            port: 25,
            waits: congvu_smtp::client::Waits::default(),
            resolver: Resolver::fixed(Zone::default()),
            tls: TlsClient::new(None).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_task_that_panics_its_worker_is_set_aside_after_three_times() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), congvu_store::Options::default()).unwrap();
        let queue = Queue::new(Directory::new(store.clone()), settings());
        let body = store.prepare(b"x", b"").unwrap();
        let new = NewEntry {
            lane: Lane::Normal,
            sender: String::new(),
            body: congvu_store::BodyId::default(),
            frame: 0,
            skip: 0,
            size: 1,
            account: None,
            envid: None,
            ret: None,
            utf8: false,
            body_kind: BodyKind::SevenBit,
            hold: None,
            trace: String::new(),
        };
        let rcpt = NewRcpt {
            address: "a@x.test".into(),
            domain: "x.test".into(),
            ..NewRcpt::default()
        };
        let id = store
            .transact(move |tx| {
                let body = tx.attach(&body)?;
                tx.enqueue(
                    &NewEntry {
                        body,
                        ..new.clone()
                    },
                    std::slice::from_ref(&rcpt),
                )
            })
            .await
            .unwrap();
        for times in 1..=PANICS_MOST {
            let tasks = store
                .read(|r| r.due(Timestamp(i64::MAX), None, PAGE))
                .await
                .unwrap();
            assert_eq!(tasks.len(), 1);
            queue.0.after_panic(&tasks).await;
            let entry = store
                .read(move |r| r.queue_entry(id))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(entry.hold.is_some(), times == PANICS_MOST);
        }
        assert!(
            store
                .read(|r| r.due(Timestamp(i64::MAX), None, PAGE))
                .await
                .unwrap()
                .is_empty()
        );
    }
}
