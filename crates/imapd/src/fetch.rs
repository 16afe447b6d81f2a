//! FETCH and UID FETCH (RFC 9051 section 6.4.5, RFC 3516 for BINARY).
//!
//! Records come a page at a time by one range scan; a body is opened only for items that need one.
//! `\Seen` is set first, in one transaction a page, and answered with the items. Answers are bounded: the
//! machine pulls the next part once the socket took the last one. A long literal is the last item of its
//! response; a message with several long ones gets a response for each.

mod message;

use std::collections::VecDeque;
use std::sync::Arc;

use congvu_imap::ask::{Answer, Fetch, FetchItem, Rfc822};
use congvu_imap::response::{Code, Done, FetchData, Octets, Untagged};
use congvu_store::{FlagChange, Flags, MailboxId, Message, ModSeq, Result, Store, Uid};

use crate::blocking::Task;
use crate::flags;
use crate::octets::{CHUNK, Stream};
use crate::records::{self, PAGE};
use crate::refuse;
use crate::session::{LoggedIn, Work, done, nothing_selected};
use crate::set::Targets;
use crate::view::{Expunges, View};
use message::Built;

/// Messages an answer when bodies are opened for them.
const MESSAGES: usize = 64;

/// A FETCH under way.
pub(crate) struct Run {
    targets: Targets,
    uid: bool,
    items: Arc<[FetchItem]>,
    page: VecDeque<Found>,
    /// The next messages, being built while the socket takes the last ones.
    ahead: Option<Task<(Batch, VecDeque<Found>)>>,
    /// Long literals of the last message that still need a response of their own.
    long: VecDeque<Long>,
    /// The literal whose octets are being asked for.
    open: Option<Stream>,
    trouble: Trouble,
}

/// A record to be answered.
struct Found {
    seq: u32,
    message: Message,
    /// FLAGS, when asked for or changed by this command (`\Seen`).
    flags: Option<Vec<String>>,
}

/// An item too long to be kept in memory.
struct Long {
    seq: u32,
    uid: Uid,
    name: Name,
    stream: Stream,
}

/// What an item's octets are answered as.
#[derive(Debug, Clone)]
enum Name {
    Rfc822(Rfc822),
    Section(congvu_imap::ask::Section, Option<u32>),
    Binary(Vec<u32>, Option<u32>),
}

/// Messages that were built.
type Batch = Vec<(Found, Result<Built>)>;

/// What could not be answered.
#[derive(Debug, Default, Clone, Copy)]
struct Trouble {
    missing: usize,
    unreadable: usize,
    unknown_encoding: bool,
}

impl LoggedIn {
    pub(crate) async fn fetch(&mut self, ask: Fetch) -> Answer {
        let Some(view) = self.view.as_ref() else {
            return nothing_selected();
        };
        let Ok(targets) = Targets::resolve(&ask.set, ask.uid, view.uids(), &view.saved) else {
            return done(refuse::out_of_range());
        };
        let run = Run {
            targets,
            uid: ask.uid,
            items: ask.items.into(),
            page: VecDeque::new(),
            ahead: None,
            long: VecDeque::new(),
            open: None,
            trouble: Trouble::default(),
        };
        self.fetch_more(Box::new(run)).await
    }

