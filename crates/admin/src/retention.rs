//! Forgetting what is past its undelete window: in the running server now and then, or when an administrator
//! asks for it.
//!
//! Each page is one small transaction, with a rest behind it as long as it took, so that mail goes on. Days
//! are counted here by the monotonic clock (`congvu_store::calendar`).

use std::time::Duration;

use congvu_directory::{Directory, retention};
use congvu_guard::quarantine;
use congvu_store::calendar::CalendarRead as _;
use congvu_store::deleted::Removal;
use congvu_store::quarantine::QuarantineId;
use congvu_store::{AccountId, MailboxId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::audit::{self, Described, Who};
use crate::error::{Error, Result};
use crate::perform::Admin;

/// Records of one transaction: some milliseconds of the committer, a commit of some 40 kB.
const AT_ONCE: usize = 1_024;
/// From one sweep to the next. A window of days is not kept more exactly than this.
const EVERY: Duration = Duration::from_hours(1);
/// A start has more urgent things to do.
const FIRST: Duration = Duration::from_mins(10);

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Swept {
    /// Messages that can no longer be brought back.
    pub messages: u64,
    /// Deleted mailboxes.
    pub mailboxes: u64,
    /// Removed accounts.
    pub accounts: u64,
    /// Letters in quarantine whose time was over.
    #[serde(default)]
    pub quarantined: u64,
    /// Mailboxes and accounts in which a hold alone keeps something.
    pub held: u64,
}

impl Swept {
    fn is_nothing(&self) -> bool {
        (
            self.messages,
            self.mailboxes,
            self.accounts,
            self.quarantined,
        ) == (0, 0, 0, 0)
    }
}

/// Counts the days and forgets what is due, as long as it is polled: for the running server. Audit records are
/// kept for `audit_days`; 0 = for ever.
pub async fn run(admin: Admin, who: Who, audit_days: u32) {
    let directory = admin.directory();
    let mut counted = Instant::now();
    if let Err(error) = directory
        .store()
        .transact::<_, Error, _>(|tx| Ok(tx.resume_calendar(Timestamp::now())?))
        .await
    {
        tracing::warn!(%error, "days of retention not counted");
    }
    let mut pause = FIRST;
    loop {
        sleep(pause).await;
        pause = EVERY;
        let passed = u64::try_from(counted.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = Instant::now();
        let noted = directory
            .store()
            .transact::<_, Error, _>(move |tx| Ok(tx.count_time(passed, Timestamp::now())?))
            .await;
        match noted {
            Ok(()) => counted = now,
            Err(error) => {
                // Counted the next time; nothing is due earlier than it was.
                tracing::warn!(%error, "days of retention not counted");
                continue;
            }
        }
        match sweep(directory, &who).await {
            Ok(swept) if swept.is_nothing() => {}
            Ok(swept) => tracing::info!(
                messages = swept.messages,
                mailboxes = swept.mailboxes,
                accounts = swept.accounts,
                quarantined = swept.quarantined,
                held = swept.held,
                "deleted mail past its window forgotten"
            ),
            Err(error) => tracing::warn!(%error, "deleted mail not forgotten; tried again later"),
        }
        match congvu_guard::lists::purge(directory.store(), Timestamp::now()).await {
            Ok(0) => {}
            Ok(entries) => tracing::info!(entries, "entries of sender lists ended"),
            Err(error) => tracing::warn!(%error, "ended entries of sender lists not removed"),
        }
        match prune(directory, &who, audit_days).await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "old audit records removed"),
            Err(error) => tracing::warn!(%error, "old audit records not removed"),
        }
    }
}

/// Removes audit records that were kept for so many days, and leaves one about that.
pub async fn prune(directory: &Directory, who: &Who, days: u32) -> Result<u64> {
    let store = directory.store();
    let upto = store
        .read::<_, Error, _>(move |r| Ok(r.kept_since(days)?))
        .await?;
    let Some(upto) = upto.filter(|_| days > 0) else {
        return Ok(0);
    };
    let mut records = 0;
    loop {
        let begun = Instant::now();
        let gone = store
            .transact::<_, Error, _>(move |tx| audit::prune(tx, upto, AT_ONCE))
            .await?;
        records += gone;
        if gone < AT_ONCE as u64 {
            break;
        }
        sleep(begun.elapsed()).await;
    }
    if records > 0 {
        let described = Described {
            act: "audit prune".to_owned(),
            subject: String::new(),
            arguments: serde_json::json!({ "records": records }).to_string(),
        };
        let who = who.clone();
        store
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, "done")
            })
            .await?;
    }
    Ok(records)
}

