//! Acts on the store as a whole that need its position, its pages or the store alone: statistics and
//! rebuilding the index. Checks are in `check`, salvage in `salvage`.

use std::sync::Arc;
use std::time::Duration;

use congvu_store::compact::{Compacted, Compaction};
use congvu_store::page::{Hex, IndexPage, Position};
use congvu_store::stats::{Count, Stats};
use congvu_store::{Options, Report, Store};

use crate::audit::{self, Described};
use crate::error::{Error, Result};
use crate::open::{Connection, Site};
use crate::reply::{Reply, StoreReply};
use crate::request::{Request, StoreQuery};
use crate::retention::Swept;

/// How often it is asked how far compaction is.
const ASK: Duration = Duration::from_millis(200);

/// Told what is being done, and how many octets of how many are done.
pub type Progress = Arc<dyn Fn(&'static str, u64, u64) + Send + Sync>;

/// Asks for something inside the store.
async fn look(connection: &mut Connection, query: StoreQuery) -> Result<StoreReply> {
    match connection.request(Request::Store(query)).await? {
        Reply::Store(reply) => Ok(reply),
        _ => Err(strange()),
    }
}

fn strange() -> Error {
    Error::Unreachable("the server gave another kind of answer than was asked for".to_owned())
}

/// Up to where everything is durable.
pub(crate) async fn position(connection: &mut Connection) -> Result<Position> {
    match look(connection, StoreQuery::Position).await? {
        StoreReply::Position(position) => Ok(position),
        _ => Err(strange()),
    }
}

/// A part of the index.
pub(crate) async fn page(connection: &mut Connection, from: Hex) -> Result<IndexPage> {
    match look(connection, StoreQuery::Page { from }).await? {
        StoreReply::Page(page) => Ok(page),
        _ => Err(strange()),
    }
}

/// What a check inside the store found.
pub(crate) async fn problems(
    connection: &mut Connection,
    query: StoreQuery,
) -> Result<Vec<congvu_store::check::Problem>> {
    match look(connection, query).await? {
        StoreReply::Problems(problems) => Ok(problems),
        _ => Err(strange()),
    }
}

/// Runs something that reads or writes files for long.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| Error::Unreachable(format!("broken off: {error}")))?
}

/// Counts what a store holds; beside the server, or alone.
pub async fn stats(site: &Site) -> Result<Stats> {
    let mut connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let counted = count(&mut connection).await;
    connection.close().await?;
    let (count, data) = (counted?, site.data.clone());
    blocking(move || Ok(count.finish(&data)?)).await
}

async fn count(connection: &mut Connection) -> Result<Count> {
    let mut count = Count::new();
    let mut from = Some(Hex::default());
    while let Some(place) = from {
        let page = page(connection, place).await?;
        count.page(&page)?;
        from = page.next;
    }
    Ok(count)
}

/// Forgets what is past its undelete window; by the server, or alone.
pub async fn purge(site: &Site) -> Result<Swept> {
    let mut connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let reply = connection.request(Request::Purge).await;
    connection.close().await?;
    match reply? {
        Reply::Purged(swept) => Ok(swept),
        _ => Err(strange()),
    }
}

/// Gives back the space of what was expunged for good; beside the server, or alone. A command that is broken off
/// leaves the server at it.
pub async fn compact(site: &Site, rate: Option<u64>, progress: Progress) -> Result<Compacted> {
    let mut connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let outcome = follow(&mut connection, rate, progress).await;
    let closed = connection.close().await;
    let compacted = outcome?;
    closed?;
    Ok(compacted)
}

async fn follow(
    connection: &mut Connection,
    rate: Option<u64>,
    progress: Progress,
) -> Result<Compacted> {
    let before = compaction(connection).await?.ended;
    connection.request(Request::Compact { rate }).await?;
    loop {
        let now = compaction(connection).await?;
        if now.ended > before {
            return match (now.last, now.error) {
                (_, Some(error)) => Err(Error::Invalid(error)),
                (last, None) => Ok(last.unwrap_or_default()),
            };
        }
        if now.total > 0 {
            progress("rewriting segments", now.done, now.total);
        }
        tokio::time::sleep(ASK).await;
    }
}

async fn compaction(connection: &mut Connection) -> Result<Compaction> {
    match look(connection, StoreQuery::Compaction).await? {
        StoreReply::Compaction(state) => Ok(*state),
        _ => Err(strange()),
    }
}

/// Makes the index anew from the log. The server must be stopped.
pub async fn rebuild(site: &Site, progress: Progress) -> Result<Report> {
    if site.server().await?.is_some() {
        return Err(Error::Invalid(
            "the server is running; stop it first (congvu stop), then rebuild".to_owned(),
        ));
    }
    let (connection, report) = site
        .open(move |path| {
            Store::rebuild(path, &Options::default(), &mut |done, all| {
                progress("rebuilding the index", done, all);
            })
        })
        .await?;
    if let Connection::Local(admin, who) = &connection {
        let (who, described) = (who.clone(), Described::of("store rebuild"));
        admin
            .directory()
            .store()
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, "done")
            })
            .await?;
    }
    connection.close().await?;
    Ok(report)
}
