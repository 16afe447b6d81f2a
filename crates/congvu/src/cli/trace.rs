//! `congvu trace`: the life of a letter, line by line, in the language of the terminal.

use std::fmt::Write as _;

use clap::Args;
use congvu_admin::trace::{
    AcceptedView, Ask, AttemptView, EventView, Life, QuarantinedView, RefusedView, RemovedView,
};
use congvu_store::trace::Fate;
use congvu_store::{MailboxId, Uid};

use super::amount::{Edge, instant, size, time};
use super::table::plain;
use super::{Plan, Usage};

/// Recipients and copies shown of one letter; `--json` has all.
const SHOWN: usize = 20;

/// Which letter.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The id from the reply `250 … queued as ID`, a Message-ID, or an address that sent or got it.
    what: String,
    /// From this day or instant on: 2026-11-22, "2026-11-22 08:30", in the server's time zone.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this day (included) or instant.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only letters of this agency and those below, and in them no copies of others.
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// The newest so many letters.
    #[arg(long, value_name = "COUNT", default_value_t = congvu_admin::trace::LETTERS)]
    limit: usize,
}

impl TraceArgs {
    pub(super) fn plan(self, zone: i16) -> Result<Plan, Usage> {
        let at =
            |text: Option<String>, edge| text.map(|text| instant(&text, zone, edge)).transpose();
        Ok(Plan::Trace(Ask {
            what: self.what,
            since: at(self.since, Edge::Begin)?,
            until: at(self.until, Edge::End)?,
            agency: self.agency,
            most: self.limit.max(1),
        }))
    }
}

/// The language of the terminal, as the system's own programs choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Vietnamese,
}

impl Language {
    /// From `LC_ALL`, else `LC_MESSAGES`, else `LANG`: the first that is set decides (POSIX, chapter 8.2).
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty());
        match set {
            Some(value) if value.starts_with("vi") => Self::Vietnamese,
            _ => Self::English,
        }
    }

    fn say(self, english: &'static str, vietnamese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Vietnamese => vietnamese,
        }
    }
}

/// Letters as text.
pub(super) fn text(lives: &[Life], zone: i16, language: Language) -> String {
    let mut out = String::new();
    for (number, life) in lives.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        Teller {
            out: &mut out,
            zone,
            language,
            indent: 0,
            at: String::new(),
        }
        .life(life);
    }
    out
}

struct Teller<'a> {
    out: &'a mut String,
    zone: i16,
    language: Language,
    indent: usize,
    /// The instant of the lines that follow; told in the first of them.
    at: String,
}

