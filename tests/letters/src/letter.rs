//! Letters: which kinds there are, who writes them with what, what is attached.

use std::fmt::Write as _;

use crate::body::{Attachment, Content, Extra, body};
use crate::client::{Client, Head, header};
use crate::date::Moment;
use crate::grammar::{Grammar, Speaker};
use crate::octets::Charset;
use crate::person::{Person, name, somebody};
use crate::random::Random;
use crate::values::Context;
use crate::writing::{bare, write};
use crate::{Class, Form, House, Letter};

/// Who writes a kind of letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Colleague,
    Agency,
    Company,
    Citizen,
    System,
    Donor,
    Daemon,
}

/// A kind of office letter.
struct Genre {
    name: &'static str,
    /// How many of a hundred and some.
    share: usize,
    writer: Writer,
    /// How many of a hundred have something attached, answer, and name further recipients.
    attached: usize,
    answers: usize,
    copied: usize,
}

const fn genre(name: &'static str, share: usize, writer: Writer, often: [usize; 3]) -> Genre {
    Genre {
        name,
        share,
        writer,
        attached: often[0],
        answers: often[1],
        copied: often[2],
    }
}

const HAM: [Genre; 22] = [
    genre("dispatch", 12, Writer::Agency, [60, 5, 40]),
    genre("invitation", 9, Writer::Agency, [40, 0, 50]),
    genre("report", 9, Writer::Colleague, [60, 10, 30]),
    genre("submission", 4, Writer::Colleague, [70, 5, 20]),
    genre("decision", 4, Writer::Agency, [80, 0, 40]),
    genre("notice", 7, Writer::Colleague, [20, 0, 60]),
    genre("transfer", 5, Writer::Agency, [60, 0, 20]),
    genre("question", 22, Writer::Colleague, [25, 55, 30]),
    genre("schedule", 4, Writer::Colleague, [50, 0, 60]),
    genre("payroll", 4, Writer::Colleague, [50, 5, 20]),
    genre("recruitment", 2, Writer::Citizen, [60, 0, 0]),
    genre("petition", 3, Writer::Citizen, [20, 5, 0]),
    genre("list", 7, Writer::Colleague, [5, 60, 0]),
    genre("calendar", 3, Writer::Colleague, [0, 0, 30]),
    genre("scan", 3, Writer::Colleague, [100, 0, 0]),
    genre("donor", 3, Writer::Donor, [50, 40, 40]),
    genre("system", 5, Writer::System, [0, 0, 0]),
    genre("bounce", 1, Writer::Daemon, [0, 0, 0]),
    genre("vendor", 4, Writer::Company, [40, 5, 5]),
    genre("newsletter", 4, Writer::Company, [5, 0, 0]),
    genre("helpdesk", 2, Writer::System, [0, 0, 0]),
    genre("away", 2, Writer::Colleague, [0, 100, 0]),
];

const SPAM: [(&str, usize); 12] = [
    ("gambling", 20),
    ("loan", 12),
    ("portal", 12),
    ("quota", 12),
    ("prize", 7),
    ("course", 8),
    ("invoice", 8),
    ("sextortion", 4),
    ("estate", 7),
    ("leader", 3),
    ("pharmacy", 4),
    ("fee", 3),
];

/// Mailboxes for everybody, of citizens and of spammers alike.
const FREE: [&str; 4] = [
    "hopthu.example",
    "thunha.example",
    "buuta.test",
    "mailviet.test",
];

/// Hosts that sell.
const SELLING: [&str; 16] = [
    "uudai",
    "khuyenmai",
    "quatang",
    "vip",
    "shop",
    "tinhot",
    "online",
    "nhanh",
    "vn24",
    "hotro",
    "tructuyen",
    "club",
    "xanh",
    "loc",
    "app",
    "tot",
];

/// Hosts that look like those of the state; none of them exists.
const POSING: [&str; 8] = [
    "dichvucong-vn",
    "vneid-capnhat",
    "cong-govvn",
    "thue-hoantien",
    "csgt-phatnguoi",
    "baohiem-dinhdanh",
    "webmail-xacthuc",
    "mailquota-govvn",
];

