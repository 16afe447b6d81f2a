//! Every administrative act exactly once, as a function, and the control socket.
//!
//! A command line, later a web console, makes a [`Request`]; [`Admin::perform`] answers it, in the running
//! server or in a process that holds the store alone. Every change leaves an audit record in the
//! transaction that makes it. Text for people is not made here, except the reasons of refusals.

pub mod audit;
pub mod backup;
pub mod change;
pub mod check;
pub mod control;
pub mod deleted;
pub mod error;
pub mod import;
pub mod learning;
pub mod mail;
mod maildir;
pub mod open;
pub mod perform;
pub mod quarantine;
pub mod query;
pub mod reply;
pub mod request;
pub mod retention;
pub mod salvage;
pub mod scrub;
pub mod store;
pub mod trace;

pub use change::Change;
pub use deleted::{DeletedFilter, DeletedQuery};
pub use error::{Error, Reason, Refusal, Result};
pub use open::{Connection, Site, connect};
pub use perform::{Admin, Control, Facts};
pub use query::Query;
pub use reply::Reply;
pub use request::{NewPassword, Plain, Request};
