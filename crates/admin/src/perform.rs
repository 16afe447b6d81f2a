//! One entrance for every request, whoever asks and wherever it runs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use congvu_directory::Directory;
use congvu_directory::password::{self, Hashed, Purpose};
use congvu_guard::Guard;
use congvu_message::Address;
use congvu_store::compact::Pacing;
use congvu_store::queue::{Counts, QueueId, QueueRead, QueueWrite};
use congvu_store::{AccountId, Timestamp};
use tokio::sync::{mpsc, oneshot};

use crate::audit::{self, Described, Who};
use crate::change::{
    self, AccountChange, AppPasswordChange, Change, MessageChange, PasswordChange, QueueChange,
};
use crate::deleted;
use crate::error::{Error, Result};
use crate::import;
use crate::learning;
use crate::reply::{Done, ReloadedView, Reply, StatusView, StoreReply};
use crate::request::{NewPassword, Plain, Request, StoreQuery};
use crate::retention;

/// An order to the running server.
#[derive(Debug)]
pub enum Control {
    /// Take over certificates and configuration again. Answer with all errors, or with none when the new
    /// ones are in force.
    Reload(oneshot::Sender<Result<Vec<String>, Vec<String>>>),
    /// Finish what is under way and end.
    Stop,
}

/// What a server tells about itself.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Version of the program.
    pub version: String,
    /// Where it listens, in words: `imaps [::]:993`.
    pub listeners: Vec<String>,
    /// Since when it runs.
    pub started: Timestamp,
}

struct Serving {
    facts: Facts,
    control: mpsc::Sender<Control>,
}

/// Performs requests. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    directory: Directory,
    serving: Option<Arc<Serving>>,
    /// The filter of the running server.
    guard: Option<Guard>,
    /// Accounts into which messages are being moved.
    pub(crate) filling: Arc<Mutex<HashSet<AccountId>>>,
}

/// A password that was prepared for a change.
#[derive(Default)]
struct Prepared {
    hashed: Option<Hashed>,
    /// Told once, when it was generated.
    shown: Option<Plain>,
}

impl Admin {
    /// For a process that holds the store alone.
    pub fn local(directory: Directory) -> Self {
        Self {
            directory,
            serving: None,
            guard: None,
            filling: Arc::default(),
        }
    }

    /// For the running server: orders go out through `control`.
    pub fn serving(directory: Directory, facts: Facts, control: mpsc::Sender<Control>) -> Self {
        Self {
            directory,
            serving: Some(Arc::new(Serving { facts, control })),
            guard: None,
            filling: Arc::default(),
        }
    }

    /// The same with the filter of the running server.
    pub fn with_guard(self, guard: Guard) -> Self {
        Self {
            guard: Some(guard),
            ..self
        }
    }

    /// The filter, if a server runs.
    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// The directory it works on.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Performs one request.
    pub async fn perform(&self, who: &Who, request: Request) -> Result<Reply> {
        match request {
            Request::Query(query) => self.directory.store().read(move |r| query.answer(r)).await,
            Request::Change(change) => self.change(who, change).await,
            Request::Deleted(query) => Ok(Reply::DeletedMessages(
                deleted::list(&self.directory, query).await?,
            )),
            Request::Purge => Ok(Reply::Purged(retention::sweep(&self.directory, who).await?)),
            Request::Store(query) => Ok(Reply::Store(self.look(query).await?)),
            Request::Quarantine(asked) => self.quarantine(who, asked).await,
            Request::Mail(_) => Err(Error::Invalid(
                "messages are moved over a connection of their own".to_owned(),
            )),
            Request::Compact { rate } => self.compact(who, rate).await,
            Request::Status => self.status().await,
            Request::Reload => self.order(who, "reload").await,
            Request::Stop => self.order(who, "stop").await,
        }
    }

    /// Looks into the store. Each mailbox is a view of its own, so that writers wait for one at a time.
    async fn look(&self, query: StoreQuery) -> Result<StoreReply> {
        let store = self.directory.store();
        Ok(match query {
            StoreQuery::Position => {
                StoreReply::Position(store.read::<_, Error, _>(|r| Ok(r.position()?)).await?)
            }
            StoreQuery::Page { from } => {
                let page = store.read::<_, Error, _>(move |r| Ok(r.index_page(&from)?));
                StoreReply::Page(page.await?)
            }
            StoreQuery::Mailboxes { ids } => {
                let mut problems = Vec::new();
                for id in ids {
                    let found = store.read::<_, Error, _>(move |r| Ok(r.check_mailbox(id)?));
                    problems.extend(found.await?);
                }
                StoreReply::Problems(problems)
            }
            StoreQuery::Homes => {
                StoreReply::Problems(store.read::<_, Error, _>(|r| Ok(r.check_homes()?)).await?)
            }
            StoreQuery::Compaction => StoreReply::Compaction(Box::new(store.compaction())),
        })
    }

