//! The second half of a pass: the index against the log, and counters against what they count.
//!
//! Of each key the log's last write decides. The memory for that is bounded: hashes only, and of a large index
//! one slice of the keys at a time, each with a reading of the log's transactions of its own (without bodies,
//! about a twentieth of it). Keys that are written meanwhile are left out, as in `check`.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::patrol::{Holder, references};
use super::{Ended, Pace, Pass};
use crate::check::{LISTED, Place, Problem, about, is_number};
use crate::error::{Error, Result};
use crate::id::{BodyId, Lsn, MailboxId};
use crate::keys;
use crate::log::frame::Commit;
use crate::log::survey::{self, Damage, Inspector, Seen, Span};
use crate::page::Hex;
use crate::record::Table;
use crate::tx::Read as _;

/// Keys of one slice: some 25 MiB of memory. Tests want several.
const SLICE: u64 = if cfg!(test) { 16 } else { 512 * 1024 };
/// What the look at the head of a body costs the disk, octets.
const LOOK: u64 = 4_096;

impl Pass<'_> {
    /// Compares all records, slice by slice.
    pub(super) fn compare(&mut self) -> Result<(), Ended> {
        let keys = self.count()?;
        let slices = keys / SLICE + 1;
        for slice in 0..slices {
            self.slice(slice, slices)?;
        }
        Ok(())
    }

    /// Counts records, and sees whether each body that one refers to is there.
    fn count(&mut self) -> Result<u64> {
        let mut count = 0;
        let mut from = Some(Hex::default());
        while let Some(place) = from {
            let page = self.look(|view| view.index_page(&place))?;
            self.pace.spent(page.octets())?;
            count += page.pairs.len() as u64;
            let mut held: Vec<(BodyId, Holder)> = Vec::new();
            references(&page, |body, _, holder| held.push((body, holder)));
            for (body, holder) in held {
                self.pace.spent(LOOK)?;
                // The least length: only the head is read.
                let opened = self.shared.body(body, 1);
                if let Err(Error::NoBody | Error::Damaged(_)) = opened {
                    self.missing(body, holder)?;
                }
            }
            from = page.next;
        }
        Ok(count)
    }

    /// A body that is not where a record says. Only if the record still says so: it may be gone by now.
    fn missing(&mut self, body: BodyId, holder: Holder) -> Result<()> {
        let stands = match holder {
            Holder::Message(mailbox, uid) => {
                let message = self.look(|view| view.message(mailbox, uid))?;
                message.is_some_and(|message| message.body == body)
            }
            Holder::Expunged(..) | Holder::Queue(_) | Holder::Quarantine(_) => false,
        };
        if stands {
            let problem = self.lost(body, holder, "is not where the index says")?;
            self.found(problem);
        }
        Ok(())
    }

    fn slice(&mut self, slice: u64, slices: u64) -> Result<()> {
        let end = self.end()?;
        let all = Slice { slice, slices };
        let mut written = self.log(Lsn(0), end, Keys::Last(HashMap::new()), all)?;
        let mut suspects: Vec<(Vec<u8>, &'static str)> = Vec::new();
        let mut from = Some(Hex::default());
        while let Some(place) = from {
            let page = self.look(|view| view.index_page(&place))?;
            self.pace.spent(page.octets())?;
            for (Hex(key), Hex(sealed)) in &page.pairs {
                if let Some(what) = written.compare(key, sealed)
                    && suspects.len() < LISTED
                {
                    suspects.push((key.clone(), what));
                }
            }
            from = page.next;
        }
        let mut missing = written.rest();
        let now = self.end()?;
        let touched = self.log(end, now, Keys::Touched(HashSet::new()), all)?;
        suspects.retain(|(key, _)| !touched.has(xxh3_128(key)));
        missing.retain(|hash| !touched.has(*hash));
        if !missing.is_empty() {
            // Hashes do not tell their keys: the log does, read once more.
            let wanted = Keys::Wanted(missing, HashMap::new());
            if let Keys::Wanted(_, found) = self.log(Lsn(0), end, wanted, all)?.keys {
                let what = "is in the log, but not in the index";
                suspects.extend(found.into_values().map(|key| (key, what)));
            }
        }
        for (key, what) in suspects {
            let problem = self.about(&key, what)?;
            self.found(problem);
        }
        Ok(())
    }

    fn about(&self, key: &[u8], what: &str) -> Result<Problem> {
        self.look(|view| {
            let named = |id: MailboxId| {
                let mailbox = view.mailbox(id).ok().flatten()?;
                Some((mailbox.account, mailbox.name))
            };
            Ok(about(key, what, &named))
        })
    }

    /// Reads the transactions of a part of the log.
    fn log(&mut self, from: Lsn, to: Lsn, keys: Keys, of: Slice) -> Result<Written> {
        let mut reader = Reader {
            pace: &mut self.pace,
            written: Written {
                of,
                keys,
                lost: false,
            },
        };
        let span = Span {
            from,
            to: Some(to),
            floor: to,
        };
        if from < to {
            survey::survey(&self.shared.segments, self.shared.seed, span, &mut reader)?;
        }
        Ok(reader.written)
    }

    /// Counters and quota sums.
    pub(super) fn sums(&mut self) -> Result<(), Ended> {
        let mut ids = Vec::new();
        let mut from = Some(Hex(vec![Table::Mailbox as u8]));
        while let Some(place) = from {
            let page = self.look(|view| view.index_page(&place))?;
            self.pace.spent(page.octets())?;
            let of_mailboxes =
                |(Hex(key), _): &&(Hex, Hex)| key.first() == Some(&(Table::Mailbox as u8));
            let found = page.pairs.iter().filter(of_mailboxes);
            ids.extend(
                found
                    .filter(|(Hex(key), _)| keys::is_counters(key))
                    .map(|(Hex(key), _)| MailboxId(keys::number_at(key, 1))),
            );
            from = page
                .next
                .filter(|Hex(key)| key.first() == Some(&(Table::Mailbox as u8)));
        }
        for id in ids {
            let found = self.look(|view| view.check_mailbox(id));
            self.tell_sums(found)?;
            self.pace.spent(LOOK)?;
        }
        let found = self.look(|view| {
            let found = view.check_homes()?;
            Ok(found)
        });
        self.tell_sums(found)?;
        Ok(())
    }

    /// Sums that cannot be computed, because records are damaged, are a problem themselves.
    fn tell_sums(&mut self, found: Result<Vec<Problem>>) -> Result<()> {
        match found {
            Ok(problems) => problems.into_iter().for_each(|problem| self.found(problem)),
            Err(Error::Closed) => return Err(Error::Closed),
            Err(error) => self.found(Problem::new(
                Place::Index,
                format!("sums cannot be checked: {error}"),
            )),
        }
        Ok(())
    }
}

