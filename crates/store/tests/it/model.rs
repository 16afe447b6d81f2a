//! The store against a model of plain maps: random transactions, with restarts, kills, power cuts
//! and rebuilds in between.

use std::collections::BTreeMap;

use congvu_store::deleted::{DeletedId, DeletedMessage, DeletedRead as _};
use congvu_store::tx::Quota;
use congvu_store::{Error, FlagChange, Flags, MailboxId, ModSeq, NewMessage, Store, Uid};

use crate::world::{ACCOUNT, Dump, LEDGER, copy, dump, octets, open, other_boot, store};

/// A message as the model has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Letter {
    flags: Flags,
    keywords: Vec<String>,
    octets: Vec<u8>,
}

/// A mailbox as the model has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Box {
    id: MailboxId,
    uidvalidity: u32,
    uidnext: u32,
    letters: BTreeMap<u32, Letter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Model {
    boxes: BTreeMap<String, Box>,
    /// Expunged letters that can be brought back, by mailbox and UID.
    expunged: BTreeMap<(MailboxId, u32), Letter>,
    /// Deleted mailboxes with their last name.
    removed: Vec<(String, Box)>,
    /// Highest UIDVALIDITY ever seen.
    highest: u32,
}

const NAMES: [&str; 7] = ["a", "a/b", "a/b/c", "Công văn", "Công văn/đến", "x y", "z"];
const WORDS: [&str; 4] = ["$Khan", "$Junk", "mật", "done"];

struct World {
    random: fastrand::Rng,
    model: Model,
    store: Store,
}

impl World {
    fn name(&mut self) -> String {
        let known: Vec<String> = self.model.boxes.keys().cloned().collect();
        self.random
            .choice(known)
            .expect("an account always has an INBOX")
    }

    fn keywords(&mut self) -> Vec<String> {
        let count = self.random.usize(0..3);
        let mut words: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
        self.random.shuffle(&mut words);
        words.truncate(count);
        words.sort();
        words
    }

    fn uids(&mut self, name: &str) -> Vec<u32> {
        let all = 1..self.model.boxes[name].uidnext + 2;
        all.filter(|_| self.random.u8(..) < 90).collect()
    }

    async fn step(&mut self) {
        match self.random.u8(0..20) {
            0..5 => self.append().await,
            5..8 => self.flag().await,
            8 => self.expunge().await,
            9 => self.copy_or_move().await,
            10 => self.create().await,
            11 => self.rename().await,
            12 => self.delete().await,
            13 | 14 => self.undelete().await,
            15 | 16 => self.undelete_mailbox().await,
            17 => self.purge().await,
            18 => self.purge_mailbox().await,
            _ => self.fail().await,
        }
    }

    async fn append(&mut self) {
        let name = self.name();
        let id = self.model.boxes[&name].id;
        let length = if self.random.u8(..) < 10 {
            self.random.usize(0..700_000)
        } else {
            self.random.usize(0..400)
        };
        let letter = Letter {
            flags: Flags(self.random.u8(0..32)),
            keywords: self.keywords(),
            octets: (0..length).map(|_| self.random.u8(..)).collect(),
        };
        let body = self.store.prepare(&letter.octets, b"").unwrap();
        let new = NewMessage {
            flags: letter.flags,
            keywords: letter.keywords.clone(),
            date: 0,
            zone: 0,
        };
        let placed = self
            .store
            .transact(move |tx| tx.append(id, &body, &new, Quota::Enforce))
            .await
            .unwrap();
        let model = self.model.boxes.get_mut(&name).unwrap();
        assert_eq!(placed.uid, Uid(model.uidnext));
        model.letters.insert(model.uidnext, letter);
        model.uidnext += 1;
    }

