//! A digest as a letter: Vietnamese first, then English; as text and as HTML.
//!
//! What strangers wrote passes through `quarantine::plain`: it is cut, holds nothing invisible, no markup, and nothing
//! that a mail program would make into a link. The only links are ours.

use std::fmt::Write as _;

use congvu_message::compose;
use congvu_message::date::Civil;
use congvu_store::quarantine::Letter;

use crate::quarantine::plain::{day, escaped, shown, time, unlinked};

/// A digest.
pub(super) struct Digest<'a> {
    pub(super) name: &'a str,
    pub(super) address: &'a str,
    pub(super) postmaster: &'a str,
    /// All letters, also those that are not among the items.
    pub(super) count: usize,
    /// For how long letters are kept.
    pub(super) days: u16,
    pub(super) items: Vec<Item<'a>>,
    pub(super) host: &'a str,
    pub(super) now: i64,
    pub(super) zone: i16,
}

/// A letter of it.
pub(super) struct Item<'a> {
    pub(super) letter: &'a Letter,
    pub(super) at: Civil,
    /// When it will be deleted; `None`: an order keeps it.
    pub(super) until: Option<Civil>,
    pub(super) link: Option<String>,
}

/// A letter's fields, fit to be shown.
struct Fields {
    sender: String,
    subject: String,
    at: String,
    vi: String,
    en: String,
    until: String,
}

impl Item<'_> {
    fn fields(&self) -> Fields {
        let about = &self.letter.about;
        let from = if about.from.trim().is_empty() {
            &about.sender
        } else {
            &about.from
        };
        let or = |text: String, instead: &str| {
            if text.is_empty() {
                instead.to_owned()
            } else {
                text
            }
        };
        let reason = about.reasons.first();
        Fields {
            sender: or(unlinked(from), "(không ghi / none)"),
            subject: or(unlinked(&about.subject), "(không có tiêu đề / no subject)"),
            at: time(&self.at),
            vi: reason.map_or_else(
                || "bộ lọc cho là thư rác".to_owned(),
                |reason| unlinked(&reason.vi),
            ),
            en: reason.map_or_else(
                || "the filter takes it for spam".to_owned(),
                |reason| unlinked(&reason.en),
            ),
            until: self.until.as_ref().map_or_else(
                || "được giữ theo lệnh lưu giữ / kept by order".to_owned(),
                day,
            ),
        }
    }
}

