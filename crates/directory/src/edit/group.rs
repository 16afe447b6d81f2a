//! Groups and their members.

use congvu_message::Address;
use congvu_store::{Read, Tx};

use super::{check_target, claim, forget, own_domain, refer, touch, unrefer};
use crate::error::{Error, Result};
use crate::find;
use crate::name;
use crate::record::{
    AddressKey, AgencyId, Child, Entry, Group, GroupId, Meaning, Member, Referrer, Target, Within,
};
use crate::resolve::RECIPIENTS;

/// A new group.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// Its address.
    pub address: Address,
    /// Display name.
    pub name: String,
    /// To whom it belongs; the domain's agency when `None`.
    pub agency: Option<AgencyId>,
}

/// Creates an empty group.
pub fn create(tx: &mut Tx<'_>, new: &NewGroup) -> Result<Group> {
    let local = name::local(&new.address.local)?;
    let domain = own_domain(tx, &new.address.domain)?;
    let agency = find::agency_by_id(tx, new.agency.unwrap_or(domain.agency))?;
    let group = Group {
        id: GroupId(tx.next("group")?),
        local,
        domain: domain.name,
        name: name::display(&new.name)?,
        agency: agency.id,
        members: 0,
        enabled: true,
        created: tx.now(),
    };
    claim(tx, &group.local, &group.domain, Meaning::Group(group.id))?;
    put(tx, &group)?;
    Ok(group)
}

fn put(tx: &mut Tx<'_>, group: &Group) -> Result<()> {
    tx.put(group)?;
    tx.put(&Child {
        agency: group.agency,
        child: Within::Group(group.id),
    })?;
    touch(tx);
    Ok(())
}

/// Gives it another address; members stay.
pub fn rename(tx: &mut Tx<'_>, id: GroupId, to: &Address) -> Result<Group> {
    let mut group = find::group_by_id(tx, id)?;
    let local = name::local(&to.local)?;
    let domain = own_domain(tx, &to.domain)?;
    tx.delete::<Entry>(&AddressKey::from(&group.address()))?;
    claim(tx, &local, &domain.name, Meaning::Group(id))?;
    group.local = local;
    group.domain = domain.name;
    put(tx, &group)?;
    Ok(group)
}

/// Changes the display name.
pub fn set_name(tx: &mut Tx<'_>, id: GroupId, display: &str) -> Result<Group> {
    let mut group = find::group_by_id(tx, id)?;
    group.name = name::display(display)?;
    put(tx, &group)?;
    Ok(group)
}

/// Gives it to another agency.
pub fn set_agency(tx: &mut Tx<'_>, id: GroupId, agency: AgencyId) -> Result<Group> {
    let mut group = find::group_by_id(tx, id)?;
    find::agency_by_id(tx, agency)?;
    tx.delete::<Child>(&(group.agency, Within::Group(id)))?;
    group.agency = agency;
    put(tx, &group)?;
    Ok(group)
}

/// Enables it, or lets mail to it be refused.
pub fn set_enabled(tx: &mut Tx<'_>, id: GroupId, enabled: bool) -> Result<Group> {
    let mut group = find::group_by_id(tx, id)?;
    group.enabled = enabled;
    put(tx, &group)?;
    Ok(group)
}

/// Adds a member: an account, another group or alias, or an address elsewhere. Says whether it was new.
pub fn add_member(tx: &mut Tx<'_>, id: GroupId, address: &Address) -> Result<bool> {
    let mut group = find::group_by_id(tx, id)?;
    if let Some(home) = find::home_domain(tx, &address.domain)?
        && find::entry_with_detail(tx, &home, address)?.is_none()
    {
        return Err(Error::Missing("address", address.to_string()));
    }
    let target = find::target(tx, address)?;
    if target == Target::Group(id) {
        return Err(Error::Invalid(format!(
            "the group {address} cannot be a member of itself"
        )));
    }
    check_target(tx, group.agency, &target)?;
    if tx.get::<Member>(&(id, target.clone()))?.is_some() {
        return Ok(false);
    }
    if usize::try_from(group.members).is_ok_and(|members| members >= RECIPIENTS) {
        return Err(Error::Invalid(format!(
            "{} has {RECIPIENTS} members already",
            group.address()
        )));
    }
    refer(tx, &target, &Referrer::Group(id))?;
    tx.put(&Member { group: id, target })?;
    group.members += 1;
    put(tx, &group)?;
    Ok(true)
}

/// Takes a member out.
pub fn remove_member(tx: &mut Tx<'_>, id: GroupId, address: &Address) -> Result<()> {
    let group = find::group_by_id(tx, id)?;
    let target = find::target(tx, address)?;
    if tx.get::<Member>(&(id, target.clone()))?.is_none() {
        return Err(Error::Missing(
            "member",
            format!("{address} in {}", group.address()),
        ));
    }
    drop_member(tx, id, &target)
}

/// Takes a member out, by what it is.
pub(super) fn drop_member(tx: &mut Tx<'_>, id: GroupId, target: &Target) -> Result<()> {
    let mut group = find::group_by_id(tx, id)?;
    unrefer(tx, target, &Referrer::Group(id))?;
    tx.delete::<Member>(&(id, target.clone()))?;
    group.members = group.members.saturating_sub(1);
    put(tx, &group)
}

/// The members of a group.
pub fn members<R: Read>(r: &R, id: GroupId) -> Result<Vec<Target>> {
    Ok(find::all::<Member, _>(r, &Member::prefix(id), RECIPIENTS)?
        .into_iter()
        .map(|m| m.target)
        .collect())
}

/// Removes a group with its memberships; the members themselves stay.
pub fn remove(tx: &mut Tx<'_>, id: GroupId) -> Result<Group> {
    let group = find::group_by_id(tx, id)?;
    forget(tx, &Target::Group(id))?;
    for target in members(tx, id)? {
        unrefer(tx, &target, &Referrer::Group(id))?;
        tx.delete::<Member>(&(id, target))?;
    }
    tx.delete::<Entry>(&AddressKey::from(&group.address()))?;
    tx.delete::<Child>(&(group.agency, Within::Group(id)))?;
    tx.delete::<Group>(&id)?;
    touch(tx);
    Ok(group)
}
