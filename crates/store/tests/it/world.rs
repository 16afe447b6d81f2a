//! What the tests share: a store in a folder of its own, accounts, messages, and a dump of
//! everything a reader can see.

use std::path::{Path, PathBuf};

use congvu_store::tx::{Ledger, Quota};
use congvu_store::{
    AccountId, Error, Flags, LedgerId, Mailbox, MailboxId, Message, NewMessage, Options, Read,
    Report, Store, Uid,
};

pub(crate) const ACCOUNT: AccountId = AccountId(1);
pub(crate) const LEDGER: LedgerId = LedgerId(1);

/// Small segments and frequent snapshots, so that both are tested everywhere.
pub(crate) fn options() -> Options {
    Options {
        cache: 1024 * 1024,
        segment: 64 * 1024,
        snapshot: 32 * 1024,
    }
}

pub(crate) fn open(folder: &Path) -> (Store, Report) {
    Store::open(folder, options()).unwrap()
}

/// A new store with one account.
pub(crate) async fn store(folder: &Path) -> Store {
    let (store, report) = open(folder);
    assert_eq!(report.rebuilt, None);
    store
        .transact(|tx| tx.create_home(ACCOUNT, &[LEDGER]))
        .await
        .unwrap();
    store
}

pub(crate) async fn mailbox(store: &Store, name: &'static str) -> Mailbox {
    store
        .read(move |tx| tx.mailbox_named(ACCOUNT, name))
        .await
        .unwrap()
        .unwrap_or_else(|| panic!("no mailbox {name}"))
}

pub(crate) fn new_message() -> NewMessage {
    NewMessage {
        flags: Flags::default(),
        keywords: Vec::new(),
        date: 1_700_000_000,
        zone: 420,
    }
}

pub(crate) async fn append(store: &Store, mailbox: MailboxId, octets: &[u8]) -> Message {
    let body = store.prepare(octets, b"summary").unwrap();
    store
        .transact(move |tx| tx.append(mailbox, &body, &new_message(), Quota::Enforce))
        .await
        .unwrap()
}

pub(crate) async fn octets(store: &Store, message: &Message) -> Result<Vec<u8>, Error> {
    let body = store.body(message.body, message.frame).await?;
    store.octets(&body, 0, u64::MAX).await
}

/// Everything that a reader sees of an account.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) struct Dump {
    pub(crate) mailboxes: Vec<(Mailbox, Vec<Message>, Vec<Uid>)>,
    pub(crate) subscriptions: Vec<String>,
    pub(crate) ledger: Ledger,
}

pub(crate) async fn dump(store: &Store) -> Dump {
    store
        .read(|tx| {
            let mut mailboxes = Vec::new();
            for mailbox in tx.mailboxes(ACCOUNT)? {
                let mut messages = Vec::new();
                let mut from = Uid(0);
                loop {
                    let page = tx.messages(mailbox.id, from, Uid(u32::MAX), 100)?;
                    let Some(last) = page.last() else { break };
                    from = Uid(last.uid.0 + 1);
                    messages.extend(page);
                }
                assert_eq!(
                    tx.uids(mailbox.id)?,
                    messages
                        .iter()
                        .map(|message| message.uid)
                        .collect::<Vec<_>>()
                );
                let expunged = tx.expunged_since(mailbox.id, congvu_store::ModSeq(0))?;
                check(&mailbox, &messages);
                mailboxes.push((mailbox, messages, expunged));
            }
            let dump = Dump {
                subscriptions: tx.subscriptions(ACCOUNT)?,
                ledger: tx.ledger(LEDGER)?,
                mailboxes,
            };
            let messages: usize = dump
                .mailboxes
                .iter()
                .map(|(_, messages, _)| messages.len())
                .sum();
            let size: u64 = dump
                .mailboxes
                .iter()
                .map(|(mailbox, ..)| mailbox.size)
                .sum();
            assert_eq!(
                (dump.ledger.messages, dump.ledger.octets),
                (messages as u64, size),
                "ledger"
            );
            Ok::<_, Error>(dump)
        })
        .await
        .unwrap()
}

/// A mailbox's counters against its messages.
fn check(mailbox: &Mailbox, messages: &[Message]) {
    let count = |wanted: &dyn Fn(&Message) -> bool| {
        messages.iter().filter(|message| wanted(message)).count()
    };
    assert_eq!(mailbox.messages as usize, messages.len());
    assert_eq!(
        mailbox.unseen as usize,
        count(&|message| !message.flags.contains(Flags::SEEN))
    );
    assert_eq!(
        mailbox.deleted as usize,
        count(&|message| message.flags.contains(Flags::DELETED))
    );
    assert_eq!(
        mailbox.size,
        messages
            .iter()
            .map(|message| u64::from(message.size))
            .sum::<u64>()
    );
    assert!(
        messages
            .iter()
            .all(|message| message.uid < mailbox.uidnext && message.modseq <= mailbox.modseq)
    );
    assert!(
        messages
            .iter()
            .flat_map(|message| &message.keywords)
            .all(|index| usize::from(*index) < mailbox.keywords.len())
    );
}

/// Copies a store's folder as a kill would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            match std::fs::copy(entry.path(), target) {
                // A snapshot that was finished, or replaced by a newer one, meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

/// Makes the next start believe that the machine went down.
pub(crate) fn other_boot(folder: &Path) {
    let path = folder.join("state");
    let text = std::fs::read_to_string(&path).unwrap();
    let store = text
        .lines()
        .find(|line| line.starts_with("store "))
        .unwrap();
    std::fs::write(
        &path,
        format!("format 1\n{store}\nleft open\nboot another\n"),
    )
    .unwrap();
}

/// Segment files, ascending.
pub(crate) fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}
