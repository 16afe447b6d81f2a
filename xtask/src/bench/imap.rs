//! The IMAP load: APPEND, FETCH as clients ask, STORE and SEARCH over a whole mailbox, logins, idle
//! connections. Answers are read and thrown away; only tagged replies are looked at.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::letter::{Letters, Random};
use super::load::{Report, connect, in_threads, say};

/// What Thunderbird asks of every message that it does not know.
pub(crate) const THUNDERBIRD: &str = "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS \
    (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To \
    Content-Type Reply-To)])";

/// Commands over a whole mailbox, with the names they have in the table.
pub(crate) const WHOLE: [(&str, &str); 6] = [
    ("FETCH FLAGS", "FETCH 1:* (UID FLAGS)"),
    (
        "FETCH ENVELOPE",
        "FETCH 1:* (UID ENVELOPE INTERNALDATE RFC822.SIZE)",
    ),
    ("FETCH headers (Thunderbird)", THUNDERBIRD),
    ("STORE +FLAGS", "STORE 1:* +FLAGS.SILENT (\\Seen)"),
    ("STORE -FLAGS", "STORE 1:* -FLAGS.SILENT (\\Seen)"),
    ("SEARCH TEXT, no hit", "SEARCH TEXT \"khongcogi xyzzy\""),
];

/// Who logs in where.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) address: SocketAddr,
    /// Account, % is the number.
    pub(crate) account: String,
    pub(crate) password: String,
}

/// A logged-in connection.
pub(crate) struct Session {
    connection: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Login {
    /// Connects and logs in.
    pub(crate) fn session(&self, number: usize) -> Result<Session, String> {
        let mut session = Session {
            connection: connect(self.address)?,
            line: Vec::new(),
        };
        session.line()?;
        let account = self.account.replace('%', &number.to_string());
        session.command(&format!("LOGIN {account} {}", self.password))?;
        Ok(session)
    }

    /// Appends messages to INBOXes from as many connections as given, one account each.
    pub(crate) fn append(&self, sessions: usize, messages: usize) -> Result<Report, String> {
        let letters = Letters::new(10 * 1024);
        let next = AtomicUsize::new(0);
        in_threads(sessions, |number| {
            let mut session = self.session(number + 1)?;
            let mut random = Random::new(number as u64 + 77);
            let mut report = Report::default();
            while next.fetch_add(1, Ordering::Relaxed) < messages {
                let message = letters.letter(&mut random, "load@example.org", "u@xa.test");
                let start = Instant::now();
                session.append(&message)?;
                report.latencies.push(start.elapsed());
            }
            Ok(report)
        })
    }

    /// Connects, logs in, selects INBOX and logs out, again and again.
    pub(crate) fn logins(&self, sessions: usize, count: usize) -> Result<Report, String> {
        let next = AtomicUsize::new(0);
        in_threads(sessions, |number| {
            let mut report = Report::default();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                let start = Instant::now();
                let mut session = self.session(number + 1)?;
                session.command("SELECT INBOX")?;
                session.command("LOGOUT")?;
                report.latencies.push(start.elapsed());
            }
            Ok(report)
        })
    }

    /// Connections that have selected INBOX and idle.
    pub(crate) fn idle(&self, accounts: usize, count: usize) -> Result<Vec<Session>, String> {
        let idle = |number: usize| {
            let mut session = self.session(number % accounts + 1)?;
            session.command("SELECT INBOX")?;
            say(&mut session.connection, b"i IDLE\r\n")?;
            while session.line()? && !session.line.starts_with(b"+") {}
            Ok(session)
        };
        (0..count).map(idle).collect()
    }
}

impl Session {
    /// Sends a command and waits for its OK; the time until then.
    pub(crate) fn command(&mut self, text: &str) -> Result<Duration, String> {
        let start = Instant::now();
        say(&mut self.connection, format!("a {text}\r\n").as_bytes())?;
        self.tagged(text)?;
        Ok(start.elapsed())
    }

    fn append(&mut self, message: &[u8]) -> Result<(), String> {
        let mut octets = format!("a APPEND INBOX {{{}+}}\r\n", message.len()).into_bytes();
        octets.extend_from_slice(message);
        octets.extend_from_slice(b"\r\n");
        say(&mut self.connection, &octets)?;
        self.tagged("APPEND")
    }

    fn tagged(&mut self, command: &str) -> Result<(), String> {
        while self.line()? {
            if let Some(reply) = self.line.strip_prefix(b"a ") {
                return if reply.starts_with(b"OK") {
                    Ok(())
                } else {
                    let reply = String::from_utf8_lossy(reply);
                    Err(format!("{command}: {}", reply.trim_end()))
                };
            }
        }
        Err(format!("{command}: the server ended the connection"))
    }

    /// Reads a line; the literals in it are read over. `false` at the end.
    fn line(&mut self) -> Result<bool, String> {
        self.line.clear();
        loop {
            let read = self.connection.read_until(b'\n', &mut self.line);
            if read.map_err(|error| error.to_string())? == 0 {
                return Ok(false);
            }
            let Some(mut left) = literal(&self.line) else {
                return Ok(true);
            };
            // What follows a literal belongs to the line, but its beginning says enough.
            self.line.truncate(2);
            while left > 0 {
                let there = self.connection.fill_buf().map_err(|e| e.to_string())?.len();
                if there == 0 {
                    return Ok(false);
                }
                self.connection.consume(there.min(left));
                left -= there.min(left);
            }
        }
    }
}

/// Octets of the literal that the line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = line.iter().rposition(|&octet| octet == b'{')?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}
