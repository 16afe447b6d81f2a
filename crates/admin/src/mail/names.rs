//! Names of mailboxes elsewhere, and what they are called here.
//!
//! Every account has Drafts, Sent, Junk, Trash and Archive. Other systems call them otherwise, in the language of
//! their user; what is known to be one of them goes there, so that nobody has two folders of sent mail.

use congvu_imap::name::{Spelling, decode, encode};
use congvu_store::SpecialUse;

use super::Place;

/// What other systems and mail programs call the mailboxes with a special use, in lower case.
const CALLED: [(SpecialUse, &[&str]); 5] = [
    (
        SpecialUse::Sent,
        &[
            "sent",
            "sent items",
            "sent mail",
            "sent messages",
            "sent-mail",
            "outbox sent",
            "đã gửi",
            "thư đã gửi",
            "mục đã gửi",
            "tin đã gửi",
            "gesendet",
            "gesendete elemente",
            "gesendete objekte",
            "envoyés",
            "messages envoyés",
            "éléments envoyés",
            "courrier envoyé",
            "enviados",
            "elementos enviados",
            "posta inviata",
            "inviata",
            "отправленные",
            "已发送",
            "已发送邮件",
            "寄件備份",
            "送信済み",
            "送信済みアイテム",
            "보낸 편지함",
        ],
    ),
    (
        SpecialUse::Drafts,
        &[
            "draft",
            "drafts",
            "thư nháp",
            "bản nháp",
            "nháp",
            "bản thảo",
            "entwürfe",
            "brouillons",
            "borradores",
            "bozze",
            "черновики",
            "草稿",
            "草稿箱",
            "下書き",
            "임시 보관함",
        ],
    ),
    (
        SpecialUse::Junk,
        &[
            "junk",
            "junk e-mail",
            "junk email",
            "junk mail",
            "spam",
            "bulk",
            "bulk mail",
            "thư rác",
            "email rác",
            "junk-e-mail",
            "courrier indésirable",
            "indésirables",
            "correo no deseado",
            "posta indesiderata",
            "спам",
            "нежелательная почта",
            "垃圾邮件",
            "迷惑メール",
            "스팸함",
        ],
    ),
    (
        SpecialUse::Trash,
        &[
            "trash",
            "bin",
            "deleted",
            "deleted items",
            "deleted messages",
            "thùng rác",
            "đã xóa",
            "đã xoá",
            "thư đã xóa",
            "thư đã xoá",
            "mục đã xóa",
            "mục đã xoá",
            "papierkorb",
            "gelöschte elemente",
            "gelöschte objekte",
            "corbeille",
            "éléments supprimés",
            "papelera",
            "elementos eliminados",
            "cestino",
            "posta eliminata",
            "корзина",
            "удаленные",
            "已删除",
            "已删除邮件",
            "ゴミ箱",
            "휴지통",
        ],
    ),
    (
        SpecialUse::Archive,
        &[
            "archive",
            "archives",
            "lưu trữ",
            "thư lưu trữ",
            "archiv",
            "archivo",
            "archivio",
            "архив",
            "归档",
            "アーカイブ",
        ],
    ),
];

/// The special use of a mailbox with this name, if it is known.
pub(crate) fn special(name: &str) -> Option<SpecialUse> {
    let name = name.trim().to_lowercase();
    CALLED
        .iter()
        .find(|(_, names)| names.contains(&name.as_str()))
        .map(|(special, _)| *special)
}

/// Where messages of a mailbox elsewhere go.
pub(crate) struct Namer {
    /// Mailboxes of the account with a special use.
    own: Vec<(SpecialUse, String)>,
    /// Everything goes below this one.
    below: Option<String>,
    /// Names stay as they are.
    as_named: bool,
}

impl Namer {
    pub(crate) fn new(places: &[Place], below: Option<&str>, as_named: bool) -> Self {
        let own = places
            .iter()
            .filter_map(|place| Some((place.special?, place.name.clone())));
        Self {
            own: own.collect(),
            below: below.map(str::to_owned),
            as_named,
        }
    }

    /// The name here, and the special use of a new mailbox. `given` is the special use that the other side
    /// told.
    pub(crate) fn target(
        &self,
        levels: &[String],
        given: Option<SpecialUse>,
    ) -> (String, Option<SpecialUse>) {
        let levels: Vec<String> = levels.iter().map(|level| clean(level)).collect();
        let (first, rest) = match levels.split_first() {
            Some((first, rest)) => (first.as_str(), rest),
            None => ("INBOX", &[][..]),
        };
        let inbox = first.eq_ignore_ascii_case("INBOX");
        if let Some(below) = &self.below {
            let skip = usize::from(inbox);
            let mut name = below.clone();
            for level in levels.iter().skip(skip) {
                name.push('/');
                name.push_str(level);
            }
            return (name, None);
        }
        let joined = |first: &str| {
            let mut name = first.to_owned();
            for level in rest {
                name.push('/');
                name.push_str(level);
            }
            name
        };
        if inbox {
            return (joined("INBOX"), None);
        }
        if self.as_named {
            return (joined(first), None);
        }
        // A told use is that of the mailbox itself; a known name also leads its children.
        if let Some(use_) = given
            && let Some(own) = self.own(use_)
        {
            return (own.to_owned(), None);
        }
        match special(first) {
            Some(use_) => match self.own(use_) {
                Some(own) => (joined(own), None),
                None if rest.is_empty() => (joined(first), Some(use_)),
                None => (joined(first), None),
            },
            None => (joined(first), given.filter(|_| rest.is_empty())),
        }
    }

