//! Correspondence: whom an account wrote to, which letters it sent, and from where its correspondents write.
//!
//! "You wrote to them" is the surest sign of wanted mail, so it is what a forger would like to borrow. The rule:
//!
//! - *Disproven* sender (`congvu_spam::proof`): nothing is looked up, nothing follows.
//! - *Proven* sender: an answer to a letter of ours counts if that letter went to the sender's domain; having written to
//!   the address counts.
//! - *Neither*: an answer counts if it names the Message-ID of a letter that went to the sender's domain, and MAIL FROM
//!   is of that domain or empty: only who saw the letter knows the Message-ID, which has 64 random bits. Having written
//!   to the address counts only if the letter comes from a *place* (network or confirmed domain of the machine) that
//!   this correspondent is known to write from: one from which such an answer or a proven letter came before, or a
//!   machine whose confirmed name is of the sender's own domain. From anywhere else, the name alone gains nothing.
//!
//! Records are written in the transaction that places the letter, one for each foreign recipient of a letter to few, one
//! for its Message-ID. Addresses stand there in clear: the letters in the Sent mailbox beside them tell the same, and who
//! asks what is stored about them can be answered.

use std::collections::HashMap;

use congvu_message::header;
use congvu_spam::facts::Correspondence;
use congvu_spam::links::{registered, same_owner};
use congvu_spam::proof::Proof;
use congvu_store::{AccountId, Read, Record, Store, Table, Tx};
use serde::{Deserialize, Serialize};

use crate::origin::{Origin, domain};
use crate::record::{pack, unpack};

/// Most foreign recipients of a letter that makes correspondents: a circular is no correspondence.
const TO_MOST: usize = 50;
/// Places kept of a correspondent: the office, the line at home, the telephone, the provider.
const PLACES_MOST: usize = 4;
/// Longest Message-ID kept, octets: those of mail programs have 30 to 80.
const MESSAGE_ID_MOST: usize = 250;
/// Message-IDs looked up of an incoming letter: what it answers, and the last ones of the thread.
const NAMED_MOST: usize = 6;
/// Accounts of one letter for which correspondence is looked up. A letter to more is no personal one.
const ACCOUNTS_MOST: usize = 200;
/// Days after which a correspondent is forgotten to whom nothing was written: once a year is correspondence.
pub const PERSON_DAYS: i64 = 400;
/// Days after which an answer is no longer awaited.
pub const LETTER_DAYS: i64 = 120;
/// Most correspondents of an account, and most letters whose answers are recognised: some 300 kB. The oldest go.
pub const CONTACTS_MOST: usize = 5_000;
/// Records read and removed at once.
const PAGE: usize = 512;

/// Somebody whom an account wrote to, or a letter that it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contact {
    account: AccountId,
    what: What,
    value: Value,
}

/// What a contact is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A person, by address in lower case.
    Person(String),
    /// A letter, by Message-ID without brackets.
    Letter(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Value {
    /// Letters written to the person; 1 for a letter.
    letters: u32,
    /// When the last was written, seconds since 1970.
    last: i64,
    /// Of a person: from where it writes. Of a letter: domains (what is registered) that it went to.
    places: Vec<String>,
}

impl Record for Contact {
    const TABLE: Table = Table::Correspondent;
    type Key = (AccountId, What);

    fn key(&self) -> Self::Key {
        (self.account, self.what.clone())
    }

    fn key_octets((account, what): &Self::Key) -> Vec<u8> {
        let (kind, text) = match what {
            What::Person(address) => (0, address),
            What::Letter(id) => (1, id),
        };
        let mut octets = account.0.to_be_bytes().to_vec();
        octets.push(kind);
        octets.extend_from_slice(text.as_bytes());
        octets
    }

    fn encode(&self) -> Vec<u8> {
        pack(1, &self.value)
    }

    fn decode(key: &[u8], value: &[u8]) -> congvu_store::Result<Self> {
        let damaged = || congvu_store::Error::Damaged("correspondent's key".to_owned());
        let (account, rest) = key.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (kind, text) = rest.split_first().ok_or_else(damaged)?;
        let text = String::from_utf8(text.to_vec()).map_err(|_| damaged())?;
        Ok(Self {
            account: AccountId(u64::from_be_bytes(*account)),
            what: match kind {
                0 => What::Person(text),
                1 => What::Letter(text),
                _ => return Err(damaged()),
            },
            value: unpack("correspondent", 1, value)?,
        })
    }
}

/// A letter that one of our accounts sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Who sent it.
    pub account: AccountId,
    /// Its Message-ID, in brackets or not.
    pub message_id: Option<String>,
    /// Foreign recipients, as addresses.
    pub to: Vec<String>,
    /// When, seconds since 1970.
    pub at: i64,
}

