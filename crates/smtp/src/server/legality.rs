//! Which command is legal when, as a table; what each does is elsewhere.

use super::say::Said;
use crate::grammar::command::Verb;

/// Where a session stands between commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No EHLO yet, or STARTTLS made it void.
    Fresh,
    /// After EHLO, no transaction.
    Greeted,
    /// MAIL was accepted, no recipient yet.
    Mail,
    /// MAIL was accepted, all recipients so far were refused.
    Refused,
    /// At least one recipient was accepted.
    Rcpt,
    /// BDAT has begun.
    Chunks,
}

const HELLO_FIRST: Said = Said(503, (5, 5, 1), "say EHLO first");
const NESTED: Said = Said(503, (5, 5, 1), "a transaction is open; RSET ends it");
const MAIL_FIRST: Said = Said(503, (5, 5, 1), "MAIL first");
const RCPT_FIRST: Said = Said(503, (5, 5, 1), "RCPT first");
const NO_RCPT: Said = Said(554, (5, 5, 1), "no valid recipients");
const BDAT_GOES_ON: Said = Said(
    503,
    (5, 5, 1),
    "BDAT has begun; only BDAT or RSET may follow",
);

/// `None` where the verb is legal, else the reply. The columns are the phases in their order.
const TABLE: [(Verb, [Option<Said>; 6]); 6] = {
    const OK: Option<Said> = None;
    const H: Option<Said> = Some(HELLO_FIRST);
    const N: Option<Said> = Some(NESTED);
    const M: Option<Said> = Some(MAIL_FIRST);
    const R: Option<Said> = Some(RCPT_FIRST);
    const V: Option<Said> = Some(NO_RCPT);
    const B: Option<Said> = Some(BDAT_GOES_ON);
    [
        //                Fresh Greeted Mail Refused Rcpt Chunks
        (Verb::StartTls, [H, OK, N, N, N, N]),
        (Verb::Auth, [H, OK, N, N, N, N]),
        (Verb::Mail, [H, OK, N, N, N, N]),
        (Verb::Rcpt, [H, M, OK, OK, OK, B]),
        (Verb::Data, [H, M, R, V, OK, B]),
        (Verb::Bdat, [H, M, R, V, OK, OK]),
    ]
};

/// The refusal of this verb in this phase, if it is not legal. Verbs that are not in the table always are.
pub(super) fn refusal(verb: Verb, phase: Phase) -> Option<Said> {
    let row = TABLE.iter().find(|(listed, _)| *listed == verb);
    row.and_then(|(_, columns)| columns.get(phase as usize).copied().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_by_its_columns() {
        let code = |verb, phase| refusal(verb, phase).map_or(0, |said| said.0);
        assert_eq!(code(Verb::Mail, Phase::Fresh), 503);
        assert_eq!(code(Verb::Mail, Phase::Greeted), 0);
        assert_eq!(code(Verb::Data, Phase::Refused), 554);
        assert_eq!(code(Verb::Rcpt, Phase::Chunks), 503);
        assert_eq!(code(Verb::Bdat, Phase::Chunks), 0);
        assert_eq!(code(Verb::Quit, Phase::Fresh), 0);
    }
}
