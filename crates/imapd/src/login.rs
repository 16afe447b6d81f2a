//! AUTHENTICATE and LOGIN (RFC 9051 sections 6.2.2 and 6.2.3), and the end of a session.
//!
//! Log lines say who came from where, with the port, as evidence rules ask; never a password. Delays after
//! failed attempts, the count of sessions and the log of refusals are the directory's.

use std::sync::Arc;

use congvu_directory::{Login, LoginContext, Service};
use congvu_imap::ask::Answer;
use congvu_imap::response::{Code, Done, Status, Untagged};
use congvu_store::{Topic, Watcher};
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk};

use crate::session::{LoggedIn, Session, State, Work};

/// A granted login, and whether it is still good: an account that is disabled, a password that is revoked,
/// a post that is no longer operated end the session at its next command, or while it idles.
pub(crate) struct Grant {
    /// Holds the session's place in the account's count.
    pub(crate) login: Login,
    changes: Watcher,
    /// The directory changed since the login was last checked.
    unchecked: bool,
    revoked: bool,
}

impl LoggedIn {
    /// Whether the login has been revoked. Cancel-safe.
    pub(crate) async fn is_revoked(&mut self) -> bool {
        let grant = &mut self.grant;
        let batch = grant.changes.take();
        grant.unchecked |= batch.rescan || !batch.changes.is_empty();
        if grant.unchecked && !grant.revoked {
            match self.shared.directory.is_current(&grant.login).await {
                Ok(current) => {
                    grant.revoked = !current;
                    grant.unchecked = false;
                }
                Err(error) => {
                    tracing::error!(account = %grant.login.address, %error, "login not checked");
                }
            }
        }
        grant.revoked
    }
}

impl Grant {
    /// Resolves once the directory has changed. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        self.changes.changed().await;
    }
}

impl Session {
    pub(crate) async fn sasl(&mut self, ask: SaslAsk) -> Answer {
        let context = LoginContext {
            remote: self.peer.remote.ip(),
            port: self.peer.remote.port(),
            service: Service::Imap,
        };
        let (answer, login) = self.shared.directory.sasl(context, ask).await;
        Answer::Sasl(match (answer, login) {
            (SaslAnswer::Granted, Some(login)) => {
                self.admit(login);
                SaslAnswer::Granted
            }
            // A grant without an account would be a session of nobody.
            (SaslAnswer::Granted, None) => SaslAnswer::Denied(Denial::Unavailable),
            (other, _) => other,
        })
    }

    fn admit(&mut self, login: Login) {
        tracing::info!(
            account = %login.address, acting_for = %login.acting_for, credential = %login.credential,
            address = %self.peer.remote.ip(), port = self.peer.remote.port(), tls = self.tls(),
            "imap login"
        );
        self.state = State::LoggedIn(Box::new(LoggedIn {
            shared: Arc::clone(&self.shared),
            account: login.acting_for,
            grant: Grant {
                login,
                changes: self.shared.store.watch(Topic::Directory),
                unchecked: false,
                revoked: false,
            },
            rev2: false,
            view: None,
            upload: None,
            work: Work::None,
        }));
    }

    /// The connection ends: the view is closed, the session's place is free again.
    pub(crate) async fn end(&mut self) -> Answer {
        if let State::LoggedIn(user) = &mut self.state {
            user.leave().await;
            self.log_out("imap logout");
        }
        Answer::Accept
    }

    /// Forgets the login, with a line in the log.
    fn log_out(&mut self, how: &'static str) {
        if let State::LoggedIn(user) = std::mem::replace(&mut self.state, State::NotLoggedIn) {
            tracing::info!(
                account = %user.grant.login.address, address = %self.peer.remote.ip(), port = self.peer.remote.port(),
                "{how}"
            );
        }
    }

    /// The login is no longer good: says so and forgets it.
    pub(crate) async fn revoke(&mut self) -> Answer {
        self.end().await;
        let text = "The login is no longer valid";
        let bye = Untagged::Status(Done {
            status: Status::Bye,
            code: None,
            text: text.to_owned(),
        });
        Answer::Reply {
            untagged: vec![bye],
            done: Some(Done::no(Some(Code::AuthorizationFailed), text)),
        }
    }

    fn tls(&self) -> &str {
        self.tls.as_deref().unwrap_or("none")
    }
}

impl Drop for Session {
    /// A connection that is lost ends without a question.
    fn drop(&mut self) {
        self.log_out("imap connection lost");
    }
}