/// Which keys: those whose hash leaves this rest.
#[derive(Clone, Copy)]
struct Slice {
    slice: u64,
    slices: u64,
}

impl Slice {
    /// The hash of a key, if it is one of these.
    fn own(self, key: &[u8]) -> Option<u128> {
        let hash = xxh3_128(key);
        (hash % u128::from(self.slices) == u128::from(self.slice)).then_some(hash)
    }
}

/// What is remembered of the keys that the log writes.
enum Keys {
    /// By hash of the key, hash of the sealed value of the last write.
    Last(HashMap<u128, u64>),
    /// That they were written.
    Touched(HashSet<u128>),
    /// The names of some hashes.
    Wanted(HashSet<u128>, HashMap<u128, Vec<u8>>),
}

/// The keys of one slice as the log has them.
struct Written {
    of: Slice,
    keys: Keys,
    /// Numbers were skipped in the index alone, because transactions are lost.
    lost: bool,
}

impl Written {
    fn take(&mut self, key: Vec<u8>, value: Option<&[u8]>) {
        let Some(hash) = self.of.own(&key) else {
            return;
        };
        match &mut self.keys {
            Keys::Last(last) => {
                match value {
                    Some(value) => last.insert(hash, xxh3_64(value)),
                    None => last.remove(&hash),
                };
            }
            Keys::Touched(touched) => {
                touched.insert(hash);
            }
            Keys::Wanted(wanted, found) => {
                if wanted.contains(&hash) && found.len() < LISTED {
                    found.insert(hash, key);
                }
            }
        }
    }

    fn has(&self, hash: u128) -> bool {
        matches!(&self.keys, Keys::Touched(touched) if touched.contains(&hash))
    }

    /// Takes out a pair of the index; what is wrong with it.
    fn compare(&mut self, key: &[u8], sealed: &[u8]) -> Option<&'static str> {
        let hash = self.of.own(key)?;
        let last = match &mut self.keys {
            Keys::Last(last) => last.remove(&hash),
            _ => None,
        };
        if keys::unseal(key, sealed).is_err() {
            return Some("does not match its checksum");
        }
        if key == keys::APPLIED || key == keys::STORE {
            return None;
        }
        match last {
            Some(last) if last == xxh3_64(sealed) || (self.lost && is_number(key)) => None,
            Some(_) => Some("is not what the log says"),
            None => Some("is not in the log"),
        }
    }

    /// Keys that the index did not have.
    fn rest(self) -> HashSet<u128> {
        match self.keys {
            Keys::Last(last) => last.into_keys().collect(),
            _ => HashSet::new(),
        }
    }
}

/// Reads commits at a bounded rate.
struct Reader<'a, 'p> {
    pace: &'a mut Pace<'p>,
    written: Written,
}

impl Inspector for Reader<'_, '_> {
    fn commit(&mut self, _: Lsn, commit: Commit) -> Result<()> {
        let mut octets = 0;
        for (key, value) in commit.ops {
            octets += key.len() + value.as_ref().map_or(0, Vec::len);
            self.written.take(key, value.as_deref());
        }
        self.pace.spent(octets as u64)
    }
    fn body(&mut self, _: Seen) -> Result<()> {
        // The head is read all the same.
        self.pace.spent(LOOK)
    }
    fn damage(&mut self, damage: Damage) -> Result<()> {
        self.written.lost |= damage.body.is_none();
        Ok(())
    }
    fn reached(&mut self, _: Lsn) {}
    fn reads_chunks(&self) -> bool {
        false
    }
}
