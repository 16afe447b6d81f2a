//! The store as a value: open, read, transact, watch, close.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::body::{Body, NewBody};
use crate::codec;
use crate::committer::{Closure, Command, Committer, WAITING};
use crate::compact::{self, Compacted, Compaction, Gate, Pacing};
use crate::draft::Draft;
use crate::dump::Dumps;
use crate::engine::{Engine, Recent};
use crate::error::{Error, Result};
use crate::feed::{Feed, Topic, Watcher};
use crate::files::{LogFiles, Progress};
use crate::id::{BodyId, Lsn};
use crate::keys;
use crate::log::segment::{Disk, Segments};
use crate::ops::UIDVALIDITY;
use crate::recover::{self, How, Opened};
use crate::repair;
use crate::source::Source as _;
use crate::state::{Left, Lock, State, boot};
use crate::tx::{Snapshot, Tx};

/// Layout of keys in the index and in commit frames.
const FORMAT: u32 = 1;

/// Settings with their defaults.
#[derive(Debug, Clone)]
pub struct Options {
    /// sled's cache, octets (64 MiB).
    pub cache: u64,
    /// A log segment is closed past this size, octets (256 MiB).
    pub segment: u64,
    /// A snapshot of the index is taken when the log grew by this many octets since the last one, or by
    /// twice the size of that one if that is more (256 MiB: read again in a few seconds).
    pub snapshot: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache: 64 * 1024 * 1024,
            segment: 256 * 1024 * 1024,
            snapshot: 256 * 1024 * 1024,
        }
    }
}

/// What opening found and did; for the log and `congvu store`.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Frames of the log applied to the index.
    pub replayed: u64,
    /// Why the index was rebuilt, if it was.
    pub rebuilt: Option<String>,
    /// Where the snapshot stands in the log that the rebuild began with; `None` when it read all of the log.
    pub snapshot: Option<Lsn>,
    /// The disk was full: what the store can do without was given up.
    pub full: bool,
    /// Octets of a torn tail that were cut.
    pub cut: u64,
    /// Damaged frames in the middle: where, and what they held as far as known.
    pub damaged: Vec<String>,
}

/// The mailstore. Cheap to clone; closed when the last clone is closed or dropped. The last drop
/// waits for the clean mark (some ten milliseconds).
#[derive(Clone)]
pub struct Store(Arc<Inner>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.0.shared.folder).finish()
    }
}

struct Inner {
    shared: Arc<Shared>,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A closure that held the last clone is dropped on the committer itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the committer panicked");
        }
    }
}

/// What readers and the committer share.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    /// The store's number: seed of checksums.
    pub(crate) seed: u64,
    /// `None` once closed. Written only while a group becomes visible, so that a reader sees one state.
    pub(crate) engine: RwLock<Option<Box<dyn Engine>>>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) disk: Disk,
    /// Segments are closed past this size.
    pub(crate) limit: u64,
    /// This start found transactions damaged: bodies that nothing refers to may have been theirs.
    pub(crate) lost: bool,
    pub(crate) compaction: Gate,
    pub(crate) feed: Feed,
    /// Why no more writes are taken.
    broken: OnceLock<String>,
    /// Given back when closed.
    lock: Mutex<Option<Lock>>,
}

impl Shared {
    /// The error of every write after the first failure.
    pub(crate) fn failed(&self) -> Option<Error> {
        self.broken.get().map(|why| Error::ReadOnly(why.clone()))
    }

    /// No more writes from now on.
    pub(crate) fn fail(&self, why: &str) -> Error {
        let why = self.broken.get_or_init(|| why.to_owned());
        tracing::error!(why, "take no more writes");
        Error::ReadOnly(why.clone())
    }

    /// Closes the index and writes the clean mark, unless something failed before.
    pub(crate) fn close(&self, end: Lsn) -> Result<()> {
        self.compaction.close();
        let engine = self
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(engine) = engine else { return Ok(()) };
        let flushed = engine.flush();
        let left = if engine.doubted() {
            tracing::warn!("damaged records in the index: the next start rebuilds it");
            Left::Doubtful
        } else {
            Left::Clean(end)
        };
        drop(engine);
        let result = flushed.and_then(|()| match self.failed() {
            Some(error) => Err(error),
            None => sync_folder(&self.folder.join("index")),
        });
        let result = result.and_then(|()| {
            State {
                store: self.seed,
                left,
            }
            .write(&self.folder)
        });
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        result
    }
}

