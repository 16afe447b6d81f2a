//! The sections of the file: names of settings, their defaults and the reasons for them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use congvu_net::Network;
use congvu_net::tls::{CertificateFile, SYSTEM_ROOTS};
use tracing::Level;

use super::filter;
use super::reader::Section;
use super::value;
use super::{
    Access, Audit, Config, Control, Dns, Filter, Kind, Limits, Listener, Log, LogFormat,
    PerAddress, Queue, Rate, Rates, Route, Server, Store, Tls, TlsDemand, Trace, Way,
};

/// Five mail programs of 2,000 people; some 40 kB each with TLS.
const CONNECTIONS: usize = 10_000;
/// Large senders use ten to twenty at a time.
const CONNECTIONS_MX: usize = 50;
/// An office behind one address, everybody sending at once.
const CONNECTIONS_SUBMISSION: usize = 500;
/// Programs on one machine, the transport in front of us.
const CONNECTIONS_LMTP: usize = 100;
/// An office of 400 people behind one address, with five connections each.
const CONNECTIONS_IMAP: usize = 2_000;
/// An office of people behind one address who open their digests in the same minute.
const CONNECTIONS_WEB: usize = 100;
/// Sending is bound by other servers' latency, not by ours.
const QUEUE_CONNECTIONS: usize = 100;
/// A tenth of what a slow disk does: a segment in half a minute, a terabyte in two days.
const COMPACTION_RATE: u64 = 16 * 1024 * 1024;
/// What common servers allow of one client without complaint.
const QUEUE_PER_DESTINATION: usize = 5;

pub(super) fn config(root: &mut Section<'_>) -> Config {
    Config {
        server: root.section("server", server),
        control: root.section("control", control),
        log: root.section("log", log),
        listeners: root
            .sections("listener", listener)
            .unwrap_or_else(listeners),
        tls: root.section("tls", tls),
        access: root.section("access", access),
        limits: root.section("limits", limits),
        rates: root.section("rates", rates),
        dns: root.section("dns", dns),
        queue: root.section("queue", queue),
        routes: root.sections("route", route).unwrap_or_default(),
        store: root.section("store", store),
        audit: root.section("audit", audit),
        trace: root.section("trace", trace),
        filter: root.section("filter", filter),
    }
}

fn server(section: &mut Section<'_>) -> Server {
    Server {
        hostname: hostname(section),
        data: section.get("data", value::path, PathBuf::from("/var/lib/congvu")),
        zone: section.get("time-zone", value::zone, 7 * 60),
    }
}

/// As set, else the machine's own name. A wrong one is noted once; what stands in for it is no second
/// problem.
fn hostname(section: &mut Section<'_>) -> String {
    let set = section.has("hostname");
    let instead = || {
        if set {
            "localhost".to_owned()
        } else {
            machine_name()
        }
    };
    section
        .find("hostname", value::hostname)
        .unwrap_or_else(instead)
}

/// The machine's own name; empty when it has none that could be used.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    value::hostname(&toml::de::DeValue::String(name.trim().into())).unwrap_or_default()
}

fn control(section: &mut Section<'_>) -> Control {
    Control {
        socket: section.get(
            "socket",
            value::path,
            PathBuf::from("/run/congvu/control.sock"),
        ),
        group: section.find("group", value::text),
    }
}

fn log(section: &mut Section<'_>) -> Log {
    const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    const LEVELS: [(&str, Level); 4] = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
    ];
    Log {
        format: section.get("format", |v| value::word(v, &FORMATS), LogFormat::Text),
        level: section.get("level", |v| value::word(v, &LEVELS), Level::INFO),
    }
}

fn listener(section: &mut Section<'_>) -> Listener {
    let kind = section.require("kind", |v| value::word(v, &Kind::ALL));
    // Without a kind the file is refused, so an empty name never reaches anybody.
    let name = section
        .find("name", value::text)
        .or(kind.map(word).map(str::to_owned));
    Listener {
        name: name.unwrap_or_default(),
        kind: kind.unwrap_or(Kind::Mx),
        addresses: section.list("addresses", value::address, Vec::new()),
        clear_text: section.get("clear-text", value::boolean, false),
    }
}

