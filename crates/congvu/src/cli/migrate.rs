//! `congvu migrate imap`: mailboxes of another server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use congvu_admin::mail::migrate::{
    AT_ONCE, Job, Login, Master, Migrate, Migrated, Server, Stage, TlsPolicy, Watch, jobs, migrate,
};
use congvu_wire::Secret;

use super::amount::size;
use super::password::read_file;
use super::store::{show, with_site};
use super::table::plain;
use super::{USAGE, Usage};

/// Most octets of a password file.
const PASSWORD_OCTETS: u64 = 4_096;
/// Most octets of a file of accounts: far more than five thousand lines.
const FILE_OCTETS: u64 = 4 << 20;
/// How often progress is told, on a terminal and elsewhere.
const EVERY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];
/// Characters of a bar.
const BAR: u64 = 24;

/// Ways in.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Bring mailboxes over IMAP. Can be repeated: a later run brings what is new. Nothing is changed there.
    Imap(Box<ImapArgs>),
}

/// From where, what, how.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[command(group = clap::ArgGroup::new("whose").required(true).args(["account", "accounts"]))]
pub(crate) struct ImapArgs {
    /// The other server: imaps://HOST[:PORT] (TLS) or imap://HOST[:PORT] (STARTTLS).
    #[arg(long, value_name = "URL", value_parser = url)]
    from: Url,
    /// The account here.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    /// The login there; otherwise the account's address.
    #[arg(long, value_name = "NAME", conflicts_with = "accounts")]
    user: Option<String>,
    /// Read the login's (or the master user's) password from a file; otherwise it is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Log in there as this user, who may open everybody's mailboxes (SASL PLAIN with an authorization identity).
    #[arg(long, value_name = "NAME")]
    master_user: Option<String>,
    /// Many accounts: a CSV file with the columns account, user (the account when empty) and, without a master
    /// user, password.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// How many accounts at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=AT_ONCE as i64))]
    at_once: u8,
    /// Put everything into this mailbox and below it.
    #[arg(long, value_name = "NAME")]
    into: Option<String>,
    /// Keep the names of mailboxes that are known to be sent mail, drafts, junk or trash elsewhere.
    #[arg(long)]
    keep_names: bool,
    /// Leave this mailbox there out, with those below it; may be given several times.
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// Take the mailbox that shows all messages (Gmail's All Mail) as any other.
    #[arg(long)]
    all_mail: bool,
    /// Leave out messages that are marked as deleted there.
    #[arg(long)]
    skip_deleted: bool,
    /// Limits of the account, its domain and agencies do not bind.
    #[arg(long)]
    ignore_quota: bool,
    /// Believe the certification authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Take any certificate: whoever sits between can read the passwords.
    #[arg(long)]
    allow_unverified: bool,
    /// Speak without TLS: whoever sits between can read everything.
    #[arg(long, conflicts_with = "allow_unverified")]
    allow_clear_text: bool,
}

/// Where the other server is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Url {
    host: String,
    port: u16,
    implicit: bool,
}

fn url(text: &str) -> Result<Url, String> {
    let wrong = || "give imaps://HOST or imap://HOST, with :PORT if it is another".to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let (implicit, port) = match scheme.to_ascii_lowercase().as_str() {
        "imaps" => (true, 993),
        "imap" => (false, 143),
        _ => return Err(wrong()),
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
            match after.strip_prefix(':') {
                Some(digits) => (host, digits.parse().map_err(|_| wrong())?),
                None if after.is_empty() => (host, port),
                None => return Err(wrong()),
            }
        }
        None => match rest.rsplit_once(':') {
            Some((host, digits)) => (host, digits.parse().map_err(|_| wrong())?),
            None => (rest, port),
        },
    };
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"/@?#".contains(c);
    if host.is_empty() || !host.chars().all(fits) {
        return Err(wrong());
    }
    Ok(Url {
        host: host.to_owned(),
        port,
        implicit,
    })
}

impl ImapArgs {
    fn migrate(self) -> Result<Migrate, Usage> {
        let password = |of: &str| password(self.password_file.as_deref(), of);
        let jobs = match (&self.accounts, &self.account) {
            (Some(file), _) => {
                let csv = Secret::new(read_file(file, FILE_OCTETS)?);
                let master = match &self.master_user {
                    Some(name) => Some(Master {
                        name: name.clone(),
                        password: password(name)?,
                    }),
                    None => None,
                };
                jobs(&csv, master.as_ref()).map_err(|error| {
                    let refusal = congvu_admin::Refusal::from(error);
                    let lines = refusal.lines.iter();
                    lines.fold(refusal.message.clone(), |text, line| {
                        format!("{text}\n  line {}: {}", line.line, line.message)
                    })
                })?
            }
            (None, Some(account)) => {
                let user = self.user.clone().unwrap_or_else(|| account.clone());
                let (name, acting_as) = match &self.master_user {
                    Some(master) => (master.clone(), Some(user)),
                    None => (user, None),
                };
                let password = password(&name)?;
                vec![Job {
                    address: account.clone(),
                    login: Login {
                        name,
                        acting_as,
                        password,
                    },
                }]
            }
            // clap demands one of the two.
            (None, None) => return Err("give --account or --accounts".to_owned()),
        };
        let tls = match (self.allow_clear_text, self.allow_unverified) {
            (true, _) if self.from.implicit => {
                return Err("imaps:// is TLS; --allow-clear-text needs imap://".to_owned());
            }
            (true, _) => TlsPolicy::Clear,
            (false, true) => TlsPolicy::Unverified,
            (false, false) => TlsPolicy::Verified,
        };
        Ok(Migrate {
            server: Server {
                host: self.from.host,
                port: self.from.port,
                implicit: self.from.implicit,
                tls,
                roots: self.ca,
            },
            jobs,
            at_once: usize::from(self.at_once),
            into: self.into,
            as_named: self.keep_names,
            exclude: self.exclude,
            all_mail: self.all_mail,
            skip_deleted: self.skip_deleted,
            ignore_quota: self.ignore_quota,
        })
    }
}

