//! Writing the service's answers: untagged responses, literals that come in pieces, the tagged result.

use std::collections::VecDeque;

use congvu_wire::Step;

use super::{Doing, Pending, Server, WRITE_OCTETS};
use crate::ask::{Answer, Ask};
use crate::encode::Open;
use crate::response::{Code, Done, Status, Untagged};

/// A command under way.
#[derive(Debug)]
pub(super) struct Reply {
    tag: String,
    kind: Kind,
    /// What is to be written.
    responses: VecDeque<Untagged>,
    /// A literal whose octets the service still owes.
    open: Option<Open>,
    done: Option<Done>,
}

/// What the end of a command does to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Select {
        read_only: bool,
    },
    Unselect,
    /// Answers come until the client ends it.
    Idle,
}

impl Reply {
    pub(super) fn new(tag: String, kind: Kind) -> Self {
        Self {
            tag,
            kind,
            responses: VecDeque::new(),
            open: None,
            done: None,
        }
    }
}

impl Server {
    pub(super) fn answered(&mut self, mut reply: Reply, answer: Answer) {
        match answer {
            Answer::Reply { untagged, done } => {
                reply.responses.extend(untagged);
                reply.done = done;
                self.doing = Doing::Reply(reply);
            }
            // Enough of an answer to a command that has nothing to say.
            Answer::Accept => self.finish(&reply, Done::ok("Completed")),
            Answer::Octets(_) | Answer::Sasl(_) => {
                let bug = Done::no(Some(Code::ServerBug), "Internal error");
                self.finish(&reply, bug);
            }
        }
    }

    /// Writes until something must be asked, the command is finished, or enough waits for the socket.
    pub(super) fn write_reply(&mut self, mut reply: Reply) {
        while let Some(response) = reply.responses.pop_front() {
            let farewell =
                matches!(&response, Untagged::Status(done) if done.status == Status::Bye);
            reply.open = self.encoder.untagged(response);
            if farewell {
                return self.end();
            }
            if reply.open.is_some() {
                return self.ask(Ask::Octets, Pending::Octets(reply));
            }
            if self.encoder.len() >= WRITE_OCTETS {
                self.doing = Doing::Reply(reply);
                return;
            }
        }
        match reply.done.take() {
            Some(done) => self.finish(&reply, done),
            None if reply.kind == Kind::Idle => self.doing = Doing::Idle(reply),
            None => self.ask(Ask::More, Pending::Reply(reply)),
        }
    }

    pub(super) fn octets_answered(&mut self, mut reply: Reply, answer: Answer) {
        // The client was promised so many octets: without them there is no way on but to close.
        let (Answer::Octets(mut octets), Some(mut open)) = (answer, reply.open.take()) else {
            return self.end();
        };
        if octets.is_empty() {
            return self.end();
        }
        octets.truncate(usize::try_from(open.left).unwrap_or(usize::MAX));
        open.left -= octets.len() as u64;
        self.encoder.octets(&octets, open.binary);
        reply.open = if open.left > 0 {
            Some(open)
        } else {
            self.encoder.resume(open)
        };
        if reply.open.is_some() {
            self.ask(Ask::Octets, Pending::Octets(reply));
        } else {
            self.doing = Doing::Reply(reply);
        }
    }

    fn finish(&mut self, reply: &Reply, mut done: Done) {
        if done.status == Status::Ok {
            match reply.kind {
                Kind::Select { read_only } => {
                    let read_only = read_only || done.code == Some(Code::ReadOnly);
                    done.code = Some(if read_only {
                        Code::ReadOnly
                    } else {
                        Code::ReadWrite
                    });
                    self.state.select(read_only);
                }
                Kind::Unselect => {
                    self.state.unselect();
                }
                Kind::Plain | Kind::Idle => {}
            }
        }
        self.tagged(&reply.tag, &done);
    }

    /// IDLE (RFC 9051 section 6.3.13). Deviates: any other line than DONE ends it too and is a command of its
    /// own, because iOS 18 Mail pipelines commands around IDLE.
    pub(super) fn idle(&mut self, reply: Reply) -> Option<Step<Ask>> {
        let is_done = match self.frames.peek_line(self.limit()) {
            Ok(Some(line)) => line.eq_ignore_ascii_case(b"DONE"),
            Ok(None) if self.end_of_input => {
                self.doing = Doing::Read;
                self.end();
                return None;
            }
            Ok(None) => {
                self.doing = Doing::Idle(reply);
                return Some(Step::Wait(Ask::Idle));
            }
            // The next command is told what is wrong with it.
            Err(_) => false,
        };
        if is_done {
            self.frames.skip_line();
        }
        self.finish(&reply, Done::ok("IDLE ended"));
        None
    }
}
