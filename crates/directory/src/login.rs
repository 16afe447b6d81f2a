//! Logins: passwords, app passwords, SCRAM keys, delays for failures, session counts.
//!
//! Who logs in writes the account's address, or an alias that is the account's alone. Whoever operates a
//! post opens its mailboxes with `post@domain*person@domain` (or `~` for `*`) and the *person's* password: so
//! a post needs no shared password, and the log says who it was.
//!
//! Invariant: known and unknown names cost the same time, get the same answer, and wait the same delays.

mod candidate;
mod delay;
mod exchange;
mod name;
mod session;
mod verified;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use congvu_message::Address;
use congvu_store::{AccountId, Read, Timestamp};
use congvu_wire::Secret;
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk, ScramKey, ScramKeys};
use tokio::sync::{OnceCell, Semaphore};

use crate::Directory;
use crate::error::{Error, Result};
use crate::find;
use crate::password;
use crate::record::{Account, Credential, CredentialId, Pepper};
use crate::resolve::operates;

use candidate::{Candidate, candidate, false_keys};
use delay::Delays;
use exchange::Exchanges;
use name::Name;
use session::Sessions;
use verified::Verified;

pub use session::Session;

/// Password hashes computed at once: 19 MiB each, and the rest of the server wants the processors too.
const HASHES: usize = 4;
/// The use of a credential is written down when the last note is older than this: a transaction for each of
/// a thousand phones a minute would say nothing more.
const USE_NOTED: i64 = 3_600_000;

/// Which service asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// IMAP.
    Imap,
    /// Submission.
    Submission,
}

/// Where a login comes from: for delays keyed by address *and* account, and for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginContext {
    /// Client's address.
    pub remote: IpAddr,
    /// Client's port.
    pub port: u16,
    /// Which service.
    pub service: Service,
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub account: AccountId,
    /// Its primary address.
    pub address: Address,
    /// Which credential: `main` or the app password's name.
    pub credential: String,
    /// Whose mailboxes are shown: itself, or a post when the name was `post@domain*person@domain`.
    pub acting_for: AccountId,
    /// The credential that was proved; see [`Directory::is_current`].
    pub proof: CredentialId,
    /// The place among the account's IMAP sessions. Keep the login as long as the session lives.
    pub session: Session,
}

/// What logins share in memory. All of it may be lost at a restart.
pub(crate) struct Logins {
    hashing: Arc<Semaphore>,
    delays: Delays,
    sessions: Sessions,
    verified: Mutex<Verified>,
    exchanges: Mutex<Exchanges>,
    pepper: OnceCell<[u8; 32]>,
    nobody: OnceCell<String>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            hashing: Arc::new(Semaphore::new(HASHES)),
            delays: Delays::default(),
            sessions: Sessions::default(),
            verified: Mutex::default(),
            exchanges: Mutex::default(),
            pepper: OnceCell::new(),
            nobody: OnceCell::new(),
        }
    }
}

impl Logins {
    /// Runs a password hash off the executor. The permit ends with the work, also when the asker has gone.
    pub(crate) async fn hashing<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let closed = || Error::Store(congvu_store::Error::Closed);
        let permit = Arc::clone(&self.hashing)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| closed())?
    }

    fn verified(&self) -> MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a login did not succeed.
enum Refusal {
    /// As the client learns it.
    Denied(Denial),
    /// The store or the machine failed.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Directory {
    /// Answers one SASL question. A grant comes with the login. Failed attempts delay the answer
    /// (grows from 1 s to 30 s for the same pair of client network and account name) without holding
    /// up anybody else; Argon2 runs off the executor, at most 4 at once.
    pub async fn sasl(&self, context: LoginContext, ask: SaslAsk) -> (SaslAnswer, Option<Login>) {
        let (name, outcome) = match ask {
            SaslAsk::Keys { authcid } => match self.keys(&context, &Name::parse(&authcid)).await {
                Ok(keys) => return (SaslAnswer::Keys(keys), None),
                Err(refusal) => (authcid, Err(refusal)),
            },
            SaslAsk::Password { authcid, password } => {
                let outcome = self
                    .password_login(&context, &Name::parse(&authcid), &password)
                    .await;
                (authcid, outcome)
            }
            SaslAsk::Decided { authcid, matched } => {
                let outcome = self
                    .scram_login(&context, &Name::parse(&authcid), matched)
                    .await;
                (authcid, outcome)
            }
        };
        let LoginContext {
            remote,
            port,
            service,
        } = context;
        match outcome {
            Ok(login) => {
                // An IMAP session is logged with its end, by the service.
                if service == Service::Submission {
                    tracing::info!(account = %login.address, credential = login.credential, %remote, port,
                        "submission login");
                }
                (SaslAnswer::Granted, Some(login))
            }
            Err(Refusal::Denied(denial)) => {
                tracing::info!(?name, ?denial, ?service, %remote, port, "login refused");
                (SaslAnswer::Denied(denial), None)
            }
            Err(Refusal::Failed(error)) => {
                tracing::error!(%error, ?service, %remote, port, "login failed");
                (SaslAnswer::Denied(Denial::Unavailable), None)
            }
        }
    }

