//! The record of every administrative act: who did what, when, with what result.
//!
//! A change and its record are one transaction: there is no act without its record. A refused act is
//! recorded as well, after it left no trace. Secrets never come here: arguments pass through [`redact`].

use congvu_store::{Read, Record, Result as StoreResult, Table, Timestamp, Tx};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use congvu_directory::view::Page;

use crate::change::Change;
use crate::error::Result;

/// Most octets of arguments kept: a record must stay below 64 KiB, and whoever reads wants the gist.
const ARGUMENTS: usize = 8_192;
/// Records of a page.
const PAGE: usize = 500;
/// Argument names whose values are never kept: secrets, files (every account of one has its own record), letters.
const SECRET: [&str; 3] = ["password", "csv", "letter"];

/// Who asks for an act, as the system vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Who {
    /// Effective user id of the process.
    pub uid: u32,
    /// Its name in the system's user list, if any.
    pub user: Option<String>,
    /// The name under which the person logged in to the machine, if the system knows it: it stays the same
    /// through `sudo`.
    pub login: Option<String>,
    /// `socket` or `local`; `server` for what the server does unasked.
    pub via: String,
}

impl Who {
    /// The server itself, for what it does unasked.
    pub fn server() -> Self {
        let uid = crate::open::own_uid().unwrap_or_default();
        Self {
            uid,
            user: crate::open::user_name(uid),
            login: None,
            via: "server".to_owned(),
        }
    }

    /// The person as far as the system knows: `an`, `an as root`, `#990`.
    pub(crate) fn name(&self) -> String {
        let user = self.user.clone();
        let user = user.unwrap_or_else(|| format!("#{}", self.uid));
        match &self.login {
            Some(login) if *login != user => format!("{login} as {user}"),
            _ => user,
        }
    }
}

/// One audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Tells records of one instant apart.
    pub number: u64,
    /// Who.
    pub who: Who,
    /// `account add`.
    pub act: String,
    /// What it concerned: an address, a code, a name.
    pub subject: String,
    /// The other arguments as JSON, without secrets.
    pub arguments: String,
    /// `done`, or `refused: ` with the reason.
    pub result: String,
}

impl Record for Audit {
    const TABLE: Table = Table::Audit;
    type Key = (Timestamp, u64);
    fn key(&self) -> Self::Key {
        (self.at, self.number)
    }
    fn key_octets(key: &Self::Key) -> Vec<u8> {
        let mut octets = u64::try_from(key.0.0).unwrap_or(0).to_be_bytes().to_vec();
        octets.extend_from_slice(&key.1.to_be_bytes());
        octets
    }
    fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![1]).expect("plain data into memory cannot fail")
    }
    fn decode(_key: &[u8], value: &[u8]) -> StoreResult<Self> {
        let damaged = |why: &str| congvu_store::Error::Damaged(format!("audit record: {why}"));
        match value.split_first() {
            Some((1, rest)) => postcard::from_bytes(rest).map_err(|e| damaged(&e.to_string())),
            Some((&found, _)) if found > 1 => Err(congvu_store::Error::Newer {
                what: "audit record".to_owned(),
                found: u32::from(found),
                known: 1,
            }),
            _ => Err(damaged("unknown version")),
        }
    }
}

/// An audit record as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditView {
    /// Milliseconds since 1970.
    pub at: Timestamp,
    /// Who.
    pub who: Who,
    /// What.
    pub act: String,
    /// Concerning what.
    pub subject: String,
    /// Other arguments.
    pub arguments: Value,
    /// `done`, or `refused: ` with the reason.
    pub result: String,
}

/// Writes the record of an act.
pub(crate) fn record(tx: &mut Tx<'_>, who: &Who, change: &Change, result: &str) -> Result<()> {
    let described = describe(change);
    record_described(tx, who, &described, result)
}

/// Writes a record of something described by hand (a line of an imported file, an order to the server).
pub(crate) fn record_described(
    tx: &mut Tx<'_>,
    who: &Who,
    described: &Described,
    result: &str,
) -> Result<()> {
    let number = tx.next("audit")?;
    let record = Audit {
        at: tx.now(),
        number,
        who: who.clone(),
        act: described.act.clone(),
        subject: described.subject.clone(),
        arguments: described.arguments.clone(),
        result: result.to_owned(),
    };
    Ok(tx.put(&record)?)
}

/// A change in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Described {
    pub(crate) act: String,
    pub(crate) subject: String,
    pub(crate) arguments: String,
}

impl Described {
    /// An act without arguments.
    pub(crate) fn of(act: &str) -> Self {
        Self {
            act: act.to_owned(),
            ..Self::default()
        }
    }
}

