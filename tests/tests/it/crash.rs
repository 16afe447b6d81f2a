//! `kill -9` at random moments under SMTP and IMAP load; what was acknowledged must be there.
//!
//! The ledger stays with the test. `CONGVU_CRASH_ROUNDS` sets the number of rounds (10), `CONGVU_CRASH_SEED`
//! repeats a run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use congvu_tests::imap::Imap;
use congvu_tests::ledger::{Ledger, State};
use congvu_tests::server::{AN, BINH, PASSWORD, Server};
use congvu_tests::smtp::Smtp;

const ROUNDS: u64 = 10;
const SENDERS: usize = 4;
const EDITORS: usize = 2;

/// One ledger a mailbox.
type Ledgers = Arc<BTreeMap<&'static str, Mutex<Ledger>>>;

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let rounds = number("CONGVU_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("CONGVU_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("crash: {rounds} rounds, CONGVU_CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let ledgers: Ledgers = Arc::new(
        ["INBOX", "Archive", "Drafts"]
            .into_iter()
            .map(|name| (name, Mutex::new(Ledger::default())))
            .collect(),
    );
    let counter = Arc::new(AtomicU64::new(0));
    let mut server = Server::start();
    for round in 0..rounds {
        let mut workers = Vec::new();
        for _ in 0..SENDERS {
            let (submissions, ledgers, counter) = (
                server.listener("submissions"),
                ledgers.clone(),
                counter.clone(),
            );
            workers.push(thread::spawn(move || {
                drop(send(submissions, &ledgers, &counter));
            }));
        }
        for editor in 0..EDITORS {
            let (imaps, ledgers, counter) =
                (server.listener("imaps"), ledgers.clone(), counter.clone());
            let seed = random.u64(..);
            workers.push(thread::spawn(move || {
                drop(edit(imaps, &ledgers, &counter, editor, seed));
            }));
        }
        // The one random moment of the test: how long the load lasts before the kill.
        thread::sleep(Duration::from_millis(random.u64(50..900)));
        server.kill();
        for worker in workers {
            worker
                .join()
                .expect("a worker ends when its connection does");
        }
        server.restart();
        let faults = compare(&server, &ledgers);
        assert!(
            faults.is_empty(),
            "round {round}, CONGVU_CRASH_SEED={seed}:\n{}",
            faults.join("\n")
        );
    }
    let kept: usize = ledgers
        .values()
        .map(|ledger| ledger.lock().expect("ledger").kept())
        .sum();
    println!("crash: {kept} messages acknowledged and present");
    assert!(
        kept > 0,
        "no message was acknowledged: the load did not run"
    );
}

fn token(counter: &AtomicU64) -> String {
    format!("token-{}-", counter.fetch_add(1, Ordering::Relaxed))
}

/// Sends until the connection breaks.
fn send(submissions: SocketAddr, ledgers: &Ledgers, counter: &AtomicU64) -> std::io::Result<()> {
    let ledger = &ledgers["INBOX"];
    let mut smtp = Smtp::tls(submissions)?;
    smtp.command("EHLO load.test")?;
    if smtp.login(AN, PASSWORD)?.code != 235 {
        return Ok(());
    }
    loop {
        let token = token(counter);
        ledger.lock().expect("ledger").note(&token, State::Asked);
        let padding = "Kính gửi các cơ quan, đơn vị.\n".repeat(fastrand::usize(1..200));
        let reply = smtp.deliver(
            AN,
            &[BINH],
            &format!("From: {AN}\nSubject: {token}\n\n{padding}"),
        )?;
        if reply.code != 250 {
            return Ok(());
        }
        ledger.lock().expect("ledger").note(&token, State::Kept);
    }
}

