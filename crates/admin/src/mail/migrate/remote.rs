//! A session with another server, as straight-line code: the machine's questions come through a channel.

use std::path::PathBuf;
use std::sync::Arc;

use congvu_imap::client::{
    Answer, Ask, Client, Command, Config, Credentials, Fetched, Listed, Outcome, Session,
    SessionError, TlsPolicy,
};
use congvu_net::connect::{Source, connect, lookup};
use congvu_net::tls::{Roots, SYSTEM_ROOTS, Tls, TlsClient};
use congvu_net::{Ending, Link, Service, Shutdown, drive};
use congvu_wire::Secret;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::LARGEST;
use crate::error::{Error, Result};

/// Another server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name; certificates are compared with it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS from the first octet, not STARTTLS.
    pub implicit: bool,
    /// What is demanded.
    pub tls: TlsPolicy,
    /// File of the authorities that are believed; the system's when not given.
    pub roots: Option<PathBuf>,
}

/// A login there.
#[derive(Debug, Clone)]
pub struct Login {
    /// Who logs in.
    pub name: String,
    /// Whose mailboxes, when a master user logs in for others.
    pub acting_as: Option<String>,
    /// Password.
    pub password: Secret,
}

/// Why a session failed, and whether trying again may help.
pub(super) struct Failed {
    pub(super) why: String,
    pub(super) passes: bool,
}

impl From<SessionError> for Failed {
    fn from(error: SessionError) -> Self {
        Self {
            passes: error.passes(),
            why: error.to_string(),
        }
    }
}

/// What connects to a server.
#[derive(Clone)]
pub(super) struct Dialler {
    server: Arc<Server>,
    tls: TlsClient,
}

impl Dialler {
    /// Reads the authorities.
    pub(super) fn new(server: &Server) -> Result<Self> {
        let path = server.roots.as_deref();
        let roots = Roots::load(path.unwrap_or(SYSTEM_ROOTS.as_ref()));
        let roots = match (roots, server.tls) {
            (Ok(roots), _) => Some(roots),
            (Err(error), TlsPolicy::Verified) => return Err(Error::Invalid(error.to_string())),
            (Err(_), _) => None,
        };
        let tls = TlsClient::new(roots.as_ref()).map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(Self {
            server: Arc::new(server.clone()),
            tls,
        })
    }

    /// Opens a session and logs in.
    pub(super) async fn dial(&self, login: &Login) -> Result<Remote, Failed> {
        let server = &self.server;
        let later = |why: String| Failed { why, passes: true };
        let addresses = lookup(&server.host, server.port)
            .await
            .map_err(|e| later(format!("{}: {e}", server.host)))?;
        let (stream, _) = connect(&addresses, Source::default())
            .await
            .map_err(|e| later(e.to_string()))?;
        let side = match server.tls {
            TlsPolicy::Verified => self.tls.verified(&server.host),
            TlsPolicy::Unverified | TlsPolicy::Clear => self.tls.opportunistic(&server.host),
        };
        let side = side.map_err(|e| Failed {
            why: e.to_string(),
            passes: false,
        })?;
        let link = Link {
            stream,
            tls: Some(Tls::Client(side)),
            implicit: server.implicit,
        };
        let mut client = Client::new(Config {
            tls: server.tls,
            credentials: Credentials {
                name: login.name.clone(),
                acting_as: login.acting_as.clone(),
                password: login.password.clone(),
            },
            largest: LARGEST,
        });
        let (asks, questions) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let mut bridge = Bridge { asks };
            drive(link, &mut client, &mut bridge, Shutdown::never()).await
        });
        let mut remote = Remote {
            questions,
            task: Some(task),
            waiting: None,
            session: Session::default(),
        };
        remote.ready().await?;
        Ok(remote)
    }
}

/// Hands the machine's questions on.
struct Bridge {
    asks: mpsc::Sender<(Ask, oneshot::Sender<Answer>)>,
}

impl Service<Client> for Bridge {
    async fn answer(&mut self, ask: Ask) -> Answer {
        let (answer, answered) = oneshot::channel();
        if self.asks.send((ask, answer)).await.is_err() {
            return Answer::Logout;
        }
        answered.await.unwrap_or(Answer::Logout)
    }
}

/// What comes of a command.
pub(super) enum Event {
    Listed(Listed),
    Fetched(Fetched),
    Done(Outcome),
}

/// A session after the login.
pub(super) struct Remote {
    questions: mpsc::Receiver<(Ask, oneshot::Sender<Answer>)>,
    task: Option<JoinHandle<Ending>>,
    waiting: Option<oneshot::Sender<Answer>>,
    pub(super) session: Session,
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Remote {
    async fn ask(&mut self) -> Result<(Ask, oneshot::Sender<Answer>), Failed> {
        if let Some(asked) = self.questions.recv().await {
            return Ok(asked);
        }
        let ending = match self.task.take() {
            Some(task) => task.await.ok(),
            None => None,
        };
        Err(match ending {
            Some(Ending::Handshake(error)) => Failed {
                why: format!(
                    "TLS: {error}; --ca FILE believes another authority, --allow-unverified any certificate"
                ),
                passes: false,
            },
            Some(ending) => Failed {
                why: ending.to_string(),
                passes: true,
            },
            None => SessionError::Closed.into(),
        })
    }

    async fn ready(&mut self) -> Result<(), Failed> {
        match self.ask().await? {
            (Ask::Next(session), waiting) => {
                self.session = session;
                self.waiting = Some(waiting);
                Ok(())
            }
            (Ask::Failed(error), noted) => {
                let _ = noted.send(Answer::Noted);
                Err(error.into())
            }
            _ => Err(SessionError::Garbage.into()),
        }
    }

    /// Says a command; its events follow.
    pub(super) fn say(&mut self, command: Command) {
        if let Some(waiting) = self.waiting.take() {
            // The other end is gone only when the session has ended, which the next event tells.
            let _ = waiting.send(Answer::Command(command));
        }
    }

    /// The next event of the command. After `Done` the session is ready for another.
    pub(super) async fn event(&mut self) -> Result<Event, Failed> {
        let (ask, noted) = self.ask().await?;
        let event = match ask {
            Ask::Listed(listed) => Event::Listed(listed),
            Ask::Fetched(fetched) => Event::Fetched(fetched),
            Ask::Done(outcome) => {
                let _ = noted.send(Answer::Noted);
                self.ready().await?;
                return Ok(Event::Done(outcome));
            }
            Ask::Failed(error) => {
                let _ = noted.send(Answer::Noted);
                return Err(error.into());
            }
            Ask::Next(_) => return Err(SessionError::Garbage.into()),
        };
        let _ = noted.send(Answer::Noted);
        Ok(event)
    }

    /// Says a command that only ends.
    pub(super) async fn run(&mut self, command: Command) -> Result<Outcome, Failed> {
        self.say(command);
        loop {
            if let Event::Done(outcome) = self.event().await? {
                return Ok(outcome);
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        if let Some(waiting) = self.waiting.take() {
            let _ = waiting.send(Answer::Logout);
        }
        self.questions.close();
        if let Some(task) = self.task.take() {
            // Bounded by the driver's farewell and the machine's patience.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(5), task).await;
        }
    }
}
