//! How long deleted things are kept, holds, and accounts that come back.

use congvu_directory::edit::account;
use congvu_directory::edit::{agency, hold};
use congvu_directory::record::{AddressKey, Held, HoldId, Policy};
use congvu_directory::retention::{self, Keep};
use congvu_directory::{Error, find};
use congvu_store::calendar::DAY;
use congvu_store::deleted::DeletedRead as _;
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Flags, MailboxId, NewMessage, Read, Timestamp, Uid};

use crate::{World, address};

impl World {
    async fn keep(&self, account: AccountId) -> Keep {
        self.directory
            .store()
            .read(move |r| retention::keep(r, account))
            .await
            .unwrap()
    }

    async fn days(&self, agency: congvu_directory::AgencyId, days: Option<u16>) {
        let policy = Policy {
            undelete_days: days,
            ..Policy::default()
        };
        self.change(move |tx| agency::set_policy(tx, agency, policy))
            .await;
    }

    async fn hold(&self, on: Held) -> HoldId {
        self.change(move |tx| hold::add(tx, on, "name", "12/KT-2026", "quantri"))
            .await
            .id
    }

    async fn unhold(&self, id: HoldId) {
        self.change(move |tx| hold::remove(tx, id)).await;
    }

    /// Places a letter into a mailbox and expunges it.
    async fn thrown_away(&self, account: AccountId, name: &'static str) -> MailboxId {
        let body = self.directory.store().prepare(b"letter", b"").unwrap();
        self.change(move |tx| {
            let mailbox = match tx.mailbox_named(account, name)? {
                Some(mailbox) => mailbox,
                None => tx.create_mailbox(account, name, None)?,
            };
            let message = NewMessage {
                flags: Flags::default(),
                keywords: Vec::new(),
                date: 0,
                zone: 0,
            };
            let uid = tx.append(mailbox.id, &body, &message, Quota::Enforce)?.uid;
            tx.expunge(mailbox.id, &[uid])?;
            Ok(mailbox.id)
        })
        .await
    }

    async fn pass(&self, days: u64) {
        self.change(move |tx| Ok(tx.count_time(days * DAY, Timestamp(0))?))
            .await;
    }

    /// Forgets all that is due: messages, and how much is held back.
    async fn sweep(&self) -> (u64, u64) {
        let store = self.directory.store();
        let (mut messages, mut held) = (0, 0);
        let mut from = Some(MailboxId(0));
        while let Some(at) = from {
            let page = store
                .read(move |r| retention::due_mailboxes(r, at))
                .await
                .unwrap();
            let due = page.due;
            held += page.held;
            let mut done = 0;
            while done < due.len() {
                let rest = due[done..].to_vec();
                let (gone, finished) = self
                    .change(move |tx| retention::purge_mailboxes(tx, &rest, 2))
                    .await;
                messages += gone;
                done += finished;
            }
            from = page.next;
        }
        for homes in [false, true] {
            let page = store
                .read(move |r| retention::due_removals(r, None, homes))
                .await
                .unwrap();
            held += page.held;
            for removal in page.due {
                loop {
                    let page = self
                        .change(move |tx| retention::purge_removal(tx, removal, 5))
                        .await;
                    messages += page.messages;
                    if page.done {
                        break;
                    }
                }
            }
        }
        (messages, held)
    }
}

#[tokio::test]
async fn the_window_is_inherited_and_bounded() {
    let world = World::new().await;
    let below = world.agency("XA.1", Some(world.agency)).await;
    let an = world.person("an@xa.test").await;
    assert_eq!(
        world.keep(an).await,
        Keep {
            held: false,
            days: 30,
            quarantine_days: retention::QUARANTINE_DAYS,
        }
    );
    world
        .change(move |tx| account::set_agency(tx, an, below))
        .await;
    world.days(world.agency, Some(90)).await;
    assert_eq!(world.keep(an).await.days, 90);
    world.days(below, Some(0)).await;
    assert_eq!(world.keep(an).await.days, 0);
    world.days(below, None).await;
    assert_eq!(world.keep(an).await.days, 90);
    let agency = world.agency;
    let policy = Policy {
        undelete_days: Some(3_651),
        ..Policy::default()
    };
    let said = world
        .refused(move |tx| agency::set_policy(tx, agency, policy))
        .await;
    assert!(said.contains("3650"), "{said}");
    assert_eq!(
        world.keep(AccountId(99)).await.days,
        30,
        "an account that nobody knows"
    );
}

