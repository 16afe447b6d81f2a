//! The words of the pages, Vietnamese first, then English. No script, no style, nothing loaded from anywhere.

use std::fmt::Write as _;

use congvu_guard::quarantine::plain::{escaped, time, unlinked};
use congvu_message::date::Civil;
use congvu_store::quarantine::{End, Letter};

/// A form that was too old.
pub(crate) const AGAIN: [&str; 2] = [
    "Trang đã mở quá lâu. Xin bấm nút một lần nữa.",
    "The page was open for too long. Please press the button once more.",
];

/// What is held, and the button.
pub(crate) fn confirm(letter: &Letter, form: &str, zone: i16, note: Option<[&str; 2]>) -> String {
    let about = &letter.about;
    let from = if about.from.trim().is_empty() {
        &about.sender
    } else {
        &about.from
    };
    let at = time(&Civil::at(letter.at.seconds(), zone));
    let mut body = String::from("<h1>Nhận thư bị giữ / Release a letter</h1>");
    if let Some([vi, en]) = note {
        let _ = write!(body, "<p><strong>{vi} / {en}</strong></p>");
    }
    body.push_str("<table>");
    for (vi, en, value) in [
        ("Người gửi", "Sender", unlinked(from)),
        ("Người nhận", "Recipient", unlinked(&about.rcpt)),
        ("Tiêu đề", "Subject", unlinked(&about.subject)),
        ("Đến lúc", "Arrived", at),
    ] {
        let _ = write!(
            body,
            "<tr><th align=\"left\">{vi} / {en}</th><td>{}</td></tr>",
            escaped(&value)
        );
    }
    body.push_str("</table>");
    if !about.reasons.is_empty() {
        body.push_str("<p>Lý do bị giữ / Why it was held:</p><ul>");
        for reason in &about.reasons {
            let _ = write!(
                body,
                "<li>{} / <span lang=\"en\">{}</span></li>",
                escaped(&unlinked(&reason.vi)),
                escaped(&unlinked(&reason.en))
            );
        }
        body.push_str("</ul>");
    }
    let _ = write!(
        body,
        "<p>Bấm nút để đưa thư này vào hộp thư. Nếu không chắc thì đóng trang: không có gì xảy ra.<br>\
         <span lang=\"en\">Press the button to have this letter put into your mailbox. If in doubt, close the page: \
         nothing happens.</span></p>\
         <form method=\"post\"><input type=\"hidden\" name=\"form\" value=\"{}\">\
         <button type=\"submit\">Nhận thư này / Release this letter</button></form>",
        escaped(form)
    );
    page(&body)
}

/// It is in the mailbox.
pub(crate) fn released(letter: &Letter) -> String {
    let subject = escaped(&unlinked(&letter.about.subject));
    page(&format!(
        "<h1>Đã nhận thư / Released</h1><p>Thư \"{subject}\" đã ở trong hộp thư.<br>\
         <span lang=\"en\">The letter is in your mailbox.</span></p>"
    ))
}

/// It went before.
pub(crate) fn ended(end: End) -> String {
    let [vi, en] = match end {
        End::Released => [
            "Thư này đã được đưa vào hộp thư rồi.",
            "This letter was put into the mailbox already.",
        ],
        End::Deleted => [
            "Thư này đã bị quản trị viên xóa.",
            "This letter was deleted by an administrator.",
        ],
        End::Expired | End::Forgotten => [
            "Thư này đã hết hạn lưu và đã bị xóa.",
            "The time of this letter was over; it was deleted.",
        ],
    };
    said("Thư không còn ở đây / Not here any more", vi, en)
}

/// The link ended.
pub(crate) fn over() -> String {
    said(
        "Liên kết đã hết hạn / The link has ended",
        "Nếu còn cần thư này, xin hỏi quản trị viên.",
        "If you still need the letter, ask your administrator.",
    )
}

/// No room.
pub(crate) fn full() -> String {
    said(
        "Hộp thư đầy / The mailbox is full",
        "Thư vẫn được giữ. Xin xóa bớt thư trong hộp thư rồi mở lại liên kết này.",
        "The letter is still held. Delete something from your mailbox, then open this link again.",
    )
}

/// Not a page.
pub(crate) fn nothing() -> String {
    said(
        "Không có trang này / No such page",
        "Xin kiểm tra lại liên kết trong thư báo.",
        "Please check the link in the message that you were sent.",
    )
}

/// Wrong too often.
pub(crate) fn too_many() -> String {
    said(
        "Xin thử lại sau / Try again later",
        "Có quá nhiều liên kết sai từ địa chỉ mạng này. Xin chờ mười phút.",
        "Too many wrong links came from this network address. Please wait ten minutes.",
    )
}

/// Our fault.
pub(crate) fn failed() -> String {
    said(
        "Xin thử lại sau / Try again later",
        "Hệ thống thư chưa trả lời được. Thư vẫn được giữ.",
        "The mail system could not answer. The letter is still held.",
    )
}

fn said(heading: &str, vi: &str, en: &str) -> String {
    page(&format!(
        "<h1>{heading}</h1><p>{vi}<br><span lang=\"en\">{en}</span></p>"
    ))
}

fn page(body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"vi\"><head><meta charset=\"utf-8\"><title>Khu cách ly thư rác</title>\
         <meta name=\"viewport\" content=\"width=device-width\"></head><body>{body}</body></html>\n"
    )
}
