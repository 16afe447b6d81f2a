//! How long what was deleted is kept: the window that an agency prescribes, and holds. And forgetting, page
//! by page, what is past it.
//!
//! Whether something may be forgotten is looked up in the transaction that forgets it, so that a hold
//! that was answered with success is never too late. Where the directory is not consistent, things are kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use congvu_store::calendar::{self, CalendarRead as _};
use congvu_store::deleted::{DeletedRead as _, Removal};
use congvu_store::{AccountId, MailboxId, ModSeq, Purged, Read, Tx};

use crate::error::{Error, Result};
use crate::find;
use crate::record::{
    Account, AddressKey, Agency, AgencyId, Departed, DepartedName, FilterPolicy, Held, Hold, Policy,
};

/// The window where no agency prescribes one.
pub const DEFAULT_DAYS: u16 = 30;
/// The longest window: ten years; beyond that a hold is meant.
pub const MOST_DAYS: u16 = 3_650;
/// For how long letters are kept in quarantine where no agency says it: as long as deleted ones.
pub const QUARANTINE_DAYS: u16 = 30;
const _: () = assert!(MOST_DAYS as u32 == calendar::LONGEST);

/// Mailboxes or removals looked at in one state: some milliseconds.
const PAGE: usize = 64;

/// What decides about things deleted from one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// A hold stands: nothing is forgotten.
    pub held: bool,
    /// The window, days.
    pub days: u16,
    /// For how long letters are kept in quarantine, days.
    pub quarantine_days: u16,
}

/// Holds on one thing itself.
pub fn holds_on<R: Read>(r: &R, on: Held) -> Result<Vec<Hold>> {
    find::all(r, &on.prefix(), find::PAGE)
}

/// The agency of an account, also of a removed one, if there is one still; and the window fixed at the end of
/// the agency it had.
fn home_of<R: Read>(r: &R, account: AccountId) -> Result<(Option<AgencyId>, Option<u16>)> {
    if let Some(live) = r.get::<Account>(&account)? {
        return Ok((Some(live.agency), None));
    }
    let Some(departed) = r.get::<Departed>(&account)? else {
        return Ok((None, None));
    };
    let agency = departed.account.agency;
    let gone = departed.days.is_some() && r.get::<Agency>(&agency)?.is_none();
    Ok(((!gone).then_some(agency), departed.days))
}

