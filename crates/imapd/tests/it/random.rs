//! Commands without sense: each is answered, none breaks the session.

use crate::world::{World, letter};

const MAILBOXES: [&str; 9] = [
    "INBOX",
    "inbox",
    "Trash",
    "a",
    "a/b",
    "a/b/c",
    "\"V&AQM-n b&HqM-n\"",
    "\"\"",
    "nothing",
];
const SETS: [&str; 10] = [
    "1",
    "1:*",
    "*",
    "*:3",
    "2,4:5",
    "4294967295",
    "1:4294967295",
    "$",
    "7:2",
    "3,3,3",
];
const ITEMS: [&str; 16] = [
    "FLAGS",
    "UID",
    "ALL",
    "FULL",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "BODY[]",
    "BODY.PEEK[1.2.3.MIME]",
    "BODY[HEADER.FIELDS (TO)]",
    "BODY.PEEK[TEXT]<4294967295.1>",
    "BODY.PEEK[]<0.4294967295>",
    "RFC822",
    "RFC822.SIZE",
    "INTERNALDATE",
    "BINARY.PEEK[1]",
    "BINARY.SIZE[2]",
];
const KEYS: [&str; 14] = [
    "ALL",
    "NOT ALL",
    "OR SEEN NOT SEEN",
    "TEXT thu",
    "BODY x",
    "HEADER x y",
    "HEADER Subject \"\"",
    "$",
    "1:*",
    "UID 1:3",
    "LARGER 10",
    "SENTSINCE 1-Jan-2000",
    "KEYWORD $Khan",
    "(NEW (OLD))",
];
const FLAGS: [&str; 7] = [
    "\\Seen",
    "\\Deleted",
    "$Khan",
    "(\\Flagged a b c)",
    "()",
    "\\Recent",
    "\\Nonsense",
];

fn command(random: &mut fastrand::Rng) -> String {
    let pick =
        |random: &mut fastrand::Rng, from: &[&str]| from[random.usize(..from.len())].to_owned();
    let uid = if random.bool() { "UID " } else { "" };
    let (mailbox, other) = (pick(random, &MAILBOXES), pick(random, &MAILBOXES));
    let set = pick(random, &SETS);
    match random.u32(..24) {
        0..=2 => format!("SELECT {mailbox}"),
        3 => format!("EXAMINE {mailbox}"),
        4 => format!("CREATE {mailbox}"),
        5 => format!("DELETE {mailbox}"),
        6 => format!("RENAME {mailbox} {other}"),
        7 => format!("SUBSCRIBE {mailbox}"),
        8 => format!("UNSUBSCRIBE {mailbox}"),
        9 => format!("LIST {mailbox} *"),
        10 => format!(
            "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" ({mailbox} %) RETURN (CHILDREN STATUS (MESSAGES RECENT))"
        ),
        11 => format!("LSUB \"\" {}", ["%", "*", "%/%", "a*"][random.usize(..4)]),
        12 => format!("STATUS {mailbox} (MESSAGES RECENT UIDNEXT UNSEEN SIZE DELETED)"),
        13 => {
            let text = letter("thư", "x");
            format!("APPEND {mailbox} {{{}+}}\r\n{text}", text.len())
        }
        14 => ["CLOSE", "UNSELECT", "EXPUNGE", "NOOP", "CHECK"][random.usize(..5)].to_owned(),
        15 => format!("UID EXPUNGE {set}"),
        16 | 17 => format!(
            "{uid}SEARCH {} {}",
            pick(random, &KEYS),
            pick(random, &KEYS)
        ),
        18 => format!(
            "{uid}SEARCH RETURN ({}) {}",
            ["", "SAVE", "MIN MAX", "COUNT SAVE", "ALL"][random.usize(..5)],
            pick(random, &KEYS)
        ),
        19 | 20 => format!(
            "{uid}FETCH {set} ({} {})",
            pick(random, &ITEMS),
            pick(random, &ITEMS)
        ),
        21 => format!(
            "{uid}STORE {set} {}FLAGS{} {}",
            ["", "+", "-"][random.usize(..3)],
            ["", ".SILENT"][random.usize(..2)],
            pick(random, &FLAGS)
        ),
        22 => format!("{uid}COPY {set} {mailbox}"),
        _ => format!("{uid}MOVE {set} {mailbox}"),
    }
}

#[tokio::test]
async fn every_command_is_answered() {
    let world = World::new().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut clients = [world.login("lan").await, world.login("lan").await];
    for _ in 0..1500 {
        let which = random.usize(..2);
        let command = command(&mut random);
        let lines = clients[which].command(&command).await;
        let last = lines.last().unwrap();
        assert!(
            ["OK ", "NO ", "BAD "]
                .iter()
                .any(|status| last.starts_with(status)),
            "{command}: {lines:?}"
        );
        assert!(
            !last.contains("[SERVERBUG]") && !last.contains("[UNAVAILABLE]"),
            "{command}: {last}"
        );
        if last.starts_with("BAD ") {
            // Ten of them in a row would end the connection.
            clients[which].ok("NOOP").await;
        }
    }
}
