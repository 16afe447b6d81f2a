//! Quarantine records: letters that were accepted but not delivered, until somebody releases or deletes them or
//! their time is over.
//!
//! A [`Letter`] refers to its body as a message of a mailbox does, so the octets live as long as it does. It counts
//! towards no quota until it is released. What an account can have in quarantine is bounded; past the bound
//! [`Tx::hold_letter`](crate::Tx::hold_letter) refuses and the letter must go to a mailbox. Numbers are
//! never reused, and what became of a letter that is gone is remembered for a while, so that who asks a second time
//! hears the truth.
//!
//! Holds of the directory (orders to keep things) are another matter. Who is told when, how long letters are kept and
//! who may release them is decided in `guard`; changing the tables is in `ops/quarantine.rs`.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::{Error, Result};
use crate::id::{AccountId, BodyId, MailboxId, ModSeq, Timestamp, Uid};
use crate::keys;
use crate::record::{Record, Table};
use crate::trace::Placed;
use crate::tx::{PAGE, Read};

/// Most letters of one account in quarantine: a listing that somebody can still look through, and a transaction
/// that can drop them all.
pub const LETTERS_MOST: u32 = 1_000;
/// Most octets of them together: a hundred letters with usual attachments. Whoever is flooded with more has it in
/// Junk, where it counts towards the quota.
pub const OCTETS_MOST: u64 = 256 * 1024 * 1024;
/// Longest text of a letter kept beside it (a sender, a subject), octets: a line of a header (RFC 5322
/// section 2.1.1).
const TEXT_MOST: usize = 998;
/// Reasons kept: those that weighed most.
const REASONS_MOST: usize = 6;
/// Longest reason, octets: two sentences.
const REASON_MOST: usize = 600;

/// A letter in quarantine, for ever: never reused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct QuarantineId(pub u64);

impl std::fmt::Display for QuarantineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a letter was held, in one sentence of each language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reason {
    /// Name of the rule.
    pub name: String,
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// What is to be held.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NewLetter {
    /// For whom it came.
    pub account: AccountId,
    /// The account's agency when it came; its number.
    pub agency: u64,
    /// Id that the sender was told and that the logs carry.
    pub trace: String,
    /// Reverse-path without angle brackets; empty for `<>`.
    pub sender: String,
    /// The recipient as the client named it.
    pub rcpt: String,
    /// Plus detail of the recipient: names the mailbox of a release, if there is one of that name.
    pub detail: Option<String>,
    /// From field, decoded.
    pub from: String,
    /// Subject, decoded.
    pub subject: String,
    /// INTERNALDATE of the released message, seconds since 1970.
    pub date: i64,
    /// Zone of INTERNALDATE, minutes east of UTC.
    pub zone: i16,
    /// Probability that it is unwanted, in thousandths.
    pub unwanted: u16,
    /// What weighed most.
    pub reasons: Vec<Reason>,
}

/// One letter in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its number.
    pub id: QuarantineId,
    /// When it was held.
    pub at: Timestamp,
    /// The transaction that held it: how long it has been kept is counted from there (`calendar`).
    pub since: ModSeq,
    /// Octets as served.
    pub size: u32,
    /// The octets.
    pub body: BodyId,
    /// Length of the body's frame in the log.
    pub frame: u32,
    /// What was known when it was held.
    pub about: NewLetter,
}

/// How a letter left the quarantine. Variants keep their places for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It was put into a mailbox.
    Released,
    /// An administrator deleted it.
    Deleted,
    /// Its time was over.
    Expired,
    /// Its account was forgotten, after its undelete window.
    Forgotten,
}

/// What is remembered of a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The number.
    pub id: QuarantineId,
    /// Whose letter.
    pub account: AccountId,
    /// How it ended, when, and in which transaction; `None` while it is held.
    pub end: Option<(End, Timestamp, ModSeq)>,
}

/// What an account has in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// Whose.
    pub account: AccountId,
    /// Letters.
    pub letters: u32,
    /// Their octets.
    pub octets: u64,
    /// When the account was told last; 0 = never.
    pub told: Timestamp,
    /// Letters up to this number were told.
    pub told_upto: QuarantineId,
}

impl Shelf {
    pub(crate) fn empty(account: AccountId) -> Self {
        Self {
            account,
            letters: 0,
            octets: 0,
            told: Timestamp(0),
            told_upto: QuarantineId(0),
        }
    }
}

/// What became of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// The letter is in this mailbox now.
    Placed(Box<Letter>, MailboxId, Uid),
    /// It had left the quarantine before.
    Ended(Known),
    /// There is no such letter, or nothing is remembered of it any more.
    Missing,
}

