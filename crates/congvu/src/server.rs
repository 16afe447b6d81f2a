//! A running server: the store, the directory, listeners, the queue and the control socket together.
//!
//! Invariant: a `Server` exists only when every part of it started; what fails on the way is said
//! with its remedy, and what had started is let go. Which signals and orders end it is in `serve`.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use congvu_admin::audit::Who;
use congvu_admin::control::ControlSocket;
use congvu_admin::{Admin, Control, Facts, retention};
use congvu_directory::Directory;
use congvu_guard::Guard;
use congvu_net::listener::BindError;
use congvu_net::tls::{CertificateFile, CertificateProblem, ServerTls};
use congvu_net::{Gate, Listener, Stopper};
use congvu_queue::Queue;
use congvu_store::scrub::Scrub;
use congvu_store::{Report, Store, Timestamp};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use crate::certificate;
use crate::config::{self, Config};
use crate::door::{self, Live};
use crate::keeper;
use crate::log::Levels;
use crate::settings::{self, SettingsError};
use crate::upkeep;

/// How long connections may finish what is under way. The rest until the 10 s in which the server has
/// promised to be gone is for the store.
const DRAIN: Duration = Duration::from_secs(7);

/// Orders of administrators that wait; more than one at a time is rare.
const ORDERS: usize = 8;

/// Days before the end of a certificate when we begin to warn.
const EXPIRY_DAYS: u64 = 21;

/// Open files beside connections: the store's segments, sled, sockets, the log.
const OTHER_FILES: usize = 512;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("cannot create the data folder {0}: {1}")]
    Folder(PathBuf, io::Error),
    #[error("cannot open the store in {0}: {1}")]
    Store(PathBuf, congvu_store::Error),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Certificates(Vec<CertificateProblem>),
    #[error("cannot make a certificate in {0}: {1}")]
    SelfSigned(PathBuf, io::Error),
    #[error("{0}: {1}")]
    Listener(String, BindError),
    #[error("cannot create the control socket {0}: {1}")]
    Control(PathBuf, io::Error),
    #[error("{0}")]
    Settings(#[from] SettingsError),
    #[error("starting was broken off")]
    Broken,
}

/// Everything that runs.
pub(crate) struct Server {
    path: PathBuf,
    /// What was read at the start: a restart is due for what differs from this and cannot be taken over.
    started_with: Config,
    levels: Levels,
    store: Store,
    admin: Admin,
    tls: ServerTls,
    guard: Guard,
    live: Arc<Live>,
    queue: Queue,
    trace_days: Arc<AtomicU32>,
    stopper: Stopper,
    orders: mpsc::Receiver<Control>,
    control: AbortHandle,
    scrub: Option<Scrub>,
    upkeep: AbortHandle,
    tending: AbortHandle,
    compaction_rate: Arc<AtomicU64>,
    retention: AbortHandle,
    digests: AbortHandle,
}

