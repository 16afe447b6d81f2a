//! Lists of senders: whom the house, an agency or an account wants letters of, or no letters.
//!
//! An entry is one record under its scope, its kind and itself, so that a letter finds all that concern it by a bounded
//! number of look-ups (`look`), however long the lists are. A second record counts a scope's entries by kind: most
//! scopes have none, and then that one look-up is all. What is said again replaces what was said before.
//!
//! What follows from an entry is decided by the stage `lists` of `congvu-spam`.

mod look;
mod record;

use std::fmt;
use std::net::IpAddr;

use congvu_directory::record::{Account, Agency, Departed};
use congvu_message::Address;
use congvu_message::address::domain_to_ascii;
use congvu_net::Network;
use congvu_spam::facts::Side;
use congvu_store::{Read, Store, Timestamp, Topic, Tx};
use serde::{Deserialize, Serialize};

use crate::Scope;

pub(crate) use look::{Sender, any_links, look};
pub(crate) use record::Counts;
pub use record::Listed;

/// Entries of one scope: ten times the longest list that somebody keeps by hand.
pub const ENTRIES_MOST: u32 = 10_000;
/// Octets of a reason.
const REASON_MOST: usize = 500;
/// Entries of a page.
const PAGE: usize = 200;
/// Longest IPv4 networks that can be listed are single addresses, the largest /8: each length is one look-up.
const V4: std::ops::RangeInclusive<u8> = 8..=32;
/// Lengths of IPv6 networks that can be listed: each is one look-up, and networks are given out in such steps.
const V6: [u8; 14] = [16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 128];

/// What is on a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "entry")]
pub enum Entry {
    /// A mail address, lower case.
    Address(String),
    /// A domain as A-labels, with all below it.
    Domain(String),
    /// A network in CIDR notation.
    Network(String),
    /// The host of a link as A-labels, with all below it.
    Link(String),
}

/// Why a list is not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the store.
    #[error(transparent)]
    Store(#[from] congvu_store::Error),
    /// The entry or what is said of it is not allowed; the text says why and what is.
    #[error("{0}")]
    Invalid(String),
    /// There is no such entry.
    #[error("no such entry: {0}")]
    Missing(String),
}

/// What names an entry.
type Key = (Scope, Entry);

type Result<T> = std::result::Result<T, Error>;

impl Entry {
    /// Reads what people write: `a@b.example`, `b.example`, `@b.example`, `192.0.2.0/24`; `link`: the host of a link.
    pub fn read(text: &str, link: bool) -> Result<Self> {
        let text = text.trim();
        let invalid = |why: String| Error::Invalid(format!("{text:?} cannot be listed: {why}"));
        let domain = |text: &str| {
            let text = text.trim_start_matches("*.").trim_start_matches('.');
            let name = domain_to_ascii(text).map_err(|error| invalid(error.to_string()))?;
            if name.contains('.') {
                Ok(name)
            } else {
                Err(invalid("give a domain of two names or more".to_owned()))
            }
        };
        if link {
            let host = text.split_once("://").map_or(text, |(_, rest)| rest);
            let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
            return domain(host).map(Self::Link);
        }
        if let Some(name) = text.strip_prefix('@') {
            return domain(name).map(Self::Domain);
        }
        if text.contains('@') {
            let address = Address::parse(text).map_err(|error| invalid(error.to_string()))?;
            return Ok(Self::Address(address.to_string().to_lowercase()));
        }
        if text.contains('/') || text.parse::<IpAddr>().is_ok() {
            let network: Network = text.parse().map_err(|error| invalid(format!("{error}")))?;
            let shown = network.to_string();
            let length = shown.rsplit('/').next().and_then(|text| text.parse().ok());
            let listable = |length: u8| {
                if shown.contains(':') {
                    V6.contains(&length)
                } else {
                    V4.contains(&length)
                }
            };
            if !length.is_some_and(listable) {
                return Err(invalid(format!(
                    "give an IPv4 network of /{} to /{}, or an IPv6 network of /16, /20 … /64, or a single address",
                    V4.start(),
                    V4.end()
                )));
            }
            return Ok(Self::Network(shown));
        }
        domain(text).map(Self::Domain)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) | Self::Domain(text) | Self::Network(text) | Self::Link(text) => {
                f.write_str(text)
            }
        }
    }
}

