//! `congvu password …` and `congvu app-password …`, and where passwords come from: never the command line,
//! which every user of the machine can read.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use congvu_admin::change::{AppPasswordChange, PasswordChange};
use congvu_admin::{Change, NewPassword, Plain, Query};
use congvu_wire::Secret;

use super::{Plan, Usage};

/// Most octets read as a password: a few more than are allowed, so that the error comes from the rules.
const PASSWORD_OCTETS: u64 = 4_096;

/// Where a new password comes from.
#[derive(Debug, Args)]
#[group(multiple = false)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "clap makes them exclude one another"
)]
pub(crate) struct Source {
    /// Read the password from a file; a line end at its end does not count.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the password from standard input; a line end at its end does not count.
    #[arg(long)]
    password_stdin: bool,
    /// Make a password and print it once.
    #[arg(long)]
    generate_password: bool,
    /// No main password.
    #[arg(long)]
    no_password: bool,
}

impl Source {
    /// The password from where the options say, or from `otherwise`.
    pub(super) fn read(
        &self,
        otherwise: impl FnOnce() -> Result<NewPassword, Usage>,
    ) -> Result<NewPassword, Usage> {
        if let Some(file) = &self.password_file {
            return given(read_file(file, PASSWORD_OCTETS)?);
        }
        if self.password_stdin {
            return given(read_file(Path::new("-"), PASSWORD_OCTETS)?);
        }
        if self.generate_password {
            return Ok(NewPassword::Generate);
        }
        if self.no_password {
            return Ok(NewPassword::None);
        }
        otherwise()
    }

    /// Asks for a password, twice.
    pub(super) fn ask(address: &str) -> Result<NewPassword, Usage> {
        if !std::io::stdin().is_terminal() {
            return Err("no password: give --password-file FILE, --password-stdin or --generate-password, or run this \
                        on a terminal to be asked for it"
                .to_owned());
        }
        let prompt = |text: String| {
            rpassword::prompt_password(text)
                .map(|text| Secret::new(text.into_bytes()))
                .map_err(|e| format!("cannot ask for the password: {e}"))
        };
        let first = prompt(format!("New password of {address}: "))?;
        if first != prompt("Once more: ".to_owned())? {
            return Err("the two passwords differ".to_owned());
        }
        Ok(NewPassword::Given(Plain(first)))
    }
}

fn given(mut octets: Vec<u8>) -> Result<NewPassword, Usage> {
    if octets.last() == Some(&b'\n') {
        octets.pop();
        if octets.last() == Some(&b'\r') {
            octets.pop();
        }
    }
    if std::str::from_utf8(&octets).is_err() {
        return Err("the password is not UTF-8".to_owned());
    }
    Ok(NewPassword::Given(Plain(Secret::new(octets))))
}

/// Reads a file, or standard input for `-`.
pub(super) fn read_file(file: &Path, most: u64) -> Result<Vec<u8>, Usage> {
    let mut octets = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(most + 1).read_to_end(&mut octets)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(most + 1).read_to_end(&mut octets))
    };
    match read {
        Ok(_) if octets.len() as u64 > most => {
            Err(format!("{} is larger than {most} octets", file.display()))
        }
        Ok(_) => Ok(octets),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

/// What can be done with main passwords.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Set the main password. Without an option it is asked for. App passwords stay valid.
    Set {
        /// Whose.
        address: String,
        #[command(flatten)]
        source: Source,
    },
    /// Take the main password away; app passwords stay valid.
    Remove {
        /// Whose.
        address: String,
    },
}

impl Verb {
    pub(super) fn plan(self) -> Result<Plan, Usage> {
        let (address, password) = match self {
            Self::Set { address, source } => {
                let password = source.read(|| Source::ask(&address))?;
                (address, password)
            }
            Self::Remove { address } => (address, NewPassword::None),
        };
        Ok(Change::Password(PasswordChange::Set { address, password }).into())
    }
}

/// What can be done with app passwords.
#[derive(Debug, Subcommand)]
pub(crate) enum AppVerb {
    /// Make an app password and print it once.
    Add {
        /// Whose.
        address: String,
        /// The device or program it is for: "Điện thoại", Outlook.
        name: String,
    },
    /// List app passwords, with their last use.
    List {
        /// Whose.
        address: String,
    },
    /// Rename an app password.
    Rename {
        /// Whose.
        address: String,
        /// Present name.
        name: String,
        /// New name.
        to: String,
    },
    /// Revoke an app password at once.
    Remove {
        /// Whose.
        address: String,
        /// Which.
        name: String,
    },
}

impl AppVerb {
    pub(super) fn plan(self) -> Plan {
        let change = match self {
            Self::List { address } => return Query::AppPasswords { address }.into(),
            Self::Add { address, name } => AppPasswordChange::Add { address, name },
            Self::Rename { address, name, to } => AppPasswordChange::Rename { address, name, to },
            Self::Remove { address, name } => AppPasswordChange::Remove { address, name },
        };
        Change::AppPassword(change).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_does_not_count() {
        for (octets, expected) in [
            ("abc\n", "abc"),
            ("abc\r\n", "abc"),
            ("abc\n\n", "abc\n"),
            ("abc", "abc"),
            ("a\r", "a\r"),
        ] {
            assert_eq!(
                given(octets.into()),
                Ok(NewPassword::Given(Plain(Secret::new(expected)))),
                "{octets:?}"
            );
        }
        assert!(given(vec![0xff]).is_err());
    }
}
