//! The administrator of the load: the command line makes accounts, passwords and aliases, holds, releases
//! and drops queued letters, and takes backups.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::load::Load;
use crate::imap::Imap;
use crate::server::{BINH, Server, command};

/// Accounts that are made at most: reading the list stays quick.
const ACCOUNTS: usize = 100;

/// Held briefly by everybody.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of one queued letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Queued {
    held: Possible,
    there: Possible,
}

/// Yes, no, or not known because an answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Possible {
    Yes,
    No,
    Either,
}

impl Possible {
    fn allows(self, found: bool) -> bool {
        match self {
            Self::Yes => found,
            Self::No => !found,
            Self::Either => true,
        }
    }
}

/// What the queue must hold.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Acknowledged letters, by the words of the reply.
    replies: Vec<String>,
    /// Asked for and not answered.
    open: u32,
    /// By the id that the sender was told.
    known: BTreeMap<String, Queued>,
}

impl Queue {
    /// A letter was sent.
    pub(super) fn asked(&mut self) {
        self.open += 1;
    }

    /// It was accepted.
    pub(super) fn kept(&mut self, reply: &str) {
        self.open -= 1;
        self.replies.push(reply.to_owned());
    }

    /// It was refused.
    pub(super) fn refused(&mut self) {
        self.open -= 1;
    }

    /// Letters that must be there.
    pub(super) fn count(&self) -> usize {
        let there = |queued: &&Queued| queued.there == Possible::Yes;
        self.replies.len() + self.known.values().filter(there).count()
    }

    fn settle(&mut self, listed: &[Value]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut found: BTreeMap<String, bool> = BTreeMap::new();
        for entry in listed {
            let trace = entry["trace"].as_str().unwrap_or_default().to_owned();
            if found.insert(trace, !entry["hold"].is_null()).is_some() {
                faults.push(format!("queued twice: {entry}"));
            }
        }
        for reply in std::mem::take(&mut self.replies) {
            if let Some(trace) = found.keys().find(|trace| reply.contains(*trace)) {
                // Accepted in this round, and perhaps held in it.
                self.known.entry(trace.clone()).or_insert(Queued {
                    held: Possible::Either,
                    there: Possible::Yes,
                });
                continue;
            }
            let dropped = |(trace, queued): (&String, &Queued)| {
                reply.contains(trace) && queued.there != Possible::Yes
            };
            if !self.known.iter().any(dropped) {
                faults.push(format!("lost from the queue: {reply}"));
            }
        }
        for (trace, queued) in &self.known {
            let hold = found.get(trace);
            if !queued.there.allows(hold.is_some()) {
                faults.push(format!("queue: {trace} is {hold:?}, expected {queued:?}"));
            }
            if let Some(hold) = hold
                && !queued.held.allows(*hold)
            {
                faults.push(format!("queue: {trace} held: {hold}, expected {queued:?}"));
            }
        }
        let unknown = found
            .keys()
            .filter(|trace| !self.known.contains_key(*trace))
            .count();
        if unknown > self.open as usize {
            faults.push(format!(
                "{unknown} queued letters are of nobody, {} may be",
                self.open
            ));
        }
        self.open = 0;
        self.known.retain(|_, queued| queued.there != Possible::Yes);
        for queued in self.known.values_mut() {
            // Dropped for good, whether the answer came or not.
            queued.there = Possible::No;
        }
        for (trace, hold) in found {
            let held = if hold { Possible::Yes } else { Possible::No };
            let there = Possible::Yes;
            self.known.insert(trace, Queued { held, there });
        }
        faults
    }
}

/// The administrator between two rounds.
#[derive(Debug)]
pub(super) struct Clerk {
    config: PathBuf,
    backup: PathBuf,
    /// Passwords that may be valid, by address.
    accounts: BTreeMap<String, Vec<String>>,
    aliases: BTreeSet<String>,
    /// Made, but not acknowledged.
    open: BTreeSet<String>,
    backed_up: bool,
    number: u32,
}

