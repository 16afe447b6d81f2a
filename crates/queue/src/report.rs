//! Which notices a sender gets (RFC 3461 section 5.2), and their octets.

use congvu_message::compose;
use congvu_message::notice::{Action, Notice, Original, RETURN_MAX, Recipient};
use congvu_store::queue::{BodyKind, Rcpt, Ret};
use congvu_store::{Error, Store, Timestamp};

use crate::batch::Batch;
use crate::settings::Settings;
use crate::settle::Context;
use crate::verdict::{Reason, Status};

/// Octets read of the original when only its header is returned.
const HEADER_READ: u64 = 64 * 1024;

/// One recipient to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    address: String,
    orcpt: Option<String>,
    action: Action,
    status: Status,
    remote: Option<String>,
    diagnostic: String,
    last_attempt: Timestamp,
    retry_until: Option<Timestamp>,
}

/// A built notice, ready for a mailbox (whole) or the queue (without its first line).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) octets: Vec<u8>,
    /// Octets of the Return-Path line, which local copies have and sent ones have not.
    pub(crate) skip: u32,
    /// Octets without it.
    pub(crate) size: u64,
    pub(crate) utf8: bool,
    pub(crate) body_kind: BodyKind,
    pub(crate) trace: String,
}

impl Report {
    /// Only who asked is told of a success, and only if nobody further on tells it.
    pub(crate) fn delivered(
        rcpt: &Rcpt,
        reason: &Reason,
        now: Timestamp,
        context: &Context,
    ) -> Option<Self> {
        let wanted = rcpt.notify.is_some_and(|notify| notify.success) && !context.notices_passed_on;
        let action = if context.last_hop {
            Action::Delivered
        } else {
            Action::Relayed
        };
        wanted.then(|| Self::new(rcpt, reason, now, action))
    }

    /// Told unless the sender said otherwise.
    pub(crate) fn failed(rcpt: &Rcpt, reason: &Reason, now: Timestamp) -> Option<Self> {
        let wanted = rcpt.notify.is_none_or(|notify| notify.failure);
        let mut report = Self::new(rcpt, reason, now, Action::Failed);
        // "failed" goes with a class 5 only (RFC 3464 section 2.3.4).
        report.status.0 = 5;
        wanted.then_some(report)
    }

    /// Told unless the sender said otherwise.
    pub(crate) fn delayed(
        rcpt: &Rcpt,
        reason: &Reason,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<Self> {
        let wanted = rcpt.notify.is_none_or(|notify| notify.delay);
        let mut report = Self::new(rcpt, reason, now, Action::Delayed);
        report.status.0 = 4;
        report.retry_until = Some(until);
        wanted.then_some(report)
    }

    fn new(rcpt: &Rcpt, reason: &Reason, now: Timestamp, action: Action) -> Self {
        Self {
            address: rcpt.address.clone(),
            orcpt: rcpt.orcpt.clone(),
            action,
            status: reason.status,
            remote: reason.remote.clone(),
            diagnostic: reason.text.clone(),
            last_attempt: now,
            retry_until: None,
        }
    }
}

/// Builds the notice about these recipients of a batch.
pub(crate) async fn letter(
    store: &Store,
    settings: &Settings,
    batch: &Batch,
    reports: Vec<Report>,
    now: Timestamp,
) -> Result<Letter, Error> {
    let entry = &batch.entry;
    let failed = reports.iter().any(|report| report.action == Action::Failed);
    let return_max = u64::try_from(RETURN_MAX).unwrap_or(u64::MAX);
    // RET=FULL speaks of failures only (RFC 3461 section 4.3); without RET the whole is more useful.
    let whole = failed && entry.ret != Some(Ret::Headers) && entry.size <= return_max;
    let length = if whole {
        entry.size
    } else {
        HEADER_READ.min(entry.size)
    };
    let octets = store
        .octets(&batch.body, u64::from(entry.skip), length)
        .await?;
    let original = if whole {
        Original::Full(&octets)
    } else {
        Original::Headers(&octets)
    };
    let built = Notice {
        host: &settings.hello,
        to: &entry.sender,
        envid: entry.envid.as_deref(),
        arrived: entry.arrived.seconds(),
        now: now.seconds(),
        zone: settings.zone,
        recipients: reports.iter().map(Report::recipient).collect(),
        original,
    }
    .build();
    let prefix = b"Return-Path: <>\r\n";
    Ok(Letter {
        skip: u32::try_from(prefix.len()).unwrap_or(0),
        size: u64::try_from(built.octets.len()).unwrap_or(u64::MAX),
        octets: [prefix.as_slice(), &built.octets].concat(),
        utf8: built.utf8,
        body_kind: if built.eight_bit {
            BodyKind::EightBit
        } else {
            BodyKind::SevenBit
        },
        trace: compose::unique(),
    })
}

impl Report {
    fn recipient(&self) -> Recipient<'_> {
        Recipient {
            address: &self.address,
            orcpt: self.orcpt.as_deref(),
            action: self.action,
            status: self.status,
            remote: self.remote.as_deref(),
            diagnostic: Some(&self.diagnostic),
            last_attempt: Some(self.last_attempt.seconds()),
            retry_until: self.retry_until.map(Timestamp::seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use congvu_store::queue::{Notify, QueueId, RcptStatus};

    fn rcpt(notify: Option<(bool, bool, bool)>) -> Rcpt {
        Rcpt {
            entry: QueueId(1),
            index: 0,
            address: "b@x.test".into(),
            domain: "x.test".into(),
            status: RcptStatus::Waiting,
            attempts: 0,
            first: None,
            next: Timestamp(0),
            reply: None,
            remote: None,
            warned: false,
            notify: notify.map(|(success, failure, delay)| Notify {
                success,
                failure,
                delay,
            }),
            orcpt: None,
        }
    }

    #[test]
    fn who_is_told_what() {
        let now = Timestamp(0);
        let reason = Reason::own((4, 4, 1), "x");
        let check = |notify, expected: [bool; 4]| {
            let rcpt = rcpt(notify);
            let passed = Context {
                notices_passed_on: true,
                ..Context::default()
            };
            let found = [
                Report::delivered(&rcpt, &reason, now, &Context::default()).is_some(),
                Report::delivered(&rcpt, &reason, now, &passed).is_some(),
                Report::failed(&rcpt, &reason, now).is_some(),
                Report::delayed(&rcpt, &reason, now, now).is_some(),
            ];
            assert_eq!(found, expected, "{notify:?}");
        };
        check(None, [false, false, true, true]);
        check(Some((false, false, false)), [false; 4]);
        check(Some((true, false, false)), [true, false, false, false]);
        check(Some((false, true, false)), [false, false, true, false]);
        check(Some((true, true, true)), [true, false, true, true]);
    }

    #[test]
    fn statuses_fit_their_actions() {
        let now = Timestamp(0);
        let report = Report::failed(&rcpt(None), &Reason::own((4, 4, 1), "x"), now).unwrap();
        assert_eq!(report.status, (5, 4, 1));
        let report = Report::delayed(&rcpt(None), &Reason::own((5, 4, 1), "x"), now, now).unwrap();
        assert_eq!(report.status, (4, 4, 1));
        let last = Context {
            last_hop: true,
            ..Context::default()
        };
        let report = Report::delivered(
            &rcpt(Some((true, true, true))),
            &Reason::own((2, 0, 0), "x"),
            now,
            &last,
        );
        assert_eq!(report.unwrap().action, Action::Delivered);
    }
}
