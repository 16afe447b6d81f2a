//! Search keys compiled for a view, and their three-valued evaluation: a key is true, false, or not yet
//! decided by the facts at hand.
//!
//! Texts match without regard to case; letters of the query without a mark match that letter with any
//! mark, letters with a mark only themselves (`congvu_message::fold`).

use congvu_imap::ask::SearchKey;
use congvu_message::fold::Query;
use congvu_message::{Envelope, Mailbox, Summary, header, words};
use congvu_store::{Flags, Message};

use crate::flags;
use crate::set::Targets;
use crate::view::View;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A compiled key.
#[derive(Debug)]
pub(super) enum Key {
    And(Vec<Key>),
    Or(Box<Key>, Box<Key>),
    Not(Box<Key>),
    Always(bool),
    Number(Targets),
    Recent,
    /// `\Recent` and not `\Seen`.
    New,
    Flag(Flags),
    Keyword(u16),
    /// Days since 1970 of INTERNALDATE in its own zone: from, to (inclusive).
    Day(i64, i64),
    /// The same for the Date field.
    SentDay(i64, i64),
    Larger(u64),
    Smaller(u64),
    /// A field of the envelope.
    Field(Field, Query),
    /// Any other field by its name; with an empty text, its presence.
    Raw(String, Query, bool),
    Body(Query),
    Text(Query),
}

/// Fields that the envelope has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    From,
    To,
    Cc,
    Bcc,
    Subject,
    MessageId,
    InReplyTo,
}

/// A message that may match.
pub(super) struct Candidate {
    pub(super) seq: u32,
    pub(super) message: Message,
    /// Recent to this session.
    pub(super) recent: bool,
}

/// What is known of a message.
pub(super) struct Facts<'a> {
    candidate: &'a Candidate,
    pub(super) summary: Option<&'a Summary>,
    /// The raw header of the message.
    pub(super) header: Option<&'a [u8]>,
    /// The words of its body.
    pub(super) words: Option<&'a str>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(candidate: &'a Candidate) -> Self {
        Self {
            candidate,
            summary: None,
            header: None,
            words: None,
        }
    }
}

impl Key {
    /// Compiles a key. Its depth is bounded by the grammar (32).
    pub(super) fn compile(key: &SearchKey, view: &View, keywords: &[String]) -> Self {
        let all = |keys: &[SearchKey]| {
            keys.iter()
                .map(|key| Self::compile(key, view, keywords))
                .collect()
        };
        match key {
            SearchKey::And(keys) => Self::And(all(keys)),
            SearchKey::Or(left, right) => Self::Or(
                Box::new(Self::compile(left, view, keywords)),
                Box::new(Self::compile(right, view, keywords)),
            ),
            SearchKey::Not(key) => Self::Not(Box::new(Self::compile(key, view, keywords))),
            SearchKey::All => Self::Always(true),
            SearchKey::Sequence(set) => Self::Number(Targets::resolve_leniently(
                set,
                false,
                view.uids(),
                &view.saved,
            )),
            SearchKey::Uid(set) => Self::Number(Targets::resolve_leniently(
                set,
                true,
                view.uids(),
                &view.saved,
            )),
            SearchKey::Flag(name) => Self::flag(name, keywords),
            SearchKey::Recent => Self::Recent,
            SearchKey::Old => Self::Not(Box::new(Self::Recent)),
            SearchKey::New => Self::New,
            SearchKey::Header(name, text) => Self::header(name, text),
            SearchKey::Body(text) => Self::Body(Query::new(text)),
            SearchKey::Text(text) => Self::Text(Query::new(text)),
            SearchKey::Before(day) => Self::Day(i64::MIN, day.saturating_sub(1)),
            SearchKey::On(day) => Self::Day(*day, *day),
            SearchKey::Since(day) => Self::Day(*day, i64::MAX),
            SearchKey::SentBefore(day) => Self::SentDay(i64::MIN, day.saturating_sub(1)),
            SearchKey::SentOn(day) => Self::SentDay(*day, *day),
            SearchKey::SentSince(day) => Self::SentDay(*day, i64::MAX),
            SearchKey::Larger(size) => Self::Larger(*size),
            SearchKey::Smaller(size) => Self::Smaller(*size),
        }
    }