/// What the trace tells of a letter in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The letter.
    pub id: String,
    /// Its number in the quarantine.
    pub letter: QuarantineId,
    /// For whom it came.
    pub account: AccountId,
    /// What happened.
    pub act: QuarantineAct,
    /// Who did it, in words; empty for the filter and the calendar.
    pub by: String,
    /// Where it is now, if it was released.
    pub placed: Option<Placed>,
}

/// What happened to a letter in quarantine. Variants keep their places for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuarantineAct {
    /// It was held instead of being delivered.
    Held,
    /// It left.
    Ended(End),
}

impl NewLetter {
    /// Cut to what is kept.
    pub(crate) fn cut(mut self) -> Self {
        for text in [
            &mut self.trace,
            &mut self.sender,
            &mut self.rcpt,
            &mut self.from,
            &mut self.subject,
        ] {
            shorten(text, TEXT_MOST);
        }
        if let Some(detail) = &mut self.detail {
            shorten(detail, TEXT_MOST);
        }
        self.reasons.truncate(REASONS_MOST);
        for reason in &mut self.reasons {
            shorten(&mut reason.name, REASON_MOST);
            shorten(&mut reason.vi, REASON_MOST);
            shorten(&mut reason.en, REASON_MOST);
        }
        self
    }
}

fn shorten(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

impl Record for Letter {
    const TABLE: Table = Table::Quarantine;
    type Key = (AccountId, QuarantineId);
    fn key(&self) -> Self::Key {
        (self.about.account, self.id)
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        let mut octets = key.0.0.to_be_bytes().to_vec();
        octets.extend(key.1.0.to_be_bytes());
        octets
    }
    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        codec::decode("letter in quarantine", value)
    }
}

impl Record for Known {
    const TABLE: Table = Table::QuarantineState;
    type Key = QuarantineId;
    fn key(&self) -> QuarantineId {
        self.id
    }
    fn key_octets(key: &QuarantineId) -> Vec<u8> {
        numbered(KNOWN, key.0)
    }
    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        codec::decode("number of the quarantine", value)
    }
}

impl Record for Shelf {
    const TABLE: Table = Table::QuarantineState;
    type Key = AccountId;
    fn key(&self) -> AccountId {
        self.account
    }
    fn key_octets(key: &AccountId) -> Vec<u8> {
        numbered(SHELF, key.0)
    }
    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
    fn decode(_key: &[u8], value: &[u8]) -> Result<Self> {
        codec::decode("sums of the quarantine", value)
    }
}

/// What keys of [`Known`] and [`Shelf`] begin with.
const KNOWN: u8 = b'n';
const SHELF: u8 = b'a';

fn numbered(kind: u8, number: u64) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(number.to_be_bytes());
    octets
}

/// Questions to the quarantine.
pub trait QuarantineRead: Read {
    /// A letter that is held.
    fn letter(&self, id: QuarantineId) -> Result<Option<Letter>> {
        match self.get::<Known>(&id)? {
            Some(known) if known.end.is_none() => self.get::<Letter>(&(known.account, id)),
            _ => Ok(None),
        }
    }

    /// What is remembered of a number.
    fn letter_known(&self, id: QuarantineId) -> Result<Option<Known>> {
        self.get::<Known>(&id)
    }

    /// Letters of an account behind `after`, oldest first, at most `limit` (≤ 1,024).
    fn letters_of(
        &self,
        account: AccountId,
        after: QuarantineId,
        limit: usize,
    ) -> Result<Vec<Letter>> {
        let from = (account, QuarantineId(after.0.saturating_add(1)));
        self.scan(
            &account.0.to_be_bytes(),
            &Letter::key_octets(&from),
            limit.min(PAGE),
        )
    }

    /// What an account has in quarantine, if it ever had anything.
    fn shelf(&self, account: AccountId) -> Result<Option<Shelf>> {
        self.get::<Shelf>(&account)
    }

    /// Accounts behind `after` that have or had something in quarantine, by number, at most `limit`.
    fn shelves(&self, after: AccountId, limit: usize) -> Result<Vec<Shelf>> {
        let from = numbered(SHELF, after.0.saturating_add(1));
        self.scan(&[SHELF], &from, limit.min(PAGE))
    }

