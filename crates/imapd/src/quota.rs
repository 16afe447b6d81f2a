//! GETQUOTA and GETQUOTAROOT (RFC 9208): one root, the account, if it has limits.
//!
//! Domains and agencies have limits too, but their sums would tell one person about the others' mail;
//! they are refused with OVERQUOTA like the account's own, and shown to administrators only.

use congvu_directory::{Account, find};
use congvu_imap::ask::Answer;
use congvu_imap::response::{Code, Done, Untagged};
use congvu_store::tx::Ledger;
use congvu_store::{Error, Read};

use crate::refuse;
use crate::session::LoggedIn;
use crate::view::Expunges;

/// Name of the one root.
const ROOT: &str = "account";

impl LoggedIn {
    pub(crate) async fn quota(&mut self, root: String) -> Answer {
        let (untagged, end) = match self.ledger(None).await {
            Ok((_, ledger)) => match line(&ledger).filter(|_| root == ROOT) {
                Some(line) => (vec![line], Done::ok("GETQUOTA completed")),
                None => (
                    Vec::new(),
                    Done::no(Some(Code::NonExistent), "There is no such quota root"),
                ),
            },
            Err(end) => (Vec::new(), end),
        };
        self.finish(untagged, end, Expunges::Say).await
    }

    pub(crate) async fn quota_root(&mut self, name: String) -> Answer {
        let (untagged, end) = match self.ledger(Some(name)).await {
            Ok((mailbox, ledger)) => {
                let line = line(&ledger);
                let roots = line.iter().map(|_| ROOT.to_owned()).collect();
                let mut untagged = vec![Untagged::QuotaRoot { mailbox, roots }];
                untagged.extend(line);
                (untagged, Done::ok("GETQUOTAROOT completed"))
            }
            Err(end) => (Vec::new(), end),
        };
        self.finish(untagged, end, Expunges::Say).await
    }

    /// The account's sums and limits, and the mailbox's name as it is stored.
    async fn ledger(&self, mailbox: Option<String>) -> Result<(String, Ledger), Done> {
        let account = self.account;
        let read = self
            .store()
            .read(move |snapshot| {
                let name = match &mailbox {
                    Some(name) => {
                        snapshot
                            .mailbox_named(account, name)?
                            .ok_or(Error::NoMailbox)?
                            .name
                    }
                    None => String::new(),
                };
                let account: Account = find::account_by_id(snapshot, account)?;
                Ok::<_, congvu_directory::Error>((name, snapshot.ledger(account.ledger)?))
            })
            .await;
        read.map_err(|error| match error {
            congvu_directory::Error::Store(error) => refuse::store(&error),
            other => refuse::directory(&other),
        })
    }
}

/// STORAGE counts units of 1,024 octets (RFC 9208 section 5.1); a resource without a limit is not shown, and
/// an account without any has no root (a QUOTA response without resources would be bad grammar).
fn line(ledger: &Ledger) -> Option<Untagged> {
    let mut resources = Vec::new();
    if ledger.octets_limit != 0 {
        resources.push((
            "STORAGE".to_owned(),
            ledger.octets.div_ceil(1024),
            ledger.octets_limit / 1024,
        ));
    }
    if ledger.messages_limit != 0 {
        resources.push(("MESSAGE".to_owned(), ledger.messages, ledger.messages_limit));
    }
    (!resources.is_empty()).then(|| Untagged::Quota {
        root: ROOT.to_owned(),
        resources,
    })
}
