//! The message's header: fields that must be there and are not, that are there twice, dates from nowhere.

use congvu_message::header::{self, HeaderError};

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Facts, Login};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "header",
    rules: &[
        FROM_MISSING,
        FIELD_TWICE,
        HEADER_BROKEN,
        DATE_MISSING,
        DATE_AHEAD,
        DATE_LONG_AGO,
        DATE_ZONE,
        SELF_ADDRESSED,
        MESSAGE_ID_MISSING,
        TO_MISSING,
        REPLY_ELSEWHERE,
    ],
    reads: &[],
    examine,
};

const FROM_MISSING: Rule = Rule::new("FROM_MISSING", Family::Header, 1.2);
const FIELD_TWICE: Rule = Rule::new("FIELD_TWICE", Family::Header, 0.8);
const HEADER_BROKEN: Rule = Rule::new("HEADER_BROKEN", Family::Header, 0.8);
const DATE_MISSING: Rule = Rule::new("DATE_MISSING", Family::Header, 0.5);
const DATE_AHEAD: Rule = Rule::new("DATE_AHEAD", Family::Header, 0.8);
const DATE_LONG_AGO: Rule = Rule::new("DATE_LONG_AGO", Family::Header, 0.4);
/// Programs that make up dates make up zones.
const DATE_ZONE: Rule = Rule::new("DATE_ZONE", Family::Header, 1.0);
/// People write to themselves too, and to many by blind copy; hardly from outside.
const SELF_ADDRESSED: Rule = Rule::new("SELF_ADDRESSED", Family::Header, 0.3);
const MESSAGE_ID_MISSING: Rule = Rule::new("MESSAGE_ID_MISSING", Family::Header, 0.4);
/// As frequent in ham as in spam (training half); together with others it still says that nobody was meant.
const TO_MISSING: Rule = Rule::new("TO_MISSING", Family::Header, 0.1);
const REPLY_ELSEWHERE: Rule = Rule::new("REPLY_ELSEWHERE", Family::Header, 0.5);

/// Seconds that a clock may run ahead: a wrong time zone is an honest mistake.
const AHEAD: i64 = 26 * 3600;
/// Seconds after which a letter is late beyond all queues (they give up after five days).
const LONG_AGO: i64 = 15 * 86_400;

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    // Submission checks headers itself and completes them.
    if matches!(facts.connection.login, Login::Account(_)) {
        return;
    }
    let envelope = &facts.letter.summary.envelope;
    let block = facts.letter.header();
    if envelope.from.is_empty() {
        out.add(
            &FROM_MISSING,
            Reason::new("thư không có người gửi (From)", "the letter has no From"),
        );
    }
    match header::check(block) {
        Err(HeaderError::Count { name, found }) if found > 1 => out.add(
            &FIELD_TWICE,
            Reason::new(
                format!("thư có {found} dòng {name}"),
                format!("the letter has {found} {name} fields"),
            ),
        ),
        Err(HeaderError::Nul | HeaderError::NotAField) => out.add(
            &HEADER_BROKEN,
            Reason::new("phần đầu thư bị hỏng", "the header is broken"),
        ),
        Err(HeaderError::Count { .. }) | Ok(()) => {}
    }
    date(facts, out);
    if envelope.message_id.is_none() {
        out.add(
            &MESSAGE_ID_MISSING,
            Reason::new("thư không có Message-ID", "the letter has no Message-ID"),
        );
    }
    if envelope.to.is_empty() && envelope.cc.is_empty() && envelope.bcc.is_empty() {
        out.add(
            &TO_MISSING,
            Reason::new("thư không ghi người nhận", "the letter names no recipient"),
        );
    }
    self_addressed(facts, out);
    reply(facts, out);
}

/// From and the only recipient in the header are one address, and nobody logged in.
fn self_addressed(facts: &Facts<'_>, out: &mut Findings) {
    let envelope = &facts.letter.summary.envelope;
    let ([from], [to], []) = (
        envelope.from.as_slice(),
        envelope.to.as_slice(),
        envelope.cc.as_slice(),
    ) else {
        return;
    };
    let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => !a.is_empty() && a.eq_ignore_ascii_case(b),
        _ => false,
    };
    let is_outside = facts.connection.login == Login::Nobody;
    if is_outside && same(&from.mailbox, &to.mailbox) && same(&from.host, &to.host) {
        out.add(
            &SELF_ADDRESSED,
            Reason::new(
                "người gửi và người nhận ghi trong thư là một, mà thư từ ngoài đến",
                "sender and recipient in the header are one, and the letter comes from outside",
            ),
        );
    }
}

