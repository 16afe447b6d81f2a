//! STORE and UID STORE (RFC 9051 section 6.4.6): a transaction a page, answered once it is durable.

use congvu_guard::learn;
use congvu_imap::ask::{Answer, StoreAction, StoreFlags};
use congvu_imap::response::{Code, Done, Untagged};
use congvu_store::{FlagChange, MailboxId, Message, ModSeq, Read, Result, Store, Uid};

use crate::flags;
use crate::refuse;
use crate::session::{LoggedIn, done, nothing_selected};
use crate::set::{Pick, Targets};
use crate::view::Expunges;

/// Messages changed in one transaction: some milliseconds of the committer.
const AT_ONCE: usize = 1024;

/// Messages that one STORE answers itself; the flags of the rest are said like other news, in bounded
/// parts, as the socket drains.
const ANSWERED: usize = 4096;

/// What one transaction did.
struct Changed {
    messages: Vec<(u32, Message)>,
    missing: usize,
    modseq: ModSeq,
    keywords: Option<Vec<String>>,
}

impl LoggedIn {
    pub(crate) async fn store_flags(&mut self, ask: StoreFlags) -> Answer {
        let Some(view) = self.view.as_mut() else {
            return nothing_selected();
        };
        if view.read_only {
            return done(Done::no(
                Some(Code::Cannot),
                "The mailbox is open read-only",
            ));
        }
        let parsed = flags::parse(&ask.flags);
        if parsed.unknown {
            return done(refuse::bad("There is no such system flag"));
        }
        let Ok(mut targets) = Targets::resolve(&ask.set, ask.uid, view.uids(), &view.saved) else {
            return done(refuse::out_of_range());
        };
        let change = match ask.action {
            StoreAction::Replace => FlagChange::Replace(parsed.flags, parsed.keywords),
            StoreAction::Add => FlagChange::Add(parsed.flags, parsed.keywords),
            StoreAction::Remove => FlagChange::Remove(parsed.flags, parsed.keywords),
        };
        let expunges = if ask.uid {
            Expunges::Say
        } else {
            Expunges::Keep
        };
        let mut untagged: Vec<Untagged> = Vec::new();
        let mut missing = 0;
        while !targets.is_empty() {
            let picks = targets.take(AT_ONCE, view.uids());
            let known = view.keywords.len();
            match transact(
                &self.shared.store,
                view.mailbox,
                picks,
                change.clone(),
                known,
            )
            .await
            {
                Ok(changed) => {
                    missing += changed.missing;
                    view.say_keywords(changed.keywords, &mut untagged);
                    if untagged.len() < ANSWERED {
                        view.own_change(
                            changed.modseq,
                            changed.messages.iter().map(|(_, message)| message),
                        );
                        if !ask.silent {
                            untagged.extend(
                                changed
                                    .messages
                                    .iter()
                                    .map(|(seq, message)| view.flags_of(*seq, message)),
                            );
                        }
                    }
                    view.collect();
                }
                Err(error) => return self.finish(untagged, refuse::store(&error), expunges).await,
            }
        }
        let end = match missing {
            0 => Done::ok("STORE completed"),
            // RFC 2180 section 4.2.2; by UID, missing messages are no error (RFC 9051 section 6.4.9).
            _ if ask.uid => Done::ok("STORE completed"),
            _ => Done::no(
                Some(Code::ExpungeIssued),
                "Some of the messages no longer exist",
            ),
        };
        self.finish(untagged, end, expunges).await
    }
}

async fn transact(
    store: &Store,
    mailbox: MailboxId,
    picks: Vec<Pick>,
    change: FlagChange,
    known: usize,
) -> Result<Changed> {
    store
        .transact(move |tx| {
            let uids: Vec<Uid> = picks.iter().map(|pick| Uid(pick.uid)).collect();
            let changed = tx.change_flags_of(mailbox, &uids, &change)?;
            learn::flagged(tx, mailbox, &changed, &change)?;
            let missing = picks.len() - changed.len();
            let mut messages = Vec::with_capacity(changed.len());
            let mut changed = changed.into_iter().peekable();
            for pick in &picks {
                let message = changed.next_if(|message| message.uid.0 == pick.uid);
                messages.extend(message.map(|message| (pick.seq, message)));
            }
            let new = messages
                .iter()
                .flat_map(|(_, message)| &message.keywords)
                .any(|&index| usize::from(index) >= known);
            let keywords = if new {
                tx.mailbox(mailbox)?.map(|mailbox| mailbox.keywords)
            } else {
                None
            };
            Ok(Changed {
                messages,
                missing,
                modseq: tx.modseq(),
                keywords,
            })
        })
        .await
}
