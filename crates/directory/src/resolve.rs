//! From an address to its mailboxes, and who may write under it.
//!
//! Each question reads one state of the store, so that a group that is being changed is seen before or
//! after the change.

use std::collections::{HashMap, HashSet};

use congvu_message::Address;
use congvu_store::{AccountId, Read};

use crate::Directory;
use crate::error::{Error, Result};
use crate::find;
use crate::record::{
    Account, AddressKey, AgencyId, Domain, Entry, Group, Meaning, Member, Operates, Operator,
    Target,
};

/// Most recipients one address may lead to: the largest groups seen (all civil servants of a province) have
/// some thousands, and ten thousand index reads still take well under a second.
pub const RECIPIENTS: usize = 10_000;
/// Most aliases and groups looked into for one address: bounds the work of empty groups in groups.
const VISITS: usize = 4 * RECIPIENTS;
/// Role addresses that exist in every domain (RFC 5321 section 4.5.1, RFC 2142 section 2).
const ROLES: [&str; 2] = ["postmaster", "abuse"];

/// What an address means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The domain is not ours.
    Foreign,
    /// Our domain, but nobody has this address (550 5.1.1).
    Unknown,
    /// The account exists but is disabled (550 5.2.1).
    Disabled,
    /// Whom it reaches, each once; aliases and groups expanded (loops cut, at most 10,000).
    Recipients(Vec<Recipient>),
}

/// One recipient after expansion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// An account here, with the plus detail of the address if any (`user+detail@`).
    Account {
        /// Whose INBOX.
        account: AccountId,
        /// Its primary address.
        address: Address,
        /// Plus detail.
        detail: Option<String>,
    },
    /// An alias or group member elsewhere: goes to the queue.
    Foreign(Address),
}

impl Directory {
    /// What an address means here: RCPT, aliases, groups, plus addresses, postmaster.
    pub async fn resolve(&self, address: &Address) -> Result<Resolution> {
        let address = address.clone();
        self.store.read(move |r| resolve(r, &address)).await
    }

    /// What `RCPT TO:<postmaster>` without a domain means (RFC 5321 section 4.1.1.3): the postmaster of the
    /// domain that was provisioned first.
    pub async fn resolve_postmaster(&self) -> Result<Resolution> {
        self.store
            .read(|r| {
                let domains = find::all::<Domain, _>(r, &[], usize::MAX)?;
                let Some(first) = domains
                    .iter()
                    .filter(|d| d.alias_of.is_none())
                    .min_by_key(|d| (d.created, d.ledger))
                else {
                    return Ok(Resolution::Unknown);
                };
                resolve(
                    r,
                    &Address {
                        local: ROLES[0].to_owned(),
                        domain: first.name.clone(),
                    },
                )
            })
            .await
    }

    /// Whether the account may use this address as `From` or envelope sender: its own addresses
    /// (plus detail allowed), its aliases, and those of posts it operates. An alias that leads to several
    /// accounts is nobody's own: what several persons write under is a post. The postmaster of a domain may
    /// also use its `postmaster@` and `abuse@`.
    pub async fn may_send_as(&self, account: AccountId, address: &Address) -> Result<bool> {
        let address = address.clone();
        self.store
            .read(move |r| may_send_as(r, account, &address))
            .await
    }

    /// Whether we are the final place for this domain.
    pub async fn is_local_domain(&self, domain: &str) -> Result<bool> {
        let domain = domain.to_owned();
        self.store
            .read(move |r| Ok(find::home_domain(r, &domain)?.is_some()))
            .await
    }
}

/// [`Directory::resolve`] inside a read or transaction.
pub fn resolve<R: Read>(r: &R, address: &Address) -> Result<Resolution> {
    let Some(home) = find::home_domain(r, &address.domain)? else {
        return Ok(Resolution::Foreign);
    };
    let found = find::entry_with_detail(r, &home, address)?;
    let Some((entry, detail)) = found else {
        return role(r, &home, address);
    };
    if find::is_closed_alias(r, &address.domain)? {
        return Ok(Resolution::Disabled);
    }
    let mut expansion = Expansion::default();
    expansion.entry(r, &entry, detail)?;
    while let Some((target, detail)) = expansion.pending.pop() {
        expansion.target(r, target, detail)?;
        if expansion.found.len() > RECIPIENTS || expansion.visited.len() > VISITS {
            return Err(Error::TooMany(address.to_string()));
        }
    }
    if expansion.found.is_empty() {
        let role = role(r, &home, address)?;
        return Ok(match role {
            Resolution::Unknown if expansion.disabled => Resolution::Disabled,
            other => other,
        });
    }
    Ok(Resolution::Recipients(expansion.found))
}

/// The work list of one address. What was visited is not visited again: that cuts loops and makes every
/// recipient appear once.
#[derive(Default)]
struct Expansion {
    pending: Vec<(Target, Option<String>)>,
    visited: HashSet<Vec<u8>>,
    found: Vec<Recipient>,
    disabled: bool,
    able: Able,
}

/// Which domains and agencies are enabled: asked once each, not once a member.
#[derive(Default)]
struct Able {
    domains: HashMap<String, bool>,
    agencies: HashMap<AgencyId, bool>,
}

impl Able {
    fn both<R: Read>(&mut self, r: &R, domain: &str, agency: AgencyId) -> Result<bool> {
        let domain = if let Some(&known) = self.domains.get(domain) {
            known
        } else {
            let enabled = find::domain(r, domain)?.enabled;
            self.domains.insert(domain.to_owned(), enabled);
            enabled
        };
        let agency = if let Some(&known) = self.agencies.get(&agency) {
            known
        } else {
            let enabled = find::agency_enabled(r, agency)?;
            self.agencies.insert(agency, enabled);
            enabled
        };
        Ok(domain && agency)
    }
}

