//! Login names: an account, or a post that a person operates.

use congvu_message::Address;

use super::LoginContext;
use super::delay::Pair;
use crate::name::fold;

/// A login name.
///
/// ```text
/// name = address / post ( "*" / "~" ) person      ; post, person = address
/// ```
///
/// No address of ours has either character. Python's imaplib sends names without quotes, where IMAP's
/// grammar has no `*` (RFC 9051 section 9, atom); for such programs there is `~`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Of {
        person: Address,
        post: Option<Address>,
    },
    /// Names nobody; kept for the delays.
    Nonsense(String),
}

impl Name {
    pub(super) fn parse(authcid: &str) -> Self {
        let authcid = authcid.trim();
        let parsed = match authcid.split_once(['*', '~']) {
            None => Address::parse(authcid).map(|person| Self::Of { person, post: None }),
            Some((post, person)) => Address::parse(person).and_then(|person| {
                Ok(Self::Of {
                    person,
                    post: Some(Address::parse(post)?),
                })
            }),
        };
        parsed.unwrap_or_else(|_| {
            Self::Nonsense(fold(&authcid.chars().take(200).collect::<String>()))
        })
    }
    /// Whose password is tried.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Of { person, .. } => person.key(),
            Self::Nonsense(name) => name.clone(),
        }
    }
    pub(super) fn pair(&self, context: &LoginContext) -> Pair {
        Pair::new(context.remote, self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_names() {
        let address = |s: &str| Address::parse(s).unwrap();
        let plain = |s: &str| Name::Of {
            person: address(s),
            post: None,
        };
        for (text, expected) in [
            ("an@xa.test", plain("an@xa.test")),
            (" An@XA.test ", plain("An@xa.test")),
            (
                "vanthu@xa.test*an@xa.test",
                Name::Of {
                    person: address("an@xa.test"),
                    post: Some(address("vanthu@xa.test")),
                },
            ),
            (
                "vanthu@xa.test~an@xa.test",
                Name::Of {
                    person: address("an@xa.test"),
                    post: Some(address("vanthu@xa.test")),
                },
            ),
            ("an", Name::Nonsense("an".into())),
            ("*an@xa.test", Name::Nonsense("*an@xa.test".into())),
            ("a@xa.test*", Name::Nonsense("a@xa.test*".into())),
        ] {
            assert_eq!(Name::parse(text), expected, "{text}");
        }
        assert_eq!(
            Name::parse("vanthu@xa.test*AN@xa.test").key(),
            Name::parse("an@xa.test").key()
        );
    }
}
