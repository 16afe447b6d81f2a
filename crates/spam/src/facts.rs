//! What the filter is told: connection, envelope, authentication results, what the house knows of the sender, the
//! agency's policy, and the message.
//!
//! Everything but the message has a default that means "not known", from which nothing follows: a look-up that failed
//! stays at its default. Sockets and the store are read by the caller.

use std::mem::replace;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::bounds::TIME;
use crate::letter::Letter;
use crate::statistics::{Delta, Model};
use crate::verdict::Thresholds;

/// All facts about one message on its way in.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Who connected.
    pub connection: Connection,
    /// What was said in SMTP.
    pub envelope: Envelope,
    /// What `trust` found out.
    pub authentication: Authentication,
    /// What lists and memory say of the sender.
    pub standing: Standing,
    /// What the recipients' agency wants.
    pub policy: Policy,
    /// What was learned from people; `None` where nothing was.
    pub learned: Option<Learned<'a>>,
    /// Seconds since 1970 when the message arrived.
    pub now: Option<i64>,
    /// How long the scan may take: [`TIME`], but where results must not depend on the load of the machine.
    pub time: Duration,
    /// The message.
    pub letter: &'a Letter<'a>,
}

impl<'a> Facts<'a> {
    /// Facts about a message of which nothing else is known.
    pub fn new(letter: &'a Letter<'a>) -> Self {
        Self {
            connection: Connection::default(),
            envelope: Envelope::default(),
            authentication: Authentication::default(),
            standing: Standing::default(),
            policy: Policy::default(),
            learned: None,
            now: None,
            time: TIME,
            letter,
        }
    }
}

impl<'a> Facts<'a> {
    /// Puts the facts of one recipient in the place of those for all, and gives back what stood there. His listings join
    /// the others.
    pub(crate) fn enter(&mut self, own: &Personal<'a>) -> Personal<'a> {
        let (policy, standing) = (&mut self.policy, &mut self.standing);
        standing.listings.extend_from_slice(&own.listings);
        let (mut agency, mut account) = (None, None);
        if let Some(learned) = &mut self.learned {
            agency = replace(&mut learned.agency, own.agency);
            account = replace(&mut learned.account, own.account);
        }
        Personal {
            thresholds: replace(&mut policy.thresholds, own.thresholds),
            listings: Vec::new(),
            correspondence: replace(&mut standing.correspondence, own.correspondence),
            advertisements_today: replace(
                &mut standing.advertisements_today,
                own.advertisements_today,
            ),
            protected: replace(&mut policy.protected, Arc::clone(&own.protected)),
            attachments: replace(&mut policy.attachments, Arc::clone(&own.attachments)),
            agency,
            account,
        }
    }
}

/// The statistics that apply to the recipients.
#[derive(Debug, Clone, Copy)]
pub struct Learned<'a> {
    /// Of the whole house.
    pub model: &'a Model,
    /// Of the agency.
    pub agency: Option<&'a Delta>,
    /// Of the account, if there is one recipient.
    pub account: Option<&'a Delta>,
}

/// The connection that brought the message.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// Address of the other side.
    pub ip: Option<IpAddr>,
    /// Its name by reverse look-up.
    pub ptr: Ptr,
    /// What it called itself in HELO or EHLO.
    pub helo: Option<String>,
    /// It sent commands behind HELO or EHLO before it could have read the answer (RFC 2920 section 3.1).
    pub early_talk: bool,
    /// The connection was encrypted.
    pub tls: bool,
    /// Who logged in or showed a certificate.
    pub login: Login,
}

/// The name of the other side's address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ptr {
    /// Not looked up, or the look-up failed.
    #[default]
    Unknown,
    /// The address has no name.
    Missing,
    /// It has this name, which does not lead back to the address.
    Unconfirmed(String),
    /// It has this name, which leads back to it.
    Confirmed(String),
}

/// Who proved to be whom on the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    #[default]
    Nobody,
    /// An account of this house, by its address.
    Account(String),
    /// Another agency's mail server, by its domain.
    Agency(String),
}

