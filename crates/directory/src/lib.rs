//! Who is who: agencies (a tree), domains, persons and posts, groups, aliases, credentials, operators of
//! posts, quotas. All of it records in the store. Sessions and protocols are not here.
//!
//! Reading for the services is on [`Directory`]; changes are the functions of [`edit`], inside a
//! transaction of the caller's; listings are in [`view`].

pub mod edit;
pub mod error;
pub mod find;
pub mod login;
pub mod name;
pub mod password;
pub mod record;
pub mod resolve;
pub mod retention;
pub mod view;

pub use error::{Error, Result};
pub use login::{Login, LoginContext, Service, Session};
pub use record::{Account, AgencyId, Domain, Kind};
pub use resolve::{Recipient, Resolution};

use std::sync::Arc;

use congvu_store::{Store, Tx};

/// The directory over a store. Cheap to clone; clones share delays, session counts and verified logins.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    logins: Arc<login::Logins>,
}

impl Directory {
    /// The directory in this store. One for a process: what clones share is not shared between two made here.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            logins: Arc::default(),
        }
    }
    /// The store it lives in.
    pub fn store(&self) -> &Store {
        &self.store
    }
    /// Runs changes (functions of [`edit`]) in one transaction: all of them happen or none.
    pub async fn change<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.store.transact(f).await
    }
}
