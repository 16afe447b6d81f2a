//! Limits: size, quota, rates, space.

use congvu_smtpd::{Rate, Settings};

use crate::house::House;
use crate::mx::LETTER;

#[tokio::test]
async fn size_is_refused_when_declared_and_when_found() {
    let mut settings = Settings::new("mx.bo.test");
    settings.size_limit = 10_000;
    let house = House::with(settings).await;
    let mut client = house.mx().await;
    client
        .say("MAIL FROM:<x@away.example> SIZE=10001", "552 5.3.4")
        .await;
    client.envelope("x@away.example", &["an@bo.test"]).await;
    client
        .data(
            &format!("{LETTER}{}", "dài dòng\r\n".repeat(2_000)),
            "552 5.3.4",
        )
        .await;
    client.envelope("x@away.example", &["an@bo.test"]).await;
    client.data(LETTER, "250").await;
    assert_eq!(house.count("an@bo.test").await, 1);
}

#[tokio::test]
async fn a_full_mailbox_is_refused_at_rcpt() {
    let house = House::new().await;
    house.limit("an@bo.test", 2_000).await;
    let mut client = house.mx().await;
    client
        .say("MAIL FROM:<x@away.example> SIZE=2001", "250")
        .await;
    client.say("RCPT TO:<an@bo.test>", "452 4.2.2").await;
    client.say("RSET", "250").await;
    for _ in 0..4 {
        client.envelope("x@away.example", &["an@bo.test"]).await;
        client.data(LETTER, "250").await;
    }
    // Four of about 450 octets with their trace: the limit is passed at the fifth at the latest.
    let mut placed = 4;
    loop {
        client.say("MAIL FROM:<x@away.example>", "250").await;
        client.send("RCPT TO:<an@bo.test>\r\n").await;
        let reply = client.reply().await;
        if !reply.starts_with("250") {
            assert!(reply.starts_with("452 4.2.2"), "{reply}");
            break;
        }
        client.data(LETTER, "250").await;
        placed += 1;
    }
    assert!(placed < 10);
    // A circular to the group still reaches a full mailbox.
    client.say("RSET", "250").await;
    client.envelope("x@away.example", &["all@bo.test"]).await;
    client.data(LETTER, "250").await;
    assert_eq!(house.count("an@bo.test").await, placed + 1);
}

#[tokio::test]
async fn who_fills_up_after_rcpt_loses_nothing_that_was_accepted() {
    let house = House::new().await;
    let mut client = house.mx().await;
    client.envelope("x@away.example", &["an@bo.test"]).await;
    let mut other = house.mx().await;
    other.envelope("x@away.example", &["an@bo.test"]).await;
    other.data(LETTER, "250").await;
    house.limit("an@bo.test", 10).await;
    // Alone and far above the limit: the client keeps the letter.
    client.data(LETTER, "452 4.2.2").await;
    house.limit("an@bo.test", 0).await;
    client
        .envelope("x@away.example", &["an@bo.test", "binh@bo.test"])
        .await;
    house.limit("an@bo.test", 10).await;
    // With others the reply stands for all, so an gets it too.
    client.data(LETTER, "250").await;
    assert_eq!(
        (
            house.count("an@bo.test").await,
            house.count("binh@bo.test").await
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn rates_bind_accounts_and_networks() {
    let mut settings = Settings::new("mx.bo.test");
    settings.rates.account_messages = Rate { hour: 3, day: 0 };
    settings.rates.account_rcpts = Rate { hour: 2, day: 0 };
    settings.rates.network_messages = Rate { hour: 0, day: 2 };
    let house = House::with(settings).await;
    house.password("an@bo.test").await;
    let mut client = house.login("an@bo.test").await;
    client
        .envelope("an@bo.test", &["binh@bo.test", "chi@so.test"])
        .await;
    client
        .say(
            "RCPT TO:<vanthu@bo.test>",
            "450 4.7.1 At most 2 recipients an hour",
        )
        .await;
    for _ in 0..2 {
        client.say("RSET", "250").await;
        client.say("MAIL FROM:<an@bo.test>", "250").await;
    }
    client.say("RSET", "250").await;
    client
        .say(
            "MAIL FROM:<an@bo.test>",
            "450 4.7.1 At most 3 messages an hour",
        )
        .await;

    let mut stranger = house.mx().await;
    for _ in 0..2 {
        stranger.say("MAIL FROM:<x@away.example>", "250").await;
        stranger.say("RSET", "250").await;
    }
    house
        .mx()
        .await
        .say(
            "MAIL FROM:<x@away.example>",
            "450 4.7.1 At most 2 messages from your network a day",
        )
        .await;
}

#[tokio::test]
async fn a_full_disk_is_temporary() {
    let mut settings = Settings::new("mx.bo.test");
    settings.reserve = u64::MAX - 1_000;
    let house = House::with(settings).await;
    let mut client = house.mx().await;
    client.say("MAIL FROM:<x@away.example>", "452 4.3.1").await;
    client.say("NOOP", "250").await;
}