/// The SMTP envelope (RFC 5321), all recipients that share one policy.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// MAIL FROM; `Some("")` is the null reverse-path.
    pub from: Option<String>,
    /// RCPT TO.
    pub to: Vec<String>,
    /// Whether the domain of MAIL FROM can receive mail.
    pub from_domain: Resolves,
}

/// Whether a name exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resolves {
    /// Not looked up, or the look-up failed.
    #[default]
    Unknown,
    /// It exists.
    Yes,
    /// The DNS says for certain that it does not.
    No,
}

/// The result of one check of authenticity, with the words of RFC 8601.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Not checked.
    #[default]
    Unknown,
    /// Nothing to check is published or present.
    None,
    /// Proven.
    Pass,
    /// Disproven.
    Fail,
    /// Probably disproven (SPF `~all`).
    SoftFail,
    /// The publisher says nothing (SPF `?all`).
    Neutral,
    /// The check failed for the moment.
    TempError,
    /// What is published is broken.
    PermError,
}

/// Results of SPF, DKIM, DMARC and ARC.
#[derive(Debug, Clone, Default)]
pub struct Authentication {
    /// SPF of the MAIL FROM domain, or of HELO for the null reverse-path.
    pub spf: Outcome,
    /// One result for each DKIM signature that was checked.
    pub dkim: Vec<Dkim>,
    /// DMARC of the From domain.
    pub dmarc: Outcome,
    /// What the From domain asks to do with mail that fails DMARC.
    pub dmarc_policy: DmarcPolicy,
    /// The ARC chain.
    pub arc: Outcome,
    /// The ARC chain was sealed by one whom the house trusts, and says that the message was authentic before.
    pub arc_trusted: bool,
    /// The From domain is one that this house hosts.
    pub from_is_ours: bool,
}

/// A checked DKIM signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dkim {
    /// The signing domain (`d=`).
    pub domain: String,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// `p=` or `sp=` of a DMARC record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DmarcPolicy {
    /// None published, or not known.
    #[default]
    Unknown,
    /// `none`.
    None,
    /// `quarantine`.
    Quarantine,
    /// `reject`.
    Reject,
}

/// What lists and memory say of the sender. Collected by the caller from DNS and store.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Entries of public lists (DNSBL, URIBL) and of the house's own lists that apply.
    pub listings: Vec<Listing>,
    /// Decayed counts of what came before from the same address, network or domain.
    pub reputation: Vec<Reputation>,
    /// What the recipient wrote to the sender before.
    pub correspondence: Correspondence,
    /// Near copies of this message that came in the last day.
    pub copies: Option<Copies>,
    /// How often the sender wrote lately, against its habit.
    pub rate: Option<Rate>,
    /// Advertising letters of this advertiser to this recipient today, this one included.
    pub advertisements_today: Option<u32>,
}

/// An entry of a list that applies to this message.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The list's name, as an administrator knows it.
    pub list: String,
    /// What of the message is listed: an address, a domain, a network, a URL's host.
    pub entry: String,
    /// What kind of thing `entry` is.
    pub what: Subject,
    /// For or against.
    pub side: Side,
    /// Whose list it is.
    pub source: Source,
    /// Log-odds that the administrator gives to the list; the sign follows from `side`.
    pub weight: f32,
    /// Why, if the list says.
    pub reason: Option<String>,
}

/// What a listing or a reputation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A mail address.
    Address,
    /// A domain.
    Domain,
    /// An IP address or network.
    Network,
    /// The host of a link in the message.
    Link,
}

/// Which way a list leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Wanted.
    Allow,
    /// Unwanted.
    Block,
}

/// Whose list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A public one, asked by DNS.
    Public,
    /// For all accounts of this house.
    House,
    /// The agency's own.
    Agency,
    /// The account's own.
    Account,
}

