//! DELETE (RFC 9051 section 6.3.5). The messages stay for the undelete window. The subscription stays as
//! well: the RFC forbids to take it away unasked.

use congvu_imap::ask::Answer;
use congvu_imap::response::Done;

use crate::refuse;
use crate::session::LoggedIn;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn delete(&mut self, name: String) -> Answer {
        let account = self.account;
        let end = match self
            .store()
            .transact(move |tx| tx.delete_mailbox(account, &name))
            .await
        {
            Ok(()) => Done::ok("Mailbox deleted"),
            Err(error) => refuse::store(&error),
        };
        self.finish(Vec::new(), end, Expunges::Say).await
    }
}
