//! A server in memory: a real store and directory in a temporary folder, the real machine and the real
//! session of each client, joined by a loop instead of sockets.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use congvu_directory::edit::{account, agency, credential, domain};
use congvu_directory::password::Purpose;
use congvu_directory::{AgencyId, Directory, Kind};
use congvu_imap::ask::Ask;
use congvu_imap::server::Server;
use congvu_imapd::{Session, Settings, Shared, serve};
use congvu_message::Address;
use congvu_net::Service;
use congvu_store::{AccountId, Options, Read, Store};
use congvu_wire::{Machine, Peer, Secret, Step, TlsInfo};
use tempfile::TempDir;

/// The password of everybody.
pub(crate) const PASSWORD: &str = "Sông-Hồng-chảy-ra-biển";

/// One server.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    shared: Arc<Shared>,
    folder: TempDir,
}

impl World {
    /// With the accounts lan@xa.test and minh@xa.test.
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), Options::default()).unwrap();
        let directory = Directory::new(store.clone());
        directory
            .change(|tx| {
                let agency = agency::create(
                    tx,
                    &agency::NewAgency {
                        code: "xa".to_owned(),
                        name: "Ủy ban nhân dân xã".to_owned(),
                        parent: None,
                        policy: congvu_directory::record::Policy::default(),
                    },
                )?;
                domain::create(
                    tx,
                    &domain::NewDomain {
                        name: "xa.test".to_owned(),
                        agency: agency.id,
                        alias_of: None,
                    },
                )?;
                Ok::<AgencyId, congvu_directory::Error>(agency.id)
            })
            .await
            .unwrap();
        let shared = Shared::new(directory.clone(), settings);
        let world = Self {
            store,
            directory,
            shared,
            folder,
        };
        world.account("lan", 0, 0).await;
        world.account("minh", 0, 0).await;
        world
    }

    /// Creates an account with limits.
    pub(crate) async fn account(
        &self,
        local: &'static str,
        octets: u64,
        messages: u64,
    ) -> AccountId {
        let hashed = self
            .directory
            .hash(None, &Secret::new(PASSWORD), Purpose::Main)
            .await
            .unwrap();
        self.directory
            .change(move |tx| {
                let address = Address {
                    local: local.to_owned(),
                    domain: "xa.test".to_owned(),
                };
                let mut new = account::NewAccount::new(Kind::Person, address);
                new.octets_limit = octets;
                new.messages_limit = messages;
                let account = account::create(tx, &new)?;
                credential::set_main(tx, account.id, &hashed)?;
                Ok(account.id)
            })
            .await
            .unwrap()
    }

    pub(crate) async fn id(&self, local: &'static str) -> AccountId {
        let address = Address {
            local: local.to_owned(),
            domain: "xa.test".to_owned(),
        };
        self.store
            .read(move |r| congvu_directory::find::account(r, &address).map(|account| account.id))
            .await
            .unwrap()
    }

    /// A connection over TLS, greeted, nobody logged in.
    pub(crate) async fn connect(&self) -> Client {
        let peer = Peer {
            remote: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            local: SocketAddr::from(([127, 0, 0, 1], 993)),
        };
        let tls = TlsInfo {
            version: "TLSv1.3".to_owned(),
            ..TlsInfo::default()
        };
        let mut session = serve(peer, Arc::clone(&self.shared));
        let mut machine = crate::machine();
        machine.secured(tls.clone());
        session.secured(&tls);
        let mut client = Client {
            machine,
            session,
            waiting: None,
            output: Vec::new(),
            tag: 0,
            closed: false,
        };
        client.run().await;
        client.take();
        client
    }

    /// A client of this account, logged in.
    pub(crate) async fn login(&self, local: &str) -> Client {
        let mut client = self.connect().await;
        let address = format!("{local}@xa.test");
        client
            .ok(&format!(
                "LOGIN {address} {{{}+}}\r\n{PASSWORD}",
                PASSWORD.len()
            ))
            .await;
        client
    }

    /// Logged in and a mailbox selected.
    pub(crate) async fn select(&self, local: &str, mailbox: &str) -> Client {
        let mut client = self.login(local).await;
        client.ok(&format!("SELECT {mailbox}")).await;
        client
    }

    /// Damages every copy of these octets in the log.
    pub(crate) fn damage(&self, needle: &[u8]) -> usize {
        let mut found = 0;
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let mut octets = std::fs::read(&path).unwrap();
                let places: Vec<usize> = octets
                    .windows(needle.len())
                    .enumerate()
                    .filter(|(_, w)| *w == needle)
                    .map(|(at, _)| at)
                    .collect();
                for at in &places {
                    octets[*at] ^= 0xFF;
                }
                if !places.is_empty() {
                    std::os::unix::fs::FileExt::write_all_at(
                        &std::fs::File::options().write(true).open(&path).unwrap(),
                        &octets,
                        0,
                    )
                    .unwrap();
                    found += places.len();
                }
            }
        }
        found
    }

    /// What people said of letters so far.
    pub(crate) async fn labels(&self) -> Vec<String> {
        let given = self
            .store
            .read(|r| congvu_guard::learn::labels(r, 0, 1000, None))
            .await
            .unwrap()
            .0;
        let word = |spam| if spam { "spam" } else { "ham" };
        let given = given.into_iter();
        given
            .map(|label| format!("{} {}", word(label.spam), label.source.name()))
            .collect()
    }

    /// The uidnext of a mailbox, straight from the store.
    pub(crate) async fn uidnext(&self, account: AccountId, mailbox: &'static str) -> u32 {
        self.store
            .read(move |r| {
                Ok::<_, congvu_store::Error>(r.mailbox_named(account, mailbox)?.unwrap().uidnext.0)
            })
            .await
            .unwrap()
    }
}

