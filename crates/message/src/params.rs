//! Content-Type and Content-Disposition: the value and its parameters, with RFC 2231 continuations and
//! charsets, and the RFC 2047 words that many programs put there instead.

use crate::charset;
use crate::guard::PARAMS_MAX;
use crate::header::unfold;
use crate::token::Cursor;
use crate::words::{self, hex};

/// Pieces of parameters looked at in one field, continuations counted singly.
const PIECES_MAX: usize = 1000;

/// A parsed field: `head` is what stands before the first `;`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parameterized {
    pub(crate) head: String,
    pub(crate) params: Vec<(String, String)>,
}

/// One `name*0*=value`.
struct Piece {
    name: String,
    /// Number of the continuation; `None` without.
    number: Option<u32>,
    /// Percent-encoded, the first one with charset and language.
    extended: bool,
    value: Vec<u8>,
}

/// ```text
/// content   := type "/" subtype *(";" parameter)           ; RFC 2045 section 5.1
/// parameter := attribute ["*" number] ["*"] "=" value      ; RFC 2231 section 7
/// ```
///
/// Lenient: an unquoted value reaches to the next `;`, blanks and all (`filename=báo cáo.pdf`).
pub(crate) fn parse(value: &[u8]) -> Parameterized {
    let flat = unfold(value);
    let mut cursor = Cursor::new(&flat);
    let mut head = Vec::new();
    while let Some(b) = cursor.peek() {
        match b {
            b';' => break,
            b'(' => drop(cursor.comment()),
            _ => {
                head.push(b);
                cursor.bump();
            }
        }
    }
    let mut pieces = Vec::new();
    while cursor.peek().is_some() && pieces.len() < PIECES_MAX {
        pieces.extend(piece(&mut cursor));
    }
    Parameterized {
        head: clean(&head).to_ascii_lowercase(),
        params: join(pieces),
    }
}

fn piece(cursor: &mut Cursor<'_>) -> Option<Piece> {
    while matches!(cursor.peek(), Some(b';' | b' ' | b'\t')) {
        cursor.bump();
    }
    if cursor.peek() == Some(b'(') {
        cursor.comment();
        return None;
    }
    let name = clean(cursor.until(|b| matches!(b, b'=' | b';'))).to_ascii_lowercase();
    if cursor.peek() != Some(b'=') {
        return None;
    }
    cursor.bump();
    cursor.blanks();
    let value = if cursor.peek() == Some(b'"') {
        let quoted = cursor.quoted();
        cursor.until(|b| b == b';');
        quoted
    } else {
        let mut plain = cursor.until(|b| b == b';').trim_ascii();
        // A comment after the value; a parenthesis inside it belongs to a file name.
        if plain.ends_with(b")")
            && let Some(open) = plain.windows(2).position(|pair| pair == b" (")
        {
            plain = plain[..open].trim_ascii_end();
        }
        plain.to_vec()
    };
    let (name, extended) = match name.strip_suffix('*') {
        Some(rest) => (rest, true),
        None => (name.as_str(), false),
    };
    let (name, number) = match name.split_once('*') {
        Some((rest, digits)) => (rest, Some(digits.parse().ok()?)),
        None => (name, None),
    };
    (!name.is_empty()).then(|| Piece {
        name: name.to_owned(),
        number,
        extended,
        value,
    })
}

fn join(mut pieces: Vec<Piece>) -> Vec<(String, String)> {
    let mut names: Vec<String> = Vec::new();
    for piece in &pieces {
        if names.len() < PARAMS_MAX && !names.contains(&piece.name) {
            names.push(piece.name.clone());
        }
    }
    // Stable: of two pieces with one number the first is taken.
    pieces.sort_by_key(|piece| piece.number);
    names
        .into_iter()
        .map(|name| {
            let of_name = || pieces.iter().filter(|piece| piece.name == name);
            // RFC 2231 forms win over the plain one that stands beside them for old readers.
            let value = if let Some(whole) =
                of_name().find(|piece| piece.number.is_none() && piece.extended)
            {
                extended(std::iter::once(whole))
            } else if of_name().any(|piece| piece.number == Some(0)) {
                extended(of_name().filter(|piece| piece.number.is_some()))
            } else {
                of_name()
                    .next()
                    .map(|piece| words::decode(&piece.value))
                    .unwrap_or_default()
            };
            (name, value)
        })
        .collect()
}

