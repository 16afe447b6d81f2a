//! CREATE (RFC 9051 section 6.3.4).

use super::parser::LIST;
use super::{Command, Parsed, Parser, Refusal};
use crate::ask::Ask;

/// The attributes a client can give (RFC 6154 section 2). `\All` and `\Flagged` are views, not mailboxes.
const USES: [&str; 5] = ["\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"];

/// ```text
/// create       = "CREATE" SP mailbox [create-params]
/// create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")"    RFC 6154
/// ```
pub(super) fn parse(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    let (mailbox, as_written) = p.mailbox_as_written()?;
    let mut special_use = Vec::new();
    if p.eat(b' ') {
        for uses in p.list(LIST, parameter)? {
            special_use.extend(uses);
        }
    }
    Ok(Command::Ask(Ask::Create {
        mailbox,
        special_use,
        as_written,
    }))
}

fn parameter(p: &mut Parser<'_>) -> Parsed<Vec<String>> {
    if !p.keyword("USE") {
        return Err(Refusal::bad("Unknown parameter of CREATE"));
    }
    p.sp()?;
    p.list(LIST, |p| {
        p.expect(b'\\', "Expected a special use like \\Sent")?;
        let name = p.atom()?;
        let known = USES
            .into_iter()
            .find(|known| known.get(1..).is_some_and(|k| k.eq_ignore_ascii_case(name)));
        known.map(str::to_owned).ok_or(Refusal::no(
            crate::response::Code::UseAttr,
            "This special use is not supported",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;

    #[test]
    fn names() {
        let create = |mailbox: &str, uses: &[&str]| Ask::Create {
            mailbox: mailbox.to_owned(),
            special_use: uses.iter().map(|&u| u.to_owned()).collect(),
            as_written: None,
        };
        assert_eq!(ask_of("CREATE a/b/"), create("a/b", &[]));
        assert_eq!(ask_of("CREATE inbox/a"), create("INBOX/a", &[]));
        assert_eq!(ask_of("CREATE a (USE (\\sent))"), create("a", &["\\Sent"]));
        assert_eq!(ask_of("CREATE a (USE ())"), create("a", &[]));
        all_refused(&[
            "CREATE",
            "CREATE a b",
            "CREATE a (USE)",
            "CREATE a (USE (\\All))",
            "CREATE a (X)",
            "CREATE a (USE (Sent))",
        ]);
    }
}
