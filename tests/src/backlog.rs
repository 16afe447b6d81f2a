//! A long queue: a store with many letters for many domains, most of them for one, and what the real program
//! does with it when it starts. The servers of the domains are one listener on loopback that counts what comes
//! for which domain; the one with most letters is slow, every tenth cannot be reached.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use congvu_store::queue::{BodyKind, Lane, NewEntry, NewRcpt, QueueWrite};
use congvu_store::{BodyId, Options, Store};

use crate::dns::Dns;
use crate::server::{Server, Setup};

/// The domain that most letters are for.
const BIG: &str = "big.test";
/// Of the other domains every one with this remainder of ten cannot be reached.
const DEAD: usize = 9;
/// Letters queued in one transaction; they share one stored body, as those of a circular do.
const TOGETHER: usize = 250;
/// Between two looks at what has come.
const LOOK: Duration = Duration::from_millis(50);

/// What to try.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Letters in the queue, each with one recipient.
    pub messages: usize,
    /// Domains they are for, the big one included; at least 2.
    pub domains: usize,
    /// Per cent of the letters that are for the big one; they are the oldest.
    pub big: usize,
    /// How long the big one's server thinks about a recipient.
    pub delay: Duration,
    /// How long the program is watched at most.
    pub window: Duration,
    /// What ends it sooner.
    pub until: Until,
}

/// What ends the watching before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All letters were taken that can be.
    AllServed,
    /// Those for other domains than the big one were.
    OthersServed,
}

/// What was seen; times are from the start of the program.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Until it said that it started.
    pub started: Duration,
    /// Until a server was given the first recipient.
    pub first: Option<Duration>,
    /// Domains that can be reached, without the big one.
    pub living: usize,
    /// Those of them that were tried.
    pub tried: usize,
    /// Until the last of them was tried the first time, if all were.
    pub all_tried: Option<Duration>,
    /// Letters for them.
    pub small: usize,
    /// Those of them that were taken, and when the last of these was.
    pub small_taken: (usize, Duration),
    /// Letters for the big one that were taken.
    pub big_taken: usize,
    /// Resident memory when it had started, octets.
    pub memory: u64,
    /// The most resident memory, octets.
    pub peak: u64,
    /// CPU time of the program.
    pub cpu: Duration,
    /// How long it was watched.
    pub watched: Duration,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<Duration>| {
            time.map_or("never".to_owned(), |time| {
                format!("{:.2} s", time.as_secs_f64())
            })
        };
        writeln!(f, "started after {}", time(Some(self.started)))?;
        writeln!(f, "first attempt after {}", time(self.first))?;
        writeln!(
            f,
            "{} of {} other domains tried, all after {}",
            self.tried,
            self.living,
            time(self.all_tried)
        )?;
        writeln!(
            f,
            "{} of {} letters for them taken, the last after {}",
            self.small_taken.0,
            self.small,
            time(Some(self.small_taken.1))
        )?;
        writeln!(
            f,
            "{} letters for the big domain taken in {}",
            self.big_taken,
            time(Some(self.watched))
        )?;
        writeln!(
            f,
            "memory {} MiB after the start, {} MiB at most; {} of CPU time",
            self.memory >> 20,
            self.peak >> 20,
            time(Some(self.cpu))
        )
    }
}

/// One domain in the eyes of its server.
#[derive(Debug, Clone, Copy)]
struct Visits {
    first: Instant,
    last: Instant,
    taken: usize,
}

type Tally = Arc<Mutex<HashMap<String, Visits>>>;

/// Fills a store, starts the program on it, watches.
///
/// # Errors
/// Those of the store and of the sockets, in words.
///
/// # Panics
/// When the program does not come up.
pub fn run(plan: Plan) -> Result<Seen, String> {
    let tally = Tally::default();
    let sink = sink(plan.delay, Arc::clone(&tally)).map_err(|error| error.to_string())?;
    let others = plan.domains.max(2) - 1;
    let mut zone = format!("{BIG} A 127.0.0.1\n");
    for number in 0..others {
        let address = if dead(number) {
            Ipv4Addr::new(127, 0, 0, 2)
        } else {
            Ipv4Addr::LOCALHOST
        };
        let _ = writeln!(zone, "d{number}.test A {address}");
    }
    let dns = Dns::start(&zone);
    let route = format!(
        "[[route]]\ndomain = \"*\"\nto = \"direct\"\nport = {}\ntls = \"never\"",
        sink.port()
    );
    let mut server = Server::with(&Setup::default().dns(dns.address).settings(&route));
    server.stop();
    let wanted = fill(&server.data(), plan, others)?;
    let begin = Instant::now();
    server.begin();
    server.up();
    let started = begin.elapsed();
    let pid = server.pid();
    let memory = status(pid, "VmRSS:")?;
    let living: BTreeMap<&String, usize> = wanted
        .iter()
        .filter(|(domain, _)| domain.as_str() != BIG && !dead_name(domain))
        .map(|(domain, count)| (domain, *count))
        .collect();
    let small: usize = living.values().sum();
    let big = wanted.get(BIG).copied().unwrap_or(0);
    loop {
        let visits = lock(&tally).clone();
        let since = |instant: Instant| instant.saturating_duration_since(begin);
        let of_small: Vec<&Visits> = living
            .keys()
            .filter_map(|domain| visits.get(*domain))
            .collect();
        let small_taken: usize = of_small.iter().map(|visits| visits.taken).sum();
        let big_taken = visits.get(BIG).map_or(0, |visits| visits.taken);
        let watched = begin.elapsed();
        let all_taken =
            small_taken >= small && (plan.until == Until::OthersServed || big_taken >= big);
        if all_taken || watched >= plan.window {
            let tried = of_small.len();
            let last_first = of_small.iter().map(|visits| visits.first).max();
            let last = of_small.iter().map(|visits| visits.last).max();
            return Ok(Seen {
                started,
                first: visits.values().map(|visits| since(visits.first)).min(),
                living: living.len(),
                tried,
                all_tried: last_first.map(since).filter(|_| tried == living.len()),
                small,
                small_taken: (small_taken, last.map(since).unwrap_or_default()),
                big_taken,
                memory,
                peak: status(pid, "VmHWM:")?,
                cpu: cpu(pid)?,
                watched,
            });
        }
        thread::sleep(LOOK);
    }
}

