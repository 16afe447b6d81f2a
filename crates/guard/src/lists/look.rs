//! Which entries concern a letter: at most some hundred look-ups for a scope that has entries, one for a scope without.
//!
//! Of a scope the most exact entry about the sender counts: its address before its domain, a longer domain before a
//! shorter one, the From field before MAIL FROM, a network last. About links each host has its own.

use std::net::IpAddr;

use congvu_net::Network;
use congvu_spam::facts::{Listing, Source, Subject};
use congvu_store::{Read, Result};

use super::record::{Counts, Listed};
use super::{Entry, V4, V6};
use crate::Scope;

/// Hosts of links that are looked up: a letter of a person has a handful; who hides a host behind more is caught by
/// other rules.
const HOSTS_MOST: usize = 20;
/// Domains above a name that are looked up, the name itself included.
const ABOVE_MOST: usize = 6;

/// What of a letter can be listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender {
    /// Addresses in lower case, the author's first, then MAIL FROM.
    pub addresses: Vec<String>,
    /// Who connected.
    pub client: Option<IpAddr>,
    /// Hosts of links, A-labels.
    pub hosts: Vec<String>,
    /// Now, seconds since 1970.
    pub now: i64,
}

/// Whether any list has hosts of links.
pub(crate) fn any_links<R: Read>(r: &R) -> Result<bool> {
    Ok(Counts::of_all(r)?.links > 0)
}

/// What a scope's list says of a letter.
pub(crate) fn look<R: Read>(r: &R, scope: Scope, sender: &Sender) -> Result<Vec<Listing>> {
    let counts = Counts::of(r, scope)?;
    let mut found = Vec::new();
    if counts.all() == 0 {
        return Ok(found);
    }
    let get = |entry: Entry| -> Result<Option<Listed>> {
        let listed = r.get::<Listed>(&(scope, entry))?;
        Ok(listed.filter(|listed| !listed.is_over(sender.now)))
    };
    let mut entries = Vec::new();
    if counts.addresses > 0 {
        entries.extend(sender.addresses.iter().cloned().map(Entry::Address));
    }
    if counts.domains > 0 {
        for address in &sender.addresses {
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            entries.extend(above(domain).map(|name| Entry::Domain(name.to_owned())));
        }
    }
    if counts.networks > 0
        && let Some(client) = sender.client
    {
        entries.extend(networks(client).map(Entry::Network));
    }
    for entry in entries {
        if let Some(listed) = get(entry)? {
            found.push(listing(listed));
            break;
        }
    }
    if counts.links > 0 {
        for host in sender.hosts.iter().take(HOSTS_MOST) {
            for name in above(host) {
                if let Some(listed) = get(Entry::Link(name.to_owned()))? {
                    found.push(listing(listed));
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// A name and those above it, but no top-level one.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| Some(name.split_once('.')?.1))
        .filter(|name| name.contains('.'))
        .take(ABOVE_MOST)
}

/// The listable networks that an address lies in, the smallest first.
fn networks(client: IpAddr) -> impl Iterator<Item = String> {
    let lengths: Vec<u8> = match client {
        IpAddr::V4(_) => V4.rev().collect(),
        IpAddr::V6(_) => V6.into_iter().rev().collect(),
    };
    lengths
        .into_iter()
        .map(move |length| Network::of(client, length).to_string())
}

fn listing(listed: Listed) -> Listing {
    let (what, entry) = match listed.entry {
        Entry::Address(text) => (Subject::Address, text),
        Entry::Domain(text) => (Subject::Domain, text),
        Entry::Network(text) => (Subject::Network, text),
        Entry::Link(text) => (Subject::Link, text),
    };
    let (source, list) = match listed.scope {
        Scope::House => (Source::House, "house"),
        Scope::Agency(_) => (Source::Agency, "agency"),
        Scope::Account(_) => (Source::Account, "account"),
    };
    Listing {
        list: list.to_owned(),
        entry,
        what,
        side: listed.side,
        source,
        weight: LINK_WEIGHT,
        reason: Some(listed.reason).filter(|reason| !reason.is_empty()),
    }
}

/// What a listed host of a link weighs: as much as a rule may. Entries about senders have weights of their own.
const LINK_WEIGHT: f32 = 1.5;
