//! Putting holds on and taking them off.

use congvu_store::deleted::{DeletedMailbox, DeletedRead as _};
use congvu_store::{AccountId, Read, Tx};

use super::touch;
use crate::error::{Error, Result};
use crate::find;
use crate::record::{AgencyId, Held, Hold, HoldId};
use crate::retention;

/// Most holds on a server: all of them are looked through when one is taken off.
pub const MOST: usize = 10_000;
/// Longest reason, octets: a file number and a sentence.
const REASON: usize = 1_000;

/// Puts a hold on. `name` is what it is called now, `by` who orders it.
pub fn add(tx: &mut Tx<'_>, on: Held, name: &str, reason: &str, by: &str) -> Result<Hold> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON {
        return Err(Error::Invalid(format!(
            "a hold needs a reason of at most {REASON} octets: a file number, a decision"
        )));
    }
    if all(tx)?.len() >= MOST {
        return Err(Error::Invalid(format!(
            "there are {MOST} holds; take off some that are over first"
        )));
    }
    let hold = Hold {
        id: HoldId(tx.next("hold")?),
        on,
        name: name.to_owned(),
        reason: reason.to_owned(),
        by: by.to_owned(),
        at: tx.now(),
    };
    tx.put(&hold)?;
    touch(tx);
    Ok(hold)
}

/// Takes a hold off.
pub fn remove(tx: &mut Tx<'_>, id: HoldId) -> Result<Hold> {
    let found = all(tx)?.into_iter().find(|hold| hold.id == id);
    let hold = found.ok_or_else(|| Error::Missing("hold", id.to_string()))?;
    tx.delete::<Hold>(&(hold.on, hold.id))?;
    touch(tx);
    Ok(hold)
}

/// All holds by number.
pub fn all<R: Read>(r: &R) -> Result<Vec<Hold>> {
    let mut all = find::all::<Hold, _>(r, &[], MOST)?;
    all.sort_by_key(|hold| hold.id);
    Ok(all)
}

/// The mailbox of an account that a name means: the one of that name, or else the one that was deleted
/// last under it.
pub fn mailbox<R: Read>(r: &R, account: AccountId, name: &str) -> Result<Held> {
    if let Some(mailbox) = r.mailbox_named(account, name)? {
        return Ok(Held::Mailbox(account, mailbox.id));
    }
    let wanted = congvu_store::name::canonical(name)?;
    let (mut found, mut after) = (None, None);
    loop {
        let page = r.deleted_mailboxes(account, after, find::PAGE)?;
        let named = page.iter().rfind(|d| d.mailbox.name == wanted);
        found = named.map(|d| d.mailbox.id).or(found);
        after = page.last().map(DeletedMailbox::removal);
        if page.len() < find::PAGE {
            break;
        }
    }
    let missing = || Error::Missing("mailbox", name.to_owned());
    Ok(Held::Mailbox(account, found.ok_or_else(missing)?))
}

/// Refuses to take something out of agencies on which holds stand, unless it is held itself: moving an
/// account must not end a hold.
pub(super) fn check_leaving<R: Read>(
    r: &R,
    own: Held,
    from: AgencyId,
    to: Option<AgencyId>,
) -> Result<()> {
    if !retention::holds_on(r, own)?.is_empty() {
        return Ok(());
    }
    let kept: Vec<AgencyId> = match to {
        Some(to) => find::lineage(r, to)?.iter().map(|a| a.id).collect(),
        None => Vec::new(),
    };
    for agency in find::lineage(r, from)? {
        if kept.contains(&agency.id) || own == Held::Agency(agency.id) {
            continue;
        }
        if let Some(hold) = retention::holds_on(r, Held::Agency(agency.id))?.first() {
            return Err(Error::InUse(format!(
                "hold {} stands on agency {}; put a hold on what is to leave it first (congvu hold add)",
                hold.id, agency.code
            )));
        }
    }
    Ok(())
}