    /// Whether a login would still be granted: its password not changed or revoked, everything enabled, the
    /// post still operated. For long sessions, after a change of the directory.
    pub async fn is_current(&self, login: &Login) -> Result<bool> {
        let (account, acting_for, proof) = (login.account, login.acting_for, login.proof);
        self.store
            .read(move |r| {
                let Some(person) = r.get::<Account>(&account)? else {
                    return Ok(false);
                };
                let Some(shown) = r.get::<Account>(&acting_for)? else {
                    return Ok(false);
                };
                Ok(r.get::<Credential>(&(account, proof))?.is_some()
                    && find::account_enabled(r, &person)?
                    && find::account_enabled(r, &shown)?
                    && (account == acting_for || operates(r, acting_for, account)?))
            })
            .await
    }

    /// Sets how many IMAP sessions an account may have open, where its agency prescribes nothing (60 at
    /// first). Sessions that are open stay.
    pub fn limit_sessions(&self, limit: u32) {
        self.logins.sessions.set_limit(limit);
    }

    /// How many IMAP sessions an account has open.
    pub fn sessions(&self, account: AccountId) -> u32 {
        self.logins.sessions.count(account)
    }

    async fn candidate(&self, name: &Name) -> Result<Option<Candidate>> {
        match name.clone() {
            Name::Of { person, post } => {
                self.store
                    .read(move |r| candidate(r, &person, post.as_ref()))
                    .await
            }
            Name::Nonsense(_) => Ok(None),
        }
    }

    async fn password_login(
        &self,
        context: &LoginContext,
        name: &Name,
        password: &Secret,
    ) -> Result<Login, Refusal> {
        let password = password::normalize(password);
        let pair = name.pair(context);
        let candidate = self.candidate(name).await?;
        if let Some(candidate) = &candidate {
            let found = {
                let mut verified = self.logins.verified();
                let mark = verified.mark(candidate.account.id, &password);
                verified.find(&mark)
            };
            if let Some(credential) = found.and_then(|id| candidate.credential(id)) {
                return self.grant(context.service, candidate, credential);
            }
        }
        let waited = self
            .logins
            .delays
            .wait(&pair)
            .await
            .map_err(|_| Refusal::Denied(Denial::TooMany))?;
        let to_check = candidate.as_ref().and_then(|c| c.to_check(&password));
        let phc = match to_check {
            Some(credential) => credential.phc.clone(),
            None => self.nobody().await?,
        };
        let attempt = Secret::new(password.expose());
        let matched = self
            .logins
            .hashing(move || Ok(password::verify(&attempt, &phc)))
            .await?;
        match (&candidate, to_check) {
            (Some(candidate), Some(credential)) if matched && candidate.allowed => {
                {
                    let mut verified = self.logins.verified();
                    let mark = verified.mark(candidate.account.id, &password);
                    verified.remember(mark, credential.id);
                }
                self.logins.delays.succeeded(&pair);
                self.grant(context.service, candidate, credential)
            }
            _ => {
                let attempt = self.logins.verified().attempt(&name.key(), &password);
                self.logins
                    .delays
                    .failed(&pair, Some(attempt), waited)
                    .await;
                Err(Refusal::Denied(Denial::Credentials))
            }
        }
    }