/// Puts pieces together before the charset is decoded: a character may be cut between two of them.
fn extended<'a>(pieces: impl Iterator<Item = &'a Piece>) -> String {
    let mut charset = String::new();
    let mut bytes = Vec::new();
    let mut expected = None;
    for piece in pieces {
        // Continuations count 0, 1, 2 …; a gap ends the value, a repetition is passed over.
        if let (Some(number), Some(wanted)) = (piece.number, expected) {
            if number > wanted {
                break;
            }
            if number < wanted {
                continue;
            }
        }
        let first = expected.is_none();
        expected = Some(piece.number.unwrap_or(0).saturating_add(1));
        let mut value = piece.value.as_slice();
        if piece.extended && first {
            let mut fields = value.splitn(3, |&b| b == b'\'');
            if let (Some(name), Some(_language), Some(rest)) =
                (fields.next(), fields.next(), fields.next())
            {
                charset = String::from_utf8_lossy(name).into_owned();
                value = rest;
            }
        }
        if piece.extended {
            percent_decode(value, &mut bytes);
        } else {
            bytes.extend_from_slice(value);
        }
    }
    charset::decode(&charset, &bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&b) = value.get(at) {
        at += 1;
        match (b, hex(value.get(at)), hex(value.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            _ => out.push(b),
        }
    }
}

/// Trimmed, controls out, lossy.
fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii())
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn check(value: &str, head: &str, params: &[(&str, &str)]) {
        let found = parse(value.as_bytes());
        assert_eq!(found.head, head, "{value:?}");
        let found: Vec<(&str, &str)> = found
            .params
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, params, "{value:?}");
    }

    #[test]
    fn parameters() {
        check("text/plain", "text/plain", &[]);
        check(
            " Text/HTML (note) ; Charset=\"UTF-8\"",
            "text/html",
            &[("charset", "UTF-8")],
        );
        check(
            "multipart/mixed; boundary=\"a;b=c\"; x",
            "multipart/mixed",
            &[("boundary", "a;b=c")],
        );
        check(
            "text/plain; charset=utf-8 (yes); format=flowed",
            "text/plain",
            &[("charset", "utf-8"), ("format", "flowed")],
        );
        check(
            "attachment; filename=báo cáo (1).pdf",
            "attachment",
            &[("filename", "báo cáo (1).pdf")],
        );
        check(
            "attachment; filename=\"=?utf-8?B?xJDGoW4=?=.doc\"",
            "attachment",
            &[("filename", "Đơn.doc")],
        );
        check("a/b; =x; ;; name", "a/b", &[]);
        check("", "", &[]);
        check("a/b; x=\"open", "a/b", &[("x", "open")]);
        check("a/b; x=1; X=2", "a/b", &[("x", "1")]);
    }

    #[test]
    fn rfc_2231() {
        check(
            "attachment; filename*=UTF-8'vi'C%C3%B4ng%20v%C4%83n.pdf",
            "attachment",
            &[("filename", "Công văn.pdf")],
        );
        check("a/b; name=x; name*=utf-8''%C4%91", "a/b", &[("name", "đ")]);
        check("a/b; n*1=b; n*0=a; n*2=c", "a/b", &[("n", "abc")]);
        // "ễ" cut between two continuations.
        check(
            "a/b; n*0*=utf-8''%E1%BB; n*1*=%85; n*2=%85",
            "a/b",
            &[("n", "ễ%85")],
        );
        check("a/b; n*0=a; n*2=c", "a/b", &[("n", "a")]);
        check("a/b; n*x=a; n*99999999999=b", "a/b", &[]);
        check("a/b; n*=%zz", "a/b", &[("n", "%zz")]);
        check("a/b; n*0=a; n*0=b; n*1=c", "a/b", &[("n", "ac")]);
    }

    #[test]
    fn bounded() {
        let many: Vec<String> = (0..5000).map(|n| format!("; p{n}=1")).collect();
        assert_eq!(
            parse(format!("a/b{}", many.concat()).as_bytes())
                .params
                .len(),
            100
        );
        let pieces: Vec<String> = (0..50_000).map(|n| format!("; p*{n}=1")).collect();
        assert_eq!(
            parse(format!("a/b{}", pieces.concat()).as_bytes())
                .params
                .len(),
            1
        );
    }
}
