//! Bringing back what was deleted: messages and mailboxes. Accounts are in `account`, finding them in
//! [`crate::deleted`].

use congvu_directory::record::AddressKey;
use congvu_directory::{Account, find, retention};
use congvu_store::deleted::{DeletedId, DeletedRead as _};
use congvu_store::tx::Quota;
use congvu_store::{LedgerId, MailboxId, Read, Tx};
use serde::{Deserialize, Serialize};

use super::{account, address};
use crate::error::{Error, Result};
use crate::reply::{PlacedView, UndeletedView};

/// Most messages of one request: one transaction, and an audit record that still names them all.
pub const AT_ONCE: usize = 200;
/// Deleted mailboxes of one scan.
const PAGE: usize = 1_024;

/// Changes of messages, by an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageChange {
    /// Brings deleted messages back, with new UIDs.
    Undelete {
        /// Whose.
        address: String,
        /// Which, as listed; at most [`AT_ONCE`].
        ids: Vec<String>,
        /// Into this mailbox, which is made if it is missing; otherwise where they were.
        into: Option<String>,
        /// Past limits of octets and messages.
        #[serde(default)]
        exceed_quota: bool,
    },
}

impl MessageChange {
    /// Says what came back, and into which mailboxes.
    pub(crate) fn apply(&self, tx: &mut Tx<'_>) -> Result<UndeletedView> {
        let Self::Undelete {
            address,
            ids,
            into,
            exceed_quota,
        } = self;
        let account = present(tx, address)?;
        if ids.len() > AT_ONCE {
            return Err(Error::Invalid(format!(
                "at most {AT_ONCE} messages at once"
            )));
        }
        let ids = ids
            .iter()
            .map(|text| {
                text.parse::<DeletedId>().map_err(|()| {
                    Error::Invalid(format!(
                        "{text:?} is not the id of a deleted message; see: congvu message list-deleted {address}"
                    ))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let done = tx
            .undelete(account.id, &ids, into.as_deref(), quota(*exceed_quota))
            .or_else(|error| Err(told(tx, &account, error)?))?;
        let mut view = UndeletedView::default();
        for (id, mailbox, uid) in done.placed {
            let mailbox = tx.mailbox(mailbox)?.map(|mailbox| mailbox.name);
            view.placed.push(PlacedView {
                id: id.to_string(),
                mailbox: mailbox.unwrap_or_default(),
                uid: uid.0,
            });
        }
        view.missing = done.missing.iter().map(ToString::to_string).collect();
        Ok(view)
    }
}

/// Changes of mailboxes, by an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxChange {
    /// Brings a deleted mailbox back with its messages.
    Undelete {
        /// Whose.
        address: String,
        /// Its last name; of several the one that was deleted last.
        mailbox: Option<String>,
        /// Its number, as listed.
        number: Option<u64>,
        /// Under this name; otherwise its own, with a number when that is taken.
        into: Option<String>,
        /// Past limits of octets and messages.
        #[serde(default)]
        exceed_quota: bool,
    },
}

impl MailboxChange {
    /// Says the name it has now.
    pub(super) fn apply(&self, tx: &mut Tx<'_>) -> Result<String> {
        let Self::Undelete {
            address,
            mailbox,
            number,
            into,
            exceed_quota,
        } = self;
        let account = present(tx, address)?;
        let id = match (number, mailbox) {
            (Some(number), None) => MailboxId(*number),
            (None, Some(name)) => last_named(tx, &account, name)?,
            _ => {
                return Err(Error::Invalid(
                    "name a deleted mailbox, or give its number".to_owned(),
                ));
            }
        };
        let missing = || {
            let named = mailbox.clone().or(number.map(|number| number.to_string()));
            Error::Missing("deleted mailbox", named.unwrap_or_default())
        };
        match tx.undelete_mailbox(account.id, id, into.as_deref(), quota(*exceed_quota)) {
            Ok(mailbox) => Ok(mailbox.name),
            Err(congvu_store::Error::NoMailbox) => Err(missing()),
            Err(congvu_store::Error::MailboxExists) => Err(Error::Invalid(format!(
                "{address} has a mailbox {} already; give another name with --into",
                into.as_deref().unwrap_or_default()
            ))),
            Err(error) => Err(told(tx, &account, error)?),
        }
    }
}

fn last_named<R: Read>(r: &R, account: &Account, name: &str) -> Result<MailboxId> {
    let wanted = congvu_store::name::canonical(name)?;
    let (mut found, mut after) = (None, None);
    loop {
        let page = r.deleted_mailboxes(account.id, after, PAGE)?;
        let named = page.iter().rfind(|one| one.mailbox.name == wanted);
        found = named.map(|one| one.mailbox.id).or(found);
        after = page
            .last()
            .map(congvu_store::deleted::DeletedMailbox::removal);
        if page.len() < PAGE {
            break;
        }
    }
    found.ok_or_else(|| Error::Missing("deleted mailbox", name.to_owned()))
}

/// An account that is there; of a removed one it is said how it comes back.
fn present<R: Read>(r: &R, text: &str) -> Result<Account> {
    match account(r, text) {
        Err(Error::Directory(congvu_directory::Error::Missing(..)))
            if retention::departed(r, &AddressKey::from(&address(text)?))?.is_some() =>
        {
            Err(Error::Invalid(format!(
                "{text} was removed; bring the account back first (congvu account restore {text})"
            )))
        }
        found => found,
    }
}

pub(super) fn quota(exceed: bool) -> Quota {
    if exceed {
        Quota::Ignore
    } else {
        Quota::Enforce
    }
}

/// An error in the words of whoever has to do something about it.
pub(super) fn told<R: Read>(r: &R, account: &Account, error: congvu_store::Error) -> Result<Error> {
    let congvu_store::Error::OverQuota(ledger) = error else {
        return Ok(error.into());
    };
    let whose = owner(r, account, ledger)?;
    Ok(Error::Invalid(format!(
        "the limit of {whose} would be passed; nothing was brought back. Raise the limit (congvu quota set), \
         bring back less, or repeat with --exceed-quota"
    )))
}

/// Whose limit it is.
fn owner<R: Read>(r: &R, account: &Account, ledger: LedgerId) -> Result<String> {
    if account.ledger == ledger {
        return Ok(format!("account {}", account.address()));
    }
    let domain = find::domain(r, &account.domain)?;
    if domain.ledger == ledger {
        return Ok(format!("domain {}", domain.name));
    }
    let above = find::lineage(r, account.agency)?;
    let agency = above.into_iter().find(|agency| agency.ledger == ledger);
    Ok(agency.map_or_else(
        || format!("ledger {ledger}"),
        |agency| format!("agency {}", agency.code),
    ))
}
