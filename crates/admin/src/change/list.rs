//! Lists of senders: whom the house, an agency or an account wants letters of, or no letters.

use congvu_directory::find;
use congvu_guard::Scope;
use congvu_guard::lists::{self, Entry, Listed, side_name};
use congvu_spam::facts::Side;
use congvu_store::{Read, Tx};
use serde::{Deserialize, Serialize};

use super::account;
use crate::audit::Who;
use crate::error::{Error, Result};

/// For whom a list holds: an agency or an account; neither: the whole house.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListOf {
    /// Code of the agency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    /// Address of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Changes of lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListChange {
    /// Letters of this sender are wanted.
    Allow(ListEntry),
    /// They are not.
    Block(ListEntry),
    /// Neither.
    Remove {
        /// What was listed.
        entry: String,
        /// It is the host of a link.
        link: bool,
        /// On whose list.
        #[serde(flatten)]
        of: ListOf,
    },
}

/// What is put on a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListEntry {
    /// An address, a domain, a network, or with `link` the host of a link.
    pub entry: String,
    /// It is the host of a link.
    pub link: bool,
    /// On whose list.
    #[serde(flatten)]
    pub of: ListOf,
    /// Seconds since 1970 from which on it counts for nothing.
    pub until: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl ListOf {
    /// The scope, and what people call it.
    pub(crate) fn scope<R: Read>(&self, r: &R) -> Result<(Scope, String)> {
        match (&self.agency, &self.account) {
            (None, None) => Ok((Scope::House, String::new())),
            (Some(code), None) => {
                let agency = find::agency(r, code)?;
                Ok((Scope::Agency(agency.id), agency.code))
            }
            (None, Some(text)) => {
                let account = account(r, text)?;
                Ok((Scope::Account(account.id), account.address().to_string()))
            }
            (Some(_), Some(_)) => Err(Error::Invalid(
                "a list is of an agency or of an account, not of both".to_owned(),
            )),
        }
    }
}

impl ListChange {
    /// Says which entry.
    pub(super) fn apply(&self, tx: &mut Tx<'_>, who: &Who) -> Result<String> {
        match self {
            Self::Allow(entry) => put(tx, entry, Side::Allow, who),
            Self::Block(entry) => put(tx, entry, Side::Block, who),
            Self::Remove { entry, link, of } => {
                let (scope, name) = of.scope(tx)?;
                let gone = lists::remove(tx, scope, &Entry::read(entry, *link)?)?;
                Ok(said(gone.side, &gone.entry, &name))
            }
        }
    }
}

fn put(tx: &mut Tx<'_>, new: &ListEntry, side: Side, who: &Who) -> Result<String> {
    let (scope, name) = new.of.scope(tx)?;
    let listed = Listed {
        scope,
        entry: Entry::read(&new.entry, new.link)?,
        side,
        until: new.until,
        reason: new.reason.clone().unwrap_or_default(),
        by: who.name(),
        added: tx.now(),
    };
    lists::set(tx, &listed)?;
    Ok(said(side, &listed.entry, &name))
}

fn said(side: Side, entry: &Entry, of: &str) -> String {
    let text = format!("{} {entry} {of}", side_name(side));
    text.trim_end().to_owned()
}
