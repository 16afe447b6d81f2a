//! What EHLO and LHLO list.

use congvu_wire::sasl::{Policy, mechanisms};

use super::Server;
use crate::ask::Kind;

impl Server {
    /// What decides about logins now.
    pub(super) fn policy(&self) -> Policy<'_> {
        Policy {
            tls: self.tls.as_ref(),
            allow_plaintext: self.config.allow_plaintext,
        }
    }

    /// The lines after EHLO or LHLO: our name, then each extension that is really there now. The client's
    /// own name is not repeated: no reply echoes input.
    pub(super) fn offers(&self) -> Vec<String> {
        let config = &self.config;
        let mut lines = vec![
            config.hostname.clone(),
            "PIPELINING".into(),
            format!("SIZE {}", config.size_max),
            "8BITMIME".into(),
            "ENHANCEDSTATUSCODES".into(),
        ];
        if config.tls && self.tls.is_none() {
            lines.push("STARTTLS".into());
        }
        if config.kind == Kind::Submission {
            let mechanisms = mechanisms(&self.policy());
            if !mechanisms.is_empty() {
                lines.push(format!("AUTH {}", mechanisms.join(" ")));
            }
        }
        lines.extend(["SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN"].map(String::from));
        lines.push(format!(
            "LIMITS MAILMAX={} RCPTMAX={}",
            config.mail_max, config.rcpt_max
        ));
        lines
    }
}
