//! Tests of `standing`: what is asked, told and told again fits together.

use congvu_message::summarize;
use congvu_spam::Facts;
use congvu_spam::facts::{Authentication, Ptr};

use super::*;

const NOW: i64 = 1_800_000_000;
const AN: AccountId = AccountId(1);
const BINH: AccountId = AccountId(2);

fn origin() -> Origin {
    let client = "203.0.113.5".parse().ok();
    let from = "lan@partner.test";
    Origin::new(
        client,
        &Ptr::Missing,
        from,
        from,
        &Authentication::default(),
    )
}

fn raw(id: &str) -> Vec<u8> {
    let words: Vec<String> = (0..60).map(|n| format!("chữ{n}")).collect();
    let words = words.join(" ");
    format!(
        "Return-Path: <lan@partner.test>\r\nReceived: from x (\r\n\t[203.0.113.5])\r\n\tby mail.so.test with ESMTP\r\n\tid {id}\r\n\tfor <an@so.test>; \
         Sun, 22 Nov 2026 12:00:00 +0700\r\nFrom: Lan <LAN@Partner.test>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n"
    )
    .replace("(\r\n\t[", "([")
    .into_bytes()
}

fn judgement(letter: &Letter<'_>) -> Judgement {
    Judgement::of(Vec::new(), &Facts::new(letter))
}

/// A letter placed with both, in the inbox.
fn place(guard: &Guard, id: &str, now: i64) {
    let raw = raw(id);
    let summary = summarize(&raw);
    let letter = Letter::read(&raw, &summary);
    let seen = Seen {
        origin: origin(),
        fingerprint: Fingerprint::of(&letter),
    };
    let verdicts = [(AN, Verdict::Inbox), (BINH, Verdict::Inbox)];
    guard.placed(id, &seen, &judgement(&letter), &verdicts, now);
}

fn report(guard: &Guard, id: &str, who: AccountId, class: Class, believed: bool) {
    let raw = raw(id);
    let summary = summarize(&raw);
    let told = Told::of(&Letter::read(&raw, &summary));
    guard
        .standing()
        .reported(&told, Some(who), (class, believed), NOW);
}

fn spam_of(guard: &Guard, entry: &str) -> f32 {
    let found = guard.remembered(&origin(), NOW).reputation;
    let one = found.into_iter().find(|one| one.entry == entry);
    one.map_or(0.0, |one| one.spam)
}

#[test]
fn letters_without_complaint_are_remembered_by_day() {
    let (guard, _folder) = crate::house::guard();
    for day in 0..3 {
        place(&guard, "a", NOW + day * DAY);
        place(&guard, "b", NOW + day * DAY + 60);
    }
    let came = |now| guard.received(AN, &origin(), now);
    assert_eq!(
        came(NOW + 2 * DAY + 99),
        Some(Correspondence::Received { letters: 2 })
    );
    assert_eq!(
        came(NOW + 3 * DAY),
        Some(Correspondence::Received { letters: 3 })
    );
    let forger = Origin::new(
        "198.51.100.1".parse().ok(),
        &Ptr::Missing,
        "lan@partner.test",
        "lan@partner.test",
        &Authentication::default(),
    );
    assert_eq!(guard.received(AN, &forger, NOW + 3 * DAY), None);
    // A complaint takes it away, for who complained.
    report(&guard, "a", AN, Class::Spam, false);
    assert_eq!(came(NOW + 3 * DAY), None);
    assert!(guard.received(BINH, &origin(), NOW + 3 * DAY).is_some());
}

#[test]
fn what_people_say_reaches_reputation_and_copies() {
    let (guard, _folder) = crate::house::guard();
    place(&guard, "a", NOW);
    assert!(spam_of(&guard, "203.0.113.0/24").abs() < 0.01);
    report(&guard, "a", AN, Class::Spam, true);
    // Not believed any more today.
    report(&guard, "a", BINH, Class::Spam, false);
    assert!((spam_of(&guard, "203.0.113.0/24") - 1.0).abs() < 0.01);
    assert!((spam_of(&guard, "partner.test (203.0.113.0/24)") - 1.0).abs() < 0.01);
    let text = raw("z");
    let summary = summarize(&text);
    let fingerprint = Fingerprint::of(&Letter::read(&text, &summary)).unwrap();
    let copies = guard.copies(fingerprint, &[AN], NOW + 5);
    assert_eq!((copies.seen, copies.recipients, copies.reported), (1, 2, 1));
    // The same person says the opposite.
    report(&guard, "a", AN, Class::Ham, true);
    let counts = guard.remembered(&origin(), NOW).reputation;
    assert!(counts.iter().all(|one| (one.ham - one.spam).abs() < 0.01));
    assert_eq!(guard.copies(fingerprint, &[AN], NOW + 5).reported, 0);
}

#[test]
fn a_letter_that_was_forgotten_is_known_by_its_received_field() {
    let (guard, _folder) = crate::house::guard();
    report(&guard, "never-seen", AN, Class::Spam, true);
    assert!((spam_of(&guard, "203.0.113.5") - 1.0).abs() < 0.01);
}

#[test]
fn rates_are_silent_while_the_memory_is_young() {
    let (guard, _folder) = crate::house::guard();
    guard.standing().since.store(NOW, Ordering::Relaxed);
    for n in 0..60 {
        place(&guard, &n.to_string(), NOW);
    }
    assert_eq!(guard.remembered(&origin(), NOW).rate, None);
    let rate = guard.remembered(&origin(), NOW + DAY).rate;
    assert_eq!(rate.map(|rate| rate.messages), Some(1));
}

#[test]
fn a_doubtful_letter_passes_the_second_time_from_next_door() {
    let (guard, _folder) = crate::house::guard();
    let to = ["an@so.test".to_owned()];
    assert!(!guard.passes(&origin(), &to, NOW));
    let mut next = origin();
    next.client = "203.0.113.77".parse().ok();
    assert!(guard.passes(&next, &["AN@so.test".to_owned()], NOW + 90));
    let other = ["binh@so.test".to_owned()];
    assert!(!guard.passes(&next, &other, NOW + 90));
}

#[test]
fn advertisements_are_counted_by_registered_domain() {
    let (guard, _folder) = crate::house::guard();
    assert_eq!(guard.advertisements(AN, "", NOW), None);
    for n in 0..3 {
        assert_eq!(guard.advertisements(AN, "a.shop.test", NOW), Some(n + 1));
        guard.advertised("b.shop.test", &[AN], NOW);
    }
    assert_eq!(guard.advertisements(AN, "shop.test", NOW), Some(4));
    assert_eq!(guard.advertisements(BINH, "shop.test", NOW), Some(1));
}

#[test]
fn a_thing_is_told_once_in_a_while() {
    let memory = Memory::new(1, 0);
    assert!(memory.tell("zone", 10, 3600));
    assert!(!memory.tell("zone", 3609, 3600));
    assert!(memory.tell("other", 3609, 3600));
    assert!(memory.tell("zone", 3610, 3600));
}
