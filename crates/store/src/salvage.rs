//! Reads what can be read of a store whose index, state or parts of the log are broken: from the log
//! alone, changing nothing.
//!
//! The last write of each record that lies in a valid commit counts. Bodies whose transaction is damaged
//! are offered without a place, so that no readable message is left behind.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::body::Body;
use crate::codec::{self, Identity};
use crate::error::Result;
use crate::files::{LogFiles, Progress};
use crate::id::{AccountId, BodyId, Lsn, MailboxId, UidValidity};
use crate::log::frame::Commit;
use crate::log::survey::{Damage, Inspector, Seen};
use crate::message::Message;
use crate::quarantine::Letter;
use crate::record::{Record, Table};
use crate::{keys, leaf};

/// What the log still tells.
pub struct Salvage {
    files: LogFiles,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    unplaced: Vec<BodyId>,
    damage: Vec<Damage>,
}

/// A mailbox as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvagedMailbox {
    /// Its id.
    pub id: MailboxId,
    /// Whose; `None` when the mailbox's own record is lost.
    pub account: Option<AccountId>,
    /// Its name; the number when the record is lost.
    pub name: String,
    /// Its UIDVALIDITY, 0 when lost.
    pub uidvalidity: UidValidity,
    /// What keyword indexes mean.
    pub keywords: Vec<String>,
    /// Its messages, ascending by UID.
    pub messages: Vec<Message>,
}

impl Salvage {
    /// Reads the log of the store in a folder, to the last octet.
    pub fn read(folder: &Path, progress: Progress<'_>) -> Result<Self> {
        let files = LogFiles::of_store(folder)?;
        let mut reader = Reader {
            records: BTreeMap::new(),
            pending: Vec::new(),
            unplaced: Vec::new(),
            damage: Vec::new(),
            total: files.length()?.0,
            progress,
        };
        // Also the torn tail: what is whole in it may be somebody's letter.
        files.survey(Lsn(0), Some(files.length()?), &mut reader)?;
        reader.unplaced.append(&mut reader.pending);
        let Reader {
            records,
            unplaced,
            damage,
            ..
        } = reader;
        let mut salvage = Self {
            files,
            records,
            unplaced,
            damage,
        };
        salvage.place();
        Ok(salvage)
    }

    /// A later transaction wrote the record of its neighbours, and so placed what the damaged one did.
    fn place(&mut self) {
        if self.unplaced.is_empty() {
            return;
        }
        let table = [Table::Message as u8];
        let mut placed = HashSet::new();
        for (key, sealed) in self.records.range(table.to_vec()..keys::after(&table)) {
            let value = keys::unseal(key, sealed).ok();
            let leaf = value.and_then(|value| leaf::decode(keys::first_of(key), value).ok());
            placed.extend(leaf.unwrap_or_default().iter().map(|message| message.body));
        }
        placed.extend(self.records::<Letter>().iter().map(|letter| letter.body));
        self.unplaced.retain(|body| !placed.contains(body));
    }

    /// Damaged places of the log.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Bodies whose transaction is damaged and that no later one tells the place of.
    pub fn unplaced(&self) -> &[BodyId] {
        &self.unplaced
    }

    /// All readable records of a kind.
    pub fn records<R: Record>(&self) -> Vec<R> {
        let table = [R::TABLE as u8];
        let found = self.records.range(table.to_vec()..keys::after(&table));
        found
            .filter_map(|(key, sealed)| {
                let value = keys::unseal(key, sealed).ok()?;
                R::decode(key.get(1..)?, value).ok()
            })
            .collect()
    }

    /// Calls `visit` for each mailbox that exists or still holds messages without a deletion on record.
    pub fn mailboxes<E>(
        &self,
        visit: &mut dyn FnMut(SalvagedMailbox) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let removed = self.removed();
        let mut ids: Vec<MailboxId> = Vec::new();
        for table in [Table::Mailbox, Table::Message] {
            let table = [table as u8];
            let found = self.records.range(table.to_vec()..keys::after(&table));
            for (key, _) in found {
                let id = MailboxId(keys::number_at(key, 1));
                if ids.last() != Some(&id) && !removed.contains(&id) {
                    ids.push(id);
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            visit(self.mailbox(id))?;
        }
        Ok(())
    }

    fn mailbox(&self, id: MailboxId) -> SalvagedMailbox {
        let key = keys::mailbox(id);
        let identity: Option<Identity> = self
            .records
            .get(&key)
            .and_then(|sealed| keys::unseal(&key, sealed).ok())
            .and_then(|value| codec::decode("mailbox", value).ok());
        let shown = identity.as_ref().map(Identity::shown);
        let from = keys::leaf(id, crate::Uid(0));
        let to = keys::after(&keys::leaf(id, crate::Uid(u32::MAX)));
        let mut messages = Vec::new();
        for (key, sealed) in self.records.range(from..to) {
            let value = keys::unseal(key, sealed).ok();
            let leaf = value.and_then(|value| leaf::decode(keys::first_of(key), value).ok());
            messages.extend(leaf.unwrap_or_default());
        }
        SalvagedMailbox {
            id,
            account: shown.map(|(account, ..)| account),
            name: shown.map_or_else(|| id.to_string(), |(_, name, ..)| name.to_owned()),
            uidvalidity: shown.map_or(UidValidity(0), |(_, _, uidvalidity, _)| uidvalidity),
            keywords: shown.map_or(Vec::new(), |(.., keywords)| keywords.to_vec()),
            messages,
        }
    }

    /// Mailboxes that were deleted.
    fn removed(&self) -> std::collections::BTreeSet<MailboxId> {
        let table = [Table::Removed as u8];
        let found = self.records.range(table.to_vec()..keys::after(&table));
        found
            .map(|(key, _)| MailboxId(keys::number_at(key, 17)))
            .collect()
    }

    /// Opens a body.
    pub fn body(&self, id: BodyId) -> Result<Body> {
        self.files.body(id)
    }
}

/// Tables that are needed: mailboxes, messages, deletions and quarantine of the store; accounts of the directory.
fn is_wanted(key: &[u8]) -> bool {
    [
        Table::Mailbox,
        Table::Message,
        Table::Removed,
        Table::Account,
        Table::Quarantine,
    ]
    .into_iter()
    .any(|table| key.first() == Some(&(table as u8)))
}

struct Reader<'p> {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bodies since the last commit: the next one places them.
    pending: Vec<BodyId>,
    unplaced: Vec<BodyId>,
    damage: Vec<Damage>,
    total: u64,
    progress: Progress<'p>,
}

impl Inspector for Reader<'_> {
    fn commit(&mut self, _: Lsn, commit: Commit) -> Result<()> {
        self.pending.clear();
        for (key, value) in commit.ops {
            if !is_wanted(&key) {
                continue;
            }
            match value {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
        Ok(())
    }
    fn body(&mut self, body: Seen) -> Result<()> {
        self.pending.push(body.id);
        Ok(())
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        if damage.body.is_none() {
            // The commit that would have placed them may be what is damaged.
            self.unplaced.append(&mut self.pending);
        }
        self.damage.push(damage);
        Ok(())
    }
    fn reached(&mut self, at: Lsn) {
        (self.progress)(at.0, self.total);
    }
}
