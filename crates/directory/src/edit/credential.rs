//! Passwords and app passwords. Hashing is done before, in [`crate::password`]; here only records move.

use congvu_store::{AccountId, Read, Tx};

use super::touch;
use crate::error::{Error, Result};
use crate::find;
use crate::name;
use crate::password::Hashed;
use crate::record::{Credential, CredentialId, Keyring, MAIN};

/// Most app passwords of one account: every device and program of a busy person, a few times over; bounds
/// the keys tried for one SCRAM proof.
pub const APP_PASSWORDS: usize = 32;

/// Sets the main password. Where no app password depends on the old salt, the new one's is taken over.
pub fn set_main(tx: &mut Tx<'_>, account: AccountId, hashed: &Hashed) -> Result<Credential> {
    let mut apps = false;
    for old in list(tx, account)? {
        if old.name == MAIN {
            tx.delete::<Credential>(&(account, old.id))?;
        } else {
            apps = true;
        }
    }
    if !apps {
        tx.delete::<Keyring>(&account)?;
    }
    put(tx, account, MAIN, hashed)
}

/// Adds an app password under a name that is new in the account.
pub fn add_app(
    tx: &mut Tx<'_>,
    account: AccountId,
    label: &str,
    hashed: &Hashed,
) -> Result<Credential> {
    let label = name::code(label).map_err(|_| {
        Error::Invalid(format!(
            "{label:?} cannot name an app password: use 1 to 64 characters, such as \"Outlook\""
        ))
    })?;
    let there = list(tx, account)?;
    if name::fold(&label) == MAIN
        || there
            .iter()
            .any(|c| name::fold(&c.name) == name::fold(&label))
    {
        return Err(Error::Exists("app password", label));
    }
    if there.len() > APP_PASSWORDS {
        return Err(Error::Invalid(format!(
            "the account has {APP_PASSWORDS} app passwords; remove one first"
        )));
    }
    put(tx, account, &label, hashed)
}

fn put(tx: &mut Tx<'_>, account: AccountId, label: &str, hashed: &Hashed) -> Result<Credential> {
    let owner = find::account_by_id(tx, account)?;
    match tx.get::<Keyring>(&account)? {
        None => tx.put(&Keyring {
            account,
            salt: hashed.salt,
            iterations: hashed.iterations,
        })?,
        Some(ring) if ring.salt == hashed.salt && ring.iterations == hashed.iterations => {}
        Some(_) => {
            return Err(Error::Conflict(format!(
                "the password of {}",
                owner.address()
            )));
        }
    }
    let credential = Credential {
        account,
        id: CredentialId(tx.next("credential")?),
        name: label.to_owned(),
        phc: hashed.phc.clone(),
        stored_key: hashed.stored_key,
        server_key: hashed.server_key,
        tag: hashed.tag,
        created: tx.now(),
        last_used: None,
    };
    tx.put(&credential)?;
    touch(tx);
    Ok(credential)
}

/// Renames an app password.
pub fn rename_app(tx: &mut Tx<'_>, account: AccountId, from: &str, to: &str) -> Result<Credential> {
    let to = name::code(to)?;
    let mut credential = app(tx, account, from)?;
    if name::fold(&to) == MAIN
        || list(tx, account)?
            .iter()
            .any(|c| c.id != credential.id && name::fold(&c.name) == name::fold(&to))
    {
        return Err(Error::Exists("app password", to));
    }
    credential.name = to;
    tx.put(&credential)?;
    touch(tx);
    Ok(credential)
}

/// Revokes an app password.
pub fn remove_app(tx: &mut Tx<'_>, account: AccountId, label: &str) -> Result<Credential> {
    let credential = app(tx, account, label)?;
    tx.delete::<Credential>(&(account, credential.id))?;
    touch(tx);
    Ok(credential)
}

/// Takes the main password away: nobody logs in with it (a post that only operators open).
pub fn remove_main(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    let main = list(tx, account)?.into_iter().find(|c| c.name == MAIN);
    let main = main.ok_or_else(|| Error::Missing("password", "the account has none".to_owned()))?;
    tx.delete::<Credential>(&(account, main.id))?;
    touch(tx);
    Ok(())
}

fn app<R: Read>(r: &R, account: AccountId, label: &str) -> Result<Credential> {
    let folded = name::fold(label.trim());
    list(r, account)?
        .into_iter()
        .find(|c| c.name != MAIN && name::fold(&c.name) == folded)
        .ok_or_else(|| Error::Missing("app password", label.to_owned()))
}

/// All credentials of an account, oldest first.
pub fn list<R: Read>(r: &R, account: AccountId) -> Result<Vec<Credential>> {
    find::all::<Credential, _>(r, &Credential::prefix(account), APP_PASSWORDS + 2)
}

/// Removes every credential of an account that goes.
pub(super) fn remove_all(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    for credential in list(tx, account)? {
        tx.delete::<Credential>(&(account, credential.id))?;
    }
    tx.delete::<Keyring>(&account)?;
    touch(tx);
    Ok(())
}