impl Clerk {
    /// Has made nothing yet.
    pub(super) fn new(config: &Path, folder: &Path) -> Self {
        Self {
            config: config.to_owned(),
            backup: folder.join("backup"),
            accounts: BTreeMap::new(),
            aliases: BTreeSet::new(),
            open: BTreeSet::new(),
            backed_up: false,
            number: 0,
        }
    }

    /// Works until told to stop. A command that is under way then is waited for; it may find no server any
    /// more and do its work on the store itself.
    pub(super) fn work(&mut self, load: &Load, queue: &Mutex<Queue>, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        while !load.stopped() {
            match random.u8(0..10) {
                0..2 if self.accounts.len() < ACCOUNTS => self.add_account(load),
                2..4 => self.set_password(load, &mut random),
                4..6 if self.aliases.len() < ACCOUNTS => self.add_alias(load),
                6 => self.back_up(load),
                // What was expunged is gone at once here, and its space is given back.
                7 => {
                    for verb in ["purge", "compact"] {
                        if self.run(load, &["store", verb], "") {
                            load.count(&format!("store {verb}"));
                        }
                    }
                }
                _ => self.queue(load, queue, &mut random),
            }
        }
    }

    /// Runs a command; `false` when its end is not known, because the server was gone.
    fn run(&self, load: &Load, args: &[&str], input: &str) -> bool {
        let output = command(&self.config, args, input);
        // Refused, or wrongly used; 3 is what a server that is gone looks like.
        if matches!(output.code, 1 | 2) {
            load.refused(&args.join(" "), &output.all());
        }
        output.code == 0
    }

    fn add_account(&mut self, load: &Load) {
        self.number += 1;
        let address = format!("nguoi{}@xa.test", self.number);
        let password = password(&address, 0);
        self.open.insert(address.clone());
        if self.run(
            load,
            &["account", "add", &address, "--password-stdin"],
            &password,
        ) {
            self.open.remove(&address);
            self.accounts.insert(address, vec![password]);
            load.count("account add");
        }
    }

    fn set_password(&mut self, load: &Load, random: &mut fastrand::Rng) {
        let addresses: Vec<String> = self.accounts.keys().cloned().collect();
        let Some(address) = random.choice(addresses) else {
            return self.add_account(load);
        };
        self.number += 1;
        let password = password(&address, self.number);
        let passwords = self.accounts.entry(address.clone()).or_default();
        passwords.push(password.clone());
        if self.run(
            load,
            &["password", "set", &address, "--password-stdin"],
            &password,
        ) {
            self.accounts.insert(address, vec![password]);
            load.count("password set");
        }
    }

    fn add_alias(&mut self, load: &Load) {
        self.number += 1;
        let address = format!("biet-danh{}@xa.test", self.number);
        self.open.insert(address.clone());
        if self.run(load, &["alias", "add", &address, BINH], "") {
            self.open.remove(&address);
            self.aliases.insert(address);
            load.count("alias add");
        }
    }

    fn back_up(&mut self, load: &Load) {
        let to = self.backup.to_string_lossy().into_owned();
        if self.run(load, &["backup", "--to", &to], "") {
            self.backed_up = true;
            load.count("backup");
        }
    }

    /// Holds, releases or drops a letter that was known when the round began.
    fn queue(&mut self, load: &Load, queue: &Mutex<Queue>, random: &mut fastrand::Rng) {
        let listed = command(&self.config, &["queue", "list", "--json"], "");
        let Ok(Value::Array(entries)) = serde_json::from_str(&listed.stdout) else {
            return;
        };
        let Some(entry) = random.choice(&entries) else {
            return;
        };
        let (Some(id), Some(trace)) = (entry["id"].as_u64(), entry["trace"].as_str()) else {
            return;
        };
        let verb = match random.u8(0..8) {
            // Only what is held can be released.
            0..6 if entry["hold"].is_null() => "hold",
            0..6 => "release",
            // More are dropped when there are many.
            6 if entries.len() < 20 => return,
            _ => "drop",
        };
        let held = if entry["hold"].is_null() {
            Possible::No
        } else {
            Possible::Yes
        };
        let mut known = Queued {
            held,
            there: Possible::Yes,
        };
        let acknowledged = match verb {
            "hold" => Queued {
                held: Possible::Yes,
                ..known
            },
            "release" => Queued {
                held: Possible::No,
                ..known
            },
            _ => Queued {
                there: Possible::No,
                ..known
            },
        };
        if verb == "drop" {
            known.there = Possible::Either;
        } else {
            known.held = Possible::Either;
        }
        lock(queue).known.insert(trace.to_owned(), known);
        if self.run(load, &["queue", verb, &id.to_string()], "") {
            lock(queue).known.insert(trace.to_owned(), acknowledged);
            load.count(&format!("queue {verb}"));
        }
    }

