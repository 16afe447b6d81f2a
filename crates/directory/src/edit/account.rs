//! Accounts: persons and posts.

use congvu_message::Address;
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Read, Tx};

use super::domain::OldName;
use super::{claim, forget, new_ledger, own_domain, recharge, touch};
use crate::error::{Error, Result};
use crate::find;
use crate::name;
use crate::record::{
    Account, AddressKey, Agency, AgencyId, Child, Departed, Domain, Entry, Held, Kind, Meaning,
    Target, Within,
};
use crate::resolve::{operated, operators};
use crate::retention;

/// A new account.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Person or post.
    pub kind: Kind,
    /// Primary address.
    pub address: Address,
    /// Display name.
    pub name: String,
    /// To whom it belongs; the domain's agency when `None`.
    pub agency: Option<AgencyId>,
    /// Limit of its octets; 0 = none of its own.
    pub octets_limit: u64,
    /// Limit of its messages; 0 = none of its own.
    pub messages_limit: u64,
}

impl NewAccount {
    /// A person or post with this address, without limits of its own.
    pub fn new(kind: Kind, address: Address) -> Self {
        Self {
            kind,
            address,
            name: String::new(),
            agency: None,
            octets_limit: 0,
            messages_limit: 0,
        }
    }
}

/// Creates an account with its home: INBOX and the standard mailboxes.
pub fn create(tx: &mut Tx<'_>, new: &NewAccount) -> Result<Account> {
    let local = name::local(&new.address.local)?;
    let mut domain = own_domain(tx, &new.address.domain)?;
    let agency = find::agency_by_id(tx, new.agency.unwrap_or(domain.agency))?;
    let account = Account {
        id: AccountId(tx.next("account")?),
        kind: new.kind,
        local,
        domain: domain.name.clone(),
        name: name::display(&new.name)?,
        agency: agency.id,
        ledger: new_ledger(tx)?,
        enabled: true,
        created: tx.now(),
    };
    claim(
        tx,
        &account.local,
        &account.domain,
        Meaning::Account(account.id),
    )?;
    put(tx, &account)?;
    let ledgers = find::ledgers(tx, &account)?;
    tx.create_home(account.id, &ledgers)?;
    tx.set_limits(account.ledger, new.octets_limit, new.messages_limit)?;
    let first = tx
        .scan::<Entry>(&AddressKey::prefix(&domain.name), &[], 2)?
        .len()
        == 1;
    if first && domain.postmaster.is_none() {
        domain.postmaster = Some(account.id);
        tx.put(&domain)?;
    }
    Ok(account)
}

fn put(tx: &mut Tx<'_>, account: &Account) -> Result<()> {
    tx.put(account)?;
    tx.put(&Child {
        agency: account.agency,
        child: Within::Account(account.id),
    })?;
    touch(tx);
    Ok(())
}

/// Gives an account another primary address, also in another domain. Mailboxes, credentials, groups and
/// operators stay. `OldName::Keep` makes the old address an alias.
pub fn rename(tx: &mut Tx<'_>, id: AccountId, to: &Address, old: OldName) -> Result<Account> {
    let mut account = find::account_by_id(tx, id)?;
    let from = account.address();
    let local = name::local(&to.local)?;
    let domain = own_domain(tx, &to.domain)?;
    // An alias of its own may become the primary address; the same name in other case too.
    if let Some(there) = tx.get::<Entry>(&AddressKey::new(&domain.name, &local))?
        && find::owner(&there) == Some(id)
        && matches!(there.meaning, Meaning::Alias(_))
    {
        super::alias::remove(tx, &there.address())?;
    }
    tx.delete::<Entry>(&AddressKey::from(&from))?;
    claim(tx, &local, &domain.name, Meaning::Account(id))?;
    account.local = local;
    account.domain.clone_from(&domain.name);
    put(tx, &account)?;
    if account.domain != from.domain {
        recharge(tx, id)?;
    }
    if old == OldName::Keep && AddressKey::from(&from) != AddressKey::from(&account.address()) {
        super::alias::create(tx, &from, &[account.address()])?;
    }
    Ok(account)
}

