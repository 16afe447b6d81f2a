//! A small IMAP client for tests: sends a command, collects untagged responses with their literals.

use std::io;
use std::net::SocketAddr;

use crate::client::Connection;

/// The outcome of a command.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Untagged responses; literals stand inside as they came.
    pub untagged: Vec<String>,
    /// `OK …`, `NO …` or `BAD …`; empty when the connection ended.
    pub status: String,
}

impl Outcome {
    /// Whether the command succeeded.
    pub fn ok(&self) -> bool {
        self.status.starts_with("OK")
    }

    /// The first untagged response that contains the text.
    pub fn find(&self, text: &str) -> Option<&str> {
        self.untagged
            .iter()
            .map(String::as_str)
            .find(|line| line.contains(text))
    }

    /// The number after a word in any response or the status: `UIDNEXT 7` → 7.
    pub fn number(&self, word: &str) -> Option<u64> {
        self.untagged
            .iter()
            .chain(std::iter::once(&self.status))
            .find_map(|line| {
                let rest = line.get(line.find(word)? + word.len()..)?.trim_start();
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            })
    }
}

/// One IMAP connection after its greeting.
pub struct Imap {
    /// The connection underneath.
    pub connection: Connection,
    /// The greeting.
    pub greeting: String,
    tag: u32,
}

impl Imap {
    /// Connects with implicit TLS.
    ///
    /// # Errors
    /// Those of the socket and the handshake.
    pub fn tls(address: SocketAddr) -> io::Result<Self> {
        Self::over(Connection::tls(address)?)
    }

    /// Connects in clear.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        Self::over(Connection::plain(address)?)
    }

    fn over(mut connection: Connection) -> io::Result<Self> {
        let greeting = connection.read_line()?.unwrap_or_default();
        Ok(Self {
            connection,
            greeting,
            tag: 0,
        })
    }

    /// Connects with TLS and logs in.
    ///
    /// # Errors
    /// Those of the socket; a refused login.
    pub fn login(address: SocketAddr, name: &str, password: &str) -> io::Result<Self> {
        let mut imap = Self::tls(address)?;
        let outcome = imap.command(&format!("LOGIN {} {}", quoted(name), quoted(password)))?;
        if outcome.ok() {
            Ok(imap)
        } else {
            Err(io::Error::other(format!(
                "login of {name}: {}",
                outcome.status
            )))
        }
    }

    /// Sends a command and waits for its end.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn command(&mut self, text: &str) -> io::Result<Outcome> {
        let tag = self.next_tag();
        self.connection.line(&format!("{tag} {text}"))?;
        self.outcome(&tag)
    }

    /// APPEND with a synchronising literal.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn append(&mut self, mailbox: &str, flags: &str, message: &[u8]) -> io::Result<Outcome> {
        let tag = self.next_tag();
        self.connection.line(&format!(
            "{tag} APPEND {} ({flags}) {{{}}}",
            quoted(mailbox),
            message.len()
        ))?;
        loop {
            let Some(line) = self.connection.read_line()? else {
                return Ok(Outcome::default());
            };
            if line.starts_with('+') {
                break;
            }
            if let Some(status) = line.strip_prefix(&format!("{tag} ")) {
                return Ok(Outcome {
                    untagged: Vec::new(),
                    status: status.to_owned(),
                });
            }
        }
        self.connection.send(message)?;
        self.connection.send(b"\r\n")?;
        self.outcome(&tag)
    }

    /// Begins IDLE; returns after the continuation.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn idle(&mut self) -> io::Result<String> {
        let tag = self.next_tag();
        self.connection.line(&format!("{tag} IDLE"))?;
        while let Some(line) = self.connection.read_line()? {
            if line.starts_with('+') {
                return Ok(tag);
            }
        }
        Err(io::Error::other(
            "the connection ended before IDLE was accepted",
        ))
    }

    /// Reads untagged lines until one contains the text.
    ///
    /// # Errors
    /// Those of the socket; the end of the connection.
    pub fn until(&mut self, text: &str) -> io::Result<String> {
        while let Some(line) = self.response()? {
            if line.contains(text) {
                return Ok(line);
            }
        }
        Err(io::Error::other(format!(
            "the connection ended while waiting for {text:?}"
        )))
    }

    /// Ends IDLE.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn done(&mut self, tag: &str) -> io::Result<Outcome> {
        self.connection.line("DONE")?;
        self.outcome(tag)
    }

    /// Waits in IDLE until the selected mailbox, selected while it held fewer, has so many messages.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn wait_for_messages(&mut self, count: u32) -> io::Result<()> {
        let announced = |line: &str| {
            let number = line
                .strip_prefix("* ")
                .and_then(|rest| rest.strip_suffix(" EXISTS"));
            number
                .and_then(|number| number.parse::<u32>().ok())
                .is_some_and(|number| number >= count)
        };
        let noop = self.command("NOOP")?;
        let status = self.command("UID SEARCH ALL")?;
        let there = status
            .untagged
            .iter()
            .find(|line| line.starts_with("* SEARCH"))
            .map_or(0, |line| line.split(' ').count() - 2);
        if noop.untagged.iter().any(|line| announced(line))
            || u32::try_from(there).is_ok_and(|there| there >= count)
        {
            return Ok(());
        }
        let tag = self.idle()?;
        while let Some(line) = self.response()? {
            if announced(&line) {
                self.done(&tag)?;
                return Ok(());
            }
        }
        Err(io::Error::other(
            "the connection ended before the messages came",
        ))
    }

    fn next_tag(&mut self) -> String {
        self.tag += 1;
        format!("t{}", self.tag)
    }

    fn outcome(&mut self, tag: &str) -> io::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mark = format!("{tag} ");
        while let Some(line) = self.response()? {
            if let Some(status) = line.strip_prefix(&mark) {
                status.clone_into(&mut outcome.status);
                break;
            }
            outcome.untagged.push(line);
        }
        Ok(outcome)
    }

    /// One response line with its literals put in.
    fn response(&mut self) -> io::Result<Option<String>> {
        let Some(mut line) = self.connection.read_line()? else {
            return Ok(None);
        };
        while let Some(len) = literal(&line) {
            let octets = self.connection.read_octets(len)?;
            line.push_str("\r\n");
            line.push_str(&String::from_utf8_lossy(&octets));
            line.push_str(&self.connection.read_line()?.unwrap_or_default());
        }
        Ok(Some(line))
    }
}

/// `{123}` at the end of a line.
fn literal(line: &str) -> Option<usize> {
    let inner = line.strip_suffix('}')?;
    inner.get(inner.rfind('{')? + 1..)?.parse().ok()
}

/// A quoted string.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
