//! Service transcripts: `tests/sessions/*.txt`, several clients against a real server.
//!
//! | line | meaning |
//! |---|---|
//! | `# …` | comment |
//! | `1 imap NAME` | opens connection 1 over TLS to that listener (`imap`, `imaps`, `mx`, …); its greeting is read |
//! | `1C: text` | client 1 sends a line |
//! | `1L: text` | client 1 sends text without a line end; `\n` in it is CRLF |
//! | `1R: text` | client 1 sends octets without a line end; `\x0a` in it is an octet |
//! | `1S: text` | the next line to client 1 matches |
//! | `1S* text` | some later line matches; what comes before is passed over |
//! | `1T` | client 1 does the TLS handshake |
//! | `1X` | the connection of client 1 has ended |
//!
//! In expected text `…` stands for anything, and `$name` for a word: taken the first time, the same
//! ever after; in sent text it is put in. `$password` and the addresses of the set-up are known.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::client::Connection;

/// Runs one transcript.
///
/// # Errors
/// The first line that did not hold, with what was said instead.
pub fn run(
    text: &str,
    listener: &dyn Fn(&str) -> Option<SocketAddr>,
    known: &BTreeMap<String, String>,
) -> Result<(), String> {
    let mut run = Run {
        connections: BTreeMap::new(),
        known: known.clone(),
    };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        run.line(line, listener).map_err(|fault| {
            let said: Vec<&str> = run
                .connections
                .values()
                .map(|connection| connection.transcript.as_str())
                .collect();
            format!(
                "line {}: {line}\n{fault}\nsaid so far:\n{}",
                number + 1,
                said.join("--\n")
            )
        })?;
    }
    Ok(())
}

struct Run {
    connections: BTreeMap<char, Connection>,
    known: BTreeMap<String, String>,
}

impl Run {
    fn line(
        &mut self,
        line: &str,
        listener: &dyn Fn(&str) -> Option<SocketAddr>,
    ) -> Result<(), String> {
        let mut chars = line.chars();
        let client = chars.next().unwrap_or_default();
        let rest = chars.as_str();
        if let Some(name) = rest.strip_prefix(' ') {
            let address = listener(name).ok_or_else(|| format!("no listener {name}"))?;
            let implicit = matches!(name, "imaps" | "submissions");
            let opened = if implicit {
                Connection::tls(address)
            } else {
                Connection::plain(address)
            };
            let mut connection = opened.map_err(|error| error.to_string())?;
            connection.read_line().map_err(|error| error.to_string())?;
            self.connections.insert(client, connection);
            return Ok(());
        }
        let connection = self
            .connections
            .get_mut(&client)
            .ok_or("no such connection")?;
        let kind: String = rest.chars().take(2).collect();
        let text = rest.get(2..).unwrap_or_default();
        let text = text.strip_prefix(' ').unwrap_or(text);
        let failed = |error: std::io::Error| error.to_string();
        match kind.as_str() {
            "C:" => connection.line(&fill(text, &self.known)).map_err(failed),
            "L:" => connection
                .send(fill(text, &self.known).replace("\\n", "\r\n").as_bytes())
                .map_err(failed),
            "R:" => connection
                .send(&octets(&fill(text, &self.known)))
                .map_err(failed),
            "S:" => {
                let said = connection
                    .read_line()
                    .map_err(failed)?
                    .ok_or("the connection ended")?;
                take(text, &said, &mut self.known)
                    .then_some(())
                    .ok_or_else(|| format!("got:  {said}"))
            }
            "S*" => loop {
                let said = connection
                    .read_line()
                    .map_err(failed)?
                    .ok_or("the connection ended before it came")?;
                if take(text, &said, &mut self.known) {
                    return Ok(());
                }
            },
            "T" => connection.start_tls().map_err(failed),
            "X" => match connection.read_line() {
                Ok(Some(said)) => Err(format!("still open: {said}")),
                Ok(None) | Err(_) => Ok(()),
            },
            other => Err(format!("no such line kind {other:?}")),
        }
    }
}

/// `\xNN` as octets, everything else as it stands.
fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        octets.extend_from_slice(before.as_bytes());
        let octet = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.extend_from_slice(
            octet
                .as_ref()
                .map_or(b"\\x".as_slice(), std::slice::from_ref),
        );
        rest = if octet.is_some() { &after[2..] } else { after };
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

/// Puts known variables into sent text.
fn fill(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let name = word(&rest[at + 1..]);
        match known.get(name) {
            Some(value) => filled.push_str(value),
            None => filled.push_str(&rest[at..=at + name.len()]),
        }
        rest = &rest[at + 1 + name.len()..];
    }
    filled.push_str(rest);
    filled
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .unwrap_or(text.len());
    &text[..end]
}

/// Whether a line matches a pattern; new variables are kept when it does.
fn take(pattern: &str, said: &str, known: &mut BTreeMap<String, String>) -> bool {
    let mut found = known.clone();
    if matches(pattern, said, &mut found) {
        *known = found;
        return true;
    }
    false
}

fn matches(pattern: &str, said: &str, known: &mut BTreeMap<String, String>) -> bool {
    let Some(first) = pattern.chars().next() else {
        return said.is_empty();
    };
    match first {
        '…' => {
            let rest = &pattern[first.len_utf8()..];
            let ends: Vec<usize> = said
                .char_indices()
                .map(|(at, _)| at)
                .chain([said.len()])
                .collect();
            ends.into_iter().any(|at| {
                let mut attempt = known.clone();
                let fits = matches(rest, &said[at..], &mut attempt);
                if fits {
                    *known = attempt;
                }
                fits
            })
        }
        '$' if !word(&pattern[1..]).is_empty() => {
            let name = word(&pattern[1..]);
            let rest = &pattern[1 + name.len()..];
            let value = known.get(name).cloned().unwrap_or_else(|| {
                let end = said
                    .find(|c: char| c.is_whitespace() || "()[]\"<>".contains(c))
                    .unwrap_or(said.len());
                said[..end].to_owned()
            });
            let Some(after) = said.strip_prefix(value.as_str()) else {
                return false;
            };
            known.insert(name.to_owned(), value);
            matches(rest, after, known)
        }
        _ => said
            .strip_prefix(first)
            .is_some_and(|after| matches(&pattern[first.len_utf8()..], after, known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_and_compare_words() {
        let mut known = BTreeMap::new();
        assert!(take(
            "a OK [APPENDUID $v $uid] …",
            "a OK [APPENDUID 7 12] done",
            &mut known
        ));
        assert_eq!(known.get("uid").map(String::as_str), Some("12"));
        assert!(take(
            "* … FETCH (UID $uid)",
            "* 1 FETCH (UID 12)",
            &mut known
        ));
        assert!(!take(
            "* … FETCH (UID $uid)",
            "* 1 FETCH (UID 13)",
            &mut known
        ));
        assert_eq!(
            fill("b UID FETCH $uid FLAGS $", &known),
            "b UID FETCH 12 FLAGS $"
        );
    }
}
