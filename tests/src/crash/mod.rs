//! `kill -9` at random moments: a real server under SMTP, LMTP, IMAP and command line load, ledgers outside
//! it, and after every restart everything compared. `cargo xtask crash` and the crash test run it.
//!
//! Demanded: nothing acknowledged is lost, nothing is torn, a letter is there twice only if a reply was
//! lost and it was sent again, an IMAP command that was not answered happened whole or not at all, UIDs are
//! never given out twice, UIDVALIDITY stays and is new for new mailboxes, mod-sequences grow.

mod clerk;
mod editor;
pub mod inside;
pub mod letter;
mod load;
mod model;
mod reader;
mod sender;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clerk::{Clerk, Queue};
use editor::{Editor, SHARED};
use inside::Inside;
use load::Load;
use sender::INBOX;

use crate::imap::Imap;
use crate::ledger::Ledger;
use crate::server::{AN, BINH, PASSWORD, Server, Setup};

/// How long the load lasts before the kill, milliseconds: long enough that some rounds fill a segment, short
/// enough for hundreds of rounds.
const LOAD: std::ops::Range<u64> = 30..900;
/// Between SIGTERM and SIGKILL, milliseconds: closing takes some ten.
const DRAIN: std::ops::Range<u64> = 0..120;
/// Every so many rounds the machine is said to have gone down.
const OTHER_BOOT: u64 = 10;
/// Every so many rounds a copy of the store is looked into.
const LOOK: u64 = 5;
/// Messages in a mailbox with a ledger before it is cleared.
const FULL: usize = 150;

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Killed under load.
    Kill,
    /// Told to end under load, and killed while it does.
    Drain,
    /// Told to end under load, and left to do so.
    Stop,
    /// Killed under load, and then while it starts again.
    Start,
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many rounds.
    pub rounds: u64,
    /// Repeats a run as far as chance allows: threads and kills still race.
    pub seed: u64,
    /// Tells each round on standard output.
    pub tell: bool,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Rounds without a fault.
    pub rounds: u64,
    /// What was acknowledged, how often.
    pub counts: BTreeMap<String, u64>,
    /// Messages there at the end.
    pub there: usize,
    /// Messages read and compared, over all rounds.
    pub read: u64,
    /// What the server said at its starts, how often.
    pub starts: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rounds, {} messages compared, {} there at the end: 0 lost, 0 torn",
            self.rounds, self.read, self.there
        )?;
        writeln!(f, "acknowledged: {}", listed(&self.counts))?;
        writeln!(f, "starts: {}", listed(&self.starts))
    }
}

fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    parts.join(", ")
}

/// Runs the rounds; the first with a fault ends it.
///
/// # Errors
/// Faults in words.
///
/// # Panics
/// When the server does not start or end as it should.
pub fn run(plan: Plan) -> Result<Summary, String> {
    let mut world = World::new();
    let mut random = fastrand::Rng::with_seed(plan.seed);
    for round in 1..=plan.rounds {
        let begun = Instant::now();
        let (end, faults) = world
            .round(round, &mut random)
            .map_err(|error| format!("round {round}, seed {}: {error}", plan.seed))?;
        if !faults.is_empty() {
            return Err(format!(
                "round {round} ({end:?}), seed {}, store kept in {}:\n{}",
                plan.seed,
                world.keep().display(),
                faults.join("\n")
            ));
        }
        world.summary.rounds += 1;
        if plan.tell {
            let (there, took) = (world.there(), begun.elapsed().as_millis());
            println!("round {round}: {end:?}, {there} messages there, {took} ms");
        }
    }
    world.server.stop();
    let mut summary = world.summary.clone();
    summary.counts = world.load.counts();
    summary.there = world.there();
    Ok(summary)
}

