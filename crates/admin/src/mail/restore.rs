//! `restore --account`: an account, a mailbox or single messages from a backup into the store in use.
//!
//! The backup is only read. What is there already is left as it is and said; what is missing gets a new UID in
//! the mailbox that exists, and a mailbox that no longer exists is made again with a larger UIDVALIDITY, so that
//! no client takes one message for another. Flags, keywords, INTERNALDATE and save date are those of the backup.

use std::path::PathBuf;
use std::sync::Arc;

use congvu_directory::find;
use congvu_message::fold;
use congvu_message::summary::Summary;
use congvu_store::backup::View;
use congvu_store::{AccountId, Mailbox, Message, Options, Read, Timestamp, Uid};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::feeder::{Conversation, Feeder, How};
use super::files::{LISTED, Moved, MovedMailbox};
use super::{Act, Bad, Fate, LARGEST, Letter, Place, Tally};
use crate::change::address;
use crate::error::{Error, Result};
use crate::open::{Connection, Site};
use crate::store::{Progress, blocking, position};

/// Messages read ahead of what is being put.
const AHEAD: usize = 16;
/// Messages of one page of the backup's index.
const PAGE: usize = 1_000;

/// What to restore.
#[derive(Debug, Clone)]
pub struct Restore {
    /// Folder of the backup.
    pub from: PathBuf,
    /// Whose messages, in the backup.
    pub address: String,
    /// Into whose account; the same when not given.
    pub to: Option<String>,
    /// Only these mailboxes with those below them; all when empty.
    pub mailboxes: Vec<String>,
    /// Put everything into this mailbox, which is made if there is none.
    pub into: Option<String>,
    /// Only these messages.
    pub wanted: Wanted,
    /// Only list what would be done.
    pub dry_run: bool,
    /// Limits do not bind.
    pub ignore_quota: bool,
    /// Where the index of the backup is made; the system's place for temporary files when not given.
    pub work: Option<PathBuf>,
}

/// Which messages. What is not given does not matter.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// With this Message-ID, with or without angle brackets.
    pub message_id: Option<String>,
    /// With one of these UIDs, first and last of each run.
    pub uids: Vec<(u32, u32)>,
    /// That arrived at this instant or later.
    pub since: Option<Timestamp>,
    /// That arrived at this instant or earlier.
    pub until: Option<Timestamp>,
    /// With this in their subject, whatever its case and marks.
    pub subject: Option<String>,
    /// With this in a sender's address or name.
    pub sender: Option<String>,
}

impl Wanted {
    fn everything(&self) -> bool {
        self.uids.is_empty() && self.since.is_none() && self.until.is_none() && !self.by_header()
    }

    fn by_header(&self) -> bool {
        self.message_id.is_some() || self.subject.is_some() || self.sender.is_some()
    }

    fn by_record(&self, message: &Message) -> bool {
        let uid = message.uid.0;
        let at = message.date.saturating_mul(1_000);
        (self.uids.is_empty() || self.uids.iter().any(|(a, b)| (*a..=*b).contains(&uid)))
            && self.since.is_none_or(|since| at >= since.0)
            && self.until.is_none_or(|until| at <= until.0)
    }

    fn by_summary(&self, summary: &Summary) -> bool {
        let bare = |id: &str| id.trim().trim_matches(['<', '>']).to_owned();
        let envelope = &summary.envelope;
        let id = self.message_id.as_ref().is_none_or(|wanted| {
            let found = envelope.message_id.as_deref().unwrap_or_default();
            bare(wanted) == bare(found)
        });
        let subject = self.subject.as_ref().is_none_or(|wanted| {
            let found = envelope.subject.as_deref().unwrap_or_default();
            fold::Query::new(wanted).matches_raw(found)
        });
        let sender = self
            .sender
            .as_ref()
            .is_none_or(|wanted| fold::Query::new(wanted).matches_raw(&from(summary)));
        id && subject && sender
    }
}

