//! Acts of every kind.

use congvu_admin::change::{
    AccountChange, AgencyChange, AliasChange, AppPasswordChange, DomainChange, GroupChange,
    QueueChange, QuotaChange, Setting, Subject,
};
use congvu_admin::{Change, NewPassword, Query, Reason, Reply, Request};
use congvu_directory::{Kind, LoginContext, Service};
use congvu_store::queue::{NewEntry, NewRcpt, QueueId, QueueWrite};
use congvu_wire::Secret;
use congvu_wire::sasl::{SaslAnswer, SaslAsk};

use crate::{
    Desk, PASSWORD, add_account, add_agency, add_domain, alias, given, group, operator,
    set_password,
};

impl Desk {
    async fn logs_in(&self, name: &str, password: &str) -> bool {
        let context = LoginContext {
            remote: [192, 0, 2, 1].into(),
            port: 1,
            service: Service::Imap,
        };
        let ask = SaslAsk::Password {
            authcid: name.into(),
            password: Secret::new(password),
        };
        self.admin.directory().sasl(context, ask).await.0 == SaslAnswer::Granted
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_agency_is_set_up_and_taken_down() {
    let desk = Desk::furnished().await;
    desk.done(add_agency("PHONG", Some("xa"))).await;
    desk.done(set_password("an@xa.test", given(PASSWORD))).await;
    desk.done(operator("vanthu@xa.test", "an@xa.test")).await;
    desk.done(alias("a@xa.test", &["an@xa.test"])).await;
    desk.done(group(
        "all@xa.test",
        &["an@xa.test", "vanthu@xa.test", "x@elsewhere.test"],
    ))
    .await;
    let (subject, generated) = desk
        .done(add_account(
            "BINH@xa.test",
            Kind::Person,
            NewPassword::Generate,
        ))
        .await;
    assert_eq!(subject, "BINH@xa.test");
    assert!(desk.logs_in("binh@xa.test", &generated.unwrap()).await);
    assert!(desk.logs_in("vanthu@xa.test*a@xa.test", PASSWORD).await);
    let app = AppPasswordChange::Add {
        address: "an@xa.test".into(),
        name: "Outlook".into(),
    };
    let (_, app) = desk.done(Change::AppPassword(app)).await;
    assert!(desk.logs_in("an@xa.test", &app.unwrap()).await);
    let an = desk.account("a@xa.test").await;
    assert_eq!(an.account.address, "an@xa.test");
    assert!(an.password);
    assert_eq!(
        (an.aliases, an.groups, an.operates),
        (
            vec!["a@xa.test".to_owned()],
            vec!["all@xa.test".to_owned()],
            vec!["vanthu@xa.test".to_owned()]
        )
    );
    desk.done(set_password("an@xa.test", NewPassword::None))
        .await;
    assert!(!desk.logs_in("an@xa.test", PASSWORD).await);
    for change in [
        Change::Group(GroupChange::Remove {
            address: "all@xa.test".into(),
        }),
        Change::Alias(AliasChange::Remove {
            address: "a@xa.test".into(),
        }),
        Change::Account(AccountChange::Remove {
            address: "an@xa.test".into(),
            kind: None,
        }),
        Change::Account(AccountChange::Remove {
            address: "binh@xa.test".into(),
            kind: None,
        }),
        Change::Account(AccountChange::Remove {
            address: "vanthu@xa.test".into(),
            kind: Some(Kind::Post),
        }),
        Change::Domain(DomainChange::Remove {
            domain: "XA.test".into(),
        }),
        Change::Agency(AgencyChange::Remove {
            code: "Phong".into(),
        }),
        Change::Agency(AgencyChange::Remove { code: "XA".into() }),
    ] {
        desk.done(change).await;
    }
    assert!(desk.accounts().await.is_empty());
}

#[tokio::test]
async fn refusals_say_what_and_why() {
    let desk = Desk::furnished().await;
    for (change, reason, text) in [
        (
            add_agency("xa", None),
            Reason::Exists,
            "agency exists already: xa",
        ),
        (
            add_agency("B", Some("none")),
            Reason::Missing,
            "no such agency: none",
        ),
        (
            add_domain("xa.test", "XA"),
            Reason::Exists,
            "domain exists already: xa.test",
        ),
        (
            add_domain("localhost", "XA"),
            Reason::Invalid,
            "at least two labels",
        ),
        (
            add_account("an@elsewhere.test", Kind::Person, NewPassword::None),
            Reason::Missing,
            "no such domain",
        ),
        (
            add_account("an", Kind::Person, NewPassword::None),
            Reason::Invalid,
            "\"an\" is not a mail address",
        ),
        (
            add_account("b@xa.test", Kind::Person, given("short")),
            Reason::Invalid,
            "at least 12 characters",
        ),
        (
            set_password("nobody@xa.test", given(PASSWORD)),
            Reason::Missing,
            "no such account: nobody@xa.test",
        ),
        (
            set_password("an@xa.test", NewPassword::None),
            Reason::Missing,
            "no such password",
        ),
        (
            operator("an@xa.test", "an@xa.test"),
            Reason::Invalid,
            "only a post",
        ),
        (
            Change::Account(AccountChange::Remove {
                address: "an@xa.test".into(),
                kind: Some(Kind::Post),
            }),
            Reason::Invalid,
            "is a person, not a post",
        ),
        (
            alias("x@xa.test", &[]),
            Reason::Invalid,
            "needs 1 to 100 targets",
        ),
        (
            group("g@xa.test", &["nobody@xa.test"]),
            Reason::Missing,
            "no such address",
        ),
        (
            Change::Agency(AgencyChange::Remove { code: "XA".into() }),
            Reason::InUse,
            "not empty",
        ),
        (
            Change::Queue(QueueChange::Release { id: 9 }),
            Reason::Missing,
            "no such queue entry: 9",
        ),
    ] {
        let refusal = desk.refused(change.clone()).await;
        assert_eq!(refusal.reason, reason, "{change:?}: {refusal:?}");
        assert!(refusal.message.contains(text), "{change:?}: {refusal:?}");
    }
    assert_eq!(
        desk.accounts().await,
        ["an@xa.test", "vanthu@xa.test"],
        "nothing was half done"
    );
    assert_eq!(
        desk.perform(Request::Stop).await.unwrap_err().to_string(),
        "no server is running"
    );
}

#[tokio::test]
async fn settings_are_changed_one_by_one() {
    let desk = Desk::furnished().await;
    desk.done(add_agency("TINH", None)).await;
    let set = |sessions, foreign_targets, parent| {
        Change::Agency(AgencyChange::Set {
            code: "XA".into(),
            name: None,
            parent,
            sessions,
            foreign_targets,
            undelete_days: None,
        })
    };
    desk.done(set(
        Some(Setting::Is(9)),
        None,
        Some(Setting::Is("TINH".into())),
    ))
    .await;
    desk.done(set(None, Some(Setting::Is(false)), None)).await;
    let Reply::Agency(xa) = desk.ask(Query::Agency { code: "xa".into() }).await else {
        panic!()
    };
    assert_eq!(
        (xa.policy.sessions, xa.policy.foreign_targets),
        (Some(9), Some(false))
    );
    assert_eq!(xa.parent.as_deref(), Some("TINH"));
    desk.done(set(Some(Setting::Inherit), None, Some(Setting::Inherit)))
        .await;
    let Reply::Agency(xa) = desk.ask(Query::Agency { code: "xa".into() }).await else {
        panic!()
    };
    assert_eq!(
        (xa.policy.sessions, xa.policy.foreign_targets, xa.parent),
        (None, Some(false), None)
    );
    let subject = Subject::Account("an@xa.test".into());
    let quota = |octets, messages| {
        Change::Quota(QuotaChange::Set {
            subject: subject.clone(),
            octets,
            messages,
        })
    };
    desk.done(quota(Some(1 << 30), None)).await;
    desk.done(quota(None, Some(7))).await;
    let Reply::Quota(view) = desk
        .ask(Query::Quota {
            subject: subject.clone(),
        })
        .await
    else {
        panic!()
    };
    assert_eq!(
        (
            view.subject.as_str(),
            view.usage.octets_limit,
            view.usage.messages_limit
        ),
        ("an@xa.test", 1 << 30, 7)
    );
}

#[tokio::test]
async fn the_queue_is_held_released_and_dropped() {
    let desk = Desk::furnished().await;
    let store = desk.admin.directory().store();
    let body = store.prepare(b"Subject: x\r\n\r\nx\r\n", b"").unwrap();
    let id: QueueId = store
        .transact::<_, congvu_store::Error, _>(move |tx| {
            let id = tx.attach(&body)?;
            let entry = NewEntry {
                lane: congvu_store::queue::Lane::Normal,
                sender: "an@xa.test".into(),
                body: id,
                frame: 0,
                skip: 0,
                size: 17,
                account: None,
                envid: None,
                ret: None,
                utf8: false,
                body_kind: congvu_store::queue::BodyKind::SevenBit,
                hold: None,
                trace: "T1".into(),
            };
            let rcpt = |n: u32| NewRcpt {
                address: format!("u{n}@elsewhere.test"),
                domain: "elsewhere.test".into(),
                ..NewRcpt::default()
            };
            tx.enqueue(&entry, &(0..1500).map(rcpt).collect::<Vec<_>>())
        })
        .await
        .unwrap();
    let id = id.0;
    desk.done(Change::Queue(QueueChange::Hold {
        id,
        reason: "kiểm tra".into(),
    }))
    .await;
    let Reply::Queue(page) = desk.ask(Query::Queue { after: None }).await else {
        panic!()
    };
    assert_eq!(
        (page.entries.len(), page.entries[0].hold.as_deref()),
        (1, Some("kiểm tra"))
    );
    let refusal = desk
        .refused(Change::Queue(QueueChange::Retry { id, domain: None }))
        .await;
    assert!(refusal.message.contains("release it first"), "{refusal:?}");
    let Reply::Status(status) = desk.perform(Request::Status).await.unwrap() else {
        panic!()
    };
    assert_eq!(
        (
            status.queue_messages,
            status.queue_held,
            status.queue_recipients,
            status.running
        ),
        (1, 1, 1500, false)
    );
    desk.done(Change::Queue(QueueChange::Release { id })).await;
    desk.done(Change::Queue(QueueChange::Retry {
        id,
        domain: Some("elsewhere.test".into()),
    }))
    .await;
    for (domain, expected) in [(None, "1 messages"), (Some("other.test"), "0 messages")] {
        let domain = domain.map(str::to_owned);
        let done = desk
            .perform(Request::Change(Change::Queue(QueueChange::RetryAll {
                domain,
            })))
            .await;
        let Reply::Done(done) = done.unwrap() else {
            panic!()
        };
        assert_eq!(done.subject, expected);
    }
    let Reply::QueueEntry(detail) = desk.ask(Query::QueueEntry { id }).await else {
        panic!()
    };
    assert_eq!(detail.rcpts.len(), 1500);
    desk.done(Change::Queue(QueueChange::Drop { id })).await;
    let Reply::Queue(page) = desk.ask(Query::Queue { after: None }).await else {
        panic!()
    };
    assert!(page.entries.is_empty());
}
