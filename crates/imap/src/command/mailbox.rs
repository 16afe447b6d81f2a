//! DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 9051 sections 6.3.5 to 6.3.8): names alone.

use super::{Command, Parsed, Parser};
use crate::ask::Ask;

/// ```text
/// delete = "DELETE" SP mailbox
/// ```
pub(super) fn delete(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    Ok(Command::Ask(Ask::Delete(p.mailbox()?)))
}

/// ```text
/// rename = "RENAME" SP mailbox SP mailbox
/// ```
pub(super) fn rename(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    let from = p.mailbox()?;
    p.sp()?;
    let to = p.mailbox()?;
    Ok(Command::Ask(Ask::Rename { from, to }))
}

/// ```text
/// subscribe = "SUBSCRIBE" SP mailbox
/// ```
pub(super) fn subscribe(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    Ok(Command::Ask(Ask::Subscribe(p.mailbox()?, true)))
}

/// ```text
/// unsubscribe = "UNSUBSCRIBE" SP mailbox
/// ```
pub(super) fn unsubscribe(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    Ok(Command::Ask(Ask::Subscribe(p.mailbox()?, false)))
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;

    #[test]
    fn names() {
        assert_eq!(ask_of("DELETE Th&AbA-"), Ask::Delete("Thư".to_owned()));
        assert_eq!(
            ask_of("RENAME a {3}\r\nb c"),
            Ask::Rename {
                from: "a".to_owned(),
                to: "b c".to_owned()
            }
        );
        assert_eq!(ask_of("SUBSCRIBE a"), Ask::Subscribe("a".to_owned(), true));
        assert_eq!(
            ask_of("UNSUBSCRIBE a"),
            Ask::Subscribe("a".to_owned(), false)
        );
        all_refused(&[
            "DELETE",
            "DELETE a b",
            "RENAME a",
            "RENAME a b c",
            "SUBSCRIBE",
            "UNSUBSCRIBE \"a",
        ]);
    }
}
