//! A worker: finds the hosts of a destination, opens a session with the first that takes one, and lets
//! the courier work the line off. When no host can be reached, the whole line waits together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use congvu_net::connect::connect;
use congvu_net::tls::{Tls, TlsError};
use congvu_net::{Ending, Link, Shutdown, drive};
use congvu_smtp::client::{Client, Config, Protocol, SessionError, Stage, TlsPolicy};
use tracing::debug;

use crate::batch::Batch;
use crate::courier::{Courier, Place};
use crate::dispatch::Shared;
use crate::route::{Destination, Hop, Route, Way};
use crate::settings::Settings;
use crate::settle::{Context, set_aside, settle};
use crate::verdict::{Reason, Verdict};

/// Hosts tried in one attempt; a domain whose first five do not answer is down, and a slot is not held for
/// an hour by one with twenty (each costs up to 30 s an address).
const HOSTS_TRIED: usize = 5;
/// Time after which no further host is tried, for the same reason.
const SEARCH_MOST: Duration = Duration::from_mins(2);

/// Recipients settled in one transaction when nobody there can be reached (the store's page).
const LINE_RCPTS: usize = 1_024;

/// One worker of one destination.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: u64,
    pub(crate) destination: Destination,
    pub(crate) shutdown: Shutdown,
}

/// What holds for all hosts of one attempt.
struct Attempt {
    settings: Arc<Settings>,
    route: Route,
    /// The domain has become ours since the letter was queued: we may well be its best host.
    home: bool,
}

/// How a session went.
enum Went {
    /// It came to transactions.
    Well,
    /// TLS was tried and broke.
    TlsBroke(Verdict),
    /// Nothing could be sent.
    Badly(Verdict),
}

impl Worker {
    /// Works; whether a session was ready.
    pub(crate) async fn work(self) -> bool {
        let settings = self.shared.settings();
        let Some(first) = self.shared.board().peek(&self.destination) else {
            return false;
        };
        let route = settings.route(&first.domain);
        if route.destination(&first.domain) != self.destination {
            // Routes were changed: everything is offered anew.
            let tasks = self.shared.board().take_all(&self.destination);
            self.shared.put_down(self.id, &tasks);
            return false;
        }
        // If the store cannot tell, nothing is returned on a guess.
        let is_ours = self
            .shared
            .directory()
            .is_local_domain(&first.domain)
            .await
            .unwrap_or(true);
        let home = route.to == Way::Direct && is_ours;
        let hops = match route.hops(&first.domain, &settings, home).await {
            Ok(hops) => hops,
            Err(Verdict::Failed(reason)) if home => {
                self.fail_line(&Verdict::Later(Reason {
                    status: (4, 4, 3),
                    ..reason
                }))
                .await;
                return false;
            }
            Err(verdict) => {
                self.fail_line(&verdict).await;
                return false;
            }
        };
        let mut last = Verdict::Later(Reason::own((4, 4, 4), "no server to connect to"));
        let attempt = Attempt {
            settings,
            route,
            home,
        };
        let policy = attempt.route.tls;
        let begin = Instant::now();
        for hop in hops.iter().take(HOSTS_TRIED) {
            if self.shutdown.is_stopping() {
                return false;
            }
            if begin.elapsed() > SEARCH_MOST {
                break;
            }
            let mut went = self.session(hop, policy, &attempt).await;
            if let Went::TlsBroke(verdict) = went {
                went = if policy == TlsPolicy::Opportunistic && !attempt.route.implicit_tls() {
                    debug!(destination = %self.destination, host = hop.host, "again without TLS");
                    self.session(hop, TlsPolicy::Never, &attempt).await
                } else {
                    Went::Badly(verdict)
                };
            }
            match went {
                Went::Well => return true,
                Went::TlsBroke(verdict) | Went::Badly(verdict) => last = verdict,
            }
        }
        if !self.shutdown.is_stopping() && !self.shared.board().crowded(&self.destination) {
            self.fail_line(&last).await;
        }
        false
    }

