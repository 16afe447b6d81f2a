//! The directory over a real store in a temporary folder.

#![allow(clippy::unwrap_used, reason = "tests")]

mod addresses;
mod changes;
mod login;
mod retention;
mod send_as;

use congvu_directory::edit::account::{self, NewAccount};
use congvu_directory::edit::agency::{self, NewAgency};
use congvu_directory::edit::domain::{self, NewDomain};
use congvu_directory::edit::{alias, credential, group, operator};
use congvu_directory::password::Purpose;
use congvu_directory::record::{AgencyId, GroupId};
use congvu_directory::{Account, Directory, Error, Kind, Recipient, Resolution, find};
use congvu_message::Address;
use congvu_store::{AccountId, Options, Store, Tx};
use congvu_wire::Secret;

/// A directory with one agency, `XA`, and its domain, `xa.test`.
struct World {
    directory: Directory,
    agency: AgencyId,
    folder: tempfile::TempDir,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn open(folder: &tempfile::TempDir) -> Directory {
    Directory::new(Store::open(folder.path(), Options::default()).unwrap().0)
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(&folder);
        let mut world = Self {
            directory,
            agency: AgencyId(0),
            folder,
        };
        world.agency = world.agency("XA", None).await;
        world.domain("xa.test").await;
        world
    }

    /// Closes the store and opens it again.
    async fn reopen(self) -> Self {
        self.directory.store().close().await.unwrap();
        let Self {
            directory,
            agency,
            folder,
        } = self;
        drop(directory);
        Self {
            directory: open(&folder),
            agency,
            folder,
        }
    }

    async fn change<T, F>(&self, f: F) -> T
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.directory.change(f).await.unwrap()
    }

    /// A change that must be refused; the reason.
    async fn refused<T, F>(&self, f: F) -> String
    where
        T: Send + std::fmt::Debug + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.directory.change(f).await.unwrap_err().to_string()
    }

    async fn agency(&self, code: &'static str, parent: Option<AgencyId>) -> AgencyId {
        let new = move || NewAgency {
            code: code.into(),
            parent,
            ..NewAgency::default()
        };
        self.change(move |tx| agency::create(tx, &new())).await.id
    }

    async fn domain(&self, name: &'static str) {
        let agency = self.agency;
        self.change(move |tx| {
            domain::create(
                tx,
                &NewDomain {
                    name: name.into(),
                    agency,
                    alias_of: None,
                },
            )
        })
        .await;
    }

    async fn account(&self, kind: Kind, text: &'static str) -> AccountId {
        self.change(move |tx| account::create(tx, &NewAccount::new(kind, address(text))))
            .await
            .id
    }

    async fn person(&self, text: &'static str) -> AccountId {
        self.account(Kind::Person, text).await
    }

    async fn post(&self, text: &'static str) -> AccountId {
        self.account(Kind::Post, text).await
    }

    async fn operate(&self, post: AccountId, person: AccountId) {
        self.change(move |tx| operator::add(tx, post, person)).await;
    }

    async fn alias(&self, text: &'static str, targets: &'static [&'static str]) {
        let targets: Vec<_> = targets.iter().map(|t| address(t)).collect();
        self.change(move |tx| alias::create(tx, &address(text), &targets))
            .await;
    }

    async fn group(&self, text: &'static str, members: &'static [&'static str]) -> GroupId {
        self.change(move |tx| {
            let new = group::NewGroup {
                address: address(text),
                name: String::new(),
                agency: None,
            };
            let group = group::create(tx, &new)?;
            for member in members {
                group::add_member(tx, group.id, &address(member))?;
            }
            Ok(group.id)
        })
        .await
    }

    async fn password(&self, account: AccountId, password: &str) {
        let hashed = self
            .directory
            .hash(Some(account), &Secret::new(password), Purpose::Main)
            .await
            .unwrap();
        self.change(move |tx| credential::set_main(tx, account, &hashed))
            .await;
    }

    async fn find(&self, text: &'static str) -> Result<Account, Error> {
        self.directory
            .store()
            .read(move |r| find::account(r, &address(text)))
            .await
    }

    /// Whom an address reaches, in short: accounts by address with detail, others by address; or why nobody.
    async fn reaches(&self, text: &str) -> String {
        match self.directory.resolve(&address(text)).await.unwrap() {
            Resolution::Foreign => "foreign".to_owned(),
            Resolution::Unknown => "unknown".to_owned(),
            Resolution::Disabled => "disabled".to_owned(),
            Resolution::Recipients(found) => {
                let short = found.iter().map(|recipient| match recipient {
                    Recipient::Account {
                        address,
                        detail: None,
                        ..
                    } => address.to_string(),
                    Recipient::Account {
                        address,
                        detail: Some(detail),
                        ..
                    } => format!("{address}({detail})"),
                    Recipient::Foreign(address) => format!("->{address}"),
                });
                short.collect::<Vec<_>>().join(" ")
            }
        }
    }
}
