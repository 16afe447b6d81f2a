//! Finding deleted messages: by mailbox, dates, sender, recipient, subject, Message-ID.
//!
//! Texts are compared as in IMAP SEARCH: without case, and letters of the query without a mark match that
//! letter with any mark. A page looks at a bounded number of messages, so it may be empty and yet not be the
//! last one.

use congvu_directory::view::Page;
use congvu_directory::{Directory, retention};
use congvu_message::Summary;
use congvu_message::fold::Query as Words;
use congvu_message::summary::{Envelope, Mailbox as Party};
use congvu_store::calendar::CalendarRead as _;
use congvu_store::deleted::{DeletedId, DeletedMailbox, DeletedMessage, DeletedRead as _};
use congvu_store::{AccountId, MailboxId, ModSeq, Read, Store, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use crate::change::with_departed;
use crate::error::{Error, Result};
use crate::reply::{DeletedMailboxView, DeletedMessageView};
use crate::store::blocking;

/// Messages looked at for one page: each is one read of the log.
const LOOKED_AT: usize = 256;
/// Deleted mailboxes of a page.
const MAILBOXES: usize = 500;

/// Which deleted messages. What is not given does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeletedFilter {
    /// Name of the mailbox they were in.
    pub mailbox: Option<String>,
    /// Arrived from this instant on.
    pub since: Option<Timestamp>,
    /// Arrived up to this instant.
    pub until: Option<Timestamp>,
    /// Deleted from this instant on.
    pub deleted_since: Option<Timestamp>,
    /// Deleted up to this instant.
    pub deleted_until: Option<Timestamp>,
    /// Words of the From field.
    pub from: Option<String>,
    /// Words of the To and Cc fields.
    pub to: Option<String>,
    /// Words of the subject.
    pub subject: Option<String>,
    /// Its Message-ID, with or without angle brackets.
    pub message_id: Option<String>,
}

/// A question for deleted messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedQuery {
    /// Whose; also of an account that was removed.
    pub address: String,
    /// Which.
    pub filter: DeletedFilter,
    /// Continuation.
    pub after: Option<String>,
}

/// A mailbox of the account, as it is or was.
struct Place {
    id: MailboxId,
    name: String,
    removed: Option<DeletedMailbox>,
}

/// A message that may be meant.
struct Candidate {
    place: String,
    removed: bool,
    deleted: DeletedMessage,
    days_left: u32,
    held: bool,
}

/// Answers a question.
pub(crate) async fn list(
    directory: &Directory,
    query: DeletedQuery,
) -> Result<Page<DeletedMessageView>> {
    let store = directory.store().clone();
    let asked = query.clone();
    let (candidates, next) = store
        .read::<_, Error, _>(move |r| candidates(r, &asked))
        .await?;
    let entries = blocking(move || {
        let filter = Filter::new(&query.filter);
        let mut entries = Vec::new();
        for candidate in candidates {
            if filter.by_date(&candidate.deleted) {
                let envelope = envelope(&store, &candidate.deleted);
                if filter.by_words(&envelope) {
                    entries.push(view(candidate, envelope));
                }
            }
        }
        Ok(entries)
    })
    .await?;
    Ok(Page { entries, next })
}

