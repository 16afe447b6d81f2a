//! STORE (RFC 9051 section 6.4.6).

use super::parser::LIST;
use super::{Command, Parsed, Parser, Refusal};
use crate::ask::{Ask, StoreAction, StoreFlags};

/// ```text
/// store = "STORE" SP sequence-set SP store-att-flags
/// ```
pub(super) fn store(p: &mut Parser<'_>) -> Parsed<Command> {
    arguments(p, false)
}

/// ```text
/// uid = "UID" SP store
/// ```
pub(super) fn uid_store(p: &mut Parser<'_>) -> Parsed<Command> {
    arguments(p, true)
}

/// ```text
/// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
/// ```
fn arguments(p: &mut Parser<'_>, uid: bool) -> Parsed<Command> {
    p.sp()?;
    let set = p.sequence_set()?;
    p.sp()?;
    let action = if p.eat(b'+') {
        StoreAction::Add
    } else if p.eat(b'-') {
        StoreAction::Remove
    } else {
        StoreAction::Replace
    };
    let silent = match p.word().as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(Refusal::bad("Expected FLAGS or FLAGS.SILENT")),
    };
    p.sp()?;
    let flags = if p.peek() == Some(b'(') {
        p.flag_list()?
    } else {
        bare(p)?
    };
    Ok(Command::Ask(Ask::Store(StoreFlags {
        set,
        uid,
        action,
        silent,
        flags,
    })))
}

fn bare(p: &mut Parser<'_>) -> Parsed<Vec<String>> {
    let mut flags = vec![p.flag()?];
    while p.eat(b' ') {
        if flags.len() == LIST {
            return Err(Refusal::bad("Too many flags"));
        }
        flags.push(p.flag()?);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;
    use crate::ask::SequenceSet;

    #[test]
    fn actions() {
        fn check(text: &str, uid: bool, action: StoreAction, silent: bool, flags: &[&str]) {
            let set = SequenceSet::Ranges(vec![(Some(1), Some(2))]);
            let flags = flags.iter().map(|&f| f.to_owned()).collect();
            assert_eq!(
                ask_of(text),
                Ask::Store(StoreFlags {
                    set,
                    uid,
                    action,
                    silent,
                    flags
                }),
                "{text}"
            );
        }
        check(
            "STORE 1:2 +FLAGS (\\Deleted)",
            false,
            StoreAction::Add,
            false,
            &["\\Deleted"],
        );
        check(
            "UID STORE 1:2 -flags.silent \\Seen $Junk",
            true,
            StoreAction::Remove,
            true,
            &["\\Seen", "$Junk"],
        );
        check(
            "STORE 1:2 FLAGS ()",
            false,
            StoreAction::Replace,
            false,
            &[],
        );
        all_refused(&[
            "STORE 1",
            "STORE 1 FLAGS",
            "STORE 1 *FLAGS (a)",
            "STORE 1 FLAGS.LOUD (a)",
            "STORE 1 FLAGS (\\Recent)",
            "STORE 1 FLAGS (a) b",
        ]);
    }
}
