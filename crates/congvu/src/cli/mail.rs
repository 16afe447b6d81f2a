//! `congvu export`, `congvu import` and `congvu restore --account`: messages out of and into accounts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use congvu_admin::mail::Bad;
use congvu_admin::mail::Fate;
use congvu_admin::mail::export::{Export, Exported, Format};
use congvu_admin::mail::files::{Import, Moved};
use congvu_admin::mail::restore::{Found, Restore, RestoredMail, Wanted};

use congvu_store::Timestamp;

use super::USAGE;
use super::amount::{Edge, instant, size, time};
use super::store::{progress, show, with_site};
use super::table::{Table, plain};
use crate::config::Config;

/// How messages lie in files.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Maildir++: a file a message, as Dovecot and Courier keep them.
    Maildir,
    /// mbox: a file a mailbox, as Thunderbird keeps them.
    Mbox,
}

impl From<Kind> for Format {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Maildir => Self::Maildir,
            Kind::Mbox => Self::Mbox,
        }
    }
}

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Whose messages.
    #[arg(long, value_name = "ADDRESS")]
    account: String,
    /// A new or empty folder.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// How the messages are to lie there.
    #[arg(long, value_enum)]
    format: Kind,
    /// Only this mailbox and those below it; may be given several times.
    #[arg(long = "mailbox", value_name = "NAME")]
    mailboxes: Vec<String>,
}

/// What to import.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Into whose account.
    #[arg(long, value_name = "ADDRESS")]
    account: String,
    /// A folder of Maildir or mbox files, of Thunderbird or Apple Mail, or one mbox file.
    #[arg(long, value_name = "PATH")]
    from: PathBuf,
    /// Take only files of this kind; otherwise both are found by how they look.
    #[arg(long, value_enum)]
    format: Option<Kind>,
    /// Put everything into this mailbox and below it.
    #[arg(long, value_name = "NAME")]
    into: Option<String>,
    /// Keep the names of mailboxes that are known to be sent mail, drafts, junk or trash elsewhere.
    #[arg(long)]
    keep_names: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Limits of the account, its domain and agencies do not bind.
    #[arg(long)]
    ignore_quota: bool,
}

/// Exports.
pub(crate) fn export(config: &Path, json: bool, args: ExportArgs) -> ExitCode {
    with_site(config, json, |site| async move {
        let export = Export {
            address: args.account,
            to: args.to,
            format: args.format.into(),
            mailboxes: args.mailboxes,
        };
        let done = congvu_admin::mail::export::export(&site, &export, progress()).await?;
        show(json, &done, exported);
        Ok(done.bad.is_empty())
    })
}

/// Imports.
pub(crate) fn import(config: &Path, json: bool, args: ImportArgs) -> ExitCode {
    with_site(config, json, |site| async move {
        let import = Import {
            address: args.account,
            from: args.from,
            format: args.format.map(Into::into),
            into: args.into,
            as_named: args.keep_names,
            dry_run: args.dry_run,
            ignore_quota: args.ignore_quota,
        };
        let done = congvu_admin::mail::files::import(&site, &import, progress()).await?;
        show(json, &done, moved);
        Ok(done.is_whole())
    })
}

fn bad_lines(bad: &[Bad], count: u64) -> String {
    let mut text = String::new();
    for bad in bad {
        let line = format!("not taken: {}: {}", bad.place, bad.why);
        let _ = writeln!(text, "{}", plain(&line));
    }
    let more = count.saturating_sub(bad.len() as u64);
    if more > 0 {
        let _ = writeln!(text, "not taken: {more} more");
    }
    text
}

fn exported(done: &Exported) -> String {
    format!(
        "{}{}: {} messages of {} mailboxes written, {}\n",
        bad_lines(&done.bad, done.bad.len() as u64),
        done.address,
        done.messages,
        done.mailboxes,
        size(done.octets)
    )
}

/// What was moved into an account, by mailbox and in all.
pub(super) fn moved(done: &Moved) -> String {
    let mut table = Table::new(&["MAILBOX", "READ", "NEW", "THERE", "OVER QUOTA", "FROM"]);
    for here in &done.mailboxes {
        let mark = if here.created { " (new)" } else { "" };
        table.row(vec![
            format!("{}{mark}", here.mailbox),
            here.tally.read.to_string(),
            here.tally.placed.to_string(),
            here.tally.present.to_string(),
            here.tally.over_quota.to_string(),
            here.from.clone(),
        ]);
    }
    let tally = &done.tally;
    let verb = if done.dry_run { "would be put" } else { "put" };
    let mut text = format!(
        "{table}{}{}: {} of {} messages {verb} there, {}; {} were there already\n",
        bad_lines(&done.bad, done.bad_count),
        done.address,
        tally.placed,
        tally.read,
        size(tally.octets),
        tally.present
    );
    if tally.stripped > 0 {
        let _ = writeln!(
            text,
            "{} messages lost keywords: a mailbox has at most 256 of them",
            tally.stripped
        );
    }
    if tally.over_quota > 0 {
        let _ = writeln!(
            text,
            "{} messages found no room: raise the limit (congvu quota set) and run this again, or use --ignore-quota",
            tally.over_quota
        );
    }
    text
}

