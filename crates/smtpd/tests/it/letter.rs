//! What a client relies on: 250 means kept, anything else means not.

use crate::house::House;
use crate::mx::LETTER;

#[tokio::test]
async fn a_closed_store_is_a_temporary_failure() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.envelope("chi@away.example", &["an@bo.test"]).await;
    house.store.close().await.expect("closed");
    client.data(LETTER, "451 4.3.0").await;
}

#[tokio::test]
async fn a_lost_connection_leaves_nothing() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.envelope("chi@away.example", &["an@bo.test"]).await;
    client.say("DATA", "354").await;
    client.send(LETTER).await;
    drop(client);
    // The next letter's reply comes after the first session was given time to end.
    let mut other = house.mx().await;
    other.envelope("chi@away.example", &["binh@bo.test"]).await;
    other.data(LETTER, "250").await;
    assert_eq!(house.count("an@bo.test").await, 0);
}

#[tokio::test]
async fn deliveries_are_confirmed_when_asked() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client
        .say("MAIL FROM:<chi@so.test> ENVID=QQ314159", "250")
        .await;
    client
        .say(
            "RCPT TO:<an@bo.test> NOTIFY=SUCCESS ORCPT=rfc822;old@bo.test",
            "250",
        )
        .await;
    client
        .say("RCPT TO:<binh@bo.test> NOTIFY=FAILURE", "250")
        .await;
    client.data(LETTER, "250").await;
    let notice = house.only("chi@so.test").await;
    assert!(notice.starts_with("Return-Path: <>\r\n"), "{notice}");
    for part in [
        "Original-Envelope-Id: QQ314159",
        "Original-Recipient: rfc822;old@bo.test",
        "Action: delivered",
        "an@bo.test",
    ] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    assert!(
        !notice.contains("binh@") && !notice.contains("Ch\u{e0}o anh"),
        "{notice}"
    );
    // A sender elsewhere is told through the queue; a null sender never.
    client.say("MAIL FROM:<chi@away.example>", "250").await;
    client
        .say("RCPT TO:<an@bo.test> NOTIFY=SUCCESS", "250")
        .await;
    client.data(LETTER, "250").await;
    client.say("MAIL FROM:<>", "250").await;
    client
        .say("RCPT TO:<an@bo.test> NOTIFY=SUCCESS", "250")
        .await;
    client.data(LETTER, "250").await;
    let queue = house.queue().await;
    let [(entry, rcpts)] = queue.as_slice() else {
        panic!("{queue:?}")
    };
    assert_eq!(
        (entry.sender.as_str(), rcpts[0].address.as_str()),
        ("", "chi@away.example")
    );
    assert!(house.sent(entry).await.starts_with("Date: "));
}

#[tokio::test]
async fn over_lmtp_only_what_was_placed_is_confirmed() {
    let house = House::new().await;
    house.limit("binh@bo.test", 100).await;
    let mut client = house.lmtp().await;
    client.say("MAIL FROM:<chi@so.test>", "250").await;
    client
        .say("RCPT TO:<an@bo.test> NOTIFY=SUCCESS", "250")
        .await;
    client
        .say("RCPT TO:<binh@bo.test> NOTIFY=SUCCESS", "250")
        .await;
    client.data(LETTER, "250").await;
    client.expect("452 4.2.2").await;
    let notice = house.only("chi@so.test").await;
    assert!(
        notice.contains("an@bo.test") && !notice.contains("binh@bo.test"),
        "{notice}"
    );
}
