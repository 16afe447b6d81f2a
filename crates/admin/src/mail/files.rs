//! `import`: messages from the files of other programs, or from an export, into an account.
//!
//! Can be repeated: what is there already is not put there again. Files are read and parsed by the process of
//! the administrator and change nothing there.

use std::path::PathBuf;

use congvu_store::Options;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::feeder::{Conversation, Feeder, How};
use super::names::Namer;
use super::source::{self, Folder, Format, Item};
use super::{Act, Bad, Fate, Tally};
use crate::error::{Error, Result};
use crate::open::Site;
use crate::store::{Progress, blocking};

/// Messages read ahead of what is being put.
const AHEAD: usize = 16;
/// Most of what could not be taken that is listed; all of it is counted.
pub(crate) const LISTED: usize = 1_000;

/// What to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Into whose account.
    pub address: String,
    /// A folder, or one mbox file.
    pub from: PathBuf,
    /// Only files of this kind.
    pub format: Option<Format>,
    /// Put everything into this mailbox and below it.
    pub into: Option<String>,
    /// Keep names that are known to be those of sent mail, drafts … elsewhere.
    pub as_named: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Limits do not bind.
    pub ignore_quota: bool,
}

/// What was moved into an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moved {
    /// Whose.
    pub address: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Sums.
    #[serde(flatten)]
    pub tally: Tally,
    /// By mailbox.
    pub mailboxes: Vec<MovedMailbox>,
    /// What could not be taken; at most 1,000 are listed.
    pub bad: Vec<Bad>,
    /// How many there are.
    pub bad_count: u64,
    /// Messages whose flags changed there since the last run, and were followed.
    pub followed: u64,
}

/// One mailbox of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedMailbox {
    /// Where the messages were.
    pub from: String,
    /// Where they are now.
    pub mailbox: String,
    /// Whether the mailbox is new.
    pub created: bool,
    /// Sums.
    #[serde(flatten)]
    pub tally: Tally,
}

impl Moved {
    pub(crate) fn bad(&mut self, bad: Bad) {
        self.bad_count += 1;
        if self.bad.len() < LISTED {
            self.bad.push(bad);
        }
    }

    /// Whether everything came over.
    pub fn is_whole(&self) -> bool {
        self.bad_count == 0 && self.tally.over_quota == 0
    }
}

/// Imports; beside the server or alone.
pub async fn import(site: &Site, import: &Import, progress: Progress) -> Result<Moved> {
    let connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let outcome: Result<_> = async {
        let door = connection.mail(site).await?;
        let detail = import.from.display().to_string();
        let mut conversation =
            Conversation::begin(door, Act::Import, &import.address, &detail).await?;
        let moved = run(&mut conversation, import, &progress).await?;
        conversation.end().await?;
        Ok(moved)
    }
    .await;
    let closed = connection.close().await;
    let moved = outcome?;
    closed?;
    Ok(moved)
}

async fn run(
    conversation: &mut Conversation,
    import: &Import,
    progress: &Progress,
) -> Result<Moved> {
    let (root, format) = (import.from.clone(), import.format);
    let (folders, passed) = blocking(move || source::folders(&root, format)).await?;
    let mut moved = Moved {
        address: conversation.address.clone(),
        dry_run: import.dry_run,
        ..Moved::default()
    };
    for bad in passed {
        moved.bad(bad);
    }
    let places = conversation.mailboxes().await?;
    let into = match &import.into {
        Some(name) => Some(congvu_store::name::canonical(name)?),
        None => None,
    };
    let namer = Namer::new(&places, into.as_deref(), import.as_named);
    let all = folders.iter().map(|folder| folder.octets).sum();
    let mut read = 0_u64;
    for folder in folders {
        let (name, special) = namer.target(&folder.levels, None);
        let place = match (import.dry_run, congvu_store::name::canonical(&name)) {
            (_, Err(error)) => {
                moved.bad(source_bad(&folder, &error.to_string()));
                continue;
            }
            (true, Ok(name)) => places.iter().find(|place| place.name == name).cloned(),
            (false, Ok(name)) => Some(conversation.open(&name, special).await?),
        };
        let mut here = MovedMailbox {
            from: folder.path.display().to_string(),
            mailbox: name,
            created: place.as_ref().is_none_or(|place| place.created),
            tally: Tally::default(),
        };
        let how = How {
            dry_run: import.dry_run,
            ignore_quota: import.ignore_quota,
        };
        let mut feeder = Feeder::new(place.map(|place| place.id), how);
        let mut told = |octets: u64| {
            read += octets;
            progress("importing", read, all);
        };
        feed(
            conversation,
            folder,
            &mut feeder,
            &mut here,
            &mut moved,
            &mut told,
        )
        .await?;
        moved.tally.add(&here.tally);
        moved.mailboxes.push(here);
    }
    progress("importing", all, all);
    Ok(moved)
}

fn source_bad(folder: &Folder, why: &str) -> Bad {
    Bad {
        place: folder.path.display().to_string(),
        why: why.to_owned(),
    }
}

/// Reads a folder in a thread of its own and puts what comes.
async fn feed(
    conversation: &mut Conversation,
    folder: Folder,
    feeder: &mut Feeder<String>,
    here: &mut MovedMailbox,
    moved: &mut Moved,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<()> {
    let (sender, mut items) = mpsc::channel(AHEAD);
    let reader = tokio::task::spawn_blocking(move || {
        source::read(&folder, &mut |item| sender.blocking_send(item).is_ok());
    });
    while let Some(item) = items.recv().await {
        match item {
            Item::Bad(bad) => moved.bad(bad),
            Item::Message(letter, octets, place) => {
                if !feeder.fits(octets.len()) {
                    flush(conversation, feeder, here, moved).await?;
                }
                here.tally.read += 1;
                told(octets.len() as u64);
                feeder.add(letter, octets, place);
            }
        }
    }
    flush(conversation, feeder, here, moved).await?;
    reader
        .await
        .map_err(|error| Error::Unreachable(format!("broken off: {error}")))
}

async fn flush(
    conversation: &mut Conversation,
    feeder: &mut Feeder<String>,
    here: &mut MovedMailbox,
    moved: &mut Moved,
) -> Result<()> {
    for (place, letter, fate) in feeder.flush(conversation).await? {
        here.tally.count(fate, letter.octets);
        if fate == Fate::OverQuota {
            let why =
                "a limit of the account, its domain or its agency stands against it".to_owned();
            moved.bad(Bad { place, why });
        }
    }
    Ok(())
}
