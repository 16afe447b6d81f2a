//! Learning from people: durable, revocable, bounded in what one person can do to others.
//!
//! A *label* is what a person says of a letter, written into a journal in the transaction of the act that said it
//! ([`label`]). A background teacher ([`teacher`]) reads the letter, decides what follows for the account, its agency and
//! the house ([`lesson`]), and writes that with how far it is. Those who judge read [`models`]. Records: [`record`].

mod abuse;
mod label;
mod lesson;
mod models;
mod output;
mod record;
mod report;
mod stats;
mod teacher;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use congvu_directory::AgencyId;
use congvu_net::Shutdown;
use congvu_spam::statistics::{Delta, Model};
use congvu_store::AccountId;

pub use label::{
    AT_ONCE, Label, flagged, forget_account, forget_all, forget_label, is_junk, label, moved,
    stored, unlabel,
};
pub use lesson::{DAY_MAX, VOICE};
pub(crate) use models::Models;
pub use output::{KEPT, KEPT_DAYS};
pub use record::{Letter, Source, TallyCounts};
pub use report::{Reported, reported};
pub use stats::{Given, Progress, counts, labels, letter, progress};

use crate::{Guard, Scope};

/// What agencies and accounts taught, as it applies to the recipients of one letter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taught(HashMap<Scope, Arc<Delta>>);

impl Taught {
    /// What an agency taught, if anything.
    pub(crate) fn agency(&self, agency: AgencyId) -> Option<Arc<Delta>> {
        self.0.get(&Scope::Agency(agency)).cloned()
    }

    /// What an account taught, if anything.
    pub(crate) fn account(&self, account: AccountId) -> Option<Arc<Delta>> {
        self.0.get(&Scope::Account(account)).cloned()
    }
}

impl Guard {
    /// What the whole house taught.
    pub fn house(&self) -> Arc<Model> {
        Arc::clone(&self.models().house)
    }

    /// What agencies and accounts taught beyond that. Cheap for those who taught nothing.
    pub(crate) async fn taught(&self, accounts: &[(AccountId, AgencyId)]) -> Taught {
        Taught(self.models().corrections(self.store(), accounts).await)
    }

    /// Learns what people say until the stop: one for each server.
    pub async fn teach(self, shutdown: Shutdown) {
        let models = Arc::clone(self.models());
        let memory = Arc::clone(self.standing());
        teacher::teach(self.store().clone(), models, memory, shutdown).await;
    }
}
