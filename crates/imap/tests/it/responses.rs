//! The notation of answers in transcripts: items separated by `; `, the tagged result last (without one
//! the answer is unfinished).
//!
//! ```text
//! accept | granted | denied credentials | octets abc\r\n
//! exists 3; recent 1; expunge 2; flags \Seen,\Draft; namespace; say ok UIDNEXT=7 Predicted
//! list \HasNoChildren Name; childinfo SUBSCRIBED; oldname Name; mbstatus INBOX MESSAGES=3
//! search 1 2; esearch uid min=1 all=1:3 count=3
//! fetch 2 uid=7 flags=\Seen size=10 date=0+420 body[TEXT]=a\r\n later[]=10:abc binary[1]=x envelope structure
//! quota  STORAGE 1 2; quotaroot INBOX root; id name=Congvu
//! ok READ-WRITE Text | no NONEXISTENT Text | bad Text | bye Text | more
//! ```

use congvu_imap::ask::{Answer, Rfc822, Section, SectionText, SequenceSet, StatusItem};
use congvu_imap::response::{
    Code, Done, FetchData, ListEntry, MailboxStatus, Octets, SearchResult, Status, Untagged,
};
use congvu_message::{Envelope, Mailbox, Part};
use congvu_wire::sasl::{Denial, SaslAnswer};
use congvu_wire::transcript::unescape;

type Parsed<T> = Result<T, String>;

pub(crate) fn answer(text: &str) -> Parsed<Answer> {
    let (word, rest) = cut(text);
    match word {
        "accept" => return Ok(Answer::Accept),
        "granted" => return Ok(Answer::Sasl(SaslAnswer::Granted)),
        "denied" => return denial(rest).map(|denial| Answer::Sasl(SaslAnswer::Denied(denial))),
        "octets" => return unescape(rest).map(Answer::Octets),
        _ => {}
    }
    let mut untagged = Vec::new();
    let mut done = None;
    for item in text.split("; ") {
        let (word, rest) = cut(item);
        match word {
            "ok" | "no" | "bad" | "bye" => done = Some(result(word, rest)?),
            "more" => {}
            "childinfo" | "oldname" => match untagged.last_mut() {
                Some(Untagged::List(entry)) if word == "oldname" => {
                    entry.old_name = Some(rest.to_owned());
                }
                Some(Untagged::List(entry)) => entry.child_info = list(rest),
                _ => return Err(format!("{word} without a list")),
            },
            _ => untagged.push(response(word, rest)?),
        }
    }
    Ok(Answer::Reply { untagged, done })
}

fn cut(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn denial(text: &str) -> Parsed<Denial> {
    Ok(match text {
        "credentials" => Denial::Credentials,
        "disabled" => Denial::Disabled,
        "toomany" => Denial::TooMany,
        "unavailable" => Denial::Unavailable,
        other => return Err(format!("unknown denial {other}")),
    })
}

fn result(status: &str, rest: &str) -> Parsed<Done> {
    let status = match status {
        "ok" => Status::Ok,
        "no" => Status::No,
        "bad" => Status::Bad,
        _ => Status::Bye,
    };
    let (word, tail) = cut(rest);
    // A code is a word in capitals before the text.
    let is_code = !word.is_empty()
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.get(1..2).is_some_and(|c| c.to_ascii_uppercase() == c);
    let (code, text) = if is_code {
        (Some(code(word)?), tail)
    } else {
        (None, rest)
    };
    Ok(Done {
        status,
        code,
        text: text.to_owned(),
    })
}

fn code(word: &str) -> Parsed<Code> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let numbers = |text: &str| text.split(',').map(number).collect::<Parsed<Vec<u32>>>();
    let parts: Vec<&str> = value.split('/').collect();
    Ok(match (name, parts.as_slice()) {
        ("ALREADYEXISTS", _) => Code::AlreadyExists,
        ("CANNOT", _) => Code::Cannot,
        ("NONEXISTENT", _) => Code::NonExistent,
        ("NOPERM", _) => Code::NoPerm,
        ("OVERQUOTA", _) => Code::OverQuota,
        ("READ-ONLY", _) => Code::ReadOnly,
        ("READ-WRITE", _) => Code::ReadWrite,
        ("TRYCREATE", _) => Code::TryCreate,
        ("UNAVAILABLE", _) => Code::Unavailable,
        ("UNKNOWN-CTE", _) => Code::UnknownCte,
        ("MAILBOXID", _) => Code::MailboxId(value.to_owned()),
        ("PERMANENTFLAGS", _) => Code::PermanentFlags(list(value)),
        ("UIDNEXT", _) => Code::UidNext(number(value)?),
        ("UIDVALIDITY", _) => Code::UidValidity(number(value)?),
        ("UNSEEN", _) => Code::Unseen(number(value)?),
        ("APPENDUID", [uidvalidity, uids]) => Code::AppendUid {
            uidvalidity: number(uidvalidity)?,
            uids: numbers(uids)?,
        },
        ("COPYUID", [uidvalidity, from, to]) => Code::CopyUid {
            uidvalidity: number(uidvalidity)?,
            from: numbers(from)?,
            to: numbers(to)?,
        },
        _ => return Err(format!("unknown code {word}")),
    })
}

