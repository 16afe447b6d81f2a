//! STATUS (RFC 9051 section 6.3.11).

use super::parser::LIST;
use super::{Command, Parsed, Parser, Refusal};
use crate::ask::{Ask, StatusItem};

/// The items' names; the encoder writes the same ones. MAILBOXID is read once OBJECTID is offered.
const ITEMS: [(&str, StatusItem); 7] = [
    ("MESSAGES", StatusItem::Messages),
    ("RECENT", StatusItem::Recent), // RFC 3501 section 6.3.10
    ("UIDNEXT", StatusItem::UidNext),
    ("UIDVALIDITY", StatusItem::UidValidity),
    ("UNSEEN", StatusItem::Unseen),
    ("DELETED", StatusItem::Deleted), // RFC 9051, RFC 9208 section 4.1.4
    ("SIZE", StatusItem::Size),       // RFC 8438
];

/// ```text
/// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
/// ```
pub(super) fn parse(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    let mailbox = p.mailbox()?;
    p.sp()?;
    Ok(Command::Ask(Ask::Status {
        mailbox,
        items: items(p)?,
    }))
}

/// ```text
/// "(" status-att *(SP status-att) ")"
/// ```
pub(super) fn items(p: &mut Parser<'_>) -> Parsed<Vec<StatusItem>> {
    let mut items = p.list(LIST, |p| {
        let name = p.word();
        let known = ITEMS.iter().find(|(known, _)| *known == name);
        known
            .map(|&(_, item)| item)
            .ok_or(Refusal::bad("Unknown item of STATUS"))
    })?;
    if items.is_empty() {
        return Err(Refusal::bad("STATUS without items"));
    }
    let mut seen = Vec::new();
    items.retain(|item| {
        !seen.contains(item) && {
            seen.push(*item);
            true
        }
    });
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;

    #[test]
    fn item_lists() {
        let expected = Ask::Status {
            mailbox: "INBOX".to_owned(),
            items: vec![StatusItem::UidNext, StatusItem::Size],
        };
        assert_eq!(ask_of("STATUS inbox (uidnext SIZE UIDNEXT)"), expected);
        all_refused(&[
            "STATUS inbox",
            "STATUS inbox ()",
            "STATUS inbox MESSAGES",
            "STATUS inbox (FOO)",
            "STATUS inbox (SIZE )",
        ]);
    }
}
