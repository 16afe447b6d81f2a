//! The filter at work. `congvu-spam` judges facts; this crate gathers them from DNS, lists and memory, remembers what
//! people taught, and holds back what must not reach a mailbox.
//!
//! What was taught, lists, correspondence and held letters are records of the store and survive everything. Reputation,
//! rates and greylisting are soft: they live in memory, bounded, and begin anew after a start. Nothing that fails
//! here keeps mail out or makes it look worse: it is not known, and nothing follows from it.

mod advertisers;
mod copies;
pub mod correspondence;
pub mod digest;
mod greylist;
#[cfg(test)]
mod house;
mod inquiry;
mod judge;
pub mod learn;
pub mod lists;
mod lookup;
mod origin;
mod policy;
pub mod quarantine;
mod rates;
mod record;
mod reputation;
mod saved;
mod scope;
mod soft;
mod standing;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use congvu_directory::Directory;
use congvu_net::dns::Resolver;
use congvu_store::{Store, Timestamp};

pub use greylist::Greylist;
pub use inquiry::Asked;
pub use judge::{Arrival, Gathered, Glance, Ruling};
pub use lookup::{ClientFacts, DnsList, ListKind, Pending, SenderFacts, WAIT};
pub use scope::Scope;
use standing::Memory;

use policy::Prescriptions;

/// The filter of one server. Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    directory: Directory,
    settings: RwLock<Arc<Settings>>,
    models: Arc<learn::Models>,
    prescriptions: Prescriptions,
    /// Made when it is first needed.
    links: tokio::sync::OnceCell<quarantine::Keys>,
    standing: Arc<Memory>,
}

/// What an administrator sets for the filter of the whole house; what agencies set stands in the directory.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether letters from outside are judged at all.
    pub enabled: bool,
    /// The server's name.
    pub hostname: String,
    /// Hosts of agencies and banks beyond those that the filter knows ([`congvu_spam::facts::Policy::genuine`]), as
    /// A-labels in lower case.
    pub official_hosts: Arc<Vec<String>>,
    /// Who answers questions about senders; `None`: nobody is asked.
    pub resolver: Option<Resolver>,
    /// Public lists that are asked.
    pub dns_lists: Vec<DnsList>,
    /// Whether and which letters are asked to come again.
    pub greylist: Greylist,
    /// Hour of the day, 0 to 23, in which accounts are told of letters in quarantine.
    pub digest_hour: u8,
    /// Where people reach the web listener: `https://mail.example`. `None`: digests have no links.
    pub web_url: Option<String>,
    /// Zone of hours and of dates in letters, minutes east of UTC.
    pub zone: i16,
    /// Who forwards a letter to this address calls it spam.
    pub report_spam: Option<String>,
    /// Who forwards a letter to this one calls it wanted.
    pub report_ham: Option<String>,
    /// Where abuse is reported that several persons agree on; `None`: nowhere.
    pub abuse_reports_to: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            hostname: "localhost".to_owned(),
            official_hosts: Arc::default(),
            resolver: None,
            dns_lists: Vec::new(),
            greylist: Greylist::default(),
            // When an office opens, so that the digest lies on top.
            digest_hour: 7,
            web_url: None,
            // Việt Nam has one zone, without summer time.
            zone: 7 * 60,
            report_spam: None,
            report_ham: None,
            abuse_reports_to: None,
        }
    }
}

impl Guard {
    /// For one server that remembers nothing of senders yet.
    pub fn new(directory: Directory, settings: Settings) -> Self {
        let memory = Memory::new(fastrand::u64(..), Timestamp::now().seconds());
        Self::with(directory, settings, memory)
    }

    /// For one server, with the memory of senders that an earlier one wrote to this file. Blocking.
    pub fn remembering(directory: Directory, settings: Settings, file: &Path) -> Self {
        Self::with(directory, settings, saved::load(file))
    }

    fn with(directory: Directory, settings: Settings, standing: Memory) -> Self {
        Self(Arc::new(Inner {
            prescriptions: Prescriptions::new(directory.store()),
            directory,
            settings: RwLock::new(Arc::new(settings)),
            models: Arc::default(),
            links: tokio::sync::OnceCell::new(),
            standing: Arc::new(standing),
        }))
    }

    /// Takes other settings, for letters from now on.
    pub fn reload(&self, settings: Settings) {
        let mut current = self
            .0
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(settings);
    }

    /// The settings.
    pub fn settings(&self) -> Arc<Settings> {
        let current = self
            .0
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// What was learned.
    fn models(&self) -> &Arc<learn::Models> {
        &self.0.models
    }

    /// What is remembered of senders.
    pub(crate) fn standing(&self) -> &Arc<Memory> {
        &self.0.standing
    }

    /// The directory of the house.
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// The store of the house.
    pub fn store(&self) -> &Store {
        self.0.directory.store()
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("settings", &self.settings())
            .finish_non_exhaustive()
    }
}
