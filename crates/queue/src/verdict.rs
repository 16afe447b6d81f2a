//! What an attempt comes to for a recipient, in one form for DNS, connections, sessions and replies.

use congvu_smtp::client::{Break, Outcome, ServerReply, SessionError, Stage};

/// An RFC 3463 status code.
pub(crate) type Status = (u8, u16, u16);

/// The fate of one recipient after one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next server took it over.
    Delivered(Reason),
    /// Not now.
    Later(Reason),
    /// Never.
    Failed(Reason),
}

/// Why, in the words of a server or in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) status: Status,
    pub(crate) text: String,
    /// The server whose words these are.
    pub(crate) remote: Option<String>,
}

impl Reason {
    /// Our own words.
    pub(crate) fn own(status: Status, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            remote: None,
        }
    }

    fn said(reply: &ServerReply, remote: &str) -> Self {
        let class = u8::try_from(reply.code / 100).unwrap_or(4);
        let status = reply.enhanced.unwrap_or((class, 0, 0));
        let (first, second, third) = status;
        let codes = match reply.enhanced {
            Some(_) => format!("{} {first}.{second}.{third}", reply.code),
            None => reply.code.to_string(),
        };
        Self {
            status,
            text: format!("{codes} {}", reply.text).trim_end().to_owned(),
            remote: Some(remote.to_owned()).filter(|name| !name.is_empty()),
        }
    }
}

impl Verdict {
    /// From the outcome of a transaction with the server named `remote`.
    pub(crate) fn of(outcome: &Outcome, remote: &str) -> Self {
        match outcome {
            Outcome::Delivered(reply) => Self::Delivered(Reason::said(reply, remote)),
            Outcome::Refused(_, reply) if reply.is_permanent() => {
                Self::Failed(Reason::said(reply, remote))
            }
            Outcome::Refused(_, reply) => Self::Later(Reason::said(reply, remote)),
            Outcome::Unsupported(reply) => Self::Failed(Reason {
                // The words are ours; the server only lacks the extension.
                remote: None,
                ..Reason::said(reply, remote)
            }),
            Outcome::Unsent(stage, how) => Self::Later(broken(*stage, how, remote)),
            Outcome::Unknown(how) => Self::Later(broken(Stage::End, how, remote)),
        }
    }

    /// From a session that never came to a transaction. Only trouble of ours or for now: even a server that
    /// refuses the connection for good may be the wrong one of several, so the letter is kept.
    pub(crate) fn of_session(error: &SessionError, remote: &str) -> Self {
        Self::Later(match error {
            SessionError::Refused(_, reply) => Reason {
                status: (4, 3, 2),
                ..Reason::said(reply, remote)
            },
            SessionError::Broken(stage, how) => broken(*stage, how, remote),
            SessionError::NoTls => own(
                remote,
                (4, 7, 4),
                "TLS is required, but the server does not offer it",
            ),
            SessionError::Unverified => own(
                remote,
                (4, 7, 5),
                "the certificate of the server could not be verified",
            ),
            SessionError::NoAuth => own(
                remote,
                (4, 7, 0),
                "the server offers no login that can be used inside TLS",
            ),
            SessionError::FalseServer => own(
                remote,
                (4, 7, 8),
                "the server does not know our password; it may be a false one",
            ),
        })
    }
}

fn own(remote: &str, status: Status, text: &str) -> Reason {
    Reason::own(status, format!("{remote}: {text}"))
}

fn broken(stage: Stage, how: &Break, remote: &str) -> Reason {
    let place = match stage {
        Stage::Banner => "before the greeting",
        Stage::Hello => "after EHLO",
        Stage::Tls => "during the TLS handshake",
        Stage::Auth => "during the login",
        Stage::Idle => "between messages",
        Stage::Mail => "after MAIL",
        Stage::Rcpt => "after RCPT",
        Stage::Data => "during the message",
        Stage::End => "after the message, before its acknowledgement",
    };
    match how {
        Break::Said(reply) => Reason {
            status: reply.enhanced.unwrap_or((4, 4, 2)),
            ..Reason::said(reply, remote)
        },
        Break::Closed => own(remote, (4, 4, 2), &format!("connection lost {place}")),
        Break::Timeout => own(remote, (4, 4, 2), &format!("no answer in time {place}")),
        Break::Garbage => own(remote, (4, 5, 0), &format!("answer not understood {place}")),
        Break::Aborted => own(
            remote,
            (4, 3, 0),
            &format!("sending was broken off {place}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, enhanced: Option<Status>) -> ServerReply {
        ServerReply {
            code,
            enhanced,
            text: "words".into(),
        }
    }

    #[test]
    fn outcomes() {
        let check = |outcome: Outcome, kind: &str, status: Status, text: &str| {
            let (found, reason) = match Verdict::of(&outcome, "mx.test") {
                Verdict::Delivered(reason) => ("delivered", reason),
                Verdict::Later(reason) => ("later", reason),
                Verdict::Failed(reason) => ("failed", reason),
            };
            assert_eq!(
                (found, reason.status, reason.text.as_str()),
                (kind, status, text),
                "{outcome:?}"
            );
        };
        check(
            Outcome::Delivered(reply(250, Some((2, 0, 0)))),
            "delivered",
            (2, 0, 0),
            "250 2.0.0 words",
        );
        check(
            Outcome::Refused(Stage::Rcpt, reply(550, Some((5, 1, 1)))),
            "failed",
            (5, 1, 1),
            "550 5.1.1 words",
        );
        check(
            Outcome::Refused(Stage::Rcpt, reply(450, None)),
            "later",
            (4, 0, 0),
            "450 words",
        );
        check(
            Outcome::Refused(Stage::Data, reply(354, None)),
            "later",
            (3, 0, 0),
            "354 words",
        );
        check(
            Outcome::Unsupported(reply(550, Some((5, 6, 7)))),
            "failed",
            (5, 6, 7),
            "550 5.6.7 words",
        );
        check(
            Outcome::Unsent(Stage::Data, Break::Timeout),
            "later",
            (4, 4, 2),
            "mx.test: no answer in time during the message",
        );
        check(
            Outcome::Unknown(Break::Closed),
            "later",
            (4, 4, 2),
            "mx.test: connection lost after the message, before its acknowledgement",
        );
    }

    #[test]
    fn a_session_that_failed_returns_nothing() {
        for error in [
            SessionError::Refused(Stage::Banner, reply(554, Some((5, 7, 1)))),
            SessionError::Broken(Stage::Tls, Break::Closed),
            SessionError::NoTls,
            SessionError::Unverified,
            SessionError::NoAuth,
            SessionError::FalseServer,
        ] {
            assert!(
                matches!(Verdict::of_session(&error, "mx.test"), Verdict::Later(reason) if reason.status.0 == 4)
            );
        }
    }
}