    fn flag(name: &str, keywords: &[String]) -> Self {
        if let Some(flag) = flags::system(name) {
            Self::Flag(flag)
        } else if name.eq_ignore_ascii_case("\\Recent") {
            Self::Recent
        } else {
            // A keyword that no message of the mailbox ever had matches nothing.
            flags::keyword(name, keywords).map_or(Self::Always(false), Self::Keyword)
        }
    }

    fn header(name: &str, text: &str) -> Self {
        let field = match name.to_ascii_lowercase().as_str() {
            "from" => Some(Field::From),
            "to" => Some(Field::To),
            "cc" => Some(Field::Cc),
            "bcc" => Some(Field::Bcc),
            "subject" => Some(Field::Subject),
            "message-id" => Some(Field::MessageId),
            "in-reply-to" => Some(Field::InReplyTo),
            _ => None,
        };
        match field {
            Some(field) if !text.is_empty() => Self::Field(field, Query::new(text)),
            // Presence of a field is seen in the header alone.
            _ => Self::Raw(name.to_owned(), Query::new(text), text.is_empty()),
        }
    }

    /// Whether more than sequence numbers and UIDs is asked for.
    pub(super) fn needs_record(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().any(Self::needs_record),
            Self::Or(left, right) => left.needs_record() || right.needs_record(),
            Self::Not(key) => key.needs_record(),
            Self::Always(_) | Self::Number(_) | Self::Recent => false,
            _ => true,
        }
    }

    /// Whether the words of the message are asked for.
    pub(super) fn needs_words(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().any(Self::needs_words),
            Self::Or(left, right) => left.needs_words() || right.needs_words(),
            Self::Not(key) => key.needs_words(),
            Self::Body(_) | Self::Text(_) => true,
            _ => false,
        }
    }

    /// Decides by the sequence number alone, where that is possible.
    pub(super) fn by_number(&self, seq: u32, view: &View) -> Option<bool> {
        self.evaluate(&|key| match key {
            Self::Number(targets) => Some(targets.contains(seq)),
            Self::Recent => Some(
                view.uids()
                    .at(seq)
                    .is_some_and(|uid| view.recent().contains(uid)),
            ),
            _ => None,
        })
    }

    /// Decides by what is known; `None`: more must be read.
    pub(super) fn decide(&self, facts: &Facts<'_>) -> Option<bool> {
        self.evaluate(&|key| key.leaf(facts))
    }

    fn evaluate(&self, leaf: &impl Fn(&Self) -> Option<bool>) -> Option<bool> {
        match self {
            Self::Always(value) => Some(*value),
            Self::Not(key) => key.evaluate(leaf).map(|value| !value),
            Self::And(keys) => {
                let mut all = Some(true);
                for key in keys {
                    match key.evaluate(leaf) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Self::Or(left, right) => match (left.evaluate(leaf), right.evaluate(leaf)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            key => leaf(key),
        }
    }

    fn leaf(&self, facts: &Facts<'_>) -> Option<bool> {
        let Candidate {
            seq,
            message,
            recent,
        } = facts.candidate;
        Some(match self {
            Self::Number(targets) => targets.contains(*seq),
            Self::Recent => *recent,
            Self::New => *recent && !message.flags.contains(Flags::SEEN),
            Self::Flag(flag) => message.flags.contains(*flag),
            Self::Keyword(index) => message.keywords.contains(index),
            Self::Day(from, to) => within(Some((message.date, message.zone)), *from, *to),
            Self::Larger(size) => u64::from(message.size) > *size,
            Self::Smaller(size) => u64::from(message.size) < *size,
            Self::SentDay(from, to) => {
                // Deviates: without a readable Date field the day of arrival counts, as people expect it.
                let sent = facts
                    .summary?
                    .envelope
                    .sent
                    .or(Some((message.date, message.zone)));
                within(sent, *from, *to)
            }
            Self::Field(field, query) => field.matches(&facts.summary?.envelope, query),
            Self::Body(query) => query.matches_raw(facts.words?),
            Self::Text(query) => {
                query.matches_raw(&decoded_header(facts.header?)) || query.matches_raw(facts.words?)
            }
            Self::Raw(name, query, presence) => {
                let header = facts.header?;
                header::fields(header)
                    .filter(|field| field.is(name))
                    .any(|field| *presence || query.matches_raw(&words::decode(field.value)))
            }
            // Decided by `evaluate`.
            Self::And(_) | Self::Or(..) | Self::Not(_) | Self::Always(_) => return None,
        })
    }
}

impl Field {
    fn matches(self, envelope: &Envelope, query: &Query) -> bool {
        let text =
            |text: &Option<String>| text.as_deref().is_some_and(|text| query.matches_raw(text));
        let list = |list: &[Mailbox]| query.matches_raw(&written(list));
        match self {
            Self::From => list(&envelope.from),
            Self::To => list(&envelope.to),
            Self::Cc => list(&envelope.cc),
            Self::Bcc => list(&envelope.bcc),
            Self::Subject => text(&envelope.subject),
            Self::MessageId => text(&envelope.message_id),
            Self::InReplyTo => text(&envelope.in_reply_to),
        }
    }
}

/// Addresses as one would write them: `Name <local@host>, …`.
fn written(list: &[Mailbox]) -> String {
    let mut all = String::new();
    for Mailbox {
        name,
        mailbox,
        host,
    } in list
    {
        if !all.is_empty() {
            all.push_str(", ");
        }
        if let Some(name) = name {
            all.push_str(name);
            all.push(' ');
        }
        match (mailbox, host) {
            (Some(local), Some(host)) => all.extend(["<", local, "@", host, ">"]),
            (Some(group), None) => all.push_str(group),
            _ => {}
        }
    }
    all
}

/// All fields of a header as people read them.
fn decoded_header(raw: &[u8]) -> String {
    let mut all = String::new();
    for field in header::fields(raw) {
        all.push_str(&String::from_utf8_lossy(field.name));
        all.push_str(": ");
        all.push_str(&words::decode(field.value));
        all.push('\n');
    }
    all
}

/// Whether a date's day, in its own zone, lies within.
fn within(date: Option<(i64, i16)>, from: i64, to: i64) -> bool {
    date.is_some_and(|(seconds, zone)| {
        let day = seconds.saturating_add(i64::from(zone) * 60).div_euclid(DAY);
        from <= day && day <= to
    })
}

#[cfg(test)]
mod tests {
    use congvu_message::Mailbox;

    use super::{DAY, Key, within, written};

    #[test]
    fn three_values() {
        let yes = || Key::Always(true);
        let no = || Key::Always(false);
        let open = || Key::Larger(1);
        let check = |key: Key, expected: Option<bool>| {
            assert_eq!(key.evaluate(&|_| None), expected, "{key:?}");
        };
        check(Key::And(vec![yes(), open()]), None);
        check(Key::And(vec![open(), no()]), Some(false));
        check(Key::And(Vec::new()), Some(true));
        check(Key::Or(Box::new(open()), Box::new(yes())), Some(true));
        check(Key::Or(Box::new(open()), Box::new(no())), None);
        check(Key::Or(Box::new(no()), Box::new(no())), Some(false));
        check(Key::Not(Box::new(open())), None);
        check(Key::Not(Box::new(no())), Some(true));
    }

    #[test]
    fn days_in_their_own_zone() {
        // 1970-01-02 00:30 in Hanoi is 1970-01-01 17:30 UTC.
        let hanoi = Some((17 * 3600 + 1800, 420));
        assert!(within(hanoi, 1, 1));
        assert!(!within(hanoi, i64::MIN, 0));
        assert!(within(Some((-1, 0)), -1, -1));
        assert!(!within(None, i64::MIN, i64::MAX));
        assert!(!within(Some((DAY, 0)), 2, i64::MAX));
    }

    #[test]
    fn addresses_as_written() {
        let mailbox = |name: Option<&str>, mailbox: Option<&str>, host: Option<&str>| Mailbox {
            name: name.map(str::to_owned),
            mailbox: mailbox.map(str::to_owned),
            host: host.map(str::to_owned),
        };
        let list = [
            mailbox(Some("Văn thư"), Some("vanthu"), Some("xa.test")),
            mailbox(None, Some("a"), Some("b.test")),
        ];
        assert_eq!(written(&list), "Văn thư <vanthu@xa.test>, <a@b.test>");
    }
}