/// Writes down a letter that was sent. Belongs into the transaction that queues it.
pub fn sent(tx: &mut Tx<'_>, letter: &Sent) -> congvu_store::Result<()> {
    if letter.to.is_empty() || letter.to.len() > TO_MOST {
        return Ok(());
    }
    let mut domains: Vec<String> = Vec::new();
    for address in &letter.to {
        let address = address.to_lowercase();
        let domain = registered(domain(&address)).to_owned();
        if !domains.contains(&domain) {
            domains.push(domain);
        }
        let key = (letter.account, What::Person(address));
        let mut value = tx
            .get::<Contact>(&key)?
            .map_or_else(Value::default, |found| found.value);
        value.letters = value.letters.saturating_add(1);
        value.last = value.last.max(letter.at);
        tx.put(&Contact {
            account: letter.account,
            what: key.1,
            value,
        })?;
    }
    if let Some(id) = letter.message_id.as_deref().and_then(bare) {
        tx.put(&Contact {
            account: letter.account,
            what: What::Letter(id.to_owned()),
            value: Value {
                letters: 1,
                last: letter.at,
                places: domains,
            },
        })?;
    }
    Ok(())
}

/// Places that correspondents turned out to write from. Belongs into the transaction that places the letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Whose correspondent.
    pub accounts: Vec<AccountId>,
    /// The correspondent's address, lower case.
    pub address: String,
    /// The places.
    pub places: Vec<String>,
}

/// Writes down places, of correspondents alone.
pub fn learn(tx: &mut Tx<'_>, learned: &Learned) -> congvu_store::Result<()> {
    for account in &learned.accounts {
        let key = (*account, What::Person(learned.address.clone()));
        let Some(mut contact) = tx.get::<Contact>(&key)? else {
            continue;
        };
        let known = &mut contact.value.places;
        let before = known.len();
        for place in &learned.places {
            if !known.contains(place) {
                known.push(place.clone());
            }
        }
        if known.len() == before {
            continue;
        }
        let beyond = known.len().saturating_sub(PLACES_MOST);
        known.drain(..beyond);
        tx.put(&contact)?;
    }
    Ok(())
}

/// The Message-IDs that a letter answers, without brackets, the nearest first.
pub(crate) fn named(head: &[u8]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for name in ["In-Reply-To", "References"] {
        let Some(field) = header::find(head, name) else {
            continue;
        };
        let text = field.text();
        let mut found: Vec<&str> = text
            .split('<')
            .filter_map(|piece| piece.split_once('>'))
            .map(|(id, _)| id)
            .collect();
        found.reverse();
        for id in found {
            if ids.len() == NAMED_MOST {
                return ids;
            }
            if let Some(id) = bare(id).filter(|id| !ids.iter().any(|other| other == id)) {
                ids.push(id.to_owned());
            }
        }
    }
    ids
}

/// A Message-ID without brackets, if it is one that is kept.
fn bare(id: &str) -> Option<&str> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    (!id.is_empty() && id.len() <= MESSAGE_ID_MOST && id.contains('@')).then_some(id)
}

/// What passed between accounts and a sender.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// By account; who is missing was not looked up.
    pub by_account: HashMap<AccountId, Correspondence>,
    /// What to write down when the letter is placed.
    pub learned: Learned,
}