/// People of a house who get letters, and of those who write to it.
const PEOPLE: usize = 40;

/// Whom offices buy from and what people read; the other half sells to the other house.
const COMPANIES: [&str; 16] = [
    "vanphongpham-hp.example",
    "chuky-so.example",
    "ketoan-phanmem.test",
    "nuocsach-bs.example",
    "vienthong-tinh.example",
    "hocvien-hc.example",
    "tapchi-congso.test",
    "nxb-phaply.example",
    "maylanh-phuongdong.example",
    "vemaybay-lt.test",
    "duongtruyen-vn.example",
    "inan-baobi.test",
    "hoike-toan.example",
    "diendan-cds.test",
    "sach-luat.example",
    "dichvu-maytinh.test",
];

struct Place {
    own: &'static str,
    partners: [&'static str; 5],
    donor: &'static str,
}

fn place(house: House) -> Place {
    match house {
        House::A => Place {
            own: "snnmt.lamgiang.test",
            partners: [
                "ubnd.lamgiang.test",
                "vpubnd.lamgiang.test",
                "sotc.lamgiang.test",
                "thuyloi-lamgiang.example",
                "tuvanhatang.example",
            ],
            donor: "resilience-fund.example",
        },
        House::B => Place {
            own: "yte.bachson.test",
            partners: [
                "gddt.bachson.test",
                "thanhpho.bachson.test",
                "bvdk-bachson.test",
                "vanhoa.bachson.test",
                "duocpham-bs.example",
            ],
            donor: "girls-education.example",
        },
    }
}

/// The same people again and again, as in an office.
fn of_house(house: House, domain: &str, random: &mut Random) -> Person {
    let number = random.below(PEOPLE) as u64;
    let spread = domain
        .bytes()
        .fold(7, |sum: u64, b| sum * 31 % 1_000_003 + u64::from(b));
    somebody(domain, &mut Random::new(&[house as u64, spread, number]))
}

fn by_share(shares: impl Iterator<Item = usize> + Clone, random: &mut Random) -> usize {
    let mut left = random.below(shares.clone().sum());
    for (at, share) in shares.enumerate() {
        if left < share {
            return at;
        }
        left -= share;
    }
    0
}

/// Who writes a letter of a kind, and with what.
fn writer(kind: Writer, house: House, place: &Place, random: &mut Random) -> (Person, Client) {
    let partner = *random.pick(&place.partners.each_ref());
    match kind {
        Writer::Agency => (of_house(house, partner, random), desk(random)),
        Writer::Citizen if random.percent(60) => {
            let free = random.pick(&FREE);
            let client = *random.pick(&[&Client::Phone, &Client::Webmail, &Client::Outlook]);
            (somebody(free, random), client)
        }
        // Applications that a colleague passes on, too.
        Writer::Colleague | Writer::Citizen => (of_house(house, place.own, random), desk(random)),
        Writer::Company => {
            let at = random.below(COMPANIES.len() / 2) * 2 + usize::from(house == House::B);
            let (company, client) = (
                COMPANIES[at],
                *random.pick(&[
                    &Client::Mailer,
                    &Client::Mailer,
                    &Client::Script,
                    &Client::Outlook,
                ]),
            );
            let local = random.pick(&["info", "cskh", "no-reply", "hoadon", "bantin"]);
            let person = somebody(company, random);
            let address = if client == Client::Outlook {
                person.address
            } else {
                format!("{local}@{company}")
            };
            (
                Person {
                    name: person.name,
                    address,
                },
                client,
            )
        }
        Writer::System => {
            let address = format!(
                "{}@{}",
                random.pick(&["no-reply", "hethong", "ioffice"]),
                place.own
            );
            let client = *random.pick(&[&Client::Server, &Client::Script]);
            (
                Person {
                    name: String::new(),
                    address,
                },
                client,
            )
        }
        Writer::Donor => {
            let person = of_house(house, place.donor, random);
            let client = *random.pick(&[&Client::Outlook, &Client::Thunderbird]);
            (
                Person {
                    name: bare(&person.name),
                    ..person
                },
                client,
            )
        }
        Writer::Daemon => {
            let address = format!("MAILER-DAEMON@mail.{}", place.own);
            (
                Person {
                    name: "Mail Delivery System".to_owned(),
                    address,
                },
                Client::Server,
            )
        }
    }
}

/// An office letter.
pub(crate) fn ham(grammar: &Grammar, house: House, time: u64, random: &mut Random) -> Letter {
    let genre = &HAM[by_share(HAM.iter().map(|genre| genre.share), random)];
    let place = place(house);
    let reader = of_house(house, place.own, random);
    let (mut writer, client) = writer(genre.writer, house, &place, random);
    let mut about = Context {
        time,
        writer: writer.clone(),
        reader: reader.clone(),
        domain: place.own,
        host: host_of(&writer.address),
    };
    let mut told = random.clone();
    let mut speaker = grammar.speaker(&mut told, &mut about);
    let mut subject = speaker.say(&format!("{}_subject", genre.name));
    let mut text = speaker.say(&format!("{}_body", genre.name));
    if genre.writer == Writer::System {
        writer.name = speaker.say("system");
    }
    if matches!(genre.writer, Writer::Colleague | Writer::Agency) && genre.name != "away" {
        text.push_str("\n\n");
        text.push_str(&speaker.say("signature"));
    }
    *random = Random::new(&[random.next(), 1]);
    let answers = random.percent(genre.answers);
    if answers && genre.name != "away" {
        quote(&mut speaker, random, house, &place, &mut text);
    }
    // Some people type without diacritics, some programs take marks apart.
    let form = match (genre.name, random.below(100)) {
        ("question" | "list", 0..10) => Form::Bare,
        (_, 97..) => Form::Apart,
        _ => Form::Written,
    };
    subject = write(&subject, form, random);
    text = write(&text, form, random);
    let mut head = Head {
        time,
        answers,
        here: format!("mx.{}", place.own),
        host: host_of(&writer.address),
        to: vec![reader],
        from: writer,
        ..Head::default()
    };
    if random.percent(genre.copied) {
        let more = 1 + random.below(5);
        head.cc = (0..more)
            .map(|_| of_house(house, place.own, random))
            .collect();
    }
    if genre.name == "list" {
        let list = grammar
            .speaker(&mut random.clone(), &mut about)
            .say("listname");
        head.list = Some(format!("{list}@{}", place.own));
    }
    let attachments = if random.percent(genre.attached) {
        (0..=random.below(2))
            .map(|_| document(&subject, genre.name, random))
            .collect()
    } else {
        Vec::new()
    };
    let extra = extra(genre.name, &subject, &head, random);
    head.subject = subject;
    let content = Content {
        text,
        charset: old_charset(random),
        attachments,
        extra,
    };
    Letter {
        class: Class::Ham,
        genre: genre.name,
        form,
        time,
        raw: whole(client, &head, &content, random),
    }
}

/// A letter that nobody wants.
pub(crate) fn spam(
    grammar: &Grammar,
    house: House,
    time: u64,
    form: Form,
    random: &mut Random,
) -> Letter {
    let genre = SPAM[by_share(SPAM.iter().map(|(_, share)| *share), random)].0;
    let place = place(house);
    let reader = of_house(house, place.own, random);
    let posing = matches!(genre, "portal" | "quota");
    let host = if posing {
        format!("{}{}.test", random.pick(&POSING), random.below(900))
    } else {
        let (one, two) = (random.pick(&SELLING), random.pick(&SELLING));
        format!(
            "{one}{two}{}.{}",
            random.below(100),
            random.pick(&["test", "example"])
        )
    };
    let free = random.percent(if genre == "leader" { 95 } else { 35 });
    let mut writer = if free {
        somebody(random.pick(&FREE), random)
    } else {
        let local = random.pick(&[
            "info", "cskh", "no-reply", "admin", "sales", "thongbao", "support",
        ]);
        Person {
            name: String::new(),
            address: format!("{local}@{host}"),
        }
    };
    let client = if genre == "leader" {
        *random.pick(&[&Client::Phone, &Client::Webmail])
    } else {
        *random.pick(&[
            &Client::Mailer,
            &Client::Mailer,
            &Client::Mailer,
            &Client::Script,
            &Client::Script,
            &Client::Webmail,
            &Client::Outlook,
            &Client::Outlook,
            &Client::Thunderbird,
            &Client::Phone,
        ])
    };
    let mut about = Context {
        time,
        writer: Person {
            name: name(random),
            ..Person::default()
        },
        reader: reader.clone(),
        domain: place.own,
        host,
    };
    let mut told = random.clone();
    let mut speaker = grammar.speaker(&mut told, &mut about);
    let sender = speaker.say(&format!("{genre}_sender"));
    let subject = speaker.say(&format!("{genre}_subject"));
    let mut text = speaker.say(&format!("{genre}_body"));
    if !matches!(genre, "leader" | "sextortion" | "fee") && random.percent(30) {
        text.push('\n');
        text.push_str(&speaker.say("signature"));
    }
    *random = Random::new(&[random.next(), 2]);
    // The disguise has numbers of its own: the same letter in every form.
    let mut disguise = Random::new(&[random.next(), 3]);
    writer.name = write(&sender, form, &mut disguise);
    let subject = write(&subject, form, &mut disguise);
    let text = write(&text, form, &mut disguise);
    let mut head = Head {
        subject,
        time,
        here: format!("mx.{}", place.own),
        host: host_of(&writer.address),
        to: vec![reader],
        from: writer,
        answers: random.percent(5),
        ..Head::default()
    };
    if matches!(genre, "fee" | "leader") && random.percent(60) {
        head.reply_to = Some(somebody(random.pick(&FREE), random).address);
    }
    let attachments = if genre == "invoice" && random.percent(85) {
        vec![harmful(random)]
    } else {
        Vec::new()
    };
    let content = Content {
        text,
        charset: Charset::Utf8,
        attachments,
        extra: None,
    };
    Letter {
        class: Class::Spam,
        genre,
        form,
        time,
        raw: whole(client, &head, &content, random),
    }
}

/// What the text of an office letter is written in: a few old programs are left.
fn old_charset(random: &mut Random) -> Charset {
    match random.below(100) {
        0..=1 => Charset::Windows1258,
        2 => Charset::Tcvn3,
        3 => Charset::Viscii,
        _ => Charset::Utf8,
    }
}

fn whole(client: Client, head: &Head, content: &Content, random: &mut Random) -> Vec<u8> {
    let mut raw = header(client, head, random).into_bytes();
    raw.extend_from_slice(&body(client, content, random));
    raw
}

/// What people at desks write with.
fn desk(random: &mut Random) -> Client {
    match random.below(100) {
        0..30 => Client::Outlook,
        30..50 => Client::Thunderbird,
        50..75 => Client::Zimbra,
        75..88 => Client::Phone,
        _ => Client::Webmail,
    }
}

fn host_of(address: &str) -> String {
    let domain = address.rsplit('@').next().unwrap_or(address);
    if domain.starts_with("mail.") {
        domain.to_owned()
    } else {
        format!("mail.{domain}")
    }
}

/// The letter that is answered, below the answer.
fn quote(
    speaker: &mut Speaker<'_, Context>,
    random: &mut Random,
    house: House,
    place: &Place,
    text: &mut String,
) {
    let who = of_house(house, place.own, random).name;
    let date = speaker.say("quoted_date");
    let _ = match random.below(4) {
        0 => write!(text, "\n\nVào {date}, {who} đã viết:\n"),
        1 => write!(text, "\n\nOn {date}, {who} wrote:\n"),
        2 => write!(
            text,
            "\n\n----- Thư gốc -----\nTừ: {who}\nNgày gửi: {date}\n\n"
        ),
        _ => write!(
            text,
            "\n\n________________________________\nFrom: {who}\nSent: {date}\n\n"
        ),
    };
    let quoted = speaker.say(random.pick(&[
        "question_body",
        "question_body",
        "report_body",
        "dispatch_body",
    ]));
    for line in quoted.lines() {
        let _ = writeln!(text, "> {line}");
    }
}

fn extra(genre: &str, subject: &str, head: &Head, random: &mut Random) -> Option<Extra> {
    match genre {
        "calendar" => {
            let begin = Moment::of(head.time + 86_400 * (1 + random.below(14) as u64)).compact();
            Some(Extra {
                holder: "alternative",
                part: format!(
                    "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
                     BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//calendar//VI\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n\
                     UID:{:x}@{}\r\nDTSTART:{begin}\r\nSUMMARY:{subject}\r\nORGANIZER:mailto:{}\r\nEND:VEVENT\r\n\
                     END:VCALENDAR\r\n",
                    random.next(),
                    head.here,
                    head.from.address
                ),
            })
        }
        "bounce" => Some(Extra {
            holder: "report; report-type=delivery-status",
            part: format!(
                "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {}\r\n\r\n\
                 Action: failed\r\nStatus: 5.1.1\r\n",
                head.host
            ),
        }),
        _ => None,
    }
}

fn noise(begin: &[u8], random: &mut Random) -> Vec<u8> {
    let mut octets = begin.to_vec();
    for _ in 0..40 + random.below(200) {
        octets.extend_from_slice(&random.next().to_le_bytes());
    }
    octets
}

/// A file as offices attach it.
fn document(subject: &str, genre: &str, random: &mut Random) -> Attachment {
    const ZIP: &[u8] = b"PK\x03\x04\x14\0\x06\0";
    let short: String = bare(subject)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(30)
        .collect();
    let kind = if genre == "scan" {
        random.below(2)
    } else {
        random.below(9)
    };
    let (ending, kind, begin): (_, _, &[u8]) = match kind {
        0 => ("jpg", "image/jpeg", b"\xFF\xD8\xFF\xE0\0\x10JFIF"),
        1..5 => ("pdf", "application/pdf", b"%PDF-1.5\r\n%"),
        5..7 => (
            "docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ZIP,
        ),
        7 => (
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            ZIP,
        ),
        _ => ("signed.pdf", "application/octet-stream", b"%PDF-1.7\r\n%"),
    };
    Attachment {
        name: format!("{short}{}.{ending}", random.below(100)),
        kind,
        octets: noise(begin, random),
    }
}

/// What looks like a program: it has the first two octets of one and is none.
fn harmful(random: &mut Random) -> Attachment {
    let number = random.below(100_000);
    let (name, kind, begin): (_, _, &[u8]) = match random.below(5) {
        0 => (
            format!("hoadon_{number}.pdf.exe"),
            "application/octet-stream",
            b"MZ\x90\0",
        ),
        1 => (
            format!("HD{number}.zip"),
            "application/zip",
            b"PK\x03\x04\x14\0\x01\0",
        ),
        2 => (
            format!("invoice {number}.doc"),
            "application/msword",
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        ),
        3 => (
            format!("scan{number}.js"),
            "application/javascript",
            b"var a=1;//",
        ),
        _ => (
            format!("Order-{number}.pdf"),
            "application/pdf",
            b"%PDF-1.4\r\n%",
        ),
    };
    Attachment {
        name,
        kind,
        octets: noise(begin, random),
    }
}

/// Every rule that letters begin with.
#[cfg(test)]
pub(crate) fn beginnings() -> (Vec<String>, Vec<String>) {
    let ham = HAM
        .iter()
        .flat_map(|genre| ["subject", "body"].map(|what| format!("{}_{what}", genre.name)));
    let spam = SPAM
        .iter()
        .flat_map(|(name, _)| ["sender", "subject", "body"].map(|what| format!("{name}_{what}")));
    (
        ham.chain(["signature", "system", "listname", "quoted_date"].map(str::to_owned))
            .collect(),
        spam.chain(["signature".to_owned()]).collect(),
    )
}
