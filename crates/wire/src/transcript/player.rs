//! Plays a script against one machine, step by step.
//!
//! Invariant: nothing the machine says or asks is thrown away; what no directive expects is a failure. The
//! form of scripts is in `transcript`.

use super::{Actor, Directive, Failure, escape};
use crate::{Machine, Step};

/// A machine in the middle of its script.
pub(super) struct Player<M: Machine, A> {
    machine: M,
    actor: A,
    unsent: Vec<u8>,
    sent: usize,
    output: Vec<u8>,
    /// The question under way, and whether it was a `Wait`.
    asked: Option<(String, bool)>,
    closed: bool,
    octet_by_octet: bool,
}

/// What stopped the machine.
enum Stop {
    /// It wants octets and the script has none left for it.
    Read,
    Output,
    Asks(String),
    Tls,
    Close,
}

impl<M: Machine, A: Actor<M>> Player<M, A> {
    pub(super) fn new(machine: M, actor: A, octet_by_octet: bool) -> Self {
        Self {
            machine,
            actor,
            unsent: Vec::new(),
            sent: 0,
            output: Vec::new(),
            asked: None,
            closed: false,
            octet_by_octet,
        }
    }

    pub(super) fn play(&mut self, directives: &[(usize, Directive)]) -> Result<(), Failure> {
        let mut last = 0;
        for (line, directive) in directives {
            last = *line;
            self.one(directive)
                .map_err(|text| Failure { line: *line, text })?;
        }
        self.settle().map_err(|text| Failure {
            line: last,
            text: format!("after the end of the script: {text}"),
        })
    }

    fn one(&mut self, directive: &Directive) -> Result<(), String> {
        match directive {
            Directive::Client(octets) => {
                // Neighbouring client lines go out as one piece: nothing was stepped since.
                if self.sent > 0 || self.unsent.is_empty() {
                    self.settle()?;
                }
                self.unsent.extend_from_slice(octets);
            }
            Directive::Line(expected) => self.expect_line(expected)?,
            Directive::Raw(expected) => self.expect_raw(expected)?,
            Directive::Ask(expected) => loop {
                match self.more()? {
                    Stop::Output => {}
                    Stop::Asks(found) if matches(expected, &found) => break,
                    stop => {
                        return Err(format!("expected `? {expected}`, {}", self.describe(&stop)));
                    }
                }
            },
            Directive::Answer(text) => {
                if self.asked.take().is_none() {
                    return Err("an answer, but nothing was asked".into());
                }
                let answer = self.actor.answer(text)?;
                self.machine.answer(answer);
            }
            Directive::Tls => match self.run()? {
                Stop::Tls => {
                    self.unsent.clear();
                    self.sent = 0;
                    self.machine.secured(self.actor.tls());
                }
                stop => return Err(format!("expected TLS, {}", self.describe(&stop))),
            },
            Directive::Secured => self.machine.secured(self.actor.tls()),
            Directive::Eof => {
                self.settle()?;
                self.machine.end_of_input();
            }
            Directive::Shutdown => {
                self.settle_unless_asked()?;
                self.machine.shutdown();
            }
            Directive::Expire => {
                self.settle()?;
                self.machine.expire();
            }
            Directive::Close => match self.run()? {
                Stop::Close => {}
                stop => return Err(format!("expected CLOSE, {}", self.describe(&stop))),
            },
        }
        Ok(())
    }

