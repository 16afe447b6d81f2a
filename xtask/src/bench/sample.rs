//! Letters of many kinds as files: from several mail programs, in several encodings, short and long, with and
//! without HTML and attachments. The store's dictionaries are trained from them (`docs/format.md`), so they
//! name nobody and quote nobody.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::letter::{Letters, Random, Writer, words};
use super::words::OFFICES;

/// How a mail program writes its header fields.
struct Program {
    boundary: &'static str,
    id: &'static str,
    fields: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program {
        boundary: "------------",
        id: "",
        fields: "User-Agent: Mozilla Thunderbird\r\nContent-Language: vi\r\nX-Priority: 3\r\n",
    },
    Program {
        boundary: "----=_NextPart_000_",
        id: "$",
        fields: "X-Mailer: Microsoft Outlook 16.0\r\nThread-Index: \
                 Ad\r\nContent-Language: en-us\r\nX-MS-Has-Attach: \r\nX-MS-TNEF-Correlator: \r\nImportance: Normal\r\n",
    },
    Program {
        boundary: "000000000000",
        id: "CA+",
        fields: "X-Gm-Message-State: \r\nX-Google-DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n        \
                 d=1e100.net; s=20230601; t=\r\nX-Received: by 2002:a05:\r\n",
    },
    Program {
        boundary: "Apple-Mail-",
        id: "",
        fields: "Mime-Version: 1.0 (1.0)\r\nX-Mailer: iPhone Mail (21F90)\r\n",
    },
    Program {
        boundary: "----=_Part_",
        id: "JavaMail.zimbra@",
        fields: "X-Originating-IP: [10.0.0.1]\r\nX-Mailer: Zimbra 8.8.15 (ZimbraWebClient)\r\nThread-Topic: \r\n",
    },
    Program {
        boundary: "=_",
        id: "",
        fields: "User-Agent: Roundcube Webmail/1.6\r\nX-Sender: \r\n",
    },
];

/// Bodies that only some have: the octets before and after the text in HTML.
const HTML: &[(&str, &str)] = &[
    (
        "<!DOCTYPE html>\r\n<html>\r\n  <head>\r\n    <meta http-equiv=\"content-type\" content=\"text/html; \
         charset=UTF-8\">\r\n  </head>\r\n  <body text=\"#000000\" bgcolor=\"#FFFFFF\">\r\n    <p>",
        "</p>\r\n    <pre class=\"moz-signature\" cols=\"72\">-- \r\n</pre>\r\n  </body>\r\n</html>\r\n",
    ),
    (
        "<html xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\" \
         xmlns:w=\"urn:schemas-microsoft-com:office:word\">\r\n<head>\r\n<meta http-equiv=\"Content-Type\" \
         content=\"text/html; charset=utf-8\">\r\n<style><!--\r\n@font-face\r\n\t{font-family:Calibri;}\r\n\
         p.MsoNormal, li.MsoNormal, div.MsoNormal\r\n\t{margin:0in;\r\n\tfont-size:11.0pt;\r\n\tfont-family:\"Times \
         New Roman\",serif;}\r\na:link, span.MsoHyperlink\r\n\t{color:#0563C1;\r\n\ttext-decoration:underline;}\r\n\
         --></style>\r\n</head>\r\n<body lang=\"EN-US\" link=\"#0563C1\" vlink=\"#954F72\">\r\n\
         <div class=\"WordSection1\">\r\n<p class=\"MsoNormal\"><span style=\"font-size:14.0pt\">",
        "<o:p></o:p></span></p>\r\n<p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>\r\n</div>\r\n</body>\r\n</html>\r\n",
    ),
    (
        "<div dir=\"ltr\"><div class=\"gmail_default\" style=\"font-family:arial,sans-serif\">",
        "</div><br clear=\"all\"><div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\"></div>\
         <blockquote class=\"gmail_quote\" style=\"margin:0px 0px 0px 0.8ex;border-left:1px solid \
         rgb(204,204,204);padding-left:1ex\"></blockquote></div></div>\r\n",
    ),
];

/// Types of attachments.
const FILES: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    ("image/png", "png"),
    ("application/zip", "zip"),
];