/// One client.
pub(crate) struct Client {
    machine: Server,
    session: Session,
    /// The question that may be dropped (IDLE).
    waiting: Option<Ask>,
    output: Vec<u8>,
    tag: u32,
    pub(crate) closed: bool,
}

impl Client {
    /// Sends octets and lets the server do what it can.
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        self.waiting = None;
        self.machine.input(octets);
        self.run().await;
    }

    async fn run(&mut self) {
        loop {
            match self.machine.step() {
                Step::Read => return,
                Step::Write(octets) => self.output.extend_from_slice(&octets),
                Step::StartTls => self.machine.secured(TlsInfo::default()),
                Step::Ask(ask) => {
                    let answer = self.session.answer(ask).await;
                    self.machine.answer(answer);
                }
                Step::Wait(ask) => {
                    self.waiting = Some(ask);
                    return;
                }
                Step::Close => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    /// While IDLE: waits for the server to say something.
    pub(crate) async fn wait(&mut self) -> Vec<String> {
        while self.output.is_empty() {
            let ask = self.waiting.take().expect("the client idles");
            let answer = self.session.answer(ask).await;
            self.machine.answer(answer);
            self.run().await;
        }
        self.take()
    }

    /// While IDLE: polls once what would be waited for, and drops it, as a driver does when input comes.
    pub(crate) async fn glance(&mut self) -> bool {
        let Some(ask) = self.waiting.clone() else {
            return false;
        };
        let answer = {
            let mut future = pin!(self.session.answer(ask));
            std::future::poll_fn(|context| {
                Poll::Ready(match future.as_mut().poll(context) {
                    Poll::Ready(answer) => Some(answer),
                    Poll::Pending => None,
                })
            })
            .await
        };
        match answer {
            Some(answer) => {
                self.waiting = None;
                self.machine.answer(answer);
                self.run().await;
                true
            }
            None => false,
        }
    }

    /// What was written since.
    pub(crate) fn raw(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What was written since, as lines; octets that are no UTF-8 replaced.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let output = std::mem::take(&mut self.output);
        String::from_utf8_lossy(&output)
            .split_terminator("\r\n")
            .map(str::to_owned)
            .collect()
    }

    /// Runs a command; all lines up to the tagged one, whose tag is taken off.
    pub(crate) async fn command(&mut self, command: &str) -> Vec<String> {
        self.octets(command.as_bytes()).await
    }

    pub(crate) async fn octets(&mut self, command: &[u8]) -> Vec<String> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        let mut line = tag.clone().into_bytes();
        line.extend_from_slice(command);
        line.extend_from_slice(b"\r\n");
        self.send(&line).await;
        let mut lines = self.take();
        let last = lines.last_mut().expect("a command is answered");
        *last = last
            .strip_prefix(&tag)
            .unwrap_or_else(|| panic!("{command:?} is not finished: {last:?}"))
            .to_owned();
        lines
    }

    /// A command that succeeds; its untagged lines, then the tagged one.
    pub(crate) async fn ok(&mut self, command: &str) -> Vec<String> {
        let lines = self.command(command).await;
        assert!(
            lines.last().unwrap().starts_with("OK "),
            "{command:?}: {lines:?}"
        );
        lines
    }

    /// A command whose tagged line begins like this.
    pub(crate) async fn refused(&mut self, command: &str, expected: &str) -> Vec<String> {
        let lines = self.command(command).await;
        assert!(
            lines.last().unwrap().starts_with(expected),
            "{command:?}: {lines:?}"
        );
        lines
    }

    /// The untagged lines of a command that succeeds.
    pub(crate) async fn untagged(&mut self, command: &str) -> Vec<String> {
        let mut lines = self.ok(command).await;
        lines.pop();
        lines
    }

    /// Appends a message.
    pub(crate) async fn append(&mut self, mailbox: &str, flags: &str, message: &str) -> String {
        let flags = if flags.is_empty() {
            String::new()
        } else {
            format!("{flags} ")
        };
        let lines = self
            .ok(&format!(
                "APPEND {mailbox} {flags}{{{}+}}\r\n{message}",
                message.len()
            ))
            .await;
        lines.last().unwrap().clone()
    }
}

/// A small letter.
pub(crate) fn letter(subject: &str, text: &str) -> String {
    format!(
        "From: Lan <lan@xa.test>\r\nTo: minh@xa.test\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 08:00:00 +0700\r\n\
         Message-ID: <{}@xa.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n",
        subject.len()
    )
}
