//! A small world: two agencies, `bo.test` and `so.test`, and clients that talk to it.
//!
//! `an@bo.test` and `binh@bo.test` are persons, `vanthu@bo.test` is a post that an operates, `chi@so.test` a
//! person elsewhere on the same server. `all@bo.test` is a group of an, binh and `far@away.example`.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use congvu_directory::edit::account::NewAccount;
use congvu_directory::edit::agency::NewAgency;
use congvu_directory::edit::domain::NewDomain;
use congvu_directory::edit::group::NewGroup;
use congvu_directory::edit::{account, agency, alias, credential, domain, group, operator, quota};
use congvu_directory::password::Purpose;
use congvu_directory::record::Policy;
use congvu_directory::{Directory, Kind as AccountKind, find};
use congvu_guard::Guard;
use congvu_message::Address;
use congvu_net::{Link, Shutdown, drive};
use congvu_smtp::ask::Kind;
use congvu_smtp::server::Server;
use congvu_smtpd::{Settings, Shared};
use congvu_store::queue::{Entry, QueueId, QueueRead, Rcpt};
use congvu_store::{AccountId, Error, Message, Options, Read, Store, Uid};
use congvu_wire::{Peer, Secret};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

/// The password of everybody who has one.
pub(crate) const PASSWORD: &str = "tre già măng mọc 2026";
const PIPE: usize = 64 * 1024;

pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) shared: Shared,
    _folder: TempDir,
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::new("mx.bo.test")).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let folder = TempDir::new().expect("a folder");
        let options = Options {
            cache: 8 << 20,
            segment: 16 << 20,
            ..Options::default()
        };
        let (store, _) = Store::open(folder.path(), options).expect("a store");
        let directory = Directory::new(store.clone());
        let new_agency = |code: &str| NewAgency {
            code: code.into(),
            name: String::from("Cơ quan"),
            parent: None,
            policy: Policy {
                foreign_targets: Some(true),
                ..Policy::default()
            },
        };
        let (bo, so) = (new_agency("BO"), new_agency("SO"));
        directory
            .change(move |tx| {
                let new_domain = |name: &str, agency| NewDomain {
                    name: name.into(),
                    agency,
                    alias_of: None,
                };
                let bo = agency::create(tx, &bo)?.id;
                let so = agency::create(tx, &so)?.id;
                domain::create(tx, &new_domain("bo.test", bo))?;
                domain::create(tx, &new_domain("so.test", so))?;
                let person = |text| NewAccount::new(AccountKind::Person, address(text));
                let an = account::create(tx, &person("an@bo.test"))?.id;
                account::create(tx, &person("binh@bo.test"))?;
                account::create(tx, &person("chi@so.test"))?;
                let post = account::create(
                    tx,
                    &NewAccount::new(AccountKind::Post, address("vanthu@bo.test")),
                )?
                .id;
                operator::add(tx, post, an)?;
                let all = group::create(
                    tx,
                    &NewGroup {
                        address: address("all@bo.test"),
                        name: String::new(),
                        agency: None,
                    },
                )?;
                for member in ["an@bo.test", "binh@bo.test", "far@away.example"] {
                    group::add_member(tx, all.id, &address(member))?;
                }
                alias::create(
                    tx,
                    &address("forward@bo.test"),
                    &[address("far@away.example")],
                )?;
                alias::create(tx, &address("nguyen.an@bo.test"), &[address("an@bo.test")])?;
                Ok(())
            })
            .await
            .expect("a directory");
        let guard = Guard::new(directory.clone(), congvu_guard::Settings::default());
        let shared = Shared::new(guard, settings);
        Self {
            store,
            directory,
            shared,
            _folder: folder,
        }
    }

    /// Gives an account its password.
    pub(crate) async fn password(&self, who: &str) {
        let id = self.id(who).await;
        let hashed = self
            .directory
            .hash(Some(id), &Secret::new(PASSWORD), Purpose::Main)
            .await
            .expect("a hash");
        self.directory
            .change(move |tx| credential::set_main(tx, id, &hashed).map(drop))
            .await
            .expect("a password");
    }

    pub(crate) async fn id(&self, who: &str) -> AccountId {
        let who = address(who);
        let read = move |r: &congvu_store::tx::Snapshot<'_>| find::account(r, &who);
        self.store.read(read).await.expect("an account").id
    }

    pub(crate) async fn limit(&self, who: &str, octets: u64) {
        let who = address(who);
        let set = move |tx: &mut congvu_store::Tx<'_>| {
            let ledger = find::account(tx, &who)?.ledger;
            quota::set(tx, ledger, Some(octets), None)
        };
        self.directory.change(set).await.expect("a limit");
    }

    pub(crate) async fn disable(&self, who: &str) {
        let id = self.id(who).await;
        self.directory
            .change(move |tx| account::set_enabled(tx, id, false).map(drop))
            .await
            .expect("a change");
    }

    /// Messages of a mailbox with their octets.
    pub(crate) async fn messages(&self, who: &str, mailbox: &str) -> Vec<(Message, String)> {
        let (id, name) = (self.id(who).await, mailbox.to_owned());
        let list = self
            .store
            .read(move |r| {
                let mailbox = r.mailbox_named(id, &name)?.ok_or(Error::NoMailbox)?;
                r.messages(mailbox.id, Uid(1), Uid(u32::MAX), 100)
            })
            .await
            .expect("a mailbox");
        let mut found = Vec::new();
        for message in list {
            let body = self
                .store
                .body(message.body, message.frame)
                .await
                .expect("a body");
            let octets = self
                .store
                .octets(&body, 0, body.len())
                .await
                .expect("octets");
            found.push((message, String::from_utf8_lossy(&octets).into_owned()));
        }
        found
    }

    /// The octets of the one message in somebody's INBOX.
    pub(crate) async fn only(&self, who: &str) -> String {
        let mut messages = self.messages(who, "INBOX").await;
        assert_eq!(messages.len(), 1, "INBOX of {who}");
        messages.remove(0).1
    }

    pub(crate) async fn count(&self, who: &str) -> usize {
        self.messages(who, "INBOX").await.len()
    }

    /// The queue: entries with their recipients.
    pub(crate) async fn queue(&self) -> Vec<(Entry, Vec<Rcpt>)> {
        let read = |r: &congvu_store::tx::Snapshot<'_>| -> Result<_, Error> {
            let entries = r.queue_entries(QueueId(0), 100)?;
            entries
                .into_iter()
                .map(|entry| Ok((entry.clone(), r.queue_rcpts(entry.id, None, 100)?)))
                .collect()
        };
        self.store.read(read).await.expect("the queue")
    }

    /// The octets of a queued message that would be sent.
    pub(crate) async fn sent(&self, entry: &Entry) -> String {
        let body = self
            .store
            .body(entry.body, entry.frame)
            .await
            .expect("a body");
        let octets = self
            .store
            .octets(&body, entry.skip.into(), body.len())
            .await
            .expect("octets");
        assert_eq!(octets.len() as u64, entry.size);
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// A client from this address at a listener of this kind; the banner is still to be read.
    pub(crate) fn connect(&self, kind: Kind, from: &str) -> Client {
        let (near, far) = duplex(PIPE);
        let remote: SocketAddr = format!("{from}:40000").parse().expect("an address");
        let peer = Peer {
            remote,
            local: "127.0.0.1:25".parse().expect("an address"),
        };
        let mut config = self.shared.settings().machine(kind, false);
        config.allow_plaintext = true;
        let mut session = self.shared.session(peer, kind);
        let mut machine = Server::new(Arc::new(config));
        tokio::spawn(async move {
            let link = Link {
                stream: far,
                tls: None,
                implicit: false,
            };
            drive(link, &mut machine, &mut session, Shutdown::never()).await
        });
        Client(BufReader::new(near))
    }

    /// A client at port 25 that said EHLO.
    pub(crate) async fn mx(&self) -> Client {
        let mut client = self.connect(Kind::Mx, "198.51.100.7");
        client.expect("220").await;
        client.say("EHLO mail.away.example", "250").await;
        client
    }

    /// A client of submission, logged in.
    pub(crate) async fn login(&self, who: &str) -> Client {
        let mut client = self.connect(Kind::Submission, "127.0.0.1");
        client.expect("220").await;
        client.say("EHLO [127.0.0.1]", "250").await;
        let plain =
            base64::engine::general_purpose::STANDARD.encode(format!("\0{who}\0{PASSWORD}"));
        client.say(&format!("AUTH PLAIN {plain}"), "235").await;
        client
    }

    /// An LMTP client that said LHLO.
    pub(crate) async fn lmtp(&self) -> Client {
        let mut client = self.connect(Kind::Lmtp, "127.0.0.1");
        client.expect("220").await;
        client.say("LHLO front.bo.test", "250").await;
        client
    }
}

