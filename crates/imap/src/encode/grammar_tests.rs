//! Random envelopes, structures and lists, encoded and read back by a strict reader of the response grammar
//! that knows nothing of the encoder.

use congvu_message::{Envelope, Mailbox, Part};
use fastrand::Rng;

use super::Encoder;
use crate::response::{FetchData, ListEntry, Octets, Untagged};
use crate::session::Enabled;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Nil,
    Text(Vec<u8>),
    Number(u64),
    Atom(String),
    /// Whether spaces stood between the elements.
    List(Vec<Value>, bool),
}

struct Reader<'a> {
    rest: &'a [u8],
    utf8: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().expect("more octets");
        self.rest = rest;
        *first
    }

    fn value(&mut self) -> Value {
        match self.rest.first().expect("a value") {
            b'(' => self.list(),
            b'"' => self.quoted(),
            b'{' | b'~' => self.literal(),
            _ => self.atom(),
        }
    }

    fn list(&mut self) -> Value {
        self.next();
        let mut values = Vec::new();
        let mut spaces = Vec::new();
        while self.rest.first() != Some(&b')') {
            values.push(self.value());
            let space = self.rest.first() == Some(&b' ');
            if space {
                self.next();
                assert_ne!(self.rest.first(), Some(&b')'), "space before a parenthesis");
            }
            spaces.push(space);
        }
        self.next();
        spaces.pop();
        Value::List(values, spaces.iter().all(|space| *space))
    }

    fn quoted(&mut self) -> Value {
        self.next();
        let mut text = Vec::new();
        loop {
            match self.next() {
                b'"' => break,
                b'\\' => {
                    let special = self.next();
                    assert!(matches!(special, b'"' | b'\\'));
                    text.push(special);
                }
                0 | b'\r' | b'\n' => panic!("control in a quoted string"),
                octet => {
                    assert!(octet < 0x80 || self.utf8, "8-bit octet in a quoted string");
                    text.push(octet);
                }
            }
        }
        assert!(std::str::from_utf8(&text).is_ok());
        Value::Text(text)
    }

    fn literal(&mut self) -> Value {
        let binary = self.rest.first() == Some(&b'~');
        if binary {
            self.next();
        }
        assert_eq!(self.next(), b'{');
        let mut size = 0;
        loop {
            match self.next() {
                b'}' => break,
                digit => size = size * 10 + usize::from(digit - b'0'),
            }
        }
        assert_eq!((self.next(), self.next()), (b'\r', b'\n'));
        let (literal, rest) = self.rest.split_at(size);
        assert!(binary || !literal.contains(&0));
        self.rest = rest;
        Value::Text(literal.to_vec())
    }

    fn atom(&mut self) -> Value {
        let end = self
            .rest
            .iter()
            .position(|b| matches!(b, b' ' | b'(' | b')' | b'\r'))
            .unwrap_or(self.rest.len());
        let (atom, rest) = self.rest.split_at(end);
        assert!(
            !atom.is_empty() && atom.iter().all(u8::is_ascii_graphic),
            "{}",
            atom.escape_ascii()
        );
        self.rest = rest;
        let text = String::from_utf8(atom.to_vec()).expect("ASCII");
        match text.parse() {
            _ if text == "NIL" => Value::Nil,
            Ok(n) => Value::Number(n),
            Err(_) => Value::Atom(text),
        }
    }
}

fn is_string(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}

fn is_nstring(value: &Value) -> bool {
    is_string(value) || *value == Value::Nil
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Number(_))
}

fn elements(value: &Value) -> &[Value] {
    match value {
        Value::List(values, _) => values,
        other => panic!("no list: {other:?}"),
    }
}

fn check_envelope(value: &Value) {
    let fields = elements(value);
    assert_eq!(fields.len(), 10);
    assert!(
        [0, 1, 8, 9].into_iter().all(|i| is_nstring(&fields[i])),
        "{fields:?}"
    );
    for addresses in &fields[2..8] {
        let Value::List(addresses, spaces) = addresses else {
            assert_eq!(*addresses, Value::Nil);
            continue;
        };
        assert!(!addresses.is_empty() && (!spaces || addresses.len() == 1));
        for address in addresses {
            let parts = elements(address);
            assert!(
                parts.len() == 4 && parts.iter().all(is_nstring),
                "{parts:?}"
            );
        }
    }
}

