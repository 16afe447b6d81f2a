//! Plan: who gets a message after all recipients are known, each account and each foreign address once.

use std::collections::{HashMap, HashSet};

use congvu_directory::Recipient;
use congvu_smtp::ask;
use congvu_store::AccountId;
use congvu_store::queue::{NewRcpt, Notify};

use crate::rcpt::Accepted;

/// One copy in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose.
    pub account: AccountId,
    /// Plus detail.
    pub detail: Option<String>,
    /// Named by a RCPT of its own rather than as member of a group: bound by its quota.
    pub direct: bool,
}

/// All copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In our mailboxes.
    pub local: Vec<Place>,
    /// To be sent.
    pub foreign: Vec<NewRcpt>,
}

/// Makes the plan. Who is named directly and also in a group gets what the direct naming says (its detail).
pub(crate) fn plan(accepted: &[Accepted]) -> Plan {
    let mut plan = Plan::default();
    let mut places: HashMap<AccountId, usize> = HashMap::new();
    let mut addresses = HashSet::new();
    for rcpt in accepted {
        for target in &rcpt.targets {
            match target {
                Recipient::Account {
                    account, detail, ..
                } => {
                    let place = Place {
                        account: *account,
                        detail: detail.clone(),
                        direct: rcpt.single,
                    };
                    match places.get(account) {
                        None => {
                            places.insert(*account, plan.local.len());
                            plan.local.push(place);
                        }
                        Some(&at) if place.direct && !plan.local[at].direct => {
                            plan.local[at] = place;
                        }
                        Some(_) => {}
                    }
                }
                Recipient::Foreign(address) => {
                    if addresses.insert(address.clone()) {
                        plan.foreign.push(NewRcpt {
                            address: address.to_string(),
                            domain: address.domain.clone(),
                            notify: notify(rcpt),
                            orcpt: orcpt(rcpt),
                        });
                    }
                }
            }
        }
    }
    plan
}

/// NOTIFY for a copy that goes on. A single address keeps the sender's wish (RFC 3461 section 5.2.7.1);
/// members of a group only tell of failures, as the sender asked about the group (section 5.2.7.3).
fn notify(rcpt: &Accepted) -> Option<Notify> {
    let ask::Notify {
        success,
        failure,
        delay,
    } = rcpt.rcpt.notify?;
    Some(if rcpt.single {
        Notify {
            success,
            failure,
            delay,
        }
    } else {
        Notify {
            success: false,
            failure,
            delay: false,
        }
    })
}

/// ORCPT for a copy that goes on: the sender's, else the address that led here (RFC 3461 section 5.2.7.1).
fn orcpt(rcpt: &Accepted) -> Option<String> {
    if !rcpt.single {
        return None;
    }
    let own = || {
        rcpt.address
            .as_ref()
            .map(|address| format!("rfc822;{address}"))
            .filter(|text| text.is_ascii())
    };
    rcpt.rcpt.orcpt.clone().or_else(own)
}

#[cfg(test)]
mod tests {
    use congvu_message::Address;

    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    fn account(id: u64, detail: Option<&str>) -> Recipient {
        Recipient::Account {
            account: AccountId(id),
            address: address("a@bo.test"),
            detail: detail.map(str::to_owned),
        }
    }

    fn rcpt(to: &str, notify: Option<ask::Notify>, targets: Vec<Recipient>) -> Accepted {
        let rcpt = ask::Rcpt {
            to: to.into(),
            notify,
            orcpt: None,
        };
        Accepted {
            rcpt,
            address: Some(address(to)),
            single: targets.len() == 1,
            targets,
        }
    }

    #[test]
    fn everybody_gets_one_copy() {
        let plan = plan(&[
            rcpt(
                "all@bo.test",
                None,
                vec![
                    account(1, None),
                    account(2, None),
                    Recipient::Foreign(address("x@far.test")),
                ],
            ),
            rcpt("a+hop@bo.test", None, vec![account(1, Some("hop"))]),
            rcpt(
                "x@far.test",
                None,
                vec![Recipient::Foreign(address("x@FAR.test"))],
            ),
        ]);
        let place = |id, detail: Option<&str>, direct| Place {
            account: AccountId(id),
            detail: detail.map(str::to_owned),
            direct,
        };
        assert_eq!(
            plan.local,
            [place(1, Some("hop"), true), place(2, None, false)]
        );
        assert_eq!(plan.foreign.len(), 1);
        assert_eq!(plan.foreign[0].domain, "far.test");
    }

    #[test]
    fn wishes_for_notices_follow_a_single_address_only() {
        let all = ask::Notify {
            success: true,
            failure: true,
            delay: true,
        };
        let far = || Recipient::Foreign(address("x@far.test"));
        let single = plan(&[rcpt("alias@bo.test", Some(all), vec![far()])]);
        assert_eq!(
            single.foreign[0].notify,
            Some(Notify {
                success: true,
                failure: true,
                delay: true
            })
        );
        assert_eq!(
            single.foreign[0].orcpt.as_deref(),
            Some("rfc822;alias@bo.test")
        );
        let group = plan(&[rcpt(
            "all@bo.test",
            Some(all),
            vec![far(), account(1, None)],
        )]);
        assert_eq!(
            group.foreign[0].notify,
            Some(Notify {
                success: false,
                failure: true,
                delay: false
            })
        );
        assert_eq!(group.foreign[0].orcpt, None);
    }
}
