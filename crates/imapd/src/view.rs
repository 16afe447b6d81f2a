//! The frozen view of the selected mailbox: sequence numbers as the client knows them, and what has
//! changed since.
//!
//! Invariant: `uids` changes only in [`View::announce`], together with the response that says so. Changes
//! of other sessions are collected from the change feed until they may be said. The future of `announce`
//! takes nothing before its last await, so IDLE may drop it at any point.

use std::collections::{BTreeSet, VecDeque};

use congvu_imap::response::{Code, Done, FetchData, Status, Untagged};
use congvu_store::feed::Batch;
use congvu_store::{
    ChangeKind, Mailbox, MailboxId, Message, ModSeq, Read, Result, Store, Uid, Watcher,
};

use crate::flags;
use crate::recent::Recent;
use crate::records::{self, PAGE};
use crate::set::Pick;
use crate::uids::Uids;

/// Whether EXPUNGE may be said: not while FETCH, STORE or SEARCH by sequence number are answered
/// (RFC 9051 section 7.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expunges {
    /// Say them.
    Say,
    /// Keep them for later.
    Keep,
}

/// EXPUNGE responses said at once: some 20 KiB of output.
const EXPUNGES: usize = 1024;

/// Transactions of this session that are remembered until the change feed has reported them. The feed
/// follows within one group of transactions; a long STORE has a transaction a page.
const OWN: usize = 64;

/// The selected mailbox as this session sees it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) mailbox: MailboxId,
    pub(crate) read_only: bool,
    /// Keywords that the client was told of.
    pub(crate) keywords: Vec<String>,
    /// The result saved by SEARCH (RFC 9051 section 6.4.4.1). UIDs that were expunged drop out by
    /// themselves, because it is always resolved on the view.
    pub(crate) saved: Uids,
    uids: Uids,
    recent: Claimed,
    changes: Watcher,
    /// Changes up to here were in the view from the beginning.
    baseline: ModSeq,
    /// The latest change that was taken from the feed.
    seen: ModSeq,
    own: VecDeque<ModSeq>,
    arrived: Uids,
    gone: BTreeSet<u32>,
    flagged: BTreeSet<u32>,
    rescan: bool,
    /// EXISTS was said where Thunderbird does not listen.
    unheard: bool,
    /// The mailbox was deleted by somebody.
    removed: Removed,
}

/// The messages that are recent to this session.
#[derive(Debug, Default)]
struct Claimed {
    uids: Uids,
    /// Some of them were claimed in memory only.
    in_memory: bool,
}

/// Whether the mailbox is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removed {
    No,
    Unsaid,
    Said,
}

impl View {
    /// A new view. The watcher must be older than the mailbox record and the UIDs, which come from one read.
    pub(crate) fn new(mailbox: &Mailbox, uids: Uids, changes: Watcher, read_only: bool) -> Self {
        Self {
            mailbox: mailbox.id,
            read_only,
            keywords: mailbox.keywords.clone(),
            saved: Uids::default(),
            uids,
            recent: Claimed::default(),
            changes,
            baseline: mailbox.modseq,
            seen: mailbox.modseq,
            own: VecDeque::new(),
            arrived: Uids::default(),
            gone: BTreeSet::new(),
            flagged: BTreeSet::new(),
            rescan: false,
            unheard: false,
            removed: Removed::No,
        }
    }

    /// What the client may number.
    pub(crate) fn uids(&self) -> &Uids {
        &self.uids
    }

    /// Whether the message is recent to this session.
    pub(crate) fn is_recent(&self, uid: Uid) -> bool {
        self.recent.uids.contains(uid.0)
    }

    /// The messages that are recent to this session.
    pub(crate) fn recent(&self) -> &Uids {
        &self.recent.uids
    }

    /// Whether messages were claimed as recent in memory only.
    pub(crate) fn has_claimed(&self) -> bool {
        self.recent.in_memory
    }

    /// Marks the UIDs from `first` on as recent, as far as no other open session has them.
    pub(crate) fn mark_recent(&mut self, first: u32, recent: &Recent, durable_below: u32) {
        let Some(last) = self.uids.last() else { return };
        let unclaimed = if self.read_only {
            recent.unclaimed(self.mailbox)
        } else if last >= durable_below {
            self.recent.in_memory = true;
            recent.claim(self.mailbox, last.saturating_add(1))
        } else {
            recent.unclaimed(self.mailbox)
        };
        let first = first.max(unclaimed).max(
            self.recent
                .uids
                .last()
                .map_or(0, |uid| uid.saturating_add(1)),
        );
        for seq in self.uids.below(first) + 1..=self.uids.len() {
            if let Some(uid) = self.uids.at(seq) {
                self.recent.uids.push(uid);
            }
        }
    }

