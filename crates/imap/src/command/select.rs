//! SELECT (RFC 9051 section 6.3.2) and EXAMINE (section 6.3.3).

use super::parser::LIST;
use super::{Command, Parsed, Parser, Refusal};
use crate::ask::Ask;

/// ```text
/// select = "SELECT" SP mailbox [select-params]
/// ```
pub(super) fn select(p: &mut Parser<'_>) -> Parsed<Command> {
    open(p, false)
}

/// ```text
/// examine = "EXAMINE" SP mailbox [select-params]
/// ```
pub(super) fn examine(p: &mut Parser<'_>) -> Parsed<Command> {
    open(p, true)
}

fn open(p: &mut Parser<'_>, read_only: bool) -> Parsed<Command> {
    p.sp()?;
    let (mailbox, as_written) = p.mailbox_as_written()?;
    if p.eat(b' ') {
        p.list(LIST, parameter)?;
    }
    Ok(Command::Ask(Ask::Select {
        mailbox,
        read_only,
        as_written,
    }))
}

/// ```text
/// select-params = SP "(" select-param *(SP select-param) ")"    RFC 4466
/// ```
/// None is offered, and RFC 4466 section 2.1 wants an unknown one refused.
fn parameter(_: &mut Parser<'_>) -> Parsed<()> {
    Err(Refusal::bad("Unknown parameter of SELECT"))
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;

    #[test]
    fn names() {
        let open = |mailbox: &str, read_only| Ask::Select {
            mailbox: mailbox.to_owned(),
            read_only,
            as_written: None,
        };
        assert_eq!(ask_of("SELECT inbox"), open("INBOX", false));
        assert_eq!(ask_of("EXAMINE \"H&Hs8-a t&HtE-c\""), open("Hỏa tốc", true));
        all_refused(&[
            "SELECT",
            "SELECT ",
            "SELECT a b",
            "SELECT a (CONDSTORE)",
            "SELECT \"\"",
        ]);
    }
}
