//! EXPUNGE and UID EXPUNGE (RFC 9051 sections 6.4.3 and 6.4.9).

use std::sync::Arc;

use congvu_imap::ask::{Answer, SequenceSet};
use congvu_imap::response::{Code, Done};
use congvu_store::{AccountId, Flags, Read, Result, Store, Uid};

use crate::records;
use crate::refuse;
use crate::session::{LoggedIn, done, nothing_selected};
use crate::set::Targets;
use crate::view::{Expunges, View};

/// Messages expunged in one transaction: keeps the committer free for others, some milliseconds each.
const AT_ONCE: usize = 4096;

impl LoggedIn {
    pub(crate) async fn expunge(&mut self, set: Option<SequenceSet>) -> Answer {
        let Some(view) = self.view.as_mut() else {
            return nothing_selected();
        };
        if view.read_only {
            return done(Done::no(
                Some(Code::Cannot),
                "The mailbox is open read-only",
            ));
        }
        let expunged = view.expunge_deleted(&self.shared.store, self.account, set.as_ref());
        let end = match expunged.await {
            Ok(()) => Done::ok("Expunge completed"),
            Err(error) => refuse::store(&error),
        };
        self.finish(Vec::new(), end, Expunges::Say).await
    }
}

impl View {
    /// Expunges the messages of the view (of `set`: UIDs) that have `\Deleted`. A flag that another
    /// session takes away in between is respected.
    pub(crate) async fn expunge_deleted(
        &mut self,
        store: &Store,
        by: AccountId,
        set: Option<&SequenceSet>,
    ) -> Result<()> {
        let mailbox = self.mailbox;
        let any = store
            .read(move |snapshot| snapshot.mailbox(mailbox))
            .await?;
        if any.is_none_or(|mailbox| mailbox.deleted == 0) {
            return Ok(());
        }
        let mut targets = match set {
            Some(set) => Targets::resolve(set, true, self.uids(), &self.saved).unwrap_or_default(),
            None => Targets::all(self.uids()),
        };
        let mut deleted: Vec<Uid> = Vec::new();
        while !targets.is_empty() {
            let picks = targets.take(records::PAGE, self.uids());
            let page = records::read(store, mailbox, picks, usize::MAX).await?;
            let marked = page
                .found
                .iter()
                .filter(|(_, message)| message.flags.contains(Flags::DELETED));
            deleted.extend(marked.map(|(_, message)| message.uid));
            if deleted.len() >= AT_ONCE || (targets.is_empty() && !deleted.is_empty()) {
                let went = expunge(store, mailbox, by, std::mem::take(&mut deleted)).await?;
                self.expunged(&went);
            }
        }
        Ok(())
    }
}

/// Expunges those that still have `\Deleted`.
async fn expunge(
    store: &Store,
    mailbox: congvu_store::MailboxId,
    by: AccountId,
    uids: Vec<Uid>,
) -> Result<Vec<Uid>> {
    let uids: Arc<[Uid]> = uids.into();
    store
        .transact(move |tx| {
            let mut still = Vec::with_capacity(uids.len());
            for &uid in uids.iter() {
                if tx
                    .message(mailbox, uid)?
                    .is_some_and(|message| message.flags.contains(Flags::DELETED))
                {
                    still.push(uid);
                }
            }
            let gone = tx.expunge(mailbox, &still)?;
            tx.trace_expunged(mailbox, by, &gone)?;
            Ok(gone)
        })
        .await
}
