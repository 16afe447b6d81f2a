//! Submission: our accounts, under their own names and those of their posts.

use congvu_smtp::ask::Kind;

use crate::house::House;

fn letter(from: &str) -> String {
    format!(
        "From: {from}\r\nTo: x@away.example\r\nBcc: hidden@away.example\r\nSubject: x\r\n\r\nKính gửi.\r\n"
    )
}

#[tokio::test]
async fn nothing_without_a_login() {
    let house = House::new().await;
    let mut client = house.connect(Kind::Submission, "127.0.0.1");
    client.expect("220").await;
    client.say("EHLO laptop", "250").await;
    client.say("MAIL FROM:<an@bo.test>", "530 5.7.0").await;
}

#[tokio::test]
async fn a_letter_is_completed_and_goes_both_ways() {
    let house = House::new().await;
    house.password("an@bo.test").await;
    let mut client = house.login("an@bo.test").await;
    client
        .envelope("an@bo.test", &["chi@so.test", "x@away.example"])
        .await;
    client.data(&letter("An <an@bo.test>"), "250").await;
    let stored = house.only("chi@so.test").await;
    assert!(stored.contains(" with ESMTPA\r\n"), "{stored}");
    assert!(
        stored.contains("\r\nDate: ")
            && stored.contains("\r\nMessage-ID: <")
            && stored.contains("@bo.test>\r\n")
    );
    assert!(!stored.contains("hidden@"), "{stored}");
    let queue = house.queue().await;
    let [(entry, rcpts)] = queue.as_slice() else {
        panic!("{queue:?}")
    };
    assert_eq!(entry.account, Some(house.id("an@bo.test").await));
    assert_eq!(
        (entry.waiting, rcpts.len(), rcpts[0].domain.as_str()),
        (1, 1, "away.example")
    );
    assert!(house.sent(entry).await.starts_with("Received: "));
}

#[tokio::test]
async fn senders_are_ones_own_or_of_a_post() {
    let house = House::new().await;
    house.password("an@bo.test").await;
    let mut client = house.login("an@bo.test").await;
    for from in [
        "an@bo.test",
        "an+x@bo.test",
        "nguyen.an@bo.test",
        "vanthu@bo.test",
        "",
    ] {
        client.say(&format!("MAIL FROM:<{from}>"), "250").await;
        client.say("RSET", "250").await;
    }
    for from in [
        "binh@bo.test",
        "chi@so.test",
        "x@away.example",
        "nobody@bo.test",
    ] {
        client
            .say(
                &format!("MAIL FROM:<{from}>"),
                "550 5.7.1 an@bo.test may not send as",
            )
            .await;
    }
}

#[tokio::test]
async fn authors_are_ones_own_or_of_a_post() {
    let house = House::new().await;
    house.password("an@bo.test").await;
    let mut client = house.login("an@bo.test").await;
    for (from, reply) in [
        ("an@bo.test", "250"),
        ("=?utf-8?q?V=C4=83n_th=C6=B0?= <vanthu@bo.test>", "250"),
        ("an@bo.test, vanthu@bo.test\r\nSender: an@bo.test", "250"),
        ("binh@bo.test", "550 5.7.1"),
        ("an@bo.test, binh@bo.test", "550 5.7.1"),
        ("an@bo.test <binh@bo.test>", "550 5.7.1"),
        ("undisclosed:;", "550 5.6.0"),
        ("an@bo.test\r\nFrom: binh@bo.test", "550 5.6.0"),
        ("<an@bo.test> <binh@bo.test>", "550 5.7.1"),
        ("<an@bo.test> binh@bo.test", "550 5.7.1"),
        (" ", "550 5.6.0"),
    ] {
        // A receipt has a null reverse-path, and its author is still checked.
        client.envelope("", &["chi@so.test"]).await;
        client.data(&letter(from), reply).await;
    }
    let many = format!("{}binh@bo.test", "an@bo.test,\r\n ".repeat(10_000));
    client.envelope("", &["chi@so.test"]).await;
    client.data(&letter(&many), "550 5.6.0").await;
    assert_eq!(house.count("chi@so.test").await, 3);
}

#[tokio::test]
async fn recipients_are_refused_with_reasons() {
    let house = House::new().await;
    house.password("an@bo.test").await;
    house.limit("binh@bo.test", 1).await;
    let mut client = house.login("an@bo.test").await;
    client.say("MAIL FROM:<an@bo.test>", "250").await;
    client.say("RCPT TO:<nobody@bo.test>", "550 5.1.1").await;
    client.say("RCPT TO:<x%y@away.example>", "553 5.1.3").await;
    client.say("RCPT TO:<x@[127.0.0.1]>", "553 5.1.2").await;
    client.say("RCPT TO:<x@away.example>", "250").await;
}

#[tokio::test]
async fn a_withdrawn_login_sends_no_more() {
    let house = House::new().await;
    house.password("an@bo.test").await;
    let mut client = house.login("an@bo.test").await;
    client.say("MAIL FROM:<an@bo.test>", "250").await;
    client.say("RSET", "250").await;
    house.disable("an@bo.test").await;
    client.say("MAIL FROM:<an@bo.test>", "421 4.7.0").await;
    client.closed().await;
}
