//! CREATE (RFC 9051 section 6.3.4, RFC 6154 section 3). Missing parents are created and everything is
//! subscribed, because clients that show subscribed mailboxes only would hide it.

use congvu_imap::ask::Answer;
use congvu_imap::response::{Code, Done, ListEntry, Untagged};
use congvu_store::SpecialUse;

use crate::list;
use crate::refuse;
use crate::session::{LoggedIn, done};
use crate::status::mailbox_id;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn create(
        &mut self,
        name: String,
        special_use: Vec<String>,
        as_written: Option<String>,
    ) -> Answer {
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
        let created = self
            .store()
            .transact(move |tx| tx.create_mailbox(account, &name, special))
            .await;
        let mailbox = match created {
            Ok(mailbox) => mailbox,
            Err(error) => {
                return self
                    .finish(Vec::new(), refuse::store(&error), Expunges::Say)
                    .await;
            }
        };
        // The name was put into normal form: the client hears which one it is (RFC 9051 section 6.3.4).
        let renamed = as_written.map(|old_name| {
            Untagged::List(ListEntry {
                attributes: vec!["\\Subscribed".to_owned()],
                name: mailbox.name,
                old_name: Some(old_name),
                ..ListEntry::default()
            })
        });
        let end = Done::ok("Mailbox created").with(Code::MailboxId(mailbox_id(mailbox.id)));
        self.finish(renamed.into_iter().collect(), end, Expunges::Say)
            .await
    }
}