/// Changes the display name.
pub fn set_name(tx: &mut Tx<'_>, id: AccountId, display: &str) -> Result<Account> {
    let mut account = find::account_by_id(tx, id)?;
    account.name = name::display(display)?;
    put(tx, &account)?;
    Ok(account)
}

/// Moves it to another agency; its sums move along.
pub fn set_agency(tx: &mut Tx<'_>, id: AccountId, agency: AgencyId) -> Result<Account> {
    let mut account = find::account_by_id(tx, id)?;
    find::agency_by_id(tx, agency)?;
    super::hold::check_leaving(tx, Held::Account(id), account.agency, Some(agency))?;
    tx.delete::<Child>(&(account.agency, Within::Account(id)))?;
    account.agency = agency;
    put(tx, &account)?;
    recharge(tx, id)?;
    Ok(account)
}

/// Makes a person a post or a post a person. Refused while operator relations would lose their meaning.
pub fn set_kind(tx: &mut Tx<'_>, id: AccountId, kind: Kind) -> Result<Account> {
    let mut account = find::account_by_id(tx, id)?;
    let related = match account.kind {
        Kind::Post => operators(tx, id)?,
        Kind::Person => operated(tx, id)?,
    };
    if account.kind != kind && !related.is_empty() {
        return Err(Error::InUse(format!(
            "{} has operators or operates posts; end that first",
            account.address()
        )));
    }
    account.kind = kind;
    put(tx, &account)?;
    Ok(account)
}

/// Enables or disables it: a disabled account neither receives nor logs in; its mail stays.
pub fn set_enabled(tx: &mut Tx<'_>, id: AccountId, enabled: bool) -> Result<Account> {
    let mut account = find::account_by_id(tx, id)?;
    account.enabled = enabled;
    put(tx, &account)?;
    Ok(account)
}

/// Removes an account: its address, passwords, operator relations and places in groups and aliases go; its
/// messages stay for the undelete window.
pub fn remove(tx: &mut Tx<'_>, id: AccountId) -> Result<Account> {
    let account = find::account_by_id(tx, id)?;
    forget(tx, &Target::Account(id))?;
    for person in operators(tx, id)? {
        super::operator::remove(tx, id, person)?;
    }
    for post in operated(tx, id)? {
        super::operator::remove(tx, post, id)?;
    }
    super::credential::remove_all(tx, id)?;
    // A postmaster may stand in another domain than his own, so all domains are looked through.
    for mut domain in find::all::<Domain, _>(tx, &[], usize::MAX)? {
        if domain.postmaster == Some(id) {
            domain.postmaster = None;
            tx.put(&domain)?;
        }
    }
    tx.delete::<Entry>(&AddressKey::from(&account.address()))?;
    tx.delete::<Child>(&(account.agency, Within::Account(id)))?;
    tx.delete::<Account>(&id)?;
    tx.remove_home(id)?;
    retention::note(
        tx,
        &Departed {
            account: account.clone(),
            at: tx.now(),
            days: None,
        },
    )?;
    touch(tx);
    Ok(account)
}

/// Brings a removed account back: under its old address or another, in its old agency or another, with its
/// number, its mailboxes as they were and its limits. Passwords, operators and places in groups and aliases
/// do not come back: who had them may no longer be who should.
pub fn restore(
    tx: &mut Tx<'_>,
    departed: &Departed,
    address: Option<&Address>,
    agency: Option<AgencyId>,
    quota: Quota,
) -> Result<Account> {
    let old = &departed.account;
    let own = old.address();
    let address = address.unwrap_or(&own);
    let local = name::local(&address.local)?;
    let domain = own_domain(tx, &address.domain)?;
    let agency = find::agency_by_id(tx, agency.unwrap_or(old.agency))?;
    if tx.get::<Agency>(&old.agency)?.is_some() {
        super::hold::check_leaving(tx, Held::Account(old.id), old.agency, Some(agency.id))?;
    }
    let account = Account {
        local,
        domain: domain.name,
        agency: agency.id,
        ..old.clone()
    };
    claim(
        tx,
        &account.local,
        &account.domain,
        Meaning::Account(account.id),
    )?;
    put(tx, &account)?;
    let ledgers = find::ledgers(tx, &account)?;
    tx.undelete_home(account.id, &ledgers, quota)?;
    retention::forget(tx, departed)?;
    Ok(account)
}
