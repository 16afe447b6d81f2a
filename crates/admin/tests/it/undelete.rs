//! Deleted mail through administrative acts: found, brought back, held, forgotten.

use congvu_admin::change::{
    AccountChange, AgencyChange, HoldChange, MailboxChange, MessageChange, QuotaChange, Setting,
    Subject,
};
use congvu_admin::reply::{DeletedMessageView, UndeletedView};
use congvu_admin::{
    Change, DeletedFilter, DeletedQuery, Error, NewPassword, Query, Reason, Reply, Request,
};
use congvu_directory::find;
use congvu_message::Address;
use congvu_message::summary::summarize;
use congvu_store::tx::Quota;
use congvu_store::{Flags, NewMessage, Read, Timestamp};

use crate::Desk;

const AN: &str = "an@xa.test";

impl Desk {
    /// Letters that `an@xa.test` threw away, out of a mailbox.
    async fn thrown_away(&self, mailbox: &'static str, count: u32) {
        let store = self.admin.directory().store();
        for number in 0..count {
            let text = format!(
                "Message-ID: <{number}@xa.test>\r\nFrom: =?utf-8?Q?B=C3=ACnh?= <binh@so.test>\r\n\
                 To: an@xa.test\r\nSubject: =?utf-8?Q?C=C3=B4ng_v=C4=83n_s=E1=BB=91?= {number}\r\n\r\nNội dung\r\n"
            );
            let summary = summarize(text.as_bytes()).encode();
            let body = store.prepare(text.as_bytes(), &summary).unwrap();
            store
                .transact::<_, Error, _>(move |tx| {
                    let account = find::account(tx, &Address::parse(AN).unwrap())?.id;
                    let mailbox = match tx.mailbox_named(account, mailbox)? {
                        Some(mailbox) => mailbox,
                        None => tx.create_mailbox(account, mailbox, None)?,
                    };
                    let message = NewMessage {
                        flags: Flags::SEEN,
                        keywords: Vec::new(),
                        date: 1_790_000_000 + i64::from(number) * 86_400,
                        zone: 420,
                    };
                    let placed = tx.append(mailbox.id, &body, &message, Quota::Enforce)?;
                    tx.expunge(mailbox.id, &[placed.uid])?;
                    Ok(())
                })
                .await
                .unwrap();
        }
    }

