//! Finding things by the names that people use. Every function reads a few records of one state.

use congvu_message::Address;
use congvu_store::{AccountId, LedgerId, Read, Record};

use crate::error::{Error, Result};
use crate::name::fold;
use crate::record::{
    Account, AddressKey, Agency, AgencyCode, AgencyId, Domain, Entry, FilterPolicy, Group, GroupId,
    Meaning, Policy, Target,
};

/// Deepest tree of agencies: ministry to hamlet are six levels; the bound only keeps a damaged tree from
/// being walked for ever.
pub const DEPTH: usize = 64;
/// Ledgers of agencies charged for one message: its own and the five above. With account and domain these
/// are the eight that the store charges.
const AGENCY_LEDGERS: usize = 6;
/// Records a scan returns at most (the store's page).
pub(crate) const PAGE: usize = 1024;

/// An agency by its code.
pub fn agency<R: Read>(r: &R, code: &str) -> Result<Agency> {
    let index = r.get::<AgencyCode>(&fold(code.trim()))?;
    let index = index.ok_or_else(|| Error::Missing("agency", code.trim().to_owned()))?;
    agency_by_id(r, index.agency)
}

/// An agency by its id.
pub fn agency_by_id<R: Read>(r: &R, id: AgencyId) -> Result<Agency> {
    r.get::<Agency>(&id)?
        .ok_or_else(|| Error::Missing("agency", id.to_string()))
}

/// An agency and all above it, nearest first.
pub fn lineage<R: Read>(r: &R, id: AgencyId) -> Result<Vec<Agency>> {
    let mut line = vec![agency_by_id(r, id)?];
    while let Some(parent) = line.last().and_then(|a| a.parent) {
        if line.len() > DEPTH {
            return Err(Error::Invalid(format!(
                "the agency tree is deeper than {DEPTH} above agency {id}"
            )));
        }
        line.push(agency_by_id(r, parent)?);
    }
    Ok(line)
}

/// Whether an agency and all above it are enabled.
pub fn agency_enabled<R: Read>(r: &R, id: AgencyId) -> Result<bool> {
    Ok(lineage(r, id)?.iter().all(|a| a.enabled))
}

/// What holds in an agency: its own prescriptions, where it has none the nearest above.
pub fn policy<R: Read>(r: &R, id: AgencyId) -> Result<Policy> {
    Ok(lineage(r, id)?
        .iter()
        .fold(Policy::default(), |below, above| Policy {
            sessions: below.sessions.or(above.policy.sessions),
            foreign_targets: below.foreign_targets.or(above.policy.foreign_targets),
            undelete_days: below.undelete_days.or(above.policy.undelete_days),
        }))
}

/// What holds for the spam filter in an agency.
pub fn filter<R: Read>(r: &R, id: AgencyId) -> Result<FilterPolicy> {
    Ok(lineage(r, id)?
        .iter()
        .fold(FilterPolicy::default(), |below, above| {
            below.below(&above.filter)
        }))
}

/// A domain by its A-label name.
pub fn domain<R: Read>(r: &R, name: &str) -> Result<Domain> {
    r.get::<Domain>(&name.to_owned())?
        .ok_or_else(|| Error::Missing("domain", name.to_owned()))
}

/// The domain in which the addresses of a domain are kept: itself, or what it is an alias of. `None` when
/// the domain is not ours.
pub fn home_domain<R: Read>(r: &R, name: &str) -> Result<Option<Domain>> {
    let Some(found) = r.get::<Domain>(&name.to_owned())? else {
        return Ok(None);
    };
    match &found.alias_of {
        Some(target) => Ok(Some(domain(r, target)?)),
        None => Ok(Some(found)),
    }
}

/// Whether this is an alias domain that does not work at present. (Whether accounts work says their own
/// domain.)
pub fn is_closed_alias<R: Read>(r: &R, name: &str) -> Result<bool> {
    let found = r.get::<Domain>(&name.to_owned())?;
    Ok(found.is_some_and(|d| d.alias_of.is_some() && !d.enabled))
}

/// What an address is registered as, alias domains followed, plus detail not.
pub fn entry<R: Read>(r: &R, address: &Address) -> Result<Option<Entry>> {
    let Some(home) = home_domain(r, &address.domain)? else {
        return Ok(None);
    };
    Ok(r.get::<Entry>(&AddressKey::new(&home.name, &address.local))?)
}

