//! How mail is sent: everything an administrator can set, and the tools it takes.

use congvu_net::connect::Source;
use congvu_net::dns::Resolver;
use congvu_net::tls::TlsClient;
use congvu_smtp::client::Waits;

use crate::route::Route;
use crate::schedule::Schedule;

/// The port of mail exchangers (RFC 5321 section 4.5.4.2).
pub const SMTP_PORT: u16 = 25;

/// Settings of the queue; can be replaced while it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our host name: said in EHLO, named in notices, known in MX records as ourselves.
    pub hello: String,
    /// Zone of the dates we write, minutes east of UTC.
    pub zone: i16,
    /// When to try again, warn and give up.
    pub schedule: Schedule,
    /// Connections at a time, at least 1.
    pub connections: usize,
    /// Connections to one destination at a time, at least 1.
    pub per_destination: usize,
    /// Routes; a domain that none names is sent to as the DNS says, with opportunistic TLS.
    pub routes: Vec<Route>,
    /// Our addresses to send from.
    pub source: Source,
    /// The port of mail exchangers: [`SMTP_PORT`] outside of tests.
    pub port: u16,
    /// How long a server may take to answer: RFC 5321's times outside of tests.
    pub waits: Waits,
    /// Asks the DNS.
    pub resolver: Resolver,
    /// Makes client sides of TLS.
    pub tls: TlsClient,
}