    /// Compares what the server has with what was acknowledged.
    pub(super) fn settle(&mut self, server: &Server, queue: &Mutex<Queue>) -> Vec<String> {
        let mut faults = Vec::new();
        let made = listed(server, "account");
        let aliases = listed(server, "alias");
        let both: BTreeSet<&String> = made.union(&aliases).collect();
        let expected = self.accounts.keys().chain(&self.aliases);
        for address in expected.filter(|address| !both.contains(address)) {
            faults.push(format!("lost: {address}"));
        }
        for address in std::mem::take(&mut self.open) {
            if made.contains(&address) {
                let password = password(&address, 0);
                self.accounts.insert(address, vec![password]);
            } else if aliases.contains(&address) {
                self.aliases.insert(address);
            }
        }
        // One login a round, and each whose password is in doubt.
        let mut tried: Vec<String> = self
            .accounts
            .iter()
            .filter(|(_, passwords)| passwords.len() > 1)
            .map(|(address, _)| address.clone())
            .collect();
        tried.extend(self.accounts.keys().next_back().cloned());
        for address in tried {
            let passwords = self.accounts.entry(address.clone()).or_default();
            let imaps = server.listener("imaps");
            let valid = passwords
                .iter()
                .find(|password| Imap::login(imaps, &address, password).is_ok())
                .cloned();
            match valid {
                Some(valid) => *passwords = vec![valid],
                None => faults.push(format!("no acknowledged password of {address} is valid")),
            }
        }
        let entries = server.cli(&["queue", "list", "--json"], "");
        match serde_json::from_str(&entries.stdout) {
            Ok(Value::Array(entries)) => faults.extend(lock(queue).settle(&entries)),
            _ => faults.push(format!("queue list: {}", entries.all())),
        }
        faults
    }

    /// Reads the backup again, if one was finished.
    pub(super) fn verify(&self, server: &Server, load: &Load) -> Vec<String> {
        if !self.backed_up {
            return Vec::new();
        }
        let folder = self.backup.to_string_lossy().into_owned();
        let output = server.cli(&["backup", "verify", &folder], "");
        if output.code == 0 {
            load.count("backup verify");
            return Vec::new();
        }
        vec![format!("backup verify: {}", output.all())]
    }
}

/// A password that nobody guesses from the address, which is what the server demands.
fn password(address: &str, number: u32) -> String {
    let own: String = address.chars().filter(char::is_ascii_digit).collect();
    format!("khoa-dai-va-la-{own}-{number}")
}

/// Addresses of all accounts or aliases.
fn listed(server: &Server, noun: &str) -> BTreeSet<String> {
    let text = server.done(&[noun, "list", "--json"]);
    let entries: Value = serde_json::from_str(&text).unwrap_or_default();
    entries
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["address"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_queue_is_compared() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            queue.asked();
        }
        queue.kept("2.0.0 abc accepted");
        queue.kept("2.0.0 def accepted");
        let entry = |trace: &str, hold: Value| json!({"trace": trace, "hold": hold});
        let listed = [entry("abc", Value::Null), entry("ghi", json!("held"))];
        let faults = queue.settle(&listed);
        assert_eq!(faults, ["lost from the queue: 2.0.0 def accepted"]);
        // What was found stays so until somebody changes it.
        assert_eq!(queue.settle(&listed), [""; 0]);
        let faults = queue.settle(&[entry("abc", json!("held")), entry("new", Value::Null)]);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
