//! Reading everything back after a restart, octet for octet.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::editor::opened;
use super::letter;
use super::load::Load;
use super::model::{Letter, Mailbox, Mailboxes};
use crate::imap::{Imap, quoted};

/// Messages fetched at once.
const PAGE: usize = 200;

/// Names of an account's mailboxes.
pub(super) fn names(imap: &mut Imap) -> io::Result<Vec<String>> {
    let listed = imap.command("LIST \"\" \"*\"")?;
    let name = |line: &String| {
        let rest = line.strip_prefix("* LIST ")?.split_once("\"/\" ")?.1;
        Some(rest.trim_matches('"').to_owned())
    };
    Ok(listed.untagged.iter().filter_map(name).collect())
}

/// What a mailbox holds. Messages that are not as they were sent are faults.
pub(super) fn mailbox(
    imap: &mut Imap,
    name: &str,
    faults: &mut Vec<String>,
) -> io::Result<Mailbox> {
    let examined = imap.command(&format!("EXAMINE {}", quoted(name)))?;
    let number = |word: &str| {
        examined
            .number(word)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| io::Error::other(format!("EXAMINE {name}: no {word}: {examined:?}")))
    };
    let mut mailbox = opened(number("UIDVALIDITY")?, number("UIDNEXT")?);
    let exists = examined.untagged.iter().find_map(|line| {
        let number = line.strip_prefix("* ")?.strip_suffix(" EXISTS")?;
        number.parse::<usize>().ok()
    });
    let exists = exists.unwrap_or_default();
    for from in (1..=exists).step_by(PAGE) {
        let to = exists.min(from + PAGE - 1);
        let fetched = imap.command(&format!("FETCH {from}:{to} (UID FLAGS BODY.PEEK[])"))?;
        if !fetched.ok() {
            faults.push(format!("{name}: FETCH: {}", fetched.status));
        }
        for line in &fetched.untagged {
            message(line, name, &mut mailbox, faults);
        }
    }
    if mailbox.letters.len() != exists {
        faults.push(format!(
            "{name}: {exists} messages exist, {} are readable",
            mailbox.letters.len()
        ));
    }
    Ok(mailbox)
}

/// `* 1 FETCH (UID 7 FLAGS (\Seen) BODY[] {5}` and the octets and `)`.
fn message(line: &str, name: &str, mailbox: &mut Mailbox, faults: &mut Vec<String>) {
    let Some((head, octets)) = line.split_once("\r\n") else {
        return;
    };
    let between = |from: &str, to: char| Some(head.split_once(from)?.1.split_once(to)?.0);
    let uid = between("UID ", ' ').and_then(|uid| uid.parse::<u32>().ok());
    let flags: Option<BTreeSet<String>> = between("FLAGS (", ')').map(|flags| {
        let flags = flags.split(' ').filter(|flag| !flag.is_empty());
        flags
            .filter(|flag| *flag != "\\Recent")
            .map(str::to_owned)
            .collect()
    });
    let octets = octets.strip_suffix(')').unwrap_or(octets);
    match (uid, flags, letter::recognise(octets)) {
        (Some(uid), Some(flags), Ok(token)) => {
            if mailbox
                .letters
                .insert(uid, Letter { token, flags })
                .is_some()
            {
                faults.push(format!("{name}: UID {uid} is there twice"));
            }
        }
        (uid, _, Err(fault)) => faults.push(format!("{name}: UID {uid:?}: {fault}")),
        _ => faults.push(format!("{name}: not understood: {head}")),
    }
}

/// Compares a mailbox that has a ledger.
pub(super) fn settle(
    load: &Load,
    account: &'static str,
    name: &'static str,
    found: &Mailbox,
) -> Vec<String> {
    let mut present: BTreeMap<u64, u32> = BTreeMap::new();
    for letter in found.letters.values() {
        *present.entry(letter.token).or_default() += 1;
    }
    let faults = load.ledger(account, name, |ledger| {
        let uidvalidity = found.uidvalidity.unwrap_or_default();
        let mut faults: Vec<String> = found
            .letters
            .iter()
            .filter_map(|(uid, letter)| ledger.saw(uidvalidity, *uid, letter.token))
            .collect();
        faults.extend(ledger.settle(&present));
        faults
    });
    let whose = |fault| format!("{account}, {name}: {fault}");
    faults.into_iter().map(whose).collect()
}

/// Removes everything from a mailbox that has a ledger, so that reading it stays quick.
pub(super) fn clear(
    imap: &mut Imap,
    load: &Load,
    account: &'static str,
    name: &'static str,
    found: &Mailbox,
) -> io::Result<Vec<String>> {
    imap.command(&format!("SELECT {}", quoted(name)))?;
    for command in ["STORE 1:* +FLAGS.SILENT (\\Deleted)", "EXPUNGE"] {
        let outcome = imap.command(command)?;
        if !outcome.ok() {
            return Ok(vec![format!("{name}: {command}: {}", outcome.status)]);
        }
    }
    load.ledger(account, name, |ledger| {
        let letters = found.letters.values();
        letters.for_each(|letter| ledger.gone(letter.token));
    });
    load.add("EXPUNGE of all", 1);
    Ok(Vec::new())
}

/// All mailboxes of an account.
pub(super) fn all(imap: &mut Imap, faults: &mut Vec<String>) -> io::Result<Mailboxes> {
    let mut found = Mailboxes::new();
    for name in names(imap)? {
        let mailbox = mailbox(imap, &name, faults)?;
        found.insert(name, mailbox);
    }
    Ok(found)
}
