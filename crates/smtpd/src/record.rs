//! What is told of letters and refusals, for whoever follows a letter later (`congvu trace`).
//!
//! What was accepted is told in the transaction that places it. A refusal has none: refusals are gathered for a
//! second and written together, the same ones as one, so that somebody who guesses addresses does not keep the
//! disk busy. They may be lost in a crash; letters are not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use congvu_smtp::ask::{Kind, Reply};
use congvu_store::trace::{Accepted, Client, Door, Event, Refused, Tls};
use congvu_store::{Store, Topic};
use tracing::warn;

use crate::facts::Connection;
use crate::plan::Plan;
use crate::transaction::Transaction;

/// Refusals written at once, and so in a second: a hundred times what a busy server refuses. What is beyond stands
/// in the log alone.
const REFUSALS_MOST: usize = 500;
/// How long refusals are gathered.
const GATHER: Duration = Duration::from_secs(1);

/// Accepted: everything but where it went.
pub(crate) fn accepted(
    connection: &Connection,
    transaction: &Transaction,
    plan: &Plan,
    size: u64,
) -> Accepted {
    let rcpts: Vec<String> = transaction
        .rcpts
        .iter()
        .map(|rcpt| rcpt.rcpt.to.clone())
        .collect();
    let others = plan.foreign.iter().map(|rcpt| &rcpt.address);
    let others = others.filter(|address| !rcpts.contains(address));
    Accepted {
        id: transaction.id.clone(),
        about: None,
        door: door(connection.kind),
        client: Client {
            address: Some(connection.peer.remote.ip().to_canonical()),
            hello: hello(connection),
            tls: connection
                .tls
                .as_ref()
                .map(|tls| Tls::new(&tls.version, &tls.cipher)),
            account: connection.login.as_ref().map(|login| login.account),
        },
        sender: transaction.sender.mail.from.clone(),
        message_id: transaction.message_id.clone(),
        size,
        judged: transaction.judged.clone(),
        others: others.cloned().collect(),
        rcpts,
        placed: Vec::with_capacity(plan.local.len()),
        full: Vec::new(),
        queued: None,
    }
}

fn door(kind: Kind) -> Door {
    match kind {
        Kind::Mx => Door::Mx,
        Kind::Submission => Door::Submission,
        Kind::Lmtp => Door::Lmtp,
    }
}

fn hello(connection: &Connection) -> String {
    let hello = connection.hello.as_ref();
    hello.map_or_else(String::new, |hello| hello.name.clone())
}

/// Refusals that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Vec<Refused>>);

impl Refusals {
    /// A letter was refused after its end.
    pub(crate) fn message(
        self: &Arc<Self>,
        store: &Store,
        connection: &Connection,
        transaction: &Transaction,
        reply: &Reply,
    ) {
        let rcpts = transaction.rcpts.iter().map(|rcpt| rcpt.rcpt.to.clone());
        let refused = Refused {
            id: Some(transaction.id.clone()),
            sender: Some(transaction.sender.mail.from.clone()),
            rcpts: rcpts.collect(),
            message_id: transaction.message_id.clone(),
            ..refused(connection, reply)
        };
        self.add(store, refused);
    }

    /// MAIL or RCPT was refused.
    pub(crate) fn command(
        self: &Arc<Self>,
        store: &Store,
        connection: &Connection,
        sender: Option<String>,
        rcpt: Option<String>,
        reply: &Reply,
    ) {
        let refused = Refused {
            sender,
            rcpts: rcpt.into_iter().collect(),
            ..refused(connection, reply)
        };
        self.add(store, refused);
    }

    fn add(self: &Arc<Self>, store: &Store, refused: Refused) {
        let mut waiting = self.waiting();
        let same = |other: &&mut Refused| {
            let times = other.times;
            **other
                == Refused {
                    times,
                    ..refused.clone()
                }
        };
        if let Some(known) = waiting.iter_mut().find(same) {
            known.times = known.times.saturating_add(1);
            return;
        }
        if waiting.len() >= REFUSALS_MOST {
            return;
        }
        waiting.push(refused);
        if waiting.len() == 1 {
            let (refusals, store) = (Arc::clone(self), store.clone());
            tokio::spawn(async move {
                tokio::time::sleep(GATHER).await;
                refusals.write(&store).await;
            });
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, store: &Store) {
        let waiting = std::mem::take(&mut *self.waiting());
        let written = store
            .transact(move |tx| {
                for refused in &waiting {
                    tx.trace(Event::Refused(refused.clone()))?;
                }
                tx.touch(Topic::Trace);
                Ok::<_, congvu_store::Error>(())
            })
            .await;
        if let Err(error) = written {
            warn!(%error, "refusals not recorded");
        }
    }
}

fn refused(connection: &Connection, reply: &Reply) -> Refused {
    let (first, second, third) = reply.enhanced;
    Refused {
        id: None,
        door: door(connection.kind),
        address: connection.peer.remote.ip().to_canonical(),
        hello: hello(connection),
        account: connection.login.as_ref().map(|login| login.account),
        sender: None,
        rcpts: Vec::new(),
        message_id: None,
        reply: format!("{} {first}.{second}.{third} {}", reply.code, reply.text),
        times: 1,
    }
}
