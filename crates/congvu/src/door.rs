//! From a listener in the configuration to machines and services of its connections.
//!
//! What a reload changes is read anew for each connection; a connection keeps what it began with.

use std::sync::{Arc, PoisonError, RwLock};

use congvu_guard::Guard;
use congvu_net::tls::ServerTls;
use congvu_net::{Door, Gate, Listener, Stopper};
use congvu_smtp::ask::Kind as Smtp;
use congvu_web::Pages;
use congvu_wire::Peer;

use crate::config::{self, Config, Kind};
use crate::settings;

/// What sessions of all listeners share, as of the last reload.
pub(crate) struct Live(RwLock<Current>);

#[derive(Clone)]
struct Current {
    smtpd: congvu_smtpd::Shared,
    imapd: Arc<congvu_imapd::Shared>,
    imap: congvu_imap::server::Config,
    pages: Pages,
    mx: Arc<congvu_smtp::server::Config>,
    submission: Arc<congvu_smtp::server::Config>,
    lmtp: Arc<congvu_smtp::server::Config>,
}

impl Live {
    /// For a server that starts.
    pub(crate) fn new(config: &Config, guard: &Guard) -> Self {
        let directory = guard.directory();
        let smtpd = congvu_smtpd::Shared::new(guard.clone(), settings::smtpd(config));
        let imapd = congvu_imapd::Shared::new(directory.clone(), settings::imapd(config));
        // What they depend on is read from the guard, or fixed at the start.
        let pages = Pages::new(guard.clone(), config.access.unlimited.clone());
        Self(RwLock::new(Current::new(config, smtpd, imapd, pages)))
    }

    /// Takes over a new configuration, for connections from now on.
    pub(crate) fn set(&self, config: &Config) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let smtpd = current.smtpd.with_settings(settings::smtpd(config));
        let imapd = current.imapd.with_settings(settings::imapd(config));
        *current = Current::new(config, smtpd, imapd, current.pages.clone());
    }

    fn now(&self) -> Current {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Current {
    fn new(
        config: &Config,
        smtpd: congvu_smtpd::Shared,
        imapd: Arc<congvu_imapd::Shared>,
        pages: Pages,
    ) -> Self {
        // There is always a certificate, if need be our own.
        let machine = |kind| Arc::new(smtpd.settings().machine(kind, true));
        Self {
            mx: machine(Smtp::Mx),
            submission: machine(Smtp::Submission),
            lmtp: machine(Smtp::Lmtp),
            imap: settings::imap(config),
            imapd,
            smtpd,
            pages,
        }
    }

    fn machine(&self, kind: Smtp) -> Arc<congvu_smtp::server::Config> {
        Arc::clone(match kind {
            Smtp::Mx => &self.mx,
            Smtp::Submission => &self.submission,
            Smtp::Lmtp => &self.lmtp,
        })
    }
}

/// How the listener treats its connections.
pub(crate) fn door(
    listener: &config::Listener,
    config: &Config,
    tls: &ServerTls,
    gate: &Arc<Gate>,
) -> Door {
    let most = &config.limits.connections_per_address;
    let (per_source, refusal): (_, &[u8]) = match listener.kind {
        Kind::Mx => (most.mx, SMTP_FULL),
        Kind::Submission | Kind::Submissions => (most.submission, SMTP_FULL),
        Kind::Lmtp => (most.lmtp, SMTP_FULL),
        Kind::Imap | Kind::Imaps => (most.imap, IMAP_FULL),
        // TLS from the first octet: nothing is said.
        Kind::Web => (most.web, b""),
    };
    Door {
        name: listener.name.clone(),
        tls: Some(tls.clone()),
        implicit: listener.kind.implicit_tls(),
        gate: Arc::clone(gate),
        per_source,
        refusal,
    }
}

/// RFC 5321 section 3.8: the server may refuse a connection with 421 as its greeting.
const SMTP_FULL: &[u8] = b"421 4.7.0 Too many connections, try again later\r\n";
/// RFC 9051 section 7.1.5: BYE as the greeting.
const IMAP_FULL: &[u8] = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n";

/// Serves a listener until the server stops.
pub(crate) fn open(
    configured: &config::Listener,
    listener: Listener,
    door: Door,
    live: &Arc<Live>,
    stopper: &Stopper,
) {
    let signal = stopper.signal();
    let live = Arc::clone(live);
    let smtp = match configured.kind {
        Kind::Mx => Smtp::Mx,
        Kind::Submission | Kind::Submissions => Smtp::Submission,
        Kind::Lmtp => Smtp::Lmtp,
        Kind::Web => {
            let pages = live.now().pages;
            let run = move |peer: Peer, stream, shutdown| {
                let pages = pages.clone();
                async move { pages.serve(peer, stream, shutdown).await }
            };
            tokio::spawn(listener.serve_streams(door, run, signal));
            return;
        }
        Kind::Imap | Kind::Imaps => {
            let allow_plaintext = configured.clear_text;
            let make = move |peer: Peer| {
                let now = live.now();
                let config = congvu_imap::server::Config {
                    allow_plaintext,
                    ..now.imap
                };
                let machine = congvu_imap::server::Server::new(config);
                (machine, congvu_imapd::serve(peer, now.imapd))
            };
            tokio::spawn(listener.serve(door, make, signal));
            return;
        }
    };
    let make = move |peer: Peer| {
        let now = live.now();
        let machine = congvu_smtp::server::Server::new(now.machine(smtp));
        (machine, now.smtpd.session(peer, smtp))
    };
    tokio::spawn(listener.serve(door, make, signal));
}
