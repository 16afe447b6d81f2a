//! The configuration file: everything an administrator sets, in one TOML file.
//!
//! Invariant: reading reports every problem at once, each with its line and a remedy, and gives a
//! [`Config`] only when there is none; so a bad file never starts or changes a server. What the
//! settings do is in the crates that get them; `config/congvu.toml` explains each to people.

mod filter;
mod problem;
mod reader;
mod section;
mod value;
mod verify;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use congvu_net::Network;
use congvu_net::tls::CertificateFile;
use congvu_smtpd::{Rate, Rates};

use filter::Doubt;
pub(crate) use filter::PublicList;
pub(crate) use problem::Problem;
use problem::Problems;
use reader::Section;
pub(crate) use verify::read_credentials;

/// The file that is read when none is named.
pub(crate) const PATH: &str = "/etc/congvu/congvu.toml";

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) control: Control,
    pub(crate) log: Log,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) tls: Tls,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) dns: Dns,
    pub(crate) queue: Queue,
    pub(crate) routes: Vec<Route>,
    pub(crate) store: Store,
    pub(crate) audit: Audit,
    pub(crate) trace: Trace,
    pub(crate) filter: Filter,
}

/// Who we are and where our data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) hostname: String,
    pub(crate) data: PathBuf,
    /// Minutes east of UTC.
    pub(crate) zone: i16,
}

/// The socket for `congvu` commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) socket: PathBuf,
    pub(crate) group: Option<String>,
}

/// What the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: tracing::Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// One service on some addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) addresses: Vec<SocketAddr>,
    /// Logins without TLS: for webmail on this machine. Only ever set on loopback addresses.
    pub(crate) clear_text: bool,
}

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Mx,
    Submission,
    Submissions,
    Lmtp,
    Imap,
    Imaps,
    Web,
}

impl Kind {
    /// As in the file.
    pub(crate) const ALL: [(&'static str, Self); 7] = [
        ("mx", Self::Mx),
        ("submission", Self::Submission),
        ("submissions", Self::Submissions),
        ("lmtp", Self::Lmtp),
        ("imap", Self::Imap),
        ("imaps", Self::Imaps),
        ("web", Self::Web),
    ];

    /// TLS before the first octet.
    pub(crate) fn implicit_tls(self) -> bool {
        matches!(self, Self::Submissions | Self::Imaps | Self::Web)
    }
}

/// Certificates, ours and those of whom we believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) certificates: Vec<CertificateFile>,
    pub(crate) roots: PathBuf,
}

/// Networks with rights of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) relay: Vec<Network>,
    pub(crate) lmtp: Vec<Network>,
    pub(crate) unlimited: Vec<Network>,
}

/// The mailstore's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Store {
    /// Octets of memory for the index.
    pub(crate) cache: u64,
    /// Octets after which a file of the log is closed.
    pub(crate) segment: u64,
    /// Octets of log after which a snapshot of the index is taken.
    pub(crate) snapshot: u64,
    /// Octets a second; 0 = no scrub.
    pub(crate) scrub_rate: u64,
    /// From the end of a scrub to the next.
    pub(crate) scrub_every: Duration,
}

/// The record of administrative acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Days for which a record is kept; 0 = for ever.
    pub(crate) keep_days: u32,
}

/// Sizes and counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Octets.
    pub(crate) message_size: u64,
    pub(crate) recipients: u32,
    pub(crate) recipients_submission: u32,
    /// Octets.
    pub(crate) disk_reserve: u64,
    /// Octets that compaction reads and writes in a second; 0 = it does not run by itself.
    pub(crate) compaction_rate: u64,
    pub(crate) connections: usize,
    pub(crate) connections_per_address: PerAddress,
}

/// Connections of one address, by kind of listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PerAddress {
    pub(crate) mx: usize,
    pub(crate) submission: usize,
    pub(crate) lmtp: usize,
    pub(crate) imap: usize,
    pub(crate) web: usize,
}

