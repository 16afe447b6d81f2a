//! The SMTP and LMTP load: blocking threads that pipeline MAIL, RCPT and DATA as mail servers do.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::letter::{Random, letter};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Smtp,
    Lmtp,
}

/// One run.
pub(crate) struct Load {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    pub(crate) sessions: usize,
    pub(crate) messages: usize,
    pub(crate) size: usize,
    pub(crate) rcpts: usize,
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) keep: bool,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Report {
    /// From the connection (or MAIL, when kept) to the final reply; ascending.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) refused: usize,
    pub(crate) first_refusal: Option<String>,
    pub(crate) wall: Duration,
}

impl Load {
    pub(crate) fn run(&self) -> Result<Report, String> {
        let next = AtomicUsize::new(0);
        let start = Instant::now();
        let parts: Vec<Result<Report, String>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.sessions)
                .map(|session| {
                    scope.spawn({
                        let next = &next;
                        move || self.session(session, next)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|_| Err("a session panicked".to_owned()))
                })
                .collect()
        });
        let mut report = Report {
            wall: start.elapsed(),
            ..Report::default()
        };
        for part in parts {
            let part = part?;
            report.latencies.extend(part.latencies);
            report.refused += part.refused;
            report.first_refusal = report.first_refusal.or(part.first_refusal);
        }
        report.latencies.sort_unstable();
        Ok(report)
    }

    fn session(&self, session: usize, next: &AtomicUsize) -> Result<Report, String> {
        let mut random = Random::new(session as u64 + 1);
        let mut report = Report::default();
        let mut kept = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.messages {
                break;
            }
            let to = self.to.replace('%', &(number % self.rcpts + 1).to_string());
            let message = letter(&mut random, &self.from, &to, self.size);
            let start = Instant::now();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect()?,
            };
            match self.transaction(&mut connection, &to, &message)? {
                None => report.latencies.push(start.elapsed()),
                Some(refusal) => {
                    report.refused += 1;
                    report.first_refusal.get_or_insert(refusal);
                    continue;
                }
            }
            if self.keep {
                kept = Some(connection);
            } else {
                say(&mut connection, b"QUIT\r\n")?;
                reply(&mut connection)?;
            }
        }
        Ok(report)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>, String> {
        let stream = TcpStream::connect(self.address)
            .map_err(|error| format!("{}: {error}", self.address))?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        let mut connection = BufReader::new(stream);
        reply(&mut connection)?;
        say(
            &mut connection,
            if self.protocol == Protocol::Lmtp {
                b"LHLO load.test\r\n"
            } else {
                b"EHLO load.test\r\n"
            },
        )?;
        reply(&mut connection)?;
        Ok(connection)
    }

    /// `None` when accepted, else the refusal.
    fn transaction(
        &self,
        connection: &mut BufReader<TcpStream>,
        to: &str,
        message: &[u8],
    ) -> Result<Option<String>, String> {
        let head = format!("MAIL FROM:<{}>\r\nRCPT TO:<{to}>\r\nDATA\r\n", self.from);
        say(connection, head.as_bytes())?;
        let replies = [reply(connection)?, reply(connection)?, reply(connection)?];
        if let Some(refusal) = replies.iter().find(|reply| reply.starts_with(['4', '5'])) {
            return Ok(Some(refusal.clone()));
        }
        let mut octets = message.to_vec();
        octets.extend_from_slice(b".\r\n");
        say(connection, &octets)?;
        let last = reply(connection)?;
        Ok((!last.starts_with('2')).then_some(last))
    }
}

fn say(connection: &mut BufReader<TcpStream>, octets: &[u8]) -> Result<(), String> {
    connection
        .get_mut()
        .write_all(octets)
        .map_err(|error| format!("the server ended the connection: {error}"))
}

/// The last line of a reply.
fn reply(connection: &mut BufReader<TcpStream>) -> Result<String, String> {
    let mut line = String::new();
    loop {
        line.clear();
        if connection
            .read_line(&mut line)
            .map_err(|error| error.to_string())?
            == 0
        {
            return Err("the server ended the connection".to_owned());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.trim_end().to_owned());
        }
    }
}
