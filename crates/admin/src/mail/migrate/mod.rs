//! `migrate imap`: mailboxes of another server into accounts here, over IMAP.
//!
//! Can be repeated: a later run brings what is new there and follows flags that changed there. What was brought
//! is noted in the transaction that places it ([`super::ledger`]), so a run that is killed or loses its connection
//! goes on where it was. Nothing is changed on the other server.

mod account;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use congvu_store::Options;
use congvu_wire::Secret;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::Act;
use super::feeder::Conversation;
use super::files::Moved;
use crate::error::{Error, LineError, Refusal, Result};
use crate::open::{Connection, Site};
use account::{Run, Stop};
use remote::Dialler;
pub use remote::{Login, Server};

pub use congvu_imap::client::TlsPolicy;

/// Attempts without anything new coming over before an account is given up.
const ATTEMPTS: u32 = 5;
/// The first wait between two attempts; each further one is twice as long.
const WAIT: Duration = Duration::from_secs(2);
/// Most accounts of one file.
const ACCOUNTS: usize = 5_000;
/// Most accounts moved at once: each may hold one large message in memory.
pub const AT_ONCE: usize = 16;

/// One account.
#[derive(Debug, Clone)]
pub struct Job {
    /// Here.
    pub address: String,
    /// There.
    pub login: Login,
}

/// What to migrate.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "switches of the command, each independent of the others"
)]
pub struct Migrate {
    /// From where.
    pub server: Server,
    /// Which accounts.
    pub jobs: Vec<Job>,
    /// How many of them at once.
    pub at_once: usize,
    /// Put everything into this mailbox and below it.
    pub into: Option<String>,
    /// Keep names that are known to be those of sent mail, drafts … elsewhere.
    pub as_named: bool,
    /// Mailboxes there that are left out, with those below them.
    pub exclude: Vec<String>,
    /// Take the mailbox that shows all messages as any other.
    pub all_mail: bool,
    /// Leave out messages that are marked as deleted there.
    pub skip_deleted: bool,
    /// Limits do not bind.
    pub ignore_quota: bool,
}

/// How far an account is.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'a> {
    /// Which.
    pub account: &'a str,
    /// Its mailbox there.
    pub mailbox: &'a str,
    /// New messages of it brought.
    pub done: u64,
    /// New messages of it.
    pub all: u64,
    /// Octets of the account put so far.
    pub octets: u64,
}

/// Told how far it is.
pub type Watch = Arc<dyn Fn(&Stage<'_>) + Send + Sync>;

/// What came of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// Login there.
    pub login: String,
    /// What was brought.
    #[serde(flatten)]
    pub moved: Moved,
    /// Why it is not complete; run it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_off: Option<String>,
}

impl Migrated {
    /// Whether everything is here.
    pub fn is_whole(&self) -> bool {
        self.broken_off.is_none() && self.moved.is_whole()
    }
}

/// Migrates; beside the server or alone. What came of each account, in the given order.
pub async fn migrate(site: &Site, what: &Migrate, watch: Watch) -> Result<Vec<Migrated>> {
    let dialler = Dialler::new(&what.server)?;
    let connection = crate::connect(&site.data, &site.socket, Options::default()).await?;
    let outcome = all(&connection, site, what, (&dialler, &watch)).await;
    let closed = connection.close().await;
    let done = outcome?;
    closed?;
    Ok(done)
}

async fn all(
    connection: &Connection,
    site: &Site,
    what: &Migrate,
    (dialler, watch): (&Dialler, &Watch),
) -> Result<Vec<Migrated>> {
    let what = Arc::new(what.clone());
    let mut running = JoinSet::new();
    let mut done: Vec<Option<Migrated>> = what.jobs.iter().map(|_| None).collect();
    let mut jobs = what.jobs.clone().into_iter().enumerate();
    let most = what.at_once.clamp(1, AT_ONCE);
    loop {
        while running.len() < most
            && let Some((index, job)) = jobs.next()
        {
            let door = connection.mail(site).await?;
            let (what, dialler, watch) = (Arc::clone(&what), dialler.clone(), Arc::clone(watch));
            running.spawn(async move {
                let detail = format!("{} of {}", login_of(&job.login), what.server.host);
                let begun = Conversation::begin(door, Act::Migrate, &job.address, &detail).await;
                let migrated = match begun {
                    Ok(conversation) => one(conversation, &what, &job, (&dialler, &watch)).await,
                    Err(error) => Migrated {
                        login: login_of(&job.login).to_owned(),
                        moved: Moved {
                            address: job.address.clone(),
                            ..Moved::default()
                        },
                        broken_off: Some(Refusal::from(error).message),
                    },
                };
                (index, migrated)
            });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((index, migrated))) => done[index] = Some(migrated),
            Some(Err(error)) => return Err(Error::Unreachable(format!("broken off: {error}"))),
        }
    }
    Ok(done.into_iter().flatten().collect())
}

fn login_of(login: &Login) -> &str {
    login.acting_as.as_deref().unwrap_or(&login.name)
}