    /// Numbers behind `after` whose letters have gone, and the last number looked at; `None` at the end.
    fn letters_ended(
        &self,
        after: QuarantineId,
        limit: usize,
    ) -> Result<(Vec<Known>, Option<QuarantineId>)> {
        let from = numbered(KNOWN, after.0.saturating_add(1));
        let page: Vec<Known> = self.scan(&[KNOWN], &from, limit.min(PAGE))?;
        let next = (page.len() == limit.min(PAGE)).then(|| page.last().map(|last| last.id));
        let ended = page.into_iter().filter(|known| known.end.is_some());
        Ok((ended.collect(), next.flatten()))
    }

    /// Sums of the quarantine against its letters: the accounts whose sums are wrong, with what they have.
    fn check_quarantine(&self) -> Result<Vec<(AccountId, String)>> {
        let mut counted: std::collections::BTreeMap<u64, (u64, u64)> =
            std::collections::BTreeMap::new();
        let table = [Table::Quarantine as u8];
        let mut strays = Vec::new();
        let mut numbers = Vec::new();
        self.visit(&table, &keys::after(&table), &mut |_, value| {
            let letter: Letter = codec::decode("letter in quarantine", value)?;
            let sums = counted.entry(letter.about.account.0).or_default();
            sums.0 += 1;
            sums.1 += u64::from(letter.size);
            numbers.push((letter.about.account, letter.id));
            Ok(ControlFlow::Continue(()))
        })?;
        for (account, id) in numbers {
            let known = self.get::<Known>(&id)?;
            if known.is_none_or(|known| known.end.is_some() || known.account != account) {
                strays.push((
                    account,
                    format!("letter {id} in quarantine is not found by its number"),
                ));
            }
        }
        let table = [Table::QuarantineState as u8, SHELF];
        self.visit(&table, &keys::after(&table), &mut |_, value| {
            let shelf: Shelf = codec::decode("sums of the quarantine", value)?;
            let holds = counted.remove(&shelf.account.0).unwrap_or_default();
            if holds != (u64::from(shelf.letters), shelf.octets) {
                let what = format!(
                    "counts {} letters of {} octets in quarantine, but {} of {} are there",
                    shelf.letters, shelf.octets, holds.0, holds.1
                );
                strays.push((shelf.account, what));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for account in counted.into_keys() {
            strays.push((
                AccountId(account),
                "has letters in quarantine that are not counted".to_owned(),
            ));
        }
        Ok(strays)
    }
}

impl<T: Read + ?Sized> QuarantineRead for T {}

/// The body of a letter's record, for whoever must know which bodies live.
pub(crate) fn body_of(value: &[u8]) -> Result<(BodyId, u32, QuarantineId)> {
    let letter: Letter = codec::decode("letter in quarantine", value)?;
    Ok((letter.body, letter.frame, letter.id))
}

/// Whether a record of the state table makes sense.
pub(crate) fn state_makes_sense(key: &[u8], value: &[u8]) -> Result<()> {
    match key.first() {
        Some(&KNOWN) => Known::decode(key, value).map(|_| ()),
        Some(&SHELF) => Shelf::decode(key, value).map(|_| ()),
        _ => Err(Error::Damaged("state of the quarantine: key".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_sort_by_account_and_number() {
        let letter = |account, id| Letter {
            id: QuarantineId(id),
            at: Timestamp(5),
            since: ModSeq(9),
            size: 100,
            body: BodyId(4711),
            frame: 200,
            about: NewLetter {
                account: AccountId(account),
                subject: "Thông báo".into(),
                reasons: vec![Reason {
                    name: "RULE".into(),
                    vi: "vì".into(),
                    en: "because".into(),
                }],
                ..NewLetter::default()
            },
        };
        let letters = [letter(1, 300), letter(2, 1), letter(2, 2), letter(256, 1)];
        let keys: Vec<_> = letters
            .iter()
            .map(|letter| Letter::key_octets(&letter.key()))
            .collect();
        assert!(keys.is_sorted());
        for letter in letters {
            assert_eq!(Letter::decode(&[], &letter.encode()).unwrap(), letter);
            assert_eq!(body_of(&letter.encode()).unwrap().0, BodyId(4711));
        }
        assert!(matches!(Letter::decode(&[], &[]), Err(Error::Damaged(_))));
        assert!(matches!(
            Known::decode(&[], &[9]),
            Err(Error::Newer { found: 9, .. })
        ));
    }

    #[test]
    fn what_strangers_wrote_is_cut_at_a_character() {
        let long = NewLetter {
            subject: "ế".repeat(2_000),
            reasons: vec![Reason::default(); 50],
            ..NewLetter::default()
        };
        let cut = long.cut();
        assert!(cut.subject.len() <= TEXT_MOST && cut.subject.len() > TEXT_MOST - 3);
        assert_eq!(cut.reasons.len(), REASONS_MOST);
    }
}
