//! FETCH and UID FETCH (RFC 9051 section 6.4.5, RFC 3516 for BINARY).
//!
//! Records come a page at a time by one range scan; a body is opened only for items that need one.
//! `\Seen` is set first, in one transaction a page, and answered with the items. Answers are bounded: the
//! machine pulls the next part once the socket took the last one. A long literal is the last item of its
//! response; a message with several long ones gets a response for each.

mod message;

use std::collections::VecDeque;

use congvu_imap::ask::{Answer, Fetch, FetchItem, Rfc822};
use congvu_imap::response::{Code, Done, FetchData, Octets, Untagged};
use congvu_store::{Error, FlagChange, Flags, MailboxId, Message, ModSeq, Result, Store, Uid};

use crate::octets::{CHUNK, Stream};
use crate::records::{self, PAGE};
use crate::refuse;
use crate::session::{LoggedIn, Work, done, nothing_selected};
use crate::set::Targets;
use crate::view::{Expunges, View};

/// Messages an answer when bodies are opened for them.
const MESSAGES: usize = 64;

/// A FETCH under way.
pub(crate) struct Run {
    targets: Targets,
    uid: bool,
    items: Vec<FetchItem>,
    page: VecDeque<Found>,
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
    /// `\Seen` was set by this command: FLAGS are answered also when not asked for.
    seen_now: bool,
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
            items: ask.items,
            page: VecDeque::new(),
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
            untagged.push(run.open_literal(store, long, Vec::new()).await);
            self.work = Work::Fetch(run);
            return Answer::Reply {
                untagged,
                done: None,
            };
        }
        let most = if run.items.iter().any(needs_body) {
            MESSAGES
        } else {
            PAGE
        };
        let mut octets: u64 = 0;
        while untagged.len() < most && octets < CHUNK {
            let Some(found) = run.page.pop_front() else {
                if run.targets.is_empty() {
                    let (end, expunges) = run.end();
                    return self.finish(untagged, end, expunges).await;
                }
                if let Err(error) = run.load(store, view, &mut untagged).await {
                    let (_, expunges) = run.end();
                    return self.finish(untagged, refuse::store(&error), expunges).await;
                }
                continue;
            };
            match message::build(store, view, &run.items, &found).await {
                Ok(built) => {
                    run.trouble.unknown_encoding |= built.unknown_encoding;
                    octets = octets.saturating_add(built.octets);
                    run.long.extend(built.long);
                    match run.long.pop_front() {
                        Some(long) => {
                            untagged.push(run.open_literal(store, long, built.items).await);
                            break;
                        }
                        None => untagged.push(Untagged::Fetch {
                            seq: found.seq,
                            items: built.items,
                        }),
                    }
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
        let sees = !view.read_only && self.items.iter().any(sets_seen);
        self.page = page
            .found
            .into_iter()
            .map(|(seq, message)| Found {
                seq,
                message,
                seen_now: false,
            })
            .collect();
        if sees
            && self
                .page
                .iter()
                .any(|found| !found.message.flags.contains(Flags::SEEN))
        {
            let unseen = self
                .page
                .iter()
                .filter(|found| !found.message.flags.contains(Flags::SEEN));
            let unseen: Vec<Uid> = unseen.map(|found| found.message.uid).collect();
            match set_seen(store, view.mailbox, unseen).await {
                Ok((modseq, changed)) => {
                    view.own_change(modseq);
                    view.collect();
                    self.mark_seen(changed);
                }
                // Letters can be read also when nothing can be written.
                Err(error) => tracing::warn!(mailbox = %view.mailbox, %error, "seen flags not set"),
            }
        }
        Ok(())
    }

    fn mark_seen(&mut self, changed: Vec<Message>) {
        let mut changed = changed.into_iter().peekable();
        for found in &mut self.page {
            if let Some(message) = changed.next_if(|message| message.uid == found.message.uid) {
                found.message = message;
                found.seen_now = true;
            }
        }
    }

    /// A response whose last item is a literal that is delivered piece by piece.
    async fn open_literal(
        &mut self,
        store: &Store,
        mut long: Long,
        mut items: Vec<FetchData>,
    ) -> Untagged {
        if items.is_empty() && self.uid {
            items.push(FetchData::Uid(long.uid.0));
        }
        let len = long.stream.left();
        let first = long.stream.next(store).await;
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
    pub(crate) async fn next_octets(&mut self, store: &Store) -> Option<Vec<u8>> {
        let stream = self.open.as_mut().filter(|stream| stream.left() > 0)?;
        Some(stream.next(store).await)
    }

    fn end(&self) -> (Done, Expunges) {
        let expunges = if self.uid {
            Expunges::Say
        } else {
            Expunges::Keep
        };
        let end = if self.trouble.unreadable > 0 {
            Done::no(
                Some(Code::ServerBug),
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
        };
        (end, expunges)
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

async fn set_seen(
    store: &Store,
    mailbox: MailboxId,
    uids: Vec<Uid>,
) -> Result<(ModSeq, Vec<Message>)> {
    store
        .transact(move |tx| {
            let change = FlagChange::Add(Flags::SEEN, Vec::new());
            let mut changed = Vec::with_capacity(uids.len());
            for &uid in &uids {
                match tx.change_flags(mailbox, uid, &change) {
                    Ok((message, _)) => changed.push(message),
                    Err(Error::NoMessage(..)) => {}
                    Err(error) => return Err(error),
                }
            }
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
