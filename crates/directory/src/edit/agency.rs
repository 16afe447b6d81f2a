//! Agencies: created, changed, moved in the tree, removed when empty.

use congvu_store::{Read, Tx};

use super::{REWRITES, new_ledger, recharge, touch};
use crate::error::{Error, Result};
use crate::find;
use crate::name::{self, fold};
use crate::record::{Account, Agency, AgencyCode, AgencyId, Child, Held, Policy, Within};
use crate::retention;

/// A new agency.
#[derive(Debug, Clone, Default)]
pub struct NewAgency {
    /// Unique code.
    pub code: String,
    /// Full name; the code when empty.
    pub name: String,
    /// The agency above.
    pub parent: Option<AgencyId>,
    /// Prescriptions.
    pub policy: Policy,
}

/// Creates an agency.
pub fn create(tx: &mut Tx<'_>, new: &NewAgency) -> Result<Agency> {
    let code = name::code(&new.code)?;
    let display = name::display(if new.name.trim().is_empty() {
        &new.code
    } else {
        &new.name
    })?;
    if let Some(parent) = new.parent
        && find::lineage(tx, parent)?.len() >= find::DEPTH
    {
        return Err(Error::Invalid(format!(
            "agencies can be nested at most {} deep",
            find::DEPTH
        )));
    }
    let id = AgencyId(tx.next("agency")?);
    take_code(tx, &code, id)?;
    let agency = Agency {
        id,
        parent: new.parent,
        code,
        name: display,
        ledger: new_ledger(tx)?,
        enabled: true,
        policy: new.policy,
        created: tx.now(),
    };
    tx.put(&agency)?;
    if let Some(parent) = agency.parent {
        tx.put(&Child {
            agency: parent,
            child: Within::Agency(id),
        })?;
    }
    touch(tx);
    Ok(agency)
}

fn take_code(tx: &mut Tx<'_>, code: &str, agency: AgencyId) -> Result<()> {
    let folded = fold(code);
    match tx.get::<AgencyCode>(&folded)? {
        Some(taken) if taken.agency != agency => Err(Error::Exists("agency", code.to_owned())),
        _ => Ok(tx.put(&AgencyCode { folded, agency })?),
    }
}

/// Gives an agency another code.
pub fn rename(tx: &mut Tx<'_>, id: AgencyId, code: &str) -> Result<Agency> {
    let code = name::code(code)?;
    let mut agency = find::agency_by_id(tx, id)?;
    tx.delete::<AgencyCode>(&fold(&agency.code))?;
    take_code(tx, &code, id)?;
    agency.code = code;
    tx.put(&agency)?;
    touch(tx);
    Ok(agency)
}

/// Changes the full name.
pub fn set_name(tx: &mut Tx<'_>, id: AgencyId, display: &str) -> Result<Agency> {
    let mut agency = find::agency_by_id(tx, id)?;
    agency.name = name::display(display)?;
    tx.put(&agency)?;
    touch(tx);
    Ok(agency)
}

/// Changes the prescriptions.
pub fn set_policy(tx: &mut Tx<'_>, id: AgencyId, policy: Policy) -> Result<Agency> {
    if policy
        .undelete_days
        .is_some_and(|days| days > retention::MOST_DAYS)
    {
        return Err(Error::Invalid(format!(
            "deleted mail can be kept for at most {} days; put a hold on what must be kept longer",
            retention::MOST_DAYS
        )));
    }
    let mut agency = find::agency_by_id(tx, id)?;
    agency.policy = policy;
    tx.put(&agency)?;
    touch(tx);
    Ok(agency)
}

/// Enables or disables it with everything below.
pub fn set_enabled(tx: &mut Tx<'_>, id: AgencyId, enabled: bool) -> Result<Agency> {
    let mut agency = find::agency_by_id(tx, id)?;
    agency.enabled = enabled;
    tx.put(&agency)?;
    touch(tx);
    Ok(agency)
}

