//! Messages made to hurt a scanner: each is judged, with what could not be examined said and bounded work.
//!
//! No clock is asked: what is read is bounded by counts ([`congvu_spam::bounds`]), and a scan without any time ends at once.
//! How long each takes is measured in a release build (`docs/spam.md`).

use std::fmt::Write as _;
use std::time::Duration;

use congvu_message::summarize;
use congvu_spam::bounds::{EVIDENCE_MAX, LINKS_MAX, PARTS_MAX, TEXT_MAX};
use congvu_spam::{Facts, Judgement, Letter, judge, links, stage};

fn judged(raw: &[u8]) -> Judgement {
    let summary = summarize(raw);
    let letter = Letter::read(raw, &summary);
    let seen: usize = letter.texts.iter().map(|text| text.text.len()).sum();
    assert!(seen <= TEXT_MAX && letter.parts().len() <= PARTS_MAX);
    assert!(links::hosts(&letter, usize::MAX).len() <= LINKS_MAX);
    let mut facts = Facts::new(&letter);
    facts.time = Duration::MAX;
    let judgement = judge(&facts);
    assert!(judgement.evidence.len() <= EVIDENCE_MAX);
    assert!(judgement.probability.is_finite());
    let broken = judgement
        .evidence
        .iter()
        .find(|found| found.reason.en.contains("a step of the scan failed"));
    assert_eq!(broken, None);
    judgement
}

fn names(judgement: &Judgement) -> Vec<&'static str> {
    judgement.evidence.iter().map(|found| found.name).collect()
}

fn html(piece: &str, times: usize) -> Vec<u8> {
    format!(
        "Content-Type: text/html; charset=utf-8\r\n\r\n{}",
        piece.repeat(times)
    )
    .into_bytes()
}

/// Base64 in lines.
fn attached(name: &str, octets: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = format!(
        "Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    for line in octets.chunks(57) {
        for group in line.chunks(3) {
            let at = |n: usize| u32::from(group.get(n).copied().unwrap_or_default());
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for n in 0..4 {
                let letter = LETTERS[usize::try_from(bits >> (18 - 6 * n) & 63).unwrap()];
                out.push(if n <= group.len() { letter } else { b'=' });
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// An entry of a zip archive, deflated.
fn zipped(name: &str, octets: &[u8]) -> Vec<u8> {
    let mut out = b"PK\x03\x04\x14\0\0\0\x08\0".to_vec();
    out.resize(26, 0);
    out.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(name.as_bytes());
    out.extend(miniz_oxide::deflate::compress_to_vec(octets, 6));
    out
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
fn many_attachments() {
    let mut raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    let one = attached("a.zip", &zipped("b.txt", b"x"));
    for _ in 0..5000 {
        raw.extend_from_slice(b"--b\r\n");
        raw.extend_from_slice(&one);
    }
    let found = judged(&raw);
    assert!(found.is_unscannable() || names(&found).contains(&"STRUCTURE_BOUNDS"));
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
fn markup_without_end() {
    for piece in [
        "<div><a href='",
        "<div style='display:none'>a",
        "<table><tr><td>",
        "<style>.a{display:none}",
        "<style>@media{@media{",
        "<b class='a b c d e f g h i j'>",
        "&#x10FFFF;&nbsp;&eacute;",
        "&",
        "<a href='http://a.example/?u=http%3A%2F%2Fb.example'>x</a>",
        "<script>",
        "<form action=http://a.example><input type=x>",
        "<p style='color:#fff;color:#fff;font-size:0;background:url(",
        "<!--",
        "hxxp://a[.]b(dot)c ",
        "k h u y e n  ",
        "\u{200b}а\u{301}",
    ] {
        let found = judged(&html(piece, 1_000_000 / piece.len()));
        assert!(found.is_unscannable(), "{piece}");
    }
}

#[test]
fn a_million_links() {
    let mut raw = b"Content-Type: text/html\r\n\r\n".to_vec();
    let mut text = String::new();
    for n in 0..40_000 {
        let _ = write!(text, "<a href='http://a{n}.example/'>www.b{n}.example</a>");
    }
    raw.extend_from_slice(text.as_bytes());
    assert!(judged(&raw).is_unscannable());
}

#[test]
fn bombs() {
    // 64 MiB of zeros each, packed; packed again.
    let bomb = zipped("a.zip", &vec![0; 64 * 1024 * 1024]);
    let deep = zipped("b.zip", &zipped("c.zip", &bomb));
    for octets in [bomb.repeat(20), deep.clone(), deep.repeat(200)] {
        assert!(judged(&attached("x.zip", &octets)).is_unscannable());
    }
    let entries = zipped("x.txt", b"").repeat(100_000);
    assert!(judged(&attached("x.zip", &entries)).is_unscannable());
    let names = zipped(&"x".repeat(60_000), b"").repeat(100);
    judged(&attached("x.zip", &names));
}

#[test]
fn documents_without_end() {
    for (start, piece) in [
        ("%PDF-1.7 ", "/J#61 /#"),
        ("<svg ", "onload=x "),
        ("<html>", "<script>atob("),
        ("{\\rtf", "{\\object"),
        ("Rar!\u{1a}\u{7}", "\0\0\0"),
    ] {
        let octets = [start, &piece.repeat(300_000)].concat();
        judged(&attached("a.html", octets.as_bytes()));
        judged(&attached("a.bin", octets.as_bytes()));
    }
}

/// Every stage asks whether there is time, so that without any only this is found.
#[test]
fn without_time_nothing_is_examined() {
    let raw = html("<a href='http://192.0.2.1/'>x</a>", 100);
    let summary = summarize(&raw);
    let letter = Letter::read(&raw, &summary);
    let mut facts = Facts::new(&letter);
    facts.time = Duration::ZERO;
    let judgement = judge(&facts);
    let found = names(&judgement);
    assert!(found.iter().all(|name| *name == "UNSCANNABLE"), "{found:?}");
    assert!(found.len() >= stage::STAGES.len() - 1);
}

#[test]
fn any_octets() {
    let mut random = fastrand::Rng::with_seed(1);
    for length in [0, 1, 10, 100, 1000, 100_000] {
        let raw: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        judged(&raw);
    }
}

/// All messages of the rules' cases with some octets changed, doubled or left out.
#[test]
fn messages_gone_wrong() {
    const ROUNDS: usize = 12;
    const PIECES: [&[u8]; 12] = [
        b"<",
        b">",
        b"\"",
        b"=",
        b"&",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
        b"PK\x03\x04",
        b"://",
        b"--b",
        b";",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for case in crate::rules::cases() {
        for _ in 0..ROUNDS {
            let mut raw = case.message().to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(0..=raw.len());
                let end = (at + random.usize(0..40)).min(raw.len());
                match random.u8(0..4) {
                    0 => drop(raw.drain(at..end)),
                    1 => {
                        let piece = raw[at..end].to_vec();
                        raw.splice(at..at, piece.repeat(random.usize(1..50)));
                    }
                    2 => {
                        let piece = PIECES[random.usize(0..PIECES.len())];
                        raw.splice(at..at, piece.iter().copied());
                    }
                    _ => {
                        if let Some(octet) = raw.get_mut(at) {
                            *octet = random.u8(..);
                        }
                    }
                }
            }
            judged(&raw);
        }
    }
}
