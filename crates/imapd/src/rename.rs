//! RENAME (RFC 9051 section 6.3.6). Children move along; ids, UIDs and UIDVALIDITY stay. Renaming INBOX
//! moves its messages and leaves it empty.

use congvu_imap::ask::Answer;
use congvu_imap::response::Done;

use crate::refuse;
use crate::session::LoggedIn;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn rename(&mut self, from: String, to: String) -> Answer {
        let account = self.account;
        let end = match self
            .store()
            .transact(move |tx| tx.rename_mailbox(account, &from, &to))
            .await
        {
            Ok(()) => Done::ok("Mailbox renamed"),
            Err(error) => refuse::store(&error),
        };
        self.finish(Vec::new(), end, Expunges::Say).await
    }
}
