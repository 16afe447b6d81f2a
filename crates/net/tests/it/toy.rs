//! A line protocol that uses every step a machine has, and a client to talk it.

use std::time::Duration;

use congvu_net::Service;
use congvu_wire::{Machine, Patience, Step, TlsInfo};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

/// Time the toy gives its peer for a line.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(crate) struct Toy {
    input: Vec<u8>,
    next: Vec<Next>,
    lines: u64,
    waiting: bool,
    ended: bool,
    pub(crate) tls: Option<TlsInfo>,
}

enum Next {
    Write(Vec<u8>),
    Ask(String),
    StartTls,
    Close,
}

impl Toy {
    pub(crate) fn new() -> Self {
        let mut toy = Self::default();
        toy.say("hello");
        toy
    }

    fn say(&mut self, line: &str) {
        self.next
            .push(Next::Write(format!("{line}\r\n").into_bytes()));
    }

    fn line(&mut self, line: &str) {
        self.lines += 1;
        match line.split_once(' ').unwrap_or((line, "")) {
            ("ECHO", text) => self.say(text),
            ("ASK", text) => self.next.push(Next::Ask(text.to_owned())),
            ("WAIT", _) => self.waiting = true,
            ("BIG", size) => {
                self.next
                    .push(Next::Write(vec![b'x'; size.parse().unwrap()]));
                self.say("");
            }
            ("STARTTLS", _) => {
                self.say("go");
                self.input.clear();
                self.next.push(Next::StartTls);
            }
            ("TLS?", _) => {
                let shown = self.tls.as_ref().map_or_else(
                    || "none".to_owned(),
                    |tls| format!("{} {} {:?}", tls.version, tls.cipher, tls.sni),
                );
                self.say(&shown);
            }
            _ => self.close("bye"),
        }
    }

    fn close(&mut self, line: &str) {
        self.say(line);
        self.next.push(Next::Close);
    }
}

impl Machine for Toy {
    type Ask = String;
    type Answer = String;

    fn input(&mut self, bytes: &[u8]) {
        assert!(
            self.next.is_empty(),
            "input came although there was work left"
        );
        self.waiting = false;
        self.input.extend_from_slice(bytes);
    }
    fn answer(&mut self, answer: String) {
        self.waiting = false;
        self.say(&answer);
    }
    fn step(&mut self) -> Step<String> {
        loop {
            if !self.next.is_empty() {
                return match self.next.remove(0) {
                    Next::Write(octets) => Step::Write(octets),
                    Next::Ask(text) => Step::Ask(text),
                    Next::StartTls => Step::StartTls,
                    Next::Close => Step::Close,
                };
            }
            // Octets that came along with WAIT end the wait as later ones would.
            if self.waiting && self.input.is_empty() {
                return Step::Wait("event".to_owned());
            }
            let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") else {
                return if self.ended { Step::Close } else { Step::Read };
            };
            self.waiting = false;
            let line: Vec<u8> = self.input.drain(..end + 2).collect();
            self.line(std::str::from_utf8(&line[..end]).unwrap());
        }
    }
    fn secured(&mut self, tls: TlsInfo) {
        self.tls = Some(tls);
        self.say("secured");
    }
    fn end_of_input(&mut self) {
        self.ended = true;
        self.waiting = false;
    }
    fn shutdown(&mut self) {
        self.waiting = false;
        self.close("421 stopping");
    }
    fn expire(&mut self) {
        self.waiting = false;
        self.close("421 too slow");
    }
    fn patience(&self) -> Patience {
        Patience {
            marker: self.lines,
            limit: PATIENCE,
        }
    }
}

/// Answers `ASK text` with `text!`, `ASK panic` with a panic, `ASK never` never, and `WAIT` with
/// what the test sends.
pub(crate) struct Answers {
    pub(crate) events: mpsc::Receiver<String>,
    pub(crate) asked: mpsc::UnboundedSender<String>,
    pub(crate) binding: Option<Vec<u8>>,
}

pub(crate) struct Hand {
    pub(crate) events: mpsc::Sender<String>,
    pub(crate) asked: mpsc::UnboundedReceiver<String>,
}

impl Answers {
    pub(crate) fn new() -> (Self, Hand) {
        let (events, receiver) = mpsc::channel(1);
        let (asked, asked_receiver) = mpsc::unbounded_channel();
        let answers = Self {
            events: receiver,
            asked,
            binding: None,
        };
        (
            answers,
            Hand {
                events,
                asked: asked_receiver,
            },
        )
    }
}

impl Service<Toy> for Answers {
    async fn answer(&mut self, ask: String) -> String {
        let _ = self.asked.send(ask.clone());
        match ask.as_str() {
            "event" => match self.events.recv().await {
                Some(event) => event,
                None => std::future::pending().await,
            },
            "never" => std::future::pending().await,
            "slow" => {
                tokio::time::sleep(PATIENCE * 2).await;
                "slow!".to_owned()
            }
            "panic" => panic!("as the test wants"),
            text => format!("{text}!"),
        }
    }
    fn secured(&mut self, tls: &TlsInfo) {
        self.binding.clone_from(&tls.binding);
    }
}

/// The other end.
pub(crate) struct Client<S>(pub(crate) BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
        self.0.get_mut().flush().await.unwrap();
    }
    /// The next line, or "end".
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line).await {
            Ok(0) | Err(_) => "end".to_owned(),
            Ok(_) => line.trim_end().to_owned(),
        }
    }
    pub(crate) async fn expect(&mut self, lines: &[&str]) {
        for expected in lines {
            assert_eq!(self.line().await, *expected);
        }
    }
}