/// The same in a home domain, but `name+detail` is also found as `name`; the detail is returned.
pub fn entry_with_detail<R: Read>(
    r: &R,
    home: &Domain,
    address: &Address,
) -> Result<Option<(Entry, Option<String>)>> {
    if let Some(entry) = r.get::<Entry>(&AddressKey::new(&home.name, &address.local))? {
        return Ok(Some((entry, None)));
    }
    let (base, Some(detail)) = address.split_detail() else {
        return Ok(None);
    };
    let entry = r.get::<Entry>(&AddressKey::new(&home.name, base))?;
    Ok(entry.map(|entry| (entry, Some(detail.to_owned()))))
}

/// The account an entry names: its primary address, or an alias that leads to this account alone.
pub fn owner(entry: &Entry) -> Option<AccountId> {
    match &entry.meaning {
        Meaning::Account(id) => Some(*id),
        Meaning::Alias(targets) => match targets.as_slice() {
            [Target::Account(id)] => Some(*id),
            _ => None,
        },
        Meaning::Group(_) => None,
    }
}

/// An account by its primary address or an alias of its own.
pub fn account<R: Read>(r: &R, address: &Address) -> Result<Account> {
    let missing = || Error::Missing("account", address.to_string());
    let id = entry(r, address)?
        .as_ref()
        .and_then(owner)
        .ok_or_else(missing)?;
    account_by_id(r, id)
}

/// An account by its id.
pub fn account_by_id<R: Read>(r: &R, id: AccountId) -> Result<Account> {
    r.get::<Account>(&id)?
        .ok_or_else(|| Error::Missing("account", id.to_string()))
}

/// Whether an account may receive and log in: itself, its domain and its agencies.
pub fn account_enabled<R: Read>(r: &R, account: &Account) -> Result<bool> {
    Ok(
        account.enabled
            && domain(r, &account.domain)?.enabled
            && agency_enabled(r, account.agency)?,
    )
}

/// A group by its address.
pub fn group<R: Read>(r: &R, address: &Address) -> Result<Group> {
    let missing = || Error::Missing("group", address.to_string());
    match entry(r, address)?.ok_or_else(missing)?.meaning {
        Meaning::Group(id) => group_by_id(r, id),
        _ => Err(missing()),
    }
}

/// A group by its id.
pub fn group_by_id<R: Read>(r: &R, id: GroupId) -> Result<Group> {
    r.get::<Group>(&id)?
        .ok_or_else(|| Error::Missing("group", id.to_string()))
}

/// An alias by its address.
pub fn alias<R: Read>(r: &R, address: &Address) -> Result<Entry> {
    match entry(r, address)? {
        Some(entry) if matches!(entry.meaning, Meaning::Alias(_)) => Ok(entry),
        _ => Err(Error::Missing("alias", address.to_string())),
    }
}

/// What an address is in a group or alias: an account or group of ours by its id, anything else as it is.
pub fn target<R: Read>(r: &R, address: &Address) -> Result<Target> {
    Ok(match entry(r, address)?.map(|e| e.meaning) {
        Some(Meaning::Account(id)) => Target::Account(id),
        Some(Meaning::Group(id)) => Target::Group(id),
        Some(Meaning::Alias(_)) | None => Target::Address {
            local: address.local.clone(),
            domain: address.domain.clone(),
        },
    })
}

/// The ledgers charged for an account's messages: its own, its domain's, its agency's and those above.
pub fn ledgers<R: Read>(r: &R, account: &Account) -> Result<Vec<LedgerId>> {
    let mut ledgers = vec![account.ledger, domain(r, &account.domain)?.ledger];
    ledgers.extend(
        lineage(r, account.agency)?
            .iter()
            .take(AGENCY_LEDGERS)
            .map(|a| a.ledger),
    );
    Ok(ledgers)
}

/// All records whose key begins with `prefix`, at most `limit`; page by page inside one state.
pub(crate) fn all<T: Record, R: Read>(r: &R, prefix: &[u8], limit: usize) -> Result<Vec<T>> {
    let mut found: Vec<T> = Vec::new();
    let mut from = Vec::new();
    loop {
        let page = r.scan::<T>(prefix, &from, PAGE.min(limit - found.len()))?;
        let full = page.len() == PAGE;
        found.extend(page);
        match found.last() {
            Some(last) if full && found.len() < limit => {
                from = T::key_octets(&last.key());
                // The next possible key: nothing sorts between a key and the key with NUL behind it.
                from.push(0);
            }
            _ => return Ok(found),
        }
    }
}