/// One account, with as many sessions as it takes while each brings something.
async fn one(
    mut conversation: Conversation,
    what: &Migrate,
    job: &Job,
    (dialler, watch): (&Dialler, &Watch),
) -> Migrated {
    let mut moved = Moved {
        address: conversation.address.clone(),
        ..Moved::default()
    };
    let login = login_of(&job.login).to_owned();
    let origin = format!("{}:{} {login}", what.server.host, what.server.port);
    let (mut failures, mut wait) = (0, WAIT);
    let mut broken_off = None;
    loop {
        let before = moved.tally;
        // What an attempt could not take is told by the last one.
        (moved.bad, moved.bad_count) = (Vec::new(), 0);
        let ended = async {
            let mut remote = dialler.dial(&job.login).await?;
            let mut run = Run {
                conversation: &mut conversation,
                what,
                origin: origin.clone(),
                moved: &mut moved,
                watch,
            };
            run.all(&mut remote).await?;
            remote.close().await;
            Ok(())
        }
        .await;
        match ended {
            Ok(()) => break,
            Err(Stop::Own(error)) => {
                broken_off = Some(Refusal::from(error).message);
                break;
            }
            Err(Stop::Remote(failed)) => {
                if moved.tally != before {
                    (failures, wait) = (0, WAIT);
                }
                failures += 1;
                if !failed.passes || failures >= ATTEMPTS {
                    broken_off = Some(failed.why);
                    break;
                }
                tracing::warn!(account = moved.address, why = failed.why, "try again");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }
    if let Err(error) = conversation.end().await {
        broken_off.get_or_insert(Refusal::from(error).message);
    }
    Migrated {
        login,
        moved,
        broken_off,
    }
}

/// A master user there.
#[derive(Debug, Clone)]
pub struct Master {
    /// Name.
    pub name: String,
    /// Password.
    pub password: Secret,
}

/// Reads a file of accounts: columns `account`, `user` (the account when empty) and, without a master user,
/// `password`.
pub fn jobs(csv: &Secret, master: Option<&Master>) -> Result<Vec<Job>> {
    let text = csv.expose();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let first = text
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let delimiter = if first.contains(&b';') && !first.contains(&b',') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text);
    let wrong = |line: u64, message: &str| LineError {
        line,
        message: message.to_owned(),
    };
    let refused = |errors| Err(Error::Import(errors));
    let Ok(headers) = reader.headers().cloned() else {
        return refused(vec![wrong(1, "not UTF-8, or no first line")]);
    };
    let column = |name: &str| headers.iter().position(|h| h.eq_ignore_ascii_case(name));
    let (Some(account), user, password) = (column("account"), column("user"), column("password"))
    else {
        return refused(vec![wrong(1, "there is no column account")]);
    };
    if password.is_none() && master.is_none() {
        let why = "there is no column password; give it, or a master user";
        return refused(vec![wrong(1, why)]);
    }
    let (mut jobs, mut errors) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                errors.push(wrong(line, "not UTF-8, or not CSV"));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
        let address = field(Some(account)).to_owned();
        if address.is_empty() {
            errors.push(wrong(line, "no account"));
            continue;
        }
        let user = match field(user) {
            "" => address.clone(),
            user => user.to_owned(),
        };
        let login = match master {
            Some(master) => Login {
                name: master.name.clone(),
                acting_as: Some(user),
                password: master.password.clone(),
            },
            None if field(password).is_empty() => {
                errors.push(wrong(line, "no password"));
                continue;
            }
            None => Login {
                name: user,
                acting_as: None,
                password: Secret::new(field(password)),
            },
        };
        jobs.push(Job { address, login });
    }
    if jobs.len() > ACCOUNTS {
        errors.push(wrong(0, "more than 5,000 accounts; split the file"));
    }
    if errors.is_empty() {
        Ok(jobs)
    } else {
        refused(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_accounts() {
        let read = |text: &str, master: Option<&Master>| jobs(&Secret::new(text), master);
        let found = read(
            "account;user;password\nan@xa.test;an;p,1\nbinh@xa.test;;x\n",
            None,
        )
        .unwrap();
        assert_eq!(found[0].login.name, "an");
        assert_eq!(found[0].login.password.expose(), b"p,1");
        assert_eq!(found[1].login.name, "binh@xa.test");
        let master = Master {
            name: "admin".into(),
            password: Secret::new("m"),
        };
        let found = read("account,user\nan@xa.test,an\n", Some(&master)).unwrap();
        assert_eq!(found[0].login.name, "admin");
        assert_eq!(found[0].login.acting_as.as_deref(), Some("an"));
        for (text, line) in [
            ("user,password\n", 1),
            ("account\nan@xa.test\n", 1),
            ("account,password\nan@xa.test,\n", 2),
            ("account,password\n,x\n", 2),
        ] {
            match read(text, None) {
                Err(Error::Import(errors)) => assert_eq!(errors[0].line, line, "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
