//! The side that has the store open: answers [`MailRequest`]s about one account at a time.
//!
//! Nothing is read or put before `Begin` has left its audit record, and `End` (or the end of the connection)
//! leaves another with what was done. Messages are put by transactions of bounded size, each complete with
//! what it says; parsing and comparing happen before, off the executor.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError};

use congvu_directory::Account;
use congvu_message::summarize;
use congvu_store::tx::Quota;
use congvu_store::{
    Draft, Error as StoreError, Flags, Mailbox, MailboxId, NewBody, NewMessage, Read, SpecialUse,
    Timestamp, Tx, Uid,
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::known::Known;
use super::ledger::{self, Origin, Seen};
use super::{
    Act, BATCH, Entry, Fate, LARGEST, Letter, MOST, MailReply, MailRequest, PIECE, Place, Put,
    Tally,
};
use crate::audit::{self, Described, Who};
use crate::change::account;
use crate::error::{Error, Result};
use crate::perform::Admin;

/// Messages of one page of a listing.
const PAGE: usize = 1_000;
/// Octets taken from a connection at a time.
const READ: usize = 64 * 1024;

/// Octets that follow a request.
pub(crate) struct Payload<'a> {
    from: From<'a>,
    left: u64,
}

enum From<'a> {
    Stream(&'a mut (dyn AsyncRead + Unpin + Send)),
    Memory(&'a [Vec<u8>], usize),
}

impl<'a> Payload<'a> {
    /// From a connection.
    pub(crate) fn stream(stream: &'a mut (dyn AsyncRead + Unpin + Send), octets: u64) -> Self {
        Self {
            from: From::Stream(stream),
            left: octets,
        }
    }

    /// One message a piece.
    pub(crate) fn memory(pieces: &'a [Vec<u8>]) -> Self {
        Self {
            from: From::Memory(pieces, 0),
            left: pieces.iter().map(|piece| piece.len() as u64).sum(),
        }
    }

    /// The next message into a draft.
    async fn message(&mut self, octets: u64, draft: &mut Draft) -> Result<()> {
        let broken = |e: io::Error| Error::Unreachable(format!("the message broke off: {e}"));
        match &mut self.from {
            From::Memory(pieces, at) => {
                let piece = pieces.get(*at).map(Vec::as_slice).unwrap_or_default();
                if piece.len() as u64 != octets {
                    return Err(broken(io::ErrorKind::InvalidInput.into()));
                }
                draft.write(piece)?;
                *at += 1;
            }
            From::Stream(stream) => {
                let mut buffer = vec![0; READ];
                let mut rest = octets.min(self.left);
                while rest > 0 {
                    let most = usize::try_from(rest).unwrap_or(READ).min(READ);
                    let count = stream.read(&mut buffer[..most]).await.map_err(broken)?;
                    if count == 0 {
                        return Err(broken(io::ErrorKind::UnexpectedEof.into()));
                    }
                    rest -= count as u64;
                    self.left -= count as u64;
                    draft.write(&buffer[..count])?;
                }
            }
        }
        Ok(())
    }

    /// Throws away what was not read, so that the next request is found.
    pub(crate) async fn skip(&mut self) -> io::Result<()> {
        if let From::Stream(stream) = &mut self.from {
            let mut rest = stream.take(self.left);
            let skipped = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
            if skipped < self.left {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.left = 0;
        }
        Ok(())
    }
}

/// One conversation about messages.
pub(crate) struct Desk {
    admin: Admin,
    who: Who,
    begun: Option<Begun>,
}

/// The account at hand.
struct Begun {
    account: Account,
    described: Described,
    known: HashMap<MailboxId, Known>,
    /// Ledgers that were opened, and the mailboxes they tell about.
    ledgers: HashMap<u64, MailboxId>,
    tally: Tally,
    /// Only one act at a time puts messages into an account, or two would put them twice.
    _turn: Option<Turn>,
}

struct Turn(Admin, congvu_store::AccountId);

impl Turn {
    fn take(admin: &Admin, account: &Account) -> Result<Self> {
        let mut filling = admin.filling.lock().unwrap_or_else(PoisonError::into_inner);
        if !filling.insert(account.id) {
            return Err(Error::Invalid(format!(
                "messages are being moved into {} by another command; wait until it has ended",
                account.address()
            )));
        }
        Ok(Self(admin.clone(), account.id))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut filling = self
            .0
            .filling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        filling.remove(&self.1);
    }
}

impl Desk {
    pub(crate) fn new(admin: Admin, who: Who) -> Self {
        Self {
            admin,
            who,
            begun: None,
        }
    }

    /// Whether an act is under way.
    pub(crate) fn is_open(&self) -> bool {
        self.begun.is_some()
    }

    /// Answers one request; with octets that follow the answer.
    pub(crate) async fn perform(
        &mut self,
        request: MailRequest,
        payload: &mut Payload<'_>,
    ) -> Result<(MailReply, Vec<u8>)> {
        let reply = match request {
            MailRequest::Begin {
                act,
                address,
                detail,
            } => self.begin(act, &address, detail).await?,
            MailRequest::End => MailReply::Ended(self.end("done").await?),
            MailRequest::Mailboxes => self.mailboxes().await?,
            MailRequest::Open { name, special } => self.open(name, special).await?,
            MailRequest::Messages { mailbox, from } => self.messages(mailbox, from).await?,
            MailRequest::Octets { mailbox, uid, from } => {
                let octets = self.octets(mailbox, uid, from).await?;
                return Ok((MailReply::Octets(octets.len() as u64), octets));
            }
            MailRequest::Put(put) => MailReply::Put(self.put(put, payload).await?),
            MailRequest::Ledger(origin) => MailReply::Ledger(self.ledger(origin).await?),
            MailRequest::Moved { number, from } => self.moved(number, from).await?,
            MailRequest::Follow {
                number,
                mailbox,
                changes,
            } => MailReply::Followed(self.follow((number, mailbox), changes).await?),
        };
        Ok((reply, Vec::new()))
    }

    /// The connection has gone: what was done so far is recorded.
    pub(crate) async fn broken_off(&mut self) {
        if self.begun.is_some()
            && let Err(error) = self.end("broken off").await
        {
            tracing::warn!(%error, "act that was broken off not recorded");
        }
    }

    fn begun(&self) -> Result<&Begun> {
        self.begun.as_ref().ok_or_else(not_begun)
    }

    async fn begin(&mut self, act: Act, address: &str, detail: String) -> Result<MailReply> {
        if self.begun.is_some() {
            self.end("broken off").await?;
        }
        let store = self.admin.directory().store().clone();
        let text = address.to_owned();
        let account = store
            .read::<_, Error, _>(move |r| account(r, &text))
            .await?;
        let turn = match act {
            Act::Export => None,
            Act::Import | Act::Restore | Act::Migrate => Some(Turn::take(&self.admin, &account)?),
        };
        let address = account.address().to_string();
        let described = Described {
            act: format!("account {}", act.name()),
            subject: address.clone(),
            arguments: serde_json::json!({ "with": detail }).to_string(),
        };
        self.record(&described, "begun").await?;
        self.begun = Some(Begun {
            account,
            described,
            known: HashMap::new(),
            ledgers: HashMap::new(),
            tally: Tally::default(),
            _turn: turn,
        });
        Ok(MailReply::Begun { address })
    }

    async fn record(&self, described: &Described, result: &str) -> Result<()> {
        let (who, described, result) = (self.who.clone(), described.clone(), result.to_owned());
        self.admin
            .directory()
            .store()
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, &result)
            })
            .await
    }

    async fn end(&mut self, how: &str) -> Result<Tally> {
        let begun = self.begun.take().ok_or_else(not_begun)?;
        let Tally {
            read,
            placed,
            present,
            over_quota,
            octets,
            ..
        } = begun.tally;
        let result = format!(
            "{how}: {read} read, {placed} placed, {present} there already, {over_quota} over quota, {octets} octets"
        );
        self.record(&begun.described, &result).await?;
        Ok(begun.tally)
    }

    async fn mailboxes(&self) -> Result<MailReply> {
        let account = self.begun()?.account.id;
        let found = self
            .admin
            .directory()
            .store()
            .read::<_, Error, _>(move |r| Ok(r.mailboxes(account)?))
            .await?;
        let places = found.into_iter().map(|mailbox| place(mailbox, false));
        Ok(MailReply::Mailboxes(places.collect()))
    }

    async fn open(&self, name: String, special: Option<SpecialUse>) -> Result<MailReply> {
        let account = self.begun()?.account.id;
        let opened = self
            .admin
            .directory()
            .store()
            .transact::<_, Error, _>(move |tx| {
                if let Some(mailbox) = tx.mailbox_named(account, &name)? {
                    return Ok(place(mailbox, false));
                }
                let created = match tx.create_mailbox(account, &name, special) {
                    Err(StoreError::SpecialUseTaken) => tx.create_mailbox(account, &name, None),
                    other => other,
                };
                Ok(place(created?, true))
            })
            .await
            .map_err(|error| match error {
                Error::Store(StoreError::MailboxName(why)) => {
                    Error::Invalid(format!("no mailbox can have this name: {why}"))
                }
                other => other,
            })?;
        Ok(MailReply::Mailbox(opened))
    }

    async fn messages(&self, mailbox: MailboxId, from: Uid) -> Result<MailReply> {
        let account = self.begun()?.account.id;
        let found = self
            .admin
            .directory()
            .store()
            .read::<_, Error, _>(move |r| {
                owned(r, account, mailbox)?;
                Ok(r.messages(mailbox, from, Uid(u32::MAX), PAGE)?)
            })
            .await?;
        let next = if found.len() == PAGE {
            found
                .last()
                .and_then(|last| last.uid.0.checked_add(1))
                .map(Uid)
        } else {
            None
        };
        let entries = found.into_iter().map(|message| Entry {
            uid: message.uid,
            flags: message.flags.0,
            keywords: message.keywords,
            date: message.date,
            zone: message.zone,
            size: message.size,
            body: message.body,
            saved: message.saved,
        });
        Ok(MailReply::Messages {
            entries: entries.collect(),
            next,
        })
    }

    async fn octets(&mut self, mailbox: MailboxId, uid: Uid, from: u64) -> Result<Vec<u8>> {
        let store = self.admin.directory().store().clone();
        let account = self.begun()?.account.id;
        let message = store
            .read::<_, Error, _>(move |r| {
                owned(r, account, mailbox)?;
                Ok(r.message(mailbox, uid)?)
            })
            .await?
            .ok_or_else(|| Error::Missing("message", format!("UID {uid}")))?;
        let body = store.body(message.body, message.frame).await?;
        let octets = store.octets(&body, from, PIECE).await?;
        if let Some(begun) = &mut self.begun {
            begun.tally.read += u64::from(from == 0);
            begun.tally.octets += octets.len() as u64;
        }
        Ok(octets)
    }

    async fn ledger(&mut self, origin: Origin) -> Result<u64> {
        let account = self.begun()?.account.id;
        let target = origin.target;
        let store = self.admin.directory().store();
        let (number, old) = store
            .transact::<_, Error, _>(move |tx| {
                owned(tx, account, origin.target)?;
                ledger::open(tx, account.0, &origin)
            })
            .await?;
        if let Some(old) = old {
            while store
                .transact::<_, Error, _>(move |tx| ledger::clear(tx, old))
                .await?
            {}
        }
        if let Some(begun) = &mut self.begun {
            begun.ledgers.insert(number, target);
        }
        Ok(number)
    }

    /// A ledger must have been opened for this mailbox on this connection.
    fn opened(&self, number: u64, mailbox: Option<MailboxId>) -> Result<()> {
        let found = self.begun()?.ledgers.get(&number);
        let fits = found.is_some_and(|target| mailbox.is_none_or(|mailbox| mailbox == *target));
        fits.then_some(())
            .ok_or_else(|| Error::Missing("ledger", number.to_string()))
    }

    async fn moved(&self, number: u64, from: u32) -> Result<MailReply> {
        self.opened(number, None)?;
        let (entries, next) = self
            .admin
            .directory()
            .store()
            .read::<_, Error, _>(move |r| ledger::page(r, number, from))
            .await?;
        Ok(MailReply::Moved { entries, next })
    }

    async fn follow(&self, (number, mailbox): (u64, MailboxId), changes: Vec<Seen>) -> Result<u64> {
        self.opened(number, Some(mailbox))?;
        let store = self.admin.directory().store();
        let mut count = 0;
        for part in changes.chunks(MOST) {
            let part = part.to_vec();
            count += store
                .transact::<_, Error, _>(move |tx| {
                    let mut count = 0;
                    for seen in &part {
                        count += u64::from(ledger::follow(tx, number, mailbox, seen)?);
                    }
                    Ok(count)
                })
                .await?;
        }
        Ok(count)
    }

    async fn put(&mut self, put: Put, payload: &mut Payload<'_>) -> Result<Vec<Fate>> {
        let Put {
            mailbox,
            letters,
            dry_run,
            ignore_quota,
            ledger,
        } = put;
        check(&letters)?;
        if let Some(number) = ledger {
            self.opened(number, mailbox)?;
        }
        let admin = self.admin.clone();
        let store = admin.directory().store();
        let begun = self.begun.as_mut().ok_or_else(not_begun)?;
        let account = begun.account.id;
        let mut known = match mailbox {
            Some(id) => match begun.known.remove(&id) {
                Some(known) => known,
                None => look(store, account, id).await?,
            },
            None if dry_run => Known::default(),
            None => return Err(Error::Missing("mailbox", "none was named".to_owned())),
        };
        let mut items = Vec::with_capacity(letters.len());
        for letter in letters {
            let mut draft = store.draft();
            payload.message(letter.octets, &mut draft).await?;
            let store = store.clone();
            let (back, what) = crate::store::blocking(move || {
                let what = prepare(&store, draft, &mut known, dry_run)?;
                Ok((known, what))
            })
            .await?;
            known = back;
            items.push((letter, what));
        }
        let Some(id) = mailbox else {
            return Ok(tallied(
                &mut begun.tally,
                &items,
                vec![Fate::Would; items.len()],
            ));
        };
        begun.known.insert(id, known);
        let items = Arc::new(items);
        let fates = if dry_run {
            let would = items.iter().map(|(_, what)| match what {
                What::Present(uid) => Fate::Present(*uid),
                What::New(_) | What::Checked => Fate::Would,
            });
            would.collect()
        } else {
            let quota = if ignore_quota {
                Quota::Ignore
            } else {
                Quota::Enforce
            };
            let items = Arc::clone(&items);
            store
                .transact::<_, Error, _>(move |tx| {
                    owned(tx, account, id)?;
                    let fates = place_all(tx, id, &items, quota)?;
                    if let Some(number) = ledger {
                        note(tx, number, &items, &fates)?;
                    }
                    Ok(fates)
                })
                .await?
        };
        Ok(tallied(&mut begun.tally, &items, fates))
    }
}