/// `fsync` of a folder and everything in it: what the index engine calls a flush does not reach the disk.
fn sync_folder(folder: &Path) -> Result<()> {
    let sync = || -> std::io::Result<()> {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else {
                    std::fs::File::open(entry.path())?.sync_all()?;
                }
            }
            std::fs::File::open(&folder)?.sync_all()?;
        }
        Ok(())
    };
    sync().map_err(|error| Error::io(format!("syncing {}", folder.display()), &error))
}

impl Store {
    /// Opens or creates the store in a folder. Blocking: for start-up.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "callers make the options for this call"
    )]
    pub fn open(folder: &Path, options: Options) -> Result<(Self, Report)> {
        Self::open_on(folder, &options, &Disk::default())
    }

    /// Opens an existing store and makes its index anew from the log. `progress` is told how many octets
    /// of how many are done. Blocking.
    pub fn rebuild(
        folder: &Path,
        options: &Options,
        progress: Progress<'_>,
    ) -> Result<(Self, Report)> {
        // A folder without a log must not become a new store.
        LogFiles::of_store(folder)?;
        let how = How {
            options,
            disk: &Disk::default(),
            rebuild: Some("asked for"),
            progress,
        };
        Self::start(folder, how)
    }

    /// Opens on a disk that may fail on purpose.
    pub(crate) fn open_on(folder: &Path, options: &Options, disk: &Disk) -> Result<(Self, Report)> {
        let how = How {
            options,
            disk,
            rebuild: None,
            progress: &mut |_, _| {},
        };
        Self::start(folder, how)
    }

    fn start(folder: &Path, how: How<'_>) -> Result<(Self, Report)> {
        let (options, disk) = (how.options, how.disk);
        let Opened {
            lock,
            engine,
            segments,
            writer,
            seed,
            applied,
            report,
            restored,
        } = recover::open(folder, how)?;
        let format = crate::source::raw(engine.as_ref(), keys::FORMAT)?;
        let engine: Box<dyn Engine> = Box::new(Recent::new(engine, keys::APPLIED)?);
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            seed,
            engine: RwLock::new(Some(engine)),
            segments,
            disk: disk.clone(),
            limit: options.segment,
            lost: !report.damaged.is_empty(),
            compaction: Gate::default(),
            feed: Feed::default(),
            broken: OnceLock::new(),
            lock: Mutex::new(Some(lock)),
        });
        let (number, time) = (applied.number, applied.time);
        let dumps = Dumps::start(&shared, disk, options.snapshot)?;
        let mut committer = Committer {
            shared: Arc::clone(&shared),
            writer,
            number,
            time,
            dumps,
        };
        match format {
            None => first_transaction(&mut committer)?,
            Some(format) => {
                let found = codec::decode("format", &format)?;
                if found > FORMAT {
                    return Err(Error::Newer {
                        what: "the index".to_owned(),
                        found,
                        known: FORMAT,
                    });
                }
            }
        }
        if restored {
            repair::after_restore(&mut committer)?;
            State {
                store: seed,
                left: Left::Open(boot()),
            }
            .write(folder)?;
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || committer.serve(receiver))
            .map_err(|error| Error::io("starting the committer", &error))?;
        Ok((
            Self(Arc::new(Inner {
                shared,
                commands: Some(sender),
                thread: Some(thread),
            })),
            report,
        ))
    }

    /// Reads a consistent state. Runs in place: keep it short.
    #[allow(clippy::unused_async, reason = "a remote engine awaits here")]
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Fn(&Snapshot<'_>) -> Result<T, E> + Send + 'static,
    {
        let engine = self
            .0
            .shared
            .engine
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_deref().ok_or(Error::Closed)?;
        f(&Snapshot { engine })
    }

    /// Runs `f` on the committer and returns once its effects are durable (`fdatasync` returned)
    /// and visible. An error leaves no trace. A future that is dropped early leaves the transaction
    /// under way: it may still happen.
    pub async fn transact<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Closure {
            run: f,
            result: None,
            reply,
        };
        let commands = self.0.commands.as_ref().ok_or(Error::Closed)?;
        commands
            .send(Command::Run(Box::new(job)))
            .await
            .map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Compresses and checksums octets with their summary. CPU work: call it in the caller's task.
    pub fn prepare(&self, octets: &[u8], summary: &[u8]) -> Result<NewBody> {
        let mut draft = self.draft();
        draft.write(octets)?;
        draft.finish(summary)
    }

    /// Begins a message whose octets come bit by bit.
    pub fn draft(&self) -> Draft {
        Draft::new(&self.0.shared.folder.join("tmp"), self.0.shared.seed)
    }

    /// Opens a body: reads its head and summary. `frame` is [`crate::Message::frame`], or 0 when it
    /// is not known, which costs a second read for large heads.
    pub async fn body(&self, id: BodyId, frame: u32) -> Result<Body> {
        let shared = Arc::clone(&self.0.shared);
        blocking(move || shared.body(id, frame)).await
    }

    /// The same for callers that may block.
    pub fn open_body(&self, id: BodyId, frame: u32) -> Result<Body> {
        self.0.shared.body(id, frame)
    }

    /// Opens a body for its header and summary: reads little more than these. What else is asked of it is read then.
    /// Blocking.
    pub fn open_front(&self, id: BodyId) -> Result<Body> {
        self.0.shared.body(id, 0)
    }

    /// Octets of a body, off the executor.
    pub async fn octets(&self, body: &Body, from: u64, len: u64) -> Result<Vec<u8>> {
        let body = body.clone();
        blocking(move || body.octets(from, len)).await
    }

    /// Gives back the space of bodies that nothing refers to. Blocking, for long: minutes to hours.
    pub fn compact(&self, pacing: Pacing) -> Result<Compacted> {
        compact::compact(&self.0.shared, pacing)
    }

    /// What compaction does now, and did last.
    pub fn compaction(&self) -> Compaction {
        self.0.shared.compaction.state()
    }

    /// Whether the disk is nearly full: less than 1 GiB or a fiftieth of it is free. Answered from memory.
    pub fn nearly_full(&self) -> bool {
        crate::space::tight(&self.0.shared.folder)
    }

    /// Makes what is missing of the room that is kept for the day on which the disk is full. Blocking.
    pub fn keep_reserve(&self) -> Result<()> {
        let folder = &self.0.shared.folder;
        crate::reserve::make(folder)
            .map_err(|error| Error::io(format!("reserving room in {}", folder.display()), &error))
    }

    /// Octets still free on the file system of the store. Blocking, but answered from memory.
    pub fn free(&self) -> Result<u64> {
        crate::space::free(&self.0.shared.folder)
    }
    /// Watches a topic from now on.
    pub fn watch(&self, topic: Topic) -> Watcher {
        self.0.shared.feed.watch(topic)
    }

    /// Finishes what is under way, writes the clean mark. Later calls get `Closed`.
    pub async fn close(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let Some(commands) = self.0.commands.as_ref() else {
            return Ok(());
        };
        if commands.send(Command::Close(reply)).await.is_err() {
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }
}

impl Store {
    /// What readers and the committer share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
}

#[cfg(test)]
impl Store {
    /// Puts octets into the index that no seal matches.
    pub(crate) fn damage(&self, key: &[u8]) {
        self.meddle(key, Some(b"damaged".to_vec()));
    }

    /// Changes the index behind the log's back.
    pub(crate) fn meddle(&self, key: &[u8], value: Option<Vec<u8>>) {
        let engine = self.0.shared.engine.read().unwrap();
        let op = (key.to_vec(), value);
        engine
            .as_deref()
            .unwrap()
            .apply(&mut [op].into_iter())
            .unwrap();
    }
}

impl Shared {
    pub(crate) fn body(&self, id: BodyId, frame: u32) -> Result<Body> {
        let (file, place) = self.segments.locate(Lsn(id.0), self.seed)?;
        Body::open(id, file, place, frame, self.seed)
    }
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Closed),
    }
}

/// Writes what a new store begins with.
fn first_transaction(committer: &mut Committer) -> Result<()> {
    committer.alone(|tx| {
        if tx.raw(keys::FORMAT)?.is_none() {
            tx.store(keys::FORMAT.to_vec(), &codec::encode(&FORMAT))?;
            // From the clock once, and from the sequence ever after: RFC 9051 section 2.3.1.1.
            let seed = u64::try_from(tx.now().seconds()).unwrap_or(1);
            tx.store(keys::sequence(UIDVALIDITY), &codec::encode(&seed))?;
        }
        Ok(())
    })
}
