//! Facts: what is known about a connection and about a message before anybody judges them.
//!
//! Nothing here decides. What a later filter or the checks of senders learn (SPF, DKIM, reputation)
//! becomes further facts beside these.

use std::sync::Arc;

use congvu_directory::Login;
use congvu_guard::{ClientFacts, Pending};
use congvu_message::Address;
use congvu_smtp::ask::{Kind, Mail};
use congvu_wire::{Peer, TlsInfo};

/// Facts of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Both ends.
    pub peer: Peer,
    /// What the listener is for.
    pub kind: Kind,
    /// Whether the client may relay without a login (see `Settings::relay`).
    pub relay_peer: bool,
    /// The TLS handshake, once done.
    pub tls: Option<TlsInfo>,
    /// What the client called itself last.
    pub hello: Option<Hello>,
    /// It went on talking behind a HELO or EHLO without waiting for the answer.
    pub early_talk: bool,
    /// Who is logged in.
    pub login: Option<Login>,
    /// What the DNS is asked about the client while it talks.
    pub asked: Option<Arc<Pending<ClientFacts>>>,
}

/// EHLO, HELO or LHLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The argument as given.
    pub name: String,
    /// EHLO or LHLO rather than HELO.
    pub extended: bool,
}

impl Connection {
    /// Facts of a connection that was just accepted.
    pub(crate) fn new(peer: Peer, kind: Kind, relay_peer: bool) -> Self {
        Self {
            peer,
            kind,
            relay_peer,
            tls: None,
            hello: None,
            early_talk: false,
            login: None,
            asked: None,
        }
    }

    /// Whether mail may go from here to other places.
    pub(crate) fn may_relay(&self) -> bool {
        self.relay_peer || (self.kind == Kind::Submission && self.login.is_some())
    }

    /// Whether the message is being submitted (RFC 6409) rather than passed on between servers.
    pub(crate) fn submits(&self) -> bool {
        self.kind == Kind::Submission
    }

    /// Keyword of the `with` clause: RFC 3848, RFC 6531 section 4.3.
    pub(crate) fn protocol(&self, utf8: bool) -> String {
        let base = match (self.kind, utf8) {
            (Kind::Lmtp, false) => "LMTP",
            (Kind::Lmtp, true) => "UTF8LMTP",
            (_, true) => "UTF8SMTP",
            (_, false) if self.hello.as_ref().is_some_and(|hello| hello.extended) => "ESMTP",
            (_, false) => "SMTP",
        };
        // Only the extended protocols have the letters; STARTTLS and AUTH cannot be had without EHLO.
        let (tls, auth) = if base == "SMTP" {
            ("", "")
        } else {
            (
                if self.tls.is_some() { "S" } else { "" },
                if self.login.is_some() { "A" } else { "" },
            )
        };
        format!("{base}{tls}{auth}")
    }

    /// TLS for log lines.
    pub(crate) fn tls_version(&self) -> &str {
        self.tls.as_ref().map_or("none", |tls| &tls.version)
    }

    /// Account for log lines.
    pub(crate) fn account(&self) -> String {
        self.login
            .as_ref()
            .map_or_else(|| "none".to_owned(), |login| login.address.to_string())
    }
}

/// Facts of a transaction's sender.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// MAIL as parsed.
    pub mail: Mail,
    /// The reverse-path; `None` for `<>`.
    pub address: Option<Address>,
    /// The domain is ours but nobody is logged in: forwarders do this legitimately, forgers too. A fact
    /// for the filter, no reason to refuse by itself.
    pub claims_local: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_protocol() {
        let address = "127.0.0.1:25".parse().expect("an address");
        let peer = Peer {
            remote: address,
            local: address,
        };
        let check = |kind, extended, tls: bool, utf8, expected: &str| {
            let mut facts = Connection::new(peer, kind, false);
            facts.hello = Some(Hello {
                name: "a.example".into(),
                extended,
            });
            facts.tls = tls.then(TlsInfo::default);
            assert_eq!(facts.protocol(utf8), expected);
        };
        check(Kind::Mx, false, false, false, "SMTP");
        check(Kind::Mx, true, false, false, "ESMTP");
        check(Kind::Mx, true, true, false, "ESMTPS");
        check(Kind::Mx, true, true, true, "UTF8SMTPS");
        check(Kind::Lmtp, true, false, false, "LMTP");
        check(Kind::Lmtp, true, true, true, "UTF8LMTPS");
    }
}