impl Server {
    /// Starts everything that `config`, read from `path`, says.
    pub(crate) async fn start(
        path: &Path,
        config: Config,
        levels: Levels,
    ) -> Result<Self, StartError> {
        let opened = config.clone();
        let Opened {
            store,
            report,
            tls,
            sending,
        } = tokio::task::spawn_blocking(move || open(&opened))
            .await
            .map_err(|_| StartError::Broken)??;
        tell(&report);
        warn_of_expiry(&tls);
        warn_of_few_files(config.limits.connections);

        let directory = Directory::new(store.clone());
        let guard = remembering(&config, &directory).await?;
        let live = Arc::new(Live::new(&config, &guard));
        let stopper = Stopper::new();
        let sockets = bind(&config)?;
        // Everything is there before anybody is served.
        let control = bind_control(&config.control)?;
        let gate = Gate::new(config.limits.connections, config.access.unlimited.clone());
        let mut listening = Vec::new();
        for (listener, sockets) in config.listeners.iter().zip(sockets) {
            for address in sockets.addresses() {
                info!(listener = listener.name, %address, "listening");
                listening.push(format!("{} {address}", listener.name));
            }
            let door = door::door(listener, &config, &tls, &gate);
            door::open(listener, sockets, door, &live, &stopper);
        }

        let scrub = match settings::scrub(&config) {
            Some(settings) => {
                let data = &config.server.data;
                let started = congvu_admin::scrub::start(&directory, data, settings);
                Some(started.map_err(|_| StartError::Broken)?)
            }
            None => None,
        };
        let queue = Queue::new(directory.clone(), sending);
        let (sending, signal) = (queue.clone(), stopper.signal());
        tokio::spawn(async move { sending.run(signal).await });

        tokio::spawn(guard.clone().teach(stopper.signal()));
        tokio::spawn(guard.clone().report_abuse(stopper.signal()));
        let digests = guard.clone();
        let digests = tokio::spawn(async move { digests.send_digests_daily().await });
        let digests = digests.abort_handle();

        let compaction_rate = Arc::new(AtomicU64::new(config.limits.compaction_rate));
        let upkeep = upkeep::run(store.clone(), Arc::clone(&compaction_rate));
        let upkeep = tokio::spawn(upkeep).abort_handle();
        let tending = guard.clone().tend(habits(&config));
        let tending = tokio::spawn(tending).abort_handle();
        let trace_days = Arc::new(AtomicU32::new(config.trace.keep_days));
        let days = Arc::clone(&trace_days);
        tokio::spawn(keeper::keep(store.clone(), days, stopper.signal()));

        let (sender, orders) = mpsc::channel(ORDERS);
        let facts = Facts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listeners: listening,
            started: Timestamp::now(),
        };
        let admin = Admin::serving(directory, facts, sender).with_guard(guard.clone());
        let serving = admin.clone();
        let control = tokio::spawn(async move { control.serve(serving).await }).abort_handle();
        let forgetting = retention::run(admin.clone(), Who::server(), config.audit.keep_days);
        let retention = tokio::spawn(forgetting).abort_handle();
        let path = path.to_owned();
        Ok(Self {
            path,
            started_with: config,
            levels,
            store,
            admin,
            tls,
            guard,
            live,
            queue,
            trace_days,
            stopper,
            orders,
            control,
            scrub,
            upkeep,
            tending,
            compaction_rate,
            retention,
            digests,
        })
    }

    /// Performs administrators' requests.
    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The next order of an administrator.
    pub(crate) async fn order(&mut self) -> Option<Control> {
        self.orders.recv().await
    }

    /// Takes over certificates and settings from the file; on any problem everything stays. The settings
    /// that wait for a restart.
    pub(crate) async fn reload(&mut self) -> Result<Vec<String>, Vec<String>> {
        let path = self.path.clone();
        let tls = self.tls.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let config = Config::load(&path).map_err(|problems| texts(&problems))?;
            let files = certificates(&config).map_err(|error| vec![error.to_string()])?;
            let sending = settings::queue(&config).map_err(|error| vec![error.to_string()])?;
            // Last, since it takes effect at once.
            tls.reload(&files).map_err(|problems| texts(&problems))?;
            Ok((config, sending))
        });
        let (config, sending) = taken
            .await
            .unwrap_or_else(|_| Err(vec!["reading was broken off".into()]))?;
        let waiting = fixed(&self.started_with, &config);
        for setting in &waiting {
            warn!(setting, "setting changed, but needs a restart");
        }
        warn_of_expiry(&self.tls);
        self.levels.set(config.log);
        self.guard.reload(settings::guard(&config));
        self.live.set(&config);
        self.queue.reload(sending);
        let rate = config.limits.compaction_rate;
        self.compaction_rate.store(rate, Ordering::Relaxed);
        self.trace_days
            .store(config.trace.keep_days, Ordering::Relaxed);
        info!("configuration reloaded");
        Ok(waiting.into_iter().map(str::to_owned).collect())
    }

    /// Ends everything: what is under way finishes or is refused, the store is closed.
    pub(crate) async fn stop(mut self) {
        self.control.abort();
        self.retention.abort();
        self.digests.abort();
        // Its end waits for one reading, which must not hold up others here.
        let scrub = self.scrub.take();
        let scrub = tokio::task::spawn_blocking(move || drop(scrub));
        self.upkeep.abort();
        self.tending.abort();
        if !self.stopper.stop(DRAIN).await {
            warn!("some connections had to be cut off");
        }
        self.guard.save(habits(&self.started_with)).await;
        // Before the store: it reads the index.
        if scrub.await.is_err() {
            warn!("the scrub did not end well");
        }
        if let Err(error) = self.store.close().await {
            warn!(%error, "store not closed cleanly; the next start repairs it");
        }
    }
}

/// Where the filter keeps what it remembers of senders.
fn habits(config: &Config) -> PathBuf {
    config.server.data.join("filter/senders")
}

/// The filter, with what an earlier one remembered.
async fn remembering(config: &Config, directory: &Directory) -> Result<Guard, StartError> {
    let (directory, file) = (directory.clone(), habits(config));
    let settings = settings::guard(config);
    let made = move || Guard::remembering(directory, settings, &file);
    let made = tokio::task::spawn_blocking(made).await;
    made.map_err(|_| StartError::Broken)
}

/// What the blocking part of the start gives.
struct Opened {
    store: Store,
    report: Report,
    tls: ServerTls,
    sending: congvu_queue::Settings,
}

fn open(config: &Config) -> Result<Opened, StartError> {
    let folder = &config.server.data;
    private_folder(folder).map_err(|error| StartError::Folder(folder.clone(), error))?;
    let files = certificates(config)?;
    let tls = ServerTls::load(&files).map_err(StartError::Certificates)?;
    let sending = settings::queue(config)?;
    let (store, report) = Store::open(folder, settings::store(config))
        .map_err(|error| StartError::Store(folder.clone(), error))?;
    Ok(Opened {
        store,
        report,
        tls,
        sending,
    })
}

