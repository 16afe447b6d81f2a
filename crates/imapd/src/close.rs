//! CLOSE and UNSELECT (RFC 9051 sections 6.4.1 and 6.4.2): the view ends.

use congvu_imap::ask::Answer;
use congvu_imap::response::Done;
use congvu_store::Read;

use crate::refuse;
use crate::session::{LoggedIn, done, nothing_selected};
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn unselect(&mut self) -> Answer {
        self.leave().await;
        done(Done::ok("Mailbox closed"))
    }

    /// Expunges without a word, then closes; if the expunge fails the mailbox stays open.
    pub(crate) async fn close(&mut self) -> Answer {
        let Some(view) = self.view.as_mut() else {
            return nothing_selected();
        };
        if !view.read_only
            && let Err(error) = view
                .expunge_deleted(&self.shared.store, self.account, None)
                .await
        {
            return self
                .finish(Vec::new(), refuse::store(&error), Expunges::Say)
                .await;
        }
        self.leave().await;
        done(Done::ok("Mailbox closed"))
    }

    /// Leaves the selected mailbox: what was claimed as recent in memory is written down.
    pub(crate) async fn leave(&mut self) {
        let Some(view) = self.view.take() else { return };
        if !view.has_claimed() {
            return;
        }
        let mailbox = view.mailbox;
        let settled = self
            .store()
            .transact(move |tx| {
                tx.claim_recent(mailbox)?;
                Ok::<_, congvu_store::Error>(
                    tx.mailbox(mailbox)?
                        .map_or(u32::MAX, |mailbox| mailbox.recent_from.0),
                )
            })
            .await;
        match settled {
            Ok(end) => self.shared.recent.settled(mailbox, end),
            // The mailbox is gone, or the store cannot write: those messages are recent once more.
            Err(error) => {
                self.shared.recent.settled(mailbox, u32::MAX);
                tracing::debug!(%mailbox, %error, "recent messages not recorded");
            }
        }
    }
}
