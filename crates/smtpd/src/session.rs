//! A session: answers the questions of one connection's machine. What a command means is in the file named after
//! it (`mail`, `rcpt`, `deliver`); here is only who asks what, in which state.

use std::sync::Arc;

use congvu_directory::{LoginContext, Service as LoginService};
use congvu_guard::{Pending, SenderFacts};
use congvu_net::Service;
use congvu_smtp::ask::{Answer, Ask, Kind, Mail, Rcpt};
use congvu_smtp::server::Server;
use congvu_store::Timestamp;
use congvu_wire::sasl::SaslAsk;
use congvu_wire::{Peer, TlsInfo};
use tracing::{debug, error, info};

use crate::Shared;
use crate::deliver::deliver;
use crate::facts::{Connection, Hello};
use crate::filter::watches;
use crate::rate::Subject;
use crate::refusal::Refusal;
use crate::transaction::Transaction;
use crate::{mail, rcpt};

/// Unknown recipients of one connection at port 25 before it is closed: above the worst typing errors and stale
/// lists seen in one transaction, far below what guessing addresses needs.
const MISSES_MOST: u32 = 20;

/// One connection's answers.
#[derive(Debug)]
pub struct Session {
    shared: Shared,
    connection: Connection,
    transaction: Option<Transaction>,
    misses: u32,
}

impl Session {
    pub(crate) fn new(shared: Shared, peer: Peer, kind: Kind) -> Self {
        let relay_peer = shared.settings.relays(kind, peer.remote.ip());
        let mut connection = Connection::new(peer, kind, relay_peer);
        if kind == Kind::Mx && !relay_peer {
            let asked = shared.guard.ask_client(peer.remote.ip());
            connection.asked = asked.map(Arc::new);
        }
        Self {
            shared,
            connection,
            transaction: None,
            misses: 0,
        }
    }

    fn open(&self) -> Result<(), Refusal> {
        let client = self.connection.peer.remote.ip();
        let may = self.connection.kind != Kind::Lmtp
            || self
                .shared
                .settings
                .lmtp
                .iter()
                .any(|network| network.contains(client));
        if may { Ok(()) } else { Err(Refusal::Stranger) }
    }

    async fn sasl(&mut self, ask: SaslAsk) -> Answer {
        let remote = self.connection.peer.remote;
        let context = LoginContext {
            remote: remote.ip(),
            port: remote.port(),
            service: LoginService::Submission,
        };
        let (answer, login) = self.shared.directory.sasl(context, ask).await;
        if login.is_some() {
            self.connection.login = login;
        }
        Answer::Sasl(answer)
    }

    async fn mail(&mut self, mail: Mail) -> Result<(), Refusal> {
        let Shared {
            directory,
            settings,
            ..
        } = &self.shared;
        let sender = mail::accept(&self.connection, directory, mail, settings.size_limit).await?;
        self.space(sender.mail.size.unwrap_or(0))?;
        let rates = &settings.rates;
        match &self.connection.login {
            Some(login) => self.take(
                Subject::Messages(login.account),
                rates.account_messages,
                "messages",
            )?,
            None if self.connection.kind == Kind::Mx && !self.connection.relay_peer => {
                let network = Subject::network(self.connection.peer.remote.ip());
                self.take(
                    network,
                    rates.network_messages,
                    "messages from your network",
                )?;
            }
            None => {}
        }
        let mut transaction = Transaction::new(sender);
        transaction.asked = self.ask(&transaction);
        self.transaction = Some(transaction);
        Ok(())
    }

    /// Begins to ask about the sender's domain, of strangers alone.
    fn ask(&self, transaction: &Transaction) -> Option<Arc<Pending<SenderFacts>>> {
        let sender = &transaction.sender;
        if self.connection.kind != Kind::Mx || !watches(&self.connection) || sender.claims_local {
            return None;
        }
        let domain = &sender.address.as_ref()?.domain;
        let client = self.connection.peer.remote.ip();
        self.shared.guard.ask_sender(domain, client).map(Arc::new)
    }

    /// Whether the disk has room for a message of this declared size beyond the reserve.
    fn space(&self, size: u64) -> Result<(), Refusal> {
        let free = self.shared.store.free()?;
        if free < self.shared.settings.reserve.saturating_add(size) {
            error!(
                free,
                reserve = self.shared.settings.reserve,
                size,
                "refuse mail: too little space"
            );
            return Err(Refusal::NoSpace);
        }
        Ok(())
    }

