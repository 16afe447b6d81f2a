//! Looking into a copy of a killed server's store: mod-sequences, which only grow, and the two ways back to
//! an index, replay and rebuild, which must come to the same.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use congvu_store::{
    AccountId, Error, Mailbox, MailboxId, Message, ModSeq, Options, Read, Store, Uid,
};

/// Accounts that are looked at: those of the load are among the first.
const ACCOUNTS: u64 = 40;
/// Messages read at once.
const PAGE: usize = 500;

/// Mailboxes with their messages.
type Seen = BTreeMap<MailboxId, (Mailbox, Vec<Message>)>;

/// What was seen last.
#[derive(Debug, Default)]
pub struct Inside {
    seen: Seen,
    /// Messages compared so far.
    pub compared: u64,
}

impl Inside {
    /// Copies the data folder of a server that does not run, and compares. Faults in words.
    pub fn look(&mut self, data: &Path) -> Vec<String> {
        match self.compare(data) {
            Ok(faults) => faults,
            Err(error) => vec![format!("a copy of the store: {error}")],
        }
    }

    fn compare(&mut self, data: &Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (killed, cut) = (folder.path().join("killed"), folder.path().join("cut"));
        copy(data, &killed)?;
        copy(data, &cut)?;
        other_boot(&cut)?;
        let mut faults = Vec::new();
        let replayed = read(&killed, &mut faults)?;
        let rebuilt = read(&cut, &mut faults)?;
        if replayed != rebuilt {
            faults.push("replay and rebuild do not come to the same".to_owned());
        }
        for (id, (mailbox, messages)) in &replayed {
            let highest = messages.iter().map(|message| message.modseq).max();
            if highest.is_some_and(|highest| highest > mailbox.modseq) {
                faults.push(format!("{}: below one of its messages", mailbox.name));
            }
            let Some((old, known)) = self.seen.get(id) else {
                continue;
            };
            let known: BTreeMap<Uid, &Message> =
                known.iter().map(|message| (message.uid, message)).collect();
            if mailbox.modseq < old.modseq || mailbox.uidvalidity != old.uidvalidity {
                faults.push(format!("{old:?} became {mailbox:?}"));
            }
            for message in messages {
                self.compared += 1;
                let grown = match known.get(&message.uid) {
                    None => message.modseq > old.modseq,
                    Some(old) if flags(old) == flags(message) => message.modseq >= old.modseq,
                    Some(old) => message.modseq > old.modseq,
                };
                if !grown {
                    faults.push(format!(
                        "{}: mod-sequence of {message:?}, before {:?}",
                        mailbox.name,
                        known.get(&message.uid)
                    ));
                }
            }
        }
        self.seen = replayed;
        Ok(faults)
    }
}

fn flags(message: &Message) -> (congvu_store::Flags, Vec<u16>) {
    (message.flags, message.keywords.clone())
}

/// Opens a store, as a server that starts does, and reads its mailboxes.
fn read(folder: &Path, faults: &mut Vec<String>) -> Result<Seen, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let (store, report) = Store::open(folder, Options::default())?;
        if !report.damaged.is_empty() {
            faults.push(format!("damage: {:?}", report.damaged));
        }
        let mut seen = Seen::new();
        for account in 1..=ACCOUNTS {
            let found: Vec<(Mailbox, Vec<Message>)> = store
                .read(move |tx| {
                    let mut found = Vec::new();
                    for mailbox in tx.mailboxes(AccountId(account))? {
                        let mut messages: Vec<Message> = Vec::new();
                        loop {
                            let from = messages.last().map_or(0, |last| last.uid.0 + 1);
                            let page = tx.messages(mailbox.id, Uid(from), Uid(u32::MAX), PAGE)?;
                            let last = page.len() < PAGE;
                            messages.extend(page);
                            if last {
                                break;
                            }
                        }
                        found.push((mailbox, messages));
                    }
                    Ok::<_, Error>(found)
                })
                .await?;
            for (mailbox, messages) in found {
                if mailbox.modseq == ModSeq(0) {
                    faults.push(format!("{}: has no mod-sequence", mailbox.name));
                }
                seen.insert(mailbox.id, (mailbox, messages));
            }
        }
        store.close().await?;
        Ok(seen)
    })
}

/// Copies a folder with all it holds, but sockets.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Makes the next start believe that the machine went down while the store was in use: what a killed
/// process left in the system's memory is then not trusted.
pub fn other_boot(data: &Path) -> io::Result<()> {
    let path = data.join("state");
    let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    let store = text.lines().find(|line| line.starts_with("store "));
    let store = store.ok_or_else(|| io::Error::other("the state does not tell the store"))?;
    // The first form of the file, which every version reads.
    let open = format!("format 1\n{store}\nleft open\nboot another\n");
    fs::write(path, open)
}
