//! Scrubbing in a running server: what it finds goes to the log, with the names that people use, at the level
//! of an error. How far it is shows `store stats`.

use std::path::{Path, PathBuf};

use congvu_directory::{Directory, find};
use congvu_store::check::Problem;
use congvu_store::scrub::{Event, Scrub, Settings};
use congvu_store::{AccountId, BodyId, LogFiles};
use tokio::sync::mpsc;

use crate::check::message_id;
use crate::error::{Error, Result};
use crate::store::blocking;

/// Findings that wait to be told; then the scrub waits.
const WAITING: usize = 64;
/// Problems of a pass that are told one by one: as many as anybody reads. `store check` lists more.
const TOLD: u64 = 1_000;

/// Scrubs the store of a running server until dropped. Needs a tokio runtime.
pub fn start(directory: &Directory, data: &Path, settings: Settings) -> Result<Scrub> {
    let (sender, receiver) = mpsc::channel(WAITING);
    // On a thread of its own. Nobody hears it when the server ends.
    let tell = move |event| drop(sender.blocking_send(event));
    let scrub = Scrub::start(directory.store(), settings, tell)?;
    tokio::spawn(listen(directory.clone(), data.to_owned(), receiver));
    Ok(scrub)
}

async fn listen(directory: Directory, data: PathBuf, mut events: mpsc::Receiver<Event>) {
    let mut told = 0;
    while let Some(event) = events.recv().await {
        match event {
            Event::Begun(status) => {
                told = 0;
                let at = status.at.unwrap_or_default().0;
                tracing::info!(at, "scrub begins");
            }
            Event::Found(problem) => {
                told += 1;
                if told <= TOLD {
                    tell(&directory, &data, problem).await;
                }
            }
            Event::Finished(status) => {
                let (bodies, problems) = (status.bodies, status.finished_problems);
                tracing::info!(bodies, problems, "scrub finished");
            }
            Event::Failed(error) => {
                tracing::warn!(%error, "scrub broken off; tried again in an hour");
            }
        }
    }
}

async fn tell(directory: &Directory, data: &Path, problem: Problem) {
    let address = match problem.account {
        Some(account) => address(directory, account).await,
        None => None,
    };
    let id = match problem.body {
        Some(body) => id_of(data, body).await,
        None => None,
    };
    tracing::error!(
        what = problem.what,
        account = address.or(problem.account.map(|account| account.to_string())),
        mailbox = problem.mailbox,
        uid = problem.uid.map(|uid| uid.0),
        message_id = id,
        lsn = problem.lsn.map(|lsn| lsn.0),
        "scrub found damage; run congvu store check"
    );
}

async fn address(directory: &Directory, account: AccountId) -> Option<String> {
    let found = directory
        .store()
        .read::<_, Error, _>(move |r| Ok(find::account_by_id(r, account)?.address().to_string()));
    found.await.ok()
}

async fn id_of(data: &Path, body: BodyId) -> Option<String> {
    let data = data.to_owned();
    let found = blocking(move || Ok(message_id(&LogFiles::of_store(&data)?, body)));
    found.await.ok().flatten()
}