/// The next messages behind where the last page ended.
fn candidates<R: Read>(r: &R, query: &DeletedQuery) -> Result<(Vec<Candidate>, Option<String>)> {
    let (account, _) = with_departed(r, &query.address)?;
    let after = match &query.after {
        None => None,
        Some(text) => Some(
            text.parse::<DeletedId>()
                .map_err(|()| Error::Invalid(format!("{text:?} is no place in a listing")))?,
        ),
    };
    let keep = retention::keep(r, account)?;
    let mut found = Vec::new();
    for place in places(r, account, query.filter.mailbox.as_deref())? {
        let mut after = match after {
            Some(after) if place.id < after.mailbox => continue,
            Some(after) if place.id == after.mailbox => Some(after),
            _ => None,
        };
        let own = congvu_directory::record::Held::Mailbox(account, place.id);
        let held = keep.held || !retention::holds_on(r, own)?.is_empty();
        loop {
            let left = LOOKED_AT - found.len();
            let page = r.deleted_messages(place.id, place.removed.as_ref(), after, left)?;
            for deleted in page.messages {
                let kept = r.days_kept(deleted.since)?;
                found.push(Candidate {
                    place: place.name.clone(),
                    removed: place.removed.is_some(),
                    days_left: u32::from(keep.days).saturating_sub(kept),
                    held,
                    deleted,
                });
            }
            after = page.next;
            if found.len() >= LOOKED_AT {
                // Behind the last one of this mailbox, if no more of it is left.
                let end = DeletedId {
                    mailbox: place.id,
                    modseq: ModSeq(0),
                    uid: Uid(u32::MAX),
                };
                return Ok((found, Some(after.unwrap_or(end).to_string())));
            }
            if after.is_none() {
                break;
            }
        }
    }
    Ok((found, None))
}

/// Mailboxes of an account in the order of their numbers, with deleted ones.
fn places<R: Read>(r: &R, account: AccountId, name: Option<&str>) -> Result<Vec<Place>> {
    let name = name.map(congvu_store::name::canonical).transpose()?;
    let mut places: Vec<Place> = r
        .mailboxes(account)?
        .into_iter()
        .map(|mailbox| Place {
            id: mailbox.id,
            name: mailbox.name,
            removed: None,
        })
        .collect();
    let mut after = None;
    loop {
        let page = r.deleted_mailboxes(account, after, MAILBOXES)?;
        after = page.last().map(DeletedMailbox::removal);
        let full = page.len() == MAILBOXES;
        places.extend(page.into_iter().map(|deleted| Place {
            id: deleted.mailbox.id,
            name: deleted.mailbox.name.clone(),
            removed: Some(deleted),
        }));
        if !full {
            break;
        }
    }
    places.retain(|place| name.as_ref().is_none_or(|name| *name == place.name));
    places.sort_by_key(|place| place.id);
    if let Some(name) = name.filter(|_| places.is_empty()) {
        return Err(Error::Missing("mailbox", name));
    }
    Ok(places)
}

/// The envelope that was stored beside the message; empty when it is damaged.
fn envelope(store: &Store, deleted: &DeletedMessage) -> Envelope {
    let message = &deleted.message;
    let read = store.open_body(message.body, message.frame);
    let summary = read.map(|body| Summary::decode(body.summary()));
    match summary {
        Ok(Ok(summary)) => summary.envelope,
        Ok(Err(error)) => {
            tracing::warn!(id = %deleted.id, %error, "summary of a deleted message unreadable");
            Envelope::default()
        }
        Err(error) => {
            tracing::warn!(id = %deleted.id, %error, "deleted message unreadable");
            Envelope::default()
        }
    }
}

/// A filter ready for use.
struct Filter<'a> {
    asked: &'a DeletedFilter,
    from: Option<Words>,
    to: Option<Words>,
    subject: Option<Words>,
    message_id: Option<String>,
}

impl<'a> Filter<'a> {
    fn new(asked: &'a DeletedFilter) -> Self {
        let words = |text: &Option<String>| text.as_deref().map(Words::new);
        Self {
            asked,
            from: words(&asked.from),
            to: words(&asked.to),
            subject: words(&asked.subject),
            message_id: asked.message_id.as_deref().map(bare),
        }
    }

    fn by_date(&self, deleted: &DeletedMessage) -> bool {
        let within = |at: i64, since: Option<Timestamp>, until: Option<Timestamp>| {
            since.is_none_or(|since| since.0 <= at) && until.is_none_or(|until| at <= until.0)
        };
        let asked = self.asked;
        // INTERNALDATE has whole seconds.
        let arrived = deleted.message.date.saturating_mul(1_000);
        within(arrived, asked.since, asked.until)
            && within(deleted.at.0, asked.deleted_since, asked.deleted_until)
    }

