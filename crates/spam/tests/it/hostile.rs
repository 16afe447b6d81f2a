//! Messages made to hurt a scanner: each is judged, with what could not be examined said and bounded work.

use std::time::Duration;

use congvu_message::summarize;
use congvu_spam::bounds::{EVIDENCE_MAX, TEXT_MAX};
use congvu_spam::{Facts, Judgement, Letter, judge};

fn judged(raw: &[u8]) -> Judgement {
    let summary = summarize(raw);
    let letter = Letter::read(raw, &summary);
    let seen: usize = letter.texts.iter().map(|text| text.text.len()).sum();
    assert!(seen <= TEXT_MAX);
    let mut facts = Facts::new(&letter);
    facts.time = Duration::MAX;
    let judgement = judge(&facts);
    assert!(judgement.evidence.len() <= EVIDENCE_MAX);
    assert!(judgement.probability.is_finite());
    judgement
}

fn names(judgement: &Judgement) -> Vec<&'static str> {
    judgement.evidence.iter().map(|found| found.name).collect()
}

#[test]
fn many_parts() {
    let mut raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for _ in 0..100_000 {
        raw.extend_from_slice(b"--b\r\n\r\na\r\n");
    }
    assert!(names(&judged(&raw)).contains(&"STRUCTURE_BOUNDS"));
}

#[test]
fn deep_nesting() {
    let mut raw = Vec::new();
    for depth in 0..5000 {
        raw.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n")
                .as_bytes(),
        );
    }
    assert!(names(&judged(&raw)).contains(&"STRUCTURE_BOUNDS"));
}

#[test]
fn endless_lines() {
    let mut raw = b"From: a@b.example\r\nSubject: ".to_vec();
    raw.extend(std::iter::repeat_n(b'x', 900_000));
    raw.extend_from_slice(b"\r\n\r\n");
    raw.extend(std::iter::repeat_n(b'y', 20 * 1024 * 1024));
    assert!(judged(&raw).is_unscannable());
}

#[test]
fn nested_html() {
    let mut raw = b"Content-Type: text/html\r\n\r\n".to_vec();
    for _ in 0..200_000 {
        raw.extend_from_slice(b"<div><a href='");
    }
    assert!(judged(&raw).is_unscannable());
}

#[test]
fn any_octets() {
    let mut state = 1_u32;
    for length in [0, 1, 10, 100, 1000, 100_000] {
        let raw: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        judged(&raw);
    }
}
