//! MAIL: who sends, and whether he may (RFC 5321 section 4.1.1.2).
//!
//! A null reverse-path is always taken: notices and receipts (RFC 8098 section 3) have it, also from our
//! accounts; who wrote is then checked at the From field.

use congvu_directory::Directory;
use congvu_message::Address;
use congvu_smtp::ask::{Kind, Mail};

use crate::facts::{Connection, Sender};
use crate::refusal::Refusal;

/// Accepts a sender or says why not.
pub(crate) async fn accept(
    connection: &Connection,
    directory: &Directory,
    mail: Mail,
    size_limit: u64,
) -> Result<Sender, Refusal> {
    match &connection.login {
        None if connection.kind == Kind::Submission => return Err(Refusal::NoLogin),
        Some(login) if !directory.is_current(login).await? => return Err(Refusal::LoginGone),
        _ => {}
    }
    if mail.size.is_some_and(|size| size > size_limit) {
        return Err(Refusal::TooLarge(size_limit));
    }
    if mail.from.is_empty() {
        return Ok(Sender {
            mail,
            address: None,
            claims_local: false,
        });
    }
    let address = Address::parse(&mail.from).map_err(Refusal::Sender)?;
    let mut claims_local = false;
    match &connection.login {
        Some(login) if connection.submits() => {
            if !directory.may_send_as(login.account, &address).await? {
                return Err(Refusal::SenderNotYours {
                    login: login.address.clone(),
                    sender: address,
                });
            }
        }
        _ => claims_local = directory.is_local_domain(&address.domain).await?,
    }
    Ok(Sender {
        mail,
        address: Some(address),
        claims_local,
    })
}