/// Appends, flags, moves and expunges in mailboxes of its own until the connection breaks.
fn edit(
    imaps: SocketAddr,
    ledgers: &Ledgers,
    counter: &AtomicU64,
    editor: usize,
    seed: u64,
) -> std::io::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (name, other) = if editor == 0 {
        ("Archive", "Drafts")
    } else {
        ("Drafts", "Archive")
    };
    let note = |mailbox: &str, token: &str, state| {
        ledgers[mailbox].lock().expect("ledger").note(token, state);
    };
    let mut imap = Imap::login(imaps, BINH, PASSWORD)?;
    imap.command(&format!("SELECT {name}"))?;
    let mut own: Vec<(String, u64)> = Vec::new();
    loop {
        match random.u8(0..10) {
            0..=4 => {
                let token = token(counter);
                note(name, &token, State::Asked);
                let message = format!(
                    "Subject: {token}\r\n\r\n{}",
                    "dòng\r\n".repeat(random.usize(1..500))
                );
                let outcome = imap.append(name, "", message.as_bytes())?;
                let uid = outcome
                    .status
                    .split(['[', ']'])
                    .nth(1)
                    .and_then(|code| code.split(' ').nth(2)?.parse().ok());
                let Some(uid) = uid.filter(|_| outcome.ok()) else {
                    return Ok(());
                };
                note(name, &token, State::Kept);
                own.push((token, uid));
            }
            5..=6 if !own.is_empty() => {
                let (token, uid) = own[random.usize(..own.len())].clone();
                if !imap
                    .command(&format!("UID STORE {uid} +FLAGS.SILENT (\\Flagged)"))?
                    .ok()
                {
                    return Ok(());
                }
                ledgers[name].lock().expect("ledger").flagged(&token);
            }
            7 if !own.is_empty() => {
                let (token, uid) = own.swap_remove(random.usize(..own.len()));
                note(name, &token, State::Leaving);
                note(other, &token, State::Asked);
                if !imap.command(&format!("UID MOVE {uid} {other}"))?.ok() {
                    return Ok(());
                }
                note(name, &token, State::Gone);
                note(other, &token, State::Kept);
            }
            8 if !own.is_empty() => {
                let (token, uid) = own.swap_remove(random.usize(..own.len()));
                note(name, &token, State::Leaving);
                if !imap
                    .command(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))?
                    .ok()
                    || !imap.command(&format!("UID EXPUNGE {uid}"))?.ok()
                {
                    return Ok(());
                }
                note(name, &token, State::Gone);
            }
            _ => drop(imap.command("NOOP")?),
        }
    }
}

/// Token → how often it is there, and whether it has `\\Flagged`.
type Present = BTreeMap<String, (usize, bool)>;

/// Reads everything back and compares with the ledgers.
fn compare(server: &Server, ledgers: &Ledgers) -> Vec<String> {
    let mut faults = Vec::new();
    let mut imap =
        Imap::login(server.listener("imaps"), BINH, PASSWORD).expect("login after the restart");
    let mut found: BTreeMap<&str, Present> = BTreeMap::new();
    for (name, ledger) in ledgers.iter() {
        let mut ledger = ledger.lock().expect("ledger");
        let present = read(&mut imap, name, &mut ledger, &mut faults);
        faults.extend(
            ledger
                .compare(&present)
                .into_iter()
                .map(|fault| format!("{name}: {fault}")),
        );
        found.insert(name, present);
    }
    // A move that was not answered happened whole or not at all.
    for (from, to) in [("Archive", "Drafts"), ("Drafts", "Archive")] {
        for token in ledgers[from].lock().expect("ledger").tokens(State::Leaving) {
            let moving = ledgers[to]
                .lock()
                .expect("ledger")
                .tokens(State::Asked)
                .contains(&token);
            if moving && found[from].contains_key(&token) == found[to].contains_key(&token) {
                faults.push(format!(
                    "{from} to {to}: not in exactly one of them: {token}"
                ));
            }
        }
    }
    for (name, ledger) in ledgers.iter() {
        settle(&mut ledger.lock().expect("ledger"), &found[name]);
    }
    faults
}

/// What a mailbox holds, with faults in its identities noted.
fn read(imap: &mut Imap, name: &str, ledger: &mut Ledger, faults: &mut Vec<String>) -> Present {
    let selected = imap.command(&format!("EXAMINE {name}")).expect("examine");
    let uidvalidity = selected
        .number("UIDVALIDITY")
        .and_then(|number| u32::try_from(number).ok())
        .expect("UIDVALIDITY");
    let fetched = imap
        .command("UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])")
        .expect("fetch");
    assert!(fetched.ok(), "{}", fetched.status);
    let mut present = Present::new();
    for line in fetched
        .untagged
        .iter()
        .filter(|line| line.contains("FETCH ("))
    {
        let Some(token) = line
            .split("Subject: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next())
        else {
            faults.push(format!(
                "{name}: a message without its subject: {line:.200}"
            ));
            continue;
        };
        let head = line.split("\r\n").next().unwrap_or_default();
        let uid = line
            .split("UID ")
            .nth(1)
            .and_then(|rest| rest.split([' ', ')']).next()?.parse().ok())
            .expect("UID");
        faults.extend(
            ledger
                .saw(uidvalidity, uid, token)
                .map(|fault| format!("{name}: {fault}")),
        );
        let entry = present.entry(token.to_owned()).or_insert((0, false));
        entry.0 += 1;
        entry.1 = head.contains("\\Flagged");
    }
    present
}

/// What was asked and not answered is decided now: from here on it stays as it was found.
fn settle(ledger: &mut Ledger, present: &Present) {
    for state in [State::Asked, State::Leaving] {
        for token in ledger.tokens(state) {
            let there = present.contains_key(&token);
            ledger.note(&token, if there { State::Kept } else { State::Gone });
        }
    }
}