fn from(summary: &Summary) -> String {
    let one = |m: &congvu_message::summary::Mailbox| {
        let address = format!(
            "{}@{}",
            m.mailbox.as_deref().unwrap_or_default(),
            m.host.as_deref().unwrap_or_default()
        );
        match &m.name {
            Some(name) => format!("{name} <{address}>"),
            None => address,
        }
    };
    let all: Vec<String> = summary.envelope.from.iter().map(one).collect();
    all.join(", ")
}

/// A message of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its mailbox, in the backup.
    pub mailbox: String,
    /// Its UID there.
    pub uid: Uid,
    /// INTERNALDATE, seconds since 1970.
    pub date: i64,
    /// Zone of it, minutes east of UTC.
    pub zone: i16,
    /// Octets.
    pub size: u32,
    /// Sender.
    pub from: String,
    /// Subject.
    pub subject: String,
    /// Message-ID.
    pub message_id: String,
    /// What became of it, or would.
    pub fate: Option<Fate>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredMail {
    /// When the backup was made.
    pub made: Timestamp,
    /// Sums and mailboxes.
    #[serde(flatten)]
    pub moved: Moved,
    /// The messages, when not a whole account or mailbox was asked for, or nothing was to be written; at most
    /// 1,000.
    pub messages: Vec<Found>,
    /// Damaged places of the backup.
    pub damaged: Vec<String>,
}

/// Restores; beside the server or alone.
pub async fn restore(site: &Site, what: &Restore, progress: Progress) -> Result<RestoredMail> {
    // The account must be there before minutes are spent on reading the backup.
    let mut connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let outcome: Result<_> = run(&mut connection, site, what, progress).await;
    let closed = connection.close().await;
    let done = outcome?;
    closed?;
    Ok(done)
}

async fn run(
    connection: &mut Connection,
    site: &Site,
    what: &Restore,
    progress: Progress,
) -> Result<RestoredMail> {
    let store = position(connection).await?.store;
    let door = connection.mail(site).await?;
    let to = what.to.as_ref().unwrap_or(&what.address);
    let detail = format!("{} of {}", what.from.display(), what.address);
    let mut conversation = Conversation::begin(door, Act::Restore, to, &detail).await?;

    let work = match &what.work {
        Some(work) => tempfile::Builder::new().prefix("congvu-").tempdir_in(work),
        None => tempfile::Builder::new().prefix("congvu-").tempdir(),
    };
    let work = work
        .map_err(|e| Error::Invalid(format!("cannot make a folder for the backup's index: {e}")))?;
    let (backup, folder, told) = (what.from.clone(), work.path().to_owned(), progress.clone());
    let view = blocking(move || {
        let mut told = |done, all| told("reading the backup", done, all);
        View::open(&backup, &folder, &mut told).map_err(|error| match error {
            congvu_store::Error::Backup(why) => Error::Invalid(why),
            other => other.into(),
        })
    })
    .await?;
    let view = Arc::new(view);
    let mut done = RestoredMail {
        made: view.made(),
        moved: Moved {
            address: conversation.address.clone(),
            dry_run: what.dry_run,
            ..Moved::default()
        },
        messages: Vec::new(),
        damaged: view.damaged().to_vec(),
    };
    let mailboxes = {
        let (view, whose, names) = (view.clone(), what.address.clone(), what.mailboxes.clone());
        blocking(move || mailboxes(&view, &whose, &names)).await?
    };
    let account = mailboxes.first().map(|mailbox| mailbox.account);
    let own = same_account(connection, to, account).await? && store == view.store();
    let all = mailboxes.iter().map(|mailbox| mailbox.size).sum();
    let mut read = 0;
    for mailbox in mailboxes {
        let mut told = |octets: u64| {
            read += octets;
            progress("restoring", read, all);
        };
        one(
            &mut conversation,
            &view,
            what,
            (mailbox, own),
            &mut done,
            &mut told,
        )
        .await?;
    }
    progress("restoring", all, all);
    conversation.end().await?;
    // The engine holds files in it.
    drop(view);
    drop(work);
    Ok(done)
}