fn check_params(value: &Value) {
    if *value != Value::Nil {
        let params = elements(value);
        assert!(
            !params.is_empty() && params.len().is_multiple_of(2) && params.iter().all(is_string),
            "{params:?}"
        );
    }
}

/// Disposition, language and location, and nothing behind them.
fn check_extension(values: &[Value]) {
    let [disposition, language, location] = values else {
        panic!("{values:?}")
    };
    if *disposition != Value::Nil {
        let [kind, params] = elements(disposition) else {
            panic!("{disposition:?}")
        };
        assert!(is_string(kind));
        check_params(params);
    }
    match language {
        Value::List(languages, spaces) => {
            assert!(!languages.is_empty() && *spaces && languages.iter().all(is_string));
        }
        language => assert!(is_nstring(language)),
    }
    assert!(is_nstring(location));
}

fn check_body(value: &Value, extended: bool, utf8: bool) {
    let fields = elements(value);
    let parts = fields
        .iter()
        .take_while(|field| matches!(field, Value::List(..)))
        .count();
    if parts > 0 {
        for part in &fields[..parts] {
            check_body(part, extended, utf8);
        }
        assert!(is_string(&fields[parts]));
        let rest = &fields[parts + 1..];
        if extended {
            check_params(&rest[0]);
            check_extension(&rest[1..]);
        } else {
            assert!(rest.is_empty());
        }
        return;
    }
    let [
        kind,
        subtype,
        params,
        id,
        description,
        encoding,
        octets,
        rest @ ..,
    ] = fields
    else {
        panic!("{fields:?}")
    };
    assert!(
        is_string(kind)
            && is_string(subtype)
            && is_nstring(id)
            && is_nstring(description)
            && is_string(encoding)
            && is_number(octets),
        "{fields:?}"
    );
    check_params(params);
    let is = |value: &Value, text: &str| *value == Value::Text(text.into());
    let message = is(kind, "MESSAGE") && (is(subtype, "RFC822") || utf8 && is(subtype, "GLOBAL"));
    let rest = if message {
        check_envelope(&rest[0]);
        check_body(&rest[1], extended, utf8);
        assert!(is_number(&rest[2]));
        &rest[3..]
    } else if is(kind, "TEXT") {
        assert!(is_number(&rest[0]));
        &rest[1..]
    } else {
        rest
    };
    if extended {
        assert!(is_nstring(&rest[0]));
        check_extension(&rest[1..]);
    } else {
        assert!(rest.is_empty(), "{rest:?}");
    }
}

fn text(random: &mut Rng) -> String {
    const PIECES: [&str; 14] = [
        "",
        "a",
        "\"",
        "\\",
        "\r\n",
        "\0",
        "Đ",
        "=?UTF-8?Q?x?=",
        " ",
        "(",
        "NIL",
        "{3}\r\n",
        "\u{85}",
        "😀",
    ];
    let count = if random.u8(..40) == 0 {
        600
    } else {
        random.usize(..5)
    };
    (0..count)
        .map(|_| random.choice(PIECES).unwrap_or_default())
        .collect()
}

fn maybe(random: &mut Rng) -> Option<String> {
    random.bool().then(|| text(random))
}

fn mailboxes(random: &mut Rng) -> Vec<Mailbox> {
    (0..random.usize(..3))
        .map(|_| Mailbox {
            name: maybe(random),
            mailbox: maybe(random),
            host: maybe(random),
        })
        .collect()
}

fn envelope(random: &mut Rng) -> Envelope {
    Envelope {
        date: maybe(random),
        subject: maybe(random),
        from: mailboxes(random),
        sender: mailboxes(random),
        to: mailboxes(random),
        in_reply_to: maybe(random),
        message_id: maybe(random),
        ..Envelope::default()
    }
}

fn params(random: &mut Rng) -> Vec<(String, String)> {
    (0..random.usize(..3))
        .map(|_| (text(random), text(random)))
        .collect()
}

