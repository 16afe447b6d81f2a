//! Many accounts from one CSV file: all of them, or none.
//!
//! UTF-8, the first line names the columns, in any order. Excel's byte order mark and its `;` between
//! fields are understood.
//!
//! | column | meaning |
//! |---|---|
//! | `address` | primary address; required |
//! | `kind` | `person` (default) or `post` |
//! | `name` | display name |
//! | `agency` | code of the agency; the domain's when empty |
//! | `quota_mb` | limit in MiB; none of its own when empty or 0 |
//! | `quota_messages` | limit in messages; none of its own when empty or 0 |
//! | `password` | the password; `generate`; `-` for none. Empty: generated for a person, none for a post |
//! | `aliases` | further addresses, separated by spaces |
//! | `operators` | for a post: addresses of persons, separated by spaces; they may stand in the same file |
//! | `groups` | addresses of groups to join, separated by spaces |
//!
//! Errors of all lines are reported at once: the file is first played through in a transaction that is
//! thrown away, then passwords are hashed, then it happens in one transaction.

use std::sync::Arc;

use congvu_directory::edit::account::{self, NewAccount};
use congvu_directory::edit::{alias, credential, group, operator};
use congvu_directory::password::{self, Hashed, Purpose};
use congvu_directory::{Directory, Kind, find};
use congvu_message::Address;
use congvu_store::{AccountId, Tx};
use serde_json::json;
use tokio::task::JoinSet;

use crate::audit::{self, Described, Who};
use crate::change;
use crate::error::{Error, LineError, Result};
use crate::reply::{ImportView, Imported, Reply};
use crate::request::{NewPassword, Plain};

/// Most accounts of one file: one transaction, which holds up all others for about a second, and hashes for
/// some minutes.
pub const ROWS: usize = 5_000;
const COLUMNS: [&str; 10] = [
    "address",
    "kind",
    "name",
    "agency",
    "quota_mb",
    "quota_messages",
    "password",
    "aliases",
    "operators",
    "groups",
];
const MIB: u64 = 1 << 20;

/// One line of the file.
#[derive(Debug, Clone)]
struct Row {
    line: u64,
    account: NewAccount,
    agency: Option<String>,
    password: NewPassword,
    aliases: Vec<Address>,
    operators: Vec<Address>,
    groups: Vec<Address>,
}

/// Why the transaction was thrown away.
enum Abort {
    /// It was only a trial, with these errors.
    Tried(Vec<LineError>),
    Failed(Error),
}

