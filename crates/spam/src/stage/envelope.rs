//! The SMTP envelope: a sender that cannot be answered, a bounce to many, recipients that the header does not name.

use congvu_message::Mailbox;
use congvu_message::header;

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Facts, Login, Resolves};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "envelope",
    rules: &[FROM_UNREACHABLE, BOUNCE_TO_MANY, RCPT_NOT_NAMED],
    reads: &[],
    examine,
};

const FROM_UNREACHABLE: Rule = Rule::new("FROM_UNREACHABLE", Family::Envelope, 1.2);
const BOUNCE_TO_MANY: Rule = Rule::new("BOUNCE_TO_MANY", Family::Envelope, 1.0);
/// Bcc is ordinary too, so this says little.
const RCPT_NOT_NAMED: Rule = Rule::new("RCPT_NOT_NAMED", Family::Envelope, 0.2);

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    if facts.connection.login != Login::Nobody {
        return;
    }
    let envelope = &facts.envelope;
    let from = envelope.from.as_deref();
    if envelope.from_domain == Resolves::No {
        let from = shown(from.unwrap_or_default());
        out.add(
            &FROM_UNREACHABLE,
            Reason::new(
                format!("tên miền của người gửi không nhận được thư: {from}"),
                format!("the sender's domain cannot receive mail: {from}"),
            ),
        );
    }
    let rcpts = envelope.to.len();
    if from == Some("") && rcpts > 1 {
        out.add(
            &BOUNCE_TO_MANY,
            Reason::new(
                format!("thư báo không phát được lại gửi tới {rcpts} người"),
                format!("a bounce, but to {rcpts} recipients"),
            ),
        );
    }
    let is_list = header::find(facts.letter.header(), "List-Id").is_some();
    if rcpts > 0 && !is_list && !names_one_of(facts) {
        out.add(
            &RCPT_NOT_NAMED,
            Reason::new(
                "người nhận không có tên trong To và Cc",
                "no recipient is named in To or Cc",
            ),
        );
    }
}

fn names_one_of(facts: &Facts<'_>) -> bool {
    let envelope = &facts.letter.summary.envelope;
    let named = envelope.to.iter().chain(&envelope.cc);
    named.filter_map(address).any(|address| {
        let wanted = &facts.envelope.to;
        wanted
            .iter()
            .any(|rcpt| rcpt.eq_ignore_ascii_case(&address))
    })
}

fn address(mailbox: &Mailbox) -> Option<String> {
    let (local, host) = (mailbox.mailbox.as_deref()?, mailbox.host.as_deref()?);
    Some(format!("{local}@{host}"))
}
