//! Domains and alias domains.

use congvu_store::{AccountId, Read, Tx};

use super::{REWRITES, new_ledger, touch};
use crate::error::{Error, Result};
use crate::find;
use crate::name;
use crate::record::{AddressKey, AgencyId, Child, Domain, Entry, Meaning, Referrer, Within};

/// A new domain.
#[derive(Debug, Clone)]
pub struct NewDomain {
    /// Its name; U-labels are converted.
    pub name: String,
    /// To whom it belongs.
    pub agency: AgencyId,
    /// Makes it an alias of this domain.
    pub alias_of: Option<String>,
}

/// Creates a domain. Its postmaster is the first account created in it, until set otherwise.
pub fn create(tx: &mut Tx<'_>, new: &NewDomain) -> Result<Domain> {
    let name = name::domain(&new.name)?;
    if tx.get::<Domain>(&name)?.is_some() {
        return Err(Error::Exists("domain", name));
    }
    find::agency_by_id(tx, new.agency)?;
    let alias_of = new.alias_of.as_deref().map(name::domain).transpose()?;
    if let Some(target) = &alias_of {
        super::own_domain(tx, target)?;
    }
    let domain = Domain {
        name,
        agency: new.agency,
        alias_of,
        postmaster: None,
        ledger: new_ledger(tx)?,
        enabled: true,
        created: tx.now(),
    };
    put(tx, &domain)?;
    Ok(domain)
}

fn put(tx: &mut Tx<'_>, domain: &Domain) -> Result<()> {
    tx.put(domain)?;
    tx.put(&Child {
        agency: domain.agency,
        child: Within::Domain(domain.name.clone()),
    })?;
    touch(tx);
    Ok(())
}

/// Enables or disables it: its accounts neither receive nor log in.
pub fn set_enabled(tx: &mut Tx<'_>, name: &str, enabled: bool) -> Result<Domain> {
    let mut domain = find::domain(tx, name)?;
    domain.enabled = enabled;
    put(tx, &domain)?;
    Ok(domain)
}

/// Gives it to another agency. Its accounts stay where they are.
pub fn set_agency(tx: &mut Tx<'_>, name: &str, agency: AgencyId) -> Result<Domain> {
    let mut domain = find::domain(tx, name)?;
    find::agency_by_id(tx, agency)?;
    tx.delete::<Child>(&(domain.agency, Within::Domain(domain.name.clone())))?;
    domain.agency = agency;
    put(tx, &domain)?;
    Ok(domain)
}

/// Sets who gets `postmaster@` and `abuse@`. The account may be of another domain.
pub fn set_postmaster(tx: &mut Tx<'_>, name: &str, account: AccountId) -> Result<Domain> {
    let mut domain = super::own_domain(tx, name)?;
    find::account_by_id(tx, account)?;
    domain.postmaster = Some(account);
    put(tx, &domain)?;
    Ok(domain)
}

/// The domains that are aliases of this one.
pub fn aliases<R: Read>(r: &R, name: &str) -> Result<Vec<Domain>> {
    let mut all = find::all::<Domain, _>(r, &[], usize::MAX)?;
    all.retain(|d| d.alias_of.as_deref() == Some(name));
    Ok(all)
}

/// Whether the old name of a renamed thing stays valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldName {
    /// As an alias.
    Keep,
    /// No longer.
    Drop,
}

/// Renames a domain with all its addresses; mailboxes stay. `OldName::Keep` makes the old name an alias
/// domain, so that mail and logins under it go on. (An alias that was given as a target by its name in the
/// old domain is reached only while that name stays.)
pub fn rename(tx: &mut Tx<'_>, from: &str, to: &str, old: OldName) -> Result<Domain> {
    let to = name::domain(to)?;
    let mut domain = find::domain(tx, from)?;
    if tx.get::<Domain>(&to)?.is_some() {
        return Err(Error::Exists("domain", to));
    }
    let entries = find::all::<Entry, _>(tx, &AddressKey::prefix(from), REWRITES + 1)?;
    if entries.len() > REWRITES {
        return Err(Error::Invalid(format!(
            "{from} has more than {REWRITES} addresses; add {to} as an alias domain instead"
        )));
    }
    for entry in entries {
        rehome(tx, entry, &to)?;
    }
    for mut alias in aliases(tx, from)? {
        alias.alias_of = Some(to.clone());
        put(tx, &alias)?;
    }
    tx.delete::<Domain>(&from.to_owned())?;
    tx.delete::<Child>(&(domain.agency, Within::Domain(from.to_owned())))?;
    domain.name.clone_from(&to);
    put(tx, &domain)?;
    if old == OldName::Keep && domain.alias_of.is_none() {
        create(
            tx,
            &NewDomain {
                name: from.to_owned(),
                agency: domain.agency,
                alias_of: Some(to),
            },
        )?;
    }
    Ok(domain)
}

/// Moves one address to the renamed domain.
fn rehome(tx: &mut Tx<'_>, mut entry: Entry, to: &str) -> Result<()> {
    let old = AddressKey::new(&entry.domain, &entry.local);
    tx.delete::<Entry>(&old)?;
    to.clone_into(&mut entry.domain);
    match &entry.meaning {
        Meaning::Account(id) => {
            let mut account = find::account_by_id(tx, *id)?;
            to.clone_into(&mut account.domain);
            tx.put(&account)?;
        }
        Meaning::Group(id) => {
            let mut group = find::group_by_id(tx, *id)?;
            to.clone_into(&mut group.domain);
            tx.put(&group)?;
        }
        Meaning::Alias(targets) => {
            let new = Referrer::Alias(AddressKey::new(to, &entry.local));
            for target in targets {
                super::unrefer(tx, target, &Referrer::Alias(old.clone()))?;
                super::refer(tx, target, &new)?;
            }
        }
    }
    Ok(tx.put(&entry)?)
}

/// Removes a domain in which no address is left and that no alias domain needs.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<Domain> {
    let domain = find::domain(tx, name)?;
    if let Some(entry) = tx.scan::<Entry>(&AddressKey::prefix(name), &[], 1)?.first() {
        return Err(Error::InUse(format!(
            "domain {name} is not empty: {} exists; move or remove its accounts, groups and aliases first",
            entry.address()
        )));
    }
    if let Some(alias) = aliases(tx, name)?.first() {
        return Err(Error::InUse(format!(
            "{} is an alias domain of {name}; remove that first",
            alias.name
        )));
    }
    tx.delete::<Child>(&(domain.agency, Within::Domain(name.to_owned())))?;
    tx.delete::<Domain>(&name.to_owned())?;
    touch(tx);
    Ok(domain)
}