/// Takes backups while everybody works, restores the last one in the place of the store, and compares: what was
/// acknowledged before it began is there, and everything that is there is whole.
///
/// # Errors
/// Faults in words.
///
/// # Panics
/// When the server does not start or end as it should.
pub fn backup_under_load(seed: u64, times: u32) -> Result<Summary, String> {
    let mut world = World::new();
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = world.server.folder();
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (to, data) = (path("backup-under-load"), path("data"));
    let mut faults = Vec::new();
    let mut sure = BTreeMap::new();
    world.load(&mut random, |server, load| {
        for _ in 0..times {
            for account in [AN, BINH] {
                let kept = load.ledger(account, INBOX, |ledger| ledger.sure());
                sure.insert(account, kept);
            }
            let output = server.cli(&["backup", "--to", &to], "");
            if output.code != 0 {
                faults.push(format!("backup: {}", output.all()));
            }
        }
        load.ending();
        server.stop();
    });
    let server = &mut world.server;
    let verified = server.cli(&["backup", "verify", &to], "");
    std::fs::rename(&data, path("data.before")).map_err(|error| error.to_string())?;
    let restored = server.cli(&["restore", "--from", &to, "--to", &data], "");
    for output in [verified, restored] {
        if output.code != 0 {
            faults.push(output.all());
        }
    }
    server.restart();
    let checked = server.cli(&["store", "check"], "");
    if checked.code != 0 {
        faults.push(format!("store check: {}", checked.all()));
    }
    faults.extend(
        world
            .compare_restored(&sure)
            .map_err(|error| error.to_string())?,
    );
    world.server.stop();
    if faults.is_empty() {
        let mut summary = world.summary;
        summary.counts = world.load.counts();
        summary.there = sure.values().map(Vec::len).sum();
        Ok(summary)
    } else {
        Err(format!("seed {seed}: {}", faults.join("\n")))
    }
}

struct World {
    server: Server,
    load: Load,
    queue: Mutex<Queue>,
    clerk: Clerk,
    editors: Vec<Editor>,
    inside: Inside,
    summary: Summary,
    /// How long a start takes.
    start: Duration,
}

impl World {
    fn new() -> Self {
        // Nobody listens there: what is for others waits in the queue. Small files, so that segments are begun
        // and snapshots are taken all the time.
        let setup = Setup::default()
            .settings("[store]\nsegment-size = \"1 MiB\"\nsnapshot-after = \"128 KiB\"")
            .route("ngoai.test", "127.0.0.1:1");
        let server = Server::with(&setup);
        for agency in ["xa", "so"] {
            // Nothing is kept for undelete, so that compaction has something to do.
            server.done(&["agency", "set", agency, "--undelete-days", "0"]);
        }
        for account in [AN, BINH] {
            let mut imap = Imap::login(server.listener("imaps"), account, PASSWORD)
                .expect("login at the first start");
            let made = imap.command(&format!("CREATE {SHARED}")).expect("CREATE");
            assert!(made.ok(), "{}", made.status);
        }
        let clerk = Clerk::new(&server.config(), &server.folder());
        let load = Load::default();
        for (account, name) in [(AN, INBOX), (AN, SHARED), (BINH, INBOX), (BINH, SHARED)] {
            load.ledger(account, name, |_| ());
        }
        Self {
            server,
            load,
            queue: Mutex::default(),
            clerk,
            editors: vec![
                Editor::new(AN, "E0"),
                Editor::new(BINH, "E1"),
                Editor::new(BINH, "E2"),
            ],
            inside: Inside::default(),
            summary: Summary::default(),
            start: Duration::from_millis(200),
        }
    }

    /// Messages that are there.
    fn there(&self) -> usize {
        let shared: usize = self
            .load
            .mailboxes()
            .into_iter()
            .map(|(account, name)| self.load.ledger(account, name, |ledger| ledger.count()))
            .sum();
        let queued = clerk::lock(&self.queue).count();
        shared + queued + self.editors.iter().map(Editor::count).sum::<usize>()
    }