fn part(random: &mut Rng, depth: u8) -> Part {
    const KINDS: [(&str, &str); 7] = [
        ("text", "plain"),
        ("multipart", "mixed"),
        ("multipart", ""),
        ("message", "rfc822"),
        ("message", "global"),
        ("image", "png"),
        ("", ""),
    ];
    let (kind, subtype) = random.choice(KINDS).unwrap_or_default();
    let children = if depth == 0 || kind != "multipart" {
        0
    } else {
        random.usize(..4)
    };
    let message = depth > 0 && kind == "message" && random.bool();
    Part {
        kind: if random.u8(..8) == 0 {
            text(random)
        } else {
            kind.to_owned()
        },
        subtype: if random.u8(..8) == 0 {
            text(random)
        } else {
            subtype.to_owned()
        },
        params: params(random),
        id: maybe(random),
        description: maybe(random),
        encoding: text(random),
        md5: maybe(random),
        disposition: random.bool().then(|| (text(random), params(random))),
        language: (0..random.usize(..3)).map(|_| text(random)).collect(),
        location: maybe(random),
        body_at: random.u64(..),
        end_at: random.u64(..),
        lines: random.u32(..),
        parts: (0..children).map(|_| part(random, depth - 1)).collect(),
        message: message.then(|| Box::new((envelope(random), part(random, depth - 1)))),
        ..Part::default()
    }
}

/// Encodes a response and reads the one value behind `prefix`.
fn read_back(enabled: Enabled, response: Untagged, prefix: &str) -> Value {
    let mut encoder = Encoder {
        enabled,
        ..Encoder::default()
    };
    assert!(encoder.untagged(response).is_none());
    let octets = encoder.take();
    let rest = octets.strip_prefix(prefix.as_bytes()).expect(prefix);
    let mut reader = Reader {
        rest,
        utf8: enabled.utf8(),
    };
    let value = reader.value();
    assert_eq!(reader.rest, b"\r\n", "{}", octets.escape_ascii());
    value
}

#[test]
fn random_messages() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    for _ in 0..3_000 {
        let enabled = Enabled {
            utf8_accept: random.bool(),
            rev2: random.bool(),
        };
        let root = part(&mut random, 3);
        let binary = Octets::Whole(vec![random.u8(..); random.usize(..5)]);
        let items = vec![
            FetchData::Envelope(Box::new(envelope(&mut random))),
            FetchData::Body(Box::new(root.clone())),
            FetchData::BodyStructure(Box::new(root)),
            FetchData::Binary(vec![1], None, binary),
            FetchData::InternalDate(random.i64(..), random.i16(..)),
        ];
        let value = read_back(enabled, Untagged::Fetch { seq: 1, items }, "* 1 FETCH ");
        let Value::List(items, true) = &value else {
            panic!("{value:?}")
        };
        let [_, sent, _, body, _, structure, _, binary, _, date] = items.as_slice() else {
            panic!("{items:?}")
        };
        check_envelope(sent);
        check_body(body, false, enabled.utf8());
        check_body(structure, true, enabled.utf8());
        assert!(is_string(binary));
        assert!(
            matches!(date, Value::Text(text) if text.len() == 26),
            "{date:?}"
        );
    }
}

#[test]
fn random_names() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    for _ in 0..2_000 {
        let enabled = Enabled {
            utf8_accept: random.bool(),
            rev2: false,
        };
        let mut name = || {
            let text = text(&mut random).replace(|c: char| c.is_control(), "");
            text[..text.floor_char_boundary(crate::name::NAME_OCTETS)].to_owned()
        };
        let entry = ListEntry {
            name: name(),
            old_name: Some(name()),
            ..ListEntry::default()
        };
        let mut encoder = Encoder {
            enabled,
            ..Encoder::default()
        };
        encoder.untagged(Untagged::List(entry.clone()));
        let octets = encoder.take();
        let mut reader = Reader {
            rest: octets.strip_prefix(b"* LIST () \"/\" ").expect("a list"),
            utf8: enabled.utf8(),
        };
        let read = match reader.value() {
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        };
        let decoded = crate::name::decode(&read, enabled.spelling()).expect("a name");
        assert_eq!(decoded, entry.name);
        assert_eq!(reader.next(), b' ');
        assert!(matches!(reader.value(), Value::List(items, true) if items.len() == 2));
    }
}