fn response(word: &str, rest: &str) -> Parsed<Untagged> {
    let (first, tail) = cut(rest);
    Ok(match word {
        "exists" => Untagged::Exists(number(rest)?),
        "recent" => Untagged::Recent(number(rest)?),
        "expunge" => Untagged::Expunge(number(rest)?),
        "flags" => Untagged::Flags(list(rest)),
        "namespace" => Untagged::Namespace,
        "say" => Untagged::Status(result(first, tail)?),
        "list" => Untagged::List(ListEntry {
            attributes: list(first),
            name: tail.to_owned(),
            ..ListEntry::default()
        }),
        "mbstatus" => Untagged::MailboxStatus(mailbox_status(first, tail)?),
        "search" => {
            let numbers = rest.split_whitespace().map(number).collect::<Parsed<_>>()?;
            Untagged::Search(SearchResult {
                numbers: Some(numbers),
                ..SearchResult::default()
            })
        }
        "esearch" => Untagged::Search(esearch(rest)?),
        "fetch" => Untagged::Fetch {
            seq: number(first)?,
            items: tail.split(' ').map(item).collect::<Parsed<_>>()?,
        },
        "quota" => {
            let words: Vec<&str> = tail.split(' ').collect();
            let resources = words
                .chunks_exact(3)
                .map(|c| Ok((c[0].to_owned(), number(c[1])?, number(c[2])?)));
            Untagged::Quota {
                root: first.to_owned(),
                resources: resources.collect::<Parsed<_>>()?,
            }
        }
        "quotaroot" => Untagged::QuotaRoot {
            mailbox: first.to_owned(),
            roots: tail.split(' ').map(str::to_owned).collect(),
        },
        "id" => Untagged::Id(
            rest.split_whitespace()
                .filter_map(|pair| pair.split_once('='))
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        ),
        other => return Err(format!("unknown response {other}")),
    })
}

fn mailbox_status(mailbox: &str, items: &str) -> Parsed<MailboxStatus> {
    let mut status = MailboxStatus {
        mailbox: mailbox.to_owned(),
        items: vec![],
        id: None,
    };
    for pair in items.split_whitespace() {
        let (name, value) = pair.split_once('=').ok_or("an item wants a value")?;
        let item = match name {
            "MESSAGES" => StatusItem::Messages,
            "RECENT" => StatusItem::Recent,
            "UIDNEXT" => StatusItem::UidNext,
            "UIDVALIDITY" => StatusItem::UidValidity,
            "UNSEEN" => StatusItem::Unseen,
            "DELETED" => StatusItem::Deleted,
            "SIZE" => StatusItem::Size,
            other => return Err(format!("unknown item {other}")),
        };
        status.items.push((item, number(value)?));
    }
    Ok(status)
}

