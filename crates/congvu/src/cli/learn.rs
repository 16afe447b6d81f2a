//! `congvu spam learn|forget|labels|stats`: teaching the filter, taking back, and what it learned.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use congvu_admin::change::SpamChange;
use congvu_admin::learning::{LabelView, LearningView};
use congvu_admin::{Change, Query, Request};

use super::amount::{Edge, instant, size};
use super::print::Output;
use super::table::Table;
use super::{Plan, Usage};

/// Octets of a file that are read: texts stand in front of a letter.
const READ_MAX: u64 = 4 * 1024 * 1024;

/// What a letter is.
#[derive(Debug, Subcommand)]
pub(crate) enum LearnVerb {
    /// Letters that nobody wants.
    Spam(LearnArgs),
    /// Letters that are wanted.
    Ham(LearnArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    /// Message files, as they were sent, or folders of such files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// In the name of this account, within its bounds; otherwise for the whole house.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
}

impl LearnVerb {
    pub(super) fn plan(self) -> Result<Plan, Usage> {
        let (spam, args) = match self {
            Self::Spam(args) => (true, args),
            Self::Ham(args) => (false, args),
        };
        let mut requests = Vec::new();
        for file in letters(&args.files)? {
            let raw = read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            requests.push(Request::Change(Change::Spam(SpamChange::Learn {
                spam,
                address: args.account.clone(),
                file: file.display().to_string(),
                letter: Box::new(congvu_guard::learn::letter(&raw)),
            })));
        }
        Ok(Plan::Do(requests))
    }
}

/// The files named, those of folders in the order of their names.
fn letters(named: &[PathBuf]) -> Result<Vec<PathBuf>, Usage> {
    let mut found = Vec::new();
    for path in named {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let failed = |error| format!("{}: {error}", path.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        found.extend(files);
    }
    Ok(found)
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut raw = Vec::new();
    std::fs::File::open(file)?
        .take(READ_MAX)
        .read_to_end(&mut raw)?;
    Ok(raw)
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["account", "label", "all"])))]
pub(crate) struct ForgetArgs {
    /// What this account said (also a removed one).
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    /// Only from this day or instant on: 2026-11-22, "2026-11-22 08:30", in the server's time zone.
    #[arg(long, value_name = "TIME", requires = "account")]
    since: Option<String>,
    /// One label.
    #[arg(long, value_name = "NUMBER")]
    label: Option<u64>,
    /// Everything that was ever learned.
    #[arg(long)]
    all: bool,
}

impl ForgetArgs {
    pub(super) fn plan(self, zone: i16) -> Result<Plan, Usage> {
        let since = self
            .since
            .map(|text| instant(&text, zone, Edge::Begin))
            .transpose()?;
        let change = match (self.account, self.label) {
            (Some(address), _) => SpamChange::ForgetAccount { address, since },
            (None, Some(id)) => SpamChange::ForgetLabel { id },
            (None, None) => SpamChange::ForgetAll,
        };
        Ok(Change::Spam(change).into())
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Only this agency and those below; the model is the house's all the same.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Days counted, today included.
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u32,
}

impl StatsArgs {
    pub(super) fn plan(self) -> Plan {
        Query::Learning {
            agency: self.agency,
            days: self.days,
        }
        .into()
    }
}

/// Labels of everybody, or of one account.
pub(super) fn labels_of(address: Option<String>) -> Plan {
    Plan::List(Query::Labels {
        address,
        after: None,
    })
}

/// Labels as a table.
pub(super) fn labels(output: &Output, all: &[LabelView]) -> String {
    let mut table = Table::new(&["NUMBER", "TIME", "CLASS", "HOW", "STATE", "ACCOUNT"]);
    for label in all {
        table.row(vec![
            label.id.to_string(),
            output.time(label.at),
            label.class.clone(),
            label.source.name().to_owned(),
            label.state.clone(),
            label
                .account
                .clone()
                .unwrap_or_else(|| "(house)".to_owned()),
        ]);
    }
    table.to_string()
}

/// What was learned.
pub(super) fn stats(output: &Output, view: &LearningView) -> String {
    let mut text = String::new();
    let of = view.agency.as_deref().unwrap_or("the house");
    let _ = writeln!(text, "labels of {of}, last {} days:", view.days);
    let mut table = Table::new(&["HOW", "HAM", "SPAM"]);
    for source in &view.sources {
        table.row(vec![
            source.source.name().to_owned(),
            source.ham.to_string(),
            source.spam.to_string(),
        ]);
    }
    text.push_str(&table.to_string());
    let judged = view.agreed + view.false_positives + view.missed;
    let _ = writeln!(
        text,
        "the filter had been right on {} of {judged}; wanted, but put away: {}; unwanted, but let through: {}",
        view.agreed, view.false_positives, view.missed
    );
    let _ = writeln!(
        text,
        "taken back: {}; letter gone before it was read: {}; waiting: {}",
        view.revoked, view.unread, view.waiting
    );
    let _ = writeln!(
        text,
        "model of the house: {} wanted and {} unwanted letters, believed {}.{} %, corrections {}.{} %, {} octets",
        view.ham,
        view.spam,
        view.trust / 10,
        view.trust % 10,
        view.ground / 10,
        view.ground % 10,
        size(view.octets)
    );
    if !view.last.is_empty() {
        text.push_str("last labels:\n");
        text.push_str(&labels(output, &view.last));
    }
    text
}
