//! Files of a store damaged one way after another: `store check`, `store salvage` and the start say and do
//! what they should, and nothing is lost but what was damaged. The table of `docs/reliability.md`.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use congvu_tests::crash::inside::copy;
use congvu_tests::frames::{Frame, Kind, frames, segments};
use congvu_tests::imap::Imap;
use congvu_tests::program::Output;
use congvu_tests::server::{BINH, PASSWORD, Server, Setup};

use cases::{VICTIM, cases, flip, named};

/// Messages in the store: enough for several segments, and few enough to fetch one by one.
const LETTERS: u32 = 40;

type Uids = BTreeSet<u32>;

/// A whole store, to be damaged in copies.
struct World {
    server: Server,
    whole: PathBuf,
}

/// What a damage does.
struct Case {
    name: &'static str,
    /// Damages the data folder.
    damage: fn(&Store),
    /// Exit code of `store check`, and what it says.
    check: (i32, &'static str),
    /// What the log of the start says; `Err` = it does not start, and why.
    start: Result<&'static str, &'static str>,
    /// Messages that the started server cannot serve.
    lost: fn(&Store) -> Uids,
    /// Messages that are not among the salvaged ones.
    unsalvaged: fn(&Store) -> Uids,
}

/// A data folder with its frames as they were before the damage.
struct Store {
    data: PathBuf,
    frames: Vec<Frame>,
}

impl Store {
    fn nth(&self, kind: Kind, nth: usize) -> &Frame {
        let mut of_kind = self.frames.iter().filter(|frame| frame.kind == kind);
        of_kind.nth(nth).expect("so many frames of a kind")
    }

    /// The body of a message: bodies stand in the order of UIDs.
    fn body(&self, uid: u32) -> &Frame {
        self.nth(Kind::Body, uid as usize - 1)
    }

    /// Messages whose bodies touch these octets of a file.
    fn within(&self, path: &Path, from: usize, to: usize) -> Uids {
        (1..=LETTERS)
            .filter(|uid| {
                let body = self.body(*uid);
                body.path == path && body.at < to && body.at + body.total > from
            })
            .collect()
    }

    fn segment(&self, nth: usize) -> PathBuf {
        segments(&self.data).expect("the log")[nth].clone()
    }

    fn last(&self) -> PathBuf {
        segments(&self.data)
            .expect("the log")
            .pop()
            .expect("a segment")
    }
}

impl World {
    fn new() -> Self {
        let settings =
            "[store]\nsegment-size = \"64 KiB\"\nsnapshot-after = \"64 KiB\"\nscrub-rate = 0";
        // Another store, for a file that does not belong here.
        let mut alien = Server::with(&Setup::default().settings(settings));
        fill(&alien);
        alien.stop();
        let mut server = Server::with(&Setup::default().settings(settings));
        fill(&server);
        server.stop();
        let whole = server.folder().join("whole");
        copy(&server.data(), &whole).expect("a copy");
        let strange = segments(&alien.data()).expect("its log");
        for (nth, name) in [(0, "alien-first"), (1, "alien")] {
            fs::copy(&strange[nth], server.folder().join(name)).expect("a segment");
        }
        Self { server, whole }
    }

    /// The damaged store.
    fn damaged(&self, case: &Case) -> Store {
        let data = self.server.data();
        fs::remove_dir_all(&data).expect("the data folder");
        copy(&self.whole, &data).expect("a copy");
        let frames = frames(&data).expect("frames");
        let store = Store { data, frames };
        (case.damage)(&store);
        store
    }

    /// Everything that is served; `Err` = what it said when it did not start.
    fn serve(&mut self) -> Result<(Uids, String), String> {
        self.server.try_restart()?;
        let mut imap = Imap::login(self.server.listener("imaps"), BINH, PASSWORD).expect("login");
        imap.command("EXAMINE INBOX").expect("EXAMINE");
        let mut served = Uids::new();
        for uid in 1..=LETTERS {
            let fetched = imap
                .command(&format!("UID FETCH {uid} (UID BODY.PEEK[])"))
                .expect("FETCH");
            if fetched.untagged.iter().any(|line| is_whole(line, uid)) {
                assert!(fetched.ok(), "{}", fetched.status);
                served.insert(uid);
            }
        }
        // A damaged store takes new letters as well.
        let mut imap = Imap::login(self.server.listener("imaps"), BINH, PASSWORD).expect("login");
        let kept = imap
            .append("Drafts", "", b"Subject: new\r\n\r\nnew\r\n")
            .expect("APPEND");
        assert!(kept.ok(), "{}", kept.status);
        let log = self.server.log_so_far();
        self.server.stop();
        Ok((served, log))
    }