fn tallied(tally: &mut Tally, items: &[(Letter, What)], fates: Vec<Fate>) -> Vec<Fate> {
    for ((letter, _), fate) in items.iter().zip(&fates) {
        tally.count(*fate, letter.octets);
    }
    fates
}

fn not_begun() -> Error {
    Error::Invalid("no act was begun on this connection".to_owned())
}

/// The mailbox must be one of the account's.
fn owned<R: Read>(r: &R, account: congvu_store::AccountId, id: MailboxId) -> Result<Mailbox> {
    r.mailbox(id)?
        .filter(|mailbox| mailbox.account == account)
        .ok_or_else(|| Error::Missing("mailbox", id.to_string()))
}

fn place(mailbox: Mailbox, created: bool) -> Place {
    Place {
        id: mailbox.id,
        name: mailbox.name,
        uidvalidity: mailbox.uidvalidity,
        messages: mailbox.messages,
        size: mailbox.size,
        special: mailbox.special_use,
        keywords: mailbox.keywords,
        created,
    }
}

/// Bounds that a well-made client keeps.
fn check(letters: &[Letter]) -> Result<()> {
    let sum = letters
        .iter()
        .fold(0_u64, |sum, letter| sum.saturating_add(letter.octets));
    let fits = letters.len() <= MOST
        && letters
            .iter()
            .all(|letter| (1..=LARGEST).contains(&letter.octets))
        && (letters.len() <= 1 || sum <= BATCH);
    if fits {
        Ok(())
    } else {
        Err(Error::Invalid(
            "too much at once, or an empty message".to_owned(),
        ))
    }
}

