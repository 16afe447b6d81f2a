//! STATUS (RFC 9051 section 6.3.11, RFC 8438 SIZE, RFC 8474 MAILBOXID): counters of the mailbox record.

use congvu_imap::ask::{Answer, StatusItem};
use congvu_imap::response::{Done, MailboxStatus, Untagged};
use congvu_store::{Error, Mailbox, MailboxId, Read, Result, Uid};

use crate::refuse;
use crate::session::LoggedIn;
use crate::view::Expunges;

impl LoggedIn {
    pub(crate) async fn status(&mut self, name: String, items: Vec<StatusItem>) -> Answer {
        let account = self.account;
        let recent = items.contains(&StatusItem::Recent);
        let found = self
            .store()
            .read(move |snapshot| {
                let mailbox = snapshot
                    .mailbox_named(account, &name)?
                    .ok_or(Error::NoMailbox)?;
                let unclaimed = if recent {
                    unclaimed(snapshot, &mailbox)?
                } else {
                    Vec::new()
                };
                Ok::<_, Error>((mailbox, unclaimed))
            })
            .await;
        match found {
            Ok((mailbox, unclaimed)) => {
                let recent = self.recent_count(&mailbox, &unclaimed);
                let line = Untagged::MailboxStatus(line(&mailbox, &items, recent));
                self.finish(vec![line], Done::ok("STATUS completed"), Expunges::Say)
                    .await
            }
            Err(error) => {
                let end = refuse::store(&error);
                self.finish(Vec::new(), end, Expunges::Say).await
            }
        }
    }

    /// RECENT of a mailbox: this session's own if it is selected, else what no session has claimed.
    pub(crate) fn recent_count(&self, mailbox: &Mailbox, unclaimed: &[Uid]) -> u64 {
        let selected = self
            .view
            .as_ref()
            .filter(|view| view.mailbox == mailbox.id && !view.read_only);
        let mine = selected.map_or(0, |view| u64::from(view.recent().len()));
        let from = self.shared.recent.unclaimed(mailbox.id);
        mine + unclaimed
            .iter()
            .filter(|uid| uid.0 >= from)
            .map(|_| 1)
            .sum::<u64>()
    }
}

/// The UIDs that no session has durably claimed as recent.
pub(crate) fn unclaimed(read: &impl Read, mailbox: &Mailbox) -> Result<Vec<Uid>> {
    /// Records a scan; the store's limit.
    const PAGE: usize = 1024;
    let mut uids = Vec::new();
    let mut from = mailbox.recent_from;
    while from < mailbox.uidnext {
        let page = read.messages(mailbox.id, from, Uid(u32::MAX), PAGE)?;
        uids.extend(page.iter().map(|message| message.uid));
        match uids.last() {
            Some(last) if page.len() == PAGE => from = Uid(last.0.saturating_add(1)),
            _ => break,
        }
    }
    Ok(uids)
}

/// One STATUS line with the items in the order asked for.
pub(crate) fn line(mailbox: &Mailbox, items: &[StatusItem], recent: u64) -> MailboxStatus {
    let number = |item: StatusItem| match item {
        StatusItem::Messages => Some(u64::from(mailbox.messages)),
        StatusItem::Recent => Some(recent),
        StatusItem::UidNext => Some(u64::from(mailbox.uidnext.0)),
        StatusItem::UidValidity => Some(u64::from(mailbox.uidvalidity.0)),
        StatusItem::Unseen => Some(u64::from(mailbox.unseen)),
        StatusItem::Deleted => Some(u64::from(mailbox.deleted)),
        StatusItem::Size => Some(mailbox.size),
        StatusItem::MailboxId => None,
    };
    MailboxStatus {
        mailbox: mailbox.name.clone(),
        items: items
            .iter()
            .filter_map(|&item| Some((item, number(item)?)))
            .collect(),
        id: items
            .contains(&StatusItem::MailboxId)
            .then(|| mailbox_id(mailbox.id)),
    }
}

/// RFC 8474 section 4: begins with a letter, so that it is never taken for a number.
pub(crate) fn mailbox_id(id: MailboxId) -> String {
    format!("M{id}")
}
