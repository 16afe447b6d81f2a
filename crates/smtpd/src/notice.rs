//! Confirmations: the sender asked with NOTIFY=SUCCESS to hear of a delivery, and it ends here (RFC 3461
//! section 5.2.3). They are prepared before the transaction and placed in it, so a confirmation never
//! stands without the letter. Copies that go on are confirmed by whoever ends or breaks their way.
//!
//! A group counts as delivered once its members' copies are placed (RFC 3461 section 5.2.7.3). Notices of
//! failure and delay are the queue's: what is refused here is told in the reply.

use congvu_directory::{Recipient, Resolution};
use congvu_message::notice::{self, Action, Original};
use congvu_smtp::ask::Kind;
use congvu_store::queue::{BodyKind, Lane, NewEntry, NewRcpt};
use congvu_store::{AccountId, BodyId, NewBody, Timestamp};

use crate::Shared;
use crate::place::Notice;
use crate::rcpt::Accepted;
use crate::refusal::Refusal;
use crate::trace;
use crate::transaction::Transaction;

/// First line of a notice in a mailbox; not sent to others.
const RETURN_PATH: &[u8] = b"Return-Path: <>\r\n";

/// Confirmations that become true when this message is placed. `header` is its header section.
pub(crate) async fn of_delivery(
    shared: &Shared,
    kind: Kind,
    transaction: &Transaction,
    header: &[u8],
) -> Result<Vec<Notice>, Refusal> {
    let Some(sender) = &transaction.sender.address else {
        return Ok(Vec::new());
    };
    let asked: Vec<&Accepted> = transaction
        .rcpts
        .iter()
        .filter(|rcpt| confirms(rcpt))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let (mut local, mut foreign) = (Vec::new(), Vec::new());
    if let Resolution::Recipients(targets) = shared.directory.resolve(sender).await? {
        for target in targets {
            match target {
                Recipient::Account { account, .. } => local.push(account),
                Recipient::Foreign(address) => {
                    foreign.push(rcpt(address.to_string(), address.domain));
                }
            }
        }
    } else if !shared.directory.is_local_domain(&sender.domain).await? {
        foreign.push(rcpt(sender.to_string(), sender.domain.clone()));
    }
    // Over LMTP one recipient may be placed and another not, so each has a confirmation of its own.
    let size = if kind == Kind::Lmtp { 1 } else { asked.len() };
    let mut notices = Vec::new();
    for together in asked.chunks(size) {
        let (body, utf8, eight_bit) = build(shared, transaction, together, header)?;
        let entry = NewEntry {
            lane: Lane::Normal,
            sender: String::new(),
            body: BodyId::default(),
            frame: 0,
            skip: u32::try_from(RETURN_PATH.len()).unwrap_or(0),
            size: body.len().saturating_sub(RETURN_PATH.len() as u64),
            account: None,
            envid: None,
            ret: None,
            utf8: utf8
                || foreign
                    .iter()
                    .any(|rcpt: &NewRcpt| !rcpt.address.is_ascii()),
            body_kind: if eight_bit {
                BodyKind::EightBit
            } else {
                BodyKind::SevenBit
            },
            hold: None,
            trace: trace::id(Timestamp::now()),
        };
        notices.push(Notice {
            body,
            of: only_account(together),
            local: local.clone(),
            foreign: foreign.clone(),
            entry,
        });
    }
    Ok(notices)
}

/// Whether this recipient's way ends here and its delivery is to be confirmed.
fn confirms(rcpt: &Accepted) -> bool {
    let asked = rcpt.rcpt.notify.is_some_and(|notify| notify.success);
    asked && !matches!(rcpt.targets.as_slice(), [Recipient::Foreign(_)])
}

fn only_account(together: &[&Accepted]) -> Option<AccountId> {
    match together {
        [rcpt] => rcpt.only_account(),
        _ => None,
    }
}

fn rcpt(address: String, domain: String) -> NewRcpt {
    NewRcpt {
        address,
        domain,
        notify: None,
        orcpt: None,
    }
}

fn build(
    shared: &Shared,
    transaction: &Transaction,
    together: &[&Accepted],
    header: &[u8],
) -> Result<(NewBody, bool, bool), Refusal> {
    let now = Timestamp::now().seconds();
    let addresses: Vec<String> = together
        .iter()
        .map(|rcpt| rcpt.shown().to_string())
        .collect();
    let recipients = together
        .iter()
        .zip(&addresses)
        .map(|(rcpt, address)| notice::Recipient {
            address,
            orcpt: rcpt.rcpt.orcpt.as_deref(),
            action: Action::Delivered,
            status: (2, 1, 5),
            remote: None,
            diagnostic: None,
            last_attempt: Some(now),
            retry_until: None,
        });
    let built = notice::Notice {
        host: &shared.settings.hostname,
        to: &transaction.sender.mail.from,
        envid: transaction.sender.mail.envid.as_deref(),
        arrived: transaction.at.seconds(),
        now,
        zone: shared.settings.zone,
        recipients: recipients.collect(),
        original: Original::Headers(header),
    }
    .build();
    let mut draft = shared.store.draft();
    draft.write(RETURN_PATH)?;
    draft.write(&built.octets)?;
    let summary = congvu_message::summarize(&draft.raw()?);
    Ok((
        draft.finish(&summary.encode())?,
        built.utf8,
        built.eight_bit,
    ))
}
