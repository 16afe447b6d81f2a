//! The client machine: every file of `tests/client`, and random octets of a server that means no good.
//!
//! In the files `C` is the peer, the server, and `S` is our machine. Settings: `@ tls clear`, `@ master NAME`,
//! `@ verified`, `@ limit 10`, `@ begin ready` (logged in, a command is awaited), `@ capabilities A B`.

use std::fmt::Write as _;
use std::path::Path;

use congvu_imap::client::{
    Answer, Ask, Body, Client, Command, Config, Credentials, Fetched, SessionError, TlsPolicy,
};
use congvu_wire::transcript::{Actor, Script};
use congvu_wire::{Machine, Secret, Step, TlsInfo};
use fastrand::Rng;

struct ClientActor {
    verified: bool,
}

fn setting<'a>(script: &'a Script, key: &str) -> Option<&'a str> {
    let mut all = script.settings().iter();
    all.find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

fn config(script: Option<&Script>) -> Config {
    let setting = |key| script.and_then(|script| setting(script, key));
    let master = setting("master");
    Config {
        tls: match setting("tls") {
            Some("clear") => TlsPolicy::Clear,
            _ => TlsPolicy::Verified,
        },
        credentials: Credentials {
            name: master.unwrap_or("an").to_owned(),
            acting_as: master.map(|_| "an".to_owned()),
            password: Secret::new("pa\"ss"),
        },
        largest: setting("limit").map_or(1_000, |limit| limit.parse().expect("a number")),
    }
}

fn client(script: &Script) -> Client {
    let mut client = Client::new(config(Some(script)));
    if setting(script, "begin") != Some("ready") {
        return client;
    }
    client.secured(TlsInfo {
        verified: true,
        ..TlsInfo::default()
    });
    let more = setting(script, "capabilities").unwrap_or_default();
    for line in ["* OK ready\r\n", "C1 OK done\r\n", "C2 OK done\r\n"] {
        client.input(line.as_bytes());
        while let Step::Write(_) = client.step() {}
    }
    let last = format!("* CAPABILITY {more}\r\nC3 OK done\r\n");
    client.input(last.as_bytes());
    client
}

