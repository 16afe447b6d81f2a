//! The `congvu` binary: configuration, start, stop, command line.
//!
//! Mail logic is not here but in the crates below; what an administrator does to the directory is
//! in `cli`.

mod config;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use config::{Config, Problem};

/// The official mail system of state agencies: SMTP and IMAP over one mailstore.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = config::PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration file and everything it names; report all problems at once.
    Check,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Check => check(&cli.config),
    }
}

fn check(path: &Path) -> ExitCode {
    match Config::load(path) {
        Ok(_) => {
            println!("{}: no problems", path.display());
            ExitCode::SUCCESS
        }
        Err(problems) => complain(&problems),
    }
}

/// Prints the problems of a configuration file.
fn complain(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    let count = problems.len();
    eprintln!("{count} problem{}", if count == 1 { "" } else { "s" });
    ExitCode::FAILURE
}