/// Makes the data folder for our eyes only; says when one that is there can be looked into by others.
/// One that belongs to somebody else is refused: root would leave files in it that the service's own
/// user could not open again.
fn private_folder(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let found = std::fs::metadata(folder)?;
    let owner = found.uid();
    if owner != std::fs::metadata("/proc/self")?.uid() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it belongs to user number {owner}; start the server as that user, or chown the folder"
            ),
        ));
    }
    if found.permissions().mode() & 0o077 != 0 {
        warn!(folder = %folder.display(), "data folder is open to other users; chmod go= it");
    }
    Ok(())
}

/// The configured certificates, or our own.
fn certificates(config: &Config) -> Result<Vec<CertificateFile>, StartError> {
    if !config.tls.certificates.is_empty() {
        config.tls.certificates.iter().for_each(warn_of_open_key);
        return Ok(config.tls.certificates.clone());
    }
    let folder = config.server.data.join("tls");
    let file = certificate::self_signed(&folder, &[&config.server.hostname, "localhost"])
        .map_err(|error| StartError::SelfSigned(folder.clone(), error))?;
    warn!(
        certificate = %file.chain.display(),
        "no certificate is configured; mail programs will warn about our own"
    );
    Ok(vec![file])
}

fn bind(config: &Config) -> Result<Vec<Listener>, StartError> {
    let bind = |name: &str, addresses: &[SocketAddr]| {
        Listener::bind(addresses).map_err(|error| StartError::Listener(name.to_owned(), error))
    };
    config
        .listeners
        .iter()
        .map(|listener| bind(&listener.name, &listener.addresses))
        .collect()
}

fn bind_control(control: &config::Control) -> Result<ControlSocket, StartError> {
    let path = control.socket.as_path();
    let failed = |error| StartError::Control(path.to_owned(), error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    ControlSocket::bind(path, control.group.as_deref()).map_err(failed)
}

/// What opening the store found.
fn tell(report: &Report) {
    info!(replayed = report.replayed, "store opened");
    if let Some(reason) = &report.rebuilt {
        warn!(reason, "index rebuilt from the log");
    }
    if report.full {
        tracing::error!(
            "the disk is full: reading and deleting work, mail is refused; make room or run congvu store compact"
        );
    }
    if report.cut > 0 {
        warn!(
            octets = report.cut,
            "torn end of the log cut; nothing in it was acknowledged"
        );
    }
    for frame in &report.damaged {
        tracing::error!(frame, "damaged frame in the log; restore it from a backup");
    }
}

fn warn_of_open_key(file: &CertificateFile) {
    let mode = std::fs::metadata(&file.key).map_or(0, |found| found.permissions().mode());
    if mode & 0o007 != 0 {
        warn!(key = %file.key.display(), "key can be read by everybody; chmod o= it");
    }
}

fn warn_of_expiry(tls: &ServerTls) {
    let soon = std::time::SystemTime::now() + Duration::from_hours(24 * EXPIRY_DAYS);
    for facts in tls.certificates() {
        let Some(end) = facts.not_after.filter(|end| *end <= soon) else {
            continue;
        };
        let certificate = facts.chain.display();
        if let Ok(left) = end.duration_since(std::time::SystemTime::now()) {
            warn!(%certificate, days = left.as_secs() / 86_400, "certificate ends soon");
        } else {
            warn!(%certificate, "certificate has ended; clients will refuse it");
        }
    }
}

/// Every connection needs a file descriptor.
fn warn_of_few_files(connections: usize) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let allowed = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    if let Some(allowed) = allowed
        && allowed < connections.saturating_add(OTHER_FILES)
    {
        warn!(
            allowed,
            connections,
            "fewer open files are allowed than limits.connections needs; raise LimitNOFILE"
        );
    }
}

/// Settings that differ but take effect only at a start.
fn fixed(old: &Config, new: &Config) -> Vec<&'static str> {
    [
        ("[server]", old.server != new.server),
        ("[control]", old.control != new.control),
        ("[[listener]]", old.listeners != new.listeners),
        ("[store]", old.store != new.store),
        ("[audit]", old.audit != new.audit),
        ("log.format", old.log.format != new.log.format),
        (
            "access.unlimited",
            old.access.unlimited != new.access.unlimited,
        ),
        (
            "limits.connections",
            old.limits.connections != new.limits.connections,
        ),
        (
            "limits.connections-per-address",
            old.limits.connections_per_address != new.limits.connections_per_address,
        ),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

fn texts<T: ToString>(problems: &[T]) -> Vec<String> {
    problems.iter().map(T::to_string).collect()
}