/// Looks up what passed between each of the accounts and the sender. `named`: see [`named`].
pub(crate) fn find<R: Read>(
    r: &R,
    accounts: &[AccountId],
    origin: &Origin,
    named: &[String],
) -> congvu_store::Result<Found> {
    let mut found = Found::default();
    if origin.from.is_empty() || origin.proof == Proof::Disproven {
        return Ok(found);
    }
    found.learned.address.clone_from(&origin.from);
    found.learned.places = origin.places();
    for account in accounts.iter().take(ACCOUNTS_MOST) {
        let person = (*account, What::Person(origin.from.clone()));
        let person = r.get::<Contact>(&person)?;
        let mut answers = false;
        for id in named {
            let letter = r.get::<Contact>(&(*account, What::Letter(id.clone())))?;
            answers |= letter.is_some_and(|letter| went_to(&letter, origin));
        }
        let (what, learns) = weigh(person.as_ref(), answers, origin);
        if learns && person.is_some() {
            found.learned.accounts.push(*account);
        }
        found.by_account.insert(*account, what);
    }
    Ok(found)
}

fn went_to(letter: &Contact, origin: &Origin) -> bool {
    let from = registered(origin.author_domain());
    letter.value.places.iter().any(|domain| domain == from)
}

/// The rule at the head of this file; and whether the place is one to learn.
fn weigh(person: Option<&Contact>, answers: bool, origin: &Origin) -> (Correspondence, bool) {
    let from = origin.author_domain();
    let sender = domain(&origin.mail_from);
    let wrote = person.map(|person| Correspondence::WroteTo {
        letters: person.value.letters,
    });
    if origin.proof == Proof::Proven {
        let what = if answers {
            Correspondence::Answer
        } else {
            wrote.unwrap_or(Correspondence::None)
        };
        return (what, true);
    }
    if answers && (sender.is_empty() || same_owner(sender, from)) {
        return (Correspondence::Answer, true);
    }
    let Some(person) = person else {
        return (Correspondence::None, false);
    };
    let own_machine = origin
        .name
        .as_deref()
        .is_some_and(|name| same_owner(name, from));
    let places = origin.places();
    let known_place = person
        .value
        .places
        .iter()
        .any(|place| places.contains(place));
    if own_machine || known_place {
        (wrote.unwrap_or(Correspondence::None), own_machine)
    } else {
        // Perhaps a forger, perhaps a new line: nothing follows.
        (Correspondence::Unknown, false)
    }
}

/// Forgets contacts that are too old, and of accounts with too many the oldest. How many.
pub async fn forget(store: &Store, now: i64) -> congvu_store::Result<usize> {
    let mut from: Vec<u8> = Vec::new();
    let mut of_account: Vec<(AccountId, What, i64)> = Vec::new();
    let mut forgotten = 0;
    loop {
        let start = from.clone();
        let page = store
            .read(move |r| r.scan::<Contact>(&[], &start, PAGE))
            .await?;
        let last = page.len() < PAGE;
        if let Some(contact) = page.last() {
            from = Contact::key_octets(&contact.key());
            from.push(0);
        }
        let mut gone = Vec::new();
        for contact in page {
            if of_account
                .first()
                .is_some_and(|one| one.0 != contact.account)
            {
                gone.extend(beyond(&mut of_account));
            }
            let days = match contact.what {
                What::Person(_) => PERSON_DAYS,
                What::Letter(_) => LETTER_DAYS,
            };
            if contact.value.last < now - days * 86_400 {
                gone.push((contact.account, contact.what));
            } else {
                of_account.push((contact.account, contact.what, contact.value.last));
            }
        }
        if last {
            gone.extend(beyond(&mut of_account));
        }
        forgotten += gone.len();
        for some in gone.chunks(PAGE) {
            let some = some.to_vec();
            store
                .transact(move |tx| some.iter().try_for_each(|key| tx.delete::<Contact>(key)))
                .await?;
        }
        if last {
            return Ok(forgotten);
        }
    }
}

/// The oldest of each kind beyond what an account may have; the list is empty afterwards.
fn beyond(all: &mut Vec<(AccountId, What, i64)>) -> Vec<(AccountId, What)> {
    let mut gone = Vec::new();
    let is_person = |what: &What| matches!(what, What::Person(_));
    let (people, letters) = all
        .drain(..)
        .partition::<Vec<_>, _>(|one| is_person(&one.1));
    for mut kind in [people, letters] {
        kind.sort_by_key(|one| std::cmp::Reverse(one.2));
        let old = kind.into_iter().skip(CONTACTS_MOST);
        gone.extend(old.map(|(account, what, _)| (account, what)));
    }
    gone
}

#[cfg(test)]
#[path = "correspondence_tests.rs"]
mod tests;