/// Which part of a backup, and what to do with it.
#[derive(Debug, Args)]
pub(crate) struct Part {
    /// Put the messages into another account.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "to")]
    to_account: Option<String>,
    /// Only this mailbox and those below it; may be given several times.
    #[arg(long = "mailbox", value_name = "NAME", conflicts_with = "to")]
    mailboxes: Vec<String>,
    /// Put everything into this mailbox, which is made if there is none.
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    into: Option<String>,
    /// Only messages with this Message-ID.
    #[arg(long, value_name = "ID", conflicts_with = "to")]
    message_id: Option<String>,
    /// Only these UIDs: 5,7-9. Needs --mailbox.
    #[arg(
        long,
        value_name = "UIDS",
        requires = "mailboxes",
        conflicts_with = "to"
    )]
    uid: Option<String>,
    /// Only messages that arrived then or later.
    #[arg(long, value_name = "TIME", conflicts_with = "to")]
    since: Option<String>,
    /// Only messages that arrived then or earlier.
    #[arg(long, value_name = "TIME", conflicts_with = "to")]
    until: Option<String>,
    /// Only messages with this in their subject, whatever its case and marks.
    #[arg(long, value_name = "TEXT", conflicts_with = "to")]
    subject: Option<String>,
    /// Only messages with this in the sender's name or address.
    #[arg(long, value_name = "TEXT", conflicts_with = "to")]
    sender: Option<String>,
    /// Only list what would be done.
    #[arg(long, conflicts_with = "to")]
    dry_run: bool,
    /// Limits of the account, its domain and agencies do not bind.
    #[arg(long, conflicts_with = "to")]
    ignore_quota: bool,
    /// Where the index of the backup is made for the time being; otherwise where temporary files go.
    #[arg(long, value_name = "DIR", conflicts_with = "to")]
    work: Option<PathBuf>,
}

/// `5,7-9`
fn uids(text: &str) -> Result<Vec<(u32, u32)>, String> {
    let wrong = || format!("{text:?} are no UIDs; give 5 or 5,7-9");
    let number = |digits: &str| digits.trim().parse::<u32>().map_err(|_| wrong());
    text.split(',')
        .map(|run| {
            let (first, last) = run.split_once(['-', ':']).unwrap_or((run, run));
            let (first, last) = (number(first)?, number(last)?);
            if first == 0 || last < first {
                return Err(wrong());
            }
            Ok((first, last))
        })
        .collect()
}

impl Part {
    fn wanted(&self, zone: i16) -> Result<Wanted, String> {
        let at = |text: &Option<String>, edge| {
            let text = text.as_ref();
            text.map(|text| instant(text, zone, edge)).transpose()
        };
        Ok(Wanted {
            message_id: self.message_id.clone(),
            uids: self
                .uid
                .as_deref()
                .map(uids)
                .transpose()?
                .unwrap_or_default(),
            since: at(&self.since, Edge::Begin)?,
            until: at(&self.until, Edge::End)?,
            subject: self.subject.clone(),
            sender: self.sender.clone(),
        })
    }
}

/// Restores messages of one account.
pub(super) fn restore(
    config: &Path,
    json: bool,
    (from, address): (PathBuf, String),
    part: Part,
) -> ExitCode {
    let zone = match Config::read(config) {
        Ok(config) => config.server.zone,
        Err(problems) => {
            crate::complain(&problems);
            return ExitCode::from(USAGE);
        }
    };
    let wanted = match part.wanted(zone) {
        Ok(wanted) => wanted,
        Err(usage) => {
            eprintln!("error: {usage}");
            return ExitCode::from(USAGE);
        }
    };
    with_site(config, json, |site| async move {
        let restore = Restore {
            from,
            address,
            to: part.to_account,
            mailboxes: part.mailboxes,
            into: part.into,
            wanted,
            dry_run: part.dry_run,
            ignore_quota: part.ignore_quota,
            work: part.work,
        };
        let done = congvu_admin::mail::restore::restore(&site, &restore, progress()).await?;
        show(json, &done, restored);
        Ok(done.moved.is_whole() && done.damaged.is_empty())
    })
}

fn restored(done: &RestoredMail) -> String {
    let mut text = String::new();
    for damage in &done.damaged {
        let _ = writeln!(text, "damaged in the backup: {}", plain(damage));
    }
    if !done.messages.is_empty() {
        let mut table = Table::new(&["", "MAILBOX", "UID", "ARRIVED", "SIZE", "FROM", "SUBJECT"]);
        for found in &done.messages {
            table.row(row(found));
        }
        let _ = writeln!(text, "{table}");
    }
    let _ = write!(
        text,
        "backup of {} UTC\n{}",
        time(done.made, 0),
        moved(&done.moved)
    );
    text
}

fn row(found: &Found) -> Vec<String> {
    let fate = match found.fate {
        Some(Fate::Placed(uid) | Fate::Stripped(uid)) => format!("put, UID {uid}"),
        Some(Fate::Present(uid)) => format!("there, UID {uid}"),
        Some(Fate::Would) => "missing".to_owned(),
        Some(Fate::OverQuota) => "over quota".to_owned(),
        None => String::new(),
    };
    vec![
        fate,
        found.mailbox.clone(),
        found.uid.to_string(),
        time(Timestamp(found.date.saturating_mul(1_000)), found.zone),
        size(u64::from(found.size)),
        found.from.clone(),
        found.subject.clone(),
    ]
}
