//! One SASL exchange of a server, from the mechanism's name to granted or not.

use super::scram::{self, Binding, ClientFinal, ClientFirst};
use super::{Denial, SaslAnswer, SaslAsk, ScramKeys, name};
use crate::{Secret, TlsInfo};

/// Longest response in octets of base64 (RFC 4954 section 4 asks for 12,288 with other mechanisms in mind;
/// a name, a password and a nonce of the greatest length fit in here).
pub const MAX_RESPONSE: usize = 4096;

/// Longest password in octets: more only costs hashing time.
pub const MAX_PASSWORD: usize = 1024;

/// A mechanism this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 4616.
    Plain,
    /// Never standardised; Outlook uses nothing else.
    Login,
}

impl Mechanism {
    /// Best first, as EHLO and CAPABILITY list them.
    const ALL: [Self; 4] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::Plain,
        Self::Login,
    ];

    /// Registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// What decides which mechanisms there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy<'a> {
    /// The handshake, if there was one.
    pub tls: Option<&'a TlsInfo>,
    /// Allow logins without TLS: for listeners on the loopback interface only.
    pub allow_plaintext: bool,
}

impl Policy<'_> {
    fn allows(&self, mechanism: Mechanism) -> bool {
        let bound = self
            .tls
            .is_some_and(|tls| tls.binding.is_some() || tls.end_point.is_some());
        match mechanism {
            Mechanism::ScramSha256Plus => bound,
            _ => self.tls.is_some() || self.allow_plaintext,
        }
    }
}

/// The mechanisms to advertise now, best first; empty when nobody may log in yet.
pub fn mechanisms(policy: &Policy<'_>) -> Vec<&'static str> {
    let allowed = Mechanism::ALL.into_iter().filter(|&m| policy.allows(m));
    allowed.map(Mechanism::as_str).collect()
}

/// Why an exchange did not even begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No such mechanism (SMTP 504 5.5.4, IMAP NO).
    #[error("unknown mechanism")]
    Unknown,
    /// Only inside TLS (SMTP 538 5.7.11, IMAP `[PRIVACYREQUIRED]`).
    #[error("encryption required")]
    NeedsTls,
}

/// Why an exchange ended without a decision. Counts as a failed login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The client sent `*`.
    #[error("cancelled")]
    Cancelled,
    /// Bad base64, UTF-8, message or name.
    #[error("malformed response")]
    Malformed,
    /// Another name to act for than the one that logs in, a channel binding that does not fit, or a
    /// downgrade: refused like a wrong password.
    #[error("refused")]
    Refused,
}

/// What happens next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum SaslStep {
    /// Send this (the protocol encodes it as base64) and give the reply to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// Ask the service and give the answer to [`Exchange::answer`].
    Ask(SaslAsk),
    /// Logged in, under this name.
    Granted(String),
    /// The service refused.
    Denied(Denial),
    /// The exchange broke off.
    Failed(Failure),
}

/// One exchange. After `Granted`, `Denied` or `Failed` it is over.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    Begun(Mechanism, Channel),
    /// LOGIN: `Username:` was sent.
    LoginName,
    /// LOGIN: `Password:` was sent.
    LoginPassword(String),
    /// PLAIN, LOGIN: the service checks the password.
    Checking(String),
    ScramKeys(Box<Scram>),
    ScramFinal(Box<Scram>, ScramKeys, String),
    ScramDeciding(Box<Scram>, Option<Vec<u8>>),
    /// The server's signature was sent; the client's empty response is awaited.
    ScramSigned(Box<Scram>),
    Over,
}

/// What SCRAM needs to know of TLS.
#[derive(Debug, Clone)]
struct Channel {
    exporter: Option<Vec<u8>>,
    end_point: Option<Vec<u8>>,
    nonce: String,
}

#[derive(Debug)]
struct Scram {
    first: ClientFirst,
    authcid: String,
    /// What `c=` must decode to.
    binding: Vec<u8>,
    /// Client's and ours.
    nonce: String,
}

impl Exchange {
    /// Begins. `initial` is the initial response as it stood in the command (base64, `=` for an empty one).
    pub fn begin(
        mechanism: &str,
        initial: Option<&[u8]>,
        policy: &Policy<'_>,
    ) -> Result<(Self, SaslStep), Unavailable> {
        Self::begin_with_nonce(mechanism, initial, policy, scram::nonce())
    }