    fn by_words(&self, envelope: &Envelope) -> bool {
        let says = |words: &Option<Words>, text: &dyn Fn() -> String| {
            words
                .as_ref()
                .is_none_or(|words| words.matches_raw(&text()))
        };
        says(&self.from, &|| written(&envelope.from))
            && says(&self.to, &|| {
                let to = written(&envelope.to);
                format!("{to}, {}", written(&envelope.cc))
            })
            && says(&self.subject, &|| {
                envelope.subject.clone().unwrap_or_default()
            })
            && self.message_id.as_ref().is_none_or(|wanted| {
                envelope.message_id.as_deref().map(bare).as_ref() == Some(wanted)
            })
    }
}

/// A Message-ID without what stands around it.
fn bare(id: &str) -> String {
    let id = id.trim();
    id.strip_prefix('<')
        .and_then(|id| id.strip_suffix('>'))
        .unwrap_or(id)
        .to_owned()
}

/// Addresses as one writes them.
fn written(list: &[Party]) -> String {
    let mut all = String::new();
    for Party {
        name,
        mailbox,
        host,
    } in list
    {
        let (Some(local), host) = (mailbox, host.as_deref()) else {
            continue;
        };
        if !all.is_empty() {
            all.push_str(", ");
        }
        let address = match host {
            Some(host) => format!("{local}@{host}"),
            None => local.clone(),
        };
        match name {
            Some(name) => all.extend([name, " <", &address, ">"]),
            None => all.push_str(&address),
        }
    }
    all
}

fn view(candidate: Candidate, envelope: Envelope) -> DeletedMessageView {
    let Candidate {
        place,
        removed,
        deleted,
        days_left,
        held,
    } = candidate;
    DeletedMessageView {
        id: deleted.id.to_string(),
        mailbox: place,
        mailbox_deleted: removed,
        size: deleted.message.size,
        arrived: Timestamp(deleted.message.date.saturating_mul(1_000)),
        deleted: deleted.at,
        from: written(&envelope.from),
        to: written(&envelope.to),
        subject: envelope.subject.unwrap_or_default(),
        message_id: envelope.message_id,
        days_left,
        held,
    }
}

/// Deleted mailboxes of an account, oldest deletion first.
pub(crate) fn mailboxes<R: Read>(
    r: &R,
    address: &str,
    after: Option<&str>,
) -> Result<Page<DeletedMailboxView>> {
    let (account, _) = with_departed(r, address)?;
    let keep = retention::keep(r, account)?;
    let after = after
        .and_then(|text| text.split_once('-'))
        .and_then(|(modseq, id)| Some((modseq.parse().ok()?, id.parse().ok()?)))
        .map(|(modseq, id)| congvu_store::deleted::Removal {
            account,
            modseq: ModSeq(modseq),
            mailbox: MailboxId(id),
        });
    let page = r.deleted_mailboxes(account, after, MAILBOXES)?;
    let next = match page.last() {
        Some(last) if page.len() == MAILBOXES => {
            Some(format!("{}-{}", last.modseq, last.mailbox.id))
        }
        _ => None,
    };
    let mut entries = Vec::with_capacity(page.len());
    for deleted in page {
        let own = congvu_directory::record::Held::Mailbox(account, deleted.mailbox.id);
        let kept = r.days_kept(deleted.modseq)?;
        entries.push(DeletedMailboxView {
            number: deleted.mailbox.id.0,
            mailbox: deleted.mailbox.name,
            messages: deleted.mailbox.messages,
            size: deleted.mailbox.size,
            deleted: deleted.at,
            days_left: u32::from(keep.days).saturating_sub(kept),
            held: keep.held || !retention::holds_on(r, own)?.is_empty(),
        });
    }
    Ok(Page { entries, next })
}
