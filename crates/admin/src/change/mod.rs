//! Everything that changes something: one enum a noun, one variant a verb.
//!
//! The serialized form `{noun: {verb: {arguments}}}` is what goes through the socket and, without secrets,
//! what the audit record says. Names are those of the command line.

mod account;
mod address;
mod agency;
mod domain;
mod hold;
mod list;
mod password;
mod quarantine;
mod queue;
mod spam;
mod undelete;

pub use account::{AccountChange, OperatorChange};
pub use address::{AliasChange, GroupChange};
pub use agency::{AgencyChange, Setting};
pub use domain::{DomainChange, QuotaChange, Subject};
pub use hold::HoldChange;
pub(crate) use hold::with_departed;
pub use list::{ListChange, ListEntry, ListOf};
pub use password::{AppPasswordChange, PasswordChange};
pub use quarantine::QuarantineChange;
pub use queue::QueueChange;
pub use spam::SpamChange;
pub use undelete::{AT_ONCE, MailboxChange, MessageChange};

use congvu_directory::edit::domain::OldName;
use congvu_directory::password::Hashed;
use congvu_directory::record::AgencyId;
use congvu_directory::{Account, find};
use congvu_message::Address;
use congvu_store::{Read, Tx};
use serde::{Deserialize, Serialize};

use crate::audit::Who;
use crate::error::{Error, Result};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Agencies.
    Agency(AgencyChange),
    /// Domains.
    Domain(DomainChange),
    /// Accounts: persons and posts.
    Account(AccountChange),
    /// Operators of posts.
    Operator(OperatorChange),
    /// Aliases.
    Alias(AliasChange),
    /// Groups.
    Group(GroupChange),
    /// Quotas.
    Quota(QuotaChange),
    /// Main passwords.
    Password(PasswordChange),
    /// App passwords.
    AppPassword(AppPasswordChange),
    /// The queue.
    Queue(QueueChange),
    /// Holds.
    Hold(HoldChange),
    /// Lists of senders.
    List(ListChange),
    /// Letters in quarantine.
    Quarantine(QuarantineChange),
    /// Deleted mailboxes.
    Mailbox(MailboxChange),
    /// Deleted messages.
    Message(MessageChange),
    /// What the filter learned.
    Spam(SpamChange),
}

impl Change {
    /// Makes the change inside a transaction; says what was changed. `hashed` is the password prepared for it,
    /// if it takes one. Imports have their own way, because they need many; messages too, because they say
    /// more.
    pub(crate) fn apply(
        &self,
        tx: &mut Tx<'_>,
        who: &Who,
        hashed: Option<&Hashed>,
    ) -> Result<String> {
        match self {
            Self::Agency(change) => change.apply(tx),
            Self::Domain(change) => change.apply(tx),
            Self::Account(change) => change.apply(tx, hashed),
            Self::Operator(change) => change.apply(tx),
            Self::Alias(change) => change.apply(tx),
            Self::Group(change) => change.apply(tx),
            Self::Quota(change) => change.apply(tx),
            Self::Password(change) => change.apply(tx, hashed),
            Self::AppPassword(change) => change.apply(tx, hashed),
            Self::Queue(change) => change.apply(tx),
            Self::Hold(change) => change.apply(tx, who),
            Self::List(change) => change.apply(tx, who),
            Self::Quarantine(change) => change.apply(tx, who),
            Self::Mailbox(change) => change.apply(tx),
            Self::Spam(change) => change.apply(tx),
            Self::Message(_) => Err(Error::Invalid(
                "messages are brought back as a whole, not as one change".to_owned(),
            )),
        }
    }
}

/// An address as an administrator writes it.
pub(crate) fn address(text: &str) -> Result<Address> {
    Address::parse(text.trim())
        .map_err(|why| Error::Invalid(format!("{text:?} is not a mail address: {why}")))
}

/// An account by what an administrator writes.
pub(crate) fn account<R: Read>(r: &R, text: &str) -> Result<Account> {
    Ok(find::account(r, &address(text)?)?)
}

/// An agency by its code, if one is given.
pub(crate) fn agency_id<R: Read>(r: &R, code: Option<&str>) -> Result<Option<AgencyId>> {
    Ok(code
        .map(|code| find::agency(r, code))
        .transpose()?
        .map(|a| a.id))
}

/// What becomes of a name that is left.
fn old_name(keep: bool) -> OldName {
    if keep { OldName::Keep } else { OldName::Drop }
}
