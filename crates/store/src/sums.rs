//! Checks of counters and sums inside the index, each in one consistent view.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::check::{Place, Problem};
use crate::codec::{self, Counters, Home, Identity};
use crate::error::Result;
use crate::id::{AccountId, LedgerId, MailboxId, Uid};
use crate::mailbox::Mailbox;
use crate::message::Flags;
use crate::quarantine::QuarantineRead as _;
use crate::record::Table;
use crate::source::Source as _;
use crate::tx::{Ledger, Read as _, Snapshot};
use crate::{keys, leaf};

impl Snapshot<'_> {
    /// A mailbox's counters against its messages, and its name against the list of names. Damaged records
    /// are an error: they are found pair by pair, elsewhere.
    pub fn check_mailbox(&self, id: MailboxId) -> Result<Vec<Problem>> {
        let Some(mailbox) = self.mailbox(id)? else {
            return Ok(Vec::new());
        };
        let mut problems = Vec::new();
        let mut problem = |what: String, uid: Option<Uid>| {
            let mut problem = Problem::new(Place::Sums, what);
            problem.account = Some(mailbox.account);
            problem.mailbox = Some(mailbox.name.clone());
            problem.uid = uid;
            problems.push(problem);
        };
        let mut counted = (0_u64, 0_u64, 0_u64, 0_u64);
        let end = keys::after(&keys::leaf(id, Uid(u32::MAX)));
        self.visit(&keys::leaf(id, Uid(0)), &end, &mut |key, value| {
            for message in leaf::decode(keys::first_of(key), value)? {
                counted.0 += 1;
                counted.1 += u64::from(!message.flags.contains(Flags::SEEN));
                counted.2 += u64::from(message.flags.contains(Flags::DELETED));
                counted.3 += u64::from(message.size);
                if message.uid >= mailbox.uidnext {
                    let next = mailbox.uidnext;
                    let what = format!("the message is not below the next UID, {next}");
                    problem(what, Some(message.uid));
                }
                if message.modseq > mailbox.modseq {
                    let what = "the message changed after its mailbox did".to_owned();
                    problem(what, Some(message.uid));
                }
                if message
                    .keywords
                    .iter()
                    .any(|index| usize::from(*index) >= mailbox.keywords.len())
                {
                    let what = "the message has a keyword without a name".to_owned();
                    problem(what, Some(message.uid));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (what, says, holds) in [
            ("messages", u64::from(mailbox.messages), counted.0),
            ("unseen messages", u64::from(mailbox.unseen), counted.1),
            ("deleted messages", u64::from(mailbox.deleted), counted.2),
            ("octets", mailbox.size, counted.3),
        ] {
            if says != holds {
                problem(format!("counts {says} {what}, but holds {holds}"), None);
            }
        }
        let named = self.mailbox_named(mailbox.account, &mailbox.name)?;
        if named.map(|named| named.id) != Some(id) {
            problem("is not found by its name".to_owned(), None);
        }
        Ok(problems)
    }

    /// Homes against their mailboxes, ledgers against the homes charged to them. Reads the record of
    /// every mailbox, so writers wait some microseconds for each.
    pub fn check_homes(&self) -> Result<Vec<Problem>> {
        let mut held: BTreeMap<AccountId, Ledger> = BTreeMap::new();
        let mut count: BTreeMap<AccountId, u32> = BTreeMap::new();
        let mut counters: BTreeMap<u64, Counters> = BTreeMap::new();
        let table = [Table::Mailbox as u8];
        self.visit(&table, &keys::after(&table), &mut |key, value| {
            let id = keys::number_at(key, 1);
            if keys::is_counters(key) {
                // `c` stands before `n`.
                counters.insert(id, codec::decode("mailbox counters", value)?);
                return Ok(ControlFlow::Continue(()));
            }
            let identity: Identity = codec::decode("mailbox", value)?;
            if let Some(counters) = counters.remove(&id) {
                let mailbox: Mailbox = codec::join(MailboxId(id), identity, counters);
                let sums = held.entry(mailbox.account).or_default();
                sums.octets = sums.octets.saturating_add(mailbox.size);
                sums.messages = sums.messages.saturating_add(u64::from(mailbox.messages));
                *count.entry(mailbox.account).or_default() += 1;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut problems = Vec::new();
        let mut charged: BTreeMap<LedgerId, Ledger> = BTreeMap::new();
        let table = [Table::Home as u8];
        self.visit(&table, &keys::after(&table), &mut |key, value| {
            let account = AccountId(keys::number_at(key, 1));
            let home: Home = codec::decode("home", value)?;
            let sums = held.remove(&account).unwrap_or_default();
            for ledger in home.ledgers {
                let charged = charged.entry(ledger).or_default();
                charged.octets = charged.octets.saturating_add(sums.octets);
                charged.messages = charged.messages.saturating_add(sums.messages);
            }
            let holds = count.remove(&account).unwrap_or_default();
            if holds != home.mailboxes {
                let says = home.mailboxes;
                let what = format!("counts {says} mailboxes, but has {holds}");
                let mut problem = Problem::new(Place::Sums, what);
                problem.account = Some(account);
                problems.push(problem);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for account in count.into_keys() {
            let mut problem = Problem::new(Place::Sums, "has mailboxes, but no home");
            problem.account = Some(account);
            problems.push(problem);
        }
        let table = [Table::Ledger as u8];
        self.visit(&table, &keys::after(&table), &mut |key, value| {
            let id = LedgerId(keys::number_at(key, 1));
            let ledger: Ledger = codec::decode("ledger", value)?;
            let sums = charged.remove(&id).unwrap_or_default();
            if (ledger.octets, ledger.messages) != (sums.octets, sums.messages) {
                let what = format!(
                    "ledger {id} counts {} messages of {} octets, but {} of {} are charged to it",
                    ledger.messages, ledger.octets, sums.messages, sums.octets
                );
                problems.push(Problem::new(Place::Sums, what));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (account, what) in self.check_quarantine()? {
            let mut problem = Problem::new(Place::Sums, what);
            problem.account = Some(account);
            problems.push(problem);
        }
        for (id, sums) in charged {
            if sums.messages > 0 {
                let what = format!("ledger {id} is missing");
                problems.push(Problem::new(Place::Sums, what));
            }
        }
        Ok(problems)
    }
}
