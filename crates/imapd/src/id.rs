//! ID (RFC 2971): the client's words go to the log, ours are few. The version is told only to those who
//! are logged in.

use congvu_imap::ask::Answer;
use congvu_imap::response::{Done, Untagged};

use crate::session::{Session, State};

/// Octets of a client's value that reach the log. RFC 2971 allows 1,024 a value and 30 pairs.
const LOGGED: usize = 64;

impl Session {
    pub(crate) fn id(&mut self, pairs: &[(String, Option<String>)]) -> Answer {
        let said = |field: &str| -> String {
            let value = pairs
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(field))
                .and_then(|(_, value)| value.as_deref());
            value
                .unwrap_or_default()
                .chars()
                .filter(|c| !c.is_control())
                .take(LOGGED)
                .collect()
        };
        if !std::mem::replace(&mut self.identified, true) {
            tracing::info!(
                address = %self.peer.remote.ip(), port = self.peer.remote.port(), name = ?said("name"),
                version = ?said("version"), "imap client identified"
            );
        }
        let mut ours = vec![("name".to_owned(), "Congvu".to_owned())];
        if let State::LoggedIn(_) = self.state {
            ours.push(("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        }
        Answer::Reply {
            untagged: vec![Untagged::Id(ours)],
            done: Some(Done::ok("ID completed")),
        }
    }
}