    async fn session(&self, hop: &Hop, mut policy: TlsPolicy, attempt: &Attempt) -> Went {
        let Attempt {
            settings,
            route,
            home,
        } = attempt;
        let side = match policy {
            TlsPolicy::Never if !route.implicit_tls() => Ok(None),
            TlsPolicy::Verified => settings.tls.verified(&hop.host).map(Some),
            TlsPolicy::Never | TlsPolicy::Opportunistic | TlsPolicy::Required => {
                settings.tls.opportunistic(&hop.host).map(Some)
            }
        };
        let side = match side {
            Ok(side) => side,
            // A host name that no certificate can bear.
            Err(_) if policy == TlsPolicy::Opportunistic && !route.implicit_tls() => {
                policy = TlsPolicy::Never;
                None
            }
            Err(error) => return badly(hop, (4, 7, 5), &tls_words(&error)),
        };
        let mut shutdown = self.shutdown.clone();
        let connected = tokio::select! {
            connected = connect(&hop.addresses, settings.source) => connected,
            () = shutdown.stopping() => return badly(hop, (4, 3, 2), "this server is stopping"),
        };
        let (stream, peer) = match connected {
            Ok(connected) => connected,
            Err(error) => return badly(hop, (4, 4, 1), &error.to_string()),
        };
        let protocol = if matches!(route.to, Way::Lmtp(_)) {
            Protocol::Lmtp
        } else {
            Protocol::Smtp
        };
        let mut client = Client::new(Config {
            protocol,
            hello: settings.hello.clone(),
            tls: policy,
            credentials: route.credentials.clone(),
            waits: settings.waits,
        });
        let place = Place {
            destination: self.destination.clone(),
            route: route.clone(),
            host: hop.host.clone(),
            address: peer.remote.ip().to_canonical(),
            home: *home,
        };
        let shared = Arc::clone(&self.shared);
        let mut courier = Courier::new(shared, self.id, place, self.shutdown.clone());
        let link = Link {
            stream,
            tls: side.map(Tls::Client),
            implicit: route.implicit_tls(),
        };
        let ending = drive(link, &mut client, &mut courier, self.shutdown.clone()).await;
        // What the server had said before the connection broke is settled now, not asked for again.
        courier.finish(client.settle(), &ending.to_string()).await;
        if courier.ready {
            return Went::Well;
        }
        if courier.looped {
            let text = "550 5.4.6 the mail server of the domain is this server, which does not know the domain";
            return Went::Badly(Verdict::Failed(Reason::own((5, 4, 6), text)));
        }
        match (courier.failure, ending) {
            (_, Ending::Handshake(error)) => Went::TlsBroke(Verdict::Later(Reason::own(
                (4, 7, 5),
                format!("{}: {}", hop.host, tls_words(&error)),
            ))),
            (Some(error @ SessionError::Broken(Stage::Tls, _)), _) => {
                Went::TlsBroke(Verdict::of_session(&error, &hop.host))
            }
            (Some(error), _) => Went::Badly(Verdict::of_session(&error, &hop.host)),
            (None, ending) => badly(hop, (4, 4, 2), &ending.to_string()),
        }
    }

    /// Settles all that stands in line with one verdict: it does not depend on the message.
    async fn fail_line(&self, verdict: &Verdict) {
        loop {
            let tasks = self.shared.board().take(&self.destination);
            if tasks.is_empty() || self.shutdown.is_stopping() {
                self.shared.put_down(self.id, &tasks);
                return;
            }
            self.shared.pick_up(self.id, &tasks);
            match Batch::load(self.shared.store(), tasks.clone(), LINE_RCPTS).await {
                Ok(batch) => {
                    let verdicts = vec![verdict.clone(); batch.rcpts.len()];
                    settle(
                        &self.shared,
                        batch,
                        verdicts,
                        Context::default(),
                        &self.shutdown,
                    )
                    .await;
                }
                Err(none) => set_aside(&self.shared, none, &self.shutdown).await,
            }
            self.shared.put_down(self.id, &tasks);
        }
    }
}

fn badly(hop: &Hop, status: (u8, u16, u16), words: &str) -> Went {
    Went::Badly(Verdict::Later(Reason::own(
        status,
        format!("{}: {words}", hop.host),
    )))
}

fn tls_words(error: &TlsError) -> String {
    format!("TLS: {error}")
}
