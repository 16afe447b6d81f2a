//! `cargo xtask bench run`: our server and the peer, one kind of work after another, each kind on both
//! before the next, so that a noisy machine is unfair to neither.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::congvu::Congvu;
use super::imap::{Login, WHOLE};
use super::load::{Load, Protocol, Report};
use super::peer::Peer;
use super::{percentile, process};

/// Accounts of our server: a circular goes to all of them.
const ACCOUNTS: usize = 5_000;
/// Mailboxes that get the load.
const MAILBOXES: usize = 500;
/// The account whose INBOX gets many messages; no other load goes there. It can log in.
const BIG: usize = 20;
/// Accounts that APPEND and idle use: the first ones, below `BIG`.
const READERS: usize = 19;
/// Logins, and appends from one connection, are slow: this part of the messages.
const FEW: usize = 10;
/// Idle connections measured.
const IDLE: usize = 200;

/// What the command line says.
pub(crate) struct Options {
    /// Messages of the 10 KB rows.
    pub(crate) messages: usize,
    /// Only rows whose name has this in it.
    pub(crate) only: Option<String>,
    pub(crate) peer: bool,
    /// Messages stored for the sizes at the end; 0 = leave them out.
    pub(crate) fill: usize,
    pub(crate) folder: PathBuf,
}

/// A kind of work, by its name in the table.
type Row<'a, From, To> = (&'a str, &'a dyn Fn(&From) -> To);

/// One server under load.
struct Side<'a> {
    name: &'static str,
    smtp: SocketAddr,
    lmtp: SocketAddr,
    login: Login,
    pids: Vec<u32>,
    done: Box<dyn Fn() -> bool + 'a>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), String> {
    let folder = options
        .folder
        .join(format!("congvu-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let result = measure(root, &folder, options);
    if result.is_ok() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    } else {
        eprintln!("what is left for a look is in {}", folder.display());
    }
    result
}

fn measure(root: &Path, folder: &Path, options: &Options) -> Result<(), String> {
    let mut congvu = Congvu::setup(root, &folder.join("congvu"), ACCOUNTS)?;
    let peer = if options.peer && Peer::installed() {
        Some(Peer::setup(&folder.join("peer"), MAILBOXES)?)
    } else {
        if options.peer {
            println!("Postfix and Dovecot are not installed or this is not root: alone\n");
        }
        None
    };
    println!(
        "| work | server | per second | CPU ms each | p50 ms | p99 ms | memory MiB |\n|---|---|---|---|---|---|---|"
    );
    {
        let mut sides = vec![Side {
            name: "congvu",
            smtp: congvu.mx,
            lmtp: congvu.lmtp,
            login: congvu.login.clone(),
            pids: congvu.pids(),
            done: Box::new(|| true),
        }];
        if let Some(peer) = &peer {
            sides.push(Side {
                name: "peer",
                smtp: peer.smtp,
                lmtp: peer.lmtp,
                login: peer.login.clone(),
                pids: peer.pids(),
                done: Box::new(|| peer.drained()),
            });
        }
        deliveries(&sides, options)?;
        reading(&sides, options)?;
    }
    if let Some(peer) = &peer {
        peer.stop()?;
    }
    if options.fill > 0 {
        sizes(&mut congvu, options.fill)?;
    }
    congvu.stop()
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }
}