/// What is in a mailbox now.
async fn look(
    store: &congvu_store::Store,
    account: congvu_store::AccountId,
    id: MailboxId,
) -> Result<Known> {
    let mut known = Known::default();
    let mut from = Some(Uid(1));
    while let Some(first) = from {
        let page = store
            .read::<_, Error, _>(move |r| {
                owned(r, account, id)?;
                Ok(r.messages(id, first, Uid(u32::MAX), PAGE)?)
            })
            .await?;
        for message in &page {
            known.add(message);
        }
        from = page
            .last()
            .filter(|_| page.len() == PAGE)
            .and_then(|last| last.uid.0.checked_add(1))
            .map(Uid);
    }
    Ok(known)
}

/// A message that has come.
enum What {
    Present(Uid),
    New(NewBody),
    /// New, but nothing is to be written.
    Checked,
}

/// Compares, parses and compresses. Blocking.
fn prepare(
    store: &congvu_store::Store,
    draft: Draft,
    known: &mut Known,
    dry_run: bool,
) -> Result<What> {
    let summary = {
        let raw = draft.raw()?;
        if let Some(uid) = known.claim(store, &raw) {
            return Ok(What::Present(uid));
        }
        if dry_run {
            return Ok(What::Checked);
        }
        summarize(&raw).encode()
    };
    Ok(What::New(draft.finish(&summary)?))
}

