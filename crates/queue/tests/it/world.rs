//! A store with one agency, `bo.test`, where `an@bo.test` lives, and a queue over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use congvu_directory::edit::account::NewAccount;
use congvu_directory::edit::agency::NewAgency;
use congvu_directory::edit::domain::NewDomain;
use congvu_directory::edit::{account, agency, domain};
use congvu_directory::record::Policy;
use congvu_directory::{Directory, Kind, find};
use congvu_message::{Address, summarize};
use congvu_net::Stopper;
use congvu_net::connect::Source;
use congvu_net::dns::{Resolver, Zone};
use congvu_net::tls::TlsClient;
use congvu_queue::{Queue, Schedule, Settings};
use congvu_store::queue::{
    BodyKind, Entry, Lane, NewEntry, NewRcpt, Notify, Outcome, QueueId, QueueRead, QueueWrite,
};
use congvu_store::{Error, Options, Read, Store, Timestamp, Topic, Tx, Uid};
use tempfile::TempDir;

/// Longest wait for anything; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) settings: Settings,
    stopper: Stopper,
    running: Option<tokio::task::JoinHandle<()>>,
    _folder: TempDir,
}

/// A message with a Return-Path line, as local copies have it, which is not sent.
pub(crate) const PREFIX: &str = "Return-Path: <an@bo.test>\r\n";
pub(crate) const MAIL: &str =
    "From: an@bo.test\r\nMessage-ID: <1@bo.test>\r\nSubject: x\r\n\r\n.dot\r\nend\r\n";

impl World {
    /// MX hosts by domain as addresses, all at the port of the first.
    pub(crate) async fn new(mx: &[(&str, &[SocketAddr])]) -> Self {
        let mut zone = Zone::default();
        for (domain, hosts) in mx {
            let mut records = Vec::new();
            for (number, host) in hosts.iter().enumerate() {
                let name = format!("mx{number}.{domain}");
                zone.addresses.insert(name.clone(), vec![host.ip()]);
                records.push((u16::try_from(number).unwrap(), name));
            }
            zone.mx.insert((*domain).to_owned(), records);
        }
        zone.mx
            .insert("null.test".to_owned(), vec![(0, ".".to_owned())]);
        let folder = TempDir::new().unwrap();
        let options = Options {
            cache: 8 << 20,
            segment: 16 << 20,
            ..Options::default()
        };
        let (store, _) = Store::open(folder.path(), options).unwrap();
        let directory = Directory::new(store.clone());
        directory
            .change(|tx| {
                let new = NewAgency {
                    code: "BO".into(),
                    name: "Bộ".into(),
                    parent: None,
                    policy: Policy::default(),
                };
                let agency = agency::create(tx, &new)?.id;
                domain::create(
                    tx,
                    &NewDomain {
                        name: "bo.test".into(),
                        agency,
                        alias_of: None,
                    },
                )?;
                account::create(tx, &NewAccount::new(Kind::Person, address("an@bo.test")))?;
                Ok(())
            })
            .await
            .unwrap();
        let settings = Settings {
            hello: "us.test".into(),
            zone: 420,
            schedule: Schedule {
                delays: vec![Duration::from_millis(10)],
                warn_after: Duration::from_hours(1),
                give_up_after: Duration::from_hours(2),
            },
            connections: 10,
            per_destination: 1,
            routes: Vec::new(),
            source: Source::default(),
            port: mx
                .first()
                .and_then(|(_, hosts)| hosts.first())
                .map_or(25, std::net::SocketAddr::port),
            waits: congvu_smtp::client::Waits::default(),
            resolver: Resolver::fixed(zone),
            tls: TlsClient::new(None).unwrap(),
        };
        Self {
            store,
            directory,
            settings,
            stopper: Stopper::new(),
            running: None,
            _folder: folder,
        }
    }

    /// Starts the queue.
    pub(crate) fn run(&mut self) {
        let queue = Queue::new(self.directory.clone(), self.settings.clone());
        let signal = self.stopper.signal();
        self.running = Some(tokio::spawn(async move { queue.run(signal).await }));
    }

    /// Stops the queue; it must end by itself.
    pub(crate) async fn stop(&mut self) {
        assert!(self.stopper.stop(PATIENCE).await, "the queue did not end");
        self.running.take().unwrap().await.unwrap();
    }

