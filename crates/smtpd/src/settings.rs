//! What an administrator sets for receiving mail, with defaults and their reasons.
//!
//! The binary fills this from its configuration file; nothing here reads files.

use congvu_net::Network;
use congvu_smtp::ask::Kind;
use congvu_smtp::server::Config;

/// Settings of receiving. A session keeps those it began with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in Received fields and replies, and our authserv-id (RFC 8601 section 2.5).
    pub hostname: String,
    /// Largest message, octets as received.
    pub size_limit: u64,
    /// Most RCPT commands in a transaction at port 25.
    pub rcpts_most: u32,
    /// Most RCPT commands in a transaction of our own accounts and over LMTP.
    pub own_rcpts_most: u32,
    /// Zone of the times that we write, minutes east of UTC.
    pub zone: i16,
    /// Who may relay through port 25 without a login: printers, applications, a mail server in front or behind.
    pub relay: Vec<Network>,
    /// Who may speak LMTP: it delivers without any question about the sender.
    pub lmtp: Vec<Network>,
    /// Octets that must stay free on the disk: below it no mail is taken, as long as reading and deleting still work.
    pub reserve: u64,
    /// How much one account or network may send.
    pub rates: Rates,
}

/// Most of something in an hour and in a day (sliding); 0 = no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In any hour.
    pub hour: u32,
    /// In any day.
    pub day: u32,
}

/// All rates. They bound what a stolen password or an open peer can do before somebody notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Messages of an account. 200 an hour is one every 18 seconds: above any person, below any spam run.
    pub account_messages: Rate,
    /// Recipients of an account. One circular of the largest size in an hour; everyday mail to many goes to a
    /// group, which counts as one.
    pub account_rcpts: Rate,
    /// Messages of one client network at port 25 (IPv4 /24, IPv6 /64; relay peers are exempt).
    /// The largest senders reach a ministry from one network with well under one message a second.
    pub network_messages: Rate,
}

/// A file of 50 MB after base64: at the upper end of what large providers take, so that what we accept can
/// mostly be sent on.
const SIZE_LIMIT: u64 = 70 * 1024 * 1024;
/// RFC 5321 section 4.5.3.1.8 asks for at least 100; mailing programs use up to 1,000.
const RCPTS_MOST: u32 = 1_000;
/// A circular of a ministry to all communes.
const OWN_RCPTS_MOST: u32 = 5_000;
/// The index writes segments of 4 MiB, several at a time, and a store whose index finds no space takes no more
/// writes until it is restarted. Postfix advises 1.5 times the message limit for its `queue_minfree`, about as much.
const RESERVE: u64 = 96 * 1024 * 1024;
/// Việt Nam has one zone, UTC+7, without summer time.
const ZONE: i16 = 7 * 60;

impl Settings {
    /// The defaults, under this host name.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            size_limit: SIZE_LIMIT,
            rcpts_most: RCPTS_MOST,
            own_rcpts_most: OWN_RCPTS_MOST,
            zone: ZONE,
            relay: Vec::new(),
            lmtp: vec![loopback("127.0.0.0/8"), loopback("::1/128")],
            reserve: RESERVE,
            rates: Rates {
                account_messages: Rate {
                    hour: 200,
                    day: 1_000,
                },
                account_rcpts: Rate {
                    hour: 5_000,
                    day: 10_000,
                },
                network_messages: Rate {
                    hour: 3_600,
                    day: 40_000,
                },
            },
        }
    }

    /// The machine of a listener of this kind. `tls`: a certificate is there.
    pub fn machine(&self, kind: Kind, tls: bool) -> Config {
        let rcpt_max = if kind == Kind::Mx {
            self.rcpts_most
        } else {
            self.own_rcpts_most
        };
        Config {
            size_max: self.size_limit,
            rcpt_max,
            tls,
            ..Config::new(kind, self.hostname.clone())
        }
    }

    /// Whether this client relays without a login on a listener of this kind.
    pub fn relays(&self, kind: Kind, client: std::net::IpAddr) -> bool {
        kind == Kind::Mx && self.relay.iter().any(|network| network.contains(client))
    }
}

fn loopback(text: &str) -> Network {
    text.parse().expect("a network in CIDR notation")
}
