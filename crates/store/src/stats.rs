//! How much a store holds, counted from the pages of its index and the lengths of its files.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::files::LogFiles;
use crate::id::{Lsn, MailboxId};
use crate::page::IndexPage;
use crate::record::Table;
use crate::refs::{self, Holder};
use crate::scrub::Status;
use crate::{keys, leaf};

/// One segment of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentStats {
    /// First LSN.
    pub first: Lsn,
    /// Where the log goes on after it.
    pub end: Lsn,
    /// Whether compaction wrote it.
    pub rewritten: bool,
    /// Length of the file.
    pub octets: u64,
    /// Octets of bodies in mailboxes, in the queue or in quarantine.
    pub live: u64,
    /// Octets of bodies of expunged messages and deleted mailboxes, kept for undelete.
    pub kept: u64,
}

/// The whole store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Accounts with a home.
    pub accounts: u64,
    /// Mailboxes.
    pub mailboxes: u64,
    /// Messages in mailboxes.
    pub messages: u64,
    /// Their octets as served; a body in two mailboxes counts twice.
    pub message_octets: u64,
    /// Expunged messages and messages of deleted mailboxes, kept for undelete.
    pub expunged: u64,
    /// Messages in the queue.
    pub queued: u64,
    /// Letters in quarantine.
    #[serde(default)]
    pub quarantined: u64,
    /// Bodies that any of these refer to.
    pub bodies: u64,
    /// Length of the log.
    pub log_octets: u64,
    /// Of these, bodies in mailboxes, in the queue or in quarantine.
    pub live: u64,
    /// Of these, other bodies kept for undelete. The rest is records, and bodies that nothing refers to.
    pub kept: u64,
    /// Records of the index.
    pub records: u64,
    /// Octets of keys and values of the index.
    pub record_octets: u64,
    /// Size of the index on disk.
    pub index_octets: u64,
    /// Segments, ascending.
    pub segments: Vec<SegmentStats>,
    /// How far the scrub is; `None` when there never was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrub: Option<Status>,
}

/// A count on its way.
#[derive(Default)]
pub struct Count {
    stats: Stats,
    mailboxes: std::collections::HashSet<MailboxId>,
    /// Frame length by body, and whether it is live.
    bodies: HashMap<u64, (u32, bool)>,
}

impl Count {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a page of the index; all must come, in order.
    pub fn page(&mut self, page: &IndexPage) -> Result<()> {
        for (key, sealed) in &page.pairs {
            self.stats.records += 1;
            self.stats.record_octets += (key.0.len() + sealed.0.len()) as u64;
            self.pair(&key.0, keys::unseal(&key.0, &sealed.0)?)?;
        }
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let is = |table: Table| key.first() == Some(&(table as u8));
        let mailbox = MailboxId(keys::number_at(key, 1));
        if is(Table::Home) {
            self.stats.accounts += 1;
        } else if is(Table::Mailbox) && !keys::is_counters(key) {
            self.stats.mailboxes += 1;
            self.mailboxes.insert(mailbox);
        } else if is(Table::Message) && self.mailboxes.contains(&mailbox) {
            for message in leaf::decode(keys::first_of(key), value)? {
                self.stats.messages += 1;
                self.stats.message_octets += u64::from(message.size);
            }
        }
        refs::references(key, value, &mut |reference| {
            let live = match reference.holder {
                Holder::Message(mailbox, _) => self.mailboxes.contains(&mailbox),
                Holder::Expunged(..) => false,
                Holder::Queue(_) => {
                    self.stats.queued += 1;
                    true
                }
                Holder::Quarantine(_) => {
                    self.stats.quarantined += 1;
                    true
                }
            };
            self.stats.expunged += u64::from(!live);
            self.body(reference.body.0, reference.frame, live);
        })
    }

    fn body(&mut self, id: u64, frame: u32, live: bool) {
        let known = self.bodies.entry(id).or_insert((frame, live));
        known.0 = known.0.max(frame);
        known.1 |= live;
    }

    /// Adds up, with the files of the store in a folder.
    pub fn finish(mut self, folder: &Path) -> Result<Stats> {
        let files = LogFiles::of_store(folder)?;
        let mut segments: Vec<SegmentStats> = files
            .segments()?
            .into_iter()
            .map(|segment| SegmentStats {
                first: segment.first,
                end: segment.end,
                rewritten: segment.rewritten,
                octets: segment.octets,
                live: 0,
                kept: 0,
            })
            .collect();
        for (id, (frame, live)) in &self.bodies {
            let after = segments.partition_point(|segment| segment.first.0 <= *id);
            if let Some(segment) = after.checked_sub(1).and_then(|at| segments.get_mut(at)) {
                let sum = if *live {
                    &mut segment.live
                } else {
                    &mut segment.kept
                };
                *sum += u64::from(*frame);
            }
        }
        let sum = |part: fn(&SegmentStats) -> u64| segments.iter().map(part).sum();
        self.stats.bodies = self.bodies.len() as u64;
        self.stats.log_octets = sum(|segment| segment.octets);
        self.stats.live = sum(|segment| segment.live);
        self.stats.kept = sum(|segment| segment.kept);
        self.stats.index_octets = crate::space::used(&folder.join("index"));
        self.stats.segments = segments;
        self.stats.scrub = Status::read(folder);
        Ok(self.stats)
    }
}
