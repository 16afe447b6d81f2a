//! CREATE (RFC 9051 section 6.3.4, RFC 6154 section 3). Missing parents are created and everything is
//! subscribed, because clients that show subscribed mailboxes only would hide it.

use congvu_imap::ask::Answer;
use congvu_imap::response::{Code, Done};
use congvu_store::SpecialUse;

use crate::list;
use crate::refuse;
use crate::session::{LoggedIn, done};
use crate::status::mailbox_id;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn create(&mut self, name: String, special_use: Vec<String>) -> Answer {
        let special: Option<SpecialUse> = match special_use.as_slice() {
            [] => None,
            [one] => match list::special_use(one) {
                Some(special) => Some(special),
                None => {
                    return done(Done::no(
                        Some(Code::UseAttr),
                        "This special use is not known here",
                    ));
                }
            },
            _ => {
                return done(Done::no(
                    Some(Code::UseAttr),
                    "A mailbox has one special use at most",
                ));
            }
        };
        let account = self.account;
        let end = match self
            .store()
            .transact(move |tx| tx.create_mailbox(account, &name, special))
            .await
        {
            Ok(mailbox) => {
                Done::ok("Mailbox created").with(Code::MailboxId(mailbox_id(mailbox.id)))
            }
            Err(error) => refuse::store(&error),
        };
        self.finish(Vec::new(), end, Expunges::Say).await
    }
}
