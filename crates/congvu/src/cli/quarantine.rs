//! `congvu quarantine …`: letters that the filter held.

use std::fmt::Write as _;

use clap::Subcommand;
use congvu_admin::change::QuarantineChange;
use congvu_admin::quarantine::{DigestsView, QuarantineDetail, QuarantineRequest, QuarantineView};
use congvu_admin::{Change, Connection, Error, Reply, Request};
use congvu_guard::quarantine::plain::shown;

use super::Plan;
use super::amount::size;
use super::print::Output;
use super::table::{Table, plain};

/// What can be done with letters in quarantine.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List letters in quarantine.
    List {
        /// Only of this account, also of a removed one.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "agency")]
        account: Option<String>,
        /// Only of accounts of this agency and those below.
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
    },
    /// Show a letter: why it was held, its header, the beginning of its text.
    Show {
        /// Its number, as listed.
        id: u64,
    },
    /// Put letters into the mailboxes that they were for. The filter learns that they were wanted.
    Release {
        /// Their numbers, as listed.
        #[arg(required_unless_present = "account", conflicts_with = "account")]
        ids: Vec<u64>,
        /// All letters of this account.
        #[arg(long, value_name = "ADDRESS")]
        account: Option<String>,
        /// Past the limits of account, domain and agency.
        #[arg(long)]
        exceed_quota: bool,
    },
    /// Delete letters for good.
    Delete {
        /// Their numbers, as listed.
        #[arg(required = true)]
        ids: Vec<u64>,
    },
    /// Tell accounts of new letters in their quarantine, as otherwise happens once a day.
    Digest {
        /// At once, whatever the hour.
        #[arg(long, required = true)]
        now: bool,
        /// Only this account.
        #[arg(long, value_name = "ADDRESS")]
        account: Option<String>,
    },
}

/// What to do with the quarantine.
pub(super) enum Act {
    /// List pages.
    List {
        address: Option<String>,
        agency: Option<String>,
    },
    /// Release everything of an account.
    ReleaseAll { address: String, exceed_quota: bool },
}

impl Verb {
    pub(super) fn plan(self) -> Plan {
        let each = |ids: Vec<u64>, change: &dyn Fn(u64) -> QuarantineChange| {
            let requests = ids
                .into_iter()
                .map(|id| Request::Change(Change::Quarantine(change(id))));
            Plan::Do(requests.collect())
        };
        match self {
            Self::List { account, agency } => Plan::Quarantine(Act::List {
                address: account,
                agency,
            }),
            Self::Show { id } => {
                Plan::Do(vec![Request::Quarantine(QuarantineRequest::Show { id })])
            }
            Self::Release {
                account: Some(address),
                exceed_quota,
                ..
            } => Plan::Quarantine(Act::ReleaseAll {
                address,
                exceed_quota,
            }),
            Self::Release {
                ids, exceed_quota, ..
            } => each(ids, &|id| QuarantineChange::Release { id, exceed_quota }),
            Self::Delete { ids } => each(ids, &|id| QuarantineChange::Delete { id }),
            Self::Digest { account, .. } => {
                let digest = QuarantineRequest::Digest { address: account };
                Plan::Do(vec![Request::Quarantine(digest)])
            }
        }
    }
}

/// Does it.
pub(super) async fn perform(
    connection: &mut Connection,
    act: Act,
    output: &Output,
) -> congvu_admin::Result<()> {
    match act {
        Act::List { address, agency } => {
            let all = list(connection, address, agency).await?;
            output.reply(&all);
        }
        Act::ReleaseAll {
            address,
            exceed_quota,
        } => {
            let Reply::Quarantine(page) = list(connection, Some(address), None).await? else {
                return Err(Error::Unreachable("the server gave another answer".into()));
            };
            for letter in page.entries {
                let id = letter.number;
                let change = QuarantineChange::Release { id, exceed_quota };
                let change = Request::Change(Change::Quarantine(change));
                output.reply(&connection.request(change).await?);
            }
        }
    }
    Ok(())
}

async fn list(
    connection: &mut Connection,
    address: Option<String>,
    agency: Option<String>,
) -> congvu_admin::Result<Reply> {
    let page = |after| {
        Request::Quarantine(QuarantineRequest::List {
            address: address.clone(),
            agency: agency.clone(),
            after,
        })
    };
    let mut all = connection.request(page(None)).await?;
    while let Some(next) = all.next().map(str::to_owned) {
        all.append(connection.request(page(Some(next))).await?);
    }
    Ok(all)
}

/// Letters as a table.
pub(super) fn letters(output: &Output, all: &[QuarantineView]) -> String {
    let mut table = Table::new(&[
        "NUMBER", "ACCOUNT", "HELD", "KEPT", "SIZE", "SPAM", "FROM", "SUBJECT",
    ]);
    for one in all {
        table.row(vec![
            one.number.to_string(),
            one.account.clone(),
            output.time(one.held),
            kept(one),
            size(u64::from(one.size)),
            percent(one.unwanted),
            shown(from(one)),
            shown(&one.subject),
        ]);
    }
    table.to_string()
}

fn from(letter: &QuarantineView) -> &str {
    if letter.from.is_empty() {
        &letter.sender
    } else {
        &letter.from
    }
}

fn percent(thousandths: u16) -> String {
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

fn kept(letter: &QuarantineView) -> String {
    match (letter.kept, letter.days_left) {
        (true, _) => "held".to_owned(),
        (false, 1) => "1 day".to_owned(),
        (false, days) => format!("{days} days"),
    }
}

/// One letter. What strangers wrote is told line by line, without what a terminal would obey or show turned around.
pub(super) fn letter(output: &Output, detail: &QuarantineDetail) -> String {
    let QuarantineDetail {
        letter,
        header,
        text,
    } = detail;
    let mut out = String::new();
    for (name, value) in [
        ("number", letter.number.to_string()),
        ("id", plain(&letter.id)),
        ("account", plain(&letter.account)),
        (
            "agency",
            plain(letter.agency.as_deref().unwrap_or_default()),
        ),
        ("held", output.time(letter.held)),
        ("kept", kept(letter)),
        ("told", if letter.told { "yes" } else { "no" }.to_owned()),
        ("size", size(u64::from(letter.size))),
        ("spam", percent(letter.unwanted)),
        ("sender", format!("<{}>", shown(&letter.sender))),
        ("from", shown(&letter.from)),
        ("subject", shown(&letter.subject)),
    ] {
        let _ = writeln!(out, "{name:9}{value}");
    }
    for reason in &letter.reasons {
        let _ = writeln!(
            out,
            "reason   {}: {}\n         {}",
            plain(&reason.name),
            shown(&reason.vi),
            shown(&reason.en)
        );
    }
    for part in [header, text] {
        out.push('\n');
        for line in part.lines() {
            let _ = writeln!(out, "  {}", shown(line));
        }
    }
    out
}

/// What was sent.
pub(super) fn digests(view: &DigestsView) -> String {
    format!(
        "accounts told: {}; letters: {}\n",
        view.digests, view.letters
    )
}
