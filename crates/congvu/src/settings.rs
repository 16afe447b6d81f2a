//! From the configuration to the settings of the services.

use std::path::PathBuf;
use std::time::Duration;

use congvu_net::connect::Source;
use congvu_net::dns::{DnsFailure, Resolver};
use congvu_net::tls::{Roots, TlsClient, TlsError};
use congvu_queue::{Route, SMTP_PORT, Schedule, Way};
use congvu_smtp::client::{Credentials, TlsPolicy, Waits};
use congvu_wire::Secret;
use tracing::warn;

use crate::config::{self, Config, PublicList, TlsDemand};

/// From the start to the scrub's first reading, if it is not to come more often than that: clients come back all
/// at once then.
const SCRUB_AFTER: Duration = Duration::from_mins(10);

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot use the DNS: {0}")]
    Dns(#[from] DnsFailure),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("cannot read credentials from {0}: {1}")]
    Credentials(PathBuf, String),
}

/// The mailstore.
pub(crate) fn store(config: &Config) -> congvu_store::Options {
    congvu_store::Options {
        cache: config.store.cache,
        segment: config.store.segment,
        snapshot: config.store.snapshot,
    }
}

/// Scrubbing, if it is wanted.
pub(crate) fn scrub(config: &Config) -> Option<congvu_store::scrub::Settings> {
    (config.store.scrub_rate > 0).then_some(congvu_store::scrub::Settings {
        rate: config.store.scrub_rate,
        every: config.store.scrub_every,
        after: config.store.scrub_every.min(SCRUB_AFTER),
    })
}

/// The filter. Needs a tokio runtime.
pub(crate) fn guard(config: &Config) -> congvu_guard::Settings {
    congvu_guard::Settings {
        enabled: config.filter.enabled,
        hostname: config.server.hostname.clone(),
        official_hosts: std::sync::Arc::new(config.filter.official_hosts.clone()),
        digest_hour: config.filter.digest_hour,
        web_url: config.filter.web_url.clone(),
        zone: config.server.zone,
        resolver: resolver(config)
            .inspect_err(|error| warn!(%error, "the filter asks no DNS"))
            .ok(),
        dns_lists: config
            .filter
            .dns_lists
            .iter()
            .map(PublicList::list)
            .collect(),
        greylist: config.filter.greylist.greylist(),
        report_spam: config.filter.report_spam.clone(),
        report_ham: config.filter.report_ham.clone(),
        abuse_reports_to: config.filter.abuse_reports_to.clone(),
    }
}

fn resolver(config: &Config) -> Result<Resolver, DnsFailure> {
    match config.dns.servers.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::with_servers(servers),
    }
}

/// Receiving.
pub(crate) fn smtpd(config: &Config) -> congvu_smtpd::Settings {
    congvu_smtpd::Settings {
        hostname: config.server.hostname.clone(),
        size_limit: config.limits.message_size,
        rcpts_most: config.limits.recipients,
        own_rcpts_most: config.limits.recipients_submission,
        zone: config.server.zone,
        relay: config.access.relay.clone(),
        lmtp: config.access.lmtp.clone(),
        reserve: config.limits.disk_reserve,
        rates: config.rates,
    }
}

/// Reading.
pub(crate) fn imapd(config: &Config) -> congvu_imapd::Settings {
    congvu_imapd::Settings {
        hostname: config.server.hostname.clone(),
        message_limit: config.limits.message_size,
        ..congvu_imapd::Settings::default()
    }
}

/// The IMAP machine.
pub(crate) fn imap(config: &Config) -> congvu_imap::server::Config {
    congvu_imap::server::Config {
        tls_available: true,
        append_limit: config.limits.message_size,
        ..congvu_imap::server::Config::default()
    }
}

/// Sending. Blocking (reads files); needs a tokio runtime.
pub(crate) fn queue(config: &Config) -> Result<congvu_queue::Settings, SettingsError> {
    let resolver = resolver(config)?;
    let verifies = config
        .routes
        .iter()
        .any(|route| route.tls == TlsDemand::Verified);
    let roots = match Roots::load(&config.tls.roots) {
        Err(error) if verifies => return Err(error.into()),
        // Without roots, TLS to strangers is as good, only never recorded as verified.
        roots => roots.ok(),
    };
    let queue = &config.queue;
    Ok(congvu_queue::Settings {
        hello: config.server.hostname.clone(),
        zone: config.server.zone,
        schedule: Schedule {
            delays: queue.schedule.clone(),
            warn_after: queue.warn_after,
            give_up_after: queue.give_up_after,
        },
        connections: queue.connections,
        per_destination: queue.connections_per_destination,
        routes: config.routes.iter().map(route).collect::<Result<_, _>>()?,
        source: Source {
            v4: queue.source_v4,
            v6: queue.source_v6,
        },
        port: SMTP_PORT,
        waits: Waits::default(),
        resolver,
        tls: TlsClient::new(roots.as_ref())?,
    })
}

fn route(route: &config::Route) -> Result<Route, SettingsError> {
    let host = || {
        route
            .host
            .clone()
            .expect("a route without its host is refused when read")
    };
    let credentials = match &route.credentials {
        None => None,
        Some(path) => {
            let (name, password) = config::read_credentials(path)
                .map_err(|reason| SettingsError::Credentials(path.clone(), reason))?;
            Some(Credentials {
                name,
                password: Secret::new(password),
            })
        }
    };
    Ok(Route {
        domain: route.domain.clone(),
        to: match route.to {
            config::Way::Direct => Way::Direct,
            config::Way::Relay => Way::Relay(host()),
            config::Way::Lmtp => Way::Lmtp(host()),
        },
        port: route.port,
        tls: match route.tls {
            TlsDemand::Never => TlsPolicy::Never,
            TlsDemand::Opportunistic => TlsPolicy::Opportunistic,
            TlsDemand::Required => TlsPolicy::Required,
            TlsDemand::Verified => TlsPolicy::Verified,
        },
        credentials,
    })
}
