//! The `congvu` binary: configuration, start, stop, command line.
//!
//! Mail logic is not here but in the crates below; what an administrator does to the directory is
//! in `cli`.

mod certificate;
mod cli;
mod config;
mod door;
mod keeper;
mod log;
mod quickstart;
mod serve;
mod server;
mod settings;
mod upkeep;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::{Config, Problem};

/// glibc's allocator keeps a heap for every thread: large transactions leave it in pieces, and the searches through
/// them took a fifth of the time of receiving mail.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The official mail system of state agencies: SMTP and IMAP over one mailstore.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = config::PATH)]
    config: PathBuf,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until a signal or `congvu stop` ends it.
    Serve,
    /// Check the configuration file and everything it names; report all problems at once.
    Check,
    /// Try it out: a server with two agencies and four accounts on this machine, without root.
    Quickstart(quickstart::Args),
    #[command(flatten)]
    Admin(cli::Noun),
    /// Look after the store: check, count, rebuild, salvage.
    #[command(subcommand)]
    Store(cli::store::Verb),
    /// The spam filter: explain a verdict, measure on sorted mail.
    #[command(subcommand)]
    Spam(cli::spam::Verb),
    /// Copy the store into a folder, while the server runs or not; what is there already is not copied again.
    Backup(cli::backup::BackupArgs),
    /// Make a whole store from a backup in a new folder, or bring messages of one account back.
    Restore(cli::backup::RestoreArgs),
    /// Write an account's messages as Maildir or mbox files.
    Export(cli::mail::ExportArgs),
    /// Put messages from Maildir or mbox files into an account; those that are there already are left out.
    Import(cli::mail::ImportArgs),
    /// Bring mailboxes from another server.
    #[command(subcommand)]
    Migrate(cli::migrate::Verb),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Serve => serve::run(&cli.config),
        Command::Check => check(&cli.config, cli.json),
        Command::Quickstart(args) => quickstart::run(&args),
        Command::Admin(noun) => cli::run(&cli.config, cli.json, noun),
        Command::Store(verb) => cli::store::run(&cli.config, cli.json, verb),
        Command::Spam(verb) => cli::spam::run(&cli.config, cli.json, verb),
        Command::Backup(args) => cli::backup::run(&cli.config, cli.json, args),
        Command::Restore(args) => cli::backup::restore(&cli.config, cli.json, args),
        Command::Export(args) => cli::mail::export(&cli.config, cli.json, args),
        Command::Import(args) => cli::mail::import(&cli.config, cli.json, args),
        Command::Migrate(verb) => cli::migrate::run(&cli.config, cli.json, verb),
    }
}

/// The executor of a server.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads can be started when a program starts")
}

fn check(path: &Path, json: bool) -> ExitCode {
    let problems = Config::load(path).err().unwrap_or_default();
    if json {
        println!("{}", serde_json::json!(problems));
    } else if problems.is_empty() {
        println!("{}: no problems", path.display());
    } else {
        return complain(&problems);
    }
    if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(cli::USAGE)
    }
}

/// Prints the problems of a configuration file.
fn complain(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    let count = problems.len();
    eprintln!("{count} problem{}", if count == 1 { "" } else { "s" });
    ExitCode::from(cli::USAGE)
}
