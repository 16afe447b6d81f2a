//! RCPT: who a recipient is, and whether he can be had from here (RFC 5321 section 4.1.1.3).
//!
//! The decision rests on the exact domain after parsing: `%`, `!` and source routes are never followed.

use congvu_directory::{Directory, Recipient, Resolution};
use congvu_message::Address;
use congvu_smtp::ask::Rcpt;
use congvu_store::AccountId;

use crate::facts::Connection;
use crate::quota::{self, Limit};
use crate::refusal::Refusal;

/// An accepted recipient.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// As the client gave it.
    pub rcpt: Rcpt,
    /// Parsed; `None` for a bare `postmaster`.
    pub address: Option<Address>,
    /// Whom it reaches.
    pub targets: Vec<Recipient>,
    /// One account or one foreign address, rather than a group of them.
    pub single: bool,
}

impl Accepted {
    /// The address as replies name it.
    pub(crate) fn shown(&self) -> Address {
        let bare = || Address {
            local: "postmaster".to_owned(),
            domain: "localhost".to_owned(),
        };
        self.address.clone().unwrap_or_else(bare)
    }

    /// The account, if it is a single one: then it may be full.
    pub(crate) fn only_account(&self) -> Option<AccountId> {
        match self.targets.as_slice() {
            [Recipient::Account { account, .. }] => Some(*account),
            _ => None,
        }
    }
}

/// Roles that the server itself has, under its own name: reports come from `postmaster@` it.
const ROLES: [&str; 2] = ["postmaster", "abuse"];

/// Resolves a recipient or says why not. `hostname` is the server's own; `size` is the declared size, 0 when none was.
pub(crate) async fn accept(
    connection: &Connection,
    directory: &Directory,
    hostname: &str,
    rcpt: Rcpt,
    size: u64,
) -> Result<Accepted, Refusal> {
    if rcpt.to.eq_ignore_ascii_case("postmaster") {
        let shown = Address {
            local: rcpt.to.clone(),
            domain: "localhost".to_owned(),
        };
        return match directory.resolve_postmaster().await? {
            Resolution::Recipients(targets) => Ok(Accepted {
                rcpt,
                address: None,
                single: targets.len() == 1,
                targets,
            }),
            _ => Err(Refusal::NoUser(shown)),
        };
    }
    let address = Address::parse(&rcpt.to).map_err(Refusal::Rcpt)?;
    let resolution = match directory.resolve(&address).await {
        Err(congvu_directory::Error::TooMany(_)) => return Err(Refusal::GroupTooLarge(address)),
        Ok(Resolution::Foreign) if is_role(&address, hostname) => {
            directory.resolve_postmaster().await?
        }
        resolution => resolution?,
    };
    let targets = match resolution {
        Resolution::Foreign => {
            may_go_out(connection, &address)?;
            vec![Recipient::Foreign(address.clone())]
        }
        Resolution::Unknown => return Err(Refusal::NoUser(address)),
        Resolution::Disabled => return Err(Refusal::Disabled(address)),
        // A group without members: nobody would get the letter, and nobody would know.
        Resolution::Recipients(targets) if targets.is_empty() => {
            return Err(Refusal::NoUser(address));
        }
        Resolution::Recipients(targets) => targets,
    };
    let single = targets.len() == 1;
    if let [Recipient::Account { account, .. }] = targets.as_slice() {
        let account = *account;
        let room = directory
            .store()
            .read(move |tx| quota::room(tx, account, size.max(1), Limit::Exact))
            .await;
        if !room? {
            return Err(Refusal::OverQuota(address));
        }
    }
    Ok(Accepted {
        rcpt,
        address: Some(address),
        targets,
        single,
    })
}

/// `postmaster@` or `abuse@` the server's name (RFC 2142, RFC 5321 section 4.5.1).
fn is_role(address: &Address, hostname: &str) -> bool {
    address.domain.eq_ignore_ascii_case(hostname)
        && ROLES.contains(&address.split_detail().0.to_ascii_lowercase().as_str())
}

/// Whether mail may go to this foreign address from here.
fn may_go_out(connection: &Connection, address: &Address) -> Result<(), Refusal> {
    if !connection.may_relay() {
        return Err(Refusal::Relaying(address.clone()));
    }
    // The next server might follow these, and then it was us who relayed.
    if address.local.contains(['%', '!', '@']) {
        return Err(Refusal::Routed(address.clone()));
    }
    // Literals reach into private networks and around the recipient's MX.
    if address.domain.starts_with('[') {
        return Err(Refusal::Literal(address.clone()));
    }
    Ok(())
}
