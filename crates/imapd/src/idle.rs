//! IDLE (RFC 9051 section 6.3.13): waits for the change feed.
//!
//! Cancel-safe: the driver drops the future when the client says DONE. Changes taken from the feed then
//! stay in the view until they are said.

use congvu_imap::ask::Answer;
use congvu_imap::response::{Done, Untagged};

use crate::session::{LoggedIn, News};
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn idle(&mut self) -> Answer {
        let keep_alive = tokio::time::sleep(self.shared.settings.keep_alive);
        tokio::pin!(keep_alive);
        loop {
            let mut untagged = Vec::new();
            // What is left over is said by the next round.
            let news = Box::pin(self.announce(Expunges::Say, &mut untagged)).await;
            if let Some(view) = self.view.as_mut() {
                view.repeat(&mut untagged);
            }
            // A revoked login is refused by the next question.
            if !untagged.is_empty() || Box::pin(self.is_revoked()).await {
                return Answer::Reply {
                    untagged,
                    done: None,
                };
            }
            let view = self.view.as_mut().filter(|_| news != News::Failed);
            let changed = async {
                match view {
                    Some(view) => view.changed().await,
                    // Nothing selected, or nothing can be read: the next keep-alive tries again.
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = self.grant.changed() => {}
                () = &mut keep_alive => {
                    // Keeps NAT entries of mobile networks alive (K-9, iOS) and finds dead connections.
                    let here = Untagged::Status(Done::ok("Still here"));
                    return Answer::Reply { untagged: vec![here], done: None };
                }
            }
        }
    }
}
