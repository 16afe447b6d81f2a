//! COPY, MOVE and their UID forms (RFC 9051 sections 6.4.7 and 6.4.8): all of it or nothing.
//!
//! By UID, messages that are gone are no error: Apple Mail repeats a UID MOVE that was done already, and
//! loops on NO.

use congvu_guard::learn;
use congvu_imap::ask::{Answer, SequenceSet};
use congvu_imap::response::{Code, Done, Untagged};
use congvu_store::tx::Quota;
use congvu_store::{Error, Read, Uid};

use crate::refuse;
use crate::session::{LoggedIn, done, nothing_selected};
use crate::set::Targets;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn copy(
        &mut self,
        set: SequenceSet,
        uid: bool,
        name: String,
        remove: bool,
    ) -> Answer {
        let account = self.account;
        let Some(view) = self.view.as_mut() else {
            return nothing_selected();
        };
        if remove && view.read_only {
            return done(Done::no(
                Some(Code::Cannot),
                "The mailbox is open read-only",
            ));
        }
        let Ok(targets) = Targets::resolve(&set, uid, view.uids(), &view.saved) else {
            return done(refuse::out_of_range());
        };
        let uids: Vec<Uid> = targets.uids(view.uids()).into_iter().map(Uid).collect();
        let from = view.mailbox;
        // Announcing expunges during COPY by number would mislead a client that pipelines STORE behind it.
        let expunges = if uid || remove {
            Expunges::Say
        } else {
            Expunges::Keep
        };
        let copied = self
            .shared
            .store
            .transact(move |tx| {
                let to = tx.mailbox_named(account, &name)?.ok_or(Error::NoMailbox)?;
                let source = tx.mailbox(from)?.ok_or(Error::NoMailbox)?;
                let pairs = match uids.as_slice() {
                    [] => Vec::new(),
                    uids if remove => {
                        let pairs = tx.relocate(from, uids, to.id)?;
                        tx.trace_moved(from, account, to.id, &pairs)?;
                        pairs
                    }
                    uids => tx.copy(from, uids, to.id, Quota::Enforce)?,
                };
                let placed: Vec<Uid> = pairs.iter().map(|(_, new)| *new).collect();
                learn::moved(tx, &source, &to, &placed)?;
                match uids.get(pairs.len()) {
                    Some(&missing) if !uid => Err(Error::NoMessage(from, missing)),
                    _ => Ok((to.uidvalidity, pairs)),
                }
            })
            .await;
        let (uidvalidity, pairs) = match copied {
            Ok(copied) => copied,
            Err(error) => {
                return self
                    .finish(Vec::new(), refuse::destination(&error), expunges)
                    .await;
            }
        };
        let text = if remove {
            "MOVE completed"
        } else {
            "COPY completed"
        };
        if pairs.is_empty() {
            return self.finish(Vec::new(), Done::ok(text), expunges).await;
        }
        let (old, new): (Vec<Uid>, Vec<Uid>) = pairs.into_iter().unzip();
        let code = Code::CopyUid {
            uidvalidity: uidvalidity.0,
            from: old.iter().map(|uid| uid.0).collect(),
            to: new.iter().map(|uid| uid.0).collect(),
        };
        if !remove {
            return self
                .finish(Vec::new(), Done::ok(text).with(code), expunges)
                .await;
        }
        view.expunged(&old);
        // RFC 6851 section 4.3: COPYUID in an untagged OK before the EXPUNGEs (K-9 expects it there too).
        let moved = Untagged::Status(Done::ok("Moved").with(code));
        self.finish(vec![moved], Done::ok(text), expunges).await
    }
}
