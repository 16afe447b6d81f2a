//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).

use super::{Command, Parsed, Parser, Refusal};
use crate::ask::Ask;
use crate::response::Code;

/// ```text
/// getquota   = "GETQUOTA" SP quota-root-name
/// ```
pub(super) fn getquota(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    let root =
        String::from_utf8(p.astring()?).map_err(|_| Refusal::bad("The quota root is not UTF-8"))?;
    Ok(Command::Ask(Ask::GetQuota(root)))
}

/// ```text
/// getquotaroot = "GETQUOTAROOT" SP mailbox
/// ```
pub(super) fn getquotaroot(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    Ok(Command::Ask(Ask::GetQuotaRoot(p.mailbox()?)))
}

/// ```text
/// setquota = "SETQUOTA" SP quota-root-name SP setquota-list
/// ```
/// Quotas are set by administrators, never over IMAP; the arguments do not matter.
pub(super) fn setquota(_: &mut Parser<'_>) -> Parsed<Command> {
    Err(Refusal::no(
        Code::NoPerm,
        "Quotas are set by the administrator",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of, parse_text};
    use super::*;

    #[test]
    fn roots() {
        assert_eq!(ask_of("GETQUOTA \"\""), Ask::GetQuota(String::new()));
        assert_eq!(
            ask_of("GETQUOTAROOT inbox"),
            Ask::GetQuotaRoot("INBOX".to_owned())
        );
        all_refused(&["GETQUOTA", "GETQUOTAROOT", "GETQUOTA a b"]);
        let refusal = parse_text("SETQUOTA \"\" (STORAGE 512)").err();
        assert_eq!(refusal.and_then(|r| r.code), Some(Code::NoPerm));
    }
}