    /// Copies the data folder to where it stays after the test.
    fn keep(&self) -> std::path::PathBuf {
        let folder = tempfile::Builder::new().prefix("congvu-crash").tempdir();
        let path = folder.map_or_else(|_| std::env::temp_dir(), tempfile::TempDir::keep);
        // It is a help for whoever looks for the fault; the fault itself is told in any case.
        let _ = inside::copy(&self.server.folder(), &path);
        path
    }

    fn round(&mut self, round: u64, random: &mut fastrand::Rng) -> io::Result<(End, Vec<String>)> {
        let end = match random.u8(0..10) {
            0..5 => End::Kill,
            5..7 => End::Drain,
            7 => End::Stop,
            _ => End::Start,
        };
        let (wait, drain) = (random.u64(LOAD), random.u64(DRAIN));
        self.load(random, |server, load| {
            // The random moment.
            thread::sleep(Duration::from_millis(wait));
            load.ending();
            match end {
                End::Kill | End::Start => server.kill(),
                End::Drain => {
                    server.signal("TERM");
                    thread::sleep(Duration::from_millis(drain));
                    server.kill();
                }
                End::Stop => server.stop(),
            }
        });
        if end == End::Start {
            for _ in 0..random.u8(1..4) {
                self.kill_starting(random);
            }
        }
        let mut rebuilds = false;
        let mut faults = self.load.faults();
        let data = self.server.data();
        if round.is_multiple_of(LOOK) {
            faults.extend(self.inside.look(&data));
            self.add("looked into a copy");
        }
        if round.is_multiple_of(OTHER_BOOT) {
            inside::other_boot(&data)?;
            rebuilds = true;
            if random.bool() {
                // In the midst of a rebuild, if it takes so long.
                self.kill_starting(random);
                rebuilds = false;
            }
        }
        let begun = Instant::now();
        self.server.restart();
        self.start = begun.elapsed();
        self.note_start(rebuilds, &mut faults);
        faults.extend(self.compare()?);
        if round.is_multiple_of(OTHER_BOOT) {
            let checked = self.server.cli(&["store", "check"], "");
            if checked.code != 0 {
                faults.push(format!("store check: {}", checked.all()));
            }
            faults.extend(self.clerk.verify(&self.server, &self.load));
        }
        Ok((end, faults))
    }

    /// Starts the server and kills it before it serves, or just then.
    fn kill_starting(&mut self, random: &mut fastrand::Rng) {
        self.server.begin();
        let millis = u64::try_from(self.start.as_millis()).unwrap_or(1_000);
        thread::sleep(Duration::from_millis(random.u64(0..=millis * 5 / 4)));
        self.server.kill();
        self.add("killed while starting");
    }

    /// Lets everybody work while something is done, which ends the server.
    fn load(&mut self, random: &mut fastrand::Rng, meanwhile: impl FnOnce(&mut Server, &Load)) {
        self.load.begin();
        let (server, load, queue) = (&mut self.server, &self.load, &self.queue);
        let submissions = server.listener("submissions");
        let (lmtp, imaps) = (server.listener("lmtp"), server.listener("imaps"));
        // What was not answered last time, half to each sender.
        let again = load.ledger(BINH, INBOX, Ledger::retry);
        let (one, other) = again.split_at(again.len() / 2);
        let handed = load.ledger(AN, INBOX, Ledger::retry);
        thread::scope(|scope| {
            // An error of the socket is what a kill looks like.
            for again in [one.to_vec(), other.to_vec()] {
                let seed = random.u64(..);
                scope.spawn(move || drop(sender::submit(submissions, load, queue, again, seed)));
            }
            scope.spawn(move || drop(sender::hand_over(lmtp, load, handed)));
            for editor in &mut self.editors {
                let seed = random.u64(..);
                scope.spawn(move || drop(editor.work(imaps, load, seed)));
            }
            let (clerk, seed) = (&mut self.clerk, random.u64(..));
            scope.spawn(move || clerk.work(load, queue, seed));
            meanwhile(server, load);
            load.stop();
        });
    }

