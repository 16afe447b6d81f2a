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

#[tokio::test]
async fn pieces_of_any_size_make_the_same_letter() {
    let house = House::new().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let message = format!("{LETTER}{}", "..dòng\r\n".repeat(9_000));
    for round in 1..=10 {
        let mut client = house.mx().await;
        client.envelope("chi@away.example", &["an@bo.test"]).await;
        client.say("DATA", "354").await;
        let stuffed = message.replace("\r\n.", "\r\n..");
        let mut rest = stuffed.as_bytes();
        while !rest.is_empty() {
            let most = [3, 1_000, 70_000][random.usize(..3)];
            let (piece, after) = rest.split_at(random.usize(1..=most).min(rest.len()));
            client.send(piece).await;
            rest = after;
        }
        client.say(".", "250").await;
        let stored = house.messages("an@bo.test", "INBOX").await;
        assert_eq!(stored.len(), round);
        assert!(stored.iter().all(|(_, octets)| octets.ends_with(&message)));
    }
}

#[tokio::test]
async fn chunks_of_bdat_arrive_as_they_are() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client
        .say("MAIL FROM:<chi@away.example> BODY=BINARYMIME", "250")
        .await;
    client.say("RCPT TO:<an@bo.test>", "250").await;
    let message = format!("{LETTER}.\r\nbinary \0 \n end").into_bytes();
    let (first, last) = message.split_at(100);
    client.send(format!("BDAT {}\r\n", first.len())).await;
    client.send(first).await;
    client.expect("250").await;
    client.send(format!("BDAT {} LAST\r\n", last.len())).await;
    client.send(last).await;
    client.expect("250 2.0.0 Ok: queued as").await;
    assert!(
        house
            .only("an@bo.test")
            .await
            .as_bytes()
            .ends_with(&message)
    );
}