/// One end of a session.
pub(crate) struct Client(BufReader<DuplexStream>);

impl Client {
    /// Sends octets.
    pub(crate) async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0
            .get_mut()
            .write_all(octets.as_ref())
            .await
            .expect("the server reads");
    }

    /// Reads a reply to its last line.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            let read = self
                .0
                .read_line(&mut reply)
                .await
                .expect("the server writes");
            if read == 0 || reply.as_bytes()[start..].get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    /// Reads a reply that begins so.
    pub(crate) async fn expect(&mut self, begin: &str) -> String {
        let reply = self.reply().await;
        assert!(reply.starts_with(begin), "expected {begin}, got {reply:?}");
        reply
    }

    /// Sends a command and expects a reply that begins so.
    pub(crate) async fn say(&mut self, command: &str, begin: &str) -> String {
        self.send(format!("{command}\r\n")).await;
        let reply = self.reply().await;
        assert!(
            reply.starts_with(begin),
            "{command}: expected {begin}, got {reply:?}"
        );
        reply
    }

    /// MAIL and RCPTs, all to be accepted.
    pub(crate) async fn envelope(&mut self, from: &str, to: &[&str]) {
        self.say(&format!("MAIL FROM:<{from}>"), "250").await;
        for to in to {
            self.say(&format!("RCPT TO:<{to}>"), "250").await;
        }
    }

    /// DATA with this message; the reply must begin so.
    pub(crate) async fn data(&mut self, message: &str, begin: &str) -> String {
        self.say("DATA", "354").await;
        self.send(message).await;
        self.say(".", begin).await
    }

    /// Reads until the server closes.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.reply().await, "");
    }
}
