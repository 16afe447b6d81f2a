//! LIST, LSUB, STATUS, QUOTA and QUOTAROOT.

use super::Encoder;
use crate::ask::StatusItem;
use crate::response::{ListEntry, MailboxStatus};

impl Encoder {
    /// ```text
    /// mailbox-data       = "LIST" SP mailbox-list
    /// mailbox-list       = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP mbox-list-extended]
    /// mbox-list-extended = "(" [mbox-list-extended-item *(SP mbox-list-extended-item)] ")"
    /// ```
    pub(super) fn list_entry(&mut self, entry: &ListEntry) {
        self.raw(if self.lsub { "* LSUB " } else { "* LIST " });
        self.list(&entry.attributes, |e, attribute| e.raw(attribute));
        self.raw(" \"/\" ");
        self.mailbox(&entry.name);
        let child_info = (!entry.child_info.is_empty()).then_some(&entry.child_info);
        // LSUB has no extended data.
        if !self.lsub && (child_info.is_some() || entry.old_name.is_some()) {
            self.raw(" (");
            if let Some(options) = child_info {
                self.raw("\"CHILDINFO\" ");
                self.list(options, |e, option| e.quoted(option));
            }
            if let Some(old_name) = &entry.old_name {
                self.raw(if child_info.is_some() {
                    " \"OLDNAME\" ("
                } else {
                    "\"OLDNAME\" ("
                });
                self.mailbox(old_name);
                self.raw(")");
            }
            self.raw(")");
        }
        self.crlf();
    }

    /// ```text
    /// mailbox-data    = "STATUS" SP mailbox SP "(" [status-att-list] ")"
    /// status-att-list = status-att-val *(SP status-att-val)
    /// ```
    pub(super) fn mailbox_status(&mut self, status: &MailboxStatus) {
        self.raw("* STATUS ");
        self.mailbox(&status.mailbox);
        self.raw(" ");
        let numbers = status
            .items
            .iter()
            .filter_map(|&(item, n)| Some(format!("{} {n}", numeric(item)?)));
        let id = status.id.iter().map(|id| format!("MAILBOXID ({id})"));
        self.list(numbers.chain(id), |e, item| e.raw(&item));
        self.crlf();
    }

    /// ```text
    /// quota-response = "QUOTA" SP quota-root-name SP quota-list
    /// quota-list     = "(" quota-resource *(SP quota-resource) ")"    RFC 9208
    /// ```
    /// A root without limits has nothing to say: the list must not be empty.
    pub(super) fn quota(&mut self, root: &str, resources: &[(String, u64, u64)]) {
        if resources.is_empty() {
            return;
        }
        self.raw("* QUOTA ");
        self.string(root);
        self.raw(" ");
        self.list(resources, |e, (name, usage, limit)| {
            e.put(format_args!("{name} {usage} {limit}"));
        });
        self.crlf();
    }

    /// ```text
    /// quotaroot-response = "QUOTAROOT" SP mailbox *(SP quota-root-name)    RFC 9208
    /// ```
    pub(super) fn quota_root(&mut self, mailbox: &str, roots: &[String]) {
        self.raw("* QUOTAROOT ");
        self.mailbox(mailbox);
        for root in roots {
            self.raw(" ");
            self.string(root);
        }
        self.crlf();
    }
}

/// The names of the items that are numbers.
fn numeric(item: StatusItem) -> Option<&'static str> {
    Some(match item {
        StatusItem::Messages => "MESSAGES",
        StatusItem::Recent => "RECENT",
        StatusItem::UidNext => "UIDNEXT",
        StatusItem::UidValidity => "UIDVALIDITY",
        StatusItem::Unseen => "UNSEEN",
        StatusItem::Deleted => "DELETED",
        StatusItem::Size => "SIZE",
        StatusItem::MailboxId => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::text_of;
    use super::*;
    use crate::response::Untagged;
    use crate::session::Enabled;

    fn check(response: Untagged, expected: &str) {
        assert_eq!(
            text_of(Enabled::default(), response),
            format!("* {expected}\r\n")
        );
    }

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|&item| item.to_owned()).collect()
    }

    #[test]
    fn lists() {
        let entry = |name: &str, attributes: &[&str]| ListEntry {
            name: name.to_owned(),
            attributes: texts(attributes),
            ..ListEntry::default()
        };
        let check = |entry, expected| check(Untagged::List(entry), expected);
        check(
            entry("INBOX", &["\\HasNoChildren"]),
            r#"LIST (\HasNoChildren) "/" INBOX"#,
        );
        check(
            entry("Đã gửi", &["\\Sent", "\\Subscribed"]),
            r#"LIST (\Sent \Subscribed) "/" "&ARAA4w- g&Hu0-i""#,
        );
        check(entry("", &["\\Noselect"]), r#"LIST (\Noselect) "/" """#);
        check(
            ListEntry {
                child_info: texts(&["SUBSCRIBED"]),
                ..entry("a", &[])
            },
            r#"LIST () "/" "a" ("CHILDINFO" ("SUBSCRIBED"))"#,
        );
        check(
            ListEntry {
                old_name: Some("b".to_owned()),
                ..entry("a", &[])
            },
            r#"LIST () "/" "a" ("OLDNAME" ("b"))"#,
        );
        let both = ListEntry {
            child_info: texts(&["SUBSCRIBED"]),
            old_name: Some("b".to_owned()),
            ..entry("a", &[])
        };
        check(
            both,
            r#"LIST () "/" "a" ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" ("b"))"#,
        );
    }

    #[test]
    fn lsub_lists() {
        let mut encoder = Encoder {
            lsub: true,
            ..Encoder::default()
        };
        encoder.list_entry(&ListEntry {
            name: "a".to_owned(),
            child_info: texts(&["SUBSCRIBED"]),
            ..ListEntry::default()
        });
        assert_eq!(encoder.take(), b"* LSUB () \"/\" \"a\"\r\n");
    }

    #[test]
    fn statuses() {
        let items = vec![
            (StatusItem::Messages, 231),
            (StatusItem::UidNext, 44292),
            (StatusItem::Size, 5_000_000_000),
        ];
        let status = MailboxStatus {
            mailbox: "a".to_owned(),
            items,
            id: None,
        };
        check(
            Untagged::MailboxStatus(status),
            r#"STATUS "a" (MESSAGES 231 UIDNEXT 44292 SIZE 5000000000)"#,
        );
        let empty = MailboxStatus {
            mailbox: "a".to_owned(),
            items: vec![],
            id: Some("M1".to_owned()),
        };
        check(
            Untagged::MailboxStatus(empty),
            r#"STATUS "a" (MAILBOXID (M1))"#,
        );
    }

    #[test]
    fn quotas() {
        let resources = vec![
            ("STORAGE".to_owned(), 10, 512),
            ("MESSAGE".to_owned(), 1, 2),
        ];
        check(
            Untagged::Quota {
                root: String::new(),
                resources,
            },
            r#"QUOTA "" (STORAGE 10 512 MESSAGE 1 2)"#,
        );
        let unlimited = Untagged::Quota {
            root: String::new(),
            resources: vec![],
        };
        assert_eq!(text_of(Enabled::default(), unlimited), "");
        let roots = texts(&["", "#agency"]);
        check(
            Untagged::QuotaRoot {
                mailbox: "INBOX".to_owned(),
                roots,
            },
            r##"QUOTAROOT INBOX "" "#agency""##,
        );
        check(
            Untagged::QuotaRoot {
                mailbox: "INBOX".to_owned(),
                roots: vec![],
            },
            "QUOTAROOT INBOX",
        );
    }
}