/// Hangs it under another agency, or makes it a root. The sums of its accounts move along.
pub fn set_parent(tx: &mut Tx<'_>, id: AgencyId, parent: Option<AgencyId>) -> Result<Agency> {
    let mut agency = find::agency_by_id(tx, id)?;
    if let Some(parent) = parent {
        let above = find::lineage(tx, parent)?;
        if above.iter().any(|a| a.id == id) {
            return Err(Error::Invalid(format!(
                "agency {} cannot be put under itself",
                agency.code
            )));
        }
        if above.len() + depth_below(tx, id, 0)? >= find::DEPTH {
            return Err(Error::Invalid(format!(
                "agencies can be nested at most {} deep",
                find::DEPTH
            )));
        }
    }
    super::hold::check_leaving(tx, Held::Agency(id), id, parent)?;
    if let Some(old) = agency.parent {
        tx.delete::<Child>(&(old, Within::Agency(id)))?;
    }
    agency.parent = parent;
    tx.put(&agency)?;
    if let Some(parent) = parent {
        tx.put(&Child {
            agency: parent,
            child: Within::Agency(id),
        })?;
    }
    for account in accounts_below(tx, id)? {
        recharge(tx, account.id)?;
    }
    touch(tx);
    Ok(agency)
}

/// Levels below an agency: 0 for one without children.
fn depth_below<R: Read>(r: &R, id: AgencyId, level: usize) -> Result<usize> {
    let mut deepest = 0;
    if level < find::DEPTH {
        for child in children(r, id)? {
            deepest = deepest.max(1 + depth_below(r, child, level + 1)?);
        }
    }
    Ok(deepest)
}

/// Agencies directly below.
pub fn children<R: Read>(r: &R, id: AgencyId) -> Result<Vec<AgencyId>> {
    let found = find::all::<Child, _>(r, &Child::agencies(id), REWRITES)?;
    Ok(found
        .into_iter()
        .filter_map(|c| match c.child {
            Within::Agency(id) => Some(id),
            _ => None,
        })
        .collect())
}

/// An agency and all below it.
pub fn subtree<R: Read>(r: &R, id: AgencyId) -> Result<Vec<AgencyId>> {
    let mut found = vec![id];
    let mut next = 0;
    while let Some(&agency) = found.get(next) {
        found.extend(children(r, agency)?);
        next += 1;
        if found.len() > REWRITES {
            return Err(Error::Invalid(format!(
                "more than {REWRITES} agencies below agency {id}"
            )));
        }
    }
    Ok(found)
}

/// All accounts of an agency and of those below it.
fn accounts_below<R: Read>(r: &R, id: AgencyId) -> Result<Vec<Account>> {
    let mut accounts = Vec::new();
    for agency in subtree(r, id)? {
        for child in find::all::<Child, _>(r, &Child::accounts(agency), REWRITES + 1)? {
            if let Within::Account(account) = child.child {
                accounts.push(find::account_by_id(r, account)?);
            }
        }
        if accounts.len() > REWRITES {
            return Err(Error::Invalid(format!(
                "more than {REWRITES} accounts lie below this agency; move the agencies below it one by one"
            )));
        }
    }
    Ok(accounts)
}

/// Removes an agency in which nothing is left.
pub fn remove(tx: &mut Tx<'_>, id: AgencyId) -> Result<Agency> {
    let agency = find::agency_by_id(tx, id)?;
    if let Some(child) = find::all::<Child, _>(tx, &Child::prefix(id), 1)?.first() {
        let what = match &child.child {
            Within::Agency(id) => format!("agency {}", find::agency_by_id(tx, *id)?.code),
            Within::Domain(name) => format!("domain {name}"),
            Within::Account(id) => format!("account {}", find::account_by_id(tx, *id)?.address()),
            Within::Group(id) => format!("group {}", find::group_by_id(tx, *id)?.address()),
        };
        return Err(Error::InUse(format!(
            "agency {} is not empty: {what} belongs to it; move or remove that first",
            agency.code
        )));
    }
    if let Some(hold) = retention::holds_on(tx, Held::Agency(id))?.first() {
        return Err(Error::InUse(format!(
            "hold {} stands on agency {}; take it off first (congvu hold remove {})",
            hold.id, agency.code, hold.id
        )));
    }
    retention::leave_agency(tx, id)?;
    if let Some(parent) = agency.parent {
        tx.delete::<Child>(&(parent, Within::Agency(id)))?;
    }
    tx.delete::<AgencyCode>(&fold(&agency.code))?;
    tx.delete::<Agency>(&id)?;
    touch(tx);
    Ok(agency)
}
