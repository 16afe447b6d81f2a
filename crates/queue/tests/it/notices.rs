//! What senders are told.

use std::time::Duration;

use congvu_store::queue::Ret;

use crate::remote::{CLOSE, Remote};
use crate::world::{World, notify};

fn refuses_b(_: usize, line: &str) -> Option<String> {
    line.starts_with("RCPT TO:<b@")
        .then(|| "550 5.1.1 no such user".to_owned())
}

#[tokio::test]
async fn one_refused_recipient_is_reported() {
    let mut remote = Remote::start(refuses_b).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world
        .send_with("an@bo.test", &["a@x.test", "b@x.test"], |entry, rcpts| {
            entry.envid = Some("E1".into());
            rcpts[1].orcpt = Some("rfc822;c@y.test".into());
        })
        .await;
    world.run();
    remote.message().await;
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 1);
    let notice = &inbox[0];
    assert!(notice.starts_with("Return-Path: <>\r\n"));
    for line in [
        "Auto-Submitted: auto-replied",
        "Reporting-MTA: dns; us.test",
        "Original-Envelope-Id: E1",
        "Original-Recipient: rfc822;c@y.test",
        "Final-Recipient: rfc822;b@x.test",
        "Action: failed",
        "Status: 5.1.1",
        "Remote-MTA: dns; fake.test",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
        "Content-Type: message/rfc822",
        ".dot",
    ] {
        assert!(
            notice.contains(&format!("\r\n{line}\r\n")),
            "{line}: {notice}"
        );
    }
    assert!(
        !notice.contains("a@x.test") && !notice.contains("Return-Path: <an@bo.test>"),
        "{notice}"
    );
    world.stop().await;
}

#[tokio::test]
async fn who_wants_no_notice_gets_none_and_nobody_answers_the_null_sender() {
    let remote = Remote::start(refuses_b).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world
        .send_with("an@bo.test", &["b@x.test"], |_, rcpts| {
            rcpts[0].notify = Some(notify(false, false, false));
        })
        .await;
    world.send("", &["b@x.test"]).await;
    // A sender who does not exist here (any more).
    world.send("gone@bo.test", &["b@x.test"]).await;
    world.run();
    world.emptied().await;
    assert!(world.inbox("an@bo.test").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn headers_alone_are_returned_when_asked() {
    let remote = Remote::start(refuses_b).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world
        .send_with("an@bo.test", &["b@x.test"], |entry, _| {
            entry.ret = Some(Ret::Headers);
        })
        .await;
    world.run();
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await;
    assert!(
        inbox[0].contains("text/rfc822-headers") && !inbox[0].contains(".dot"),
        "{}",
        inbox[0]
    );
    world.stop().await;
}

#[tokio::test]
async fn a_success_is_reported_when_nobody_further_on_does() {
    let dsn = |_: usize, line: &str| {
        line.starts_with("EHLO")
            .then(|| "250-fake.test\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES".to_owned())
    };
    let plain = Remote::start(|_, _| None).await;
    let mut knows = Remote::at(&format!("127.0.0.2:{}", plain.address.port()), dsn).await;
    let mut world = World::new(&[("x.test", &[plain.address]), ("y.test", &[knows.address])]).await;
    for to in ["a@x.test", "a@y.test"] {
        world
            .send_with("an@bo.test", &[to], |_, rcpts| {
                rcpts[0].notify = Some(notify(true, false, false));
            })
            .await;
    }
    world.run();
    assert_eq!(
        knows.hear("RCPT").await.1,
        "RCPT TO:<a@y.test> NOTIFY=SUCCESS"
    );
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 1);
    assert!(
        inbox[0].contains("\r\nFinal-Recipient: rfc822;a@x.test\r\nAction: relayed\r\n"),
        "{}",
        inbox[0]
    );
    world.stop().await;
}

#[tokio::test]
async fn domains_that_take_no_mail_are_reported_at_once() {
    let mut world = World::new(&[]).await;
    world
        .send("an@bo.test", &["a@null.test", "a@nowhere.test"])
        .await;
    world.run();
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await.concat();
    assert!(
        inbox.contains("\r\nStatus: 5.1.10\r\n") && inbox.contains("\r\nStatus: 5.1.2\r\n"),
        "{inbox}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_delay_is_told_once_and_the_end_as_well() {
    let remote = Remote::start(|_, line| (line == "CONNECT").then(|| CLOSE.to_owned())).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.settings.schedule.delays = vec![Duration::from_millis(20)];
    world.settings.schedule.warn_after = Duration::from_millis(60);
    world.settings.schedule.give_up_after = Duration::from_millis(400);
    world.send("an@bo.test", &["a@x.test"]).await;
    world.run();
    world.emptied().await;
    let inbox = world.inbox("an@bo.test").await;
    assert_eq!(inbox.len(), 2, "{inbox:?}");
    assert!(
        inbox[0].contains("\r\nAction: delayed\r\n") && inbox[0].contains("\r\nWill-Retry-Until: ")
    );
    assert!(
        inbox[1].contains("\r\nAction: failed\r\nStatus: 5.4.7\r\n"),
        "{}",
        inbox[1]
    );
    world.stop().await;
}

#[tokio::test]
async fn a_sender_elsewhere_gets_the_notice_by_mail() {
    let mut remote = Remote::start(refuses_b).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    world.send("far@x.test", &["b@x.test"]).await;
    world.run();
    let mail = remote.hear("MAIL FROM:<>").await.1;
    assert!(mail.starts_with("MAIL FROM:<>"), "{mail}");
    assert_eq!(remote.hear("RCPT").await.1, "RCPT TO:<far@x.test>");
    let notice = remote.message().await;
    assert!(
        !notice.contains("Return-Path: <>") && notice.contains("\r\nTo: <far@x.test>\r\n"),
        "{notice}"
    );
    world.emptied().await;
    world.stop().await;
}
