//! Answers the IMAP server machine: one file a command, views, IDLE.
//!
//! [`serve`] makes the [`Session`] of one connection; the driver in `net` passes it what
//! [`congvu_imap::server::Server`] asks. Grammar, literals and encoding are in `imap`, keys and files in
//! `store`, passwords in `directory`.

mod append;
mod blocking;
mod close;
mod copy;
mod create;
mod delete;
mod expunge;
mod fetch;
mod flags;
mod id;
mod idle;
mod list;
mod login;
mod namespace;
mod noop;
mod octets;
mod pattern;
mod quota;
mod recent;
mod records;
mod refuse;
mod rename;
mod search;
mod select;
mod session;
mod set;
mod status;
mod store;
mod subscribe;
mod summary;
mod uids;
mod view;

use std::sync::Arc;
use std::time::Duration;

use congvu_directory::Directory;
use congvu_store::Store;
use congvu_wire::Peer;

pub use session::Session;

/// What an administrator can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of this server, for the greeting.
    pub hostname: String,
    /// Largest message APPEND takes, octets.
    pub message_limit: u64,
    /// How often IDLE says that the server is still here. Mobile networks forget silent connections after
    /// 5 minutes and more.
    pub keep_alive: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            message_limit: 50 * 1024 * 1024,
            keep_alive: Duration::from_mins(4),
        }
    }
}

/// What all sessions share.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) settings: Settings,
    pub(crate) recent: Arc<recent::Recent>,
}

impl Shared {
    /// Once a server; the store is the directory's.
    pub fn new(directory: Directory, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            store: directory.store().clone(),
            directory,
            settings,
            recent: Arc::default(),
        })
    }

    /// The same server with other settings, for connections from now on.
    pub fn with_settings(&self, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            store: self.store.clone(),
            directory: self.directory.clone(),
            settings,
            recent: Arc::clone(&self.recent),
        })
    }
}

/// The service of one connection.
pub fn serve(peer: Peer, shared: Arc<Shared>) -> Session {
    Session::new(peer, shared)
}
