//! Two agencies, in each a person and the post that the person operates, made through `admin`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use congvu_admin::audit::Who;
use congvu_admin::change::{AccountChange, AgencyChange, DomainChange};
use congvu_admin::{Admin, Change, NewPassword, Reply, Request};
use congvu_directory::Kind;

/// An agency of the demonstration.
struct Agency {
    code: &'static str,
    name: &'static str,
    domain: &'static str,
    person: (&'static str, &'static str),
    post: &'static str,
}

const AGENCIES: [Agency; 2] = [
    Agency {
        code: "so-noivu",
        name: "Sở Nội vụ",
        domain: "so-noivu.test",
        person: ("binh.tran@so-noivu.test", "Trần Thị Bình"),
        post: "vanthu@so-noivu.test",
    },
    Agency {
        code: "xa-binhminh",
        name: "Ủy ban nhân dân xã Bình Minh",
        domain: "xa-binhminh.test",
        person: ("an.nguyen@xa-binhminh.test", "Nguyễn Văn An"),
        post: "vanthu@xa-binhminh.test",
    },
];

/// Display name of the posts: văn thư, the clerk's office that registers incoming and outgoing papers.
const POST_NAME: &str = "Văn thư";

/// An account and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) address: String,
    pub(super) password: String,
}

/// The accounts of the demonstration: person and post of the first agency, then of the second.
pub(super) struct People(Vec<Person>);

/// Why there are no accounts.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeopleError {
    #[error("{0}")]
    Admin(#[from] congvu_admin::Error),
    #[error("cannot read or write the passwords in {0}: {1}")]
    File(String, io::Error),
    #[error("{0} does not hold the four accounts; remove the folder and start again")]
    Damaged(String),
    #[error("no password was made for {0}")]
    NoPassword(String),
}

impl People {
    /// Makes everybody, or takes over those that a kept folder's file `accounts` names.
    pub(super) async fn settle(admin: &Admin, accounts: &Path) -> Result<Self, PeopleError> {
        let shown = accounts.display().to_string();
        match std::fs::read_to_string(accounts) {
            Ok(text) => return Self::parse(&text).ok_or(PeopleError::Damaged(shown)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(PeopleError::File(shown, error)),
        }
        let mut people = Vec::new();
        for agency in &AGENCIES {
            people.extend(settle(admin, agency).await?);
        }
        let people = Self(people);
        people
            .write(accounts)
            .map_err(|error| PeopleError::File(shown, error))?;
        Ok(people)
    }

    fn parse(text: &str) -> Option<Self> {
        let people: Vec<Person> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(address, password)| Person {
                address: address.to_owned(),
                password: password.to_owned(),
            })
            .collect();
        (people.len() == 2 * AGENCIES.len()).then_some(Self(people))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = String::new();
        for person in &self.0 {
            writeln!(text, "{} {}", person.address, person.password).map_err(io::Error::other)?;
        }
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())
    }

    pub(super) fn all(&self) -> &[Person] {
        &self.0
    }

    /// Who sends the first letter: the first agency's person.
    pub(super) fn sender(&self) -> &Person {
        &self.0[0]
    }

    /// Who gets it: the second agency's post.
    pub(super) fn receiver(&self) -> &Person {
        &self.0[3]
    }

    /// The post from which the sender writes.
    pub(super) fn sending_post(&self) -> &str {
        &self.0[1].address
    }

    /// How the sending agency is called.
    pub(super) fn sending_agency() -> &'static str {
        AGENCIES[0].name
    }

    /// How the receiving agency is called.
    pub(super) fn receiving_agency() -> &'static str {
        AGENCIES[1].name
    }
}

async fn settle(admin: &Admin, agency: &Agency) -> Result<[Person; 2], PeopleError> {
    let who = Who {
        uid: 0,
        user: Some("quickstart".to_owned()),
        login: None,
        via: "quickstart".to_owned(),
    };
    let add = async |change: Change| -> Result<Reply, PeopleError> {
        Ok(admin.perform(&who, Request::Change(change)).await?)
    };
    add(Change::Agency(AgencyChange::Add {
        code: agency.code.to_owned(),
        name: Some(agency.name.to_owned()),
        parent: None,
    }))
    .await?;
    add(Change::Domain(DomainChange::Add {
        domain: agency.domain.to_owned(),
        agency: agency.code.to_owned(),
        alias_of: None,
    }))
    .await?;
    let account = async |address: &str, name: &str, kind: Kind, operators: Vec<String>| {
        let reply = add(Change::Account(AccountChange::Add {
            address: address.to_owned(),
            kind,
            name: name.to_owned(),
            agency: None,
            octets: None,
            messages: None,
            operators,
            password: NewPassword::Generate,
        }))
        .await?;
        let password = match reply {
            Reply::Done(done) => done.password,
            _ => None,
        };
        let text = password.and_then(|plain| String::from_utf8(plain.0.expose().to_vec()).ok());
        let password = text.ok_or_else(|| PeopleError::NoPassword(address.to_owned()))?;
        Ok::<_, PeopleError>(Person {
            address: address.to_owned(),
            password,
        })
    };
    let (address, name) = agency.person;
    let person = account(address, name, Kind::Person, Vec::new()).await?;
    let post = account(agency.post, POST_NAME, Kind::Post, vec![address.to_owned()]).await?;
    Ok([person, post])
}
