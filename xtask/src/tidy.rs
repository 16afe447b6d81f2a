//! The architecture's rules as a program: arrows between crates point down, sockets stay in `net`, sled
//! stays in one file, files stay small and say what they are, every RFC named in code is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crate and level, as in `docs/architecture.md`. A crate may use only crates of lower levels.
const LEVELS: &[(&str, u8)] = &[
    // Stands in `tests/`: made-up mail, used by tests alone.
    ("letters", 0),
    ("message", 0),
    ("wire", 0),
    ("smtp", 1),
    ("imap", 1),
    ("store", 1),
    ("directory", 2),
    ("spam", 2),
    ("net", 2),
    ("guard", 3),
    ("smtpd", 4),
    ("queue", 4),
    ("imapd", 4),
    ("web", 4),
    ("admin", 5),
    ("congvu", 6),
];

/// Past this a file holds a second room.
const MAX_LINES: usize = 700;

/// Where the one file that knows sled stands, with the module that chooses it.
const ENGINE: &str = "crates/store/src/engine/";

/// Words that only the crate with sockets may use, in code outside tests.
const SOCKETS: &[&str] = &[
    "tokio::net",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
];

/// Files outside `net` that may open a socket, and why.
const SOCKET_EXCEPTIONS: &[(&str, &str)] = &[
    (
        "crates/admin/src/",
        "the control socket is a Unix socket of the administrator's",
    ),
    (
        "crates/congvu/src/",
        "the command line connects to the control socket; quickstart looks for free ports",
    ),
];

pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut faults = Vec::new();
    levels(root, &mut faults)?;
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files)?;
    collect(&root.join("tests"), &mut files)?;
    collect(&root.join("xtask"), &mut files)?;
    files.sort();
    let mut named = BTreeMap::new();
    for file in &files {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file
            .strip_prefix(root)
            .unwrap_or(file)
            .to_string_lossy()
            .replace('\\', "/");
        source(&name, &text, &mut faults);
        for rfc in rfcs(&text) {
            named.entry(rfc).or_insert_with(|| name.clone());
        }
    }
    rfc_list(root, &named, &mut faults)?;
    decisions(root, &mut faults)?;
    if faults.is_empty() {
        eprintln!("tidy: {} files in order", files.len());
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    Err(format!("{} faults", faults.len()))
}

/// Arrows between crates point down.
fn levels(root: &Path, faults: &mut Vec<String>) -> Result<(), String> {
    let level: BTreeMap<&str, u8> = LEVELS.iter().copied().collect();
    let crates = root.join("crates");
    for entry in fs::read_dir(&crates).map_err(|error| format!("{}: {error}", crates.display()))? {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(own) = level.get(name.as_str()) else {
            faults.push(format!("crates/{name}: has no level in xtask/src/tidy.rs"));
            continue;
        };
        let manifest = entry.path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .map_err(|error| format!("{}: {error}", manifest.display()))?;
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("congvu-") else {
                continue;
            };
            let used: String = rest
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            match level.get(used.as_str()) {
                Some(other) if other < own => {}
                Some(other) => faults.push(format!(
                    "crates/{name} (level {own}) uses {used} (level {other})"
                )),
                None => faults.push(format!("crates/{name} uses an unknown crate {used}")),
            }
        }
    }
    Ok(())
}