#[tokio::test]
async fn what_is_past_its_window_goes_and_holds_keep_it() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    let binh = world.person("binh@xa.test").await;
    world.pass(0).await;
    let inbox = world.thrown_away(an, "INBOX").await;
    world.thrown_away(an, "INBOX").await;
    world.thrown_away(an, "Sent").await;
    world.thrown_away(binh, "INBOX").await;
    world.pass(30).await;
    assert_eq!(world.sweep().await, (0, 0), "30 full days are not over");
    world.pass(1).await;
    let hold = world.hold(Held::Mailbox(an, inbox)).await;
    let other = world.hold(Held::Account(binh)).await;
    assert_eq!(world.sweep().await, (1, 2), "what is left is held");
    world.unhold(hold).await;
    let above = world.hold(Held::Agency(world.agency)).await;
    world.unhold(other).await;
    assert_eq!(world.sweep().await, (0, 2));
    assert!(world.keep(an).await.held);
    world.unhold(above).await;
    assert_eq!(world.sweep().await, (3, 0));
    assert_eq!(world.sweep().await, (0, 0));
    world.thrown_away(an, "INBOX").await;
    assert_eq!(world.sweep().await, (0, 0));
    world.days(world.agency, Some(0)).await;
    assert_eq!(world.sweep().await, (1, 0), "no window at all");
    let missing = world.refused(|tx| hold::remove(tx, HoldId(77))).await;
    assert!(missing.contains("no such hold"), "{missing}");
    let empty = world
        .refused(move |tx| hold::add(tx, Held::Account(an), "an", "  ", "quantri"))
        .await;
    assert!(empty.contains("reason"), "{empty}");
}

#[tokio::test]
async fn a_removed_account_is_kept_held_brought_back_and_at_last_forgotten() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.person("binh@xa.test").await;
    world.pass(0).await;
    world.thrown_away(an, "INBOX").await;
    world.thrown_away(an, "Văn bản").await;
    let hold = world.hold(Held::Account(an)).await;
    world.change(move |tx| account::remove(tx, an)).await;
    world.pass(40).await;
    // Six standard mailboxes, one of its own, and the home.
    assert_eq!(world.sweep().await, (0, 8));
    let find = || {
        world
            .directory
            .store()
            .read(|r| retention::departed(r, &AddressKey::from(&address("AN@xa.test"))))
    };
    let departed = find().await.unwrap().unwrap();
    assert_eq!(departed.account.id, an);
    // Its address is taken meanwhile.
    let new = world.person("an@xa.test").await;
    assert_ne!(new, an);
    let again = departed.clone();
    let said = world
        .refused(move |tx| account::restore(tx, &again, None, None, Quota::Enforce))
        .await;
    assert!(said.contains("exists already"), "{said}");
    let again = departed.clone();
    let back = world
        .change(move |tx| {
            let to = address("an.cu@xa.test");
            account::restore(tx, &again, Some(&to), None, Quota::Enforce)
        })
        .await;
    assert_eq!((back.id, back.ledger), (an, departed.account.ledger));
    assert_eq!(world.find("an.cu@xa.test").await.unwrap().id, an);
    assert_eq!(world.reaches("an.cu@xa.test").await, "an.cu@xa.test");
    let names = world
        .directory
        .store()
        .read::<_, Error, _>(move |r| {
            let mailboxes = r.mailboxes(an)?;
            let own = mailboxes.iter().find(|m| m.name == "Văn bản").unwrap();
            let deleted = r.deleted_messages(own.id, None, None, 10)?.messages;
            assert_eq!(deleted[0].id.uid, Uid(1));
            Ok(mailboxes.len())
        })
        .await
        .unwrap();
    assert_eq!(names, 7);
    assert!(find().await.unwrap().is_none());
    let again = departed.clone();
    world
        .refused(move |tx| account::restore(tx, &again, None, None, Quota::Enforce))
        .await;

    world.change(move |tx| account::remove(tx, an)).await;
    world.unhold(hold).await;
    world.pass(30).await;
    // Deleted in an earlier window, but in a mailbox that went later: all of it goes together.
    assert_eq!(world.sweep().await, (0, 0));
    world.pass(1).await;
    assert_eq!(world.sweep().await, (2, 0));
    let left = world
        .directory
        .store()
        .read::<_, Error, _>(move |r| {
            assert!(r.removals(None, 10)?.is_empty());
            retention::departed_page(r, None, 10)
        })
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
    let problems = world
        .directory
        .store()
        .read::<_, Error, _>(|r| Ok(r.check_homes()?))
        .await
        .unwrap();
    assert!(problems.is_empty(), "{problems:?}");
}

