//! LIST (RFC 9051 section 6.3.9, RFC 5258, RFC 5819, RFC 6154) and LSUB (RFC 3501 section 6.3.9).

use super::parser::LIST;
use super::status;
use super::{Command, Parsed, Parser, Refusal};
use crate::ask::{Ask, List};

/// ```text
/// list        = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
/// mbox-or-pat = list-mailbox / patterns
/// patterns    = "(" list-mailbox *(SP list-mailbox) ")"                                         RFC 5258
/// ```
pub(super) fn list(p: &mut Parser<'_>) -> Parsed<Command> {
    let mut list = List::default();
    p.sp()?;
    if p.peek() == Some(b'(') {
        list.extended = true;
        selection(p, &mut list)?;
        p.sp()?;
    }
    list.reference = p.reference()?;
    p.sp()?;
    if p.peek() == Some(b'(') {
        list.extended = true;
        list.patterns = p.list(LIST, Parser::pattern)?;
        if list.patterns.is_empty() {
            return Err(Refusal::bad("LIST without patterns"));
        }
    } else {
        list.patterns.push(p.pattern()?);
    }
    if p.eat(b' ') {
        list.extended = true;
        if !p.keyword("RETURN") {
            return Err(Refusal::bad("Expected RETURN"));
        }
        p.sp()?;
        returns(p, &mut list)?;
    }
    Ok(Command::Ask(Ask::List(list)))
}

/// ```text
/// lsub = "LSUB" SP mailbox SP list-mailbox
/// ```
pub(super) fn lsub(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    let reference = p.reference()?;
    p.sp()?;
    let patterns = vec![p.pattern()?];
    Ok(Command::Ask(Ask::List(List {
        lsub: true,
        reference,
        patterns,
        ..List::default()
    })))
}

/// ```text
/// list-select-opts     = "(" [list-select-opt *(SP list-select-opt)] ")"
/// list-select-base-opt = "SUBSCRIBED"
/// list-select-base-opt =/ "SPECIAL-USE"                                     RFC 6154
/// list-select-independent-opt = "REMOTE"
/// list-select-mod-opt  = "RECURSIVEMATCH"    only with a base option
/// ```
fn selection(p: &mut Parser<'_>, list: &mut List) -> Parsed<()> {
    p.list(LIST, |p| {
        match p.word().as_str() {
            "SUBSCRIBED" => list.subscribed = true,
            "REMOTE" => list.remote = true,
            "RECURSIVEMATCH" => list.recursive_match = true,
            "SPECIAL-USE" => list.special_use = true,
            _ => return Err(Refusal::bad("Unknown selection option of LIST")),
        }
        Ok(())
    })?;
    if list.recursive_match && !list.subscribed && !list.special_use {
        return Err(Refusal::bad(
            "RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE",
        ));
    }
    Ok(())
}

/// ```text
/// list-return-opts = "RETURN" SP "(" [list-return-opt *(SP list-return-opt)] ")"
/// return-option    = "SUBSCRIBED" / "CHILDREN" / status-option
/// return-option    =/ "SPECIAL-USE"                                         RFC 6154
/// status-option    = "STATUS" SP "(" status-att *(SP status-att) ")"        RFC 5819
/// ```
fn returns(p: &mut Parser<'_>, list: &mut List) -> Parsed<()> {
    p.list(LIST, |p| {
        match p.word().as_str() {
            "SUBSCRIBED" => list.return_subscribed = true,
            "CHILDREN" => list.return_children = true,
            "SPECIAL-USE" => list.return_special_use = true,
            "STATUS" => {
                p.sp()?;
                list.return_status = status::items(p)?;
            }
            _ => return Err(Refusal::bad("Unknown return option of LIST")),
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;
    use crate::ask::StatusItem;

    fn check(text: &str, expected: List) {
        assert_eq!(ask_of(text), Ask::List(expected), "{text}");
    }

    fn plain(reference: &str, patterns: &[&str]) -> List {
        let patterns = patterns.iter().map(|&p| p.to_owned()).collect();
        List {
            reference: reference.to_owned(),
            patterns,
            ..List::default()
        }
    }

    #[test]
    fn plain_forms() {
        check("LIST \"\" *", plain("", &["*"]));
        check("LIST \"\" \"\"", plain("", &[""]));
        check("LIST a/ %", plain("a/", &["%"]));
        check("LIST \"\" inbox", plain("", &["INBOX"]));
        check("LIST \"\" \"V&AQM-n*\"", plain("", &["Văn*"]));
        check(
            "LSUB \"\" a%b*]",
            List {
                lsub: true,
                ..plain("", &["a%b*]"])
            },
        );
    }

    #[test]
    fn extended_forms() {
        let extended = |patterns: &[&str]| List {
            extended: true,
            ..plain("", patterns)
        };
        check("LIST () \"\" %", extended(&["%"]));
        check("LIST \"\" (INBOX \"a b\")", extended(&["INBOX", "a b"]));
        check(
            "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
            List {
                subscribed: true,
                recursive_match: true,
                ..extended(&["%"])
            },
        );
        check(
            "LIST (special-use) \"\" *",
            List {
                special_use: true,
                ..extended(&["*"])
            },
        );
        check(
            "LIST \"\" % RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN) SPECIAL-USE)",
            List {
                return_subscribed: true,
                return_children: true,
                return_special_use: true,
                return_status: vec![StatusItem::Messages, StatusItem::Unseen],
                ..extended(&["%"])
            },
        );
        check("LIST \"\" \"\" RETURN ()", extended(&[""]));
    }

    #[test]
    fn errors() {
        all_refused(&[
            "LIST",
            "LIST \"\"",
            "LIST \"\" ",
            "LIST \"\" ()",
            "LIST (FOO) \"\" *",
            "LIST (RECURSIVEMATCH) \"\" *",
            "LIST (REMOTE RECURSIVEMATCH) \"\" *",
            "LIST \"\" * RETURN",
            "LIST \"\" * RETURN (FOO)",
            "LIST \"\" * RETURN (STATUS)",
            "LIST \"\" * RETURN (STATUS ())",
            "LIST \"\" * FOO ()",
            "LIST \"\" a(b",
            "LIST \"\" \"Văn\"",
            "LIST \"\" a&b",
            "LSUB \"\" (a)",
            "LSUB \"\" * RETURN ()",
        ]);
        let many = vec!["a"; LIST + 1].join(" ");
        all_refused(&[&format!("LIST \"\" ({many})")]);
    }
}