/// Rules for one source file.
fn source(name: &str, text: &str, faults: &mut Vec<String>) {
    if !text.trim_start().starts_with("//!") {
        faults.push(format!("{name}: does not say at its top (//!) what it is"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!(
            "{name}: {lines} lines; past {MAX_LINES} a file holds a second room"
        ));
    }
    if !name.starts_with("crates/") || name.contains("/tests/") || name.contains("/benches/") {
        return;
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    for (number, line) in code.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        let at = || format!("{name}:{}", number + 1);
        if !name.starts_with(ENGINE) && line.contains("sled::") {
            faults.push(format!("{}: sled stays in {ENGINE}sled.rs", at()));
        }
        let excused = name.starts_with("crates/net/")
            || SOCKET_EXCEPTIONS
                .iter()
                .any(|(prefix, _)| name.starts_with(prefix));
        if !excused && SOCKETS.iter().any(|word| line.contains(word)) {
            faults.push(format!("{}: sockets stay in crates/net", at()));
        }
        if line.contains("todo!(") || line.contains("unimplemented!(") {
            faults.push(format!("{}: unfinished code", at()));
        }
    }
}

/// Numbers after `RFC ` in comments and code.
fn rfcs(text: &str) -> BTreeSet<u32> {
    text.match_indices("RFC ")
        .filter_map(|(at, _)| {
            let digits: String = text[at + 4..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            (digits.len() >= 3).then(|| digits.parse().ok()).flatten()
        })
        .collect()
}

/// Every RFC named in code stands in `docs/rfc.txt` with its status.
fn rfc_list(
    root: &Path,
    named: &BTreeMap<u32, String>,
    faults: &mut Vec<String>,
) -> Result<(), String> {
    let list = root.join("docs/rfc.txt");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let mut listed = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let Some(first) = line.split_whitespace().next() else {
            continue;
        };
        let Ok(rfc) = first.parse::<u32>() else {
            continue;
        };
        if !listed.insert(rfc) {
            faults.push(format!(
                "docs/rfc.txt:{}: {rfc} is listed twice",
                number + 1
            ));
        }
        let status = line.split_whitespace().nth(1).unwrap_or_default();
        if !["whole", "part", "read", "later"].contains(&status) {
            faults.push(format!(
                "docs/rfc.txt:{}: status {status:?} is none of whole, part, read, later",
                number + 1
            ));
        }
    }
    for (rfc, file) in named {
        if !listed.contains(rfc) {
            faults.push(format!(
                "RFC {rfc}, named in {file}, is missing from docs/rfc.txt"
            ));
        }
    }
    Ok(())
}

/// Decision pages are numbered without gaps or doubles.
fn decisions(root: &Path, faults: &mut Vec<String>) -> Result<(), String> {
    let folder = root.join("docs/decisions");
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let name = entry
            .map_err(|error| error.to_string())?
            .file_name()
            .to_string_lossy()
            .into_owned();
        let Some(number) = name.get(..4).and_then(|digits| digits.parse::<u32>().ok()) else {
            faults.push(format!(
                "docs/decisions/{name}: its name does not begin with a four-digit number"
            ));
            continue;
        };
        if let Some(other) = seen.insert(number, name.clone()) {
            faults.push(format!("docs/decisions/{name} and {other} share a number"));
        }
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        source(name, text, &mut faults);
        faults
    }

    #[test]
    fn finds_what_is_forbidden() {
        assert!(faults("crates/imap/src/a.rs", "//! A.\nfn a() {}\n").is_empty());
        assert_eq!(faults("crates/imap/src/a.rs", "fn a() {}\n").len(), 1);
        assert_eq!(
            faults(
                "crates/imap/src/a.rs",
                "//! A.\nuse tokio::net::TcpStream;\n"
            )
            .len(),
            1
        );
        assert!(
            faults(
                "crates/net/src/a.rs",
                "//! A.\nuse tokio::net::TcpStream;\n"
            )
            .is_empty()
        );
        assert_eq!(
            faults("crates/store/src/tx.rs", "//! A.\nuse sled::Tree;\n").len(),
            1
        );
        assert!(
            faults(
                "crates/store/src/engine/sled.rs",
                "//! A.\nuse sled::Tree;\n"
            )
            .is_empty()
        );
        assert_eq!(
            faults(
                "crates/imap/src/a.rs",
                &format!("//! A.\n{}", "\n".repeat(MAX_LINES))
            )
            .len(),
            1
        );
    }

    #[test]
    fn reads_rfc_numbers() {
        assert_eq!(
            rfcs("RFC 9051 section 6, RFC 3501; RFC x; RFC 12"),
            BTreeSet::from([3501, 9051])
        );
    }
}
