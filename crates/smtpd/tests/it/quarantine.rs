//! Letters that are held: for those whose agency wants it, in the transaction that answers the sender.

use congvu_directory::edit::agency;
use congvu_directory::find;
use congvu_directory::record::{FilterPolicy, Threshold};
use congvu_smtp::ask::Kind;
use congvu_store::quarantine::{
    LETTERS_MOST, Letter, NewLetter, QuarantineId, QuarantineRead as _,
};

use crate::house::House;

/// In a ministry's name from elsewhere, with a link that poses as a page of the state.
const PHISH: &str = "From: =?utf-8?B?QuG7mSBDw7RuZyBhbg==?= <ke@away.example>\r\nSubject: =?utf-8?q?Kh=E1=BA=A9n?=\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n\
    <a href=\"http://evil.example/x\">https://dichvucong.gov.vn</a>\r\n";

/// The first agency holds what others call suspicious.
async fn strict(house: &House) {
    let policy = || FilterPolicy {
        labelled: Threshold::new(0.5),
        junk: Threshold::new(0.55),
        quarantine: Threshold::new(0.6),
        ..FilterPolicy::default()
    };
    house
        .directory
        .change(move |tx| {
            let id = find::agency(tx, "BO")?.id;
            agency::set_filter(tx, id, policy())
        })
        .await
        .expect("a policy");
}

async fn held(house: &House, who: &str) -> Vec<Letter> {
    let id = house.id(who).await;
    house
        .store
        .read(move |r| r.letters_of(id, QuarantineId(0), 1_000))
        .await
        .expect("letters")
}

#[tokio::test]
async fn a_letter_is_held_for_those_whose_agency_holds_it() {
    let house = House::new().await;
    strict(&house).await;
    let mut client = house.connect(Kind::Mx, "198.51.100.7");
    client.expect("220").await;
    client.say("EHLO mail.away.example", "250").await;
    client
        .envelope("ke@away.example", &["an+hop@bo.test", "chi@so.test"])
        .await;
    let reply = client.data(PHISH, "250 2.0.0").await;
    let letters = held(&house, "an@bo.test").await;
    assert_eq!(letters.len(), 1);
    let about = &letters[0].about;
    assert!(reply.contains(&about.trace), "{reply}");
    assert_eq!(about.sender, "ke@away.example");
    assert_eq!(about.from, "Bộ Công an <ke@away.example>");
    assert_eq!(about.subject, "Khẩn");
    assert_eq!(about.detail.as_deref(), Some("hop"));
    assert!(
        about.unwanted >= 600 && !about.reasons.is_empty(),
        "{about:?}"
    );
    assert!(
        about
            .reasons
            .iter()
            .all(|reason| !reason.vi.is_empty() && !reason.en.is_empty())
    );
    assert_eq!(house.count("an@bo.test").await, 0);
    // The other agency's copy is where its own policy puts it; one body for both.
    let chi = house.messages("chi@so.test", "INBOX").await;
    let junk = house.messages("chi@so.test", "Junk").await;
    let (message, _) = chi.first().or(junk.first()).expect("a copy");
    assert_eq!(message.body, letters[0].body);
    assert!(held(&house, "chi@so.test").await.is_empty());
}

#[tokio::test]
async fn what_has_no_room_in_quarantine_goes_to_junk() {
    let house = House::new().await;
    strict(&house).await;
    let account = house.id("an@bo.test").await;
    let body = house.store.prepare(b"x", b"").expect("a body");
    house
        .store
        .transact(move |tx| {
            let new = NewLetter {
                account,
                ..NewLetter::default()
            };
            for _ in 0..LETTERS_MOST {
                tx.hold_letter(&new, &body)?;
            }
            Ok::<_, congvu_store::Error>(())
        })
        .await
        .expect("a full quarantine");
    let mut client = house.mx().await;
    client.envelope("ke@away.example", &["an@bo.test"]).await;
    client.data(PHISH, "250 2.0.0").await;
    assert_eq!(house.messages("an@bo.test", "Junk").await.len(), 1);
    assert_eq!(
        held(&house, "an@bo.test").await.len(),
        usize::try_from(LETTERS_MOST).expect("small")
    );
}