fn word(kind: Kind) -> &'static str {
    Kind::ALL
        .iter()
        .find(|(_, one)| *one == kind)
        .map_or("", |(word, _)| word)
}

fn listeners() -> Vec<Listener> {
    let everywhere = |kind, port| Listener {
        name: word(kind).to_owned(),
        kind,
        addresses: vec![
            SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
            SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port),
        ],
        clear_text: false,
    };
    vec![
        everywhere(Kind::Mx, 25),
        everywhere(Kind::Submission, 587),
        everywhere(Kind::Submissions, 465),
        everywhere(Kind::Imap, 143),
        everywhere(Kind::Imaps, 993),
    ]
}

fn tls(section: &mut Section<'_>) -> Tls {
    Tls {
        certificates: section
            .sections("certificate", certificate)
            .unwrap_or_default(),
        roots: section.get("roots", value::path, PathBuf::from(SYSTEM_ROOTS)),
    }
}

fn certificate(section: &mut Section<'_>) -> CertificateFile {
    CertificateFile {
        chain: section.require("chain", value::path).unwrap_or_default(),
        key: section.require("key", value::path).unwrap_or_default(),
    }
}

fn access(section: &mut Section<'_>) -> Access {
    let loopback = || -> Vec<Network> {
        vec![
            Network::of(Ipv4Addr::LOCALHOST.into(), 8),
            Network::of(Ipv6Addr::LOCALHOST.into(), 128),
        ]
    };
    Access {
        relay: section.list("relay", value::network, Vec::new()),
        lmtp: section.list("lmtp", value::network, loopback()),
        unlimited: section.list("unlimited", value::network, loopback()),
    }
}

/// What receiving is set to; its reasons stand there.
fn receiving() -> congvu_smtpd::Settings {
    congvu_smtpd::Settings::new("")
}

fn limits(section: &mut Section<'_>) -> Limits {
    let own = receiving();
    Limits {
        message_size: section.get("message-size", value::size, own.size_limit),
        recipients: section.get("recipients", value::positive, own.rcpts_most),
        recipients_submission: section.get(
            "recipients-submission",
            value::positive,
            own.own_rcpts_most,
        ),
        disk_reserve: section.get("disk-reserve", value::size, own.reserve),
        compaction_rate: section.get("compaction-rate", value::size, COMPACTION_RATE),
        connections: section.get("connections", value::bound, CONNECTIONS),
        connections_per_address: section.section("connections-per-address", per_address),
    }
}

fn per_address(section: &mut Section<'_>) -> PerAddress {
    PerAddress {
        mx: section.get("mx", value::bound, CONNECTIONS_MX),
        submission: section.get("submission", value::bound, CONNECTIONS_SUBMISSION),
        lmtp: section.get("lmtp", value::bound, CONNECTIONS_LMTP),
        imap: section.get("imap", value::bound, CONNECTIONS_IMAP),
        web: section.get("web", value::bound, CONNECTIONS_WEB),
    }
}

fn rates(section: &mut Section<'_>) -> Rates {
    let own = receiving().rates;
    Rates {
        account_messages: section.section("account-messages", |s| rate(s, own.account_messages)),
        account_rcpts: section.section("account-recipients", |s| rate(s, own.account_rcpts)),
        network_messages: section.section("network-messages", |s| rate(s, own.network_messages)),
    }
}

fn rate(section: &mut Section<'_>, default: Rate) -> Rate {
    Rate {
        hour: section.get("hour", value::count, default.hour),
        day: section.get("day", value::count, default.day),
    }
}

/// A quarter: longer than any deadline after which somebody still asks where a letter is.
const TRACE_DAYS: u32 = 90;

fn trace(section: &mut Section<'_>) -> Trace {
    Trace {
        keep_days: section.get("keep-days", value::count, TRACE_DAYS),
    }
}