    fn salvage(&self) -> (Output, Uids) {
        let to = self.server.folder().join("salvaged");
        if to.exists() {
            fs::remove_dir_all(&to).expect("the last salvage");
        }
        let path = to.to_string_lossy().into_owned();
        let output = self.server.cli(&["store", "salvage", "--to", &path], "");
        let mut found = Uids::new();
        let mut folders = vec![to];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .map(|entry| entry.expect("an entry").path())
            {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap_or_default();
                let whole = (1..=LETTERS).find(|uid| text == letter(*uid));
                if let Some(uid) = whole {
                    assert!(found.insert(uid), "salvaged twice: {uid}");
                }
            }
        }
        (output, found)
    }
}

/// A letter that hardly compresses.
fn letter(uid: u32) -> String {
    let mut random = fastrand::Rng::with_seed(u64::from(uid));
    let mut text = format!("Message-ID: <{uid}@xa.test>\r\nSubject: letter {uid}\r\n\r\n");
    for _ in 0..200 {
        let _ = write!(
            text,
            "{:016x}{:016x}{:016x}\r\n",
            random.u64(..),
            random.u64(..),
            random.u64(..)
        );
    }
    text
}

fn is_whole(line: &str, uid: u32) -> bool {
    let octets = line.split_once("\r\n").map(|(_, octets)| octets);
    octets.and_then(|octets| octets.strip_suffix(')')) == Some(&letter(uid))
}

fn fill(server: &Server) {
    let mut imap = Imap::login(server.listener("imaps"), BINH, PASSWORD).expect("login");
    for uid in 1..=LETTERS {
        let kept = imap
            .append("INBOX", "", letter(uid).as_bytes())
            .expect("APPEND");
        assert!(kept.ok(), "{}", kept.status);
    }
}

/// Paths and contents of all files, to see that nothing was touched.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in named(folder, |name| name != "lock" && name != "tls") {
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    found
}

#[test]
fn every_damage_is_found_and_costs_only_itself() {
    let mut world = World::new();
    let mut faults = Vec::new();
    for case in cases() {
        let name = case.name;
        let mut wrong = |what: String| faults.push(format!("{name}: {what}"));
        let store = world.damaged(&case);
        let (lost, unsalvaged) = ((case.lost)(&store), (case.unsalvaged)(&store));
        let all: Uids = (1..=LETTERS).collect();

        let before = contents(&store.data);
        let (output, salvaged) = world.salvage();
        let gone: Uids = all.difference(&salvaged).copied().collect();
        if gone != unsalvaged {
            wrong(format!(
                "not salvaged: {gone:?}, expected {unsalvaged:?}: {}",
                output.all()
            ));
        }
        if contents(&store.data) != before {
            wrong("salvage changed the store".to_owned());
        }

        let checked = world.server.cli(&["store", "check"], "");
        let (code, says) = case.check;
        if checked.code != code || !checked.all().contains(says) {
            wrong(format!("check: {} {}", checked.code, checked.all()));
        }
        let says = checked.all().lines().last().unwrap_or_default().to_owned();
        println!(
            "{name} | {} | {says} | lost {lost:?} | not salvaged {gone:?}",
            checked.code
        );

        // Again from the damage: the check may have rebuilt the index.
        let store = world.damaged(&case);
        let before = contents(&store.data);
        match (world.serve(), case.start) {
            (Ok((served, log)), Ok(says)) => {
                let gone: Uids = all.difference(&served).copied().collect();
                if gone != lost {
                    wrong(format!("not served: {gone:?}, expected {lost:?}: {log}"));
                }
                if !log.contains(says) {
                    wrong(format!("start: does not say {says:?}: {log}"));
                }
            }
            (Err(said), Err(says)) => {
                if !said.contains(says) {
                    wrong(format!("start: does not say {says:?}: {said}"));
                }
                if contents(&store.data) != before {
                    wrong("a start that was refused changed the store".to_owned());
                }
            }
            (Ok((_, log)), Err(_)) => wrong(format!("it starts: {log}")),
            (Err(said), Ok(_)) => wrong(format!("it does not start: {said}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn a_second_server_on_one_store_is_refused_and_told_why() {
    let server = Server::start();
    let second = server.cli(&["serve"], "");
    assert_ne!(second.code, 0);
    let said = second.all();
    let pid = format!("(process {})", server.pid());
    assert!(
        said.contains("another process uses the store") && said.contains(&pid),
        "{said}"
    );
    let mut imap = Imap::login(server.listener("imaps"), BINH, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("SELECT").ok());
}

#[test]
fn the_scrub_of_a_running_server_names_what_decayed() {
    let mut server = Server::with(&Setup::default().settings("[store]\nscrub-every = \"10s\""));
    fill(&server);
    server.stop();
    let body = frames(&server.data())
        .expect("frames")
        .into_iter()
        .filter(|frame| frame.kind == Kind::Body)
        .nth(VICTIM as usize - 1)
        .expect("a body");
    flip(&body.path, body.at + body.total - 100);
    server.restart();
    let found = server.wait_for_log("the body of a message is damaged");
    for part in [BINH, "INBOX", "uid=20", "<20@xa.test>"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    server.wait_for_log("scrub finished");
    let stats = server.done(&["store", "stats"]);
    assert!(stats.contains("with 2 problems"), "{stats}");
}