    /// A transaction of this session left these messages: what it changed was, or was not, answered on
    /// purpose. The number of a transaction that changed nothing may become another one's.
    pub(crate) fn own_change<'a>(
        &mut self,
        modseq: ModSeq,
        mut messages: impl Iterator<Item = &'a Message>,
    ) {
        if !messages.any(|message| message.modseq == modseq) {
            return;
        }
        if self.own.len() == OWN {
            self.own.pop_front();
        }
        self.own.push_back(modseq);
    }

    /// Messages that this session expunged: said like everybody's expunges.
    pub(crate) fn expunged(&mut self, uids: &[Uid]) {
        for uid in uids {
            self.went(uid.0);
        }
    }

    /// The EXPUNGE of a message is still unsaid.
    pub(crate) fn has_gone(&self, uid: u32) -> bool {
        self.gone.contains(&uid)
    }

    /// Resolves once the feed has something, or at once when something is still to be said. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        if !self.has_news() {
            self.changes.changed().await;
        }
    }

    /// EXISTS was said with the answer to FETCH, which Thunderbird passes over after IDLE: it is said
    /// again with the next NOOP or IDLE.
    pub(crate) fn said_unheard(&mut self) {
        self.unheard = true;
    }

    /// Says EXISTS again where it may have been passed over.
    pub(crate) fn repeat(&mut self, untagged: &mut Vec<Untagged>) {
        if std::mem::take(&mut self.unheard) {
            untagged.push(Untagged::Exists(self.uids.len()));
        }
    }

    fn has_news(&self) -> bool {
        self.rescan
            || !self.arrived.is_empty()
            || !self.gone.is_empty()
            || !self.flagged.is_empty()
            || self.removed == Removed::Unsaid
    }

    /// Takes what the feed has, so that it does not run over while a long command works.
    pub(crate) fn collect(&mut self) {
        let batch = self.changes.take();
        self.follow(&batch);
    }

    /// Says what is new, a bounded part of it: returns whether there is more to say.
    pub(crate) async fn announce(
        &mut self,
        store: &Store,
        recent: &Recent,
        expunges: Expunges,
        untagged: &mut Vec<Untagged>,
    ) -> Result<bool> {
        self.collect();
        if self.rescan {
            self.reread(store).await?;
        }
        let flagged: Vec<Pick> = self
            .flagged
            .iter()
            .filter(|uid| !self.gone.contains(uid))
            .filter_map(|&uid| {
                Some(Pick {
                    seq: self.uids.seq(uid)?,
                    uid,
                })
            })
            .take(PAGE)
            .collect();
        let records = if flagged.is_empty() {
            records::Records::default()
        } else {
            records::read(store, self.mailbox, flagged.clone(), self.keywords.len()).await?
        };
        // Nothing is awaited from here on.
        self.say_keywords(records.keywords, untagged);
        for (seq, message) in &records.found {
            untagged.push(self.flags_of(*seq, message));
        }
        match flagged.last() {
            Some(last) => self.flagged = self.flagged.split_off(&last.uid.saturating_add(1)),
            None => self.flagged.clear(),
        }
        if self.removed == Removed::Unsaid {
            self.removed = Removed::Said;
            untagged.push(Untagged::Status(Done {
                status: Status::No,
                code: Some(Code::NonExistent),
                text: "The selected mailbox was deleted".to_owned(),
            }));
        }
        if expunges == Expunges::Say {
            self.say_expunges(untagged);
        }
        self.say_arrivals(recent, untagged);
        Ok(!self.flagged.is_empty() || (expunges == Expunges::Say && !self.gone.is_empty()))
    }

    /// The response that tells a message's flags without being asked; with its UID, so that clients that
    /// work by UID need not count.
    pub(crate) fn flags_of(&self, seq: u32, message: &Message) -> Untagged {
        let names = flags::of_message(message, &self.keywords, self.is_recent(message.uid));
        Untagged::Fetch {
            seq,
            items: vec![FetchData::Uid(message.uid.0), FetchData::Flags(names)],
        }
    }

    /// New keywords are said before a message shows them (RFC 9051 section 7.3.5).
    pub(crate) fn say_keywords(
        &mut self,
        keywords: Option<Vec<String>>,
        untagged: &mut Vec<Untagged>,
    ) {
        let Some(keywords) = keywords else { return };
        if keywords.len() <= self.keywords.len() {
            return;
        }
        self.keywords = keywords;
        untagged.push(Untagged::Flags(flags::applicable(&self.keywords)));
        untagged.push(Untagged::Status(Done::ok("Flags permitted").with(
            Code::PermanentFlags(flags::permanent(&self.keywords, self.read_only)),
        )));
    }

    fn say_expunges(&mut self, untagged: &mut Vec<Untagged>) {
        let now: Vec<u32> = self.gone.iter().copied().take(EXPUNGES).collect();
        let Some(&last) = now.last() else { return };
        let said = (0u32..)
            .zip(&now)
            .filter_map(|(before, &uid)| Some(self.uids.seq(uid)? - before));
        untagged.extend(said.map(Untagged::Expunge));
        let now = Uids::ascending(now);
        self.uids.remove(&now);
        self.recent.uids.remove(&now);
        self.gone = self.gone.split_off(&last.saturating_add(1));
    }

    fn say_arrivals(&mut self, recent: &Recent, untagged: &mut Vec<Untagged>) {
        let arrived = std::mem::take(&mut self.arrived);
        let Some((first, _)) = arrived.ranges().next() else {
            return;
        };
        for uid in arrived.iter() {
            self.uids.push(uid);
        }
        self.mark_recent(first, recent, first);
        untagged.push(Untagged::Exists(self.uids.len()));
        untagged.push(Untagged::Recent(self.recent.uids.len()));
    }

    /// Takes changes of the feed in.
    fn follow(&mut self, batch: &Batch) {
        self.rescan |= batch.rescan;
        for change in &batch.changes {
            if change.modseq <= self.baseline {
                continue;
            }
            self.seen = self.seen.max(change.modseq);
            match change.kind {
                ChangeKind::Added(uid) => {
                    if self.uids.last().is_none_or(|last| last < uid.0) {
                        self.arrived.push(uid.0);
                    }
                }
                ChangeKind::Flagged(uid) => {
                    if !self.own.contains(&change.modseq) && self.uids.contains(uid.0) {
                        self.flagged.insert(uid.0);
                    }
                }
                ChangeKind::Expunged(uid) => self.went(uid.0),
                ChangeKind::Removed => self.deleted(),
                ChangeKind::Touched => {}
            }
        }
        let seen = self.seen;
        // A transaction's changes may come in two batches: it is forgotten when a later one was seen.
        self.own.retain(|&modseq| modseq >= seen);
    }

    fn went(&mut self, uid: u32) {
        if self.uids.contains(uid) {
            self.gone.insert(uid);
            self.flagged.remove(&uid);
        } else {
            self.arrived.remove(&Uids::ascending([uid]));
        }
    }

    /// The mailbox is no more: all its messages are gone. The session goes on with an empty mailbox
    /// (one of the ways that RFC 2180 section 3 leaves open), so that pipelined commands get plain answers.
    fn deleted(&mut self) {
        if self.removed == Removed::No {
            self.removed = Removed::Unsaid;
        }
        self.gone = self.uids.iter().collect();
        self.arrived = Uids::default();
        self.flagged.clear();
    }

    /// Reads the mailbox anew because the feed ran over, and finds out what changed.
    async fn reread(&mut self, store: &Store) -> Result<()> {
        let (mailbox, since, keywords) = (self.mailbox, self.seen, self.keywords.len());
        let state = store
            .read(move |snapshot| {
                Ok::<_, congvu_store::Error>(match snapshot.mailbox(mailbox)? {
                    Some(found) => Some((
                        found.modseq,
                        snapshot.uids(mailbox)?.into_iter().collect::<Uids>(),
                    )),
                    None => None,
                })
            })
            .await?;
        let Some((modseq, now)) = state else {
            self.rescan = false;
            self.deleted();
            return Ok(());
        };
        let mut flagged = BTreeSet::new();
        let mut targets = crate::set::Targets::all(&self.uids);
        while !targets.is_empty() {
            let picks = targets.take(PAGE, &self.uids);
            let page = records::read(store, mailbox, picks, keywords).await?;
            let news = page.found.iter().map(|(_, message)| message);
            let news = news
                .filter(|message| message.modseq > since && !self.own.contains(&message.modseq));
            flagged.extend(news.map(|message| message.uid.0));
            tokio::task::yield_now().await;
        }
        let last = self.uids.last().unwrap_or(0);
        self.gone = self.uids.iter().filter(|&uid| !now.contains(uid)).collect();
        self.arrived = Uids::ascending(now.iter().filter(|&uid| uid > last));
        self.flagged.extend(flagged);
        self.baseline = self.baseline.max(modseq);
        self.seen = self.seen.max(modseq);
        self.rescan = false;
        Ok(())
    }
}