impl From<congvu_store::Error> for Abort {
    fn from(error: congvu_store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Imports the accounts of a file.
pub(crate) async fn run(
    directory: &Directory,
    who: &Who,
    csv: &Plain,
    dry_run: bool,
) -> Result<Reply> {
    let text = std::str::from_utf8(csv.0.expose()).map_err(|e| {
        Error::Invalid(format!(
            "the file is not UTF-8: octet {} is wrong",
            e.valid_up_to()
        ))
    })?;
    let (rows, mut errors) = parse(text);
    let rows = Arc::new(rows);
    match write(directory, who, &rows, &Arc::default(), Mode::Try).await {
        Err(Abort::Tried(found)) => errors.extend(found),
        Err(Abort::Failed(error)) => return Err(error),
        Ok(()) => {}
    }
    if !errors.is_empty() {
        errors.sort_by_key(|e| e.line);
        return Err(Error::Import(errors));
    }
    let mut accounts: Vec<Imported> = rows
        .iter()
        .map(|row| Imported {
            address: row.account.address.to_string(),
            password: None,
        })
        .collect();
    if !dry_run {
        let hashes = hash(directory, &rows, &mut accounts).await?;
        match write(directory, who, &rows, &Arc::new(hashes), Mode::Write).await {
            Ok(()) => {}
            // Somebody else changed the directory since the trial.
            Err(Abort::Tried(found)) => return Err(Error::Import(found)),
            Err(Abort::Failed(error)) => return Err(error),
        }
    }
    Ok(Reply::Import(ImportView { dry_run, accounts }))
}

/// Hashes all passwords, several at once; generated ones are noted in `accounts`.
async fn hash(
    directory: &Directory,
    rows: &[Row],
    accounts: &mut [Imported],
) -> Result<Vec<Option<Hashed>>> {
    let mut hashes: Vec<Option<Hashed>> = vec![None; rows.len()];
    let mut running = JoinSet::new();
    for (at, (row, imported)) in rows.iter().zip(accounts).enumerate() {
        let secret = match &row.password {
            NewPassword::None => continue,
            NewPassword::Given(Plain(secret)) => secret.clone(),
            NewPassword::Generate => {
                let generated = password::generate();
                imported.password = Some(Plain(generated.clone()));
                generated
            }
        };
        let directory = directory.clone();
        running.spawn(async move { (at, directory.hash(None, &secret, Purpose::Main).await) });
    }
    while let Some(done) = running.join_next().await {
        let (at, made) =
            done.map_err(|e| Error::Unreachable(format!("a password was not hashed: {e}")))?;
        if let Some(slot) = hashes.get_mut(at) {
            *slot = Some(made?);
        }
    }
    Ok(hashes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Try,
    Write,
}

async fn write(
    directory: &Directory,
    who: &Who,
    rows: &Arc<Vec<Row>>,
    hashes: &Arc<Vec<Option<Hashed>>>,
    mode: Mode,
) -> Result<(), Abort> {
    let (rows, hashes, who) = (Arc::clone(rows), Arc::clone(hashes), who.clone());
    directory
        .store()
        .transact(move |tx| {
            let errors = play(tx, &who, &rows, &hashes).map_err(Abort::Failed)?;
            if mode == Mode::Write && errors.is_empty() {
                Ok(())
            } else {
                Err(Abort::Tried(errors))
            }
        })
        .await
}

/// Makes everything of the file; errors of lines are collected, errors of the store end it.
fn play(
    tx: &mut Tx<'_>,
    who: &Who,
    rows: &[Row],
    hashes: &[Option<Hashed>],
) -> Result<Vec<LineError>> {
    let mut errors = Vec::new();
    let mut made: Vec<(&Row, AccountId)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        match create(tx, row, hashes.get(at).and_then(Option::as_ref)) {
            Ok(id) => made.push((row, id)),
            Err(error) => errors.push(line_error(row, error)?),
        }
    }
    // Only now: an operator may stand further down.
    for (row, id) in made {
        for error in relate(tx, row, id) {
            errors.push(line_error(row, error)?);
        }
        audit::record_described(tx, who, &described(row), "done")?;
    }
    Ok(errors)
}

/// An error in the line; the store's own are none.
fn line_error(row: &Row, error: Error) -> Result<LineError> {
    match error {
        Error::Store(_) | Error::Directory(congvu_directory::Error::Store(_)) => Err(error),
        other => Ok(LineError {
            line: row.line,
            message: other.to_string(),
        }),
    }
}

fn create(tx: &mut Tx<'_>, row: &Row, hashed: Option<&Hashed>) -> Result<AccountId> {
    let agency = change::agency_id(tx, row.agency.as_deref())?;
    let created = account::create(
        tx,
        &NewAccount {
            agency,
            ..row.account.clone()
        },
    )?;
    if let Some(hashed) = hashed {
        credential::set_main(tx, created.id, hashed)?;
    }
    Ok(created.id)
}

/// Aliases, operators and groups of one account; every failure of them.
fn relate(tx: &mut Tx<'_>, row: &Row, id: AccountId) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut note =
        |outcome: congvu_directory::Result<()>| errors.extend(outcome.err().map(Error::from));
    for address in &row.aliases {
        note(alias::create(tx, address, std::slice::from_ref(&row.account.address)).map(drop));
    }
    for person in &row.operators {
        note(
            find::account(tx, person)
                .and_then(|person| operator::add(tx, id, person.id))
                .map(drop),
        );
    }
    for address in &row.groups {
        note(
            find::group(tx, address)
                .and_then(|group| group::add_member(tx, group.id, &row.account.address))
                .map(drop),
        );
    }
    errors
}

fn described(row: &Row) -> Described {
    let account = &row.account;
    let list = |addresses: &[Address]| {
        addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let arguments = json!({
        "kind": account.kind,
        "name": account.name,
        "agency": row.agency,
        "octets": account.octets_limit,
        "messages": account.messages_limit,
        "aliases": list(&row.aliases),
        "operators": list(&row.operators),
        "groups": list(&row.groups),
        "line": row.line,
    });
    Described {
        act: "account import".to_owned(),
        subject: account.address.to_string(),
        arguments: arguments.to_string(),
    }
}

/// Reads the file: what could be read, and every error.
fn parse(text: &str) -> (Vec<Row>, Vec<LineError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or("");
    let delimiter = if first.contains(';') && !first.contains(',') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut errors = Vec::new();
    let columns: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_lowercase).collect(),
        Err(error) => {
            return (
                Vec::new(),
                vec![LineError {
                    line: 1,
                    message: error.to_string(),
                }],
            );
        }
    };
    for column in &columns {
        if !COLUMNS.contains(&column.as_str()) {
            let message = format!(
                "unknown column {column:?}; known are {}",
                COLUMNS.join(", ")
            );
            errors.push(LineError { line: 1, message });
        }
    }
    for known in COLUMNS {
        let count = columns.iter().filter(|c| *c == known).count();
        if count > 1 || (count == 0 && known == "address") {
            let what = if count == 0 {
                "is missing"
            } else {
                "stands there twice"
            };
            errors.push(LineError {
                line: 1,
                message: format!("the column {known:?} {what}"),
            });
        }
    }
    if !errors.is_empty() {
        return (Vec::new(), errors);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                errors.push(LineError {
                    line,
                    message: error.to_string(),
                });
                continue;
            }
        };
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = record.position().map_or(0, |at| line_of(text, at));
        let fields = Fields {
            columns: &columns,
            record: &record,
        };
        if record.iter().any(|field| field.contains('\n')) {
            // No column can hold a line break, so the rest of the file was taken for one field.
            let message = "a quotation mark opens a field here that does not end on this line; the lines after it were not checked".to_owned();
            errors.push(LineError { line, message });
            continue;
        }
        match row(line, &fields) {
            Ok(row) => rows.push(row),
            Err(found) => {
                errors.extend(found.into_iter().map(|message| LineError { line, message }));
            }
        }
        if rows.len() > ROWS {
            let message = format!("more than {ROWS} accounts; split the file");
            return (Vec::new(), vec![LineError { line, message }]);
        }
    }
    if rows.is_empty() && errors.is_empty() {
        errors.push(LineError {
            line: 0,
            message: "the file has no accounts".to_owned(),
        });
    }
    (rows, errors)
}

