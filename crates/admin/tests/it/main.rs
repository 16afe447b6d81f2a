//! Administrative acts over a real store, directly and through the control socket.

#![allow(clippy::unwrap_used, reason = "tests")]

mod acts;
mod audit;
mod files;
mod mail;
mod quarantine;
mod restore;
mod socket;
mod store;
mod undelete;

use congvu_admin::audit::Who;
use congvu_admin::change::{
    AccountChange, AgencyChange, AliasChange, DomainChange, GroupChange, OperatorChange,
    PasswordChange,
};
use congvu_admin::{Admin, Change, Error, NewPassword, Plain, Query, Refusal, Reply, Request};
use congvu_directory::{Directory, Kind};
use congvu_store::{Options, Store};
use congvu_wire::Secret;

const PASSWORD: &str = "con cò bay lả bay la";

/// An administrator at an empty store.
struct Desk {
    admin: Admin,
    who: Who,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap().0;
        let who = Who {
            uid: 1000,
            user: Some("quantri".into()),
            login: None,
            via: "local".into(),
        };
        Self {
            admin: Admin::local(Directory::new(store)),
            who,
            folder,
        }
    }

    /// With agency `XA`, domain `xa.test`, person `an@` and post `vanthu@`.
    async fn furnished() -> Self {
        let desk = Self::new();
        desk.done(add_agency("XA", None)).await;
        desk.done(add_domain("xa.test", "XA")).await;
        desk.done(add_account("an@xa.test", Kind::Person, NewPassword::None))
            .await;
        desk.done(add_account("vanthu@xa.test", Kind::Post, NewPassword::None))
            .await;
        desk
    }

    async fn perform(&self, request: Request) -> Result<Reply, Error> {
        self.admin.perform(&self.who, request).await
    }

    /// A change that must succeed: what it says was changed, and a generated password.
    async fn done(&self, change: Change) -> (String, Option<String>) {
        match self.perform(Request::Change(change)).await.unwrap() {
            Reply::Done(done) => (
                done.subject,
                done.password
                    .map(|p| String::from_utf8(p.0.expose().into()).unwrap()),
            ),
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&self, change: Change) -> Refusal {
        self.perform(Request::Change(change))
            .await
            .unwrap_err()
            .into()
    }

    async fn ask(&self, query: Query) -> Reply {
        self.perform(Request::Query(query)).await.unwrap()
    }

    async fn account(&self, address: &str) -> congvu_directory::view::AccountDetail {
        match self
            .ask(Query::Account {
                address: address.into(),
            })
            .await
        {
            Reply::Account(detail) => detail,
            other => panic!("{other:?}"),
        }
    }

    async fn accounts(&self) -> Vec<String> {
        match self
            .ask(Query::Accounts {
                agency: None,
                domain: None,
                kind: None,
                after: None,
            })
            .await
        {
            Reply::Accounts(page) => page.entries.into_iter().map(|a| a.address).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn add_agency(code: &str, parent: Option<&str>) -> Change {
    Change::Agency(AgencyChange::Add {
        code: code.into(),
        name: None,
        parent: parent.map(Into::into),
    })
}

fn add_domain(domain: &str, agency: &str) -> Change {
    Change::Domain(DomainChange::Add {
        domain: domain.into(),
        agency: agency.into(),
        alias_of: None,
    })
}

fn add_account(address: &str, kind: Kind, password: NewPassword) -> Change {
    Change::Account(AccountChange::Add {
        address: address.into(),
        kind,
        name: String::new(),
        agency: None,
        octets: None,
        messages: None,
        operators: Vec::new(),
        password,
    })
}

fn set_password(address: &str, password: NewPassword) -> Change {
    Change::Password(PasswordChange::Set {
        address: address.into(),
        password,
    })
}

fn given(password: &str) -> NewPassword {
    NewPassword::Given(Plain(Secret::new(password)))
}

fn import(csv: &str, dry_run: bool) -> Change {
    Change::Account(AccountChange::Import {
        csv: Plain(Secret::new(csv)),
        dry_run,
    })
}

fn operator(post: &str, person: &str) -> Change {
    Change::Operator(OperatorChange::Add {
        post: post.into(),
        person: person.into(),
    })
}

fn alias(address: &str, targets: &[&str]) -> Change {
    let targets = targets.iter().map(|t| (*t).to_owned()).collect();
    Change::Alias(AliasChange::Add {
        address: address.into(),
        targets,
    })
}

fn group(address: &str, members: &[&str]) -> Change {
    let members = members.iter().map(|m| (*m).to_owned()).collect();
    Change::Group(GroupChange::Add {
        address: address.into(),
        name: String::new(),
        agency: None,
        members,
    })
}
