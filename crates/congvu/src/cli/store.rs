//! `congvu store …`: looking after the store as a whole.
//!
//! Exit codes: 0 whole or done, 1 damage found or refused, 2 wrong usage, 3 not reachable.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Subcommand;
use congvu_admin::check::{Checked, Named};
use congvu_admin::salvage::Salvaged;
use congvu_admin::store::Progress;
use congvu_admin::{Refusal, Site};
use congvu_store::compact::Compacted;
use congvu_store::scrub::Status;
use congvu_store::stats::Stats;
use serde::Serialize;

use super::amount::{octets, size, time};
use super::table::{Table, plain};
use super::{REFUSED, UNAVAILABLE, USAGE};
use crate::config::Config;

/// Milliseconds between two lines of progress.
const EVERY: u64 = 500;

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Read everything, compare index and log, and list what is damaged. Also while the server runs.
    Check,
    /// How much the store holds, and where.
    Stats {
        /// Every segment of the log.
        #[arg(long)]
        segments: bool,
    },
    /// Give back the space of messages that are expunged for good. Also while the server runs.
    Compact {
        /// Most octets that are read and written in a second, as 16M; without it as fast as the disk is.
        #[arg(long, value_name = "SIZE", value_parser = octets)]
        rate: Option<u64>,
    },
    /// Make the index anew from the log. The server must be stopped.
    Rebuild,
    /// Forget now what is past its undelete window and under no hold, as the server does every hour.
    Purge,
    /// Write every readable message as Maildir, whatever is broken. Changes nothing in the store.
    Salvage {
        /// A new or empty folder.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

/// Runs one command.
pub(crate) fn run(config: &Path, json: bool, verb: Verb) -> ExitCode {
    with_site(config, json, |site| async move {
        match verb {
            Verb::Check => {
                let checked = congvu_admin::check::check(&site, progress()).await?;
                show(json, &checked, check);
                Ok(checked.whole)
            }
            Verb::Stats { segments: listed } => {
                let counted = congvu_admin::store::stats(&site).await?;
                let text = if listed { with_segments } else { stats };
                show(json, &counted, text);
                Ok(true)
            }
            Verb::Compact { rate } => {
                let done = congvu_admin::store::compact(&site, rate, progress()).await?;
                show(json, &done, compact);
                Ok(done.left.is_empty())
            }
            Verb::Rebuild => {
                let begun = Instant::now();
                let report = congvu_admin::store::rebuild(&site, progress()).await?;
                let rebuilt = Rebuilt {
                    transactions: report.replayed,
                    damaged: report.damaged,
                    milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                };
                show(json, &rebuilt, rebuild);
                Ok(rebuilt.damaged.is_empty())
            }
            Verb::Purge => {
                let swept = congvu_admin::store::purge(&site).await?;
                show(json, &swept, super::undelete::purged);
                Ok(true)
            }
            Verb::Salvage { to } => {
                let done = congvu_admin::salvage::salvage(&site.data, &to, progress()).await?;
                show(json, &done, salvage);
                Ok(true)
            }
        }
    })
}

/// Runs an act on the store that the configuration names; `false` = damage was found.
pub(super) fn with_site<F>(config: &Path, json: bool, act: impl FnOnce(Site) -> F) -> ExitCode
where
    F: Future<Output = congvu_admin::Result<bool>>,
{
    let config = match Config::read(config) {
        Ok(config) => config,
        Err(problems) => {
            crate::complain(&problems);
            return ExitCode::from(USAGE);
        }
    };
    let site = Site {
        data: config.server.data,
        socket: config.control.socket,
    };
    finish(json, act(site))
}

/// Runs an act to its end; `false` = damage was found.
pub(super) fn finish(
    json: bool,
    act: impl Future<Output = congvu_admin::Result<bool>>,
) -> ExitCode {
    match crate::runtime().block_on(act) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(REFUSED),
        Err(error) => {
            let refusal = Refusal::from(error);
            super::print::Output { json, zone: 0 }.refusal(&refusal);
            ExitCode::from(if refusal.reason == congvu_admin::Reason::Unavailable {
                UNAVAILABLE
            } else {
                REFUSED
            })
        }
    }
}

