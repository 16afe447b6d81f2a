//! The quarantine: how long letters are kept, who may take them out, and what their links lead to.
//!
//! The records are the store's (`congvu_store::quarantine`). Invariants: a letter goes for good only when its time by
//! the calendar is over, its account was told of it, and no hold stands; or when an administrator says so.
//! Opening a link changes nothing.

mod link;
pub mod plain;

use congvu_directory::record::HoldId;
use congvu_directory::retention::{self, DuePage};
use congvu_spam::statistics::Class;
use congvu_store::calendar::CalendarRead as _;
use congvu_store::quarantine::{End, Known, Letter, QuarantineId, QuarantineRead as _, Release};
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Read, Timestamp, Tx};

use crate::Guard;
use crate::learn::{self, Label, Source};

pub(crate) use link::Secret;
pub use link::{Keys, Link};

/// Days for which it is remembered what became of a letter: who comes back with a link hears it.
const REMEMBERED: u32 = 60;
/// Accounts looked at in one state: some milliseconds.
const PAGE: usize = 64;
/// Who the trace says it was when a link was used.
pub const BY_LINK: &str = "link";

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] congvu_store::Error),
    /// The directory failed.
    #[error(transparent)]
    Directory(#[from] congvu_directory::Error),
    /// An order to keep it stands.
    #[error("hold {0} stands: the letter must be kept")]
    Held(HoldId),
    /// There is no such letter, or nothing is remembered of it.
    #[error("there is no letter {0} in quarantine")]
    Missing(QuarantineId),
    /// It has left the quarantine before.
    #[error("letter {} is not in quarantine any more: {}", .0.id, ended(.0))]
    Ended(Known),
    /// The account that it was for is gone.
    #[error(
        "the account of letter {0} was removed; bring the account back first (congvu account restore)"
    )]
    NoAccount(QuarantineId),
    /// The mailbox of its account has no room.
    #[error(
        "the account of letter {0} has no room; raise its limit, or repeat with --exceed-quota"
    )]
    Full(QuarantineId),
}

/// How it ended, in a word.
fn ended(known: &Known) -> &'static str {
    match known.end {
        Some((End::Released, ..)) => "it was released",
        Some((End::Deleted, ..)) => "it was deleted",
        Some((End::Expired, ..)) => "its time was over",
        Some((End::Forgotten, ..)) => "its account was forgotten",
        None => "it is",
    }
}

/// What decides how long a letter is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Days, by the agency.
    pub days: u16,
    /// A hold stands: nothing is deleted.
    pub held: bool,
}

/// What decides about an account's letters.
pub fn keep<R: Read>(r: &R, account: AccountId) -> Result<Keep, Error> {
    let keep = retention::keep(r, account)?;
    Ok(Keep {
        days: keep.quarantine_days,
        held: keep.held,
    })
}

/// For how many days more a letter is kept at least.
pub fn days_left<R: Read>(r: &R, letter: &Letter, keep: Keep) -> Result<u32, Error> {
    let kept = r.days_kept(letter.since)?;
    Ok(u32::from(keep.days).saturating_sub(kept))
}

