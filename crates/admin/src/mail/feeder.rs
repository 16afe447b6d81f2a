//! The side that brings messages: collects them into requests of bounded size.

use congvu_store::{MailboxId, SpecialUse, Uid};

use super::ledger::{Origin, Seen};
use super::{Act, BATCH, Entry, Fate, Letter, MOST, MailReply, MailRequest, Place, Put, Tally};
use crate::error::{Error, Result};
use crate::open::MailDoor;

/// An act on one account.
pub(crate) struct Conversation {
    door: MailDoor,
    /// The account's primary address.
    pub(crate) address: String,
}

fn strange() -> Error {
    Error::Unreachable("the server gave another kind of answer than was asked for".to_owned())
}

impl Conversation {
    /// Begins it.
    pub(crate) async fn begin(
        mut door: MailDoor,
        act: Act,
        address: &str,
        detail: &str,
    ) -> Result<Self> {
        let request = MailRequest::Begin {
            act,
            address: address.to_owned(),
            detail: detail.to_owned(),
        };
        match door.ask(request, &[]).await?.0 {
            MailReply::Begun { address } => Ok(Self { door, address }),
            _ => Err(strange()),
        }
    }

    /// Ends it with its audit record.
    pub(crate) async fn end(mut self) -> Result<Tally> {
        match self.ask(MailRequest::End).await? {
            MailReply::Ended(tally) => Ok(tally),
            _ => Err(strange()),
        }
    }

    pub(crate) async fn ask(&mut self, request: MailRequest) -> Result<MailReply> {
        Ok(self.door.ask(request, &[]).await?.0)
    }

    pub(crate) async fn mailboxes(&mut self) -> Result<Vec<Place>> {
        match self.ask(MailRequest::Mailboxes).await? {
            MailReply::Mailboxes(places) => Ok(places),
            _ => Err(strange()),
        }
    }

    pub(crate) async fn open(&mut self, name: &str, special: Option<SpecialUse>) -> Result<Place> {
        let name = name.to_owned();
        match self.ask(MailRequest::Open { name, special }).await? {
            MailReply::Mailbox(place) => Ok(place),
            _ => Err(strange()),
        }
    }

    pub(crate) async fn messages(
        &mut self,
        mailbox: MailboxId,
        from: Uid,
    ) -> Result<(Vec<Entry>, Option<Uid>)> {
        match self.ask(MailRequest::Messages { mailbox, from }).await? {
            MailReply::Messages { entries, next } => Ok((entries, next)),
            _ => Err(strange()),
        }
    }

    /// A piece of a message.
    pub(crate) async fn octets(
        &mut self,
        mailbox: MailboxId,
        uid: Uid,
        from: u64,
    ) -> Result<Vec<u8>> {
        let request = MailRequest::Octets { mailbox, uid, from };
        match self.door.ask(request, &[]).await? {
            (MailReply::Octets(_), octets) => Ok(octets),
            _ => Err(strange()),
        }
    }

    /// Opens the ledger of a mailbox of another server.
    pub(crate) async fn ledger(&mut self, origin: Origin) -> Result<u64> {
        match self.ask(MailRequest::Ledger(origin)).await? {
            MailReply::Ledger(number) => Ok(number),
            _ => Err(strange()),
        }
    }

    /// A part of a ledger.
    pub(crate) async fn moved(
        &mut self,
        number: u64,
        from: u32,
    ) -> Result<(Vec<Seen>, Option<u32>)> {
        match self.ask(MailRequest::Moved { number, from }).await? {
            MailReply::Moved { entries, next } => Ok((entries, next)),
            _ => Err(strange()),
        }
    }

    /// Brings changed flags here; how many messages changed.
    pub(crate) async fn follow(
        &mut self,
        number: u64,
        mailbox: MailboxId,
        changes: Vec<Seen>,
    ) -> Result<u64> {
        let request = MailRequest::Follow {
            number,
            mailbox,
            changes,
        };
        match self.ask(request).await? {
            MailReply::Followed(count) => Ok(count),
            _ => Err(strange()),
        }
    }

    /// Puts messages; what became of each.
    pub(crate) async fn put(&mut self, put: Put, octets: &[Vec<u8>]) -> Result<Vec<Fate>> {
        let count = put.letters.len();
        match self.door.ask(MailRequest::Put(put), octets).await?.0 {
            MailReply::Put(fates) if fates.len() == count => Ok(fates),
            _ => Err(strange()),
        }
    }
}

/// How messages are put.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) dry_run: bool,
    pub(crate) ignore_quota: bool,
}

/// Messages for one mailbox that wait to be put. `T` is what the caller wants to know them by.
pub(crate) struct Feeder<T> {
    mailbox: Option<MailboxId>,
    how: How,
    ledger: Option<u64>,
    letters: Vec<Letter>,
    octets: Vec<Vec<u8>>,
    tags: Vec<T>,
    size: u64,
}

impl<T> Feeder<T> {
    pub(crate) fn new(mailbox: Option<MailboxId>, how: How) -> Self {
        Self {
            mailbox,
            how,
            ledger: None,
            letters: Vec::new(),
            octets: Vec::new(),
            tags: Vec::new(),
            size: 0,
        }
    }

    /// Notes what is put in a ledger.
    pub(crate) fn with_ledger(mut self, number: u64) -> Self {
        self.ledger = Some(number);
        self
    }

    /// Whether this message still fits; if not, what waits is to be put first.
    pub(crate) fn fits(&self, octets: usize) -> bool {
        self.letters.is_empty() || (self.letters.len() < MOST && self.size + octets as u64 <= BATCH)
    }

    pub(crate) fn add(&mut self, mut letter: Letter, octets: Vec<u8>, tag: T) {
        letter.octets = octets.len() as u64;
        self.size += letter.octets;
        self.letters.push(letter);
        self.octets.push(octets);
        self.tags.push(tag);
    }

    /// Puts what waits.
    pub(crate) async fn flush(
        &mut self,
        conversation: &mut Conversation,
    ) -> Result<Vec<(T, Letter, Fate)>> {
        let letters = std::mem::take(&mut self.letters);
        let octets = std::mem::take(&mut self.octets);
        let tags = std::mem::take(&mut self.tags);
        self.size = 0;
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        let put = Put {
            mailbox: self.mailbox,
            letters: letters.clone(),
            dry_run: self.how.dry_run,
            ignore_quota: self.how.ignore_quota,
            ledger: self.ledger,
        };
        let fates = conversation.put(put, &octets).await?;
        let mut out = Vec::with_capacity(letters.len());
        for ((tag, letter), fate) in tags.into_iter().zip(letters).zip(fates) {
            out.push((tag, letter, fate));
        }
        Ok(out)
    }
}
