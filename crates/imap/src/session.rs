//! The states of a session (RFC 9051 section 3): each a type that carries what that state has.
//!
//! Invariant: a state is consumed to get the next one, so nothing of an old state survives by accident
//! (what was enabled before STARTTLS, which mailbox was open before a failed SELECT).

use crate::command::Legal;
use crate::name::Spelling;

/// What a client switched on with ENABLE; never switched off again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Enabled {
    /// UTF8=ACCEPT (RFC 6855).
    pub(crate) utf8_accept: bool,
    /// IMAP4rev2 (RFC 9051).
    pub(crate) rev2: bool,
}

impl Enabled {
    /// How mailbox names are spelt.
    pub(crate) fn spelling(self) -> Spelling {
        if self.utf8() {
            Spelling::Utf8
        } else {
            Spelling::Utf7
        }
    }

    /// UTF-8 may be sent in quoted strings.
    pub(crate) fn utf8(self) -> bool {
        self.utf8_accept || self.rev2
    }
}

/// Nobody is logged in.
#[derive(Debug, Default)]
pub(crate) struct NotAuthenticated {
    /// Logins that failed.
    pub failures: u8,
}

/// Somebody is logged in, no mailbox is open.
#[derive(Debug, Default)]
pub(crate) struct Authenticated {
    pub enabled: Enabled,
}

/// A mailbox is open.
#[derive(Debug)]
pub(crate) struct Selected {
    pub session: Authenticated,
    /// EXAMINE, or no right to write.
    pub read_only: bool,
}

impl NotAuthenticated {
    #[allow(clippy::unused_self, reason = "a state is consumed to get the next")]
    pub(crate) fn login(self) -> Authenticated {
        Authenticated::default()
    }
}

impl Authenticated {
    pub(crate) fn select(self, read_only: bool) -> Selected {
        Selected {
            session: self,
            read_only,
        }
    }
}

impl Selected {
    pub(crate) fn unselect(self) -> Authenticated {
        self.session
    }
}

/// The state of a session.
#[derive(Debug)]
pub(crate) enum State {
    NotAuthenticated(NotAuthenticated),
    Authenticated(Authenticated),
    Selected(Selected),
    /// LOGOUT or BYE: nothing is legal any more.
    Logout,
}

impl State {
    pub(crate) fn enabled(&self) -> Enabled {
        match self {
            Self::Authenticated(session) | Self::Selected(Selected { session, .. }) => {
                session.enabled
            }
            Self::NotAuthenticated(_) | Self::Logout => Enabled::default(),
        }
    }

    pub(crate) fn enabled_mut(&mut self) -> Option<&mut Enabled> {
        match self {
            Self::Authenticated(session) | Self::Selected(Selected { session, .. }) => {
                Some(&mut session.enabled)
            }
            Self::NotAuthenticated(_) | Self::Logout => None,
        }
    }

    pub(crate) fn is_logged_in(&self) -> bool {
        matches!(self, Self::Authenticated(_) | Self::Selected(_))
    }

    /// Moves on: `next` gets the present state by value.
    pub(crate) fn advance(&mut self, next: impl FnOnce(Self) -> Self) {
        *self = next(std::mem::replace(self, Self::Logout));
    }

    /// The open mailbox, if any, is closed. Whether there was one.
    pub(crate) fn unselect(&mut self) -> bool {
        let was_selected = matches!(self, Self::Selected(_));
        self.advance(|state| match state {
            Self::Selected(selected) => Self::Authenticated(selected.unselect()),
            other => other,
        });
        was_selected
    }

    /// Whether a command may be given now; if not, why.
    pub(crate) fn permits(&self, legal: Legal) -> Result<(), Illegal> {
        match (legal, self) {
            (Legal::Any, _)
            | (Legal::Before, Self::NotAuthenticated(_))
            | (Legal::Authenticated, Self::Authenticated(_) | Self::Selected(_))
            | (Legal::Selected, Self::Selected(_))
            | (
                Legal::Writable,
                Self::Selected(Selected {
                    read_only: false, ..
                }),
            ) => Ok(()),
            (Legal::Writable, Self::Selected(_)) => Err(Illegal::ReadOnly),
            (Legal::Before, _) => Err(Illegal::LoggedIn),
            (_, Self::NotAuthenticated(_)) => Err(Illegal::NotLoggedIn),
            _ => Err(Illegal::NotSelected),
        }
    }
}

/// Why a command is not legal now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Illegal {
    LoggedIn,
    NotLoggedIn,
    NotSelected,
    ReadOnly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legality() {
        use Illegal::{LoggedIn, NotLoggedIn, NotSelected, ReadOnly};
        let states = || {
            [
                State::NotAuthenticated(NotAuthenticated::default()),
                State::Authenticated(Authenticated::default()),
                State::Selected(Authenticated::default().select(false)),
                State::Selected(Authenticated::default().select(true)),
            ]
        };
        let check = |legal: Legal, expected: [Result<(), Illegal>; 4]| {
            assert_eq!(
                states().map(|state| state.permits(legal)),
                expected,
                "{legal:?}"
            );
        };
        check(Legal::Any, [Ok(()), Ok(()), Ok(()), Ok(())]);
        check(
            Legal::Before,
            [Ok(()), Err(LoggedIn), Err(LoggedIn), Err(LoggedIn)],
        );
        check(
            Legal::Authenticated,
            [Err(NotLoggedIn), Ok(()), Ok(()), Ok(())],
        );
        check(
            Legal::Selected,
            [Err(NotLoggedIn), Err(NotSelected), Ok(()), Ok(())],
        );
        check(
            Legal::Writable,
            [Err(NotLoggedIn), Err(NotSelected), Ok(()), Err(ReadOnly)],
        );
    }
}