    /// Lets the queue go at once, as a kill does.
    pub(crate) async fn kill(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    /// Records an attempt that failed, with the next one so far ahead.
    pub(crate) async fn put_off(&self, id: QueueId, domain: &'static str, by: Duration) {
        let ahead = i64::try_from(by.as_millis()).unwrap();
        let deferred = move |tx: &mut Tx<'_>| {
            let next = Timestamp(tx.now().0 + ahead);
            let outcome = Outcome::Deferred {
                next,
                reply: String::new(),
                remote: None,
            };
            tx.settle(id, domain, &[(0, outcome)]).map(drop)
        };
        self.store.transact(deferred).await.unwrap();
    }

    pub(crate) async fn send(&self, from: &str, to: &[&str]) -> QueueId {
        self.send_with(from, to, |_, _| ()).await
    }

    /// Queues [`MAIL`] after changes to the entry and its recipients.
    pub(crate) async fn send_with(
        &self,
        from: &str,
        to: &[&str],
        change: impl Fn(&mut NewEntry, &mut Vec<NewRcpt>),
    ) -> QueueId {
        self.send_mail(MAIL, from, to, change).await
    }

    pub(crate) async fn send_mail(
        &self,
        mail: &str,
        from: &str,
        to: &[&str],
        change: impl Fn(&mut NewEntry, &mut Vec<NewRcpt>),
    ) -> QueueId {
        let octets = format!("{PREFIX}{mail}").into_bytes();
        let body = self
            .store
            .prepare(&octets, &summarize(&octets).encode())
            .unwrap();
        let mut entry = NewEntry {
            lane: Lane::Normal,
            sender: from.to_owned(),
            body: congvu_store::BodyId::default(),
            frame: 0,
            skip: u32::try_from(PREFIX.len()).unwrap(),
            size: u64::try_from(mail.len()).unwrap(),
            account: None,
            envid: None,
            ret: None,
            utf8: false,
            body_kind: BodyKind::SevenBit,
            hold: None,
            trace: "t".into(),
        };
        let mut rcpts: Vec<_> = to
            .iter()
            .map(|to| NewRcpt {
                address: (*to).to_owned(),
                domain: to.rsplit_once('@').unwrap().1.to_owned(),
                notify: None,
                orcpt: None,
            })
            .collect();
        change(&mut entry, &mut rcpts);
        let (entry, rcpts) = (Arc::new(entry), Arc::new(rcpts));
        self.store
            .transact(move |tx| {
                let body = tx.attach(&body)?;
                tx.enqueue(
                    &NewEntry {
                        body,
                        ..(*entry).clone()
                    },
                    &rcpts,
                )
            })
            .await
            .unwrap()
    }

    /// All entries of the queue.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.store
            .read(|r| r.queue_entries(QueueId(0), 1000))
            .await
            .unwrap()
    }

    /// Waits until `done` holds after a change of the queue.
    pub(crate) async fn until(&self, what: &str, done: impl AsyncFn(&Self) -> bool) {
        let mut watcher = self.store.watch(Topic::Queue);
        let wait = async {
            while !done(self).await {
                watcher.changed().await;
                watcher.take();
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("waited in vain: {what}"));
    }

    /// Waits until nothing is owed.
    pub(crate) async fn emptied(&self) {
        self.until("an empty queue", async |world| {
            world.entries().await.is_empty()
        })
        .await;
    }

    /// The messages in the INBOX of an account.
    pub(crate) async fn inbox(&self, who: &str) -> Vec<String> {
        let who = address(who);
        let messages = self
            .store
            .read(move |r| {
                let id = find::account(r, &who)?.id;
                let inbox = r.mailbox_named(id, "INBOX")?.unwrap().id;
                Ok::<_, congvu_directory::Error>(r.messages(inbox, Uid(1), Uid(u32::MAX), 1000)?)
            })
            .await
            .unwrap();
        let mut texts = Vec::new();
        for message in messages {
            let body = self.store.body(message.body, message.frame).await.unwrap();
            let octets = self.store.octets(&body, 0, body.len()).await.unwrap();
            texts.push(String::from_utf8(octets).unwrap());
        }
        texts
    }

    pub(crate) async fn attempts(&self, id: QueueId) -> u32 {
        let rcpts = self
            .store
            .read(move |r| r.queue_rcpts(id, None, 1000))
            .await
            .unwrap();
        rcpts.iter().map(|rcpt| rcpt.attempts).max().unwrap_or(0)
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(crate) fn notify(success: bool, failure: bool, delay: bool) -> Notify {
    Notify {
        success,
        failure,
        delay,
    }
}

/// An error type for closures that only touch the store.
pub(crate) type Stored<T> = Result<T, Error>;