impl Expansion {
    fn entry<R: Read>(&mut self, r: &R, entry: &Entry, detail: Option<String>) -> Result<()> {
        match &entry.meaning {
            Meaning::Account(id) => self.target(r, Target::Account(*id), detail),
            Meaning::Group(id) => self.target(r, Target::Group(*id), None),
            Meaning::Alias(targets) => {
                self.pending
                    .extend(targets.iter().rev().map(|t| (t.clone(), detail.clone())));
                Ok(())
            }
        }
    }

    fn target<R: Read>(&mut self, r: &R, target: Target, detail: Option<String>) -> Result<()> {
        if !self.visited.insert(target.octets()) {
            return Ok(());
        }
        match target {
            Target::Account(id) => {
                let Some(account) = r.get::<Account>(&id)? else {
                    return Ok(());
                };
                if account.enabled && self.able.both(r, &account.domain, account.agency)? {
                    self.found.push(Recipient::Account {
                        account: id,
                        address: account.address(),
                        detail,
                    });
                } else {
                    self.disabled = true;
                }
            }
            Target::Group(id) => {
                let Some(group) = r.get::<Group>(&id)? else {
                    return Ok(());
                };
                if group.enabled && self.able.both(r, &group.domain, group.agency)? {
                    // One more than may be, so that a group that is too large is noticed.
                    let members = find::all::<Member, _>(r, &Member::prefix(id), RECIPIENTS + 1)?;
                    self.pending
                        .extend(members.into_iter().rev().map(|m| (m.target, None)));
                } else {
                    self.disabled = true;
                }
            }
            Target::Address { local, domain } => {
                let address = Address { local, domain };
                match find::home_domain(r, &address.domain)? {
                    None => self.found.push(Recipient::Foreign(address)),
                    Some(home) => {
                        if let Some((entry, detail)) = find::entry_with_detail(r, &home, &address)?
                        {
                            self.entry(r, &entry, detail)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// `postmaster@` and `abuse@` always reach somebody: the domain's postmaster, else the oldest account of the
/// domain that can receive, else the oldest of the server.
fn role<R: Read>(r: &R, home: &Domain, address: &Address) -> Result<Resolution> {
    let (base, detail) = address.split_detail();
    if !ROLES.contains(&base.to_ascii_lowercase().as_str()) {
        return Ok(Resolution::Unknown);
    }
    let able = |id: AccountId| -> Result<Option<Account>> {
        match r.get::<Account>(&id)? {
            // The domain of a role address may be disabled; its postmaster is still to be reached.
            Some(account) if account.enabled && find::agency_enabled(r, account.agency)? => {
                Ok(Some(account))
            }
            _ => Ok(None),
        }
    };
    let reached = |account: &Account| {
        Resolution::Recipients(vec![Recipient::Account {
            account: account.id,
            address: account.address(),
            detail: detail.map(str::to_owned),
        }])
    };
    if let Some(account) = home.postmaster.map(able).transpose()?.flatten() {
        return Ok(reached(&account));
    }
    let neighbours = r.scan::<Entry>(&AddressKey::prefix(&home.name), &[], find::PAGE)?;
    let mut neighbours: Vec<AccountId> = neighbours
        .iter()
        .filter_map(|entry| match entry.meaning {
            Meaning::Account(id) => Some(id),
            Meaning::Alias(_) | Meaning::Group(_) => None,
        })
        .collect();
    // The oldest first, so that a new account does not take the mail over.
    neighbours.sort();
    for id in neighbours {
        if let Some(account) = able(id)? {
            return Ok(reached(&account));
        }
    }
    for account in r.scan::<Account>(&[], &[], find::PAGE)? {
        if let Some(account) = able(account.id)? {
            return Ok(reached(&account));
        }
    }
    Ok(Resolution::Unknown)
}

/// [`Directory::may_send_as`] inside a read or transaction.
pub fn may_send_as<R: Read>(r: &R, account: AccountId, address: &Address) -> Result<bool> {
    let Some(home) = find::home_domain(r, &address.domain)? else {
        return Ok(false);
    };
    if find::is_closed_alias(r, &address.domain)? {
        return Ok(false);
    }
    let owner = match find::entry_with_detail(r, &home, address)? {
        Some((entry, _)) => find::owner(&entry),
        None if ROLES.contains(&address.split_detail().0.to_ascii_lowercase().as_str()) => {
            home.postmaster
        }
        None => None,
    };
    match owner {
        None => Ok(false),
        Some(owner) if owner == account => Ok(true),
        Some(owner) => match r.get::<Account>(&owner)? {
            Some(post) => Ok(operates(r, owner, account)? && find::account_enabled(r, &post)?),
            None => Ok(false),
        },
    }
}

/// Whether a person operates a post.
pub fn operates<R: Read>(r: &R, post: AccountId, person: AccountId) -> Result<bool> {
    Ok(r.get::<Operator>(&(post, person))?.is_some())
}

/// The persons who operate a post.
pub fn operators<R: Read>(r: &R, post: AccountId) -> Result<Vec<AccountId>> {
    Ok(
        find::all::<Operator, _>(r, &Operator::prefix(post), RECIPIENTS)?
            .into_iter()
            .map(|o| o.person)
            .collect(),
    )
}

/// The posts that a person operates.
pub fn operated<R: Read>(r: &R, person: AccountId) -> Result<Vec<AccountId>> {
    Ok(
        find::all::<Operates, _>(r, &Operates::prefix(person), RECIPIENTS)?
            .into_iter()
            .map(|o| o.post)
            .collect(),
    )
}
