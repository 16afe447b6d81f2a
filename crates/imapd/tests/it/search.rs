//! SEARCH.

use crate::world::{Client, World};

fn mail(from: &str, subject: &str, date: &str, extra: &str, text: &str) -> String {
    format!(
        "From: {from}\r\nTo: minh@xa.test\r\nSubject: {subject}\r\nDate: {date}\r\n{extra}MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    )
}

async fn letters() -> (World, Client) {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    let one = mail(
        "Nguyễn Văn An <an@bo.test>",
        "Công văn số 12",
        "Fri, 20 Nov 2026 23:30:00 +0700",
        "",
        "Kính gửi Ủy ban",
    );
    let two = mail(
        "b@tinh.test",
        "Meeting",
        "Sat, 21 Nov 2026 10:00:00 +0700",
        "X-Khan: hoa toc\r\n",
        "Cống thoát nước",
    );
    let three = mail(
        "c@tinh.test",
        "=?utf-8?B?QsOhbyBjw6Fv?=",
        "Sun, 22 Nov 2026 10:00:00 +0700",
        "Cc: d@tinh.test\r\n",
        &"dài ".repeat(500),
    );
    for (flags, date, text) in [
        ("(\\Seen)", "20-Nov-2026 23:30:00 +0700", one),
        ("($Khan)", "21-Nov-2026 10:00:00 +0700", two),
        ("(\\Flagged)", "22-Nov-2026 10:00:00 +0700", three),
    ] {
        client
            .ok(&format!(
                "APPEND INBOX {flags} \"{date}\" {{{}+}}\r\n{text}",
                text.len()
            ))
            .await;
    }
    client.ok("SELECT INBOX").await;
    (world, client)
}

#[tokio::test]
async fn keys() {
    let (_world, mut client) = letters().await;
    for (key, expected) in [
        ("ALL", "1 2 3"),
        ("UNSEEN", "2 3"),
        ("SEEN", "1"),
        ("KEYWORD $khan", "2"),
        ("UNKEYWORD $Khan", "1 3"),
        ("KEYWORD nothing", ""),
        ("RECENT", "1 2 3"),
        ("NEW", "2 3"),
        ("OLD", ""),
        ("2:*", "2 3"),
        ("UID 1,3,9", "1 3"),
        ("NOT 2", "1 3"),
        ("OR 1 FLAGGED", "1 3"),
        ("BEFORE 21-Nov-2026", "1"),
        ("ON 21-Nov-2026", "2"),
        ("SINCE 21-Nov-2026", "2 3"),
        ("SENTON 20-Nov-2026", "1"),
        ("SENTBEFORE 22-Nov-2026", "1 2"),
        ("SENTSINCE 22-Nov-2026", "3"),
        ("LARGER 1000", "3"),
        ("SMALLER 1000", "1 2"),
        ("SUBJECT \"cong van\"", "1"),
        ("SUBJECT bao", "3"),
        ("FROM nguyen", "1"),
        ("FROM \"<an@bo.test>\"", "1"),
        ("TO minh", "1 2 3"),
        ("CC d@tinh", "3"),
        ("HEADER X-Khan \"\"", "2"),
        ("HEADER X-Khan toc", "2"),
        ("HEADER X-Khan cham", ""),
        ("BODY \"uy ban\"", "1"),
        ("BODY minh", ""),
        ("TEXT minh", "1 2 3"),
        ("TEXT hoa", "2"),
        ("BODY cong", "2"),
        ("TEXT cong", "1 2"),
        ("UNSEEN SMALLER 1000 NOT FROM an", "2"),
        ("(OR (SEEN) (KEYWORD $Khan)) NOT DELETED", "1 2"),
        ("9", ""),
        ("TEXT \"\"", "1 2 3"),
    ] {
        let got = client.untagged(&format!("SEARCH {key}")).await;
        let expected = if expected.is_empty() {
            "* SEARCH".to_owned()
        } else {
            format!("* SEARCH {expected}")
        };
        assert_eq!(got, [expected], "{key}");
    }
}

#[tokio::test]
async fn marks_matter_when_they_are_typed() {
    let (_world, mut client) = letters().await;
    for (text, expected) in [
        ("công", "* SEARCH 1"),
        ("cống", "* SEARCH 2"),
        ("CÔNG VĂN", "* SEARCH 1"),
        ("co\u{302}ng", "* SEARCH 1"),
    ] {
        let got = client
            .untagged(&format!(
                "SEARCH CHARSET UTF-8 TEXT {{{}+}}\r\n{text}",
                text.len()
            ))
            .await;
        assert_eq!(got, [expected], "{text}");
    }
}

#[tokio::test]
async fn extended_results_and_saved_ones() {
    let (world, mut client) = letters().await;
    let got = client
        .untagged("SEARCH RETURN (MIN MAX COUNT) UNSEEN")
        .await;
    assert!(
        got[0].starts_with("* ESEARCH (TAG \"") && got[0].ends_with(") MIN 2 MAX 3 COUNT 2"),
        "{got:?}"
    );
    let got = client.untagged("UID SEARCH RETURN () ALL").await;
    assert!(got[0].ends_with("UID ALL 1:3"), "{got:?}");
    assert!(
        client
            .untagged("SEARCH RETURN (SAVE) UNSEEN")
            .await
            .is_empty()
    );
    assert_eq!(
        client.untagged("FETCH $ UID").await,
        ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]
    );
    let mut other = world.select("lan", "INBOX").await;
    other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    other.ok("EXPUNGE").await;
    client.ok("NOOP").await;
    assert_eq!(
        client.untagged("UID FETCH $ UID").await,
        ["* 2 FETCH (UID 3)"]
    );
    client.ok("SEARCH RETURN (SAVE MIN) ALL").await;
    assert_eq!(client.untagged("SEARCH $").await, ["* SEARCH 1"]);
    client.ok("SEARCH RETURN (SAVE) KEYWORD nothing").await;
    assert!(client.untagged("FETCH $ FLAGS").await.is_empty());
    client.ok("ENABLE IMAP4rev2").await;
    let got = client.untagged("SEARCH ALL").await;
    assert!(
        got[0].contains("ESEARCH") && got[0].ends_with("ALL 1:2"),
        "{got:?}"
    );
}
