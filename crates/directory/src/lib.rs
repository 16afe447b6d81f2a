//! Who is who: agencies (a tree), domains, persons and posts, groups, aliases, credentials, operators of
//! posts, quotas. All of it records in the store. Sessions and protocols are not here.

pub mod error;
pub mod login;
pub mod resolve;

pub use error::{Error, Result};
pub use login::{Login, LoginContext, Service};
pub use resolve::{Recipient, Resolution};

use congvu_store::{AccountId, Store};

/// The directory over a store. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    store: Store,
}

#[allow(unused_variables, clippy::unused_async, reason = "signatures first")]
impl Directory {
    /// The directory in this store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
    /// The store it lives in.
    pub fn store(&self) -> &Store {
        &self.store
    }
    /// What an address means here: RCPT, aliases, groups, plus addresses, postmaster.
    pub async fn resolve(&self, address: &congvu_message::Address) -> Result<Resolution> {
        todo!()
    }
    /// Whether the account may use this address as `From` or envelope sender: its own addresses
    /// (plus detail allowed), its aliases, and those of posts it operates.
    pub async fn may_send_as(&self, account: AccountId, address: &congvu_message::Address) -> Result<bool> {
        todo!()
    }
    /// Whether we are the final place for this domain.
    pub async fn is_local_domain(&self, domain: &str) -> Result<bool> {
        todo!()
    }
}
