//! Random commands, written down and read back; and random text in the place of arguments.

use fastrand::Rng;

use super::{VERBS, ask_of, line};
use crate::ask::{
    Ask, Fetch, FetchItem, Rfc822, Search, SearchKey, SearchReturn, Section, SectionText,
    SequenceSet, StoreAction, StoreFlags,
};
use crate::name::{self, Spelling};
use crate::session::Enabled;
use crate::set;

fn random() -> Rng {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    Rng::with_seed(seed)
}

fn sequence_set(random: &mut Rng) -> SequenceSet {
    if random.u8(..10) == 0 {
        return SequenceSet::Saved;
    }
    let mut bound = |_| random.bool().then(|| random.u32(1..));
    SequenceSet::Ranges((0..3).map(|i| (bound(i), bound(i))).collect())
}

fn set_text(set: &SequenceSet) -> String {
    let mut out = String::new();
    set::write(&mut out, set);
    out
}

/// Any Unicode text without NUL.
fn text(random: &mut Rng) -> String {
    (0..random.usize(..6))
        .map(|_| match random.u8(..3) {
            0 => random.char('\u{1}'..='~'),
            1 => *random
                .choice(&['"', '\\', '(', '\r', '\n', '{', 'ệ'])
                .expect("not empty"),
            _ => random.char('a'..='z'),
        })
        .collect()
}

/// As an atom, a quoted string or a literal, whichever may be.
fn string(random: &mut Rng, text: &str) -> String {
    let atom = !text.is_empty() && text.bytes().all(super::parser::is_astring_char);
    let quotable = !text.contains(['\r', '\n']);
    match random.u8(..3) {
        0 if atom => text.to_owned(),
        1 if quotable => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        2 => format!("{{{}+}}\r\n{text}", text.len()),
        _ => format!("{{{}}}\r\n{text}", text.len()),
    }
}

/// A key and how it is written.
fn key(random: &mut Rng, depth: u8) -> (SearchKey, String) {
    let boxed = |(key, text): (SearchKey, String)| (Box::new(key), text);
    match random.u8(..if depth == 0 { 8 } else { 11 }) {
        0 => (SearchKey::All, "all".to_owned()),
        1 => {
            let set = sequence_set(random);
            let text = set_text(&set);
            (SearchKey::Sequence(set), text)
        }
        2 => {
            let set = sequence_set(random);
            let text = format!("UID {}", set_text(&set));
            (SearchKey::Uid(set), text)
        }
        3 => (SearchKey::Flag("\\Seen".to_owned()), "SEEN".to_owned()),
        4 => {
            let value = text(random);
            let written = format!("SUBJECT {}", string(random, &value));
            (SearchKey::Header("SUBJECT".to_owned(), value), written)
        }
        5 => {
            let value = text(random);
            let written = format!("HEADER x-y {}", string(random, &value));
            (SearchKey::Header("x-y".to_owned(), value), written)
        }
        6 => {
            let size = random.u64(..1 << 63);
            (SearchKey::Larger(size), format!("LARGER {size}"))
        }
        7 => (SearchKey::SentOn(-1), "SENTON 31-Dec-1969".to_owned()),
        8 => {
            let (inner, text) = boxed(key(random, depth - 1));
            (SearchKey::Not(inner), format!("NOT {text}"))
        }
        9 => {
            let (left, left_text) = boxed(key(random, depth - 1));
            let (right, right_text) = boxed(key(random, depth - 1));
            (
                SearchKey::Or(left, right),
                format!("OR {left_text} {right_text}"),
            )
        }
        _ => {
            let (keys, texts): (Vec<_>, Vec<_>) = (0..2).map(|_| key(random, depth - 1)).unzip();
            (SearchKey::And(keys), format!("({})", texts.join(" ")))
        }
    }
}

#[test]
fn searches_come_back() {
    let mut random = random();
    for _ in 0..3_000 {
        let (key, written) = key(&mut random, 5);
        let save = random.bool();
        let returns = random.bool().then(|| SearchReturn {
            save,
            ..SearchReturn::default()
        });
        let options = match returns {
            Some(_) if save => "RETURN (SAVE) ",
            Some(_) => "RETURN () ",
            None => "",
        };
        let expected = Ask::Search(Search {
            uid: true,
            returns,
            key,
        });
        assert_eq!(
            ask_of(&format!("UID SEARCH {options}{written}")),
            expected,
            "{written}"
        );
    }
}

fn section(random: &mut Rng) -> (Section, String) {
    let part: Vec<u32> = (0..random.usize(..4)).map(|_| random.u32(1..)).collect();
    let names = vec!["From".to_owned(), "X-Y".to_owned()];
    let (text, written) = match random.u8(..6) {
        0 => (Some(SectionText::Header), "HEADER".to_owned()),
        1 => (Some(SectionText::Text), "TEXT".to_owned()),
        2 => (
            Some(SectionText::HeaderFields(names)),
            format!("HEADER.FIELDS (From {})", string(random, "X-Y")),
        ),
        3 => (
            Some(SectionText::HeaderFieldsNot(names)),
            "header.fields.not (From X-Y)".to_owned(),
        ),
        4 if !part.is_empty() => (Some(SectionText::Mime), "MIME".to_owned()),
        _ => (None, String::new()),
    };
    let numbers: Vec<String> = part.iter().map(u32::to_string).collect();
    let dot = if part.is_empty() || text.is_none() {
        ""
    } else {
        "."
    };
    (
        Section { part, text },
        format!("{}{dot}{written}", numbers.join(".")),
    )
}