    async fn flag(&mut self) {
        let name = self.name();
        let id = self.model.boxes[&name].id;
        let uids = self.uids(&name);
        let (flags, words) = (Flags(self.random.u8(0..32)), self.keywords());
        let kind = self.random.u8(0..3);
        let change = match kind {
            0 => FlagChange::Replace(flags, words.clone()),
            1 => FlagChange::Add(flags, words.clone()),
            _ => FlagChange::Remove(flags, words.clone()),
        };
        let wanted = uids.clone();
        let changed = self
            .store
            .transact(move |tx| {
                let mut found = Vec::new();
                for &uid in &wanted {
                    match tx.change_flags(id, Uid(uid), &change) {
                        Ok((message, _)) => found.push((uid, message.flags)),
                        Err(Error::NoMessage(..)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(found)
            })
            .await
            .unwrap();
        let letters = &mut self.model.boxes.get_mut(&name).unwrap().letters;
        let mut expected = Vec::new();
        for uid in uids {
            let Some(letter) = letters.get_mut(&uid) else {
                continue;
            };
            match kind {
                0 => (letter.flags, letter.keywords) = (flags, words.clone()),
                1 => {
                    letter.flags = letter.flags.union(flags);
                    letter.keywords.extend(words.clone());
                }
                _ => {
                    letter.flags = letter.flags.without(flags);
                    letter.keywords.retain(|word| !words.contains(word));
                }
            }
            letter.keywords.sort();
            letter.keywords.dedup();
            expected.push((uid, letter.flags));
        }
        assert_eq!(changed, expected);
    }

    async fn expunge(&mut self) {
        let name = self.name();
        let id = self.model.boxes[&name].id;
        let uids = self.uids(&name);
        let wanted: Vec<Uid> = uids.iter().copied().map(Uid).collect();
        let gone = self
            .store
            .transact(move |tx| tx.expunge(id, &wanted))
            .await
            .unwrap();
        let letters = &mut self.model.boxes.get_mut(&name).unwrap().letters;
        let mut expected = Vec::new();
        for uid in uids {
            if let Some(letter) = letters.remove(&uid) {
                self.model.expunged.insert((id, uid), letter);
                expected.push(Uid(uid));
            }
        }
        assert_eq!(gone, expected);
    }

    async fn copy_or_move(&mut self) {
        let (from, to) = (self.name(), self.name());
        let (source, target) = (self.model.boxes[&from].id, self.model.boxes[&to].id);
        let moves = self.random.bool();
        let uids = self.uids(&from);
        let wanted: Vec<Uid> = uids.iter().copied().map(Uid).collect();
        let pairs = self
            .store
            .transact(move |tx| {
                if moves {
                    tx.relocate(source, &wanted, target)
                } else {
                    tx.copy(source, &wanted, target, Quota::Enforce)
                }
            })
            .await
            .unwrap();
        let mut expected = Vec::new();
        let source_letters = self.model.boxes[&from].letters.clone();
        for uid in uids {
            let Some(letter) = source_letters.get(&uid).cloned() else {
                continue;
            };
            let target = self.model.boxes.get_mut(&to).unwrap();
            target.letters.insert(target.uidnext, letter);
            expected.push((Uid(uid), Uid(target.uidnext)));
            target.uidnext += 1;
        }
        if moves {
            let source = self.model.boxes.get_mut(&from).unwrap();
            for (old, _) in &expected {
                if let Some(letter) = source.letters.remove(&old.0) {
                    self.model.expunged.insert((source.id, old.0), letter);
                }
            }
        }
        assert_eq!(pairs, expected);
    }

    async fn create(&mut self) {
        let name = *self.random.choice(&NAMES).unwrap();
        let made = self
            .store
            .transact(move |tx| tx.create_mailbox(ACCOUNT, name, None))
            .await;
        if self.model.boxes.contains_key(name) {
            assert!(matches!(made, Err(Error::MailboxExists)), "{made:?}");
        } else {
            made.unwrap();
            self.learn(name).await;
        }
    }

    /// Takes identities of new mailboxes over into the model.
    async fn learn(&mut self, name: &str) {
        let seen = dump(&self.store).await;
        let highest = self.model.highest;
        for (mailbox, ..) in seen.mailboxes {
            let parent_or_it =
                name == mailbox.name || name.starts_with(&format!("{}/", mailbox.name));
            if parent_or_it && !self.model.boxes.contains_key(&mailbox.name) {
                assert!(mailbox.uidvalidity.0 > highest, "UIDVALIDITY came again");
                self.model.highest = self.model.highest.max(mailbox.uidvalidity.0);
                let empty = Box {
                    id: mailbox.id,
                    uidvalidity: mailbox.uidvalidity.0,
                    uidnext: 1,
                    letters: BTreeMap::new(),
                };
                self.model.boxes.insert(mailbox.name, empty);
            }
        }
    }

    async fn rename(&mut self) {
        let from = self.name();
        let to = *self.random.choice(&NAMES).unwrap();
        let (name, target) = (from.clone(), to.to_owned());
        let renamed = self
            .store
            .transact(move |tx| tx.rename_mailbox(ACCOUNT, &name, &target))
            .await;
        if self.model.boxes.contains_key(to) {
            assert!(matches!(renamed, Err(Error::MailboxExists)), "{renamed:?}");
        } else if to.starts_with(&format!("{from}/")) {
            assert!(matches!(renamed, Err(Error::MailboxName(_))), "{renamed:?}");
        } else if from == "INBOX" {
            renamed.unwrap();
            self.learn(to).await;
            let inbox = self.model.boxes.get_mut("INBOX").unwrap();
            let (letters, id) = (std::mem::take(&mut inbox.letters), inbox.id);
            let target = self.model.boxes.get_mut(to).unwrap();
            for (uid, letter) in letters {
                self.model.expunged.insert((id, uid), letter.clone());
                target.letters.insert(target.uidnext, letter);
                target.uidnext += 1;
            }
        } else {
            renamed.unwrap();
            let names: Vec<String> = self.model.boxes.keys().cloned().collect();
            for name in names {
                let rest = name.strip_prefix(&from);
                if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                    let moved = self.model.boxes.remove(&name).unwrap();
                    self.model.boxes.insert(format!("{to}{rest}"), moved);
                }
            }
            self.learn(to).await;
        }
    }

    async fn delete(&mut self) {
        let name = self.name();
        let wanted = name.clone();
        let deleted = self
            .store
            .transact(move |tx| tx.delete_mailbox(ACCOUNT, &wanted))
            .await;
        let has_children = self
            .model
            .boxes
            .keys()
            .any(|other| other.starts_with(&format!("{name}/")));
        match deleted {
            Err(Error::Inbox) => assert_eq!(name, "INBOX"),
            Err(Error::HasChildren) => assert!(has_children),
            other => {
                other.unwrap();
                assert!(!has_children && name != "INBOX");
                let gone = self.model.boxes.remove(&name).unwrap();
                if gone.uidnext > 1 {
                    self.model.removed.push((name, gone));
                }
            }
        }
    }

    /// What the store says was deleted from a mailbox, against the model.
    async fn deleted(&self, id: MailboxId) -> Vec<DeletedMessage> {
        let found = self
            .store
            .read(move |tx| {
                let removed = tx.deleted_mailbox(ACCOUNT, id)?;
                let (mut all, mut after) = (Vec::new(), None);
                loop {
                    let page = tx.deleted_messages(id, removed.as_ref(), after, 7)?;
                    all.extend(page.messages);
                    after = page.next;
                    if after.is_none() {
                        return Ok::<_, Error>(all);
                    }
                }
            })
            .await
            .unwrap();
        let mut seen: Vec<u32> = found.iter().map(|one| one.id.uid.0).collect();
        seen.sort_unstable();
        let of_mailbox = self
            .model
            .expunged
            .range((id, 0)..=(id, u32::MAX))
            .map(|((_, uid), _)| *uid);
        let with_it = self.model.removed.iter().filter(|(_, gone)| gone.id == id);
        let mut expected: Vec<u32> = of_mailbox
            .chain(with_it.flat_map(|(_, gone)| gone.letters.keys().copied()))
            .collect();
        expected.sort_unstable();
        assert_eq!(seen, expected, "deleted from mailbox {id}");
        found
    }

    /// Brings some messages back, of a mailbox that is there or was deleted.
    async fn undelete(&mut self) {
        let live = self
            .model
            .boxes
            .iter()
            .map(|(name, one)| (name.clone(), one.id));
        let gone = self
            .model
            .removed
            .iter()
            .map(|(name, one)| (name.clone(), one.id));
        let all: Vec<(String, MailboxId)> = live.chain(gone).collect();
        let (name, id) = self.random.choice(all).unwrap();
        let found = self.deleted(id).await;
        let mut wanted: Vec<DeletedId> = found.iter().map(|one| one.id).collect();
        wanted.retain(|_| self.random.bool());
        let into = self.random.bool().then(|| self.name());
        let (ids, target) = (wanted.clone(), into.clone());
        let done = self
            .store
            .transact(move |tx| tx.undelete(ACCOUNT, &ids, target.as_deref(), Quota::Enforce))
            .await
            .unwrap();
        assert!(done.missing.is_empty(), "{done:?}");
        let to = into.unwrap_or(name);
        if !wanted.is_empty() {
            self.learn(&to).await;
        }
        let mut expected = Vec::new();
        for one in wanted {
            let letter = if one.modseq.0 == 0 {
                let mut gone = self.model.removed.iter_mut();
                let (_, gone) = gone.find(|(_, gone)| gone.id == id).unwrap();
                gone.letters.remove(&one.uid.0)
            } else {
                self.model.expunged.remove(&(id, one.uid.0))
            };
            let mut letter = letter.unwrap();
            letter.flags = letter.flags.without(Flags::DELETED);
            let target = self.model.boxes.get_mut(&to).unwrap();
            target.letters.insert(target.uidnext, letter);
            expected.push((one, target.id, Uid(target.uidnext)));
            target.uidnext += 1;
        }
        assert_eq!(done.placed, expected);
    }

    /// Brings a deleted mailbox back.
    async fn undelete_mailbox(&mut self) {
        if self.model.removed.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.model.removed.len());
        let (name, mut gone) = self.model.removed.swap_remove(at);
        let id = gone.id;
        let revived = self
            .store
            .transact(move |tx| tx.undelete_mailbox(ACCOUNT, id, None, Quota::Enforce))
            .await
            .unwrap();
        if self.model.boxes.contains_key(&name) {
            assert!(
                revived.name.starts_with(&format!("{name} (")),
                "{revived:?}"
            );
        } else {
            assert_eq!(revived.name, name);
        }
        if revived.uidvalidity.0 != gone.uidvalidity {
            assert!(revived.uidvalidity.0 > self.model.highest);
            self.model.highest = revived.uidvalidity.0;
        }
        gone.uidvalidity = revived.uidvalidity.0;
        self.model.boxes.insert(revived.name.clone(), gone);
        self.learn(&revived.name).await;
    }

    /// Forgets all that was expunged from a mailbox.
    async fn purge(&mut self) {
        let name = self.name();
        let id = self.model.boxes[&name].id;
        let most = self.random.usize(1..50);
        let mut messages = 0;
        loop {
            let page = self
                .store
                .transact(move |tx| tx.purge_expunged(id, ModSeq(u64::MAX), most))
                .await
                .unwrap();
            messages += page.messages;
            if page.done {
                break;
            }
        }
        let before = self.model.expunged.len();
        self.model.expunged.retain(|(mailbox, _), _| *mailbox != id);
        let gone = before - self.model.expunged.len();
        assert_eq!(messages, gone as u64);
    }

    /// Forgets a deleted mailbox.
    async fn purge_mailbox(&mut self) {
        let removals = self
            .store
            .read(|tx| tx.removals(None, 1_000))
            .await
            .unwrap();
        assert_eq!(removals.len(), self.model.removed.len());
        let Some(removal) = self.random.choice(removals) else {
            return;
        };
        let most = self.random.usize(1..50);
        while !self
            .store
            .transact(move |tx| tx.purge_mailbox(removal, most))
            .await
            .unwrap()
            .done
        {}
        let id = removal.mailbox;
        self.model.removed.retain(|(_, gone)| gone.id != id);
        self.model.expunged.retain(|(mailbox, _), _| *mailbox != id);
    }

    /// A transaction that fails after doing much.
    async fn fail(&mut self) {
        let name = self.name();
        let id = self.model.boxes[&name].id;
        let body = self.store.prepare(b"never", b"").unwrap();
        let panics = self.random.u8(0..20) == 0;
        let failed = self
            .store
            .transact(move |tx| {
                let new = NewMessage {
                    flags: Flags::SEEN,
                    keywords: vec!["never".to_owned()],
                    date: 0,
                    zone: 0,
                };
                tx.append(id, &body, &new, Quota::Enforce)?;
                tx.set_subscribed(ACCOUNT, "never", true)?;
                tx.set_limits(LEDGER, 1, 1)?;
                assert!(!panics, "on purpose");
                Err::<(), _>(Error::NoAccount)
            })
            .await;
        assert!(
            matches!(failed, Err(Error::NoAccount | Error::Panicked(_))),
            "{failed:?}"
        );
    }

    /// All that can be brought back is listed, and its octets are there.
    async fn compare_deleted(&self) {
        let live = self.model.boxes.values().map(|one| one.id);
        let gone = self.model.removed.iter().map(|(_, one)| one.id);
        for id in live.chain(gone).collect::<Vec<_>>() {
            for one in self.deleted(id).await {
                let letter = match one.id.modseq.0 {
                    0 => self.model.removed.iter().find_map(|(_, gone)| {
                        gone.letters.get(&one.id.uid.0).filter(|_| gone.id == id)
                    }),
                    _ => self.model.expunged.get(&(id, one.id.uid.0)),
                };
                let letter = letter.unwrap();
                assert_eq!(one.message.flags, letter.flags);
                assert!(octets(&self.store, &one.message).await.unwrap() == letter.octets);
            }
        }
    }

    async fn compare(&self) -> Dump {
        self.compare_deleted().await;
        let seen = dump(&self.store).await;
        let names: Vec<&String> = seen
            .mailboxes
            .iter()
            .map(|(mailbox, ..)| &mailbox.name)
            .collect();
        let mut expected: Vec<&String> = self.model.boxes.keys().collect();
        expected.sort_by_key(|name| name.replace('/', "\u{1}"));
        assert_eq!(names, expected);
        for (mailbox, messages, _) in &seen.mailboxes {
            let model = &self.model.boxes[&mailbox.name];
            assert_eq!(
                (mailbox.id, mailbox.uidvalidity.0, mailbox.uidnext.0),
                (model.id, model.uidvalidity, model.uidnext)
            );
            assert_eq!(messages.len(), model.letters.len());
            for (message, (uid, letter)) in messages.iter().zip(&model.letters) {
                let mut keywords: Vec<String> = message
                    .keywords
                    .iter()
                    .map(|index| mailbox.keywords[usize::from(*index)].clone())
                    .collect();
                keywords.sort();
                assert_eq!(
                    (message.uid.0, message.flags, &keywords),
                    (*uid, letter.flags, &letter.keywords)
                );
                assert!(octets(&self.store, message).await.unwrap() == letter.octets);
            }
        }
        seen
    }
}

#[tokio::test]
async fn the_store_does_what_plain_maps_do_through_every_kind_of_restart() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let folders = tempfile::tempdir().unwrap();
    let mut folder = folders.path().join("0");
    let mut world = World {
        random: fastrand::Rng::with_seed(seed),
        model: Model::default(),
        store: store(&folder).await,
    };
    world.learn("INBOX").await;
    for name in ["Archive", "Drafts", "Junk", "Sent", "Trash"] {
        let mailbox = crate::world::mailbox(&world.store, name).await;
        world.model.highest = world.model.highest.max(mailbox.uidvalidity.0);
        let empty = Box {
            id: mailbox.id,
            uidvalidity: mailbox.uidvalidity.0,
            uidnext: 1,
            letters: BTreeMap::new(),
        };
        world.model.boxes.insert(name.to_owned(), empty);
    }
    for round in 1..=24 {
        for _ in 0..world.random.usize(1..25) {
            world.step().await;
        }
        let before = world.compare().await;
        let kind = world.random.u8(0..4);
        println!("round {round}, kind {kind}");
        let next = folders.path().join(round.to_string());
        match kind {
            // A kill: the folder as it is, on the same boot.
            0 => {
                copy(&folder, &next);
                world.store.close().await.unwrap();
                folder = next;
            }
            // A power cut.
            1 => {
                copy(&folder, &next);
                world.store.close().await.unwrap();
                folder = next;
                other_boot(&folder);
            }
            // The index is lost.
            2 => {
                world.store.close().await.unwrap();
                std::fs::remove_dir_all(folder.join("index")).unwrap();
            }
            _ => world.store.close().await.unwrap(),
        }
        let (store, report) = open(&folder);
        assert!(report.damaged.is_empty() && report.cut == 0, "{report:?}");
        match kind {
            1 | 2 => assert!(report.rebuilt.is_some(), "{report:?}"),
            3 => assert_eq!((report.replayed, report.rebuilt), (0, None)),
            _ => {}
        }
        world.store = store;
        let after = world.compare().await;
        assert_eq!(after, before);
    }
}