/// Prints what came out on standard output. A reader that has gone is no error.
pub(super) fn show<T: Serialize>(json: bool, value: &T, text: fn(&T) -> String) {
    let text = if json {
        format!("{:#}\n", serde_json::json!(value))
    } else {
        text(value)
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Tells on standard error how far it is: one line that changes on a terminal, a line now and then elsewhere.
pub(super) fn progress() -> Progress {
    let begun = Instant::now();
    let last = AtomicU64::new(0);
    let terminal = std::io::stderr().is_terminal();
    Arc::new(move |what, done, all| {
        let now = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let every = if terminal { EVERY } else { EVERY * 20 };
        let ended = all > 0 && done >= all && terminal;
        if !ended && now < last.load(Ordering::Relaxed).saturating_add(every) {
            return;
        }
        last.store(now, Ordering::Relaxed);
        let line = if all == 0 {
            format!("{what}: {done}")
        } else {
            let percent = u128::from(done) * 100 / u128::from(all);
            let speed = u128::from(done) * 1000 / u128::from(now.max(1));
            let speed = size(u64::try_from(speed).unwrap_or(u64::MAX));
            let full = usize::try_from(percent.min(100) / 5).unwrap_or(0);
            let bar = if terminal {
                format!(" [{:-<20}]", "#".repeat(full))
            } else {
                String::new()
            };
            format!("{what}:{bar} {percent} % of {}, {speed}/s", size(all))
        };
        if terminal {
            eprint!("\r{line:<60}");
            if ended {
                eprintln!();
            }
        } else {
            eprintln!("{line}");
        }
    })
}

fn check(checked: &Checked) -> String {
    let mut text = String::new();
    for problem in &checked.problems {
        text.push_str(&problem_line(problem));
        text.push('\n');
    }
    let more = checked.count - checked.problems.len() as u64;
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    if checked.torn > 0 {
        let _ = writeln!(
            text,
            "{} octets at the end of the log were never acknowledged; the next start cuts them",
            checked.torn
        );
    }
    let _ = writeln!(
        text,
        "read {} of log with {} transactions and {} messages, {} records of the index, {} messages in mailboxes",
        size(checked.octets),
        checked.transactions,
        checked.bodies,
        checked.records,
        checked.messages
    );
    let _ = match checked.count {
        0 => writeln!(text, "the store is whole"),
        count => writeln!(text, "{count} problems"),
    };
    text
}

/// `body: the octets … are damaged: an@xa.test, INBOX, UID 5, <id@host>, LSN 4711`
fn problem_line(named: &Named) -> String {
    let problem = &named.problem;
    let place = match problem.place {
        congvu_store::check::Place::Log => "log",
        congvu_store::check::Place::Body => "message",
        congvu_store::check::Place::Index => "index",
        congvu_store::check::Place::Sums => "sums",
    };
    let mut parts = Vec::new();
    match (&named.address, problem.account) {
        (Some(address), _) => parts.push(address.clone()),
        (None, Some(id)) => parts.push(format!("account {id}")),
        (None, None) => {}
    }
    parts.extend(problem.mailbox.clone());
    parts.extend(problem.uid.map(|uid| format!("UID {uid}")));
    parts.extend(named.message_id.clone());
    parts.extend(problem.lsn.map(|lsn| format!("LSN {lsn}")));
    let whose = if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    };
    plain(&format!("{place}: {}{whose}", problem.what))
}

fn stats(stats: &Stats) -> String {
    let mut table = Table::new(&["", "NUMBER", "SIZE"]);
    let mut row = |name: &str, number: u64, octets: Option<u64>| {
        let octets = octets.map(size).unwrap_or_default();
        table.row(vec![name.to_owned(), number.to_string(), octets]);
    };
    row("accounts", stats.accounts, None);
    row("mailboxes", stats.mailboxes, None);
    row("messages", stats.messages, Some(stats.message_octets));
    row("expunged, kept", stats.expunged, None);
    row("in the queue", stats.queued, None);
    row("in quarantine", stats.quarantined, None);
    row("bodies stored", stats.bodies, Some(stats.live + stats.kept));
    row(
        "segments",
        stats.segments.len() as u64,
        Some(stats.log_octets),
    );
    row("index records", stats.records, Some(stats.record_octets));
    row("index on disk", 1, Some(stats.index_octets));
    let scrub = stats
        .scrub
        .map(|status| scrubbed(&status, stats.log_octets));
    let scrub = scrub.unwrap_or_default();
    format!("{table}{}\n{scrub}", index_ratio(stats))
}

/// How much larger the index is on disk than what it holds.
fn index_ratio(stats: &Stats) -> String {
    let tenths = u128::from(stats.index_octets) * 10 / u128::from(stats.record_octets.max(1));
    format!(
        "the index takes {}.{} times the octets of its records",
        tenths / 10,
        tenths % 10
    )
}

fn with_segments(all: &Stats) -> String {
    let mut segments = Table::new(&["SEGMENT", "SIZE", "LIVE", "KEPT", "OTHER", "REWRITTEN"]);
    for segment in &all.segments {
        let other = segment
            .octets
            .saturating_sub(segment.live)
            .saturating_sub(segment.kept);
        segments.row(vec![
            format!("{:016x}", segment.first.0),
            size(segment.octets),
            size(segment.live),
            size(segment.kept),
            size(other),
            if segment.rewritten { "yes" } else { "no" }.to_owned(),
        ]);
    }
    format!("{}\n{segments}", stats(all))
}

/// How far the scrub is.
fn scrubbed(status: &Status, log: u64) -> String {
    let mut text = "scrub: ".to_owned();
    let _ = match status.finished {
        Some(at) => write!(
            text,
            "last finished {} with {} problems",
            time(at, 0),
            status.finished_problems
        ),
        None => write!(text, "never finished"),
    };
    if let Some(at) = status.at {
        let percent = u128::from(at.0) * 100 / u128::from(log.max(1));
        let _ = write!(
            text,
            "; under way, {percent} % of the log read, {} problems",
            status.problems
        );
    }
    text.push('\n');
    text
}

fn compact(done: &Compacted) -> String {
    let mut text = String::new();
    for why in &done.left {
        let _ = writeln!(text, "left as it is: {}", plain(why));
    }
    let _ = writeln!(
        text,
        "{} bodies dropped; {} segments of {} became {} of {}: {} given back",
        done.dropped,
        done.rewritten,
        size(done.before),
        done.written,
        size(done.after),
        size(done.before.saturating_sub(done.after))
    );
    if done.ended {
        text.push_str("ended early, because the store closes\n");
    }
    text
}

/// Outcome of a rebuild.
#[derive(Debug, Serialize)]
struct Rebuilt {
    transactions: u64,
    damaged: Vec<String>,
    milliseconds: u64,
}

fn rebuild(rebuilt: &Rebuilt) -> String {
    let mut text = String::new();
    for damage in &rebuilt.damaged {
        let _ = writeln!(text, "damaged: {}", plain(damage));
    }
    let seconds = rebuilt.milliseconds.max(1);
    let speed = u128::from(rebuilt.transactions) * 1000 / u128::from(seconds);
    let _ = writeln!(
        text,
        "index rebuilt from {} transactions in {}.{} s, {speed}/s",
        rebuilt.transactions,
        rebuilt.milliseconds / 1000,
        rebuilt.milliseconds % 1000 / 100
    );
    text
}

fn salvage(done: &Salvaged) -> String {
    let mut text = String::new();
    for damage in &done.damage {
        let _ = writeln!(text, "damaged: {}", plain(damage));
    }
    for lost in &done.unreadable {
        text.push_str(&plain(&format!(
            "not readable: {}, {}, UID {}",
            lost.account, lost.mailbox, lost.uid
        )));
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} messages of {} mailboxes of {} accounts written, {} letters in quarantine, {} more without a place, {} not readable",
        done.messages,
        done.mailboxes,
        done.accounts,
        done.quarantined,
        done.unplaced,
        done.unreadable.len()
    );
    text
}