fn item(random: &mut Rng) -> (FetchItem, String) {
    let partial = random.bool().then(|| (random.u32(..), random.u32(1..)));
    let range = partial.map_or(String::new(), |(from, count)| format!("<{from}.{count}>"));
    let peek = random.bool();
    let mark = if peek { ".PEEK" } else { "" };
    match random.u8(..6) {
        0 => (FetchItem::Flags, "flags".to_owned()),
        1 => (FetchItem::BodyStructure, "BODYSTRUCTURE".to_owned()),
        2 => (FetchItem::Rfc822(Rfc822::Text), "RFC822.TEXT".to_owned()),
        3 => (FetchItem::Body, "BODY".to_owned()),
        4 => (
            FetchItem::Binary {
                part: vec![1, 2],
                peek,
                partial,
            },
            format!("BINARY{mark}[1.2]{range}"),
        ),
        _ => {
            let (section, text) = section(random);
            (
                FetchItem::Section {
                    section,
                    peek,
                    partial,
                },
                format!("body{mark}[{text}]{range}"),
            )
        }
    }
}

#[test]
fn fetches_come_back() {
    let mut random = random();
    for _ in 0..3_000 {
        let set = sequence_set(&mut random);
        let (items, texts): (Vec<_>, Vec<_>) =
            (0..random.usize(1..5)).map(|_| item(&mut random)).unzip();
        let written = format!("FETCH {} ({})", set_text(&set), texts.join(" "));
        assert_eq!(
            ask_of(&written),
            Ask::Fetch(Fetch {
                set,
                uid: false,
                items
            }),
            "{written}"
        );
    }
}

#[test]
fn stores_and_copies_come_back() {
    let mut random = random();
    for _ in 0..1_000 {
        let set = sequence_set(&mut random);
        let silent = random.bool();
        let (sign, action) = *random
            .choice(&[
                ("", StoreAction::Replace),
                ("+", StoreAction::Add),
                ("-", StoreAction::Remove),
            ])
            .expect("not empty");
        let flags: Vec<String> = ["\\Seen", "$x", "Y-z"]
            .iter()
            .take(random.usize(1..4))
            .map(|&f| f.to_owned())
            .collect();
        let list = if random.bool() {
            flags.join(" ")
        } else {
            format!("({})", flags.join(" "))
        };
        let written = format!(
            "UID STORE {} {sign}FLAGS{} {list}",
            set_text(&set),
            if silent { ".SILENT" } else { "" }
        );
        assert_eq!(
            ask_of(&written),
            Ask::Store(StoreFlags {
                set: set.clone(),
                uid: true,
                action,
                silent,
                flags
            })
        );

        let mailbox: String = (0..random.usize(1..8))
            .map(|_| random.char(' '..='\u{1ff}'))
            .filter(|c| !c.is_control())
            .chain(['x'])
            .collect();
        let mailbox = name::decode(mailbox.as_bytes(), Spelling::Utf8).expect("a name");
        let wire = string(&mut random, &name::encode(&mailbox, Spelling::Utf7));
        let written = format!("MOVE {} {wire}", set_text(&set));
        assert_eq!(
            ask_of(&written),
            Ask::Copy {
                set,
                uid: false,
                mailbox,
                remove: true
            },
            "{written}"
        );
    }
}

/// Every command with every kind of nonsense behind its name: an answer, never a panic.
#[test]
fn random_arguments_never_panic() {
    const PIECES: [&str; 24] = [
        " ",
        "(",
        ")",
        "\"",
        "\\",
        "{3}\r\nabc",
        "{9}\r\na",
        "~{1}\r\n\0",
        "1:*",
        "$",
        "INBOX",
        "&AOk-",
        "&",
        "BODY[",
        "]",
        "<0.1>",
        "RETURN",
        "FLAGS",
        "+",
        "NIL",
        "*",
        "1-Feb-1994",
        "\"\"",
        "ệ",
    ];
    let mut random = random();
    for _ in 0..300 {
        for verb in VERBS {
            let rest: String = (0..random.usize(..7))
                .map(|_| random.choice(PIECES).unwrap_or_default())
                .collect();
            let mut octets = format!("a {} {rest}", verb.name).into_bytes();
            if random.bool() {
                let at = random.usize(..octets.len());
                octets[at] = random.u8(..);
            }
            let enabled = Enabled {
                utf8_accept: random.bool(),
                rev2: random.bool(),
            };
            super::head(&octets, enabled);
            if let Ok(line) = line(&octets, enabled) {
                let parsed = line.parse();
                drop(parsed);
            }
        }
    }
}