    pub(crate) async fn fetch_more(&mut self, mut run: Box<Run>) -> Answer {
        let Some(view) = self.view.as_mut() else {
            return nothing_selected();
        };
        let store = &self.shared.store;
        let mut untagged = Vec::new();
        run.close_literal();
        if let Some(long) = run.long.pop_front() {
            untagged.push(run.open_literal(long, Vec::new()).await);
            return self.fetch_later(run, untagged);
        }
        while run.page.is_empty() && run.ahead.is_none() {
            let end = if run.targets.is_empty() {
                run.end()
            } else if let Err(error) = run.load(store, view, &mut untagged).await {
                refuse::store(&error)
            } else {
                continue;
            };
            let expunges = if run.uid {
                Expunges::Say
            } else {
                Expunges::Keep
            };
            let answer = self.finish(untagged, end, expunges).await;
            if let (Answer::Reply { untagged, .. }, Some(view)) = (&answer, self.view.as_mut())
                && untagged
                    .iter()
                    .any(|said| matches!(said, Untagged::Exists(_)))
            {
                view.said_unheard();
            }
            return answer;
        }
        let built = match run.build(store).await {
            Ok(built) => built,
            Err(error) => return done(refuse::store(&error)),
        };
        for (found, built) in built {
            let seq = found.seq;
            match built {
                Ok(built) => {
                    run.trouble.unknown_encoding |= built.unknown_encoding;
                    run.long.extend(built.long);
                    untagged.push(match run.long.pop_front() {
                        Some(long) => run.open_literal(long, built.items).await,
                        None => Untagged::Fetch {
                            seq,
                            items: built.items,
                        },
                    });
                }
                Err(error) => {
                    tracing::error!(
                        mailbox = %view.mailbox, uid = %found.message.uid, body = %found.message.body, %error,
                        "message unreadable"
                    );
                    run.trouble.unreadable += 1;
                }
            }
        }
        self.fetch_later(run, untagged)
    }

    fn fetch_later(&mut self, run: Box<Run>, untagged: Vec<Untagged>) -> Answer {
        self.work = Work::Fetch(run);
        Answer::Reply {
            untagged,
            done: None,
        }
    }
}

impl Run {
    /// Reads the next page of records; sets `\Seen` on those that need it.
    async fn load(
        &mut self,
        store: &Store,
        view: &mut View,
        untagged: &mut Vec<Untagged>,
    ) -> Result<()> {
        let picks = self.targets.take(PAGE, view.uids());
        let mut page = records::read(store, view.mailbox, picks, view.keywords.len()).await?;
        view.say_keywords(page.keywords.take(), untagged);
        self.trouble.missing += page.missing;
        let mut messages = page.found;
        let mut seen_now = Vec::new();
        if !view.read_only && self.items.iter().any(sets_seen) {
            let unseen = messages
                .iter()
                .map(|(_, message)| message)
                .filter(|message| !message.flags.contains(Flags::SEEN));
            let unseen: Vec<Uid> = unseen.map(|message| message.uid).collect();
            if !unseen.is_empty() {
                match set_seen(store, view.mailbox, unseen).await {
                    Ok((modseq, changed)) => {
                        view.own_change(modseq, changed.iter());
                        view.collect();
                        seen_now = changed;
                    }
                    // Letters can be read also when nothing can be written.
                    Err(error) => {
                        tracing::warn!(mailbox = %view.mailbox, %error, "seen flags not set");
                    }
                }
            }
        }
        let mut seen_now = seen_now.into_iter().peekable();
        let asked = self.items.contains(&FetchItem::Flags);
        for (seq, message) in &mut messages {
            let now = seen_now.next_if(|now| now.uid == message.uid);
            let shown = asked || now.is_some();
            if let Some(now) = now {
                *message = now;
            }
            let flags = shown
                .then(|| flags::of_message(message, &view.keywords, view.is_recent(message.uid)));
            self.page.push_back(Found {
                seq: *seq,
                message: message.clone(),
                flags,
            });
        }
        Ok(())
    }

    /// Builds the next messages of the page, at most as many as an answer takes. When bodies are read for
    /// them this happens off the executor, and one answer ahead of the client.
    async fn build(&mut self, store: &Store) -> Result<Batch> {
        let (built, rest) = if self.items.iter().any(needs_body) {
            let ahead = self.ahead.take();
            ahead.unwrap_or_else(|| self.start(store)).end().await?
        } else {
            let batch = self.page.drain(..).collect();
            build(store, &self.items, batch)
        };
        for found in rest.into_iter().rev() {
            self.page.push_front(found);
        }
        if self.items.iter().any(needs_body) && !self.page.is_empty() {
            self.ahead = Some(self.start(store));
        }
        Ok(built)
    }

