//! Aliases: one more address for accounts, groups or addresses elsewhere.

use congvu_message::Address;
use congvu_store::{Read, Tx};

use super::{check_target, claim, own_domain, refer, touch, unrefer};
use crate::error::{Error, Result};
use crate::find;
use crate::name;
use crate::record::{AddressKey, Entry, Meaning, Referrer, Target};

/// Most targets of one alias: what fits one record; larger lists are groups.
pub const TARGETS: usize = 100;

/// Creates an alias to one or more addresses.
pub fn create(tx: &mut Tx<'_>, address: &Address, targets: &[Address]) -> Result<Entry> {
    let local = name::local(&address.local)?;
    let domain = own_domain(tx, &address.domain)?;
    let here = AddressKey::new(&domain.name, &local);
    let mut meant = Vec::new();
    for target in targets {
        let target = checked(tx, &here, target)?;
        if !meant.contains(&target) {
            meant.push(target);
        }
    }
    if meant.is_empty() || meant.len() > TARGETS {
        return Err(Error::Invalid(format!(
            "the alias {address} needs 1 to {TARGETS} targets; for more recipients create a group"
        )));
    }
    for target in &meant {
        check_target(tx, domain.agency, target)?;
        refer(tx, target, &Referrer::Alias(here.clone()))?;
    }
    let entry = claim(tx, &local, &domain.name, Meaning::Alias(meant))?;
    touch(tx);
    Ok(entry)
}

/// A target must exist when it is in a domain of ours, and cannot be the alias itself.
fn checked<R: Read>(r: &R, here: &AddressKey, address: &Address) -> Result<Target> {
    let target = find::target(r, address)?;
    if let Some(home) = find::home_domain(r, &address.domain)? {
        let found = find::entry_with_detail(r, &home, address)?;
        match found {
            None => return Err(Error::Missing("address", address.to_string())),
            Some((entry, _)) if AddressKey::from(&entry.address()) == *here => {
                return Err(Error::Invalid(format!(
                    "the alias {address} cannot lead to itself"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(target)
}

/// Adds a target.
pub fn add_target(tx: &mut Tx<'_>, address: &Address, target: &Address) -> Result<Entry> {
    let mut entry = find::alias(tx, address)?;
    let here = AddressKey::from(&entry.address());
    let target = checked(tx, &here, target)?;
    check_target(tx, own_domain(tx, &entry.domain)?.agency, &target)?;
    let Meaning::Alias(targets) = &mut entry.meaning else {
        return Ok(entry);
    };
    if !targets.contains(&target) {
        if targets.len() >= TARGETS {
            return Err(Error::Invalid(format!(
                "{address} has {TARGETS} targets already; create a group instead"
            )));
        }
        targets.push(target.clone());
        refer(tx, &target, &Referrer::Alias(here))?;
        tx.put(&entry)?;
        touch(tx);
    }
    Ok(entry)
}

/// Takes a target away; the last one cannot go.
pub fn remove_target(tx: &mut Tx<'_>, address: &Address, target: &Address) -> Result<Entry> {
    let mut entry = find::alias(tx, address)?;
    let here = AddressKey::from(&entry.address());
    let meant = find::target(tx, target)?;
    let Meaning::Alias(targets) = &mut entry.meaning else {
        return Ok(entry);
    };
    let Some(at) = targets.iter().position(|t| t.octets() == meant.octets()) else {
        return Err(Error::Missing("target of the alias", target.to_string()));
    };
    if targets.len() == 1 {
        return Err(Error::InUse(format!(
            "{target} is the only target of {address}; remove the alias instead"
        )));
    }
    let gone = targets.remove(at);
    unrefer(tx, &gone, &Referrer::Alias(here))?;
    tx.put(&entry)?;
    touch(tx);
    Ok(entry)
}

/// Gives the alias another address.
pub fn rename(tx: &mut Tx<'_>, from: &Address, to: &Address) -> Result<Entry> {
    let old = remove(tx, from)?;
    let local = name::local(&to.local)?;
    let domain = own_domain(tx, &to.domain)?;
    let entry = claim(tx, &local, &domain.name, old.meaning)?;
    if let Meaning::Alias(targets) = &entry.meaning {
        for target in targets {
            refer(
                tx,
                target,
                &Referrer::Alias(AddressKey::from(&entry.address())),
            )?;
        }
    }
    touch(tx);
    Ok(entry)
}

/// Removes an alias.
pub fn remove(tx: &mut Tx<'_>, address: &Address) -> Result<Entry> {
    let entry = find::alias(tx, address)?;
    let key = AddressKey::from(&entry.address());
    if let Meaning::Alias(targets) = &entry.meaning {
        for target in targets {
            unrefer(tx, target, &Referrer::Alias(key.clone()))?;
        }
    }
    tx.delete::<Entry>(&key)?;
    touch(tx);
    Ok(entry)
}

/// A target ceased to exist: without any target left, the alias goes as well.
pub(super) fn drop_target(tx: &mut Tx<'_>, key: &AddressKey, target: &Target) -> Result<()> {
    unrefer(tx, target, &Referrer::Alias(key.clone()))?;
    let Some(mut entry) = tx.get::<Entry>(key)? else {
        return Ok(());
    };
    let Meaning::Alias(targets) = &mut entry.meaning else {
        return Ok(());
    };
    targets.retain(|t| t != target);
    if targets.is_empty() {
        tx.delete::<Entry>(key)?;
    } else {
        tx.put(&entry)?;
    }
    touch(tx);
    Ok(())
}
