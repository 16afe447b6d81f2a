//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 sections 6.3.7 and 6.3.8).
//!
//! Only existing mailboxes can be subscribed, so that a mistyped name is noticed; unsubscribing works for
//! any name.

use congvu_imap::ask::Answer;
use congvu_imap::response::Done;
use congvu_store::{Error, Read};

use crate::refuse;
use crate::session::LoggedIn;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn subscribe(&mut self, name: String, subscribed: bool) -> Answer {
        let account = self.account;
        let result = self
            .store()
            .transact(
                move |tx| match (subscribed, tx.mailbox_named(account, &name)?) {
                    (true, None) => Err(Error::NoMailbox),
                    (_, Some(mailbox)) => tx.set_subscribed(account, &mailbox.name, subscribed),
                    (false, None) => tx.set_subscribed(account, &name, false),
                },
            )
            .await;
        let end = match result {
            Ok(()) => Done::ok(if subscribed {
                "Subscribed"
            } else {
                "Unsubscribed"
            }),
            Err(error) => refuse::store(&error),
        };
        self.finish(Vec::new(), end, Expunges::Say).await
    }
}
