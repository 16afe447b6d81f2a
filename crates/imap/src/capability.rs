//! The capability list by state, and what ENABLE knows.
//!
//! Invariant: a name stands here only when all of its extension works.

use congvu_wire::TlsInfo;
use congvu_wire::sasl::{Policy, mechanisms};

use crate::server::Config;
use crate::session::{Enabled, State};

/// In every state.
const ALWAYS: &[&str] = &[
    "IMAP4rev1", // RFC 3501
    "IMAP4rev2", // RFC 9051
    "LITERAL+",  // RFC 7888
    "ENABLE",    // RFC 5161
    "ID",        // RFC 2971
    "SASL-IR",   // RFC 4959
];

/// Once somebody is logged in.
const LOGGED_IN: &[&str] = &[
    "BINARY",             // RFC 3516
    "CHILDREN",           // RFC 3348
    "CREATE-SPECIAL-USE", // RFC 6154
    "ESEARCH",            // RFC 4731
    "IDLE",               // RFC 2177
    "LIST-EXTENDED",      // RFC 5258
    "LIST-STATUS",        // RFC 5819
    "MOVE",               // RFC 6851
    "NAMESPACE",          // RFC 2342
    "QUOTA",              // RFC 9208
    "QUOTA=RES-MESSAGE",
    "QUOTA=RES-STORAGE",
    "SEARCHRES",   // RFC 5182
    "SPECIAL-USE", // RFC 6154
    "STATUS=SIZE", // RFC 8438
    "UIDPLUS",     // RFC 4315
    "UNSELECT",    // RFC 3691
    "UTF8=ACCEPT", // RFC 6855
];

/// ```text
/// capability-data = "CAPABILITY" *(SP capability) SP "IMAP4rev2" *(SP capability)
/// ```
/// The words after CAPABILITY.
pub(crate) fn list(config: &Config, tls: Option<&TlsInfo>, state: &State) -> String {
    let mut names: Vec<String> = ALWAYS.iter().map(|&name| name.to_owned()).collect();
    if state.is_logged_in() {
        names.extend(LOGGED_IN.iter().map(|&name| name.to_owned()));
        return names.join(" ");
    }
    if tls.is_none() && config.tls_available {
        names.push("STARTTLS".to_owned());
    }
    let policy = Policy {
        tls,
        allow_plaintext: config.allow_plaintext,
    };
    let mechanisms = mechanisms(&policy);
    if mechanisms.is_empty() {
        names.push("LOGINDISABLED".to_owned());
    }
    names.extend(mechanisms.into_iter().map(|name| format!("AUTH={name}")));
    names.join(" ")
}

/// Enables what is known among `names` (upper case); the names that were not enabled before.
pub(crate) fn enable(enabled: &mut Enabled, names: &[String]) -> Vec<String> {
    let mut new = Vec::new();
    for name in names {
        let (switch, name) = match name.as_str() {
            "UTF8=ACCEPT" => (&mut enabled.utf8_accept, "UTF8=ACCEPT"),
            "IMAP4REV2" => (&mut enabled.rev2, "IMAP4rev2"),
            _ => continue,
        };
        if !std::mem::replace(switch, true) {
            new.push(name.to_owned());
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Authenticated, NotAuthenticated};

    #[test]
    fn lists() {
        fn check(
            tls_available: bool,
            allow_plaintext: bool,
            tls: bool,
            has: &[&str],
            lacks: &[&str],
        ) {
            let config = Config {
                tls_available,
                allow_plaintext,
                ..Config::default()
            };
            let tls = tls.then(TlsInfo::default);
            let list = list(
                &config,
                tls.as_ref(),
                &State::NotAuthenticated(NotAuthenticated::default()),
            );
            let names: Vec<&str> = list.split(' ').collect();
            assert!(has.iter().all(|name| names.contains(name)), "{list}");
            assert!(!lacks.iter().any(|name| names.contains(name)), "{list}");
        }
        check(
            true,
            false,
            false,
            &["STARTTLS", "LOGINDISABLED", "IMAP4rev1", "IMAP4rev2"],
            &["AUTH=PLAIN"],
        );
        check(
            true,
            false,
            true,
            &["AUTH=PLAIN", "AUTH=SCRAM-SHA-256"],
            &["STARTTLS", "LOGINDISABLED"],
        );
        check(
            false,
            true,
            false,
            &["AUTH=PLAIN"],
            &["STARTTLS", "LOGINDISABLED"],
        );
        check(
            false,
            false,
            false,
            &["LOGINDISABLED"],
            &["STARTTLS", "AUTH=PLAIN"],
        );
    }

    #[test]
    fn names_are_there_once() {
        let list = list(
            &Config::default(),
            None,
            &State::Authenticated(Authenticated::default()),
        );
        let mut names: Vec<&str> = list.split(' ').collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn enabling_is_said_once() {
        let mut enabled = Enabled::default();
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            enable(&mut enabled, &names(&["X", "IMAP4REV2", "IMAP4REV2"])),
            ["IMAP4rev2"]
        );
        assert_eq!(
            enable(&mut enabled, &names(&["IMAP4REV2", "UTF8=ACCEPT"])),
            ["UTF8=ACCEPT"]
        );
        assert_eq!(
            enabled,
            Enabled {
                utf8_accept: true,
                rev2: true
            }
        );
    }
}
