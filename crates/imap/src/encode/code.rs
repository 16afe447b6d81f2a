//! Status responses and their codes (RFC 9051 section 7.1).

use super::Encoder;
use crate::response::{Code, Done, Status};
use crate::set;

impl Encoder {
    /// ```text
    /// resp-cond-state = ("OK" / "NO" / "BAD") SP resp-text
    /// resp-cond-bye   = "BYE" SP resp-text
    /// resp-text       = ["[" resp-text-code "]" SP] [text]
    /// ```
    pub(super) fn status(&mut self, tag: &str, done: &Done) {
        self.raw(tag);
        self.raw(match done.status {
            Status::Ok => " OK ",
            Status::No => " NO ",
            Status::Bad => " BAD ",
            Status::Bye => " BYE ",
        });
        if let Some(code) = done.code.as_ref().and_then(|code| self.code(code)) {
            self.raw("[");
            self.raw(&code);
            self.raw("] ");
        }
        self.status_text(&done.text);
        self.crlf();
    }

    /// Printable ASCII, never empty (an empty text makes some parsers read the next line), and no bracket
    /// at the beginning that would look like a code.
    pub(super) fn status_text(&mut self, text: &str) {
        if text.is_empty() {
            self.raw("Done");
            return;
        }
        let safe: String = text
            .chars()
            .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
            .collect();
        self.raw(safe.trim_start_matches('['));
    }

    /// `None` when there is nothing to say (COPYUID of no messages).
    fn code(&self, code: &Code) -> Option<String> {
        let plain = match code {
            Code::Alert => "ALERT",
            Code::AlreadyExists => "ALREADYEXISTS",
            Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Code::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Code::BadCharset => "BADCHARSET (US-ASCII UTF-8)",
            Code::Cannot => "CANNOT",
            Code::ClientBug => "CLIENTBUG",
            Code::Closed => "CLOSED",
            Code::Corruption => "CORRUPTION",
            Code::ExpungeIssued => "EXPUNGEISSUED",
            Code::HasChildren => "HASCHILDREN",
            Code::InUse => "INUSE",
            Code::Limit => "LIMIT",
            Code::NonExistent => "NONEXISTENT",
            Code::NoPerm => "NOPERM",
            Code::NotSaved => "NOTSAVED",
            Code::OverQuota => "OVERQUOTA",
            Code::Parse => "PARSE",
            Code::PrivacyRequired => "PRIVACYREQUIRED",
            Code::ReadOnly => "READ-ONLY",
            Code::ReadWrite => "READ-WRITE",
            Code::ServerBug => "SERVERBUG",
            Code::TooBig => "TOOBIG",
            Code::TryCreate => "TRYCREATE",
            Code::UidNotSticky => "UIDNOTSTICKY",
            Code::Unavailable => "UNAVAILABLE",
            Code::UnknownCte => "UNKNOWN-CTE",
            Code::UseAttr => "USEATTR", // RFC 6154
            _ => return self.code_with_value(code),
        };
        Some(plain.to_owned())
    }

    fn code_with_value(&self, code: &Code) -> Option<String> {
        Some(match code {
            // RFC 4315 section 3
            Code::AppendUid { uids, .. } if uids.is_empty() => return None,
            Code::AppendUid { uidvalidity, uids } => {
                format!("APPENDUID {uidvalidity} {}", uid_set(uids))
            }
            Code::CopyUid { from, to, .. } if from.is_empty() || from.len() != to.len() => {
                return None;
            }
            Code::CopyUid {
                uidvalidity,
                from,
                to,
            } => format!("COPYUID {uidvalidity} {} {}", uid_set(from), uid_set(to)),
            Code::MailboxId(id) => format!("MAILBOXID ({id})"), // RFC 8474
            Code::PermanentFlags(flags) => {
                let mut flags_only = Self {
                    enabled: self.enabled,
                    ..Self::default()
                };
                flags_only.flags(flags);
                format!(
                    "PERMANENTFLAGS {}",
                    String::from_utf8_lossy(&flags_only.take())
                )
            }
            Code::UidNext(n) => format!("UIDNEXT {n}"),
            Code::UidValidity(n) => format!("UIDVALIDITY {n}"),
            // RFC 9051 appendix E: gone from IMAP4rev2.
            Code::Unseen(_) if self.enabled.rev2 => return None,
            Code::Unseen(n) => format!("UNSEEN {n}"),
            Code::HighestModSeq(n) => format!("HIGHESTMODSEQ {n}"), // RFC 7162
            _ => return None,
        })
    }
}

fn uid_set(uids: &[u32]) -> String {
    let mut out = String::new();
    set::write(&mut out, &set::compact(uids));
    out
}

#[cfg(test)]
mod tests {
    use super::super::text_of;
    use super::*;
    use crate::response::Untagged;
    use crate::session::Enabled;

    #[test]
    fn statuses() {
        fn check(done: Done, expected: &str) {
            assert_eq!(
                text_of(Enabled::default(), Untagged::Status(done)),
                format!("* {expected}\r\n")
            );
        }
        check(Done::ok("Hello"), "OK Hello");
        check(Done::ok(""), "OK Done");
        check(Done::ok("[X] y\r\nz\u{e9}"), "OK X] y??z?");
        check(
            Done::no(Some(Code::TryCreate), "No such mailbox"),
            "NO [TRYCREATE] No such mailbox",
        );
        check(
            Done::ok("x").with(Code::UidValidity(7)),
            "OK [UIDVALIDITY 7] x",
        );
        check(Done::ok("x").with(Code::Unseen(7)), "OK [UNSEEN 7] x");
        let flags = vec!["\\Seen".to_owned(), "\\*".to_owned()];
        check(
            Done::ok("x").with(Code::PermanentFlags(flags)),
            "OK [PERMANENTFLAGS (\\Seen \\*)] x",
        );
        check(
            Done::ok("x").with(Code::AppendUid {
                uidvalidity: 38,
                uids: vec![3955],
            }),
            "OK [APPENDUID 38 3955] x",
        );
        let copy = |from: &[u32], to: &[u32]| {
            Done::ok("x").with(Code::CopyUid {
                uidvalidity: 38,
                from: from.to_vec(),
                to: to.to_vec(),
            })
        };
        check(
            copy(&[304, 319, 320], &[3956, 3957, 3958]),
            "OK [COPYUID 38 304,319:320 3956:3958] x",
        );
        check(copy(&[], &[]), "OK x");
        check(
            Done {
                status: Status::Bye,
                code: Some(Code::Unavailable),
                text: "x".to_owned(),
            },
            "BYE [UNAVAILABLE] x",
        );
    }
}