impl Side<'_> {
    fn load(&self, protocol: Protocol, messages: usize) -> Load {
        Load {
            protocol,
            address: match protocol {
                Protocol::Smtp => self.smtp,
                Protocol::Lmtp => self.lmtp,
            },
            sessions: 20,
            messages,
            size: 10 * 1024,
            rcpts: MAILBOXES,
            each: 1,
            to: "u%@xa.test".to_owned(),
            from: "load@example.org".to_owned(),
            keep: protocol == Protocol::Lmtp,
        }
    }

    /// Measures one row and prints it. The rate counts until everything is done, deliveries after
    /// the acceptance included.
    fn row(&self, name: &str, work: impl FnOnce() -> Result<Report, String>) -> Result<(), String> {
        let before = process::cpu(&self.pids)?;
        let start = Instant::now();
        let report = work()?;
        let answered = Instant::now();
        let drained = wait(&self.done);
        let (after, _) = process::settled(&self.pids, &self.done)?;
        let wall = report.wall + drained.saturating_duration_since(answered);
        debug_assert!(wall <= start.elapsed(), "no row takes longer than it took");
        let count = count(report.latencies.len());
        println!(
            "| {name} | {} | {:.0} | {:.3} | {:.1} | {:.1} | {} |",
            self.name,
            count / wall.as_secs_f64(),
            after.saturating_sub(before).as_secs_f64() * 1000.0 / count,
            percentile(&report.latencies, 50),
            percentile(&report.latencies, 99),
            process::memory(&self.pids)? >> 20,
        );
        if report.refused > 0 {
            let why = report.first_refusal.unwrap_or_default();
            return Err(format!("{name}: {} refused: {why}", report.refused));
        }
        Ok(())
    }
}

/// Waits for the last delivery.
fn wait(done: &dyn Fn() -> bool) -> Instant {
    while !done() {
        thread::sleep(Duration::from_millis(5));
    }
    Instant::now()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number.max(1)).unwrap_or(u32::MAX))
}

