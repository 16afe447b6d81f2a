//! ID (RFC 2971).

use super::parser::Refusal;
use super::{Command, Parsed, Parser};
use crate::ask::Ask;

/// Most pairs (RFC 2971 section 3.3).
const PAIRS: usize = 30;
/// Longest field name (RFC 2971 section 3.3).
const FIELD_OCTETS: usize = 30;
/// Longest value (RFC 2971 section 3.3).
const VALUE_OCTETS: usize = 1_024;

/// ```text
/// id             = "ID" SP id-params-list
/// id-params-list = "(" *(string SP nstring) ")" / nil
/// ```
/// `ID ()` comes from GMX-like clients and means the same as `ID NIL`.
pub(super) fn parse(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    if p.keyword("NIL") {
        return Ok(Command::Ask(Ask::Id(Vec::new())));
    }
    let pairs = p.list(PAIRS, |p| {
        let field = text(p.string()?, FIELD_OCTETS)?;
        p.sp()?;
        let value = p
            .nstring()?
            .map(|value| text(value, VALUE_OCTETS))
            .transpose()?;
        Ok((field, value))
    })?;
    Ok(Command::Ask(Ask::Id(pairs)))
}

/// What goes to the log must be readable there.
fn text(octets: Vec<u8>, most: usize) -> Parsed<String> {
    if octets.len() > most {
        return Err(Refusal::bad("A field or value of ID is too long"));
    }
    String::from_utf8(octets).map_err(|_| Refusal::bad("A field or value of ID is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(ask_of("ID NIL"), Ask::Id(vec![]));
        assert_eq!(ask_of("ID ()"), Ask::Id(vec![]));
        let expected = vec![
            ("name".to_owned(), Some("Thư".to_owned())),
            ("os".to_owned(), None),
        ];
        assert_eq!(
            ask_of("ID (\"name\" \"Thư\" \"os\" NIL)"),
            Ask::Id(expected)
        );
        let many = vec!["\"a\" \"b\""; PAIRS + 1].join(" ");
        all_refused(&[
            "ID",
            "ID (\"a\")",
            "ID (\"a\" b)",
            "ID (a \"b\")",
            &format!("ID ({many})"),
        ]);
        all_refused(&[
            &format!("ID (\"{}\" NIL)", "a".repeat(31)),
            &format!("ID (\"a\" \"{}\")", "a".repeat(1_025)),
        ]);
    }
}
