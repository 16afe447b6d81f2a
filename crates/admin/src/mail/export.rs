//! `export`: an account's mailboxes as Maildir++ or mbox files.

use std::path::{Path, PathBuf};

use congvu_store::{Options, Uid};
use serde::{Deserialize, Serialize};

use super::feeder::Conversation;
pub use super::source::Format;
use super::target::{Piece, Target};
use super::{Act, Bad, Entry, Place, Tally};
use crate::error::{Error, Result};
use crate::open::Site;
use crate::salvage::empty;
use crate::store::{Progress, blocking};

/// What to export.
#[derive(Debug, Clone)]
pub struct Export {
    /// Whose messages.
    pub address: String,
    /// A new or empty folder.
    pub to: PathBuf,
    /// How they are to lie there.
    pub format: Format,
    /// Only these mailboxes, with those below them; all when empty.
    pub mailboxes: Vec<String>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exported {
    /// Whose.
    pub address: String,
    /// Mailboxes written.
    pub mailboxes: u64,
    /// Messages written.
    pub messages: u64,
    /// Octets of them.
    pub octets: u64,
    /// What could not be read.
    pub bad: Vec<Bad>,
}

/// Exports; beside the server or alone.
pub async fn export(site: &Site, export: &Export, progress: Progress) -> Result<Exported> {
    let connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let outcome: Result<_> = async {
        let door = connection.mail(site).await?;
        let detail = export.to.display().to_string();
        let mut conversation =
            Conversation::begin(door, Act::Export, &export.address, &detail).await?;
        let mut done = run(&mut conversation, export, &progress).await?;
        done.address.clone_from(&conversation.address);
        let Tally { .. } = conversation.end().await?;
        Ok(done)
    }
    .await;
    let closed = connection.close().await;
    let done = outcome?;
    closed?;
    Ok(done)
}

async fn run(
    conversation: &mut Conversation,
    export: &Export,
    progress: &Progress,
) -> Result<Exported> {
    let places = conversation.mailboxes().await?;
    let places = wanted(places, &export.mailboxes)?;
    let to = export.to.clone();
    blocking(move || empty(&to)).await?;
    let all = places.iter().map(|place| place.size).sum();
    let mut done = Exported::default();
    for place in places {
        let (to, format, mailbox) = (export.to.clone(), export.format, place.clone());
        let mut target =
            blocking(move || Target::create(&to, format, &mailbox).map_err(|e| cannot(&to, &e)))
                .await?;
        let mut from = Some(Uid(1));
        while let Some(first) = from {
            let (entries, next) = conversation.messages(place.id, first).await?;
            for entry in entries {
                let size = u64::from(entry.size);
                match copy(conversation, &export.to, &place, entry, target).await? {
                    (back, None) => {
                        target = back;
                        done.messages += 1;
                    }
                    (back, Some(bad)) => {
                        target = back;
                        done.bad.push(bad);
                    }
                }
                done.octets += size;
                progress("exporting", done.octets, all);
            }
            from = next;
        }
        let to = export.to.clone();
        blocking(move || target.finish().map_err(|e| cannot(&to, &e))).await?;
        done.mailboxes += 1;
    }
    let to = export.to.clone();
    blocking(move || sync(&to)).await?;
    Ok(done)
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::Invalid(format!("cannot write {}: {error}", path.display()))
}

/// Brings everything that was written to the disk: one call for the whole file system, because one for each of
/// a hundred thousand files takes minutes.
fn sync(folder: &Path) -> Result<()> {
    let failed = |error: std::io::Error| cannot(folder, &error);
    let opened = std::fs::File::open(folder).map_err(failed)?;
    rustix::fs::syncfs(&opened).map_err(|error| failed(error.into()))
}

/// The named mailboxes with those below them.
pub(crate) fn wanted(places: Vec<Place>, names: &[String]) -> Result<Vec<Place>> {
    if names.is_empty() {
        return Ok(places);
    }
    let mut kept = Vec::new();
    for name in names {
        let canonical = congvu_store::name::canonical(name)?;
        let inside = |place: &&Place| {
            place.name == canonical
                || place
                    .name
                    .strip_prefix(&canonical)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        let found: Vec<&Place> = places.iter().filter(inside).collect();
        if found.is_empty() {
            return Err(Error::Missing("mailbox", name.clone()));
        }
        kept.extend(found.into_iter().map(|place| place.id));
    }
    Ok(places
        .into_iter()
        .filter(|place| kept.contains(&place.id))
        .collect())
}

/// Copies one message piece by piece. One that cannot be read is told; the others go on.
async fn copy(
    conversation: &mut Conversation,
    root: &Path,
    place: &Place,
    entry: Entry,
    mut target: Target,
) -> Result<(Target, Option<Bad>)> {
    let mut from = 0;
    loop {
        let octets = match conversation.octets(place.id, entry.uid, from).await {
            Ok(octets) if octets.is_empty() && u64::from(entry.size) > from => {
                return Ok((
                    target,
                    Some(unreadable(place, &entry, "its octets are missing")),
                ));
            }
            Ok(octets) => octets,
            Err(error) if goes_on(&error) => {
                let bad = unreadable(place, &entry, &error.to_string());
                return Ok((target, Some(bad)));
            }
            Err(error) => return Err(error),
        };
        let end = from + octets.len() as u64;
        let piece = Piece {
            entry: entry.clone(),
            from,
            octets,
        };
        let root = root.to_owned();
        target = blocking(move || {
            target.write(&piece).map_err(|e| cannot(&root, &e))?;
            Ok(target)
        })
        .await?;
        if end >= u64::from(entry.size) {
            return Ok((target, None));
        }
        from = end;
    }
}

fn unreadable(place: &Place, entry: &Entry, why: &str) -> Bad {
    Bad {
        place: format!("{}, UID {}", place.name, entry.uid),
        why: why.to_owned(),
    }
}

/// Whether an error concerns one message only: its octets are damaged, or it was expunged meanwhile.
fn goes_on(error: &Error) -> bool {
    use congvu_store::Error as Store;
    matches!(
        error,
        Error::Refused(_) | Error::Missing(..) | Error::Store(Store::Damaged(_) | Store::NoBody)
    )
}
