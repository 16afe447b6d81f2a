//! Verdict: from facts to accept or refuse, before anything is placed.
//!
//! Today the verdict rests on the header section and on who may write under which name. A filter's
//! probability and reasons belong into [`Verdict`] beside them; what follows from a verdict for the
//! recipients is `policy`.

use congvu_directory::Directory;
use congvu_message::Address;
use congvu_message::header::HeaderError;
use congvu_smtp::ask::Kind;

use crate::facts::Connection;
use crate::header::Header;
use crate::refusal::Refusal;

/// Most Received fields: Postfix's `hopcount_limit` has the same 50; real paths stay below 20.
const HOPS_MOST: usize = 50;
/// Most passages through this server. Submission, an alias, a list elsewhere and the way back make four.
const OWN_HOPS_MOST: usize = 10;

/// What is to be done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be placed.
    Accept,
    /// It goes back to the client.
    Refuse(Refusal),
}

/// Judges by connection and header section.
pub(crate) fn judge(connection: &Connection, header: &Header) -> Verdict {
    let refusal = if header.hops > HOPS_MOST || header.own_hops > OWN_HOPS_MOST {
        Some(Refusal::Loop)
    } else if header.bare {
        Some(Refusal::BareLineEnd)
    } else {
        malformed(connection, header).map(Refusal::Header)
    };
    refusal.map_or(Verdict::Accept, Verdict::Refuse)
}

/// Accounts must send well-formed headers. Others need exactly one From, because with none or several every
/// reader sees another author (no sender check can hold then); relay peers too, though what they pass on is not
/// of their making. What a front server hands over by LMTP it has accepted already: refusing would only make
/// it bounce.
fn malformed(connection: &Connection, header: &Header) -> Option<HeaderError> {
    match &header.fault {
        _ if connection.kind == Kind::Lmtp => None,
        fault if connection.submits() => *fault,
        Some(HeaderError::Nul) => Some(HeaderError::Nul),
        _ if header.froms != 1 => Some(HeaderError::Count {
            name: "From",
            found: header.froms,
        }),
        _ => None,
    }
}

/// Judges who wrote: every mailbox of the From field must belong to the account that is logged in or to a
/// post it operates. A Sender field is left as it is: RFC 6409 section 8.1 would allow to add one, but it would
/// show the person behind a post.
pub(crate) async fn judge_author(
    connection: &Connection,
    directory: &Directory,
    header: &[u8],
) -> Result<Verdict, Refusal> {
    let Some(login) = connection.login.as_ref().filter(|_| connection.submits()) else {
        return Ok(Verdict::Accept);
    };
    let not_yours = |from: String| {
        Verdict::Refuse(Refusal::FromNotYours {
            login: login.address.clone(),
            from,
        })
    };
    let Some(list) = congvu_message::authors(header) else {
        return Ok(Verdict::Refuse(Refusal::TooManyAuthors));
    };
    let mut authors = 0;
    for mailbox in &list {
        let (Some(local), Some(host)) = (&mailbox.mailbox, &mailbox.host) else {
            continue;
        };
        authors += 1;
        let address = Address::parse(&format!("{local}@{host}"));
        let own = match &address {
            Ok(address) => directory.may_send_as(login.account, address).await?,
            Err(_) => false,
        };
        if !own {
            return Ok(not_yours(format!("{local}@{host}")));
        }
    }
    Ok(if authors == 0 {
        Verdict::Refuse(Refusal::NoAuthor)
    } else {
        Verdict::Accept
    })
}
