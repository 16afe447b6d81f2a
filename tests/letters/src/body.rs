//! Bodies as mail programs make them: plain, HTML, both, with attachments; charsets and transfer encodings.

use crate::client::Client;
use crate::octets::{Charset, base64, encoded_words, quoted_printable};
use crate::random::Random;
use crate::{LINK, LINK_END};

/// Something attached.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) octets: Vec<u8>,
}

/// Another part beside the text, written out with its header.
#[derive(Debug)]
pub(crate) struct Extra {
    /// Subtype of the multipart that holds text and part.
    pub(crate) holder: &'static str,
    pub(crate) part: String,
}

/// What a body is made of.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) text: String,
    pub(crate) charset: Charset,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) extra: Option<Extra>,
}

/// The body with the fields that belong to it, from `Content-Type` on.
pub(crate) fn body(client: Client, content: &Content, random: &mut Random) -> Vec<u8> {
    let html = match client {
        Client::Outlook => random.percent(75),
        Client::Zimbra => random.percent(85),
        Client::Thunderbird => random.percent(35),
        Client::Phone => random.percent(20),
        Client::Webmail | Client::Server => false,
        Client::Script => random.percent(60),
        Client::Mailer => random.percent(80),
    };
    // Only programs that send to many leave the plain text out.
    let both = html && (!matches!(client, Client::Script | Client::Mailer) || random.percent(30));
    let mut out = if both {
        let plain = part(
            client,
            &plain(&content.text),
            "plain",
            content.charset,
            random,
        );
        let rich = part(
            client,
            &rich(client, &content.text),
            "html",
            content.charset,
            random,
        );
        multipart("alternative", &[plain, rich], random)
    } else if html {
        part(
            client,
            &rich(client, &content.text),
            "html",
            content.charset,
            random,
        )
    } else {
        part(
            client,
            &plain(&content.text),
            "plain",
            content.charset,
            random,
        )
    };
    if let Some(extra) = &content.extra {
        out = multipart(
            extra.holder,
            &[out, extra.part.clone().into_bytes()],
            random,
        );
    }
    if !content.attachments.is_empty() {
        let mut parts = vec![out];
        parts.extend(content.attachments.iter().map(attached));
        out = multipart("mixed", &parts, random);
    }
    out
}

fn multipart(kind: &str, parts: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let boundary = format!(
        "{}{:x}",
        random.pick(&["_000_", "----=_Part_", "=_", "Apple-Mail-", "b1_"]),
        random.next()
    );
    let mut out =
        format!("Content-Type: multipart/{kind};\r\n boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

fn part(
    client: Client,
    text: &str,
    subtype: &str,
    charset: Charset,
    random: &mut Random,
) -> Vec<u8> {
    // A charset that lacks a letter is not used.
    let (label, octets) = charset.encode(text).map_or_else(
        || (Charset::Utf8.label(), text.as_bytes().to_vec()),
        |octets| (charset.label(), octets),
    );
    let (encoding, body) = match (client, random.below(10)) {
        (Client::Outlook | Client::Mailer | Client::Script, 0..5)
        | (Client::Phone, 0..4)
        | (Client::Thunderbird, 0..2) => ("base64", base64(&crlf(&octets), true).into_bytes()),
        (Client::Server | Client::Webmail, _) | (Client::Thunderbird | Client::Script, 5..) => {
            ("8bit", crlf(&octets))
        }
        _ => ("quoted-printable", quoted_printable(&octets).into_bytes()),
    };
    let label = if matches!(client, Client::Outlook | Client::Script | Client::Webmail) {
        label.to_uppercase()
    } else {
        label.to_owned()
    };
    let mut out = format!(
        "Content-Type: text/{subtype}; charset={label}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    .into_bytes();
    out.extend_from_slice(&body);
    out.extend_from_slice(b"\r\n");
    out
}

fn crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + 64);
    for &octet in octets {
        if octet == b'\n' {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}

fn attached(attachment: &Attachment) -> Vec<u8> {
    let name = encoded_words(&attachment.name, false);
    format!(
        "Content-Type: {}; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}",
        attachment.kind,
        base64(&attachment.octets, true)
    )
    .into_bytes()
}

/// Calls back with plain runs and with links (label, address).
fn runs(text: &str, mut plain: impl FnMut(&str), mut link: impl FnMut(&str, &str)) {
    // The callbacks write to the same place, one after another.
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(LINK) {
        plain(before);
        let (inside, after) = after.split_once(LINK_END).unwrap_or((after, ""));
        let (label, url) = inside.split_once('|').unwrap_or((inside, inside));
        link(label, url);
        rest = after;
    }
    plain(rest);
}

fn plain(text: &str) -> String {
    let out = std::cell::RefCell::new(String::with_capacity(text.len()));
    runs(
        text,
        |run| out.borrow_mut().push_str(run),
        |_, url| out.borrow_mut().push_str(url),
    );
    wrapped(&out.into_inner())
}

/// Lines of about 76 characters, as programs break them; an octet limit would cut letters.
fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mut column = 0;
        for (at, word) in line.split(' ').enumerate() {
            let width = word.chars().count();
            if at > 0 {
                if column + width > 76 && width > 0 {
                    out.push('\n');
                    column = 0;
                } else {
                    out.push(' ');
                    column += 1;
                }
            }
            out.push_str(word);
            column += width;
        }
    }
    out
}

fn rich(client: Client, text: &str) -> String {
    let (open, close, between) = match client {
        Client::Outlook => (
            "<html xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head>\n<style>p.MsoNormal{margin:0cm;font-size:11.0pt;font-family:\"Calibri\",sans-serif;}</style></head>\n<body lang=\"VI\"><div class=\"WordSection1\">\n<p class=\"MsoNormal\">",
            "<o:p></o:p></p>\n</div></body></html>\n",
            "<o:p></o:p></p>\n<p class=\"MsoNormal\">",
        ),
        Client::Zimbra => (
            "<html><body><div style=\"font-family: times new roman, new york, times, serif; font-size: 12pt; color: #000000\"><div>",
            "</div></div></body></html>\n",
            "</div>\n<div>",
        ),
        Client::Phone => (
            "<html><body dir=\"auto\"><div dir=\"ltr\">",
            "</div></body></html>\n",
            "<br>\n",
        ),
        Client::Mailer => (
            "<!DOCTYPE html><html><body style=\"margin:0\"><table width=\"600\" align=\"center\" cellpadding=\"0\"><tr><td style=\"font-family:Arial;font-size:15px\"><p>",
            "</p></td></tr></table></body></html>\n",
            "</p>\n<p>",
        ),
        _ => ("<html><body><p>", "</p></body></html>\n", "<br>\n"),
    };
    let out = std::cell::RefCell::new(String::with_capacity(text.len() * 2));
    out.borrow_mut().push_str(open);
    runs(
        text,
        |run| {
            let mut out = out.borrow_mut();
            for c in run.chars() {
                match c {
                    '\n' => out.push_str(between),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '&' => out.push_str("&amp;"),
                    c => out.push(c),
                }
            }
        },
        |label, url| {
            let link = format!("<a href=\"{url}\">{label}</a>");
            out.borrow_mut().push_str(&link);
        },
    );
    let mut out = out.into_inner();
    out.push_str(close);
    out
}
