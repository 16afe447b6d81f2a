//! Newtypes for everything whose mix-up would lose mail.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/// An account, for ever: never reused, not changed by renames.
    AccountId(u64));
id!(/// A mailbox, for ever; unique in the whole store (RFC 8474 MAILBOXID).
    MailboxId(u64));
id!(/// A usage ledger: an account's, domain's or agency's sums and limits.
    LedgerId(u64));
id!(/// The stored octets of one message: the log sequence number of its body frame, which never
    /// changes, also when compaction moves the frame (RFC 8474 EMAILID).
    BodyId(u64));
id!(/// A place in the message log: octets since its beginning.
    Lsn(u64));
id!(/// RFC 9051 section 2.3.1.1: ascending in a mailbox, never reused, never 0.
    Uid(u32));
id!(/// RFC 9051 section 2.3.1.1: changes never, except by an explicit repair.
    UidValidity(u32));
id!(/// The number of the transaction that changed a thing last; only grows (RFC 7162 mod-sequence).
    ModSeq(u64));
id!(/// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64));

impl Timestamp {
    /// The clock of this machine.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    /// Whole seconds.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}
