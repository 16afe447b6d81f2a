//! Holding letters in the quarantine, releasing and dropping them. Each act is told in the trace in its own
//! transaction, so that none can be forgotten.

use crate::body::NewBody;
use crate::error::{Error, Result};
use crate::id::{AccountId, Timestamp};
use crate::message::{Flags, Message};
use crate::ops::home::Sums;
use crate::quarantine::{
    End, Known, LETTERS_MOST, Letter, NewLetter, OCTETS_MOST, QuarantineId, QuarantineRead as _,
    Release, Shelf,
};
use crate::trace::{Event, Placed, QuarantineAct, Quarantined};
use crate::tx::{Quota, Read as _, Tx, home};
use crate::{Mailbox, Uid};

/// Name of the sequence of numbers.
const SEQUENCE: &str = "quarantine";

impl Tx<'_> {
    /// Holds a letter. `None`, and nothing is done, when the account has as much in quarantine as it may have: the
    /// letter must then go to a mailbox. `Error::NoAccount` when the account has no home.
    pub fn hold_letter(&mut self, new: &NewLetter, body: &NewBody) -> Result<Option<Letter>> {
        self.whole(|tx| {
            let account = new.account;
            home(tx, account)?.ok_or(Error::NoAccount)?;
            let size = u32::try_from(body.len()).map_err(|_| Error::TooLarge(usize::MAX))?;
            let mut account_sums = tx.shelf(account)?.unwrap_or_else(|| Shelf::empty(account));
            let octets = account_sums.octets.saturating_add(u64::from(size));
            if account_sums.letters >= LETTERS_MOST || octets > OCTETS_MOST {
                return Ok(None);
            }
            let letter = Letter {
                id: QuarantineId(tx.next(SEQUENCE)?),
                at: tx.now,
                since: tx.number,
                size,
                body: tx.attach(body)?,
                frame: body.frame()?,
                about: new.clone().cut(),
            };
            tx.put(&letter)?;
            tx.put(&Known {
                id: letter.id,
                account,
                end: None,
            })?;
            account_sums.letters += 1;
            account_sums.octets = octets;
            tx.put(&account_sums)?;
            tx.tell_quarantine(&letter, QuarantineAct::Held, "", None)?;
            Ok(Some(letter))
        })
    }

    /// Puts a letter into the mailbox that it was for, with the date on which it came, and takes it out of the
    /// quarantine. `by` is told in the trace. A letter that has gone already is no error: what became of it is told.
    /// `Error::NoAccount` when the account was removed, `Error::OverQuota` when it has no room.
    pub fn release_letter(&mut self, id: QuarantineId, by: &str, quota: Quota) -> Result<Release> {
        self.whole(|tx| {
            let letter = match tx.letter_or_end(id)? {
                Ok(letter) => letter,
                Err(Some(known)) => return Ok(Release::Ended(known)),
                Err(None) => return Ok(Release::Missing),
            };
            let account = letter.about.account;
            let home = home(tx, account)?.ok_or(Error::NoAccount)?;
            let sums = Sums {
                octets: u64::from(letter.size),
                messages: 1,
            };
            tx.charge(&home.ledgers, sums, quota)?;
            let mut mailbox = tx.mailbox_of_release(&letter)?;
            let message = Message {
                uid: Uid(0),
                flags: Flags::default(),
                keywords: Vec::new(),
                modseq: tx.number,
                date: letter.about.date,
                zone: letter.about.zone,
                size: letter.size,
                body: letter.body,
                frame: letter.frame,
                thread: 0,
                saved: tx.now,
            };
            let placed = tx.place(&mut mailbox, message)?;
            tx.put_counters(&mailbox)?;
            tx.take_letter(&letter, End::Released)?;
            let place = Placed {
                account,
                mailbox: mailbox.id,
                uid: placed.uid,
            };
            tx.tell_quarantine(
                &letter,
                QuarantineAct::Ended(End::Released),
                by,
                Some(place),
            )?;
            Ok(Release::Placed(Box::new(letter), mailbox.id, placed.uid))
        })
    }

    /// Forgets a letter for good, and says which it was; `None` when it is not held. Whether its time is over and no
    /// hold keeps it, the caller has looked up in the same transaction.
    pub fn drop_letter(&mut self, id: QuarantineId, end: End, by: &str) -> Result<Option<Letter>> {
        self.whole(|tx| {
            let Some(letter) = tx.letter(id)? else {
                return Ok(None);
            };
            tx.take_letter(&letter, end)?;
            tx.tell_quarantine(&letter, QuarantineAct::Ended(end), by, None)?;
            Ok(Some(letter))
        })
    }

    /// Forgets letters of an account that is forgotten itself, at most `most` (≤ 1,024); says how many. When none
    /// is left, its sums go, too.
    pub fn drop_letters_of(&mut self, account: AccountId, most: usize) -> Result<u64> {
        self.whole(|tx| {
            let letters = tx.letters_of(account, QuarantineId(0), most)?;
            for letter in &letters {
                tx.take_letter(letter, End::Forgotten)?;
                tx.tell_quarantine(letter, QuarantineAct::Ended(End::Forgotten), "", None)?;
            }
            if letters.is_empty() {
                tx.delete::<Shelf>(&account)?;
            }
            Ok(letters.len() as u64)
        })
    }

    /// Notes that an account was told of its letters up to a number.
    pub fn told_letters(
        &mut self,
        account: AccountId,
        upto: QuarantineId,
        at: Timestamp,
    ) -> Result<()> {
        let mut account_sums = self
            .shelf(account)?
            .unwrap_or_else(|| Shelf::empty(account));
        account_sums.told = at;
        account_sums.told_upto = account_sums.told_upto.max(upto);
        self.put(&account_sums)
    }

    /// Forgets that a number was ever given to a letter that has gone.
    pub fn forget_letter(&mut self, id: QuarantineId) -> Result<()> {
        match self.letter_known(id)? {
            Some(known) if known.end.is_some() => self.delete::<Known>(&id),
            _ => Ok(()),
        }
    }

    fn letter_or_end(
        &self,
        id: QuarantineId,
    ) -> Result<std::result::Result<Letter, Option<Known>>> {
        let Some(known) = self.letter_known(id)? else {
            return Ok(Err(None));
        };
        if known.end.is_some() {
            return Ok(Err(Some(known)));
        }
        let letter = self.get::<Letter>(&(known.account, id))?;
        letter
            .map(Ok)
            .ok_or_else(|| Error::Damaged(format!("letter {id} in quarantine is missing")))
    }

    /// The mailbox that the plus detail names, as at delivery, else INBOX.
    fn mailbox_of_release(&self, letter: &Letter) -> Result<Mailbox> {
        let account = letter.about.account;
        if let Some(wanted) = letter.about.detail.as_deref().map(str::to_lowercase) {
            let named = |mailbox: &Mailbox| {
                mailbox.special_use.is_none() && mailbox.name.to_lowercase() == wanted
            };
            if let Some(found) = self.mailboxes(account)?.into_iter().find(named) {
                return Ok(found);
            }
        }
        self.mailbox_named(account, "INBOX")?
            .ok_or(Error::NoMailbox)
    }

    /// Out of the tables; the number is remembered.
    fn take_letter(&mut self, letter: &Letter, end: End) -> Result<()> {
        let account = letter.about.account;
        self.delete::<Letter>(&(account, letter.id))?;
        self.put(&Known {
            id: letter.id,
            account,
            end: Some((end, self.now, self.number)),
        })?;
        if let Some(mut account_sums) = self.shelf(account)? {
            account_sums.letters = account_sums.letters.saturating_sub(1);
            account_sums.octets = account_sums.octets.saturating_sub(u64::from(letter.size));
            self.put(&account_sums)?;
        }
        Ok(())
    }

    fn tell_quarantine(
        &mut self,
        letter: &Letter,
        act: QuarantineAct,
        by: &str,
        placed: Option<Placed>,
    ) -> Result<()> {
        self.trace(Event::Quarantined(Quarantined {
            id: letter.about.trace.clone(),
            letter: letter.id,
            account: letter.about.account,
            act,
            by: by.to_owned(),
            placed,
        }))
    }
}
