//! ENVELOPE (RFC 9051 section 7.5.2).

use std::borrow::Cow;

use congvu_message::address::domain_to_ascii;
use congvu_message::{Envelope, Mailbox};

use super::Encoder;

impl Encoder {
    /// ```text
    /// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP
    ///            env-bcc SP env-in-reply-to SP env-message-id ")"
    /// ```
    pub(super) fn envelope(&mut self, envelope: &Envelope) {
        self.raw("(");
        self.nstring(envelope.date.as_deref());
        self.raw(" ");
        self.nstring(envelope.subject.as_deref());
        // RFC 9051 section 7.5.2: Sender and Reply-To default to From.
        let from = &envelope.from;
        let [sender, reply_to] = [&envelope.sender, &envelope.reply_to]
            .map(|list| if list.is_empty() { from } else { list });
        for list in [
            from,
            sender,
            reply_to,
            &envelope.to,
            &envelope.cc,
            &envelope.bcc,
        ] {
            self.raw(" ");
            self.addresses(list);
        }
        self.raw(" ");
        self.nstring(envelope.in_reply_to.as_deref());
        self.raw(" ");
        self.nstring(envelope.message_id.as_deref());
        self.raw(")");
    }

    /// ```text
    /// env-from = "(" 1*address ")" / nil
    /// ```
    fn addresses(&mut self, list: &[Mailbox]) {
        if list.is_empty() {
            self.raw("NIL");
            return;
        }
        self.raw("(");
        for mailbox in list {
            self.address(mailbox);
        }
        self.raw(")");
    }

    /// ```text
    /// address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
    /// ```
    /// A group begins with its name as the mailbox and NIL as the host, and ends with both NIL.
    fn address(&mut self, address: &Mailbox) {
        let host = address.host.as_deref().map(|host| {
            if host.is_ascii() || self.enabled.utf8() {
                Cow::Borrowed(host)
            } else {
                Cow::Owned(ascii_host(host))
            }
        });
        self.raw("(");
        match (&address.mailbox, &host) {
            (Some(local), Some(host)) if !local.is_ascii() && !self.enabled.utf8() => {
                self.downgraded(address.name.as_deref(), local, host);
            }
            (local, host) => {
                self.nstring(address.name.as_deref());
                self.raw(" NIL ");
                self.nstring(local.as_deref());
                self.raw(" ");
                self.nstring(host.as_deref());
            }
        }
        self.raw(")");
    }

    /// RFC 6858 section 2.1: a client that cannot take a UTF-8 local part sees the address in the display name,
    /// and an address that cannot be answered by mistake.
    fn downgraded(&mut self, name: Option<&str>, local: &str, host: &str) {
        let shown = match name {
            Some(name) => format!("{name} <{local}@{host}>"),
            None => format!("{local}@{host}"),
        };
        self.string(&shown);
        self.raw(" NIL \"invalid\" \"internationalized-address.invalid\"");
    }
}

/// The A-label form; a host that has none is written as it is in encoded words by the caller.
fn ascii_host(host: &str) -> String {
    domain_to_ascii(host).unwrap_or_else(|_| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Enabled;

    fn text(enabled: Enabled, envelope: &Envelope) -> String {
        let mut encoder = Encoder {
            enabled,
            ..Encoder::default()
        };
        encoder.envelope(envelope);
        String::from_utf8(encoder.take()).expect("UTF-8")
    }

    fn mailbox(name: Option<&str>, local: Option<&str>, host: Option<&str>) -> Mailbox {
        Mailbox {
            name: name.map(str::to_owned),
            mailbox: local.map(str::to_owned),
            host: host.map(str::to_owned),
        }
    }

    #[test]
    fn empty() {
        assert_eq!(
            text(Enabled::default(), &Envelope::default()),
            "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
        );
    }

    #[test]
    fn full() {
        let envelope = Envelope {
            date: Some("Wed, 17 Jul 1996 02:23:25 -0700".to_owned()),
            subject: Some("Hỏa \"tốc\"".to_owned()),
            from: vec![mailbox(Some("Văn thư"), Some("vanthu"), Some("bo.test"))],
            reply_to: vec![mailbox(None, Some("a\"b"), Some("bo.test"))],
            to: vec![
                mailbox(None, Some("Lãnh đạo"), None),
                mailbox(None, Some("x"), Some("y.test")),
                mailbox(None, None, None),
            ],
            message_id: Some("<a\"b@c>".to_owned()),
            ..Envelope::default()
        };
        let rev2 = Enabled {
            utf8_accept: false,
            rev2: true,
        };
        let from = "((\"Văn thư\" NIL \"vanthu\" \"bo.test\"))";
        let to = "((NIL NIL \"Lãnh đạo\" NIL)(NIL NIL \"x\" \"y.test\")(NIL NIL NIL NIL))";
        let expected = format!(
            "(\"Wed, 17 Jul 1996 02:23:25 -0700\" \"Hỏa \\\"tốc\\\"\" {from} {from} ((NIL NIL \"a\\\"b\" \"bo.test\")) {to} NIL NIL NIL \"<a\\\"b@c>\")"
        );
        assert_eq!(text(rev2, &envelope), expected);
        let old = text(Enabled::default(), &envelope);
        assert!(old.is_ascii());
        assert!(
            old.contains("((\"=?UTF-8?B?VsSDbiB0aMaw?=\" NIL \"vanthu\" \"bo.test\"))"),
            "{old}"
        );
    }

    #[test]
    fn international_addresses() {
        let envelope = Envelope {
            to: vec![
                mailbox(Some("A"), Some("thư"), Some("bộ.test")),
                mailbox(None, Some("a"), Some("bộ.test")),
            ],
            ..Envelope::default()
        };
        let old = text(Enabled::default(), &envelope);
        assert!(old.is_ascii());
        assert!(
            old.contains(
                "NIL \"invalid\" \"internationalized-address.invalid\")(NIL NIL \"a\" \"xn--"
            ),
            "{old}"
        );
        let new = text(
            Enabled {
                utf8_accept: true,
                rev2: false,
            },
            &envelope,
        );
        assert!(
            new.contains("((\"A\" NIL \"thư\" \"bộ.test\")(NIL NIL \"a\" \"bộ.test\"))"),
            "{new}"
        );
    }
}