/// Takes the words from the change's own serialized form, `{noun: {verb: {arguments}}}`, so that a new act
/// cannot be forgotten here.
pub(crate) fn describe(change: &Change) -> Described {
    let value = serde_json::to_value(change).unwrap_or(Value::Null);
    let Some((noun, inner)) = only(&value) else {
        return Described::default();
    };
    let (verb, arguments) = only(inner)
        .map_or((inner.as_str().unwrap_or("?"), &Value::Null), |(v, a)| {
            (v, a)
        });
    let mut arguments = arguments.clone();
    redact(&mut arguments);
    let mut subject = String::new();
    if let Value::Object(fields) = &mut arguments {
        fields.retain(|_, value| !value.is_null());
        let key = ["address", "post", "code", "domain", "subject", "id"]
            .into_iter()
            .find(|key| fields.contains_key(*key));
        if let Some(value) = key.and_then(|key| fields.remove(key)) {
            subject = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
        }
    }
    let mut arguments =
        if arguments.as_object().is_some_and(serde_json::Map::is_empty) || arguments.is_null() {
            String::new()
        } else {
            arguments.to_string()
        };
    if arguments.len() > ARGUMENTS {
        arguments = format!("\"{} octets of arguments\"", arguments.len());
    }
    Described {
        act: format!("{noun} {verb}"),
        subject,
        arguments,
    }
}

fn only(value: &Value) -> Option<(&str, &Value)> {
    value
        .as_object()?
        .iter()
        .next()
        .map(|(key, value)| (key.as_str(), value))
}

/// Takes secrets out, at any depth.
fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if SECRET.contains(&key.as_str()) {
                    *value = Value::Null;
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Removes records up to an instant, at most `most`; says how many.
pub(crate) fn prune(tx: &mut Tx<'_>, upto: Timestamp, most: usize) -> Result<u64> {
    let mut gone = 0;
    for record in tx.scan::<Audit>(&[], &[], most)? {
        if record.at > upto {
            break;
        }
        tx.delete::<Audit>(&record.key())?;
        gone += 1;
    }
    Ok(gone)
}

/// Records between two instants, oldest first.
pub(crate) fn list<R: Read>(
    r: &R,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    after: Option<&str>,
) -> Result<Page<AuditView>> {
    let from = match after.and_then(|a| a.split_once('/')) {
        Some((at, number)) => {
            let (at, number) = (at.parse().unwrap_or(0), number.parse::<u64>().unwrap_or(0));
            Audit::key_octets(&(Timestamp(at), number.saturating_add(1)))
        }
        None => since
            .map(|s| Audit::key_octets(&(s, 0)))
            .unwrap_or_default(),
    };
    let mut page = r.scan::<Audit>(&[], &from, PAGE)?;
    let full = page.len() == PAGE;
    let read = page.len();
    page.retain(|record| until.is_none_or(|until| record.at <= until));
    let next = match page.last() {
        Some(last) if full && page.len() == read => Some(format!("{}/{}", last.at, last.number)),
        _ => None,
    };
    let entries = page
        .into_iter()
        .map(|record| AuditView {
            at: record.at,
            who: record.who,
            act: record.act,
            subject: record.subject,
            arguments: serde_json::from_str(&record.arguments).unwrap_or(Value::Null),
            result: record.result,
        })
        .collect();
    Ok(Page { entries, next })
}

#[cfg(test)]
mod tests {
    use congvu_wire::Secret;

    use super::*;
    use crate::change::{AccountChange, Change, PasswordChange, QueueChange};
    use crate::request::{NewPassword, Plain};

    fn secret() -> NewPassword {
        NewPassword::Given(Plain(Secret::new("s3cret-in-every-way")))
    }

    #[test]
    fn an_act_is_described_without_secrets() {
        let add = Change::Account(AccountChange::Add {
            address: "an@xa.test".into(),
            kind: congvu_directory::Kind::Person,
            name: "Nguyễn Văn An".into(),
            agency: None,
            octets: Some(5),
            messages: None,
            operators: Vec::new(),
            password: secret(),
        });
        let described = describe(&add);
        assert_eq!(
            (described.act.as_str(), described.subject.as_str()),
            ("account add", "an@xa.test")
        );
        assert!(
            described.arguments.contains("Nguyễn Văn An"),
            "{}",
            described.arguments
        );
        let hold = Change::Queue(QueueChange::Hold {
            id: 7,
            reason: "?".into(),
        });
        assert_eq!(describe(&hold).subject, "7");
        let import = Change::Account(AccountChange::Import {
            csv: Plain(Secret::new(
                "address,password\nan@xa.test,s3cret-in-every-way\n",
            )),
            dry_run: false,
        });
        let set = Change::Password(PasswordChange::Set {
            address: "an@xa.test".into(),
            password: secret(),
        });
        for change in [add, import, set] {
            let described = describe(&change);
            assert!(
                !format!("{described:?}").contains("s3cret"),
                "{described:?}"
            );
            assert!(!format!("{change:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_record_comes_back_and_keys_sort_by_time() {
        let record = Audit {
            at: Timestamp(5),
            number: 3,
            who: Who {
                uid: 0,
                user: Some("root".into()),
                login: None,
                via: "socket".into(),
            },
            act: "agency add".into(),
            subject: "BNV".into(),
            arguments: String::new(),
            result: "done".into(),
        };
        assert_eq!(Audit::decode(&[], &record.encode()).unwrap(), record);
        assert!(Audit::decode(&[], &[]).is_err());
        assert!(Audit::key_octets(&(Timestamp(255), 9)) < Audit::key_octets(&(Timestamp(256), 1)));
    }
}
