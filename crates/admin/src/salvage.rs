//! `store salvage`: every readable message of a store into Maildir, whatever is broken.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use congvu_directory::Account;
use congvu_store::quarantine::Letter;
use congvu_store::salvage::{Salvage, SalvagedMailbox};
use congvu_store::{AccountId, BodyId, MailboxId, Uid};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::maildir::{Failed, Maildir, component, create_folder};
use crate::store::{Progress, blocking};

/// Folder for bodies whose transaction is damaged, and for mailboxes whose account is not known.
const UNPLACED: &str = "unplaced";
/// Folder of an account for its letters in quarantine. A mailbox of the same name shares it: names of files differ.
const QUARANTINE: &str = "Quarantine";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Salvaged {
    /// Accounts with mailboxes.
    pub accounts: u64,
    /// Mailboxes.
    pub mailboxes: u64,
    /// Messages written into mailboxes.
    pub messages: u64,
    /// Letters in quarantine.
    #[serde(default)]
    pub quarantined: u64,
    /// Messages written without a place: their transaction is damaged.
    pub unplaced: u64,
    /// Messages whose octets cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Damaged places of the log, in words.
    pub damage: Vec<String>,
}

/// A message that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Address or number of the account.
    pub account: String,
    /// Name of the mailbox.
    pub mailbox: String,
    /// Which message.
    pub uid: Uid,
    /// Which body.
    pub body: BodyId,
}

/// Writes all readable messages of the store in `data` into the new folder `to`.
pub async fn salvage(data: &Path, to: &Path, progress: Progress) -> Result<Salvaged> {
    let (data, to) = (data.to_owned(), to.to_owned());
    blocking(move || {
        empty(&to)?;
        let salvage = Salvage::read(&data, &mut |done, all| {
            progress("reading the log", done, all);
        })?;
        Writer::new(&salvage, to).run(&progress)
    })
    .await
}

/// The folder must be new or empty.
pub(crate) fn empty(to: &Path) -> Result<()> {
    create_folder(to).map_err(|error| target(to, &error))?;
    let mut entries = std::fs::read_dir(to).map_err(|error| target(to, &error))?;
    if entries.next().is_some() {
        return Err(Error::Invalid(format!(
            "{} is not empty; name a new folder",
            to.display()
        )));
    }
    Ok(())
}

fn target(path: &Path, error: &std::io::Error) -> Error {
    Error::Invalid(format!("cannot write {}: {error}", path.display()))
}

struct Writer<'a> {
    salvage: &'a Salvage,
    to: PathBuf,
    addresses: HashMap<AccountId, String>,
    done: Salvaged,
}

impl<'a> Writer<'a> {
    fn new(salvage: &'a Salvage, to: PathBuf) -> Self {
        let accounts = salvage.records::<Account>().into_iter();
        Self {
            salvage,
            to,
            addresses: accounts
                .map(|account| (account.id, account.address().to_string()))
                .collect(),
            done: Salvaged::default(),
        }
    }

    fn run(mut self, progress: &Progress) -> Result<Salvaged> {
        for damage in self.salvage.damage() {
            self.done.damage.push(format!(
                "LSN {}, {} octets: {}",
                damage.lsn, damage.octets, damage.what
            ));
        }
        let mut accounts = std::collections::HashSet::new();
        let salvage = self.salvage;
        salvage.mailboxes::<Error>(&mut |mailbox| {
            accounts.extend(mailbox.account);
            progress("writing mailboxes", self.done.mailboxes, 0);
            self.mailbox(&mailbox)
        })?;
        self.done.accounts = accounts.len() as u64;
        self.quarantine()?;
        self.unplaced()?;
        Ok(self.done)
    }

    fn mailbox(&mut self, mailbox: &SalvagedMailbox) -> Result<()> {
        let account = match mailbox.account {
            Some(id) => match self.addresses.get(&id) {
                Some(address) => address.clone(),
                None => format!("account-{id}"),
            },
            None => UNPLACED.to_owned(),
        };
        let root = self.to.join(component(&account));
        let failed = |error: &std::io::Error| target(&root, error);
        let folder = Maildir::create(&root, &mailbox.name, mailbox.id, &mailbox.keywords)
            .map_err(|error| failed(&error))?;
        self.done.mailboxes += 1;
        for message in &mailbox.messages {
            let written = match self.salvage.body(message.body) {
                Ok(body) => folder.write(message, &body),
                Err(_) => Err(Failed::Unreadable),
            };
            match written {
                Ok(()) => self.done.messages += 1,
                Err(Failed::Unreadable) => self.done.unreadable.push(Unreadable {
                    account: account.clone(),
                    mailbox: mailbox.name.clone(),
                    uid: message.uid,
                    body: message.body,
                }),
                Err(Failed::Target(error)) => return Err(failed(&error)),
            }
        }
        Ok(())
    }

    /// Letters in quarantine, beside the mailboxes of their accounts.
    fn quarantine(&mut self) -> Result<()> {
        let mut folders: HashMap<AccountId, Maildir> = HashMap::new();
        for letter in self.salvage.records::<Letter>() {
            let account = letter.about.account;
            let named = self.addresses.get(&account).cloned();
            let named = named.unwrap_or_else(|| format!("account-{account}"));
            let root = self.to.join(component(&named));
            let failed = |error: &std::io::Error| target(&root, error);
            let folder = match folders.entry(account) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let made = Maildir::create(&root, QUARANTINE, MailboxId(0), &[]);
                    place.insert(made.map_err(|error| failed(&error))?)
                }
            };
            let written = match self.salvage.body(letter.body) {
                Ok(body) => folder.write_unknown(&body),
                Err(_) => Err(Failed::Unreadable),
            };
            match written {
                Ok(()) => self.done.quarantined += 1,
                Err(Failed::Unreadable) => self.done.unreadable.push(Unreadable {
                    account: named,
                    mailbox: QUARANTINE.to_owned(),
                    uid: Uid(0),
                    body: letter.body,
                }),
                Err(Failed::Target(error)) => return Err(failed(&error)),
            }
        }
        Ok(())
    }

    /// Bodies without a place.
    fn unplaced(&mut self) -> Result<()> {
        if self.salvage.unplaced().is_empty() {
            return Ok(());
        }
        let failed = |error: std::io::Error| target(&self.to, &error);
        let root = self.to.join(UNPLACED);
        let folder = Maildir::create(&root, "messages", MailboxId(0), &[]).map_err(failed)?;
        for id in self.salvage.unplaced() {
            let Ok(body) = self.salvage.body(*id) else {
                continue;
            };
            match folder.write_unknown(&body) {
                Ok(()) => self.done.unplaced += 1,
                Err(Failed::Unreadable) => {}
                Err(Failed::Target(error)) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}