    /// Begins to compact the store; [`StoreQuery::Compaction`] tells how far it is.
    async fn compact(&self, who: &Who, rate: Option<u64>) -> Result<Reply> {
        let store = self.directory.store().clone();
        if store.compaction().asked {
            return Err(Error::Invalid(
                "the store is being compacted already".to_owned(),
            ));
        }
        let (who, described) = (who.clone(), Described::of("store compact"));
        store
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, "begun")
            })
            .await?;
        let pacing = Pacing { rate, asked: true };
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.compact(pacing) {
                tracing::error!(%error, "compact store");
            }
        });
        Ok(Reply::Done(Done {
            subject: String::new(),
            password: None,
        }))
    }

    async fn change(&self, who: &Who, change: Change) -> Result<Reply> {
        let outcome = match &change {
            Change::Account(AccountChange::Import { csv, dry_run }) => {
                import::run(&self.directory, who, csv, *dry_run).await
            }
            Change::Queue(QueueChange::RetryAll { domain }) => {
                self.retry_all(who, &change, domain.clone()).await
            }
            Change::Message(undelete) => self.undelete(who, &change, undelete).await,
            _ if let Some((address, since)) = learning::paged(&change) => {
                self.forget_account(who, &change, address, since).await
            }
            _ => self.change_one(who, &change).await,
        };
        if let Err(error) = &outcome {
            self.note_refusal(who, audit::describe(&change), error)
                .await;
        }
        outcome
    }

    /// Brings messages back; the record says how many.
    async fn undelete(
        &self,
        who: &Who,
        change: &Change,
        undelete: &MessageChange,
    ) -> Result<Reply> {
        let (who, described) = (who.clone(), audit::describe(change));
        let undelete = undelete.clone();
        let view = self
            .directory
            .store()
            .transact::<_, Error, _>(move |tx| {
                let view = undelete.apply(tx)?;
                let (placed, missing) = (view.placed.len(), view.missing.len());
                let result = format!("done: {placed} brought back, {missing} not there");
                audit::record_described(tx, &who, &described, &result)?;
                Ok(view)
            })
            .await?;
        Ok(Reply::Undeleted(view))
    }

    async fn change_one(&self, who: &Who, change: &Change) -> Result<Reply> {
        let Prepared { hashed, shown } = self.prepare(change).await?;
        let (who, change) = (who.clone(), change.clone());
        let subject = self
            .directory
            .store()
            .transact::<_, Error, _>(move |tx| {
                let subject = change.apply(tx, &who, hashed.as_ref())?;
                audit::record(tx, &who, &change, "done")?;
                Ok(subject)
            })
            .await?;
        Ok(Reply::Done(Done {
            subject,
            password: shown,
        }))
    }

    /// Page by page, so that no transaction keeps others waiting. Recorded when all is done.
    async fn retry_all(&self, who: &Who, change: &Change, domain: Option<String>) -> Result<Reply> {
        let domain = domain
            .map(|text| congvu_directory::name::domain(&text))
            .transpose()?;
        let (mut retried, mut from) = (0, Some(QueueId(0)));
        while let Some(place) = from {
            let wanted = domain.clone();
            let (some, next) = self
                .directory
                .store()
                .transact::<_, Error, _>(move |tx| Ok(tx.retry_page(place, wanted.as_deref())?))
                .await?;
            retried += some;
            from = next;
        }
        self.change_one(who, change).await?;
        Ok(Reply::Done(Done {
            subject: format!("{retried} messages"),
            password: None,
        }))
    }

    /// A refused act leaves no trace in the directory, but one here. What could not be written must not hide
    /// the reason of the refusal.
    async fn note_refusal(&self, who: &Who, described: Described, error: &Error) {
        let result = format!("refused: {error}");
        let who = who.clone();
        let noted = self
            .directory
            .store()
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, &result)
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!(%error, "refused act not recorded");
        }
    }

    /// Checks, generates and hashes the password that a change needs: before the transaction, because it
    /// takes long.
    async fn prepare(&self, change: &Change) -> Result<Prepared> {
        match change {
            Change::Account(AccountChange::Add {
                address, password, ..
            }) => {
                self.prepare_main(None, &change::address(address)?, password)
                    .await
            }
            Change::Account(AccountChange::Restore {
                address,
                to,
                password,
                ..
            }) => {
                let address = change::address(to.as_ref().unwrap_or(address))?;
                self.prepare_main(None, &address, password).await
            }
            Change::Password(PasswordChange::Set { address, password }) => {
                let (id, address) = self.account(address).await?;
                self.prepare_main(Some(id), &address, password).await
            }
            Change::AppPassword(AppPasswordChange::Add { address, .. }) => {
                let (id, _) = self.account(address).await?;
                let generated = password::generate();
                let hashed = self
                    .directory
                    .hash(Some(id), &generated, Purpose::App)
                    .await?;
                Ok(Prepared {
                    hashed: Some(hashed),
                    shown: Some(Plain(generated)),
                })
            }
            _ => Ok(Prepared::default()),
        }
    }

    async fn prepare_main(
        &self,
        account: Option<AccountId>,
        address: &Address,
        password: &NewPassword,
    ) -> Result<Prepared> {
        let (secret, shown) = match password {
            NewPassword::None => return Ok(Prepared::default()),
            NewPassword::Given(Plain(secret)) => {
                password::check(secret, address)?;
                (secret.clone(), None)
            }
            NewPassword::Generate => {
                let generated = password::generate();
                (generated.clone(), Some(Plain(generated)))
            }
        };
        let hashed = self.directory.hash(account, &secret, Purpose::Main).await?;
        Ok(Prepared {
            hashed: Some(hashed),
            shown,
        })
    }

    async fn account(&self, text: &str) -> Result<(AccountId, Address)> {
        let text = text.to_owned();
        let account = self
            .directory
            .store()
            .read::<_, Error, _>(move |r| change::account(r, &text))
            .await?;
        Ok((account.id, account.address()))
    }

    async fn order(&self, who: &Who, act: &str) -> Result<Reply> {
        let Some(serving) = &self.serving else {
            return Err(Error::NoServer);
        };
        let described = Described {
            act: act.to_owned(),
            ..Described::default()
        };
        let gone = || Error::Unreachable("the server is ending".to_owned());
        let outcome = if act == "stop" {
            Ok(None)
        } else {
            let (answer, answered) = oneshot::channel();
            serving
                .control
                .send(Control::Reload(answer))
                .await
                .map_err(|_| gone())?;
            answered
                .await
                .map_err(|_| gone())?
                .map(Some)
                .map_err(Error::Configuration)
        };
        let reloaded = match outcome {
            Ok(reloaded) => reloaded,
            Err(error) => {
                self.note_refusal(who, described, &error).await;
                return Err(error);
            }
        };
        let who = who.clone();
        // The record first: a server that ends may no longer write it.
        self.directory
            .store()
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, "done")
            })
            .await?;
        if let Some(waiting) = reloaded {
            return Ok(Reply::Reloaded(ReloadedView { waiting }));
        }
        serving
            .control
            .send(Control::Stop)
            .await
            .map_err(|_| gone())?;
        Ok(Reply::Done(Done {
            subject: String::new(),
            password: None,
        }))
    }

    async fn status(&self) -> Result<Reply> {
        let mut counts = Counts::default();
        let mut from = Some(QueueId(0));
        while let Some(page) = from {
            let so_far = counts;
            (counts, from) = self
                .directory
                .store()
                .read::<_, Error, _>(move |r| {
                    let mut counts = so_far;
                    let next = r.queue_count(page, &mut counts)?;
                    Ok((counts, next))
                })
                .await?;
        }
        let facts = self.serving.as_ref().map(|s| &s.facts);
        Ok(Reply::Status(StatusView {
            running: facts.is_some(),
            version: facts.map_or_else(
                || env!("CARGO_PKG_VERSION").to_owned(),
                |f| f.version.clone(),
            ),
            pid: facts.map(|_| std::process::id()),
            started: facts.map(|f| f.started),
            listeners: facts.map(|f| f.listeners.clone()).unwrap_or_default(),
            queue_messages: counts.entries,
            queue_held: counts.held,
            queue_recipients: counts.waiting,
            queue_oldest: counts.oldest,
        }))
    }
}