    /// What the log of the start says.
    fn note_start(&mut self, rebuilds: bool, faults: &mut Vec<String>) {
        let log = self.server.log_so_far();
        for (text, what) in [
            ("index rebuilt from the log", "index rebuilt"),
            ("torn end of the log cut", "torn end cut"),
            ("load snapshot", "snapshot loaded"),
        ] {
            if log.contains(text) {
                self.add(what);
            }
        }
        let replayed = log.split(" replayed=").nth(1);
        let replayed = replayed.and_then(|rest| rest.split_whitespace().next());
        if replayed.is_some_and(|number| number != "0") {
            self.add("log replayed");
        }
        if rebuilds && !log.contains("index rebuilt from the log") {
            faults.push("another boot did not rebuild the index".to_owned());
        }
        let bad = |line: &&str| {
            line.contains("ERROR") || line.contains("panicked") || line.contains("damaged")
        };
        faults.extend(log.lines().filter(bad).map(|line| format!("log: {line}")));
    }

    fn add(&mut self, what: &'static str) {
        *self.summary.starts.entry(what).or_default() += 1;
    }

    /// Reads a store that was brought back: each message is whole, and those of before the backup are there.
    fn compare_restored(
        &mut self,
        sure: &BTreeMap<&'static str, Vec<u64>>,
    ) -> io::Result<Vec<String>> {
        let mut faults = Vec::new();
        for (account, tokens) in sure {
            let mut imap = Imap::login(self.server.listener("imaps"), account, PASSWORD)?;
            imap.command("ENABLE IMAP4rev2")?;
            let found = reader::all(&mut imap, &mut faults)?;
            let read: usize = found.values().map(|mailbox| mailbox.letters.len()).sum();
            self.summary.read += read as u64;
            let inbox = found.get(INBOX).map(|mailbox| &mailbox.letters);
            let there: Vec<u64> = inbox
                .into_iter()
                .flatten()
                .map(|(_, letter)| letter.token)
                .collect();
            let lost = tokens.iter().filter(|token| !there.contains(token));
            faults.extend(lost.map(|token| format!("{account}: lost: message {token}")));
        }
        Ok(faults)
    }

    /// Reads everything back.
    fn compare(&mut self) -> io::Result<Vec<String>> {
        let mut faults = Vec::new();
        for account in [AN, BINH] {
            let mut imap = Imap::login(self.server.listener("imaps"), account, PASSWORD)?;
            imap.command("ENABLE IMAP4rev2")?;
            let mut found = reader::all(&mut imap, &mut faults)?;
            let read: usize = found.values().map(|mailbox| mailbox.letters.len()).sum();
            self.summary.read += read as u64;
            // First, because they tell what must be in the shared mailboxes.
            for editor in &mut self.editors {
                if editor.account == account {
                    let rest = found.split_off("");
                    let (own, others) = rest.into_iter().partition(|(name, _)| editor.owns(name));
                    found = others;
                    faults.extend(editor.settle(own, &self.load));
                }
            }
            for name in [INBOX, SHARED] {
                let Some(mailbox) = found.remove(name) else {
                    faults.push(format!("{account}: {name} is not there"));
                    continue;
                };
                faults.extend(reader::settle(&self.load, account, name, &mailbox));
                if mailbox.letters.len() > FULL && faults.is_empty() {
                    faults.extend(reader::clear(
                        &mut imap, &self.load, account, name, &mailbox,
                    )?);
                }
            }
            for (name, mailbox) in found {
                if !mailbox.letters.is_empty() {
                    faults.push(format!("{account}: {name} should be empty"));
                }
            }
        }
        faults.extend(self.clerk.settle(&self.server, &self.queue));
        Ok(faults)
    }
}