fn password(file: Option<&Path>, of: &str) -> Result<Secret, Usage> {
    let Some(file) = file else {
        if !std::io::stdin().is_terminal() {
            return Err(
                "no password: give --password-file FILE (\"-\" for standard input), or run this on a terminal"
                    .to_owned(),
            );
        }
        return rpassword::prompt_password(format!("Password of {} there: ", plain(of)))
            .map(|text| Secret::new(text.into_bytes()))
            .map_err(|error| format!("cannot ask for the password: {error}"));
    };
    let mut octets = read_file(file, PASSWORD_OCTETS)?;
    if octets.last() == Some(&b'\n') {
        octets.pop();
        if octets.last() == Some(&b'\r') {
            octets.pop();
        }
    }
    Ok(Secret::new(octets))
}

/// Migrates.
pub(crate) fn run(config: &Path, json: bool, Verb::Imap(args): Verb) -> ExitCode {
    let what = match args.migrate() {
        Ok(what) => what,
        Err(usage) => {
            eprintln!("error: {usage}");
            return ExitCode::from(USAGE);
        }
    };
    with_site(config, json, |site| async move {
        let done = migrate(&site, &what, watch()).await?;
        show(json, &done, |done| migrated(done));
        Ok(done.iter().all(Migrated::is_whole))
    })
}

/// How far one account is.
struct Line {
    mailbox: String,
    done: u64,
    all: u64,
    octets: u64,
}

struct Board {
    lines: BTreeMap<String, Line>,
    told: Instant,
    /// Lines on the terminal that are written over.
    shown: usize,
}

/// Tells on standard error how far it is: a bar for each account on a terminal, a line each now and then
/// elsewhere.
fn watch() -> Watch {
    let terminal = std::io::stderr().is_terminal();
    let board = Mutex::new(Board {
        lines: BTreeMap::new(),
        told: Instant::now(),
        shown: 0,
    });
    Arc::new(move |stage: &Stage<'_>| {
        let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line {
            mailbox: stage.mailbox.to_owned(),
            done: stage.done,
            all: stage.all,
            octets: stage.octets,
        };
        board.lines.insert(stage.account.to_owned(), line);
        if board.told.elapsed() < EVERY[usize::from(!terminal)] {
            return;
        }
        board.told = Instant::now();
        let mut text = String::new();
        if terminal && board.shown > 0 {
            let _ = write!(text, "\x1b[{}A", board.shown);
        }
        // No more lines than a small terminal has.
        let under_way = board.lines.iter().filter(|(_, l)| l.done < l.all);
        let lines: Vec<String> = under_way.take(20).map(|(a, l)| one(a, l)).collect();
        for line in &lines {
            let _ = writeln!(text, "{line}{}", if terminal { "\x1b[K" } else { "" });
        }
        if terminal {
            text.push_str("\x1b[J");
            board.shown = lines.len();
        }
        eprint!("{text}");
    })
}

fn one(account: &str, line: &Line) -> String {
    let full = (line.done * BAR).checked_div(line.all).unwrap_or(BAR);
    let bar: String = (0..BAR)
        .map(|at| if at < full { '#' } else { '-' })
        .collect();
    plain(&format!(
        "{account} [{bar}] {}/{} {}, {}",
        line.done,
        line.all,
        line.mailbox,
        size(line.octets)
    ))
}

fn migrated(done: &[Migrated]) -> String {
    let mut text = String::new();
    for one in done {
        text.push_str(&super::mail::moved(&one.moved));
        if one.moved.followed > 0 {
            let _ = writeln!(
                text,
                "{}: flags of {} messages changed there since and were followed",
                one.moved.address, one.moved.followed
            );
        }
        if let Some(why) = &one.broken_off {
            let _ = writeln!(
                text,
                "{}",
                plain(&format!("{}: not complete: {why}", one.moved.address))
            );
        }
    }
    if done.len() > 1 {
        let whole = done.iter().filter(|one| one.is_whole()).count();
        let _ = writeln!(text, "{whole} of {} accounts are complete", done.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_other_server_is() {
        for (text, expected) in [
            ("imaps://mail.a.test", Some(("mail.a.test", 993, true))),
            (
                "IMAP://mail.a.test:1143/",
                Some(("mail.a.test", 1143, false)),
            ),
            (
                "imaps://[2001:db8::1]:994",
                Some(("2001:db8::1", 994, true)),
            ),
            ("imaps://[::1]", Some(("::1", 993, true))),
            ("mail.a.test", None),
            ("pop3://mail.a.test", None),
            ("imaps://", None),
            ("imaps://an@mail.a.test", None),
            ("imaps://mail.a.test:x", None),
        ] {
            let found = url(text).ok();
            let found = found
                .as_ref()
                .map(|u| (u.host.as_str(), u.port, u.implicit));
            assert_eq!(found, expected, "{text}");
        }
    }
}
