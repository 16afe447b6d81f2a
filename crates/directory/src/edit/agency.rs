//! Agencies: created, changed, moved in the tree, removed when empty.

use congvu_store::{Read, Tx};

use super::{REWRITES, new_ledger, recharge, touch};
use crate::error::{Error, Result};
use crate::find;
use crate::name::{self, fold};
use crate::record::{
    Account, Agency, AgencyCode, AgencyId, Child, FilterPolicy, Held, Policy, Threshold, Within,
    filter,
};
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
        filter: FilterPolicy::default(),
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

/// Changes the prescriptions for the spam filter. What holds then must be in order: a letter is marked before it goes
/// into Junk, held before it is refused.
pub fn set_filter(tx: &mut Tx<'_>, id: AgencyId, filter: FilterPolicy) -> Result<Agency> {
    check_filter(&filter)?;
    let mut agency = find::agency_by_id(tx, id)?;
    agency.filter = filter;
    tx.put(&agency)?;
    let effective = find::filter(tx, id)?;
    let set = effective.thresholds();
    let mut set = set
        .iter()
        .filter_map(|(name, value)| Some((*name, (*value)?)))
        // What never happens has no place in the order.
        .filter(|(_, value)| *value != Threshold::NEVER)
        .peekable();
    while let (Some((mild, low)), Some((hard, high))) = (set.next(), set.peek().copied()) {
        if low > high {
            return Err(Error::Invalid(format!(
                "{mild} begins at {low}, above {hard} at {high}; give probabilities in the order labelled, junk, \
                 quarantine, reject"
            )));
        }
    }
    touch(tx);
    Ok(agency)
}

fn check_filter(policy: &FilterPolicy) -> Result<()> {
    let invalid = |text: String| Err(Error::Invalid(text));
    if policy
        .quarantine_days
        .is_some_and(|days| days == 0 || days > filter::QUARANTINE_DAYS_MOST)
    {
        let most = filter::QUARANTINE_DAYS_MOST;
        return invalid(format!("held letters can be kept for 1 to {most} days"));
    }
    let endings = policy.attachments.as_deref().unwrap_or_default();
    if endings.len() > filter::ENDINGS_MOST {
        let most = filter::ENDINGS_MOST;
        return invalid(format!("at most {most} endings of files can be listed"));
    }
    let fits = |ending: &&String| {
        (1..=filter::ENDING_OCTETS).contains(&ending.len())
            && ending
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if let Some(wrong) = endings.iter().find(|ending| !fits(ending)) {
        return invalid(format!(
            "{wrong:?} is no ending of a file name; give letters and digits without a dot, as pdf"
        ));
    }
    if policy.protected.len() > filter::NAMES_MOST {
        let most = filter::NAMES_MOST;
        return invalid(format!("an agency can protect at most {most} names"));
    }
    for name in &policy.protected {
        let shown = &name.name;
        // A name of two letters would be found in half of all names.
        if shown.chars().count() < 4 || shown.len() > filter::NAME_OCTETS {
            return invalid(format!(
                "{shown:?} cannot be protected; give a name of at least 4 letters and at most {} octets",
                filter::NAME_OCTETS
            ));
        }
        if name.domains.len() > filter::NAME_DOMAINS_MOST {
            let most = filter::NAME_DOMAINS_MOST;
            return invalid(format!("at most {most} domains may bear a protected name"));
        }
    }
    Ok(())
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