/// The line where a record begins: the reader's position is before empty lines that it skips.
fn line_of(text: &str, at: &csv::Position) -> u64 {
    let rest = usize::try_from(at.byte())
        .ok()
        .and_then(|byte| text.as_bytes().get(byte..));
    let empty = rest
        .unwrap_or(&[])
        .iter()
        .take_while(|octet| matches!(octet, b'\r' | b'\n'));
    at.line() + empty.filter(|octet| **octet == b'\n').count() as u64
}

/// The fields of one line by column.
struct Fields<'a> {
    columns: &'a [String],
    record: &'a csv::StringRecord,
}

impl<'a> Fields<'a> {
    fn text(&self, column: &str) -> &'a str {
        let at = self.columns.iter().position(|c| c == column);
        at.and_then(|at| self.record.get(at)).unwrap_or("")
    }
    fn number(&self, column: &str, errors: &mut Vec<String>) -> u64 {
        match self.text(column) {
            "" => 0,
            text => text.parse().unwrap_or_else(|_| {
                errors.push(format!("{column} is {text:?}, not a whole number"));
                0
            }),
        }
    }
    fn addresses(&self, column: &str, errors: &mut Vec<String>) -> Vec<Address> {
        let words = self
            .text(column)
            .split([' ', ',', ';'])
            .filter(|word| !word.is_empty());
        words
            .filter_map(|word| match change::address(word) {
                Ok(address) => Some(address),
                Err(error) => {
                    errors.push(format!("{column}: {error}"));
                    None
                }
            })
            .collect()
    }
}