fn dead(number: usize) -> bool {
    number % 10 == DEAD
}

fn dead_name(domain: &str) -> bool {
    let number = domain
        .strip_prefix('d')
        .and_then(|rest| rest.strip_suffix(".test"));
    number
        .and_then(|number| number.parse().ok())
        .is_some_and(dead)
}

/// Queues the letters in the store of a program that does not run; how many for each domain.
fn fill(data: &Path, plan: Plan, others: usize) -> Result<BTreeMap<String, usize>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    let (store, _) = Store::open(data, Options::default()).map_err(|error| error.to_string())?;
    let for_big = plan.messages * plan.big.min(100) / 100;
    let domains: Vec<String> = (0..plan.messages)
        .map(|number| {
            if number < for_big {
                BIG.to_owned()
            } else {
                format!("d{}.test", (number - for_big) % others)
            }
        })
        .collect();
    let mut wanted = BTreeMap::new();
    for domain in &domains {
        *wanted.entry(domain.clone()).or_default() += 1;
    }
    runtime.block_on(async {
        for (number, page) in domains.chunks(TOGETHER).enumerate() {
            let text = format!(
                "From: an@xa.test\r\nTo: nguoi nhan\r\nSubject: thu {number}\r\n\r\n{}",
                "Kính gửi quý cơ quan.\r\n".repeat(80)
            );
            let body = store
                .prepare(text.as_bytes(), b"")
                .map_err(|error| error.to_string())?;
            let page = page.to_vec();
            let size = text.len() as u64;
            store
                .transact(move |tx| {
                    let id = tx.attach(&body)?;
                    for domain in &page {
                        let rcpt = NewRcpt {
                            address: format!("nguoi@{domain}"),
                            domain: domain.clone(),
                            ..NewRcpt::default()
                        };
                        tx.enqueue(&entry(id, size), &[rcpt])?;
                    }
                    Ok::<_, congvu_store::Error>(())
                })
                .await
                .map_err(|error| error.to_string())?;
        }
        store.close().await.map_err(|error| error.to_string())
    })?;
    Ok(wanted)
}

fn entry(body: BodyId, size: u64) -> NewEntry {
    NewEntry {
        lane: Lane::Normal,
        sender: "an@xa.test".to_owned(),
        body,
        frame: 0,
        skip: 0,
        size,
        account: None,
        envid: None,
        ret: None,
        utf8: false,
        body_kind: BodyKind::EightBit,
        hold: None,
        trace: "backlog".to_owned(),
    }
}

fn lock(tally: &Tally) -> MutexGuard<'_, HashMap<String, Visits>> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The servers of all domains; they go on until the process ends.
fn sink(delay: Duration, tally: Tally) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tally = Arc::clone(&tally);
            // What breaks off ends the thread of its connection, as it does on any server.
            thread::spawn(move || drop(take(stream, delay, &tally)));
        }
    });
    Ok(address)
}

/// One session: takes everything.
fn take(mut stream: TcpStream, delay: Duration, tally: &Tally) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = Vec::new();
    let mut domain = String::new();
    stream.write_all(b"220 sink.test ESMTP\r\n")?;
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        let reply: &[u8] = match text.get(..4).unwrap_or_default() {
            "ehlo" => b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "rcpt" => {
                let path = text.split(['<', '>']).nth(1).unwrap_or_default();
                path.rsplit('@')
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut domain);
                let now = Instant::now();
                lock(tally).entry(domain.clone()).or_insert(Visits {
                    first: now,
                    last: now,
                    taken: 0,
                });
                if domain == BIG {
                    thread::sleep(delay);
                }
                b"250 2.1.5 ok\r\n"
            }
            "data" => {
                stream.write_all(b"354 go on\r\n")?;
                while line != b".\r\n" {
                    line.clear();
                    if lines.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                }
                if let Some(visits) = lock(tally).get_mut(&domain) {
                    visits.taken += 1;
                    visits.last = Instant::now();
                }
                b"250 2.0.0 taken\r\n"
            }
            "quit" => return stream.write_all(b"221 2.0.0 bye\r\n"),
            _ => b"250 2.0.0 ok\r\n",
        };
        stream.write_all(reply)?;
    }
}

/// A number of kB in `/proc/PID/status`, as octets.
fn status(pid: u32, field: &str) -> Result<u64, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("the program has ended: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number
        .map(|kilo| kilo * 1024)
        .ok_or_else(|| format!("no {field} in /proc"))
}

/// User and system time: fields 14 and 15 of `/proc/PID/stat`, in hundredths of a second.
fn cpu(pid: u32) -> Result<Duration, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("the program has ended: {error}"))?;
    let rest = text.rsplit(')').next().unwrap_or_default();
    let fields = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