#[tokio::test]
async fn agencies_under_a_hold_are_not_left_by_a_back_door() {
    let world = World::new().await;
    let top = world.agency("TINH", None).await;
    let other = world.agency("HUYEN", None).await;
    let below = world.agency("XA.1", Some(top)).await;
    let an = world.person("an@xa.test").await;
    world
        .change(move |tx| account::set_agency(tx, an, below))
        .await;
    let on_top = world.hold(Held::Agency(top)).await;
    let said = world
        .refused(move |tx| account::set_agency(tx, an, other))
        .await;
    assert!(said.contains("TINH"), "{said}");
    let said = world
        .refused(move |tx| agency::set_parent(tx, below, Some(other)))
        .await;
    assert!(said.contains("put a hold"), "{said}");
    world
        .change(move |tx| account::set_agency(tx, an, top))
        .await;
    world
        .change(move |tx| account::set_agency(tx, an, below))
        .await;
    let own = world.hold(Held::Account(an)).await;
    world
        .change(move |tx| account::set_agency(tx, an, other))
        .await;
    world
        .change(move |tx| account::set_agency(tx, an, below))
        .await;
    world.unhold(own).await;
    // A removed account stays under the hold when its agency goes.
    world.change(move |tx| account::remove(tx, an)).await;
    world.days(below, Some(400)).await;
    world.change(move |tx| agency::remove(tx, below)).await;
    assert_eq!(
        world.keep(an).await,
        Keep {
            held: true,
            days: 400,
            quarantine_days: retention::QUARANTINE_DAYS,
        }
    );
    let said = world.refused(move |tx| agency::remove(tx, top)).await;
    assert!(said.contains("hold"), "{said}");
    world.unhold(on_top).await;
    world.change(move |tx| agency::remove(tx, top)).await;
    let lost = world.keep(an).await;
    assert_eq!((lost.held, lost.days), (false, 400));
    let departed = world
        .directory
        .store()
        .read(|r| retention::departed(r, &AddressKey::from(&address("an@xa.test"))))
        .await
        .unwrap()
        .unwrap();
    let agency = world.agency;
    let back = world
        .change(move |tx| account::restore(tx, &departed, None, Some(agency), Quota::Enforce))
        .await;
    assert_eq!(back.agency, agency);
    let found = world
        .directory
        .store()
        .read(move |r| find::account_by_id(r, an))
        .await;
    assert_eq!(found.unwrap(), back);
}

#[tokio::test]
async fn a_hold_finds_a_mailbox_that_was_deleted() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    let id = world.thrown_away(an, "Dự án").await;
    world
        .change(move |tx| Ok(tx.delete_mailbox(an, "Dự án")?))
        .await;
    let on = world
        .directory
        .store()
        .read(move |r| hold::mailbox(r, an, "Dự án"))
        .await
        .unwrap();
    assert_eq!(on, Held::Mailbox(an, id));
    let nothing = world
        .directory
        .store()
        .read(move |r| hold::mailbox(r, an, "x"))
        .await;
    assert!(
        matches!(nothing, Err(Error::Missing("mailbox", _))),
        "{nothing:?}"
    );
}