fn place_all(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    items: &[(Letter, What)],
    quota: Quota,
) -> Result<Vec<Fate>> {
    let mut fates = Vec::with_capacity(items.len());
    let mut full = false;
    for (letter, what) in items {
        let fate = match what {
            What::Present(uid) => Fate::Present(*uid),
            What::Checked => Fate::Would,
            // Once a limit is reached, a smaller one further on shall not jump the queue.
            What::New(_) if full => Fate::OverQuota,
            What::New(body) => place_one(tx, mailbox, letter, body, quota)?,
        };
        full |= fate == Fate::OverQuota;
        fates.push(fate);
    }
    Ok(fates)
}

/// In the same transaction: a message that is here is noted, and one that is noted is here.
fn note(tx: &mut Tx<'_>, number: u64, items: &[(Letter, What)], fates: &[Fate]) -> Result<()> {
    for ((letter, _), fate) in items.iter().zip(fates) {
        let (Fate::Placed(uid) | Fate::Stripped(uid) | Fate::Present(uid)) = fate else {
            continue;
        };
        let seen = Seen {
            remote: letter.remote,
            flags: letter.flags & 31,
            keywords: letter.keywords.clone(),
        };
        ledger::note(tx, number, &seen, *uid)?;
    }
    Ok(())
}

fn place_one(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    letter: &Letter,
    body: &NewBody,
    quota: Quota,
) -> Result<Fate> {
    let saved = letter.saved.unwrap_or(Timestamp(tx.now().0));
    let mut message = NewMessage {
        flags: Flags(letter.flags & 31),
        keywords: letter.keywords.clone(),
        date: letter.date,
        zone: letter.zone,
    };
    match tx.append_saved(mailbox, body, &message, saved, quota) {
        Ok(placed) => Ok(Fate::Placed(placed.uid)),
        Err(StoreError::OverQuota(_)) => Ok(Fate::OverQuota),
        Err(StoreError::Limit(_)) => {
            let known = tx.mailbox(mailbox)?.map(|m| m.keywords).unwrap_or_default();
            message
                .keywords
                .retain(|name| known.iter().any(|known| known.eq_ignore_ascii_case(name)));
            match tx.append_saved(mailbox, body, &message, saved, quota) {
                Ok(placed) => Ok(Fate::Stripped(placed.uid)),
                Err(StoreError::OverQuota(_)) => Ok(Fate::OverQuota),
                Err(other) => Err(other.into()),
            }
        }
        Err(other) => Err(other.into()),
    }
}
