//! APPEND's message: asked for before it is read, passed on in pieces, ended by the end of the command.
//!
//! Invariant: the service hears `AppendEnd` only after a whole literal and a whole command; in every
//! other case it hears `AppendAbort`, unless it refused the message itself.

use congvu_wire::Step;

use super::read::Refused;
use super::reply::{Kind, Reply};
use super::{Doing, Pending, Server};
use crate::ask::{Answer, Ask};
use crate::frame::{Frame, Literal};
use crate::response::{Code, Done, Status};

/// The piece that is passed on at once, and renews the client's time.
const PIECE_OCTETS: u64 = 64 * 1024;

/// Longest rest of the command after the literal: `)` of `UTF8 (…)` and, wrongly, another message's head.
const REST_OCTETS: usize = 1_024;

/// A message on its way.
#[derive(Debug)]
pub(super) struct Upload {
    tag: String,
    /// The client waits for a continuation.
    sync: bool,
    /// Octets to come.
    left: u64,
    /// `UTF8 (…)`: a parenthesis follows.
    utf8: bool,
    /// Refused: the octets are only skipped, then this is the answer.
    refused: Option<Done>,
}

/// What follows once the service has dropped a message.
#[derive(Debug)]
pub(super) enum AfterAbort {
    /// The command is answered.
    Refuse(Refused),
    /// The command's end is still to be found.
    Read,
    /// The connection ends.
    End,
}

impl Upload {
    pub(super) fn new(tag: String, literal: Literal, utf8: bool) -> Self {
        Self {
            tag,
            sync: literal.sync,
            left: literal.size,
            utf8,
            refused: None,
        }
    }

    pub(super) fn unwelcome(mut self, done: Done) -> Self {
        self.refused = Some(done);
        self
    }

    /// The service takes part in it.
    pub(super) fn is_welcome(&self) -> bool {
        self.refused.is_none()
    }
}

impl Server {
    /// The answer to `AppendStart`.
    pub(super) fn upload_begun(&mut self, upload: Upload, answer: Answer) {
        let done = self.verdict(answer);
        if let Some(done) = done {
            if upload.sync {
                self.tagged(&upload.tag, &done);
            } else {
                self.doing = Doing::Upload(upload.unwelcome(done));
            }
            return;
        }
        if upload.sync {
            self.encoder.go_on("Ready for the message");
        }
        self.marker += 1;
        self.doing = Doing::Upload(upload);
    }

    /// The answer to `AppendData`.
    pub(super) fn upload_continued(&mut self, upload: Upload, answer: Answer) {
        let verdict = self.verdict(answer);
        self.doing = Doing::Upload(match verdict {
            Some(done) => upload.unwelcome(done),
            None => upload,
        });
    }

    /// Why the service will not have the message, if so.
    fn verdict(&mut self, answer: Answer) -> Option<Done> {
        match answer {
            Answer::Accept => None,
            Answer::Reply { untagged, done } => {
                for response in untagged {
                    self.encoder.untagged(response);
                }
                done.filter(|done| done.status != Status::Ok)
            }
            Answer::Octets(_) | Answer::Sasl(_) => {
                Some(Done::no(Some(Code::ServerBug), "Internal error"))
            }
        }
    }

    /// Passes on what is there.
    pub(super) fn upload(&mut self, mut upload: Upload) -> Option<Step<Ask>> {
        if upload.left == 0 {
            self.doing = Doing::UploadEnd(upload);
            return None;
        }
        let size = upload.left.min(PIECE_OCTETS);
        if self.frames.there() < size {
            return self.more(Doing::Upload(upload));
        }
        let piece = self.frames.piece(size);
        upload.left -= piece.len() as u64;
        self.marker += 1;
        if upload.is_welcome() {
            self.ask(Ask::AppendData(piece), Pending::UploadData(upload));
        } else {
            self.doing = Doing::Upload(upload);
        }
        None
    }

    /// Reads the rest of the command after the literal.
    pub(super) fn upload_end(&mut self, upload: Upload) -> Option<Step<Ask>> {
        let frame = self.frames.next(REST_OCTETS);
        let fits = match frame {
            Frame::More => return self.more(Doing::UploadEnd(upload)),
            Frame::Command if self.frames.is_cut() => false,
            Frame::Command => self.frames.take() == if upload.utf8 { b")".as_slice() } else { b"" },
            Frame::BareLf | Frame::Endless => {
                self.doing = Doing::UploadEnd(upload);
                self.bye("The command does not end with CRLF after the message");
                return None;
            }
            Frame::TooLong => {
                self.frames.discard();
                false
            }
            Frame::Literal(_) => false,
        };
        match (upload.refused, fits) {
            // The parenthesis of UTF8 is not known of a head that was refused.
            (Some(done), _) if frame == Frame::Command => {
                self.frames.take();
                self.tagged(&upload.tag, &done);
            }
            (None, true) => self.ask(
                Ask::AppendEnd,
                Pending::Reply(Reply::new(upload.tag, Kind::Plain)),
            ),
            (refused, _) => self.not_ended(upload.tag, refused, frame),
        }
        None
    }

    /// Something else than the end follows the message. (MULTIAPPEND, RFC 3502, would begin here.)
    fn not_ended(&mut self, tag: String, refused: Option<Done>, frame: Frame) {
        let welcome = refused.is_none();
        let bad = || Done {
            status: Status::Bad,
            code: None,
            text: "Unexpected text after the message".to_owned(),
        };
        let refused = Refused {
            tag: Some(tag),
            done: refused.unwrap_or_else(bad),
        };
        let after = match frame {
            // The rest of the command is skipped like that of any refused one.
            Frame::TooLong => {
                self.refused = Some(refused);
                AfterAbort::Read
            }
            Frame::Literal(literal) if !literal.sync => {
                if !self.frames.swallow(literal) {
                    self.stop = Some("The literal is too long");
                }
                self.refused = Some(refused);
                AfterAbort::Read
            }
            _ => {
                self.frames.take();
                AfterAbort::Refuse(refused)
            }
        };
        if welcome {
            self.ask(Ask::AppendAbort, Pending::UploadAbort(after));
        } else {
            self.after_abort(after);
        }
    }

    pub(super) fn after_abort(&mut self, after: AfterAbort) {
        match after {
            AfterAbort::Refuse(refused) => self.refuse(refused),
            AfterAbort::Read => self.doing = Doing::Read,
            AfterAbort::End => self.ask(Ask::End, Pending::End),
        }
    }
}