/// What came before from the same origin; counts fade with time.
#[derive(Debug, Clone, PartialEq)]
pub struct Reputation {
    /// What the counts are about.
    pub what: Subject,
    /// The address, domain or network itself.
    pub entry: String,
    /// Messages that were wanted.
    pub ham: f32,
    /// Messages that were not.
    pub spam: f32,
}

/// What passed between recipient and sender before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Correspondence {
    /// Not looked up.
    #[default]
    Unknown,
    /// Nothing.
    None,
    /// The sender wrote before and nobody complained.
    Received {
        /// How often.
        letters: u32,
    },
    /// The recipient wrote to the sender.
    WroteTo {
        /// How often.
        letters: u32,
    },
    /// The message answers one that the recipient sent.
    Answer,
}

/// Near copies of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// How many came.
    pub seen: u32,
    /// To how many different recipients.
    pub recipients: u32,
    /// How many of them people reported as spam.
    pub reported: u32,
}

/// How often a sender wrote in the last hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Messages in the last hour.
    pub messages: u32,
    /// Messages in an ordinary hour.
    pub usual: f32,
}

/// What the recipients' agency wants. What is the same for every letter is shared, not copied.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// From which probability on what happens.
    pub thresholds: Thresholds,
    /// Domains hosted here, as A-labels.
    pub our_domains: Arc<Vec<String>>,
    /// Host names of this house's servers.
    pub our_hosts: Arc<Vec<String>>,
    /// Hosts of agencies, banks and partners beyond those the filter knows, as A-labels in lower case: they are what they
    /// say, and hosts that look like them are not. Everything below them counts too.
    pub genuine: Arc<Vec<String>>,
    /// Names of agencies and leaders that outsiders like to borrow.
    pub protected: Arc<Vec<Protected>>,
    /// File name endings that may come in; empty: all that no rule speaks against.
    pub attachments: Arc<Vec<String>>,
}

/// A name that only certain domains may use as a display name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// The name of an agency or a leader, as people write it.
    pub name: String,
    /// Domains that may use it (and their subdomains); empty: [`Policy::our_domains`].
    pub domains: Vec<String>,
}

/// What holds for one recipient, or for all of one agency who have nothing of their own: it replaces or joins the
/// facts that hold for all (see [`crate::Scan`]).
#[derive(Debug, Clone, Default)]
pub struct Personal<'a> {
    /// From which probability on what happens.
    pub thresholds: Thresholds,
    /// Entries of the agency's and the account's own lists; they join those that hold for all.
    pub listings: Vec<Listing>,
    /// What the recipient wrote to the sender before.
    pub correspondence: Correspondence,
    /// Advertising letters of this advertiser to this recipient today, this one included.
    pub advertisements_today: Option<u32>,
    /// As in [`Policy`].
    pub protected: Arc<Vec<Protected>>,
    /// As in [`Policy`].
    pub attachments: Arc<Vec<String>>,
    /// What the agency's people taught.
    pub agency: Option<&'a Delta>,
    /// What the account's owner taught.
    pub account: Option<&'a Delta>,
}

/// Kinds of personal facts. A stage says which of them it reads, and is run again for those who have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// [`Personal::listings`].
    Lists,
    /// [`Personal::correspondence`].
    Correspondence,
    /// [`Personal::advertisements_today`].
    Advertising,
    /// [`Personal::protected`].
    Names,
    /// [`Personal::attachments`].
    Attachments,
    /// [`Personal::agency`] and [`Personal::account`].
    Words,
}

impl Personal<'_> {
    /// Whether it has something of this kind that the facts for all do not have.
    pub(crate) fn differs(&self, own: Own, facts: &Facts<'_>) -> bool {
        match own {
            Own::Lists => !self.listings.is_empty(),
            Own::Correspondence => self.correspondence != facts.standing.correspondence,
            Own::Advertising => self.advertisements_today != facts.standing.advertisements_today,
            Own::Names => self.protected != facts.policy.protected,
            Own::Attachments => self.attachments != facts.policy.attachments,
            Own::Words => self.agency.is_some() || self.account.is_some(),
        }
    }
}
