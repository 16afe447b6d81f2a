//! SCRAM exchanges that wait for the client's proof.
//!
//! The index that the proof matched means a credential of the moment when the keys were given; what was
//! revoked since then must not let anybody in, nor be taken for its neighbour.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::LoginContext;
use crate::record::CredentialId;

/// A client answers a challenge within this time; a person may have to type the password first.
const OPEN: Duration = Duration::from_mins(5);
/// Exchanges at once; beyond it the stale go, then new ones are refused.
const EXCHANGES: usize = 20_000;

type Key = (IpAddr, u16, String);

#[derive(Debug)]
struct Exchange {
    credentials: Vec<CredentialId>,
    since: Instant,
    waited: Duration,
}

/// Open exchanges by connection and name.
#[derive(Debug, Default)]
pub(super) struct Exchanges(HashMap<Key, Exchange>);

fn key(context: &LoginContext, name: &str) -> Key {
    (context.remote, context.port, name.to_owned())
}

impl Exchanges {
    /// Notes the keys that were given out, in order. False when there are too many exchanges.
    pub(super) fn open(
        &mut self,
        context: &LoginContext,
        name: &str,
        credentials: Vec<CredentialId>,
        waited: Duration,
    ) -> bool {
        let now = Instant::now();
        if self.0.len() >= EXCHANGES {
            self.0
                .retain(|_, exchange| now.saturating_duration_since(exchange.since) < OPEN);
            if self.0.len() >= EXCHANGES {
                return false;
            }
        }
        self.0.insert(
            key(context, name),
            Exchange {
                credentials,
                since: now,
                waited,
            },
        );
        true
    }

    /// Ends an exchange: the credential that matched, and how long the client has waited already.
    pub(super) fn close(
        &mut self,
        context: &LoginContext,
        name: &str,
        matched: Option<usize>,
    ) -> (Option<CredentialId>, Duration) {
        match self.0.remove(&key(context, name)) {
            Some(exchange) if exchange.since.elapsed() < OPEN => (
                matched.and_then(|at| exchange.credentials.get(at).copied()),
                exchange.waited,
            ),
            _ => (None, Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Service;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_index_means_what_was_given_out() {
        let context = LoginContext {
            remote: "192.0.2.1".parse().unwrap(),
            port: 1,
            service: Service::Imap,
        };
        let mut open = Exchanges::default();
        let ids = vec![CredentialId(4), CredentialId(9)];
        for (matched, expected) in [
            (Some(1), Some(CredentialId(9))),
            (Some(2), None),
            (None, None),
        ] {
            assert!(open.open(&context, "an", ids.clone(), Duration::ZERO));
            assert_eq!(open.close(&context, "an", matched).0, expected);
            assert_eq!(open.close(&context, "an", matched).0, None);
        }
        assert!(open.open(&context, "an", ids, Duration::ZERO));
        assert_eq!(
            open.close(&LoginContext { port: 2, ..context }, "an", Some(0))
                .0,
            None
        );
        tokio::time::advance(OPEN).await;
        assert_eq!(open.close(&context, "an", Some(0)).0, None);
    }
}