/// All holds that keep something of an account: its own, of its mailboxes only `mailbox`'s, and of the
/// agencies above it.
pub fn holds<R: Read>(r: &R, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<Hold>> {
    let mut found = holds_on(r, Held::Account(account))?;
    if let Some(mailbox) = mailbox {
        found.extend(holds_on(r, Held::Mailbox(account, mailbox))?);
    }
    if let (Some(agency), _) = home_of(r, account)? {
        for above in find::lineage(r, agency)? {
            found.extend(holds_on(r, Held::Agency(above.id))?);
        }
    }
    Ok(found)
}

/// What decides about an account. Holds on its mailboxes are not looked at.
pub fn keep<R: Read>(r: &R, account: AccountId) -> Result<Keep> {
    let decided = || -> Result<Keep> {
        let (agency, fixed) = home_of(r, account)?;
        let (policy, filter) = match agency {
            Some(agency) => (find::policy(r, agency)?, find::filter(r, agency)?),
            None => (Policy::default(), FilterPolicy::default()),
        };
        Ok(Keep {
            held: !holds(r, account, None)?.is_empty(),
            days: fixed.or(policy.undelete_days).unwrap_or(DEFAULT_DAYS),
            quarantine_days: filter.quarantine_days.unwrap_or(QUARANTINE_DAYS),
        })
    };
    match decided() {
        Err(Error::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!(%account, %error, "nothing of the account is forgotten");
            Ok(Keep {
                held: true,
                days: DEFAULT_DAYS,
                quarantine_days: QUARANTINE_DAYS,
            })
        }
        decided => decided,
    }
}

/// The window of an agency.
pub fn days_of<R: Read>(r: &R, agency: AgencyId) -> Result<u16> {
    Ok(find::policy(r, agency)?
        .undelete_days
        .unwrap_or(DEFAULT_DAYS))
}

/// A removed account by the address it had, the one that was removed last.
pub fn departed<R: Read>(r: &R, address: &AddressKey) -> Result<Option<Departed>> {
    let names = find::all::<DepartedName, _>(r, &DepartedName::prefix(address), find::PAGE)?;
    match names.last() {
        Some(last) => Ok(r.get::<Departed>(&last.account)?),
        None => Ok(None),
    }
}

/// Removed accounts that are kept, by number, behind `after`.
pub fn departed_page<R: Read>(
    r: &R,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Vec<Departed>> {
    let mut from = Vec::new();
    if let Some(after) = after {
        from.push(b'a');
        from.extend_from_slice(&after.0.saturating_add(1).to_be_bytes());
    }
    Ok(r.scan::<Departed>(&Departed::prefix(), &from, limit)?)
}

/// Whether something that was deleted is due.
enum Due {
    /// Its window is not over.
    No,
    /// A hold keeps it beyond its window.
    Held,
    /// What was deleted up to here may go.
    Upto(ModSeq),
}

/// What was looked up already in one state.
#[derive(Default)]
struct Known(HashMap<AccountId, Keep>);

impl Known {
    fn due<R: Read>(
        &mut self,
        r: &R,
        account: AccountId,
        mailbox: MailboxId,
        deleted: ModSeq,
    ) -> Result<Due> {
        let keep = match self.0.entry(account) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => *place.insert(keep(r, account)?),
        };
        let Some(upto) = r
            .kept_for(u32::from(keep.days))?
            .filter(|upto| deleted <= *upto)
        else {
            return Ok(Due::No);
        };
        let held = keep.held || !holds_on(r, Held::Mailbox(account, mailbox))?.is_empty();
        Ok(if held { Due::Held } else { Due::Upto(upto) })
    }
}

/// A page of what is due.
#[derive(Debug)]
pub struct DuePage<T, N> {
    /// What may be forgotten.
    pub due: Vec<T>,
    /// How much is kept by holds alone.
    pub held: u64,
    /// Where the next page begins; `None` at the end.
    pub next: Option<N>,
}

/// Mailboxes from `from` on with expunged messages that may be forgotten.
pub fn due_mailboxes<R: Read>(r: &R, from: MailboxId) -> Result<DuePage<MailboxId, MailboxId>> {
    let page = r.expunged_mailboxes(from, PAGE)?;
    let next = (page.len() == PAGE).then(|| page.last()).flatten();
    let mut found = DuePage {
        due: Vec::new(),
        held: 0,
        next: next.map(|(last, _)| MailboxId(last.0.saturating_add(1))),
    };
    let mut known = Known::default();
    for (id, oldest) in page {
        // Of a deleted mailbox all goes together.
        let Some(mailbox) = r.mailbox(id)? else {
            continue;
        };
        match known.due(r, mailbox.account, id, oldest)? {
            Due::No => {}
            Due::Held => found.held += 1,
            Due::Upto(_) => found.due.push(id),
        }
    }
    Ok(found)
}

/// Forgets expunged messages of mailboxes that [`due_mailboxes`] named, at most `most` records; says how many
/// of the mailboxes are finished.
pub fn purge_mailboxes(
    tx: &mut Tx<'_>,
    mailboxes: &[MailboxId],
    most: usize,
) -> Result<(u64, usize)> {
    let mut known = Known::default();
    let (mut messages, mut records) = (0, 0);
    for (at, id) in mailboxes.iter().enumerate() {
        let Some(mailbox) = tx.mailbox(*id)? else {
            continue;
        };
        let Some((_, oldest)) = tx
            .expunged_mailboxes(*id, 1)?
            .into_iter()
            .find(|(found, _)| found == id)
        else {
            continue;
        };
        if let Due::Upto(upto) = known.due(tx, mailbox.account, *id, oldest)? {
            let purged = tx.purge_expunged(*id, upto, most.saturating_sub(records).max(1))?;
            messages += purged.messages;
            records += purged.records;
            if !purged.done || records >= most {
                return Ok((messages, at + usize::from(purged.done)));
            }
        }
    }
    Ok((messages, mailboxes.len()))
}

/// Deleted mailboxes, or removed homes, behind `after` that may be forgotten.
pub fn due_removals<R: Read>(
    r: &R,
    after: Option<Removal>,
    homes: bool,
) -> Result<DuePage<Removal, Removal>> {
    let page = r.removals(after, PAGE)?;
    let next = (page.len() == PAGE).then(|| page.last().copied()).flatten();
    let mut found = DuePage {
        due: Vec::new(),
        held: 0,
        next,
    };
    let mut known = Known::default();
    for removal in page.into_iter().filter(|one| one.is_home() == homes) {
        match known.due(r, removal.account, removal.mailbox, removal.modseq)? {
            Due::No => {}
            Due::Held => found.held += 1,
            Due::Upto(_) => found.due.push(removal),
        }
    }
    Ok(found)
}

/// Forgets a page of a deleted mailbox, or a removed home with its account.
pub fn purge_removal(tx: &mut Tx<'_>, removal: Removal, most: usize) -> Result<Purged> {
    let done = Purged {
        done: true,
        ..Purged::default()
    };
    let due = Known::default().due(tx, removal.account, removal.mailbox, removal.modseq)?;
    if !matches!(due, Due::Upto(_)) {
        return Ok(done);
    }
    if !removal.is_home() {
        return Ok(tx.purge_mailbox(removal, most)?);
    }
    // Held letters of the account can be brought back no more than its mailboxes.
    let letters = tx.drop_letters_of(removal.account, most)?;
    if letters > 0 {
        return Ok(Purged {
            messages: letters,
            records: usize::try_from(letters).unwrap_or(usize::MAX),
            done: false,
        });
    }
    if !tx.purge_home(removal.account)? {
        return Ok(done);
    }
    if let Some(departed) = tx.get::<Departed>(&removal.account)? {
        forget(tx, &departed)?;
        tx.forget_ledger(departed.account.ledger)?;
    }
    Ok(Purged { records: 1, ..done })
}

/// Takes a removed account off the list.
pub(crate) fn forget(tx: &mut Tx<'_>, departed: &Departed) -> Result<()> {
    let account = &departed.account;
    tx.delete::<DepartedName>(&((&account.address()).into(), account.id))?;
    Ok(tx.delete::<Departed>(&account.id)?)
}

/// Puts a removed account on the list.
pub(crate) fn note(tx: &mut Tx<'_>, departed: &Departed) -> Result<()> {
    let account = &departed.account;
    tx.put(&DepartedName {
        address: (&account.address()).into(),
        account: account.id,
    })?;
    Ok(tx.put(departed)?)
}

/// An agency goes: removed accounts that belonged to it go to the agency above, with the window they had.
pub(crate) fn leave_agency(tx: &mut Tx<'_>, agency: AgencyId) -> Result<()> {
    let days = days_of(tx, agency)?;
    let above = find::agency_by_id(tx, agency)?.parent;
    for mut departed in find::all::<Departed, _>(tx, &Departed::prefix(), usize::MAX)? {
        if departed.account.agency == agency {
            departed.days.get_or_insert(days);
            departed.account.agency = above.unwrap_or(agency);
            tx.put(&departed)?;
        }
    }
    Ok(())
}