/// Takes a letter out and puts it into its mailbox. `by` is told in the trace.
pub fn release(tx: &mut Tx<'_>, id: QuarantineId, by: &str, quota: Quota) -> Result<Letter, Error> {
    match tx.release_letter(id, by, quota) {
        Ok(Release::Placed(letter, ..)) => {
            // Whoever wants it says that the filter was wrong.
            let label = Label {
                account: Some(letter.about.account),
                class: Class::Ham,
                source: Source::Release,
                letter: learn::Letter::Stored {
                    body: letter.body,
                    frame: letter.frame,
                },
                judged: Some(true),
            };
            learn::label(tx, &label)?;
            Ok(*letter)
        }
        Ok(Release::Ended(known)) => Err(Error::Ended(known)),
        Ok(Release::Missing) => Err(Error::Missing(id)),
        Err(congvu_store::Error::NoAccount) => Err(Error::NoAccount(id)),
        Err(congvu_store::Error::OverQuota(_)) => Err(Error::Full(id)),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a letter for good, unless a hold stands.
pub fn delete(tx: &mut Tx<'_>, id: QuarantineId, by: &str) -> Result<Letter, Error> {
    let Some(known) = tx.letter_known(id)? else {
        return Err(Error::Missing(id));
    };
    if known.end.is_some() {
        return Err(Error::Ended(known));
    }
    if let Some(hold) = retention::holds(tx, known.account, None)?.first() {
        return Err(Error::Held(hold.id));
    }
    tx.drop_letter(id, End::Deleted, by)?
        .ok_or(Error::Missing(id))
}

/// Letters of an account whose time is over, oldest first, and how many a hold alone keeps.
fn due<R: Read>(r: &R, account: AccountId) -> Result<(Vec<QuarantineId>, u64), Error> {
    let Some(shelf) = r.shelf(account)?.filter(|shelf| shelf.letters > 0) else {
        return Ok((Vec::new(), 0));
    };
    let keep = keep(r, account)?;
    let Some(upto) = r.kept_for(u32::from(keep.days))? else {
        return Ok((Vec::new(), 0));
    };
    let most = usize::try_from(shelf.letters).unwrap_or(usize::MAX);
    let letters = r.letters_of(account, QuarantineId(0), most)?;
    let over = letters
        .into_iter()
        .filter(|letter| letter.since <= upto && letter.id <= shelf.told_upto)
        .map(|letter| letter.id)
        .collect::<Vec<_>>();
    if keep.held {
        let held = over.len() as u64;
        return Ok((Vec::new(), held));
    }
    Ok((over, 0))
}

/// Accounts behind `after` with letters whose time is over.
pub fn due_accounts<R: Read>(
    r: &R,
    after: AccountId,
) -> Result<DuePage<AccountId, AccountId>, Error> {
    let page = r.shelves(after, PAGE)?;
    let mut found = DuePage {
        due: Vec::new(),
        held: 0,
        next: (page.len() == PAGE)
            .then(|| page.last().map(|last| last.account))
            .flatten(),
    };
    for shelf in page.into_iter().filter(|shelf| shelf.letters > 0) {
        let (over, held) = due(r, shelf.account)?;
        found.held += held;
        if !over.is_empty() {
            found.due.push(shelf.account);
        }
    }
    Ok(found)
}

/// Deletes letters of an account whose time is over, at most `most`; says how many. Looked up in the same
/// transaction, so that a hold is never too late.
pub fn expire(tx: &mut Tx<'_>, account: AccountId, most: usize) -> Result<u64, Error> {
    let mut gone = 0;
    for id in due(tx, account)?.0.into_iter().take(most) {
        gone += u64::from(tx.drop_letter(id, End::Expired, "")?.is_some());
    }
    Ok(gone)
}

/// Forgets what became of letters that went long ago, a page at a time; where the next begins.
pub fn forget_ended(
    tx: &mut Tx<'_>,
    after: QuarantineId,
    most: usize,
) -> Result<Option<QuarantineId>, Error> {
    let Some(upto) = tx.kept_for(REMEMBERED)? else {
        return Ok(None);
    };
    let (ended, next) = tx.letters_ended(after, most)?;
    for known in ended {
        if known.end.is_some_and(|(_, _, number)| number <= upto) {
            tx.forget_letter(known.id)?;
        }
    }
    Ok(next)
}

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A letter that can be released: what to show, and what the form must bring back.
    Letter(Box<Letter>, String),
    /// It has gone; how.
    Ended(End),
    /// The link's time is over.
    Over,
    /// It is no link of ours, or leads nowhere any more.
    Unknown,
}

/// What came of a release by link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// It is in the mailbox.
    Now(Box<Letter>),
    /// The form is too old, or not from our page: show it again.
    Again,
    /// The account has no room.
    Full,
    /// Nothing is released: as when opened.
    No(Opened),
}

impl Guard {
    /// Makes and reads links of this house. The key is made when it is first needed.
    pub async fn links(&self) -> Result<&Keys, Error> {
        let made = self.0.links.get_or_try_init(|| async {
            let fresh = Secret::random();
            let secret = self
                .store()
                .transact::<_, Error, _>(move |tx| {
                    if let Some(known) = tx.get::<Secret>(&())? {
                        return Ok(known);
                    }
                    tx.put(&fresh)?;
                    Ok(fresh.clone())
                })
                .await?;
            Ok(Keys::new(&secret))
        });
        made.await
    }

    /// What a link leads to. Changes nothing, whoever opens it.
    pub async fn open_link(&self, text: &str, now: Timestamp) -> Result<Opened, Error> {
        let keys = self.links().await?;
        let Some(link) = keys.read(text) else {
            return Ok(Opened::Unknown);
        };
        if link.is_over(now) {
            return Ok(Opened::Over);
        }
        let (known, letter) = self
            .store()
            .read::<_, Error, _>(move |r| {
                Ok((r.letter_known(link.letter)?, r.letter(link.letter)?))
            })
            .await?;
        Ok(match (known, letter) {
            (Some(known), _) if known.account != link.account => Opened::Unknown,
            (Some(_), Some(letter)) => Opened::Letter(Box::new(letter), keys.form(text, now)),
            (Some(known), None) => known
                .end
                .map_or(Opened::Unknown, |(end, ..)| Opened::Ended(end)),
            (None, _) => Opened::Unknown,
        })
    }

    /// Releases the letter of a link, if the form is from the page that was shown.
    pub async fn release_by_link(
        &self,
        text: &str,
        form: &str,
        now: Timestamp,
    ) -> Result<Released, Error> {
        let opened = self.open_link(text, now).await?;
        let Opened::Letter(letter, _) = opened else {
            return Ok(Released::No(opened));
        };
        if !self.links().await?.is_form(text, form, now) {
            return Ok(Released::Again);
        }
        let id = letter.id;
        let released = self
            .store()
            .transact(move |tx| release(tx, id, BY_LINK, Quota::Enforce))
            .await;
        match released {
            Ok(letter) => {
                tracing::info!(letter = %letter.id, account = %letter.about.account, id = letter.about.trace, "letter released from quarantine by link");
                Ok(Released::Now(Box::new(letter)))
            }
            Err(Error::Ended(known)) => Ok(Released::No(
                known
                    .end
                    .map_or(Opened::Unknown, |(end, ..)| Opened::Ended(end)),
            )),
            Err(Error::Missing(_) | Error::NoAccount(_)) => Ok(Released::No(Opened::Unknown)),
            Err(Error::Full(_)) => Ok(Released::Full),
            Err(error) => Err(error),
        }
    }
}