fn deliveries(sides: &[Side<'_>], options: &Options) -> Result<(), String> {
    // Mailboxes come into being with their first message; that is not measured, and one session at
    // a time, because Dovecot's deliveries to a mailbox that is being made get in each other's way.
    for side in sides {
        let mut load = side.load(Protocol::Lmtp, MAILBOXES);
        load.sessions = 4;
        load.run()?;
    }
    let messages = options.messages;
    let rows: [Row<'_, Side<'_>, Load>; 5] = [
        ("SMTP 10 KB, new connection each", &|side| {
            side.load(Protocol::Smtp, messages)
        }),
        ("SMTP 10 KB, connections kept", &|side| Load {
            keep: true,
            ..side.load(Protocol::Smtp, messages)
        }),
        ("SMTP 100 KB, new connection each", &|side| Load {
            size: 100 * 1024,
            ..side.load(Protocol::Smtp, messages / 4)
        }),
        ("LMTP 10 KB, 20 sessions", &|side| {
            side.load(Protocol::Lmtp, messages)
        }),
        ("LMTP 10 KB into one mailbox", &|side| Load {
            to: format!("u{BIG}@xa.test"),
            ..side.load(
                Protocol::Lmtp,
                if side.name == "peer" {
                    messages / 10
                } else {
                    messages
                },
            )
        }),
    ];
    for (name, load) in rows {
        for side in sides.iter().filter(|_| options.wants(name)) {
            side.row(name, || load(side).run())?;
        }
    }
    let name = "SMTP one letter to 5,000 mailboxes";
    if options.wants(name) {
        for _ in 0..3 {
            let load = Load {
                sessions: 1,
                rcpts: ACCOUNTS,
                each: ACCOUNTS,
                ..sides[0].load(Protocol::Smtp, 1)
            };
            sides[0].row(name, || load.run())?;
        }
    }
    Ok(())
}

fn reading(sides: &[Side<'_>], options: &Options) -> Result<(), String> {
    let messages = options.messages;
    let some = messages / FEW;
    let rows: [Row<'_, Login, Result<Report, String>>; 3] = [
        ("IMAP APPEND 10 KB, 1 connection", &|login| {
            login.append(1, some)
        }),
        ("IMAP APPEND 10 KB, 19 connections", &|login| {
            login.append(READERS, messages)
        }),
        ("IMAP login, SELECT, LOGOUT, 8 at once", &|login| {
            login.logins(8, some)
        }),
    ];
    for (name, work) in rows {
        for side in sides.iter().filter(|_| options.wants(name)) {
            side.row(name, || work(&side.login))?;
        }
    }
    // The big mailbox is the same for both.
    for side in sides.iter().filter(|_| options.wants("IMAP whole")) {
        let mut load = Load {
            to: format!("u{BIG}@xa.test"),
            ..side.load(Protocol::Lmtp, messages)
        };
        if side.name == "peer" {
            load.messages = messages - messages / 10;
            // More sessions only wait for the lock.
            load.sessions = 1;
        }
        load.run()?;
    }
    for (what, command) in WHOLE {
        let name = format!("IMAP whole mailbox, {what}");
        for side in sides.iter().filter(|_| options.wants(&name)) {
            let mut session = side.login.session(BIG)?;
            session.command("SELECT INBOX")?;
            side.row(&name, || {
                let start = Instant::now();
                let latencies = (0..3).map(|_| session.command(command));
                let mut latencies = latencies.collect::<Result<Vec<_>, _>>()?;
                latencies.sort_unstable();
                Ok(Report {
                    latencies,
                    wall: start.elapsed(),
                    ..Report::default()
                })
            })?;
        }
    }
    let name = "IMAP idle";
    for side in sides.iter().filter(|_| options.wants(name)) {
        let warm = side.login.idle(READERS, READERS)?;
        let before = process::memory(&side.pids)?;
        let idle = side.login.idle(READERS, IDLE)?;
        process::settled(&side.pids, &side.done)?;
        let grown = process::memory(&side.pids)?.saturating_sub(before);
        println!(
            "| {name}, {IDLE} connections | {} | – | – | – | – | {} KiB each |",
            side.name,
            grown / IDLE as u64 / 1024
        );
        drop((warm, idle));
    }
    Ok(())
}

/// Fills the store, then: its size on disk, the index's, the time of an ordinary start and of one
/// without an index.
fn sizes(congvu: &mut Congvu, fill: usize) -> Result<(), String> {
    let data = congvu.folder.join("data");
    let logical = 10 * 1024 * fill as u64;
    let (log, index) = (octets(&data.join("log")), octets(&data.join("index")));
    let load = Load {
        protocol: Protocol::Lmtp,
        address: congvu.lmtp,
        sessions: 20,
        messages: fill,
        size: 10 * 1024,
        rcpts: MAILBOXES,
        each: 1,
        to: "u%@xa.test".to_owned(),
        from: "load@example.org".to_owned(),
        // Servers let a connection carry only so many messages.
        keep: false,
    };
    let report = load.run()?;
    let count = count(fill);
    println!(
        "\nfilled with {fill} messages of 10 KB at {:.0}/s, memory {} MiB",
        count / report.wall.as_secs_f64(),
        process::memory(&congvu.pids())? >> 20
    );
    congvu.stop()?;
    let grown = |now: u64, then: u64| {
        f64::from(u32::try_from((now.saturating_sub(then)) >> 10).unwrap_or(u32::MAX))
    };
    let (log, index) = (
        grown(octets(&data.join("log")), log),
        grown(octets(&data.join("index")), index),
    );
    let logical = grown(logical, 0);
    println!(
        "log {:.3} of the messages, index {:.3} kB a message",
        log / logical,
        index * 1.024 / count
    );
    let clean = congvu.start()?;
    println!("start with index: {:.2} s", clean.as_secs_f64());
    congvu.stop()?;
    fs::remove_dir_all(data.join("index")).map_err(|e| format!("index: {e}"))?;
    let rebuilt = congvu.start()?;
    println!(
        "start without index: {:.2} s, memory {} MiB",
        rebuilt.as_secs_f64(),
        process::memory(&congvu.pids())? >> 20
    );
    Ok(())
}

/// Octets on the disk under a folder.
fn octets(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => octets(&entry.path()),
            Ok(data) => std::os::unix::fs::MetadataExt::blocks(&data) * 512,
            Err(_) => 0,
        })
        .sum()
}
