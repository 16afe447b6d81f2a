//! One letter to many: one body, one scan, and what differs for single recipients.

use congvu_directory::Kind as AccountKind;
use congvu_directory::edit::account::NewAccount;
use congvu_directory::edit::group::NewGroup;
use congvu_directory::edit::{account, group};
use congvu_guard::Scope;
use congvu_guard::lists::{self, Entry, Listed};
use congvu_smtp::ask::Kind;
use congvu_spam::facts::Side;
use congvu_store::Timestamp;

use crate::house::{House, address};

const LETTER: &str = "From: Chi <chi@away.example>\r\nTo: tatca@bo.test\r\nSubject: Thong bao\r\n\
    Date: Sun, 22 Nov 2026 12:00:00 +0700\r\nMessage-ID: <1@away.example>\r\n\r\nChao cac anh chi.\r\n";
const MANY: usize = 300;

#[tokio::test]
async fn a_circular_reaches_each_by_his_own_list() {
    let house = House::new().await;
    let members = house
        .directory
        .change(|tx| {
            let all = group::create(
                tx,
                &NewGroup {
                    address: address("tatca@bo.test"),
                    name: String::new(),
                    agency: None,
                },
            )?;
            let mut members = Vec::new();
            for number in 0..MANY {
                let person = address(&format!("nguoi{number}@bo.test"));
                members.push(
                    account::create(tx, &NewAccount::new(AccountKind::Person, person.clone()))?.id,
                );
                group::add_member(tx, all.id, &person)?;
            }
            Ok(members)
        })
        .await
        .expect("people");
    // Every seventh does not want it.
    let refusing: Vec<_> = members.iter().copied().step_by(7).collect();
    house
        .store
        .transact(move |tx| {
            for account in &refusing {
                let listed = Listed {
                    scope: Scope::Account(*account),
                    entry: Entry::read("away.example", false)?,
                    side: Side::Block,
                    until: None,
                    reason: String::new(),
                    by: "nguoi".to_owned(),
                    added: Timestamp(0),
                };
                lists::set(tx, &listed)?;
            }
            Ok::<_, lists::Error>(())
        })
        .await
        .expect("lists");

    let mut client = house.mx().await;
    client
        .envelope("chi@away.example", &["tatca@bo.test"])
        .await;
    client.data(LETTER, "250").await;
    let mut bodies = std::collections::HashSet::new();
    for number in 0..MANY {
        let who = format!("nguoi{number}@bo.test");
        let (here, there) = if number % 7 == 0 {
            ("Junk", "INBOX")
        } else {
            ("INBOX", "Junk")
        };
        let found = house.messages(&who, here).await;
        assert_eq!(found.len(), 1, "{who} {here}");
        assert!(
            house.messages(&who, there).await.is_empty(),
            "{who} {there}"
        );
        assert!(!found[0].1.contains("LIST_BLOCKED"), "{}", found[0].1);
        bodies.insert(found[0].0.body);
    }
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn who_does_not_wait_for_the_answer_to_ehlo_is_told_apart() {
    let house = House::new().await;
    for (hello, early) in [
        ("EHLO mail.away.example\r\n", false),
        ("EHLO mail.away.example\r\nNOOP\r\n", true),
    ] {
        let mut client = house.connect(Kind::Mx, "198.51.100.7");
        client.expect("220").await;
        client.send(hello).await;
        client.expect("250").await;
        if early {
            client.expect("250").await;
        }
        client.envelope("chi@away.example", &["an@bo.test"]).await;
        client.data(LETTER, "250 2.0.0").await;
        let stored = house.messages("an@bo.test", "INBOX").await.pop();
        let (_, octets) = stored.expect("the letter");
        let field = octets.split("\r\nReceived: ").next().unwrap_or_default();
        assert_eq!(field.contains("EARLY_TALK +1.5"), early, "{field}");
    }
}
