//! Every change of the directory, as functions inside a transaction.
//!
//! They keep the relations between records: indexes, references, ledgers, homes. A caller composes several
//! in one transaction (an account with its password and the audit record of both), and all or none of it
//! happens. Who may do it is not asked here.

pub mod account;
pub mod agency;
pub mod alias;
pub mod credential;
pub mod domain;
pub mod group;
pub mod hold;
#[cfg(test)]
mod model_tests;
pub mod operator;
pub mod quota;

use congvu_store::{AccountId, LedgerId, Read, Topic, Tx};

use crate::error::{Error, Result};
use crate::find;
use crate::record::{AddressKey, AgencyId, Entry, Meaning, Reference, Referrer, Target};

/// Most records one change may rewrite (a domain renamed, an agency moved): a transaction holds up all
/// others, and ten thousand small records take well under a second.
pub const REWRITES: usize = 10_000;

/// Wakes those who watch the directory.
fn touch(tx: &mut Tx<'_>) {
    tx.touch(Topic::Directory);
}

fn new_ledger(tx: &mut Tx<'_>) -> Result<LedgerId> {
    Ok(LedgerId(tx.next("ledger")?))
}

/// Takes an address that must be free. Removing what is there under a wrong name is the administrator's
/// decision, so the error says what it is.
fn claim(tx: &mut Tx<'_>, local: &str, domain: &str, meaning: Meaning) -> Result<Entry> {
    let entry = Entry {
        local: local.to_owned(),
        domain: domain.to_owned(),
        meaning,
        created: tx.now(),
    };
    if let Some(there) = tx.get::<Entry>(&AddressKey::new(domain, local))? {
        let kind = match there.meaning {
            Meaning::Account(_) => "account",
            Meaning::Alias(_) => "alias",
            Meaning::Group(_) => "group",
        };
        return Err(Error::Exists(kind, there.address().to_string()));
    }
    tx.put(&entry)?;
    Ok(entry)
}

/// The domain in which new addresses may be made: ours, and not an alias domain.
fn own_domain<R: Read>(r: &R, name: &str) -> Result<crate::record::Domain> {
    let domain = find::domain(r, name)?;
    match &domain.alias_of {
        None => Ok(domain),
        Some(target) => Err(Error::Invalid(format!(
            "{name} is an alias domain: create the address in {target}, it is then valid in both"
        ))),
    }
}

/// Refuses targets elsewhere where an agency forbids them.
fn check_target<R: Read>(r: &R, agency: AgencyId, target: &Target) -> Result<()> {
    let Target::Address { local, domain } = target else {
        return Ok(());
    };
    if find::home_domain(r, domain)?.is_some()
        || find::policy(r, agency)?.foreign_targets.unwrap_or(true)
    {
        return Ok(());
    }
    let agency = find::agency_by_id(r, agency)?;
    Err(Error::Invalid(format!(
        "agency {} does not let mail be forwarded to other servers: {local}@{domain}",
        agency.code
    )))
}

/// Notes that an alias or group leads to an account or group; other addresses are looked up by name.
fn refer(tx: &mut Tx<'_>, target: &Target, by: &Referrer) -> Result<()> {
    if matches!(target, Target::Address { .. }) {
        return Ok(());
    }
    Ok(tx.put(&Reference {
        target: target.clone(),
        by: by.clone(),
    })?)
}

fn unrefer(tx: &mut Tx<'_>, target: &Target, by: &Referrer) -> Result<()> {
    if matches!(target, Target::Address { .. }) {
        return Ok(());
    }
    Ok(tx.delete::<Reference>(&(target.clone(), by.clone()))?)
}

/// Takes an account or group that goes out of every alias and group that leads to it. An alias that led
/// only there goes with it.
fn forget(tx: &mut Tx<'_>, target: &Target) -> Result<()> {
    let references = find::all::<Reference, _>(tx, &Reference::prefix(target), REWRITES + 1)?;
    if references.len() > REWRITES {
        return Err(Error::InUse(format!(
            "more than {REWRITES} aliases and groups lead to it; remove some first"
        )));
    }
    for reference in references {
        match &reference.by {
            Referrer::Group(group) => group::drop_member(tx, *group, target)?,
            Referrer::Alias(key) => alias::drop_target(tx, key, target)?,
        }
    }
    Ok(())
}

/// Sets which ledgers an account's messages are charged to, after a change of agency or domain.
fn recharge(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let account = find::account_by_id(tx, account)?;
    let ledgers = find::ledgers(tx, &account)?;
    Ok(tx.set_ledgers(account.id, &ledgers)?)
}