fn esearch(rest: &str) -> Parsed<SearchResult> {
    let mut result = SearchResult::default();
    for word in rest.split_whitespace() {
        match word.split_once('=') {
            None => result.uid = true,
            Some(("min", n)) => result.min = Some(number(n)?),
            Some(("max", n)) => result.max = Some(number(n)?),
            Some(("count", n)) => result.count = Some(number(n)?),
            Some((_, ranges)) => {
                let ranges = ranges.split(',').map(|range| {
                    let (from, to) = range.split_once(':').unwrap_or((range, range));
                    Ok((Some(number(from)?), Some(number(to)?)))
                });
                result.all = Some(SequenceSet::Ranges(ranges.collect::<Parsed<_>>()?));
            }
        }
    }
    Ok(result)
}

fn item(word: &str) -> Parsed<FetchData> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let (kind, inside) = name.split_once('[').map_or((name, ""), |(kind, rest)| {
        (kind, rest.trim_end_matches(']'))
    });
    let octets = || unescape(value).map(Octets::Whole);
    Ok(match kind {
        "uid" => FetchData::Uid(number(value)?),
        "flags" => FetchData::Flags(list(value)),
        "size" => FetchData::Size(number(value)?),
        "date" => {
            let (seconds, east) = value.split_once('+').ok_or("a date wants a zone")?;
            FetchData::InternalDate(number(seconds)?, number(east)?)
        }
        "header" => FetchData::Rfc822(Rfc822::Header, octets()?),
        "body" => FetchData::Section(section(inside), None, octets()?),
        "none" => FetchData::Section(section(inside), None, Octets::Nil),
        "binary" => FetchData::Binary(section(inside).part, None, octets()?),
        "binarysize" => FetchData::BinarySize(section(inside).part, number(value)?),
        "later" => {
            let (len, first) = value.split_once(':').ok_or("later wants a length")?;
            FetchData::Section(
                section(inside),
                None,
                Octets::Later {
                    len: number(len)?,
                    first: unescape(first)?,
                },
            )
        }
        "envelope" => FetchData::Envelope(Box::new(envelope())),
        "structure" => FetchData::BodyStructure(Box::new(structure())),
        other => return Err(format!("unknown item {other}")),
    })
}

fn section(text: &str) -> Section {
    let mut section = Section::default();
    for word in text.split('.').filter(|word| !word.is_empty()) {
        match (word.parse(), word) {
            (Ok(n), _) => section.part.push(n),
            (_, "HEADER") => section.text = Some(SectionText::Header),
            (_, "MIME") => section.text = Some(SectionText::Mime),
            (_, names) if names.starts_with("FIELDS:") => {
                section.text = Some(SectionText::HeaderFields(list(&names[7..])));
            }
            _ => section.text = Some(SectionText::Text),
        }
    }
    section
}

/// The envelope of every sample message.
fn envelope() -> Envelope {
    let mailbox = |name: &str, local: &str| Mailbox {
        name: Some(name.to_owned()),
        mailbox: Some(local.to_owned()),
        host: Some("bo.test".to_owned()),
    };
    Envelope {
        date: Some("Sun, 22 Nov 2026 12:00:00 +0700".to_owned()),
        subject: Some("Giấy mời họp".to_owned()),
        from: vec![mailbox("Văn thư", "vanthu")],
        to: vec![mailbox("Nguyen \"An\"", "an")],
        message_id: Some("<1@bo.test>".to_owned()),
        ..Envelope::default()
    }
}

/// The structure of every sample message.
fn structure() -> Part {
    let text = |text: &str| text.to_owned();
    let part = |kind: &str, subtype: &str| Part {
        kind: text(kind),
        subtype: text(subtype),
        encoding: text("base64"),
        end_at: 100,
        lines: 3,
        ..Part::default()
    };
    let plain = Part {
        params: vec![(text("charset"), text("utf-8"))],
        ..part("text", "plain")
    };
    let name = vec![(text("filename"), text("Giấy mời.pdf"))];
    let pdf = Part {
        disposition: Some((text("attachment"), name)),
        ..part("application", "pdf")
    };
    Part {
        params: vec![(text("boundary"), text("b"))],
        parts: vec![plain, pdf],
        ..part("multipart", "mixed")
    }
}
