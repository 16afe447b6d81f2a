//! Who operates which post.

use congvu_store::{AccountId, Tx};

use super::touch;
use crate::error::{Error, Result};
use crate::find;
use crate::record::{Kind, Operates, Operator};
use crate::resolve::operates;

/// Lets a person operate a post: open its mailboxes and write under its address. Says whether it was new.
pub fn add(tx: &mut Tx<'_>, post: AccountId, person: AccountId) -> Result<bool> {
    let (post, person) = (
        find::account_by_id(tx, post)?,
        find::account_by_id(tx, person)?,
    );
    if post.kind != Kind::Post {
        return Err(Error::Invalid(format!(
            "{} is a person's account; only a post can be operated by others",
            post.address()
        )));
    }
    if person.kind != Kind::Person {
        return Err(Error::Invalid(format!(
            "{} is a post; a post is operated by persons",
            person.address()
        )));
    }
    if operates(tx, post.id, person.id)? {
        return Ok(false);
    }
    tx.put(&Operator {
        post: post.id,
        person: person.id,
    })?;
    tx.put(&Operates {
        person: person.id,
        post: post.id,
    })?;
    touch(tx);
    Ok(true)
}

/// Ends that.
pub fn remove(tx: &mut Tx<'_>, post: AccountId, person: AccountId) -> Result<()> {
    if !operates(tx, post, person)? {
        let (post, person) = (
            find::account_by_id(tx, post)?,
            find::account_by_id(tx, person)?,
        );
        return Err(Error::Missing(
            "operator",
            format!("{} of {}", person.address(), post.address()),
        ));
    }
    tx.delete::<Operator>(&(post, person))?;
    tx.delete::<Operates>(&(person, post))?;
    touch(tx);
    Ok(())
}