    fn begin_with_nonce(
        mechanism: &str,
        initial: Option<&[u8]>,
        policy: &Policy<'_>,
        nonce: String,
    ) -> Result<(Self, SaslStep), Unavailable> {
        let mechanism = Mechanism::ALL
            .into_iter()
            .find(|m| m.as_str().eq_ignore_ascii_case(mechanism))
            .ok_or(Unavailable::Unknown)?;
        if policy.tls.is_none() && !policy.allow_plaintext {
            return Err(Unavailable::NeedsTls);
        }
        if !policy.allows(mechanism) {
            return Err(Unavailable::Unknown);
        }
        let channel = Channel {
            exporter: policy.tls.and_then(|tls| tls.binding.clone()),
            end_point: policy.tls.and_then(|tls| tls.end_point.clone()),
            nonce,
        };
        let mut exchange = Self(State::Begun(mechanism, channel));
        let step = match (initial, mechanism) {
            (Some(b"="), _) => exchange.take(b""),
            (Some(response), _) => exchange.respond(response),
            // Outlook for Mac gives up when the challenge is empty.
            (None, Mechanism::Login) => {
                exchange.0 = State::LoginName;
                SaslStep::Challenge(b"Username:".to_vec())
            }
            (None, _) => SaslStep::Challenge(Vec::new()),
        };
        Ok((exchange, step))
    }

    /// A line from the client, without its end: base64, or `*` to cancel.
    pub fn respond(&mut self, line: &[u8]) -> SaslStep {
        if line == b"*" {
            return self.fail(Failure::Cancelled);
        }
        let decoded = std::str::from_utf8(line)
            .ok()
            .filter(|text| text.len() <= MAX_RESPONSE)
            .and_then(scram::decode);
        match decoded {
            Some(octets) => self.take(&octets),
            None => self.fail(Failure::Malformed),
        }
    }

    /// The service's answer to `SaslStep::Ask`.
    pub fn answer(&mut self, answer: SaslAnswer) -> SaslStep {
        match (std::mem::replace(&mut self.0, State::Over), answer) {
            (State::Checking(authcid), SaslAnswer::Granted) => SaslStep::Granted(authcid),
            (State::ScramKeys(scram), SaslAnswer::Keys(keys)) => {
                let first = format!(
                    "r={},s={},i={}",
                    scram.nonce,
                    scram::encode(&keys.salt),
                    keys.iterations
                );
                self.0 = State::ScramFinal(scram, keys, first.clone());
                SaslStep::Challenge(first.into_bytes())
            }
            (State::ScramDeciding(scram, Some(signature)), SaslAnswer::Granted) => {
                self.0 = State::ScramSigned(scram);
                SaslStep::Challenge(signature)
            }
            (_, SaslAnswer::Denied(denial)) => SaslStep::Denied(denial),
            // A grant without a matched key, or an answer to another question, never lets anybody in.
            _ => SaslStep::Denied(Denial::Unavailable),
        }
    }

    fn fail(&mut self, failure: Failure) -> SaslStep {
        self.0 = State::Over;
        SaslStep::Failed(failure)
    }

    fn take(&mut self, response: &[u8]) -> SaslStep {
        match std::mem::replace(&mut self.0, State::Over) {
            State::Begun(Mechanism::Plain, _) => self.plain(response),
            // Outlook 365 for Mac sends the name as an initial response, and some clients put a NUL behind it.
            State::Begun(Mechanism::Login, _) | State::LoginName => {
                match name(response.strip_suffix(b"\0").unwrap_or(response)) {
                    Some(authcid) => {
                        self.0 = State::LoginPassword(authcid);
                        SaslStep::Challenge(b"Password:".to_vec())
                    }
                    None => self.fail(Failure::Malformed),
                }
            }
            State::LoginPassword(authcid) => self.check(authcid, response),
            State::Begun(mechanism, channel) => self.scram_first(mechanism, channel, response),
            State::ScramFinal(scram, keys, first) => {
                self.scram_final(scram, &keys, &first, response)
            }
            State::ScramSigned(scram) if response.is_empty() => SaslStep::Granted(scram.authcid),
            _ => self.fail(Failure::Malformed),
        }
    }