    async fn rcpt(&mut self, rcpt: Rcpt) -> Result<(), Refusal> {
        let transaction = self.transaction.as_ref().ok_or(Refusal::Failed)?;
        let size = transaction.sender.mail.size.unwrap_or(0);
        let accepted = rcpt::accept(
            &self.connection,
            &self.shared.directory,
            &self.shared.settings.hostname,
            rcpt,
            size,
        )
        .await;
        let guessing = self.connection.kind == Kind::Mx && !self.connection.relay_peer;
        if guessing && matches!(accepted, Err(Refusal::NoUser(_))) {
            self.misses += 1;
            if self.misses > MISSES_MOST {
                return Err(Refusal::Guessing);
            }
        }
        let accepted = accepted?;
        if let Some(login) = &self.connection.login {
            self.take(
                Subject::Rcpts(login.account),
                self.shared.settings.rates.account_rcpts,
                "recipients",
            )?;
        }
        self.transaction
            .as_mut()
            .ok_or(Refusal::Failed)?
            .add(accepted)
    }

    fn take(
        &self,
        subject: Subject,
        rate: crate::settings::Rate,
        what: &'static str,
    ) -> Result<(), Refusal> {
        let now = u64::try_from(Timestamp::now().seconds()).unwrap_or(0);
        self.shared
            .rates
            .take(subject, rate, now)
            .map_err(|over| Refusal::Rate(what, over))
    }

    async fn body(&mut self, chunk: Vec<u8>) -> Result<(), Refusal> {
        let transaction = self.transaction.as_mut().ok_or(Refusal::Failed)?;
        transaction
            .take(chunk, &self.shared, &self.connection)
            .await
    }

    /// Remembers a refused MAIL or RCPT for whoever asks why a letter did not arrive.
    fn refused(&self, from: Option<String>, to: Option<String>, refusal: &Refusal) {
        let from = from.or_else(|| {
            let transaction = self.transaction.as_ref()?;
            Some(transaction.sender.mail.from.clone())
        });
        let Shared { store, refused, .. } = &self.shared;
        refused.command(store, &self.connection, from, to, &refusal.reply());
    }

    /// The reply to a refusal, and its log line. Refusals of whole messages are logged by `deliver`.
    fn reply(&self, stage: &'static str, outcome: Result<(), Refusal>) -> Answer {
        let Err(refusal) = outcome else {
            return Answer::Accept;
        };
        let reply = refusal.reply();
        let remote = self.connection.peer.remote;
        info!(
            stage,
            code = reply.code,
            reason = reply.text,
            kind = ?self.connection.kind,
            id = self.transaction.as_ref().map(|transaction| transaction.id.as_str()),
            from = self.transaction.as_ref().map(|transaction| transaction.sender.mail.from.as_str()),
            account = self.connection.account(),
            remote = %remote.ip(),
            port = remote.port(),
            "refuse command"
        );
        Answer::Reply(reply)
    }
}

impl Service<Server> for Session {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Open => self.reply("open", self.open()),
            Ask::Hello {
                name,
                extended,
                early,
            } => {
                debug!(name, early, "greet client");
                self.connection.early_talk |= early;
                self.connection.hello = Some(Hello { name, extended });
                self.transaction = None;
                Answer::Accept
            }
            Ask::Sasl(ask) => self.sasl(ask).await,
            Ask::Mail(mail) => {
                self.transaction = None;
                let from = mail.from.clone();
                let outcome = self.mail(mail).await;
                if let Err(refusal) = &outcome {
                    self.refused(Some(from), None, refusal);
                }
                self.reply("mail", outcome)
            }
            Ask::Rcpt(rcpt) => {
                let to = rcpt.to.clone();
                let outcome = self.rcpt(rcpt).await;
                if let Err(refusal) = &outcome {
                    self.refused(None, Some(to), refusal);
                }
                self.reply("rcpt", outcome)
            }
            Ask::Body(chunk) => {
                let outcome = self.body(chunk).await;
                self.reply("body", outcome)
            }
            Ask::Deliver => match self.transaction.take() {
                Some(transaction) => deliver(&self.shared, &self.connection, transaction).await,
                None => Answer::Reply(Refusal::Failed.reply()),
            },
            Ask::Reset => {
                self.transaction = None;
                Answer::Accept
            }
        }
    }

    /// RFC 3207 section 4.2: what was said before the handshake counts no more.
    fn secured(&mut self, tls: &TlsInfo) {
        self.connection.tls = Some(tls.clone());
        self.connection.hello = None;
        self.connection.login = None;
        self.transaction = None;
    }
}