/// Who answers our questions; empty means `/etc/resolv.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dns {
    pub(crate) servers: Vec<SocketAddr>,
}

/// Sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) schedule: Vec<Duration>,
    pub(crate) warn_after: Duration,
    pub(crate) give_up_after: Duration,
    pub(crate) connections: usize,
    pub(crate) connections_per_destination: usize,
    pub(crate) source_v4: Option<Ipv4Addr>,
    pub(crate) source_v6: Option<Ipv6Addr>,
}

/// What is remembered of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) keep_days: u32,
}

/// The spam filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) enabled: bool,
    pub(crate) official_hosts: Vec<String>,
    pub(crate) dns_lists: Vec<PublicList>,
    pub(crate) greylist: Doubt,
    /// Hour of the day in which accounts are told of letters in quarantine.
    pub(crate) digest_hour: u8,
    /// Where people reach the web listener; without a / at its end.
    pub(crate) web_url: Option<String>,
    pub(crate) report_spam: Option<String>,
    pub(crate) report_ham: Option<String>,
    /// Where abuse is reported (RFC 5965).
    pub(crate) abuse_reports_to: Option<String>,
}

/// Where mail of some domains goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// A-labels in lower case, `.example.test` for what is below it, `*` for all.
    pub(crate) domain: String,
    pub(crate) to: Way,
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    pub(crate) tls: TlsDemand,
    pub(crate) credentials: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Relay,
    Lmtp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsDemand {
    Never,
    Opportunistic,
    Required,
    Verified,
}

impl Config {
    /// Reads and verifies a file, with everything it names. Blocking.
    pub(crate) fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let text =
            std::fs::read_to_string(path).map_err(|error| vec![Problem::of_file(path, &error)])?;
        Self::parse(path, &text, true)
    }

    /// Reads the settings alone, without looking at the files they name: for commands that only need
    /// to know where the data and the control socket are.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let text =
            std::fs::read_to_string(path).map_err(|error| vec![Problem::of_file(path, &error)])?;
        Self::parse(path, &text, false)
    }

    /// Reads a text as the file at `path`; `files` says whether the files it names are looked at.
    pub(crate) fn parse(path: &Path, text: &str, files: bool) -> Result<Self, Vec<Problem>> {
        let problems = Problems::new(path, text);
        let (document, errors) = toml::de::DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What follows a broken line is guesswork: settings are looked at once the text is TOML.
            return Err(problems.of_syntax(&errors));
        }
        let mut root = Section::root(document.get_ref(), &problems);
        let config = section::config(&mut root);
        root.finish();
        verify::consistent(&config, &document, &problems);
        if files {
            verify::files(&config, &document, &problems);
        }
        problems.finish().map(|()| config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readable in the panic of an `unwrap`.
    fn texts(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_annotated_file_says_the_defaults() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/congvu.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        // The name differs from machine to machine, and not every machine's name is good enough.
        let named = "hostname = \"mail.example.gov.vn\"";
        let annotated = text.replace(&format!("#{named}"), named);
        let annotated = Config::parse(&path, &annotated, false).unwrap();
        let default = Config::parse(&path, &format!("[server]\n{named}"), false).unwrap();
        assert_eq!(annotated, default);
    }

    /// Each setting that the annotated file shows as a comment is one that exists.
    #[test]
    fn the_comments_of_the_annotated_file_are_settings() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/congvu.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let opened: Vec<&str> = text
            .lines()
            .map(|line| match line.strip_prefix("#") {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
                    rest
                }
                _ => line,
            })
            .collect();
        assert!(opened.len() > 50);
        let opened = opened.join("\n");
        let config = Config::parse(&path, &opened, false)
            .map_err(|problems| texts(&problems))
            .unwrap();
        assert!(!config.routes.is_empty());
        assert!(!config.tls.certificates.is_empty());
    }
}
