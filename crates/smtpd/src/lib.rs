//! Receives mail: answers the SMTP server machine for MX, submission and LMTP.
//!
//! The way of a message: *facts* (connection, TLS, names, login; `facts`) → *verdict* (`verdict`, `filter`) → *policy*
//! (`policy`, `quota`) → *placement* (`plan`, `place`): one transaction that puts it into every local mailbox
//! and queues it for everybody else. Invariant: 250 is answered only after that transaction is durable.
//!
//! The grammar is in `congvu-smtp`, sockets in `congvu-net`, sending on in `congvu-queue`.

mod deliver;
mod facts;
mod filter;
mod header;
mod intake;
mod mail;
mod notice;
mod place;
mod plan;
mod policy;
mod quarantine;
mod quota;
mod rate;
mod rcpt;
mod record;
mod refusal;
mod session;
mod settings;
mod trace;
mod transaction;
mod verdict;

use std::sync::Arc;

use congvu_directory::Directory;
use congvu_guard::Guard;
use congvu_smtp::ask::Kind;
use congvu_store::Store;
use congvu_wire::Peer;
use tokio::sync::Semaphore;

pub use session::Session;
pub use settings::{Rate, Rates, Settings};

/// Large messages parsed or scanned at once. Each may need a few times its size in memory: four of the largest stay
/// below a gigabyte.
const LARGE_AT_ONCE: usize = 4;

/// What all sessions share. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    store: Store,
    directory: Directory,
    guard: Guard,
    settings: Arc<Settings>,
    rates: Arc<rate::Book>,
    large: Arc<Semaphore>,
    refused: Arc<record::Refusals>,
}

impl Shared {
    /// For one server.
    pub fn new(guard: Guard, settings: Settings) -> Self {
        Self {
            store: guard.store().clone(),
            directory: guard.directory().clone(),
            guard,
            settings: Arc::new(settings),
            rates: Arc::default(),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            refused: Arc::default(),
        }
    }

    /// The same server with other settings, for sessions from now on; rates are still counted together.
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            ..self.clone()
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The service of a connection that was just accepted.
    pub fn session(&self, peer: Peer, kind: Kind) -> Session {
        Session::new(self.clone(), peer, kind)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
