//! The SMTP and LMTP load: blocking threads that pipeline MAIL, RCPT and DATA as mail servers do.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::letter::{Letters, Random};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Smtp,
    Lmtp,
}

/// One run.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    pub(crate) sessions: usize,
    pub(crate) messages: usize,
    pub(crate) size: usize,
    /// Recipients are numbers from 1 to this.
    pub(crate) rcpts: usize,
    /// Recipients of each message.
    pub(crate) each: usize,
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

impl Report {
    /// Adds what another session did.
    fn join(&mut self, part: Self) {
        self.latencies.extend(part.latencies);
        self.refused += part.refused;
        self.first_refusal = self.first_refusal.take().or(part.first_refusal);
    }
}

/// Runs `work(0)` to `work(sessions - 1)` in threads of their own and joins their reports.
pub(crate) fn in_threads(
    sessions: usize,
    work: impl Fn(usize) -> Result<Report, String> + Sync,
) -> Result<Report, String> {
    let start = Instant::now();
    let parts: Vec<Result<Report, String>> = thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..sessions)
            .map(|session| scope.spawn(move || work(session)))
            .collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .map(|part| part.unwrap_or_else(|_| Err("a session panicked".to_owned())))
            .collect()
    });
    let mut report = Report {
        wall: start.elapsed(),
        ..Report::default()
    };
    for part in parts {
        report.join(part?);
    }
    report.latencies.sort_unstable();
    Ok(report)
}

impl Load {
    pub(crate) fn run(&self) -> Result<Report, String> {
        let next = AtomicUsize::new(0);
        let letters = Letters::new(self.size);
        in_threads(self.sessions, |session| {
            self.session(session, &next, &letters)
        })
    }

    fn session(
        &self,
        session: usize,
        next: &AtomicUsize,
        letters: &Letters,
    ) -> Result<Report, String> {
        // Each run has messages of its own: the time is part of the seed.
        let seed = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |now| now.as_secs());
        let mut random = Random::new((seed << 12) + session as u64 + 1);
        let mut report = Report::default();
        let mut kept = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.messages {
                break;
            }
            let to = |number: usize| self.to.replace('%', &(number % self.rcpts + 1).to_string());
            let rcpts: Vec<String> = (0..self.each).map(|one| to(number + one)).collect();
            let message = letters.letter(&mut random, &self.from, &rcpts[0]);
            let start = Instant::now();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect()?,
            };
            match self.transaction(&mut connection, &rcpts, &message)? {
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
        let mut connection = connect(self.address)?;
        reply(&mut connection)?;
        let hello: &[u8] = match self.protocol {
            Protocol::Lmtp => b"LHLO load.test\r\n",
            Protocol::Smtp => b"EHLO load.test\r\n",
        };
        say(&mut connection, hello)?;
        reply(&mut connection)?;
        Ok(connection)
    }

    /// `None` when accepted, else the refusal.
    fn transaction(
        &self,
        connection: &mut BufReader<TcpStream>,
        rcpts: &[String],
        message: &[u8],
    ) -> Result<Option<String>, String> {
        let mut head = format!("MAIL FROM:<{}>\r\n", self.from);
        for rcpt in rcpts {
            head.push_str("RCPT TO:<");
            head.push_str(rcpt);
            head.push_str(">\r\n");
        }
        head.push_str("DATA\r\n");
        say(connection, head.as_bytes())?;
        let mut refusal = None;
        for _ in 0..rcpts.len() + 2 {
            let reply = reply(connection)?;
            if reply.starts_with(['4', '5']) {
                refusal.get_or_insert(reply);
            }
        }
        if refusal.is_some() {
            return Ok(refusal);
        }
        let mut octets = Vec::with_capacity(message.len() + 3);
        octets.extend_from_slice(message);
        octets.extend_from_slice(b".\r\n");
        say(connection, &octets)?;
        let replies = match self.protocol {
            Protocol::Lmtp => rcpts.len(),
            Protocol::Smtp => 1,
        };
        for _ in 0..replies {
            let reply = reply(connection)?;
            if !reply.starts_with('2') {
                refusal.get_or_insert(reply);
            }
        }
        Ok(refusal)
    }
}

/// Patience with a server that says nothing: longer than any measured step.
const PATIENCE: Duration = Duration::from_mins(5);

/// A connection without delay of small packets.
pub(crate) fn connect(address: SocketAddr) -> Result<BufReader<TcpStream>, String> {
    let stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
        .map_err(|error| error.to_string())?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}

pub(crate) fn say(connection: &mut BufReader<TcpStream>, octets: &[u8]) -> Result<(), String> {
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