    async fn deleted(&self, filter: DeletedFilter) -> Vec<DeletedMessageView> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let query = DeletedQuery {
                address: AN.into(),
                filter: filter.clone(),
                after,
            };
            let Reply::DeletedMessages(page) = self.perform(Request::Deleted(query)).await.unwrap()
            else {
                panic!("another answer");
            };
            all.extend(page.entries);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }

    async fn undelete(&self, ids: Vec<String>, into: Option<&str>) -> UndeletedView {
        let change = undelete(ids, into, false);
        match self.perform(Request::Change(change)).await.unwrap() {
            Reply::Undeleted(view) => view,
            other => panic!("{other:?}"),
        }
    }

    async fn purge(&self) -> congvu_admin::retention::Swept {
        match self.perform(Request::Purge).await.unwrap() {
            Reply::Purged(swept) => swept,
            other => panic!("{other:?}"),
        }
    }

    async fn window(&self, days: u16) {
        self.done(Change::Agency(AgencyChange::Set {
            code: "XA".into(),
            name: None,
            parent: None,
            sessions: None,
            foreign_targets: None,
            undelete_days: Some(Setting::Is(days)),
        }))
        .await;
    }

    async fn acts(&self) -> Vec<(String, String)> {
        let query = Query::Audit {
            since: None,
            until: None,
            after: None,
        };
        match self.ask(query).await {
            Reply::Audit(page) => page
                .entries
                .into_iter()
                .map(|e| (e.act, e.result))
                .collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn undelete(ids: Vec<String>, into: Option<&str>, exceed_quota: bool) -> Change {
    Change::Message(MessageChange::Undelete {
        address: AN.into(),
        ids,
        into: into.map(Into::into),
        exceed_quota,
    })
}

fn hold(mailbox: Option<&str>) -> Change {
    Change::Hold(HoldChange::Add {
        address: Some(AN.into()),
        mailbox: mailbox.map(Into::into),
        agency: None,
        reason: "QĐ 12/2026".into(),
    })
}

fn restore(to: Option<&str>) -> Change {
    Change::Account(AccountChange::Restore {
        address: AN.into(),
        number: None,
        to: to.map(Into::into),
        agency: None,
        exceed_quota: false,
        password: NewPassword::None,
    })
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn deleted_letters_are_found_by_what_people_remember() {
    let desk = Desk::furnished().await;
    desk.thrown_away("INBOX", 3).await;
    desk.thrown_away("Dự án", 2).await;
    let all = desk.deleted(DeletedFilter::default()).await;
    assert_eq!(all.len(), 5);
    let first = &all[0];
    assert_eq!(first.subject, "Công văn số 0");
    assert_eq!(first.from, "Bình <binh@so.test>");
    assert_eq!((first.to.as_str(), first.mailbox.as_str()), (AN, "INBOX"));
    assert_eq!(first.arrived, Timestamp(1_790_000_000_000));
    assert_eq!((first.days_left, first.held), (30, false));
    let count = |filter| {
        let desk = &desk;
        async move { desk.deleted(filter).await.len() }
    };
    let none = DeletedFilter::default;
    let words = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (
            DeletedFilter {
                mailbox: words("dự án"),
                ..none()
            },
            0,
        ),
        (
            DeletedFilter {
                mailbox: words("Dự án"),
                ..none()
            },
            2,
        ),
        (
            DeletedFilter {
                mailbox: words("inbox"),
                ..none()
            },
            3,
        ),
        (
            DeletedFilter {
                subject: words("CONG VAN SO 1"),
                ..none()
            },
            2,
        ),
        (
            DeletedFilter {
                subject: words("cống"),
                ..none()
            },
            0,
        ),
        (
            DeletedFilter {
                from: words("binh"),
                ..none()
            },
            5,
        ),
        (
            DeletedFilter {
                from: words("so.test"),
                to: words("binh"),
                ..none()
            },
            0,
        ),
        (
            DeletedFilter {
                message_id: words("2@xa.test"),
                ..none()
            },
            1,
        ),
        (
            DeletedFilter {
                message_id: words(" <0@xa.test>"),
                ..none()
            },
            2,
        ),
        (
            DeletedFilter {
                since: Some(Timestamp(1_790_086_400_000)),
                ..none()
            },
            3,
        ),
        (
            DeletedFilter {
                until: Some(Timestamp(1_790_000_000_000)),
                ..none()
            },
            2,
        ),
        (
            DeletedFilter {
                deleted_since: Some(Timestamp(0)),
                ..none()
            },
            5,
        ),
        (
            DeletedFilter {
                deleted_until: Some(Timestamp(0)),
                ..none()
            },
            0,
        ),
    ] {
        if filter.mailbox.as_deref() == Some("dự án") {
            // Names of mailboxes are not words: case matters.
            let query = DeletedQuery {
                address: AN.into(),
                filter,
                after: None,
            };
            let missing = desk.perform(Request::Deleted(query)).await;
            assert!(matches!(missing, Err(Error::Missing("mailbox", _))));
            continue;
        }
        assert_eq!(count(filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn many_come_in_pages_and_go_back_in_parts() {
    let desk = Desk::furnished().await;
    desk.thrown_away("INBOX", 300).await;
    let query = DeletedQuery {
        address: AN.into(),
        filter: DeletedFilter::default(),
        after: None,
    };
    let Reply::DeletedMessages(page) = desk.perform(Request::Deleted(query)).await.unwrap() else {
        panic!("another answer");
    };
    assert_eq!(page.entries.len(), 256);
    assert!(page.next.is_some());
    let all = desk.deleted(DeletedFilter::default()).await;
    assert_eq!(all.len(), 300);
    let ids: Vec<String> = all.into_iter().map(|one| one.id).collect();
    let refused = desk.refused(undelete(ids.clone(), None, false)).await;
    assert_eq!(refused.reason, Reason::Invalid);
    let view = desk.undelete(ids[..200].to_vec(), None).await;
    assert_eq!((view.placed.len(), view.missing.len()), (200, 0));
    assert_eq!(view.placed[199].uid, 500);
    let left = desk.deleted(DeletedFilter::default()).await;
    assert_eq!(left.len(), 100);
    let again = desk.undelete(ids[199..201].to_vec(), Some("Khác")).await;
    assert_eq!(
        (again.placed.len(), &again.missing[..]),
        (1, &ids[199..200])
    );
    assert_eq!(again.placed[0].mailbox, "Khác");
    let acts = desk.acts().await;
    let results: Vec<&str> = acts
        .iter()
        .filter(|(act, _)| act == "message undelete")
        .map(|(_, result)| result.as_str())
        .collect();
    assert_eq!(results.len(), 3);
    assert!(
        results[0].starts_with("refused: at most 200"),
        "{results:?}"
    );
    assert_eq!(results[1], "done: 200 brought back, 0 not there");
    assert_eq!(results[2], "done: 1 brought back, 1 not there");
    let wrong = desk.refused(undelete(vec!["x".into()], None, false)).await;
    assert!(wrong.message.contains("list-deleted"), "{wrong:?}");
}

#[tokio::test]
async fn a_full_account_is_told_whose_limit_it_is() {
    let desk = Desk::furnished().await;
    desk.thrown_away("INBOX", 2).await;
    let limit = |subject, messages| {
        Change::Quota(QuotaChange::Set {
            subject,
            octets: None,
            messages: Some(messages),
        })
    };
    let ids: Vec<String> = desk
        .deleted(DeletedFilter::default())
        .await
        .into_iter()
        .map(|one| one.id)
        .collect();
    for (subject, named) in [
        (Subject::Account(AN.into()), "account an@xa.test"),
        (Subject::Domain("xa.test".into()), "domain xa.test"),
        (Subject::Agency("XA".into()), "agency XA"),
    ] {
        desk.done(limit(subject.clone(), 1)).await;
        let refused = desk.refused(undelete(ids.clone(), None, false)).await;
        assert!(
            refused.message.contains(named) && refused.message.contains("--exceed-quota"),
            "{refused:?}"
        );
        desk.done(limit(subject, 0)).await;
    }
    desk.done(limit(Subject::Account(AN.into()), 1)).await;
    let over = Request::Change(undelete(ids, None, true));
    assert!(
        matches!(desk.perform(over).await, Ok(Reply::Undeleted(view)) if view.placed.len() == 2)
    );
}

#[tokio::test]
async fn mailboxes_and_accounts_come_back() {
    let desk = Desk::furnished().await;
    desk.thrown_away("Dự án", 1).await;
    let delete = || {
        desk.admin
            .directory()
            .store()
            .transact::<_, Error, _>(move |tx| {
                let account = find::account(tx, &Address::parse(AN).unwrap())?.id;
                Ok(tx.delete_mailbox(account, "Dự án")?)
            })
    };
    delete().await.unwrap();
    let gone = desk.deleted(DeletedFilter::default()).await;
    assert!(gone[0].mailbox_deleted);
    let back = |mailbox: Option<&str>, number, into: Option<&str>| {
        Change::Mailbox(MailboxChange::Undelete {
            address: AN.into(),
            mailbox: mailbox.map(Into::into),
            number,
            into: into.map(Into::into),
            exceed_quota: false,
        })
    };
    let query = Query::DeletedMailboxes {
        address: AN.into(),
        after: None,
    };
    let Reply::DeletedMailboxes(page) = desk.ask(query).await else {
        panic!("another answer");
    };
    let number = page.entries[0].number;
    assert_eq!(page.entries[0].mailbox, "Dự án");
    let taken = desk.refused(back(None, Some(number), Some("INBOX"))).await;
    assert!(taken.message.contains("--into"), "{taken:?}");
    let missing = desk.refused(back(Some("x"), None, None)).await;
    assert_eq!(missing.reason, Reason::Missing);
    assert_eq!(desk.done(back(Some("Dự án"), None, None)).await.0, "Dự án");
    delete().await.unwrap();
    assert_eq!(
        desk.done(back(None, Some(number), Some("Cũ"))).await.0,
        "Cũ"
    );

    desk.done(Change::Account(AccountChange::Remove {
        address: AN.into(),
        kind: None,
    }))
    .await;
    let Reply::RemovedAccounts(page) = desk.ask(Query::RemovedAccounts { after: None }).await
    else {
        panic!("another answer");
    };
    assert_eq!(page.entries[0].address, AN);
    assert_eq!(
        (page.entries[0].days_left, page.entries[0].held),
        (30, false)
    );
    assert_eq!(desk.deleted(DeletedFilter::default()).await.len(), 1);
    let removed = desk
        .refused(undelete(vec![gone[0].id.clone()], None, false))
        .await;
    assert!(
        removed.message.contains("congvu account restore"),
        "{removed:?}"
    );
    let (subject, _) = desk.done(restore(Some("an.cu@xa.test"))).await;
    assert_eq!(subject, "an.cu@xa.test");
    assert_eq!(desk.refused(restore(None)).await.reason, Reason::Missing);
    assert!(!desk.account("an.cu@xa.test").await.password);
}

#[tokio::test]
async fn what_is_held_is_not_forgotten() {
    let desk = Desk::furnished().await;
    desk.thrown_away("INBOX", 3).await;
    desk.thrown_away("Sent", 1).await;
    let (said, _) = desk.done(hold(Some("INBOX"))).await;
    assert_eq!(said, "1 an@xa.test INBOX");
    desk.done(hold(None)).await;
    let shown = desk.account(AN).await.holds;
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (shown[0].on.as_str(), shown[0].by.as_str()),
        ("mailbox", "quantri")
    );
    desk.window(0).await;
    let swept = desk.purge().await;
    assert_eq!((swept.messages, swept.held), (0, 2));
    let remove = |id| Change::Hold(HoldChange::Remove { id });
    desk.done(remove(2)).await;
    let swept = desk.purge().await;
    assert_eq!((swept.messages, swept.held), (1, 1));
    let left = desk.deleted(DeletedFilter::default()).await;
    assert!(left.len() == 3 && left.iter().all(|one| one.held));
    desk.done(remove(1)).await;
    assert_eq!(desk.purge().await.messages, 3);
    assert_eq!(desk.refused(remove(1)).await.reason, Reason::Missing);
    let Reply::Holds(holds) = desk.ask(Query::Holds).await else {
        panic!("another answer");
    };
    assert!(holds.is_empty());
    let both = Change::Hold(HoldChange::Add {
        address: Some(AN.into()),
        mailbox: None,
        agency: Some("XA".into()),
        reason: "x".into(),
    });
    assert_eq!(desk.refused(both).await.reason, Reason::Invalid);
    let acts = desk.acts().await;
    let count = |act: &str| acts.iter().filter(|(done, _)| done == act).count();
    assert_eq!(
        (
            count("store purge"),
            count("hold add"),
            count("hold remove")
        ),
        (2, 3, 3)
    );
    // Nothing to forget leaves no record.
    desk.purge().await;
    assert_eq!(desk.acts().await.len(), acts.len());
}

#[tokio::test]
async fn audit_records_go_when_their_days_are_over() {
    let desk = Desk::furnished().await;
    let directory = desk.admin.directory().clone();
    let pass = |days: u64| {
        directory.store().transact::<_, Error, _>(move |tx| {
            Ok(tx.count_time(days * congvu_store::calendar::DAY, Timestamp(0))?)
        })
    };
    let prune = |days| congvu_admin::retention::prune(&directory, &desk.who, days);
    let before = desk.acts().await.len();
    assert!(before > 0);
    assert_eq!(prune(10).await.unwrap(), 0, "no calendar yet");
    // What comes in the millisecond in which a day begins is as old as that day.
    pass(0).await.unwrap();
    pass(9).await.unwrap();
    assert_eq!(prune(10).await.unwrap(), 0);
    pass(1).await.unwrap();
    assert_eq!(prune(0).await.unwrap(), 0, "for ever");
    assert_eq!(prune(10).await.unwrap(), before as u64);
    let left = desk.acts().await;
    assert_eq!(left, [("audit prune".to_owned(), "done".to_owned())]);
    assert_eq!(prune(10).await.unwrap(), 0);
}