    fn start(&mut self, store: &Store) -> Task<(Batch, VecDeque<Found>)> {
        let most = self.page.len().min(MESSAGES);
        let batch: VecDeque<Found> = self.page.drain(..most).collect();
        let (items, store) = (Arc::clone(&self.items), store.clone());
        Task::start(move || Ok(build(&store, &items, batch)))
    }

    /// A response whose last item is a literal that is delivered piece by piece.
    async fn open_literal(&mut self, mut long: Long, mut items: Vec<FetchData>) -> Untagged {
        if items.is_empty() && self.uid {
            items.push(FetchData::Uid(long.uid.0));
        }
        let len = long.stream.left();
        let first = long.stream.next().await;
        let octets = if first.len() as u64 == len {
            Octets::Whole(first)
        } else {
            Octets::Later { len, first }
        };
        items.push(long.name.with(octets));
        self.open = Some(long.stream);
        Untagged::Fetch {
            seq: long.seq,
            items,
        }
    }

    /// The literal is out.
    fn close_literal(&mut self) {
        if self.open.take().is_some_and(|stream| stream.is_damaged()) {
            self.trouble.unreadable += 1;
        }
    }

    /// The next octets of the open literal.
    pub(crate) async fn next_octets(&mut self) -> Option<Vec<u8>> {
        let stream = self.open.as_mut().filter(|stream| stream.left() > 0)?;
        Some(stream.next().await)
    }

    fn end(&self) -> Done {
        if self.trouble.unreadable > 0 {
            Done::no(
                Some(Code::Corruption),
                "Some messages cannot be read; tell your administrator",
            )
        } else if self.trouble.unknown_encoding {
            Done::no(
                Some(Code::UnknownCte),
                "A part has a transfer encoding that is not known here",
            )
        } else if self.trouble.missing > 0 && !self.uid {
            // RFC 2180 section 4.1.2; by UID, missing messages are no error (RFC 9051 section 6.4.9).
            Done::no(
                Some(Code::ExpungeIssued),
                "Some of the messages no longer exist",
            )
        } else {
            Done::ok("FETCH completed")
        }
    }
}

impl Name {
    fn with(self, octets: Octets) -> FetchData {
        match self {
            Self::Rfc822(which) => FetchData::Rfc822(which, octets),
            Self::Section(section, origin) => FetchData::Section(section, origin, octets),
            Self::Binary(part, origin) => FetchData::Binary(part, origin, octets),
        }
    }
}

/// Builds messages until an answer has enough. Those not reached come back. Blocking.
fn build(
    store: &Store,
    items: &[FetchItem],
    mut batch: VecDeque<Found>,
) -> (Batch, VecDeque<Found>) {
    let mut all = Vec::with_capacity(batch.len());
    let mut octets: u64 = 0;
    while octets < CHUNK
        && let Some(mut found) = batch.pop_front()
    {
        let built = message::build(store, items, &mut found);
        let mut enough = false;
        if let Ok(built) = &built {
            octets = octets.saturating_add(built.octets);
            enough = !built.long.is_empty();
        }
        all.push((found, built));
        if enough {
            break;
        }
    }
    (all, batch)
}

async fn set_seen(
    store: &Store,
    mailbox: MailboxId,
    uids: Vec<Uid>,
) -> Result<(ModSeq, Vec<Message>)> {
    store
        .transact(move |tx| {
            let change = FlagChange::Add(Flags::SEEN, Vec::new());
            let changed = tx.change_flags_of(mailbox, &uids, &change)?;
            Ok((tx.modseq(), changed))
        })
        .await
}

/// Whether an item needs the stored body or its summary.
fn needs_body(item: &FetchItem) -> bool {
    !matches!(
        item,
        FetchItem::Uid
            | FetchItem::Flags
            | FetchItem::InternalDate
            | FetchItem::Size
            | FetchItem::EmailId
            | FetchItem::ModSeq
    )
}

/// Whether an item counts as reading the message.
fn sets_seen(item: &FetchItem) -> bool {
    matches!(
        item,
        FetchItem::Section { peek: false, .. }
            | FetchItem::Binary { peek: false, .. }
            | FetchItem::Rfc822(Rfc822::All | Rfc822::Text)
    )
}
