//! `congvu quickstart`: a complete server on this machine for trying out, without root and without
//! any other service: two agencies, four accounts, a first letter that travels for real.
//!
//! Invariant: it does what an administrator and two clients would do (the functions of `admin`, SMTP
//! with TLS and a login, IMAP over TLS), by no way of its own; so what it shows is what works.

mod folder;
mod letter;
mod people;
mod ports;
mod reader;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use tracing::Level;

use crate::config::{Config, Log, LogFormat, Problem};
use crate::serve::Signals;
use crate::server::{Server, StartError};
use crate::{log, serve};
use folder::Folder;
use people::People;
use ports::Ports;

/// Settings of the quick start.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keep the data in this folder, and go on with what is in it; without it, a temporary folder is
    /// removed at the end.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// First of seven ports to use (SMTP, submission, submissions, LMTP, IMAP, IMAPS, pages); ports that are
    /// taken are replaced by free ones.
    #[arg(long, value_name = "BASE")]
    ports: Option<u16>,
    /// End after the first letter has been shown, instead of waiting for Ctrl-C.
    #[arg(long)]
    exit_after_letter: bool,
}

/// Why the quick start did not succeed.
#[derive(Debug, thiserror::Error)]
enum QuickstartError {
    #[error("cannot use the folder {0}: {1}")]
    Folder(PathBuf, std::io::Error),
    #[error("no free port on 127.0.0.1: {0}")]
    Ports(std::io::Error),
    #[error("the settings made for you are wrong:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Problem>),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("cannot set up agencies and accounts: {0}")]
    People(#[from] people::PeopleError),
    #[error("the first letter was not sent: {0}")]
    Letter(#[from] letter::LetterError),
    #[error("the first letter was not found over IMAP: {0}")]
    Reader(#[from] reader::ReaderError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs the quick start.
pub(crate) fn run(args: &Args) -> ExitCode {
    // Only what goes wrong belongs between the lines that are meant for the reader.
    let levels = log::start(Log {
        format: LogFormat::Text,
        level: Level::ERROR,
    });
    match crate::runtime().block_on(show(args, levels)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("congvu quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn show(args: &Args, levels: log::Levels) -> Result<(), QuickstartError> {
    let folder = Folder::open(args.keep.as_deref())
        .map_err(|error| QuickstartError::Folder(args.keep.clone().unwrap_or_default(), error))?;
    let (mut server, ports) = start(args.ports, &folder, &levels).await?;
    let mut signals = Signals::catch();
    let shown = demonstrate(&server, &folder, &ports).await;
    if shown.is_ok() && !args.exit_after_letter {
        println!(
            "\nThe server runs. Ctrl-C stops it{}.",
            match args.keep {
                Some(_) => "; its data stays",
                None => " and removes its data (--keep DIR keeps it)",
            }
        );
        std::io::stdout().flush()?;
        serve::attend(&mut server, &mut signals).await;
        println!("Stopping …");
    }
    server.stop().await;
    shown
}

/// Starts the server. Another program may take a port between our choice and its use; then others are
/// chosen.
async fn start(
    base: Option<u16>,
    folder: &Folder,
    levels: &log::Levels,
) -> Result<(Server, Ports), QuickstartError> {
    let mut tries = 5;
    loop {
        tries -= 1;
        let ports = Ports::choose(base).map_err(QuickstartError::Ports)?;
        let failed = |error| QuickstartError::Folder(folder.path().to_owned(), error);
        let path = folder.write_config(&ports).map_err(failed)?;
        let config = Config::load(&path).map_err(QuickstartError::Config)?;
        match Server::start(&path, config, levels.clone()).await {
            Ok(server) => return Ok((server, ports)),
            Err(StartError::Listener(..)) if tries > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sets up agencies and accounts, tells about them, sends the letter and shows it.
async fn demonstrate(
    server: &Server,
    folder: &Folder,
    ports: &Ports,
) -> Result<(), QuickstartError> {
    let people = People::settle(server.admin(), &folder.accounts()).await?;
    introduce(folder, ports, &people)?;

    println!("\nA first letter, from agency to agency:");
    std::io::stdout().flush()?;
    let roots = folder.certificate();
    let subject = letter::send(&people, ports, &roots).await?;
    println!(
        "  sent over submission (127.0.0.1:{}, STARTTLS, logged in as {})",
        ports.submission,
        people.sender().address
    );
    let arrived = reader::fetch(people.receiver(), ports, &roots, &subject).await?;
    println!(
        "  arrived over IMAP (127.0.0.1:{}, TLS, logged in as {}):\n",
        ports.imaps,
        people.receiver().address
    );
    for line in arrived.lines() {
        println!("    {line}");
    }
    Ok(())
}

/// Tells where everything is.
fn introduce(folder: &Folder, ports: &Ports, people: &People) -> Result<(), QuickstartError> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Congvu is running on this machine, data in {}\n",
        folder.path().display()
    )?;
    writeln!(
        out,
        "Accounts (the post vanthu@ of each agency is operated by its person):"
    )?;
    for account in people.all() {
        writeln!(
            out,
            "  {:<30} password {}",
            account.address, account.password
        )?;
    }
    writeln!(
        out,
        "\nSettings for a mail program; the user name is the full address:"
    )?;
    writeln!(
        out,
        "  incoming  IMAP  127.0.0.1  port {}  TLS       (or {} STARTTLS)",
        ports.imaps, ports.imap
    )?;
    writeln!(
        out,
        "  outgoing  SMTP  127.0.0.1  port {}  TLS       (or {} STARTTLS)",
        ports.submissions, ports.submission
    )?;
    writeln!(
        out,
        "  A person reads the post as  vanthu@xa-binhminh.test*an.nguyen@xa-binhminh.test"
    )?;
    writeln!(
        out,
        "  The certificate is self-signed: a program asks once, accept it, or trust {}",
        folder.certificate().display()
    )?;
    writeln!(
        out,
        "\nFor other mail servers: SMTP 127.0.0.1 port {}, LMTP port {}",
        ports.mx, ports.lmtp
    )?;
    writeln!(
        out,
        "Pages for links in the digest of held letters: https://127.0.0.1:{}",
        ports.web
    )?;
    writeln!(
        out,
        "For an administrator:   congvu --config {} account list",
        folder.config().display()
    )?;
    out.flush()?;
    Ok(())
}
