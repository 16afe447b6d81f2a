//! `congvu backup …` and `congvu restore`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use congvu_admin::backup::RestoredStore;
use congvu_store::backup::{Backed, Verified};

use super::amount::{size, time};
use super::store::{finish, progress, show, with_site};
use super::table::plain;

/// Where to.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    verb: Option<BackupVerb>,
    /// Folder of the backup: new, or with an earlier backup of this store.
    #[arg(long, value_name = "DIR", required = true)]
    to: Option<PathBuf>,
}

/// What else can be done with a backup.
#[derive(Debug, Subcommand)]
enum BackupVerb {
    /// Read a whole backup again and compare every octet with its checksums.
    Verify {
        /// Folder of the backup.
        folder: PathBuf,
    },
}

/// From where to where.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("target").required(true).args(["to", "account"]))]
pub(crate) struct RestoreArgs {
    /// Folder of the backup.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Restore everything: the data folder to make, new or empty.
    #[arg(long, value_name = "DATA")]
    to: Option<PathBuf>,
    /// Restore messages of this account into the store in use.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    #[command(flatten)]
    part: super::mail::Part,
}

/// Backs up, or verifies.
pub(crate) fn run(config: &Path, json: bool, args: BackupArgs) -> ExitCode {
    match (args.verb, args.to) {
        (Some(BackupVerb::Verify { folder }), _) => finish(json, async move {
            let verified = congvu_admin::backup::verify(&folder, progress()).await?;
            show(json, &verified, self::verified);
            Ok(verified.problems.is_empty())
        }),
        (None, Some(to)) => with_site(config, json, |site| async move {
            let backed = congvu_admin::backup::backup(&site, &to, progress()).await?;
            show(json, &backed, self::backed);
            Ok(backed.damaged.is_empty())
        }),
        // clap demands one of the two.
        (None, None) => ExitCode::from(super::USAGE),
    }
}

/// Restores a whole store, or messages of one account.
pub(crate) fn restore(config: &Path, json: bool, args: RestoreArgs) -> ExitCode {
    let RestoreArgs {
        from,
        to,
        account,
        part,
    } = args;
    match (to, account) {
        (Some(to), _) => finish(json, async move {
            let done = congvu_admin::backup::restore(&from, &to, progress()).await?;
            show(json, &done, restored);
            Ok(done.restored.damaged.is_empty() && done.problems.is_empty())
        }),
        (None, Some(account)) => super::mail::restore(config, json, (from, account), part),
        // clap demands one of the two.
        (None, None) => ExitCode::from(super::USAGE),
    }
}

fn lines(what: &str, all: &[String]) -> String {
    all.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{what}: {}", plain(line));
        text
    })
}

fn backed(done: &Backed) -> String {
    format!(
        "{}backup complete up to LSN {}: {} in {} segments, {} copied now and read back\n",
        lines("damaged in the store", &done.damaged),
        done.lsn,
        size(done.octets),
        done.segments,
        size(done.copied)
    )
}

fn verified(done: &Verified) -> String {
    let end = if done.problems.is_empty() {
        "the backup is whole".to_owned()
    } else {
        format!("{} problems", done.problems.len())
    };
    format!(
        "{}backup of {} UTC up to LSN {}: {} in {} segments\n{end}\n",
        lines("damaged", &done.problems),
        time(done.made, 0),
        done.lsn,
        size(done.octets),
        done.segments
    )
}

fn restored(done: &RestoredStore) -> String {
    format!(
        "{}{}store of {} UTC restored up to LSN {}: {} in {} segments, {} transactions\n",
        lines("damaged in the backup", &done.restored.damaged),
        lines("damaged", &done.problems),
        time(done.restored.made, 0),
        done.restored.lsn,
        size(done.restored.octets),
        done.restored.segments,
        done.transactions
    )
}