/// Puts an entry on a list. Those of the house and of agencies say why: others must live with them.
pub fn set(tx: &mut Tx<'_>, listed: &Listed) -> Result<()> {
    if listed.reason.len() > REASON_MOST {
        let why = format!("a reason has at most {REASON_MOST} octets");
        return Err(Error::Invalid(why));
    }
    if listed.reason.trim().is_empty() && !matches!(listed.scope, Scope::Account(_)) {
        return Err(Error::Invalid(
            "say why: an entry of the house or of an agency needs a reason".to_owned(),
        ));
    }
    if listed
        .until
        .is_some_and(|until| until <= tx.now().seconds())
    {
        return Err(Error::Invalid("the entry would end in the past".to_owned()));
    }
    let known = tx.get::<Listed>(&(listed.scope, listed.entry.clone()))?;
    if known.is_none() {
        let counts = Counts::of(tx, listed.scope)?;
        if counts.all() >= ENTRIES_MOST {
            return Err(Error::Invalid(format!(
                "a list has at most {ENTRIES_MOST} entries; remove some first"
            )));
        }
        count(tx, listed.scope, &listed.entry, 1)?;
    }
    tx.put(listed)?;
    tx.touch(Topic::Directory);
    Ok(())
}

/// Takes an entry off a list.
pub fn remove(tx: &mut Tx<'_>, scope: Scope, entry: &Entry) -> Result<Listed> {
    let key = (scope, entry.clone());
    let known = tx
        .get::<Listed>(&key)?
        .ok_or_else(|| Error::Missing(entry.to_string()))?;
    tx.delete::<Listed>(&key)?;
    count(tx, scope, entry, -1)?;
    tx.touch(Topic::Directory);
    Ok(known)
}

/// Counts an entry in its scope, and a link among all links.
fn count(tx: &mut Tx<'_>, scope: Scope, entry: &Entry, by: i32) -> Result<()> {
    let mut counts = Counts::of(tx, scope)?;
    counts.add(entry, by);
    tx.put(&counts)?;
    if matches!(entry, Entry::Link(_)) {
        let mut all = Counts::of_all(tx)?;
        all.add(entry, by);
        tx.put(&all)?;
    }
    Ok(())
}

/// A page of entries: of one scope, or of all; and what to hand back for the next.
pub fn listing<R: Read>(
    r: &R,
    scope: Option<Scope>,
    after: Option<&str>,
) -> Result<(Vec<Listed>, Option<String>)> {
    let after = match after {
        None => None,
        Some(text) => Some(
            record::from_token(text)
                .ok_or_else(|| Error::Invalid("this is no place in a list".to_owned()))?,
        ),
    };
    let (entries, next) = page(r, scope, after.as_ref())?;
    Ok((entries, next.as_ref().map(record::token)))
}

fn page<R: Read>(
    r: &R,
    scope: Option<Scope>,
    after: Option<&Key>,
) -> Result<(Vec<Listed>, Option<Key>)> {
    let prefix = record::prefix(scope);
    let from = after.map_or_else(Vec::new, |key| {
        let mut from = record::octets(key);
        from.push(0);
        from
    });
    let page = r.scan::<Listed>(&prefix, &from, PAGE)?;
    let next = (page.len() == PAGE).then(|| page.last()).flatten();
    let next = next.map(|last| (last.scope, last.entry.clone()));
    Ok((page, next))
}

/// Removes entries whose time is over, and those of accounts and agencies that are no more. Says how many.
pub async fn purge(store: &Store, now: Timestamp) -> Result<u64> {
    let mut gone = 0;
    let mut after: Option<Key> = None;
    loop {
        let from = after.clone();
        let (due, next) = store
            .read(move |r| {
                let (entries, next) = page(r, None, from.as_ref())?;
                let mut due = Vec::new();
                for listed in entries {
                    if listed.is_over(now.seconds()) || !is_there(r, listed.scope)? {
                        due.push((listed.scope, listed.entry));
                    }
                }
                Ok::<_, Error>((due, next))
            })
            .await?;
        if !due.is_empty() {
            gone += store
                .transact(move |tx| {
                    let mut gone = 0;
                    for (scope, entry) in &due {
                        let key = (*scope, entry.clone());
                        // It may have been said anew meanwhile.
                        let still = tx
                            .get::<Listed>(&key)?
                            .is_some_and(|listed| listed.is_over(now.seconds()));
                        if still || !is_there(tx, *scope)? {
                            remove(tx, *scope, entry)?;
                            gone += 1;
                        }
                    }
                    Ok::<u64, Error>(gone)
                })
                .await?;
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(gone),
        }
    }
}

/// Whether a scope's account or agency still exists, if only to be brought back.
fn is_there<R: Read>(r: &R, scope: Scope) -> Result<bool> {
    Ok(match scope {
        Scope::House => true,
        Scope::Agency(agency) => r.get::<Agency>(&agency)?.is_some(),
        Scope::Account(account) => {
            r.get::<Account>(&account)?.is_some() || r.get::<Departed>(&account)?.is_some()
        }
    })
}

/// The word for people and programs.
pub fn side_name(side: Side) -> &'static str {
    match side {
        Side::Allow => "allow",
        Side::Block => "block",
    }
}

#[cfg(test)]
mod tests;