impl Digest<'_> {
    /// The octets of the letter.
    pub(super) fn write(&self) -> Vec<u8> {
        let (text, html) = (self.text(), self.html());
        compose::Letter {
            from: ("Hệ thống thư - Khu cách ly thư rác", self.postmaster),
            to: vec![(self.name, self.address)],
            subject: &format!(
                "{0} thư bị giữ trong khu cách ly / {0} held in quarantine",
                self.count
            ),
            text: &text,
            html: Some(&html),
            automatic: true,
            host: self.host,
            seconds: self.now,
            zone: self.zone,
        }
        .build()
    }

    fn more(&self) -> usize {
        self.count.saturating_sub(self.items.len())
    }

    fn has_links(&self) -> bool {
        self.items.iter().any(|item| item.link.is_some())
    }

    fn vietnamese(&self) -> [String; 2] {
        [
            format!(
                "{} thư gửi đến {} bị bộ lọc giữ lại trong khu cách ly, chưa đưa vào hộp thư. \
                 Thư được giữ {} ngày rồi bị xóa vào ngày ghi bên dưới.",
                self.count, self.address, self.days
            ),
            if self.has_links() {
                "Nếu có thư cần nhận: mở liên kết \"Nhận thư\" của thư đó và bấm nút xác nhận trên \
                 trang hiện ra. Nếu không cần thư nào thì không phải làm gì. Không chuyển tiếp thư \
                 báo này: ai có liên kết đều xem được người gửi và tiêu đề."
                    .to_owned()
            } else {
                "Nếu có thư cần nhận: báo số của thư đó cho quản trị viên (lệnh: congvu quarantine \
                 release SỐ). Nếu không cần thư nào thì không phải làm gì."
                    .to_owned()
            },
        ]
    }

    fn english(&self) -> [String; 2] {
        [
            format!(
                "Letters to {1} were held in quarantine and not delivered: {0}. They are kept for {2} \
                 days and deleted on the day given.",
                self.count, self.address, self.days
            ),
            if self.has_links() {
                "If you want one of them: open its link above and confirm on the page that appears. \
                 Otherwise nothing need be done. Do not forward this message."
                    .to_owned()
            } else {
                "If you want one of them: tell its number to your administrator (congvu quarantine \
                 release NUMBER). Otherwise nothing need be done."
                    .to_owned()
            },
        ]
    }

    fn text(&self) -> String {
        let mut out = format!("Kính gửi: {}\n\n", shown(self.name));
        for paragraph in self.vietnamese() {
            let _ = writeln!(out, "{paragraph}\n");
        }
        for item in &self.items {
            let fields = item.fields();
            let _ = writeln!(
                out,
                "Số {}\n  Người gửi: {}\n  Tiêu đề:   {}\n  Đến lúc:   {}\n  Lý do:     {}\n  Bị xóa:    {}",
                item.letter.id, fields.sender, fields.subject, fields.at, fields.vi, fields.until
            );
            if let Some(link) = &item.link {
                let _ = writeln!(out, "  Nhận thư:  {link}");
            }
            out.push('\n');
        }
        if self.more() > 0 {
            let _ = writeln!(
                out,
                "Và {} thư nữa không liệt kê ở đây; xin hỏi quản trị viên.\n",
                self.more()
            );
        }
        out.push_str("-- English --\n\n");
        for paragraph in self.english() {
            let _ = writeln!(out, "{paragraph}\n");
        }
        for item in &self.items {
            let _ = writeln!(out, "Number {}: {}", item.letter.id, item.fields().en);
        }
        if self.more() > 0 {
            let _ = writeln!(
                out,
                "\n{} more are not listed here; ask your administrator.",
                self.more()
            );
        }
        out
    }

    fn html(&self) -> String {
        let mut out = String::from(
            "<!DOCTYPE html><html lang=\"vi\"><head><meta charset=\"utf-8\"></head>\
             <body style=\"font-family:sans-serif\">",
        );
        let _ = write!(out, "<p>Kính gửi: {}</p>", escaped(&shown(self.name)));
        for paragraph in self.vietnamese() {
            let _ = write!(out, "<p>{}</p>", escaped(&paragraph));
        }
        out.push_str(
            "<table border=\"1\" cellpadding=\"6\" style=\"border-collapse:collapse\"><tr><th>Số</th>\
             <th>Người gửi</th><th>Tiêu đề</th><th>Đến lúc</th><th>Lý do</th><th>Bị xóa</th><th></th></tr>",
        );
        for item in &self.items {
            row(&mut out, item);
        }
        out.push_str("</table>");
        if self.more() > 0 {
            let _ = write!(
                out,
                "<p>Và {0} thư nữa không liệt kê ở đây; xin hỏi quản trị viên.</p>",
                self.more()
            );
        }
        out.push_str("<div lang=\"en\"><hr>");
        for paragraph in self.english() {
            let _ = write!(out, "<p>{}</p>", escaped(&paragraph));
        }
        out.push_str("<ul>");
        for item in &self.items {
            let reason = escaped(&item.fields().en);
            let _ = write!(out, "<li>{}: {reason}</li>", item.letter.id);
        }
        out.push_str("</ul>");
        if self.more() > 0 {
            let _ = write!(
                out,
                "<p>{} more are not listed here; ask your administrator.</p>",
                self.more()
            );
        }
        out.push_str("</div></body></html>\n");
        out
    }
}

fn row(out: &mut String, item: &Item<'_>) {
    let fields = item.fields();
    let _ = write!(out, "<tr><td>{}</td>", item.letter.id);
    for cell in [
        &fields.sender,
        &fields.subject,
        &fields.at,
        &fields.vi,
        &fields.until,
    ] {
        let _ = write!(out, "<td>{}</td>", escaped(cell));
    }
    match &item.link {
        Some(link) => {
            let link = escaped(link);
            let _ = write!(out, "<td><a href=\"{link}\">Nhận thư</a></td></tr>");
        }
        None => out.push_str("<td></td></tr>"),
    }
}
