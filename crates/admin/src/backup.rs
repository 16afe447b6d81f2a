//! Backup and restore of the whole store.
//!
//! A backup is made by the process that asks for it, from the files of the log; the running server only says
//! up to where everything is durable.

use std::path::Path;

use congvu_store::backup::{self, Backed, Restored, Verified};
use congvu_store::{LogFiles, Options, Store};
use serde::{Deserialize, Serialize};

use crate::audit::{self, Described};
use crate::error::{Error, Result};
use crate::open::{Connection, Site, own_uid, who_here};
use crate::store::{Progress, blocking, position};

/// A store made from a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredStore {
    /// What was copied.
    #[serde(flatten)]
    pub restored: Restored,
    /// Transactions in it.
    pub transactions: u64,
    /// Damaged places of its log.
    pub problems: Vec<String>,
}

/// Brings the backup in a folder up to date, or begins it.
pub async fn backup(site: &Site, to: &Path, progress: Progress) -> Result<Backed> {
    let mut connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let outcome = copy(&mut connection, site, to, progress).await;
    let closed = connection.close().await;
    let backed = outcome?;
    closed?;
    Ok(backed)
}

async fn copy(
    connection: &mut Connection,
    site: &Site,
    to: &Path,
    progress: Progress,
) -> Result<Backed> {
    // Held before the end is known: compaction must drop nothing that the store still has at that end.
    let folder = site.data.clone();
    let held = blocking(move || Ok(LogFiles::of_store(&folder)?)).await?;
    let end = position(connection).await?;
    let (data, to) = (site.data.clone(), to.to_owned());
    blocking(move || {
        // Listed after the end is known: a segment may have been begun meanwhile.
        let files = LogFiles::of_store(&data)?;
        drop(held);
        if files.store() != end.store {
            return Err(Error::Invalid(format!(
                "the store in {} is not the one that the server uses; check the configuration",
                data.display()
            )));
        }
        let mut told = |done, all| progress("copying the log", done, all);
        backup::backup(&files, end.lsn, &to, &mut told).map_err(refusal)
    })
    .await
}

/// Reads a whole backup again.
pub async fn verify(folder: &Path, progress: Progress) -> Result<Verified> {
    let folder = folder.to_owned();
    blocking(move || {
        let mut told = |done, all| progress("reading the backup", done, all);
        backup::verify(&folder, &mut told).map_err(refusal)
    })
    .await
}

/// Makes a store from a backup, in a new or empty folder, with its index; the act is in its audit records.
pub async fn restore(from: &Path, to: &Path, progress: Progress) -> Result<RestoredStore> {
    let (backup, folder) = (from.to_owned(), to.to_owned());
    let (restored, store, report) = blocking(move || {
        let mut told = |done, all| progress("copying the log", done, all);
        let restored = backup::restore(&backup, &folder, &mut told).map_err(refusal)?;
        let (store, report) = Store::open(&folder, Options::default())?;
        Ok((restored, store, report))
    })
    .await?;
    let who = who_here(own_uid()?);
    let mut described = Described::of("restore");
    described.subject = from.display().to_string();
    store
        .transact::<_, Error, _>(move |tx| audit::record_described(tx, &who, &described, "done"))
        .await?;
    store.close().await?;
    Ok(RestoredStore {
        restored,
        transactions: report.replayed,
        problems: report.damaged,
    })
}

/// A folder that does not fit is the mistake of who named it, not a failure.
fn refusal(error: congvu_store::Error) -> Error {
    match error {
        congvu_store::Error::Backup(why) => Error::Invalid(why),
        other => other.into(),
    }
}
