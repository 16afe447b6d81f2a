//! The store against a model of plain maps: random transactions, with restarts, kills, power cuts
//! and rebuilds in between.

use std::collections::BTreeMap;

use congvu_store::tx::Quota;
use congvu_store::{Error, FlagChange, Flags, MailboxId, NewMessage, Store, Uid};

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
        match self.random.u8(0..14) {
            0..5 => self.append().await,
            5..8 => self.flag().await,
            8 => self.expunge().await,
            9 => self.copy_or_move().await,
            10 => self.create().await,
            11 => self.rename().await,
            12 => self.delete().await,
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
        let expected: Vec<Uid> = uids
            .into_iter()
            .filter(|uid| letters.remove(uid).is_some())
            .map(Uid)
            .collect();
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
            source
                .letters
                .retain(|uid, _| !expected.iter().any(|(old, _)| old.0 == *uid));
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
            let letters = std::mem::take(&mut self.model.boxes.get_mut("INBOX").unwrap().letters);
            let target = self.model.boxes.get_mut(to).unwrap();
            for letter in letters.into_values() {
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
                self.model.boxes.remove(&name);
            }
        }
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

    async fn compare(&self) -> Dump {
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
