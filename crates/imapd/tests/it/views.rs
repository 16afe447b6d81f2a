//! Sessions that do random things to one mailbox; each believes only what it was told. In the end all
//! must believe the same, and what is true.

use std::collections::BTreeSet;

use crate::world::{Client, World, letter};

const FLAGS: [&str; 4] = ["\\Seen", "\\Flagged", "\\Deleted", "$Khan"];

/// What a client knows of a message; `uid` 0: only that it exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Known {
    uid: u32,
    flags: BTreeSet<String>,
}

/// A client that keeps its own picture of the mailbox.
struct Believer {
    client: Client,
    known: Vec<Known>,
    idling: bool,
    log: Vec<String>,
}

impl Believer {
    async fn new(world: &World, rev2: bool) -> Self {
        let mut client = world.login("lan").await;
        if rev2 {
            client.ok("ENABLE IMAP4rev2").await;
        }
        let mut believer = Self {
            client,
            known: Vec::new(),
            idling: false,
            log: Vec::new(),
        };
        believer.select().await;
        believer
    }

    async fn select(&mut self) {
        self.known.clear();
        self.run("SELECT INBOX").await;
        self.learn().await;
    }

    /// Asks for what it does not know yet.
    async fn learn(&mut self) {
        while let Some(first) = self.known.iter().position(|known| known.uid == 0) {
            self.run(&format!("FETCH {}:* (UID FLAGS)", first + 1))
                .await;
            if self.known.iter().skip(first).any(|known| known.uid == 0) {
                // It came and went before it could be fetched: the next command says so.
                self.run("NOOP").await;
            }
        }
    }

    async fn run(&mut self, command: &str) {
        let by_number = ["FETCH", "STORE", "SEARCH", "COPY"]
            .iter()
            .any(|name| command.starts_with(name));
        let lines = self.client.command(command).await;
        self.log.push(format!("{command} → {lines:?}"));
        let (tagged, untagged) = lines.split_last().unwrap();
        assert!(
            tagged.starts_with("OK") || tagged.starts_with("NO [EXPUNGEISSUED]"),
            "{:#?}",
            self.log
        );
        self.hear(untagged, by_number);
    }

    fn hear(&mut self, lines: &[String], by_number: bool) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let Some(number) = words.get(1).and_then(|word| word.parse::<usize>().ok()) else {
                continue;
            };
            match words[2] {
                "EXISTS" => {
                    assert!(number >= self.known.len(), "{:#?}", self.log);
                    self.known.resize(number, Known::default());
                }
                "EXPUNGE" => {
                    assert!(
                        !by_number,
                        "EXPUNGE while numbers are used: {:#?}",
                        self.log
                    );
                    assert!((1..=self.known.len()).contains(&number), "{:#?}", self.log);
                    self.known.remove(number - 1);
                }
                "FETCH" => {
                    let uid: u32 = line
                        .split("UID ")
                        .nth(1)
                        .unwrap()
                        .split([' ', ')'])
                        .next()
                        .unwrap()
                        .parse()
                        .unwrap();
                    let flags = line
                        .split("FLAGS (")
                        .nth(1)
                        .unwrap()
                        .split(')')
                        .next()
                        .unwrap();
                    let flags = flags
                        .split(' ')
                        .filter(|flag| !flag.is_empty() && *flag != "\\Recent");
                    assert!((1..=self.known.len()).contains(&number), "{:#?}", self.log);
                    let known = &mut self.known[number - 1];
                    assert!(
                        known.uid == 0 || known.uid == uid,
                        "wrong number: {:#?}",
                        self.log
                    );
                    *known = Known {
                        uid,
                        flags: flags.map(str::to_owned).collect(),
                    };
                }
                _ => {}
            }
        }
    }

    async fn act(&mut self, random: &mut fastrand::Rng) {
        if self.idling {
            self.client.glance().await;
            let said = self.client.take();
            self.log.push(format!("idle: {said:?}"));
            self.hear(&said, false);
            if random.bool() {
                self.client.send(b"DONE\r\n").await;
                let said = self.client.take();
                self.hear(&said, false);
                self.idling = false;
                self.learn().await;
            }
            return;
        }
        let many = self.known.len();
        let one = random.usize(1..=many.max(1));
        let other = random.usize(1..=many.max(1));
        let (one, other) = (one.min(other), one.max(other));
        let flag = FLAGS[random.usize(..FLAGS.len())];
        let sign = ["+", "-", ""][random.usize(..3)];
        match random.u32(..14) {
            0..=2 => {
                let text = letter("thư", "x");
                self.run(&format!(
                    "APPEND INBOX (\\Flagged) {{{}+}}\r\n{text}",
                    text.len()
                ))
                .await;
            }
            3..=5 if many > 0 => {
                self.run(&format!("STORE {one}:{other} {sign}FLAGS ({flag})"))
                    .await;
            }
            6 if many > 0 => {
                let uid = self.known[one - 1].uid;
                self.run(&format!("UID STORE {uid}:* {sign}FLAGS ({flag})"))
                    .await;
            }
            7 if many > 0 => {
                // What was set silently is believed at once; what the answer says comes after.
                let uid = self.known[one - 1].uid;
                let set = &mut self.known[one - 1].flags;
                set.insert(flag.to_owned());
                self.run(&format!("UID STORE {uid} +FLAGS.SILENT ({flag})"))
                    .await;
            }
            8 => self.run("EXPUNGE").await,
            9 if many > 0 => {
                self.run(&format!("UID COPY {} INBOX", self.known[one - 1].uid))
                    .await;
            }
            10 if many > 5 => self.run(&format!("MOVE {one} Trash")).await,
            11 => {
                self.run(["CLOSE", "UNSELECT", "NOOP"][random.usize(..2)])
                    .await;
                self.select().await;
            }
            12 => {
                self.client.send(b"i IDLE\r\n").await;
                self.client.take();
                self.idling = true;
                return;
            }
            _ => self.run("SEARCH ALL").await,
        }
        self.learn().await;
    }
}

#[tokio::test]
async fn everybody_believes_the_same() {
    let world = World::new().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut believers = Vec::new();
    for number in 0..3 {
        believers.push(Believer::new(&world, number == 2).await);
    }
    for _ in 0..600 {
        let who = random.usize(..believers.len());
        believers[who].act(&mut random).await;
    }
    agree(&world, believers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn everybody_believes_the_same_at_the_same_time() {
    let world = World::new().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut tasks = Vec::new();
    for number in 0..3 {
        let mut believer = Believer::new(&world, number == 2).await;
        let mut random = fastrand::Rng::with_seed(seed + number);
        tasks.push(tokio::spawn(async move {
            for _ in 0..150 {
                believer.act(&mut random).await;
            }
            believer
        }));
    }
    let mut believers = Vec::new();
    for task in tasks {
        believers.push(task.await.unwrap());
    }
    agree(&world, believers).await;
}

/// All have heard the same, and it is true.
async fn agree(world: &World, mut believers: Vec<Believer>) {
    for believer in &mut believers {
        if believer.idling {
            believer.client.send(b"DONE\r\n").await;
            let said = believer.client.take();
            believer.hear(&said, false);
        }
        believer.run("NOOP").await;
        believer.learn().await;
        believer.run("NOOP").await;
    }
    let mut witness = Believer::new(world, true).await;
    witness.learn().await;
    for believer in &believers {
        assert_eq!(believer.known, witness.known, "{:#?}", believer.log);
    }
}
