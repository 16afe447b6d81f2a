//! NAMESPACE (RFC 9051 section 6.3.10): one personal namespace, `(("" "/"))`. iOS Mail wants exactly this.

use congvu_imap::ask::Answer;
use congvu_imap::response::{Done, Untagged};

use crate::session::LoggedIn;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn namespace(&mut self) -> Answer {
        self.finish(
            vec![Untagged::Namespace],
            Done::ok("NAMESPACE completed"),
            Expunges::Say,
        )
        .await
    }
}
