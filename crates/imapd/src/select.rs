//! SELECT and EXAMINE (RFC 9051 sections 6.3.2 and 6.3.3, RFC 3501 section 6.3.1): a new view.

use congvu_imap::ask::Answer;
use congvu_imap::response::{Code, Done, ListEntry, Untagged};
use congvu_store::{Error, Flags, Mailbox, Read, Result, Topic};

use crate::records;
use crate::refuse;
use crate::session::{LoggedIn, done};
use crate::set::Targets;
use crate::status::mailbox_id;
use crate::uids::Uids;
use crate::view::View;
use crate::{flags, list};

/// Messages looked at for UNSEEN: some milliseconds. When the first unseen message is farther, the code is
/// left out, as RFC 3501 section 6.3.1 allows.
const UNSEEN_WITHIN: u32 = 16_384;

impl LoggedIn {
    pub(crate) async fn select(
        &mut self,
        name: String,
        read_only: bool,
        as_written: Option<String>,
    ) -> Answer {
        self.leave().await;
        match self.open(name, read_only).await {
            Ok((mailbox, view)) => self.selected(mailbox, view, as_written).await,
            Err(error) => done(refuse::store(&error)),
        }
    }

    /// Opens a view: first the watcher, then the state, so that no change falls between them.
    async fn open(&self, name: String, read_only: bool) -> Result<(Mailbox, View)> {
        let account = self.account;
        let store = self.store();
        let found = store
            .read(move |snapshot| {
                snapshot
                    .mailbox_named(account, &name)?
                    .ok_or(Error::NoMailbox)
            })
            .await?;
        let id = found.id;
        let changes = store.watch(Topic::Mailbox(id));
        let mut recent_from = found.recent_from;
        if !read_only && found.recent_from < found.uidnext {
            // Reading works also when nothing can be written: then they are recent once more.
            match store.transact(move |tx| tx.claim_recent(id)).await {
                Ok(first) => recent_from = first,
                Err(Error::NoMailbox) => return Err(Error::NoMailbox),
                Err(error) => tracing::warn!(mailbox = %id, %error, "recent messages not recorded"),
            }
        }
        let (mailbox, uids) = store
            .read(move |snapshot| {
                let mailbox = snapshot.mailbox(id)?.ok_or(Error::NoMailbox)?;
                let uids: Uids = snapshot.uids(id)?.into_iter().collect();
                Ok::<_, Error>((mailbox, uids))
            })
            .await?;
        let mut view = View::new(&mailbox, uids, changes, read_only);
        view.mark_recent(recent_from.0, &self.shared.recent, mailbox.recent_from.0);
        // What sessions claimed that were lost before they could write it down.
        self.shared.recent.settled(id, mailbox.recent_from.0);
        Ok((mailbox, view))
    }

    async fn selected(
        &mut self,
        mailbox: Mailbox,
        view: View,
        as_written: Option<String>,
    ) -> Answer {
        let mut untagged = vec![
            Untagged::Flags(flags::applicable(&view.keywords)),
            Untagged::Status(Done::ok("Flags permitted").with(Code::PermanentFlags(
                flags::permanent(&view.keywords, view.read_only),
            ))),
            Untagged::Exists(view.uids().len()),
            Untagged::Recent(view.recent().len()),
        ];
        if !self.rev2 && mailbox.unseen > 0 {
            match self.first_unseen(&view).await {
                Ok(Some(seq)) => untagged.push(Untagged::Status(
                    Done::ok("First unseen").with(Code::Unseen(seq)),
                )),
                Ok(None) => {}
                Err(error) => return done(refuse::store(&error)),
            }
        }
        untagged.push(Untagged::Status(
            Done::ok("UIDs valid").with(Code::UidValidity(mailbox.uidvalidity.0)),
        ));
        untagged.push(Untagged::Status(
            Done::ok("Next UID").with(Code::UidNext(mailbox.uidnext.0)),
        ));
        untagged.push(Untagged::Status(
            Done::ok("Mailbox id").with(Code::MailboxId(mailbox_id(mailbox.id))),
        ));
        if self.rev2 {
            let special = mailbox
                .special_use
                .map(|special| list::special_use_name(special).to_owned());
            untagged.push(Untagged::List(ListEntry {
                attributes: special.into_iter().collect(),
                name: mailbox.name,
                old_name: as_written,
                ..ListEntry::default()
            }));
        }
        let end = if view.read_only {
            Done::ok("Mailbox examined").with(Code::ReadOnly)
        } else {
            Done::ok("Mailbox selected").with(Code::ReadWrite)
        };
        self.view = Some(Box::new(view));
        Answer::Reply {
            untagged,
            done: Some(end),
        }
    }

    async fn first_unseen(&self, view: &View) -> Result<Option<u32>> {
        let mut targets = Targets::all(view.uids());
        let mut looked = 0;
        while !targets.is_empty() && looked < UNSEEN_WITHIN {
            let picks = targets.take(records::PAGE, view.uids());
            looked += u32::try_from(picks.len()).unwrap_or(UNSEEN_WITHIN);
            let page = records::read(self.store(), view.mailbox, picks, usize::MAX).await?;
            if let Some((seq, _)) = page
                .found
                .iter()
                .find(|(_, message)| !message.flags.contains(Flags::SEEN))
            {
                return Ok(Some(*seq));
            }
        }
        Ok(None)
    }
}