    /// `message = [authzid] UTF8NUL authcid UTF8NUL passwd`, RFC 4616 section 2.
    fn plain(&mut self, response: &[u8]) -> SaslStep {
        let mut parts = response.split(|&o| o == 0);
        let (Some(act_as), Some(authcid), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return self.fail(Failure::Malformed);
        };
        let Some(authcid) = name(authcid) else {
            return self.fail(Failure::Malformed);
        };
        if !act_as.is_empty() && name(act_as).as_ref() != Some(&authcid) {
            return self.fail(Failure::Refused);
        }
        self.check(authcid, password)
    }

    fn check(&mut self, authcid: String, password: &[u8]) -> SaslStep {
        let sound = !password.is_empty()
            && password.len() <= MAX_PASSWORD
            && !password.contains(&0)
            && std::str::from_utf8(password).is_ok();
        if !sound {
            return self.fail(Failure::Malformed);
        }
        self.0 = State::Checking(authcid.clone());
        SaslStep::Ask(SaslAsk::Password {
            authcid,
            password: Secret::new(password),
        })
    }

    fn scram_first(&mut self, mechanism: Mechanism, channel: Channel, response: &[u8]) -> SaslStep {
        let first = std::str::from_utf8(response)
            .ok()
            .and_then(ClientFirst::parse);
        let Some(first) = first else {
            return self.fail(Failure::Malformed);
        };
        let Some(authcid) = name(first.authcid.as_bytes()) else {
            return self.fail(Failure::Malformed);
        };
        if first
            .act_as
            .as_ref()
            .is_some_and(|id| name(id.as_bytes()).as_ref() != Some(&authcid))
        {
            return self.fail(Failure::Refused);
        }
        let offered_plus = channel.exporter.is_some() || channel.end_point.is_some();
        let data = match (&first.binding, mechanism) {
            (Binding::Unsupported, Mechanism::ScramSha256) => Some(Vec::new()),
            // `y` while PLUS was offered: somebody took it out of the list (RFC 5802 section 6).
            (Binding::Unoffered, Mechanism::ScramSha256) => (!offered_plus).then(Vec::new),
            (Binding::Used(kind), Mechanism::ScramSha256Plus) => match kind.as_str() {
                "tls-exporter" => channel.exporter,
                "tls-server-end-point" => channel.end_point,
                _ => None,
            },
            _ => None,
        };
        let Some(data) = data else {
            return self.fail(Failure::Refused);
        };
        let mut binding = first.gs2_header.clone().into_bytes();
        binding.extend_from_slice(&data);
        let nonce = format!("{}{}", first.nonce, channel.nonce);
        self.0 = State::ScramKeys(Box::new(Scram {
            first,
            authcid: authcid.clone(),
            binding,
            nonce,
        }));
        SaslStep::Ask(SaslAsk::Keys { authcid })
    }

    fn scram_final(
        &mut self,
        scram: Box<Scram>,
        keys: &ScramKeys,
        server_first: &str,
        response: &[u8],
    ) -> SaslStep {
        let last = std::str::from_utf8(response)
            .ok()
            .and_then(ClientFinal::parse);
        let Some(last) = last else {
            return self.fail(Failure::Malformed);
        };
        if last.nonce != scram.nonce || last.binding != scram.binding {
            return self.fail(Failure::Refused);
        }
        let message = format!("{},{server_first},{}", scram.first.bare, last.without_proof);
        let message = message.as_bytes();
        // Every key is tried, whichever matched, so that time tells nothing.
        let mut matched = None;
        for (index, key) in keys.keys.iter().enumerate() {
            if scram::proves(key, message, &last.proof) {
                matched = matched.or(Some(index));
            }
        }
        let signature = matched.and_then(|index| keys.keys.get(index)).map(|key| {
            format!("v={}", scram::encode(&scram::mac(&key.server_key, message))).into_bytes()
        });
        let authcid = scram.authcid.clone();
        self.0 = State::ScramDeciding(scram, signature);
        SaslStep::Ask(SaslAsk::Decided { authcid, matched })
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
