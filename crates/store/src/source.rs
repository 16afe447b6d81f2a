//! Where reads come from: the index, or the index under the writes of a transaction. Sealed: only
//! the store's own views implement it.

use std::ops::ControlFlow;

use crate::engine::Engine;
use crate::error::Result;
use crate::keys;
use crate::tx::{Snapshot, Tx};

/// What a visit does with a pair: go on or stop.
#[allow(
    unreachable_pub,
    reason = "named by a sealed supertrait of the public `Read`"
)]
pub type Visitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>;

/// Raw reads of one view. Values come without their seal.
#[allow(unreachable_pub, reason = "a sealed supertrait of the public `Read`")]
pub trait Source {
    /// One value.
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Pairs with `from <= key < to`, ascending, until the visitor breaks.
    fn visit(&self, from: &[u8], to: &[u8], visit: Visitor<'_>) -> Result<()>;
}

/// The value without its seal. A seal that does not match speaks against the whole index.
fn unseal<'a>(engine: &dyn Engine, key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8]> {
    keys::unseal(key, sealed).inspect_err(|_| engine.doubt())
}

fn open(engine: &dyn Engine, key: &[u8], sealed: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    let Some(mut sealed) = sealed else {
        return Ok(None);
    };
    let seal = sealed.len() - unseal(engine, key, &sealed)?.len();
    sealed.drain(..seal);
    Ok(Some(sealed))
}

impl Source for Snapshot<'_> {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        raw(self.engine, key)
    }
    fn visit(&self, from: &[u8], to: &[u8], visit: Visitor<'_>) -> Result<()> {
        self.engine.visit(from, to, &mut |key, value| {
            visit(key, unseal(self.engine, key, value)?)
        })
    }
}

/// One value of the index, without its seal.
pub(crate) fn raw(engine: &dyn Engine, key: &[u8]) -> Result<Option<Vec<u8>>> {
    open(engine, key, engine.get(key)?)
}

impl Source for Tx<'_> {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        open(self.engine, key, self.group.overlay.get(self.engine, key)?)
    }
    fn visit(&self, from: &[u8], to: &[u8], visit: Visitor<'_>) -> Result<()> {
        self.group
            .overlay
            .visit(self.engine, from, to, &mut |key, value| {
                visit(key, unseal(self.engine, key, value)?)
            })
    }
}