/// Writes `count` letters into a folder, whole and cut in two as the store cuts them (`head`, `text`); with a size
/// those that the load sends.
pub(crate) fn write(folder: &Path, count: usize, size: Option<usize>) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let load = size.map(Letters::new);
    for number in 0..count {
        let mut random = Random::new(number as u64 + 1_000_003);
        let name = format!("{number:06}.eml");
        if let Some(load) = &load {
            let text = load.letter(&mut random, "load@example.org", "u1@xa.test");
            fs::write(folder.join(name), text)?;
            continue;
        }
        fs::write(folder.join(&name), letter(&mut random, Codes::Kept))?;
        let bare = letter(&mut Random::new(number as u64 + 5_000_011), Codes::Undone);
        let (head, text) = bare.split_once("\r\n\r\n").unwrap_or((&bare, ""));
        for (kind, octets) in [("head", head), ("text", text)] {
            let folder = folder.join(kind);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(&name), octets)?;
        }
    }
    Ok(())
}

/// Whether texts in base64 stand as they are sent or as the store keeps them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Codes {
    Kept,
    Undone,
}

fn letter(random: &mut Random, codes: Codes) -> String {
    let words = words();
    let mut writer = Writer {
        random,
        words: &words,
    };
    let program = &PROGRAMS[writer.random.below(PROGRAMS.len())];
    let mut text = header(&mut writer, program);
    let plain = plain(&mut writer);
    let boundary = format!("{}{:x}", program.boundary, writer.random.below(1 << 40));
    match writer.random.below(6) {
        0 => {
            text.push_str(
                "Content-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            );
            text.push_str(&plain);
        }
        1 => leaf(
            "text/plain; charset=\"utf-8\"",
            &plain,
            Some(codes),
            &mut text,
        ),
        2 => leaf("text/plain; charset=UTF-8", &plain, None, &mut text),
        kind => {
            let of_both = (kind % 2 == 0).then_some(codes);
            let _ = write!(
                text,
                "Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n"
            );
            if kind == 5 {
                text.push_str("This is a multi-part message in MIME format.\r\n");
            }
            let _ = write!(text, "--{boundary}\r\n");
            leaf("text/plain; charset=\"UTF-8\"", &plain, of_both, &mut text);
            let _ = write!(text, "\r\n--{boundary}\r\n");
            let (before, after) = HTML[writer.random.below(HTML.len())];
            let html = format!("{before}{}{after}", plain.replace("\r\n", "<br>\r\n"));
            leaf("text/html; charset=\"UTF-8\"", &html, of_both, &mut text);
            let _ = write!(text, "\r\n--{boundary}--\r\n");
        }
    }
    // Files have nothing that a dictionary could know.
    if codes == Codes::Kept && writer.random.below(3) == 0 {
        attach(&mut writer, &format!("{boundary}_1"), &text)
    } else {
        text
    }
}

fn header(writer: &mut Writer<'_>, program: &Program) -> String {
    let hosts = [
        "mail.example.org",
        "mx.xa.test",
        "mail.tinh.example",
        "smtp.example.net",
    ];
    let hex = |writer: &mut Writer<'_>| writer.random.below(1 << 48);
    let minute = writer.random.below(60);
    let date = format!(
        "{}, {} {} 2026 {:02}:{minute:02}:{:02} +0700",
        writer.pick(&["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]),
        1 + writer.random.below(28),
        writer.pick(&[
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
        ]),
        writer.random.below(24),
        writer.random.below(60),
    );
    let (from_host, by_host) = (writer.pick(&hosts), writer.pick(&hosts));
    let (from, to) = (writer.name(), writer.name());
    let mut text = format!(
        "Return-Path: <u{}@{from_host}>\r\n",
        writer.random.below(5_000)
    );
    if writer.random.below(2) == 0 {
        let _ = write!(
            text,
            "Authentication-Results: {by_host};\r\n\tspf=pass smtp.mailfrom={from_host};\r\n\tdkim=pass \
             header.d={from_host} header.s=default;\r\n\tdmarc=pass header.from={from_host}\r\n"
        );
    }
    let _ = write!(
        text,
        "Received: from {from_host} ([127.0.0.1])\r\n\tby {by_host} with {} id {:016x}\r\n\tfor <u{}@{by_host}>; {date}\r\n",
        writer.pick(&["ESMTPS", "ESMTP", "LMTP", "ESMTPSA"]),
        hex(writer),
        writer.random.below(5_000)
    );
    if writer.random.below(2) == 0 {
        let _ = write!(
            text,
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={from_host};\r\n\ts=default; t={}; \
             h=from:to:cc:subject:date:message-id:mime-version:content-type:\r\n\t content-transfer-encoding:in-reply-to:\
             references; bh={:x}=;\r\n\tb={:x}=\r\n",
            1_760_000_000 + writer.random.below(40_000_000),
            hex(writer),
            hex(writer)
        );
    }
    let subject = writer.sentence();
    let _ = write!(
        text,
        "From: {} <u{}@{from_host}>\r\nTo: {} <u{}@{by_host}>\r\n",
        encoded(writer, &from),
        writer.random.below(5_000),
        encoded(writer, &to),
        writer.random.below(5_000),
    );
    if writer.random.below(3) == 0 {
        let name = writer.name();
        let name = encoded(writer, &name);
        let _ = write!(
            text,
            "Cc: {name} <u{}@{by_host}>\r\n",
            writer.random.below(5_000)
        );
    }
    let prefix = writer.pick(&["", "", "Re: ", "Fwd: ", "V/v "]);
    let shown: String = subject.chars().take(60).collect();
    let _ = write!(
        text,
        "Subject: {}\r\nDate: {date}\r\nMessage-ID: <{}{:x}@{from_host}>\r\n",
        encoded(writer, &format!("{prefix}{shown}")),
        program.id,
        hex(writer)
    );
    if writer.random.below(2) == 0 {
        let id = hex(writer);
        let _ = write!(
            text,
            "In-Reply-To: <{id:x}@{by_host}>\r\nReferences: <{id:x}@{by_host}>\r\n"
        );
    }
    text.push_str("MIME-Version: 1.0\r\n");
    text.push_str(program.fields);
    text
}

fn encoded(writer: &mut Writer<'_>, text: &str) -> String {
    match writer.random.below(3) {
        0 => format!("=?UTF-8?B?{}?=", base64(text.as_bytes()).trim_end()),
        1 => format!(
            "=?utf-8?Q?{}?=",
            quoted(text).replace("=\r\n", "").replace(' ', "_")
        ),
        _ => text.to_owned(),
    }
}

fn plain(writer: &mut Writer<'_>) -> String {
    let mut text = String::new();
    for _ in 0..=writer.random.below(5) {
        writer.paragraph("", &mut text);
        text.push_str("\r\n");
    }
    writer.signature("", &mut text);
    if writer.random.below(2) == 0 {
        let name = writer.name();
        let _ = write!(text, "\r\nVào 20/11/2026 08:15, {name} đã viết:\r\n");
        for _ in 0..=writer.random.below(4) {
            writer.paragraph("> ", &mut text);
        }
    }
    text
}

fn leaf(kind: &str, text: &str, in_base64: Option<Codes>, out: &mut String) {
    let (name, octets) = match in_base64 {
        Some(Codes::Kept) => ("base64", base64(text.as_bytes())),
        Some(Codes::Undone) => ("base64", text.to_owned()),
        None => ("quoted-printable", quoted(text)),
    };
    let _ = write!(
        out,
        "Content-Type: {kind}\r\nContent-Transfer-Encoding: {name}\r\n\r\n{octets}"
    );
}

/// The letter inside a multipart/mixed with a file.
fn attach(writer: &mut Writer<'_>, boundary: &str, letter: &str) -> String {
    let at = letter.find("\r\nContent-Type:").map_or(0, |at| at + 2);
    let (header, body) = letter.split_at(at);
    let (kind, end) = FILES[writer.random.below(FILES.len())];
    let name = format!(
        "{} {}.{end}",
        writer.pick(OFFICES),
        writer.random.below(1_000)
    );
    let octets: Vec<u8> = (0..1_500)
        .map(|_| u8::try_from(writer.random.below(256)).unwrap_or(0))
        .collect();
    format!(
        "{header}Content-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n{body}\r\n\
         --{boundary}\r\nContent-Type: {kind};\r\n name=\"=?UTF-8?B?{name}?=\"\r\nContent-Disposition: attachment;\r\n \
         filename*=UTF-8''{name}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--{boundary}--\r\n",
        base64(&octets),
        name = base64(name.as_bytes()).trim_end(),
    )
}

/// RFC 2045 section 6.8, lines of 76.
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for line in octets.chunks(57) {
        for three in line.chunks(3) {
            let octet = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
            let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
            for place in 0..4 {
                let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
                out.push(if place > three.len() {
                    '='
                } else {
                    char::from(letter)
                });
            }
        }
        out.push_str("\r\n");
    }
    out
}

/// RFC 2045 section 6.7.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive("\r\n") {
        let mut column = 0;
        for octet in line.trim_end_matches("\r\n").bytes() {
            if column > 72 {
                out.push_str("=\r\n");
                column = 0;
            }
            if octet == b'=' || !(b' '..=b'~').contains(&octet) {
                let _ = write!(out, "={octet:02X}");
                column += 3;
            } else {
                out.push(char::from(octet));
                column += 1;
            }
        }
        if line.ends_with("\r\n") {
            out.push_str("\r\n");
        }
    }
    out
}
