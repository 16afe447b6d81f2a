//! COPY (RFC 9051 section 6.4.7), MOVE (section 6.4.8) and UID EXPUNGE (section 6.4.9).

use super::{Command, Parsed, Parser};
use crate::ask::Ask;

/// ```text
/// copy = "COPY" SP sequence-set SP mailbox
/// ```
pub(super) fn copy(p: &mut Parser<'_>) -> Parsed<Command> {
    to_mailbox(p, false, false)
}

/// ```text
/// move = "MOVE" SP sequence-set SP mailbox    RFC 6851
/// ```
pub(super) fn moving(p: &mut Parser<'_>) -> Parsed<Command> {
    to_mailbox(p, false, true)
}

/// ```text
/// uid = "UID" SP copy
/// ```
pub(super) fn uid_copy(p: &mut Parser<'_>) -> Parsed<Command> {
    to_mailbox(p, true, false)
}

/// ```text
/// uid = "UID" SP move
/// ```
pub(super) fn uid_move(p: &mut Parser<'_>) -> Parsed<Command> {
    to_mailbox(p, true, true)
}

/// ```text
/// uid-expunge = "EXPUNGE" SP sequence-set    RFC 4315
/// ```
pub(super) fn uid_expunge(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    Ok(Command::Ask(Ask::Expunge(Some(p.sequence_set()?))))
}

fn to_mailbox(p: &mut Parser<'_>, uid: bool, remove: bool) -> Parsed<Command> {
    p.sp()?;
    let set = p.sequence_set()?;
    p.sp()?;
    let mailbox = p.mailbox()?;
    Ok(Command::Ask(Ask::Copy {
        set,
        uid,
        mailbox,
        remove,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;
    use crate::ask::SequenceSet;

    #[test]
    fn sets_and_names() {
        let copy = |set, uid, remove| Ask::Copy {
            set,
            uid,
            mailbox: "a".to_owned(),
            remove,
        };
        assert_eq!(
            ask_of("COPY 1:* a"),
            copy(SequenceSet::Ranges(vec![(Some(1), None)]), false, false)
        );
        assert_eq!(ask_of("UID MOVE $ a"), copy(SequenceSet::Saved, true, true));
        assert_eq!(
            ask_of("UID EXPUNGE 3"),
            Ask::Expunge(Some(SequenceSet::Ranges(vec![(Some(3), Some(3))])))
        );
        assert_eq!(ask_of("EXPUNGE"), Ask::Expunge(None));
        all_refused(&[
            "COPY 1",
            "COPY a b",
            "MOVE 0 a",
            "UID EXPUNGE",
            "EXPUNGE 1",
            "UID COPY 1 a b",
        ]);
    }
}