    fn own(&self, special: SpecialUse) -> Option<&str> {
        let found = self.own.iter().find(|(use_, _)| *use_ == special);
        found.map(|(_, name)| name.as_str())
    }
}

/// A level without what no level may have.
fn clean(level: &str) -> String {
    let kept = |c: char| match c {
        '/' => Some('-'),
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => None,
        c => Some(c),
    };
    let level: String = level.chars().filter_map(kept).collect();
    if level.trim().is_empty() {
        "_".to_owned()
    } else {
        level
    }
}

/// The dot that separates levels in Maildir++, as a character of a level. Courier writes it so, too.
const DOT: &str = "&AC4-";

/// A mailbox name as the name of a Maildir++ folder: `.A.B` in modified UTF-7.
pub(crate) fn to_maildir(name: &str) -> String {
    let mut folder = String::new();
    for level in name.split('/') {
        folder.push('.');
        let parts: Vec<String> = level
            .split('.')
            .map(|part| encode(part, Spelling::Utf7))
            .collect();
        folder.push_str(&parts.join(DOT));
    }
    folder
}

/// Levels of a Maildir++ folder `.A.B`.
pub(crate) fn from_maildir(folder: &str) -> Vec<String> {
    let levels = folder.trim_start_matches('.').split('.');
    levels.map(from_utf7).collect()
}

/// One level in modified UTF-7 as any program writes it; kept as it is when it is not that.
pub(crate) fn from_utf7(level: &str) -> String {
    let parts: Vec<String> = level
        .split(DOT)
        .map(|part| {
            if !part.contains('&') {
                return part.to_owned();
            }
            decode(part.as_bytes(), Spelling::Utf7).unwrap_or_else(|_| part.to_owned())
        })
        .collect();
    // What Dovecot's listescape writes.
    parts.join(".").replace("\\2e", ".").replace("\\2f", "-")
}

#[cfg(test)]
mod tests {
    use congvu_store::{MailboxId, UidValidity};

    use super::*;

    fn own(name: &str, special: Option<SpecialUse>) -> Place {
        Place {
            id: MailboxId(1),
            name: name.to_owned(),
            uidvalidity: UidValidity(1),
            messages: 0,
            size: 0,
            special,
            keywords: Vec::new(),
            created: false,
        }
    }

    fn levels(name: &str) -> Vec<String> {
        name.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn what_others_call_their_mailboxes() {
        let places = [
            own("INBOX", None),
            own("Thư đã gửi", Some(SpecialUse::Sent)),
            own("Trash", Some(SpecialUse::Trash)),
        ];
        let namer = Namer::new(&places, None, false);
        for (name, given, expected, new) in [
            ("Inbox", None, "INBOX", None),
            ("inbox/Công văn", None, "INBOX/Công văn", None),
            ("Sent Items", None, "Thư đã gửi", None),
            ("Gesendet/2024", None, "Thư đã gửi/2024", None),
            ("Deleted Messages", None, "Trash", None),
            ("Spam", None, "Spam", Some(SpecialUse::Junk)),
            ("Ausgang", Some(SpecialUse::Sent), "Thư đã gửi", None),
            ("Dự án", None, "Dự án", None),
            ("Dự án/Sent", None, "Dự án/Sent", None),
            ("a/ /b", None, "a/_/b", None),
        ] {
            let found = namer.target(&levels(name), given);
            assert_eq!(found, (expected.to_owned(), new), "{name}");
        }
        let namer = Namer::new(&places, None, true);
        assert_eq!(namer.target(&levels("Sent"), None).0, "Sent");
        let namer = Namer::new(&places, Some("Cũ"), false);
        assert_eq!(namer.target(&levels("Sent/A"), None).0, "Cũ/Sent/A");
        assert_eq!(namer.target(&levels("INBOX"), None).0, "Cũ");
    }

    #[test]
    fn maildir_names_come_back() {
        for (name, folder) in [
            ("Sent", ".Sent"),
            ("A/B", ".A.B"),
            ("a.b/c&d", ".a&AC4-b.c&-d"),
            ("Văn bản đến", ".V&AQM-n b&HqM-n &AREevw-n"),
            ("é.ü", ".&AOk-&AC4-&APw-"),
            ("..", ".&AC4-&AC4-"),
        ] {
            assert_eq!(to_maildir(name), folder);
            assert_eq!(from_maildir(folder).join("/"), name);
        }
        assert_eq!(from_maildir(".a\\2eb.&broken"), ["a.b", "&broken"]);
    }
}