    fn expect_line(&mut self, expected: &str) -> Result<(), String> {
        loop {
            if let Some(end) = self.output.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.output.drain(..end + 2).collect();
                let found = escape(line.get(..end).unwrap_or_default());
                if matches(expected, &found) {
                    return Ok(());
                }
                return Err(format!("expected `S: {expected}`, found `S: {found}`"));
            }
            match self.more()? {
                Stop::Output => {}
                stop => {
                    return Err(format!(
                        "expected `S: {expected}`, {}",
                        self.describe(&stop)
                    ));
                }
            }
        }
    }

    fn expect_raw(&mut self, expected: &[u8]) -> Result<(), String> {
        while self.output.len() < expected.len() {
            match self.more()? {
                Stop::Output => {}
                stop => {
                    let expected = escape(expected);
                    return Err(format!(
                        "expected `S~ {expected}`, {}",
                        self.describe(&stop)
                    ));
                }
            }
        }
        let found: Vec<u8> = self.output.drain(..expected.len()).collect();
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "expected `S~ {}`, found `S~ {}`",
            escape(expected),
            escape(&found)
        ))
    }

    /// Until the machine wants octets that the script has not: nothing unexpected may come before.
    fn settle(&mut self) -> Result<(), String> {
        if self.closed && self.output.is_empty() {
            return Ok(());
        }
        if matches!(self.asked, Some((_, true))) && self.unsent.is_empty() {
            return Ok(());
        }
        match self.run()? {
            Stop::Read => Ok(()),
            Stop::Asks(_) if matches!(self.asked, Some((_, true))) && self.unsent.is_empty() => {
                Ok(())
            }
            stop => Err(self.describe(&stop)),
        }
    }

    fn settle_unless_asked(&mut self) -> Result<(), String> {
        if self.asked.is_some() {
            Ok(())
        } else {
            self.settle()
        }
    }

    fn run(&mut self) -> Result<Stop, String> {
        if !self.output.is_empty() {
            return Ok(Stop::Output);
        }
        self.more()
    }

    fn more(&mut self) -> Result<Stop, String> {
        if self.closed {
            return Ok(Stop::Close);
        }
        let waited = match self.asked.take() {
            Some((ask, false)) => return Err(format!("`? {ask}` was not answered")),
            Some((ask, true)) => {
                self.feed();
                Some(ask)
            }
            None => None,
        };
        let mut idle = 0;
        // A machine that writes nothing again and again would spin for ever.
        while idle < 1_000 {
            match self.machine.step() {
                Step::Read => {
                    if !self.feed() {
                        return Ok(Stop::Read);
                    }
                }
                Step::Write(octets) if octets.is_empty() => idle += 1,
                Step::Write(octets) => {
                    self.output.extend_from_slice(&octets);
                    return Ok(Stop::Output);
                }
                Step::StartTls => return Ok(Stop::Tls),
                Step::Ask(ask) => {
                    let text = self.actor.ask(&ask);
                    self.asked = Some((text.clone(), false));
                    return Ok(Stop::Asks(text));
                }
                Step::Wait(ask) => {
                    let text = self.actor.ask(&ask);
                    // The same question again while the client's line is still incomplete.
                    if waited.as_ref() == Some(&text) && self.feed() {
                        continue;
                    }
                    self.asked = Some((text.clone(), true));
                    return Ok(Stop::Asks(text));
                }
                Step::Close => {
                    self.closed = true;
                    return Ok(Stop::Close);
                }
            }
        }
        Err("the machine never stops".into())
    }

    fn feed(&mut self) -> bool {
        let rest = self.unsent.get(self.sent..).unwrap_or_default();
        let piece = if self.octet_by_octet {
            rest.get(..1).unwrap_or_default()
        } else {
            rest
        };
        if piece.is_empty() {
            return false;
        }
        self.machine.input(piece);
        self.sent += piece.len();
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
        }
        true
    }

    fn describe(&self, stop: &Stop) -> String {
        match stop {
            Stop::Read if self.output.is_empty() => "but the machine waits for the client".into(),
            Stop::Read | Stop::Output => format!("found output `{}`", escape(&self.output)),
            Stop::Asks(ask) => format!("found `? {ask}`"),
            Stop::Tls => "found TLS".into(),
            Stop::Close => "found CLOSE".into(),
        }
    }
}

fn matches(expected: &str, found: &str) -> bool {
    match expected.strip_suffix('…') {
        Some(head) => found.starts_with(head),
        None => found == expected,
    }
}