impl Teller<'_> {
    fn life(&mut self, life: &Life) {
        if let Some(id) = &life.id {
            let _ = writeln!(self.out, "{} {}", self.say("letter", "thư"), plain(id));
            self.indent = 2;
        }
        // Copies that the letter has or had, so that of a large expunge only those are told.
        let mut copies: Vec<(MailboxId, Uid)> = Vec::new();
        for trace in &life.events {
            self.at = time(trace.at, self.zone);
            match &trace.event {
                EventView::Accepted(letter) => {
                    copies.extend(
                        letter
                            .placed
                            .iter()
                            .map(|placed| (placed.number, placed.uid)),
                    );
                    self.accepted(letter);
                }
                EventView::Attempt(attempt) => self.attempt(attempt),
                EventView::Refused(refused) => self.refused(refused),
                EventView::Removed(removed) => self.removed(removed, &mut copies),
                EventView::Quarantined(held) => {
                    copies.extend(held.placed.iter().map(|placed| (placed.number, placed.uid)));
                    self.quarantined(held);
                }
                EventView::Handled { queue, act, .. } => {
                    let by = self.say(
                        "by an administrator, queue number",
                        "bởi quản trị viên, số hàng đợi",
                    );
                    let act = match act.as_str() {
                        "hold" => self.say("held", "bị giữ lại"),
                        "release" => self.say("released", "được thả ra"),
                        "drop" => self.say("dropped", "bị bỏ khỏi hàng đợi"),
                        _ => self.say("to be tried again at once", "được gửi lại ngay"),
                    };
                    self.line(&format!("{act} {by} {queue}"));
                }
            }
        }
    }

    fn say(&self, english: &'static str, vietnamese: &'static str) -> &'static str {
        self.language.say(english, vietnamese)
    }

    /// One line; the time stands in front of the first of an event.
    fn line(&mut self, text: &str) {
        let at = std::mem::take(&mut self.at);
        let _ = writeln!(
            self.out,
            "{:indent$}{at:19}  {}",
            "",
            plain(text),
            indent = self.indent
        );
    }

    fn list(&mut self, what: &str, all: &[String]) {
        if all.is_empty() {
            return;
        }
        let shown = all
            .iter()
            .take(SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = all.len().saturating_sub(SHOWN);
        let tail = match more {
            0 => String::new(),
            more => format!(" {} {more}", self.say("and more:", "và thêm:")),
        };
        self.line(&format!("  {what} {shown}{tail}"));
    }

    fn accepted(&mut self, letter: &AcceptedView) {
        if letter.door != "more" {
            let how = match letter.door.as_str() {
                "submission" => self.say("submitted", "được gửi đi"),
                "notice" => self.say("notice made", "thông báo được lập"),
                _ => self.say("accepted", "đã nhận"),
            };
            let about = letter
                .about
                .as_ref()
                .map(|id| format!(" {} {id}", self.say("about", "về thư")));
            let from = letter
                .address
                .map(|address| format!(" {} {} [{address}]", self.say("from", "từ"), letter.hello));
            self.line(&format!(
                "{how}{}{}",
                about.unwrap_or_default(),
                from.unwrap_or_default()
            ));
            if let Some(tls) = &letter.tls {
                self.line(&format!("  {tls}"));
            } else if letter.address.is_some() {
                self.line(self.say("  without TLS", "  không có TLS"));
            }
            if let Some(account) = &letter.account {
                self.line(&format!(
                    "  {} {account}",
                    self.say("logged in as", "đăng nhập:")
                ));
            }
            self.line(&format!(
                "  {} <{}>",
                self.say("sender", "người gửi"),
                letter.sender
            ));
            let id = letter
                .message_id
                .as_ref()
                .map(|id| format!(", Message-ID <{id}>"));
            self.line(&format!(
                "  {} {}{}",
                self.say("size", "cỡ"),
                size(letter.size),
                id.unwrap_or_default()
            ));
            if let Some(judged) = &letter.judged {
                let verdict = match judged.verdict.as_str() {
                    "inbox" => self.say("inbox", "thư thường"),
                    "labelled" => self.say("labelled as suspicious", "đánh dấu nghi ngờ"),
                    "junk" => self.say("junk", "thư rác"),
                    "quarantine" => self.say("quarantine", "giữ lại chờ duyệt"),
                    "reject" => self.say("rejected", "từ chối"),
                    other => other,
                };
                let colon = if judged.reasons.is_empty() { "" } else { ": " };
                self.line(&format!(
                    "  {} {verdict} ({}.{}%){colon}{}",
                    self.say("filter:", "bộ lọc:"),
                    judged.unwanted / 10,
                    judged.unwanted % 10,
                    judged.reasons.join(", ")
                ));
            }
        }
        self.list(self.say("to", "đến"), &letter.recipients);
        self.list(self.say("on to", "chuyển tiếp đến"), &letter.others);
        for placed in letter.placed.iter().take(SHOWN) {
            self.line(&format!(
                "  {} {}: {} (UID {})",
                self.say("placed:", "đặt vào hộp thư:"),
                placed.account,
                placed.mailbox,
                placed.uid
            ));
        }
        if letter.placed.len() > SHOWN {
            let more = letter.placed.len() - SHOWN;
            self.line(&format!(
                "  {} {more}",
                self.say("placed, more:", "hộp thư khác:")
            ));
        }
        self.list(self.say("mailbox full:", "hộp thư đầy:"), &letter.full);
        if let Some(queue) = letter.queue {
            self.line(&format!(
                "  {} {queue}",
                self.say("queued as number", "vào hàng đợi, số")
            ));
        }
    }

    fn attempt(&mut self, attempt: &AttemptView) {
        let at = attempt.address.map(|address| format!(" [{address}]"));
        let whom = if attempt.host.is_empty() {
            String::new()
        } else {
            format!(
                " {} {}{}",
                self.say("at", "tại"),
                attempt.host,
                at.unwrap_or_default()
            )
        };
        for tried in &attempt.tried {
            let fate = match tried.fate {
                Fate::Delivered => self.say("delivered", "đã giao"),
                Fate::Deferred => self.say("not delivered yet", "chưa giao được"),
                Fate::Returned => self.say("returned", "bị trả lại"),
            };
            self.line(&format!("{fate}{whom}: {}", tried.reply));
            self.list(self.say("to", "đến"), &tried.rcpts);
            if let Some(next) = tried.next {
                let next = time(next, self.zone);
                self.line(&format!(
                    "  {} {next}",
                    self.say("next attempt", "gửi lại lúc")
                ));
            }
        }
        if let Some(tls) = &attempt.tls {
            let verified = match attempt.verified {
                Some(true) => self.say("certificate verified", "chứng thư hợp lệ"),
                _ => self.say("certificate not verified", "chứng thư chưa kiểm chứng"),
            };
            self.line(&format!("  {tls}, {verified}"));
        }
        if let Some(notice) = &attempt.notice {
            self.line(&format!(
                "  {} {notice}",
                self.say("sender told by notice", "báo cho người gửi, thông báo")
            ));
        }
    }

    fn refused(&mut self, refused: &RefusedView) {
        let times = match refused.times {
            1 => String::new(),
            times => format!(" (x{times})"),
        };
        self.line(&format!(
            "{}{times} {} {} [{}]: {}",
            self.say("refused", "bị từ chối"),
            self.say("from", "từ"),
            refused.hello,
            refused.address,
            refused.reply
        ));
        if let Some(account) = &refused.account {
            self.line(&format!(
                "  {} {account}",
                self.say("logged in as", "đăng nhập:")
            ));
        }
        if let Some(sender) = &refused.sender {
            self.line(&format!("  {} <{sender}>", self.say("sender", "người gửi")));
        }
        self.list(self.say("to", "đến"), &refused.recipients);
        if let Some(id) = &refused.message_id {
            self.line(&format!("  Message-ID <{id}>"));
        }
    }

    fn quarantined(&mut self, held: &QuarantinedView) {
        let act = match held.act.as_str() {
            "held" => self.say("held in quarantine", "bị giữ trong khu cách ly"),
            "released" => self.say("released from quarantine", "được đưa ra khỏi khu cách ly"),
            "deleted" => self.say("deleted from quarantine", "bị xóa khỏi khu cách ly"),
            "expired" => self.say(
                "kept in quarantine to its end, now gone",
                "hết hạn lưu trong khu cách ly, đã bị xóa",
            ),
            _ => self.say(
                "gone from quarantine with its account",
                "bị xóa khỏi khu cách ly cùng tài khoản",
            ),
        };
        let by = if held.by.is_empty() {
            String::new()
        } else {
            format!(" {} {}", self.say("by", "bởi"), held.by)
        };
        let number = self.say("number", "số");
        self.line(&format!(
            "{act}{by}: {} ({number} {})",
            held.account, held.number
        ));
        if let Some(placed) = &held.placed {
            self.line(&format!(
                "  {} {}: {} (UID {})",
                self.say("placed:", "đặt vào hộp thư:"),
                placed.account,
                placed.mailbox,
                placed.uid
            ));
        }
    }

    fn removed(&mut self, removed: &RemovedView, copies: &mut Vec<(MailboxId, Uid)>) {
        let mut moved = Vec::new();
        for (mailbox, uid) in copies.iter() {
            let Some(to) = removed.of(*mailbox, *uid) else {
                continue;
            };
            let by = self.say("by", "bởi");
            match (to, &removed.to) {
                (Some((number, new)), Some(target)) => {
                    let text = format!(
                        "{} {by} {}: {} (UID {uid}) -> {target} (UID {new})",
                        self.say("moved", "được chuyển"),
                        removed.by,
                        removed.mailbox
                    );
                    moved.push((number, new));
                    self.line(&text);
                }
                _ => self.line(&format!(
                    "{} {by} {}: {} (UID {uid})",
                    self.say("expunged", "bị xóa hẳn"),
                    removed.by,
                    removed.mailbox
                )),
            }
        }
        copies.extend(moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let check = |set: &[(&str, &str)], expected| {
            let found = Language::of(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(found, expected, "{set:?}");
        };
        check(&[], Language::English);
        check(&[("LANG", "vi_VN.UTF-8")], Language::Vietnamese);
        check(
            &[("LANG", "vi_VN.UTF-8"), ("LC_ALL", "C")],
            Language::English,
        );
        check(
            &[("LC_MESSAGES", "vi_VN"), ("LANG", "C"), ("LC_ALL", "")],
            Language::Vietnamese,
        );
    }
}
