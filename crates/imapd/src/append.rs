//! APPEND (RFC 9051 section 6.3.12): the literal goes into a draft of the store as it arrives, and is
//! parsed and committed when it is complete.
//!
//! What can be refused is refused before the literal: missing mailbox, size, quota. Octets are kept as
//! sent; only NUL outside a literal8 is refused, because it hangs Outlook (RFC 9051 section 4.3.1 forbids it
//! as well). A copy of a sent letter that a client appends to `\Sent` is kept like any other: this server
//! files none itself, so there is nothing to be doubled.

use congvu_directory::find;
use congvu_imap::ask::{Answer, Append};
use congvu_imap::response::{Code, Done};
use congvu_message::summarize;

use congvu_store::tx::{Ledger, Quota};
use congvu_store::{Draft, Error, Mailbox, NewBody, NewMessage, Read, Result, Timestamp};

use crate::blocking::blocking;
use crate::flags;
use crate::refuse;
use crate::session::{LoggedIn, done};
use crate::view::Expunges;

/// Octets above which a message is parsed off the executor: some milliseconds.
const LARGE: u64 = 64 * 1024;

/// An APPEND under way.
pub(crate) struct Upload {
    mailbox: Mailbox,
    draft: Draft,
    message: NewMessage,
    /// literal8: NUL is allowed.
    binary: bool,
}

impl LoggedIn {
    pub(crate) async fn append_start(&mut self, ask: Append) -> Answer {
        self.upload = None;
        match self.prepare(ask).await {
            Ok(upload) => {
                self.upload = Some(Box::new(upload));
                done(Done::ok("Ready"))
            }
            Err(end) => self.finish(Vec::new(), end, Expunges::Say).await,
        }
    }

    async fn prepare(&self, ask: Append) -> Result<Upload, Done> {
        if ask.size > self.shared.settings.message_limit {
            return Err(Done::no(
                Some(Code::TooBig),
                "The message is larger than this server takes",
            ));
        }
        if ask.size == 0 {
            return Err(Done::no(Some(Code::Cannot), "A message cannot be empty"));
        }
        let account = self.account;
        let name = ask.mailbox;
        let (mailbox, ledgers) = self
            .store()
            .read(move |snapshot| {
                let mailbox = snapshot
                    .mailbox_named(account, &name)?
                    .ok_or(Error::NoMailbox)?;
                let account = find::account_by_id(snapshot, account)?;
                let mut ledgers = Vec::new();
                for ledger in find::ledgers(snapshot, &account)? {
                    ledgers.push(snapshot.ledger(ledger)?);
                }
                Ok::<_, congvu_directory::Error>((mailbox, ledgers))
            })
            .await
            .map_err(|error| match error {
                congvu_directory::Error::Store(error) => refuse::destination(&error),
                other => refuse::directory(&other),
            })?;
        if ledgers.iter().any(|ledger| is_over(ledger, ask.size)) {
            return Err(refuse::over_quota());
        }
        // Unknown system flags are left out rather than refused: losing an upload would be worse
        // (migration tools pass on what other servers invented).
        let parsed = flags::parse(&ask.flags);
        let (date, zone) = ask.date.unwrap_or_else(|| (Timestamp::now().seconds(), 0));
        let draft = self.store().draft();
        let message = NewMessage {
            flags: parsed.flags,
            keywords: parsed.keywords,
            date,
            zone,
        };
        Ok(Upload {
            mailbox,
            draft,
            message,
            binary: ask.binary,
        })
    }

    pub(crate) async fn append_data(&mut self, octets: Vec<u8>) -> Answer {
        let Some(upload) = self.upload.as_mut() else {
            return done(refuse::bad("No message was begun"));
        };
        let end = if octets.contains(&0) && !upload.binary {
            refuse::bad("The message contains NUL, which only literal8 may")
        } else {
            match upload.draft.write(&octets) {
                Ok(()) => return Answer::Accept,
                Err(error) => refuse::store(&error),
            }
        };
        self.upload = None;
        self.finish(Vec::new(), end, Expunges::Say).await
    }

    pub(crate) async fn append_end(&mut self) -> Answer {
        let Some(upload) = self.upload.take() else {
            return done(refuse::bad("No message was begun"));
        };
        let end = match self.commit(*upload).await {
            Ok(end) => end,
            Err(error) => refuse::destination(&error),
        };
        self.finish(Vec::new(), end, Expunges::Say).await
    }

    async fn commit(&self, upload: Upload) -> Result<Done> {
        let Upload {
            mailbox,
            draft,
            message,
            ..
        } = upload;
        let body = if draft.len() <= LARGE {
            finish(draft)?
        } else {
            blocking(move || finish(draft)).await?
        };
        let id = mailbox.id;
        let placed = self
            .store()
            .transact(move |tx| tx.append(id, &body, &message, Quota::Enforce))
            .await?;
        let code = Code::AppendUid {
            uidvalidity: mailbox.uidvalidity.0,
            uids: vec![placed.uid.0],
        };
        Ok(Done::ok("APPEND completed").with(code))
    }
}

/// Parses and compresses what came: off the executor when it is large.
fn finish(draft: Draft) -> Result<NewBody> {
    let summary = summarize(&draft.raw()?).encode();
    draft.finish(&summary)
}

/// Whether a message of this size would exceed a limit.
fn is_over(ledger: &Ledger, size: u64) -> bool {
    let octets =
        ledger.octets_limit != 0 && ledger.octets.saturating_add(size) > ledger.octets_limit;
    octets || (ledger.messages_limit != 0 && ledger.messages >= ledger.messages_limit)
}