/// The zone of a date, if it is none on Earth: they lie between -1200 and +1400, in quarters of an hour.
fn odd_zone(date: &str) -> Option<&str> {
    let mut words = date.split_ascii_whitespace();
    let zone = words.rfind(|word| word.len() == 5 && word.starts_with(['+', '-']))?;
    let number: u16 = zone.get(1..)?.parse().ok()?;
    let (hours, minutes) = (number / 100, number % 100);
    let most = if zone.starts_with('+') { 14 } else { 12 };
    (hours > most || minutes % 15 != 0).then_some(zone)
}

fn date(facts: &Facts<'_>, out: &mut Findings) {
    let envelope = &facts.letter.summary.envelope;
    if let Some(zone) = envelope.date.as_deref().and_then(odd_zone) {
        let zone = shown(zone);
        out.add(
            &DATE_ZONE,
            Reason::new(
                format!("múi giờ không có trên Trái Đất: {zone}"),
                format!("a time zone that does not exist: {zone}"),
            ),
        );
    }
    let Some((sent, _)) = envelope.sent else {
        out.add(
            &DATE_MISSING,
            Reason::new(
                "thư không có ngày gửi đọc được",
                "the letter has no readable date",
            ),
        );
        return;
    };
    let Some(now) = facts.now else {
        return;
    };
    let date = shown(envelope.date.as_deref().unwrap_or_default());
    if sent.saturating_sub(now) > AHEAD {
        out.add(
            &DATE_AHEAD,
            Reason::new(
                format!("ngày gửi ở tương lai: {date}"),
                format!("dated in the future: {date}"),
            ),
        );
    } else if now.saturating_sub(sent) > LONG_AGO {
        out.add(
            &DATE_LONG_AGO,
            Reason::new(
                format!("ngày gửi đã quá lâu: {date}"),
                format!("dated long ago: {date}"),
            ),
        );
    }
}

/// Answers go to another organisation than the one that wrote. Lists do so for good reasons and say that they are lists.
fn reply(facts: &Facts<'_>, out: &mut Findings) {
    let letter = facts.letter;
    let Some(from) = letter.from_domain() else {
        return;
    };
    let to = letter.summary.envelope.reply_to.iter();
    let other = to
        .filter_map(|mailbox| mailbox.host.as_deref())
        .find(|host| !host.is_empty() && !is_related(&host.to_ascii_lowercase(), &from));
    let is_list = ["List-Id", "List-Unsubscribe", "List-Post"]
        .iter()
        .any(|name| header::find(letter.header(), name).is_some());
    if let Some(other) = other
        && !is_list
    {
        let other = shown(other);
        out.add(
            &REPLY_ELSEWHERE,
            Reason::new(
                format!("thư từ {from} nhưng trả lời sẽ về {other}"),
                format!("from {from}, but answers go to {other}"),
            ),
        );
    }
}

/// One is the other, or below it.
fn is_related(a: &str, b: &str) -> bool {
    let below = |a: &str, b: &str| a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.'));
    a == b || below(a, b) || below(b, a)
}

#[cfg(test)]
mod tests {
    use super::{is_related, odd_zone};

    #[test]
    fn zones() {
        for date in [
            "1 Nov 2026 08:00:00 +0700",
            "x +1400 (x)",
            "x +0545",
            "x -1200",
            "x GMT",
            "",
            "x -07",
        ] {
            assert_eq!(odd_zone(date), None, "{date}");
        }
        for date in ["x -1900", "x +1500 (PDT)", "x +0717"] {
            assert!(odd_zone(date).is_some(), "{date}");
        }
    }

    #[test]
    fn related_domains() {
        assert!(is_related("a.example", "a.example"));
        assert!(is_related("mail.a.example", "a.example"));
        assert!(is_related("a.example", "mail.a.example"));
        assert!(!is_related("ba.example", "a.example"));
        assert!(!is_related("a.example", "b.example"));
    }
}