#[test]
fn every_client_session() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    assert!(files.len() >= 17, "{} files", files.len());
    let mut failures = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let played = Script::parse(&text).and_then(|script| {
            let verified = setting(&script, "verified").is_some();
            script.play(|| (client(&script), ClientActor { verified }))
        });
        if let Err(failure) = played {
            failures.push(format!("{} {failure}", path.display()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

impl Actor<Client> for ClientActor {
    fn ask(&mut self, ask: &Ask) -> String {
        match ask {
            Ask::Next(session) => {
                let others: Vec<_> = session.others.iter().map(|o| text(o)).collect();
                format!(
                    "next prefix={} others={}",
                    text(&session.prefix),
                    others.join(",")
                )
            }
            Ask::Listed(listed) => {
                let delimiter = listed.delimiter.map(|octet| text(&[octet]));
                let attributes = listed.attributes.join(" ");
                format!(
                    "listed {} {} {attributes}",
                    text(&listed.name),
                    delimiter.unwrap_or_else(|| "none".into())
                )
                .trim_end()
                .to_owned()
            }
            Ask::Fetched(fetched) => show(fetched),
            Ask::Done(outcome) => {
                let how = if outcome.ok { "ok" } else { "failed" };
                let mut shown = format!("done {how} {}", outcome.text);
                let selected = outcome.selected;
                if selected.uidvalidity > 0 || selected.exists > 0 {
                    let _ = write!(shown, " uidvalidity={}", selected.uidvalidity);
                    if let Some(uidnext) = selected.uidnext {
                        let _ = write!(shown, " uidnext={uidnext}");
                    }
                    let _ = write!(shown, " exists={}", selected.exists);
                }
                shown
            }
            Ask::Failed(error) => match error {
                SessionError::Refused(text) => format!("failed Refused {text}"),
                SessionError::Login(text) => format!("failed Login {text}"),
                other => format!("failed {other:?}"),
            },
        }
    }

    fn answer(&mut self, text: &str) -> Result<Answer, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let number = |text: &str| text.parse::<u32>().map_err(|_| "no number".to_owned());
        let pair = || -> Result<(u32, u32), String> {
            let (first, last) = rest.split_once(' ').ok_or("two numbers")?;
            Ok((number(first)?, number(last)?))
        };
        Ok(match word {
            "noted" => Answer::Noted,
            "logout" => Answer::Logout,
            "list" => Answer::Command(Command::List),
            "examine" => Answer::Command(Command::Examine(rest.into())),
            "flags" => pair().map(|(a, b)| Answer::Command(Command::Flags(a, b)))?,
            "records" => pair().map(|(a, b)| Answer::Command(Command::Records(a, b)))?,
            "messages" => {
                let uids: Result<_, _> = rest.split(',').map(number).collect();
                Answer::Command(Command::Messages(uids?))
            }
            _ => return Err(format!("unknown answer {word}")),
        })
    }

    fn tls(&mut self) -> TlsInfo {
        TlsInfo {
            verified: self.verified,
            ..TlsInfo::default()
        }
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn show(fetched: &Fetched) -> String {
    let mut shown = "fetched".to_owned();
    let mut add = |part: String| {
        shown.push(' ');
        shown.push_str(&part);
    };
    if let Some(uid) = fetched.uid {
        add(format!("uid={uid}"));
    }
    if let Some(flags) = &fetched.flags {
        add(format!("flags={}", flags.join(",")));
    }
    if let Some((date, zone)) = fetched.date {
        add(format!("date={date}/{zone}"));
    }
    if let Some(size) = fetched.size {
        add(format!("size={size}"));
    }
    if let Some(labels) = &fetched.labels {
        add(format!("labels={}", labels.join("|")));
    }
    match &fetched.body {
        Some(Body::Whole(octets)) => add(format!("body={}", text(octets).escape_default())),
        Some(Body::TooLarge(size)) => add(format!("large={size}")),
        Some(Body::Missing) => add("missing".into()),
        None => {}
    }
    shown
}

const WORDS: &[&str] = &[
    "* ",
    "* OK ",
    "* BYE ",
    "* 1 FETCH (",
    "* LIST (",
    "* NAMESPACE ((",
    "* CAPABILITY AUTH=PLAIN SASL-IR NAMESPACE",
    "* 5 EXISTS",
    "C1 OK",
    "C2 OK",
    "C3 OK",
    "C4 OK",
    "C5 OK x",
    "C6 NO",
    "C7 BAD",
    "+ ",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "(",
    ")",
    "\"",
    "\\",
    "{5}\r\n",
    "{5}\r\nabcde",
    "{99999999999999999999}\r\n",
    "{4000000000}\r\n",
    "UID 7 ",
    "FLAGS (\\Seen) ",
    "BODY[] ",
    "BODY[] {3}\r\nabc",
    "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" ",
    "NIL",
    "\0",
    "\u{ff}",
    "[UIDVALIDITY 5] ",
    " ",
];

#[test]
fn a_server_may_say_anything() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    for _ in 0..3_000 {
        let mut client = Client::new(config(None));
        if random.bool() {
            client.secured(TlsInfo {
                verified: random.u8(..8) > 0,
                ..TlsInfo::default()
            });
        }
        converse(&mut client, &mut random);
    }
}

/// Goes on until the machine closes; it must not spin, nor write without bound.
fn converse(client: &mut Client, random: &mut Rng) {
    let (mut steps, mut failed, mut rounds) = (0, false, 0);
    loop {
        steps += 1;
        assert!(steps < 5_000, "spins");
        match client.step() {
            Step::Write(octets) => assert!(octets.len() < 10_000),
            Step::StartTls => client.secured(TlsInfo {
                verified: true,
                ..TlsInfo::default()
            }),
            Step::Ask(ask) => {
                assert!(!failed, "asked after the end");
                failed = matches!(ask, Ask::Failed(_));
                client.answer(match (&ask, random.u8(..8)) {
                    (Ask::Next(_), 0) => Answer::Logout,
                    (Ask::Next(_), 1) => Answer::Command(Command::Examine(b"a\"b".to_vec())),
                    (Ask::Next(_), 2) => Answer::Command(Command::List),
                    (Ask::Next(_), _) => Answer::Command(Command::Messages(vec![1, 7])),
                    _ => Answer::Noted,
                });
            }
            Step::Read | Step::Wait(_) => {
                rounds += 1;
                match random.u8(..40) {
                    0 => client.end_of_input(),
                    1 => client.expire(),
                    2 => client.shutdown(),
                    _ if rounds > 200 => client.expire(),
                    _ => {
                        let mut octets = Vec::new();
                        for _ in 0..random.usize(1..6) {
                            octets.extend_from_slice(WORDS[random.usize(..WORDS.len())].as_bytes());
                        }
                        client.input(&octets);
                    }
                }
            }
            Step::Close => return,
        }
    }
}