fn filter(section: &mut Section<'_>) -> Filter {
    // Its reasons stand there.
    let own = congvu_guard::Settings::default();
    Filter {
        enabled: section.get("enabled", value::boolean, own.enabled),
        official_hosts: section.list("official-hosts", value::hostname, Vec::new()),
        dns_lists: section
            .sections("dns-list", filter::list)
            .unwrap_or_default(),
        greylist: section.section("greylist", filter::doubt),
        digest_hour: section.get("digest-hour", value::hour, own.digest_hour),
        web_url: section.find("web-url", value::web_url),
        report_spam: section.find("report-spam", value::mail_address),
        report_ham: section.find("report-ham", value::mail_address),
        abuse_reports_to: section.find("abuse-reports-to", value::mail_address),
    }
}

/// Less makes many small files and snapshots without end.
const SMALLEST_FILE: u64 = 64 * 1024;
/// A twentieth of what a slow disk reads; 1 TiB takes three days.
const SCRUB_RATE: u64 = 4 * 1024 * 1024;
/// Decay is known within a week or two, long before the oldest backup is thrown away.
const SCRUB_EVERY: Duration = Duration::from_hours(7 * 24);
/// Five years: longer than most inquiries look back.
const AUDIT_DAYS: u32 = 1_826;
/// What the index needs to work at all.
const SMALLEST_CACHE: u64 = 1024 * 1024;

fn store(section: &mut Section<'_>) -> Store {
    // Its reasons stand there.
    let own = congvu_store::Options::default();
    let file = |v: &toml::de::DeValue<'_>| value::size_from(v, SMALLEST_FILE);
    Store {
        cache: section.get(
            "index-cache",
            |v| value::size_from(v, SMALLEST_CACHE),
            own.cache,
        ),
        segment: section.get("segment-size", file, own.segment),
        snapshot: section.get("snapshot-after", file, own.snapshot),
        scrub_rate: section.get("scrub-rate", value::size, SCRUB_RATE),
        scrub_every: section.get("scrub-every", value::duration, SCRUB_EVERY),
    }
}

fn audit(section: &mut Section<'_>) -> Audit {
    Audit {
        keep_days: section.get("keep-days", value::days, AUDIT_DAYS),
    }
}

fn dns(section: &mut Section<'_>) -> Dns {
    Dns {
        servers: section.list("servers", value::name_server, Vec::new()),
    }
}

fn queue(section: &mut Section<'_>) -> Queue {
    // Its reasons stand there.
    let own = congvu_queue::Schedule::default();
    Queue {
        schedule: section.list("schedule", value::duration, own.delays),
        warn_after: section.get("warn-after", value::duration, own.warn_after),
        give_up_after: section.get("give-up-after", value::duration, own.give_up_after),
        connections: section.get("connections", value::bound, QUEUE_CONNECTIONS),
        connections_per_destination: section.get(
            "connections-per-destination",
            value::bound,
            QUEUE_PER_DESTINATION,
        ),
        source_v4: section.find("source-ipv4", value::ip),
        source_v6: section.find("source-ipv6", value::ip),
    }
}

fn route(section: &mut Section<'_>) -> Route {
    const WAYS: [(&str, Way); 3] = [
        ("direct", Way::Direct),
        ("relay", Way::Relay),
        ("lmtp", Way::Lmtp),
    ];
    const DEMANDS: [(&str, TlsDemand); 4] = [
        ("never", TlsDemand::Never),
        ("opportunistic", TlsDemand::Opportunistic),
        ("required", TlsDemand::Required),
        ("verified", TlsDemand::Verified),
    ];
    let to = section
        .require("to", |v| value::word(v, &WAYS))
        .unwrap_or(Way::Direct);
    Route {
        domain: section
            .require("domain", value::domains)
            .unwrap_or_default(),
        to,
        host: section.find("host", value::text),
        port: section.get("port", value::port, if to == Way::Lmtp { 24 } else { 25 }),
        tls: section.get(
            "tls",
            |v| value::word(v, &DEMANDS),
            TlsDemand::Opportunistic,
        ),
        credentials: section.find("credentials", value::path),
    }
}