/// Whether the account of the backup is the one that is restored into, under whatever address.
async fn same_account(
    connection: &mut Connection,
    to: &str,
    account: Option<AccountId>,
) -> Result<bool> {
    let query = crate::Query::Account {
        address: to.to_owned(),
    };
    let reply = connection.request(crate::Request::Query(query)).await?;
    let crate::Reply::Account(detail) = reply else {
        return Ok(false);
    };
    Ok(account.is_some_and(|id| detail.account.id == format!("A{id}")))
}

/// The mailboxes of the backup that are wanted.
fn mailboxes(view: &View, whose: &str, names: &[String]) -> Result<Vec<Mailbox>> {
    let whose_address = address(whose)?;
    let all = view.read(|r| {
        let account = find::account(r, &whose_address)?;
        Ok::<_, Error>(r.mailboxes(account.id)?)
    })?;
    if names.is_empty() {
        return Ok(all);
    }
    let mut kept = Vec::new();
    for name in names {
        let canonical = congvu_store::name::canonical(name)?;
        let inside = |mailbox: &&Mailbox| {
            let rest = mailbox.name.strip_prefix(&canonical);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let found: Vec<_> = all.iter().filter(inside).map(|m| m.id).collect();
        if found.is_empty() {
            return Err(Error::Missing("mailbox in the backup", name.clone()));
        }
        kept.extend(found);
    }
    Ok(all.into_iter().filter(|m| kept.contains(&m.id)).collect())
}

/// What the reader of the backup finds.
enum Item {
    Message(Letter, Vec<u8>, Option<Found>),
    Bad(Bad),
}

/// Restores one mailbox.
async fn one(
    conversation: &mut Conversation,
    view: &Arc<View>,
    what: &Restore,
    (mailbox, own): (Mailbox, bool),
    done: &mut RestoredMail,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<()> {
    let places = conversation.mailboxes().await?;
    let target = target(&mailbox, &places, what, own)?;
    let listed = what.dry_run || !what.wanted.everything();
    let (sender, mut items) = mpsc::channel(AHEAD);
    let reader = {
        let (view, mailbox, wanted) = (Arc::clone(view), mailbox.clone(), what.wanted.clone());
        tokio::task::spawn_blocking(move || {
            read(&view, &mailbox, &wanted, listed, &mut |item| {
                sender.blocking_send(item).is_ok()
            })
        })
    };
    let mut here = MovedMailbox {
        from: mailbox.name.clone(),
        mailbox: target.name.clone(),
        created: false,
        tally: Tally::default(),
    };
    let how = How {
        dry_run: what.dry_run,
        ignore_quota: what.ignore_quota,
    };
    let mut feeder: Option<Feeder<Option<Found>>> = None;
    while let Some(item) = items.recv().await {
        let (letter, octets, found) = match item {
            Item::Bad(bad) => {
                done.moved.bad(bad);
                continue;
            }
            Item::Message(letter, octets, found) => (letter, octets, found),
        };
        // A mailbox is made only when something goes into it.
        if feeder.is_none() {
            let place = match &target.place {
                Some(place) => Some(place.clone()),
                None if what.dry_run => None,
                None => Some(conversation.open(&target.name, mailbox.special_use).await?),
            };
            here.created = place.as_ref().is_none_or(|place| place.created);
            feeder = Some(Feeder::new(place.map(|place| place.id), how));
        }
        let Some(feeder) = &mut feeder else { continue };
        if !feeder.fits(octets.len()) {
            flush(conversation, feeder, &mut here, done).await?;
        }
        here.tally.read += 1;
        told(octets.len() as u64);
        feeder.add(letter, octets, found);
    }
    if let Some(mut feeder) = feeder {
        flush(conversation, &mut feeder, &mut here, done).await?;
    } else if what.wanted.everything() && what.into.is_none() && target.place.is_none() {
        // An empty mailbox is a mailbox, too.
        here.created = true;
        if !what.dry_run {
            conversation.open(&target.name, mailbox.special_use).await?;
        }
    }
    reader
        .await
        .map_err(|error| Error::Unreachable(format!("broken off: {error}")))??;
    if here.tally.read > 0 || here.created {
        done.moved.tally.add(&here.tally);
        done.moved.mailboxes.push(here);
    }
    Ok(())
}

async fn flush(
    conversation: &mut Conversation,
    feeder: &mut Feeder<Option<Found>>,
    here: &mut MovedMailbox,
    done: &mut RestoredMail,
) -> Result<()> {
    for (found, letter, fate) in feeder.flush(conversation).await? {
        here.tally.count(fate, letter.octets);
        if let Some(mut found) = found
            && done.messages.len() < LISTED
        {
            found.fate = Some(fate);
            done.messages.push(found);
        }
    }
    Ok(())
}

/// Where the messages of a mailbox go.
struct Target {
    name: String,
    place: Option<Place>,
}

fn target(mailbox: &Mailbox, places: &[Place], what: &Restore, own: bool) -> Result<Target> {
    if let Some(into) = &what.into {
        let name = congvu_store::name::canonical(into)?;
        let place = places.iter().find(|place| place.name == name).cloned();
        return Ok(Target { name, place });
    }
    // The same mailbox, also when it was renamed since; else one of this name.
    let same = places
        .iter()
        .find(|place| own && place.id == mailbox.id && place.uidvalidity == mailbox.uidvalidity);
    let place = same.or_else(|| places.iter().find(|place| place.name == mailbox.name));
    Ok(Target {
        name: place.map_or_else(|| mailbox.name.clone(), |place| place.name.clone()),
        place: place.cloned(),
    })
}

/// Reads the wanted messages of one mailbox. Blocking.
fn read(
    view: &View,
    mailbox: &Mailbox,
    wanted: &Wanted,
    listed: bool,
    each: &mut dyn FnMut(Item) -> bool,
) -> Result<()> {
    let mut from = Some(Uid(1));
    while let Some(first) = from {
        let page = view.read(|r| r.messages(mailbox.id, first, Uid(u32::MAX), PAGE))?;
        for message in &page {
            if !wanted.by_record(message) {
                continue;
            }
            let item = match message_of(view, mailbox, message, wanted, listed) {
                Ok(None) => continue,
                Ok(Some(item)) => item,
                Err(error) => Item::Bad(Bad {
                    place: format!("{} in the backup, UID {}", mailbox.name, message.uid),
                    why: error.to_string(),
                }),
            };
            if !each(item) {
                return Ok(());
            }
        }
        from = page
            .last()
            .filter(|_| page.len() == PAGE)
            .and_then(|last| last.uid.0.checked_add(1))
            .map(Uid);
    }
    Ok(())
}

fn message_of(
    view: &View,
    mailbox: &Mailbox,
    message: &Message,
    wanted: &Wanted,
    listed: bool,
) -> Result<Option<Item>> {
    let body = view.body(message.body)?;
    let mut found = None;
    if listed || wanted.by_header() {
        let summary = Summary::decode(body.summary()).unwrap_or_default();
        if !wanted.by_summary(&summary) {
            return Ok(None);
        }
        found = listed.then(|| Found {
            mailbox: mailbox.name.clone(),
            uid: message.uid,
            date: message.date,
            zone: message.zone,
            size: message.size,
            from: from(&summary),
            subject: summary.envelope.subject.unwrap_or_default(),
            message_id: summary.envelope.message_id.unwrap_or_default(),
            fate: None,
        });
    }
    if body.len() > LARGEST {
        return Err(Error::Invalid("larger than 256 MiB".to_owned()));
    }
    let octets = body.octets(0, body.len())?;
    let keywords = message
        .keywords
        .iter()
        .filter_map(|index| mailbox.keywords.get(usize::from(*index)).cloned());
    let letter = Letter {
        flags: message.flags.0,
        keywords: keywords.collect(),
        date: message.date,
        zone: message.zone,
        saved: Some(message.saved),
        octets: 0,
        remote: 0,
    };
    Ok(Some(Item::Message(letter, octets, found)))
}
