//! Base64 undone: runs of lines in base64 are kept as the octets that they mean, three quarters as long and with
//! what they hold in the open for zstd. Only what comes back exactly is touched.
//!
//! A coded chunk is a row of: length of plain octets (varint), these octets, then length of a run's decoded octets
//! (varint; 0 = no run, the chunk ends), letters of its full lines divided by 4 (varint), line end (0 = CR LF, 1 = LF),
//! the decoded octets. All lines of a run are full but the last, and each ends with the line end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;

/// Shortest run worth it, letters.
const LEAST: usize = 120;
/// Shortest and longest full line, letters: RFC 2045 allows 76; some write one long line.
const LINES: std::ops::RangeInclusive<usize> = 40..=1024;

/// The coded form; `None` when there is no base64 in it.
pub(super) fn encode(octets: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut letters = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while at < octets.len() {
        let Some(run) = run(octets, at, &mut letters) else {
            at = memchr(b'\n', &octets[at..]).map_or(octets.len(), |end| at + end + 1);
            continue;
        };
        // Refuses what it would not write itself: wrong padding, bits left over.
        if let Ok(decoded) = STANDARD.decode(&letters)
            && !decoded.is_empty()
        {
            varint(at - copied, &mut out);
            out.extend_from_slice(&octets[copied..at]);
            varint(decoded.len(), &mut out);
            varint(run.line / 4, &mut out);
            out.push(u8::from(!run.crlf));
            out.extend_from_slice(&decoded);
            copied = run.end;
        }
        at = run.end;
    }
    if out.is_empty() {
        return None;
    }
    varint(octets.len() - copied, &mut out);
    out.extend_from_slice(&octets[copied..]);
    varint(0, &mut out);
    (out.len() < octets.len()).then_some(out)
}

/// Lines that may be base64.
struct Run {
    end: usize,
    /// Letters of a full line.
    line: usize,
    crlf: bool,
}

/// The run that begins at `at`; its letters without line ends.
fn run(octets: &[u8], at: usize, letters: &mut Vec<u8>) -> Option<Run> {
    letters.clear();
    let (first, crlf, mut end) = line(octets, at)?;
    if !LINES.contains(&first.len()) || !first.len().is_multiple_of(4) || !all_letters(first) {
        return None;
    }
    letters.extend_from_slice(first);
    while let Some((next, its, after)) = line(octets, end) {
        let fits = its == crlf && !next.is_empty() && next.len() <= first.len();
        if !fits || !next.len().is_multiple_of(4) {
            break;
        }
        let padding = next
            .iter()
            .rev()
            .take_while(|octet| **octet == b'=')
            .count();
        if padding > 2 || !all_letters(&next[..next.len() - padding]) {
            break;
        }
        letters.extend_from_slice(next);
        end = after;
        if padding > 0 || next.len() < first.len() {
            break;
        }
    }
    (letters.len() >= LEAST).then_some(Run {
        end,
        line: first.len(),
        crlf,
    })
}

/// The line at `at` without its end, whether that is CR LF, and where the next begins.
fn line(octets: &[u8], at: usize) -> Option<(&[u8], bool, usize)> {
    let rest = octets.get(at..)?;
    let end = memchr(b'\n', rest)?;
    let line = &rest[..end];
    Some(match line.strip_suffix(b"\r") {
        Some(line) => (line, true, at + end + 1),
        None => (line, false, at + end + 1),
    })
}

fn all_letters(line: &[u8]) -> bool {
    line.iter()
        .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/'))
}

/// Back from the coded form; `None` when it is none, or gives more than `most` octets.
pub(super) fn decode(coded: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(most);
    let mut text = String::new();
    let mut rest = coded;
    loop {
        let plain = number(&mut rest)?;
        out.extend_from_slice(take(&mut rest, plain)?);
        let count = number(&mut rest)?;
        if count == 0 {
            return (rest.is_empty() && out.len() <= most).then_some(out);
        }
        let line = number(&mut rest)?.checked_mul(4)?;
        let crlf = take(&mut rest, 1)? == [0];
        let decoded = take(&mut rest, count)?;
        if line == 0 || out.len() + decoded.len() > most {
            return None;
        }
        text.clear();
        STANDARD.encode_string(decoded, &mut text);
        for letters in text.as_bytes().chunks(line) {
            out.extend_from_slice(letters);
            out.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
        }
        if out.len() > most {
            return None;
        }
    }
}

fn varint(mut number: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(number & 0x7F).expect("seven bits");
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Takes a varint of at most five octets.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for place in 0..5 {
        let (&octet, after) = rest.split_first()?;
        *rest = after;
        number |= usize::from(octet & 0x7F) << (7 * place);
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` octets in lines of `line` letters.
    fn lines(count: usize, line: usize, end: &str) -> String {
        let octets: Vec<u8> = (0..count).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let text = STANDARD.encode(octets);
        let mut all = String::new();
        for line in text.as_bytes().chunks(line) {
            all.push_str(str::from_utf8(line).unwrap());
            all.push_str(end);
        }
        all
    }

    #[track_caller]
    fn check(text: &str, coded: bool) {
        let found = encode(text.as_bytes());
        assert_eq!(found.is_some(), coded, "{text}");
        if let Some(found) = found {
            assert!(found.len() < text.len());
            let back = decode(&found, text.len());
            assert_eq!(back.as_deref(), Some(text.as_bytes()));
            assert_eq!(decode(&found, text.len() - 1), None, "longer than allowed");
            for cut in 0..found.len() {
                assert_ne!(
                    decode(&found[..cut], text.len()).as_deref(),
                    Some(text.as_bytes())
                );
            }
        }
    }

    #[test]
    fn runs_come_back_exactly() {
        for count in 300..310 {
            for (line, end) in [
                (76, "\r\n"),
                (76, "\n"),
                (60, "\r\n"),
                (64, "\n"),
                (256, "\r\n"),
            ] {
                let run = lines(count, line, end);
                check(&run, true);
                check(
                    &format!("--b\r\nContent-Type: x\r\n\r\n{run}\r\n--b--\r\n"),
                    true,
                );
                check(&format!("{run}{run}text\r\n{run}cut short"), true);
            }
        }
        check(&lines(300, 76, "\r\n").replacen("\r\n", "\n", 1), true);
        check(&lines(300, 76, "\r\n").replacen('A', "*", 2), true);
    }

    #[test]
    fn what_is_no_base64_stays() {
        check("", false);
        check("Short\r\nlines\r\n", false);
        check(
            &"words of a text that is long enough to look at\r\n".repeat(9),
            false,
        );
        check(&lines(60, 76, "\r\n"), false);
        // Padding that no encoder writes.
        let odd = format!("{}\r\n{}Q=R=\r\n", "A".repeat(76), "A".repeat(72));
        check(&odd, false);
        // Bits left over.
        let odd = format!("{}\r\n{}AAAAAAB=\r\n", "A".repeat(76), "A".repeat(48));
        check(&odd, false);
    }

    #[test]
    fn any_octets_are_read_without_panic() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..5_000 {
            let length = random.usize(..60);
            let octets: Vec<u8> = (0..length).map(|_| random.u8(..8)).collect();
            if let Some(text) = decode(&octets, 1000) {
                assert!(text.len() <= 1000);
            }
        }
    }
}