fn row(line: u64, fields: &Fields<'_>) -> Result<Row, Vec<String>> {
    let mut errors = Vec::new();
    if fields.record.len() > fields.columns.len() {
        let (has, named) = (fields.record.len(), fields.columns.len());
        errors.push(format!(
            "the line has {has} fields, but only {named} columns are named"
        ));
    }
    let kind = match fields.text("kind").to_lowercase().as_str() {
        "" | "person" => Kind::Person,
        "post" => Kind::Post,
        other => {
            errors.push(format!("kind is {other:?}; it can be person or post"));
            Kind::Person
        }
    };
    let octets_limit = fields
        .number("quota_mb", &mut errors)
        .checked_mul(MIB)
        .unwrap_or_else(|| {
            errors.push("quota_mb is too large".to_owned());
            0
        });
    let messages_limit = fields.number("quota_messages", &mut errors);
    let aliases = fields.addresses("aliases", &mut errors);
    let operators = fields.addresses("operators", &mut errors);
    let groups = fields.addresses("groups", &mut errors);
    let address = change::address(fields.text("address"))
        .map_err(|e| errors.push(e.to_string()))
        .ok();
    let password = match fields.text("password") {
        "" if kind == Kind::Post => NewPassword::None,
        "" | "generate" => NewPassword::Generate,
        "-" => NewPassword::None,
        given => {
            let secret = congvu_wire::Secret::new(given.as_bytes());
            if let Some(address) = &address
                && let Err(error) = password::check(&secret, address)
            {
                errors.push(error.to_string());
            }
            NewPassword::Given(Plain(secret))
        }
    };
    match address {
        Some(address) if errors.is_empty() => Ok(Row {
            line,
            account: NewAccount {
                octets_limit,
                messages_limit,
                name: fields.text("name").to_owned(),
                ..NewAccount::new(kind, address)
            },
            agency: Some(fields.text("agency"))
                .filter(|code| !code.is_empty())
                .map(str::to_owned),
            password,
            aliases,
            operators,
            groups,
        }),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_by_line() {
        let (rows, errors) = parse(
            "address,kind,quota_mb,password\n\
             an@xa.test,person,100,\n\
             nobody,chief,many,short\n\
             \n\
             binh@xa.test,,,tiny,extra\n\
             vanthu@xa.test,post,18446744073709551615,\n",
        );
        assert_eq!(rows.len(), 1);
        let lines: Vec<u64> = errors.iter().map(|e| e.line).collect();
        assert_eq!(lines, [3, 3, 3, 5, 5, 6], "{errors:?}");
    }

    #[test]
    fn a_quotation_mark_left_open_is_told_where_it_stands() {
        let (rows, errors) = parse("address,name\nan@xa.test,\"An\n\nbinh@xa.test,B\n");
        assert!(rows.is_empty());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].line, 2);
        assert!(errors[0].message.contains("quotation mark"), "{errors:?}");
    }

    #[test]
    fn excel_files_are_understood() {
        let (rows, errors) = parse(
            "\u{feff}Address;Name;Kind;Aliases;Password\r\n\
             an@xa.test;\"Nguyễn Văn \"\"An\"\"\";person;\"a@xa.test b@xa.test\";generate\r\n\
             vanthu@xa.test;;post;;\r\n",
        );
        assert_eq!(errors, []);
        assert_eq!(rows[0].account.name, "Nguyễn Văn \"An\"");
        assert_eq!(rows[0].aliases.len(), 2);
        assert_eq!(
            (&rows[0].password, &rows[1].password),
            (&NewPassword::Generate, &NewPassword::None)
        );
    }

    #[test]
    fn the_header_is_checked() {
        for (text, expected) in [
            ("", "\"address\" is missing"),
            ("name\nx\n", "\"address\" is missing"),
            ("address,adress\n", "unknown column \"adress\""),
            ("address,address\n", "stands there twice"),
            ("address\n", "no accounts"),
        ] {
            let (_, errors) = parse(text);
            assert!(
                errors.iter().any(|e| e.message.contains(expected)),
                "{text:?}: {errors:?}"
            );
        }
    }
}