    async fn keys(&self, context: &LoginContext, name: &Name) -> Result<ScramKeys, Refusal> {
        let waited = match self.logins.delays.wait(&name.pair(context)).await {
            Ok(waited) => waited,
            Err(delay::Crowded) => return Err(Refusal::Denied(Denial::TooMany)),
        };
        let candidate = self.candidate(name).await?;
        let (keys, credentials) = match &candidate {
            Some(Candidate {
                ring: Some(ring),
                credentials,
                ..
            }) if !credentials.is_empty() => {
                let keys = credentials.iter().map(|c| ScramKey {
                    stored_key: c.stored_key,
                    server_key: c.server_key,
                });
                let keys = ScramKeys {
                    salt: ring.salt.to_vec(),
                    iterations: ring.iterations,
                    keys: keys.collect(),
                };
                (keys, credentials.iter().map(|c| c.id).collect())
            }
            _ => (false_keys(&self.pepper().await?, &name.key()), Vec::new()),
        };
        if self
            .logins
            .exchanges()
            .open(context, &name.key(), credentials, waited)
        {
            Ok(keys)
        } else {
            Err(Refusal::Denied(Denial::TooMany))
        }
    }

    async fn scram_login(
        &self,
        context: &LoginContext,
        name: &Name,
        matched: Option<usize>,
    ) -> Result<Login, Refusal> {
        let pair = name.pair(context);
        let (proved, waited) = self.logins.exchanges().close(context, &name.key(), matched);
        let candidate = self.candidate(name).await?;
        if let Some(candidate) = candidate.as_ref().filter(|c| c.allowed)
            && let Some(credential) = proved.and_then(|id| candidate.credential(id))
        {
            self.logins.delays.succeeded(&pair);
            return self.grant(context.service, candidate, credential);
        }
        self.logins.delays.failed(&pair, None, waited).await;
        Err(Refusal::Denied(Denial::Credentials))
    }

    /// The password is right. What may still stand against the login is told openly.
    fn grant(
        &self,
        service: Service,
        candidate: &Candidate,
        credential: &Credential,
    ) -> Result<Login, Refusal> {
        if !candidate.allowed {
            return Err(Refusal::Denied(Denial::Credentials));
        }
        if !candidate.enabled {
            return Err(Refusal::Denied(Denial::Disabled));
        }
        let account = &candidate.account;
        let sessions = &self.logins.sessions;
        let session = match service {
            Service::Imap => {
                let limit = candidate.sessions.unwrap_or_else(|| sessions.limit());
                let place = sessions.open(account.id, limit);
                place.ok_or(Refusal::Denied(Denial::TooMany))?
            }
            // Short, and bounded by what the listener lets in and how much an account may send.
            Service::Submission => Session::default(),
        };
        self.note_use(credential);
        Ok(Login {
            account: account.id,
            address: account.address(),
            credential: credential.name.clone(),
            acting_for: candidate.acting_for,
            proof: credential.id,
            session,
        })
    }

    /// Writes down when a credential was used, without making the client wait for the disk. Watchers of the
    /// directory are not woken: nothing that they decide by has changed.
    fn note_use(&self, credential: &Credential) {
        let now = Timestamp::now();
        if credential
            .last_used
            .is_some_and(|last| now.0.saturating_sub(last.0) < USE_NOTED)
        {
            return;
        }
        let store = self.store.clone();
        let key = (credential.account, credential.id);
        tokio::spawn(async move {
            let noted = store
                .transact::<_, Error, _>(move |tx| {
                    if let Some(mut credential) = tx.get::<Credential>(&key)? {
                        credential.last_used = Some(tx.now());
                        tx.put(&credential)?;
                    }
                    Ok(())
                })
                .await;
            if let Err(error) = noted {
                tracing::warn!(%error, account = %key.0, "use of a credential not noted");
            }
        });
    }

    /// A hash to check against when there is none, so that it takes as long.
    async fn nobody(&self) -> Result<String> {
        let make = || self.logins.hashing(|| Ok(password::false_hash()));
        Ok(self.logins.nobody.get_or_try_init(make).await?.clone())
    }

    /// The store's own random octets; made at first use.
    async fn pepper(&self) -> Result<[u8; 32]> {
        let make = || async {
            if let Some(pepper) = self
                .store
                .read::<_, Error, _>(|r| Ok(r.get::<Pepper>(&())?))
                .await?
            {
                return Ok(pepper.octets);
            }
            let fresh = Pepper {
                octets: password::random(),
            };
            self.store
                .transact::<_, Error, _>(move |tx| {
                    if let Some(there) = tx.get::<Pepper>(&())? {
                        return Ok(there.octets);
                    }
                    tx.put(&fresh)?;
                    Ok(fresh.octets)
                })
                .await
        };
        self.logins.pepper.get_or_try_init(make).await.copied()
    }
}