/// Forgets all that is due, and leaves an audit record when that is anything.
pub(crate) async fn sweep(directory: &Directory, who: &Who) -> Result<Swept> {
    let mut swept = Swept::default();
    let outcome = all(directory, &mut swept).await;
    if !swept.is_nothing() {
        let described = Described {
            act: "store purge".to_owned(),
            subject: String::new(),
            arguments: serde_json::to_string(&swept).unwrap_or_default(),
        };
        let who = who.clone();
        directory
            .store()
            .transact::<_, Error, _>(move |tx| {
                audit::record_described(tx, &who, &described, "done")
            })
            .await?;
    }
    outcome.map(|()| swept)
}

async fn all(directory: &Directory, swept: &mut Swept) -> Result<()> {
    messages(directory, swept).await?;
    letters(directory, swept).await?;
    // A home goes when none of its mailboxes is left.
    removals(directory, swept, false).await?;
    removals(directory, swept, true).await
}

async fn messages(directory: &Directory, swept: &mut Swept) -> Result<()> {
    let mut from = Some(MailboxId(0));
    while let Some(at) = from {
        let begun = Instant::now();
        let page = directory
            .store()
            .read::<_, Error, _>(move |r| Ok(retention::due_mailboxes(r, at)?))
            .await?;
        swept.held += page.held;
        from = page.next;
        sleep(begun.elapsed()).await;
        let mut due = page.due;
        while !due.is_empty() {
            let begun = Instant::now();
            let wanted = due.clone();
            let (messages, finished) = directory
                .store()
                .transact::<_, Error, _>(move |tx| {
                    Ok(retention::purge_mailboxes(tx, &wanted, AT_ONCE)?)
                })
                .await?;
            swept.messages += messages;
            due.drain(..finished.min(due.len()));
            sleep(begun.elapsed()).await;
        }
    }
    Ok(())
}

/// Letters in quarantine whose time is over, and what was remembered of those that went long ago.
async fn letters(directory: &Directory, swept: &mut Swept) -> Result<()> {
    let store = directory.store();
    let mut after = Some(AccountId(0));
    while let Some(at) = after {
        let begun = Instant::now();
        let page = store
            .read::<_, Error, _>(move |r| Ok(quarantine::due_accounts(r, at)?))
            .await?;
        swept.held += page.held;
        after = page.next;
        sleep(begun.elapsed()).await;
        for account in page.due {
            loop {
                let begun = Instant::now();
                let gone = store
                    .transact::<_, Error, _>(move |tx| {
                        Ok(quarantine::expire(tx, account, AT_ONCE)?)
                    })
                    .await?;
                swept.quarantined += gone;
                sleep(begun.elapsed()).await;
                if gone < AT_ONCE as u64 {
                    break;
                }
            }
        }
    }
    let mut after = Some(QuarantineId(0));
    while let Some(at) = after {
        let begun = Instant::now();
        after = store
            .transact::<_, Error, _>(move |tx| Ok(quarantine::forget_ended(tx, at, AT_ONCE)?))
            .await?;
        sleep(begun.elapsed()).await;
    }
    Ok(())
}

async fn removals(directory: &Directory, swept: &mut Swept, homes: bool) -> Result<()> {
    let mut after: Option<Removal> = None;
    loop {
        let page = directory
            .store()
            .read::<_, Error, _>(move |r| Ok(retention::due_removals(r, after, homes)?))
            .await?;
        swept.held += page.held;
        for removal in page.due {
            let mut records = 0;
            loop {
                let begun = Instant::now();
                let purged = directory
                    .store()
                    .transact::<_, Error, _>(move |tx| {
                        Ok(retention::purge_removal(tx, removal, AT_ONCE)?)
                    })
                    .await?;
                swept.messages += purged.messages;
                records += purged.records;
                sleep(begun.elapsed()).await;
                if purged.done {
                    break;
                }
            }
            let gone = if homes {
                &mut swept.accounts
            } else {
                &mut swept.mailboxes
            };
            *gone += u64::from(records > 0);
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
