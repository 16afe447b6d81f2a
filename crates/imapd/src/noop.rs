//! NOOP and CHECK (RFC 9051 section 6.1.2, RFC 3501 section 6.4.1): say what is new.

use congvu_imap::ask::Answer;
use congvu_imap::response::Done;

use crate::session::LoggedIn;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn noop(&mut self) -> Answer {
        let mut untagged = Vec::new();
        if let Some(view) = self.view.as_mut() {
            view.repeat(&mut untagged);
        }
        self.finish(untagged, Done::ok("Completed"), Expunges::Say)
            .await
    }
}
