//! The programs that letters come from: which header fields they write, in which order and manner.

use crate::date::Moment;
use crate::octets::encoded_words;
use crate::person::Person;
use crate::random::Random;

/// A mail program, a script or a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Outlook,
    Thunderbird,
    Zimbra,
    Phone,
    Webmail,
    Script,
    Mailer,
    Server,
}

/// What a header says.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) from: Person,
    pub(crate) to: Vec<Person>,
    pub(crate) cc: Vec<Person>,
    pub(crate) reply_to: Option<String>,
    pub(crate) subject: String,
    pub(crate) time: u64,
    /// Where the letter was written, for Message-ID and Received.
    pub(crate) host: String,
    /// The machine that takes it.
    pub(crate) here: String,
    pub(crate) answers: bool,
    pub(crate) list: Option<String>,
    /// Further fields, ended by CRLF.
    pub(crate) more: String,
}

/// The whole header but for the fields of the body, each line ended by CRLF.
pub(crate) fn header(client: Client, head: &Head, random: &mut Random) -> String {
    let mut out = Out {
        text: String::new(),
        // Programs that write Q, and those that write B.
        q: matches!(client, Client::Thunderbird | Client::Phone) && random.percent(60),
    };
    out.trace(client, head, random);
    let id = message_id(client, head, random);
    let date = Moment::of(head.time).header();
    match client {
        Client::Script | Client::Mailer | Client::Server => {
            of_machine(client, head, &id, &date, random, &mut out);
        }
        _ => of_desk(client, head, &id, &date, random, &mut out),
    }
    if let Some(reply_to) = &head.reply_to {
        out.field("Reply-To", reply_to);
    }
    if let Some(list) = &head.list {
        let (name, host) = list.split_once('@').unwrap_or((list, ""));
        out.field("List-Id", &format!("<{name}.{host}>"));
        out.field("List-Post", &format!("<mailto:{list}>"));
        out.field("Precedence", "list");
    }
    out.text.push_str(&head.more);
    if !out.text.contains("MIME-Version") {
        out.field("MIME-Version", "1.0");
    }
    out.text
}

/// Fields of the programs that people write with.
fn of_desk(client: Client, head: &Head, id: &str, date: &str, random: &mut Random, out: &mut Out) {
    match client {
        Client::Outlook => {
            out.people(head);
            out.subject(head);
            let code = format!("{:016X}{:08X}", random.next(), head.time);
            out.field("Thread-Topic", &encoded_words(&head.subject, false));
            out.field("Thread-Index", &format!("AQH{}", &code[..22]));
            out.field("Date", date);
            out.field("Message-ID", id);
            out.answer(head, random);
            out.field(
                "Accept-Language",
                random.pick(&["vi-VN, en-US", "en-US", "vi-VN"]),
            );
            out.field("Content-Language", random.pick(&["vi-VN", "en-US"]));
            out.field("X-MS-Has-Attach", "");
            if random.percent(50) {
                out.field(
                    "X-Mailer",
                    random.pick(&["Microsoft Outlook 16.0", "Microsoft Outlook 15.0"]),
                );
            }
        }
        Client::Thunderbird => {
            out.field("Message-ID", id);
            out.field("Date", date);
            out.field("MIME-Version", "1.0");
            let version = random.pick(&["115.6.0", "128.3.1", "102.15.0", "140.1.0"]);
            out.field("User-Agent", &format!("Mozilla Thunderbird/{version}"));
            out.subject(head);
            out.field(
                "Content-Language",
                random.pick(&["vi", "en-US", "vi, en-US"]),
            );
            out.people(head);
            out.answer(head, random);
        }
        Client::Zimbra => {
            out.field("Date", date);
            out.people(head);
            out.field("Message-ID", id);
            out.answer(head, random);
            out.subject(head);
            let address = format!(
                "[10.{}.{}.{}]",
                random.below(255),
                random.below(255),
                random.below(250) + 2
            );
            out.field("X-Originating-IP", &address);
            let version = random.pick(&["8.8.15_GA_4717", "9.0.0_GA_4583", "10.0.9_GA_4650"]);
            out.field(
                "X-Mailer",
                &format!("Zimbra {version} (ZimbraWebClient - GC120 (Win)/{version})"),
            );
            out.field(
                "Thread-Index",
                &format!("{:016X}{:016X}", random.next(), random.next()),
            );
            out.field("Thread-Topic", &encoded_words(&head.subject, false));
        }
        Client::Phone => {
            out.people(head);
            out.field("MIME-Version", "1.0");
            out.subject(head);
            out.field("Date", date);
            out.field("Message-Id", id);
            out.answer(head, random);
            let build = random.pick(&[
                "iPhone Mail (21G93)",
                "iPhone Mail (22B91)",
                "iPad Mail (21F90)",
            ]);
            out.field("X-Mailer", build);
        }
        Client::Webmail => {
            out.field("MIME-Version", "1.0");
            out.field("Date", date);
            out.people(head);
            out.subject(head);
            out.answer(head, random);
            out.field("Message-ID", id);
            out.field(
                "User-Agent",
                random.pick(&["Roundcube Webmail/1.6.7", "Roundcube Webmail/1.5.3"]),
            );
            out.field("X-Sender", &head.from.address);
        }
        Client::Script | Client::Mailer | Client::Server => {}
    }
}

/// Fields of scripts, of programs that send to many, and of servers.
fn of_machine(
    client: Client,
    head: &Head,
    id: &str,
    date: &str,
    random: &mut Random,
    out: &mut Out,
) {
    match client {
        Client::Script => {
            out.people(head);
            out.subject(head);
            out.field("Date", date);
            out.field(
                "X-PHP-Originating-Script",
                random.pick(&["1001:mail.php", "33:class.phpmailer.php", "0:send.php"]),
            );
            out.field("Message-ID", id);
            out.field(
                "X-Mailer",
                random.pick(&["PHPMailer 6.8.0", "PHP/7.4.33", "PHPMailer 5.2.9"]),
            );
            out.field("MIME-Version", "1.0");
        }
        Client::Mailer => {
            out.field("Date", date);
            out.people(head);
            out.field("Message-ID", id);
            out.subject(head);
            out.field("MIME-Version", "1.0");
            let host = head.host.clone();
            out.field(
                "List-Unsubscribe",
                &format!("<https://{host}/u/{:x}>", random.next() >> 30),
            );
            out.field("X-Campaign", &format!("{:x}", random.next() >> 40));
        }
        Client::Server => {
            out.field("Message-ID", id);
            out.field("Date", date);
            out.people(head);
            out.subject(head);
            out.field("Auto-Submitted", "auto-generated");
            out.field("MIME-Version", "1.0");
        }
        _ => {}
    }
}

struct Out {
    text: String,
    q: bool,
}

impl Out {
    fn field(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        self.text.push_str(": ");
        self.text.push_str(value);
        self.text.push_str("\r\n");
    }

    fn subject(&mut self, head: &Head) {
        let subject = encoded_words(&head.subject, self.q);
        self.field("Subject", &subject);
    }

    fn people(&mut self, head: &Head) {
        let from = self.list(std::slice::from_ref(&head.from));
        self.field("From", &from);
        let to = self.list(&head.to);
        self.field("To", &to);
        if !head.cc.is_empty() {
            let cc = self.list(&head.cc);
            self.field("Cc", &cc);
        }
    }

    fn list(&self, people: &[Person]) -> String {
        let one = |person: &Person| {
            if person.name.is_empty() {
                person.address.clone()
            } else if person.name.is_ascii() {
                format!("\"{}\" <{}>", person.name, person.address)
            } else {
                format!(
                    "{} <{}>",
                    encoded_words(&person.name, self.q),
                    person.address
                )
            }
        };
        people.iter().map(one).collect::<Vec<_>>().join(",\r\n ")
    }

    fn answer(&mut self, head: &Head, random: &mut Random) {
        if head.answers {
            let id = format!("<{:x}@{}>", random.next(), head.here);
            self.field("In-Reply-To", &id);
            self.field("References", &id);
        }
    }

    /// The way here: the machine that wrote it, perhaps one between, and ours.
    fn trace(&mut self, client: Client, head: &Head, random: &mut Random) {
        let date = Moment::of(head.time + 3).header();
        self.field("Return-Path", &format!("<{}>", head.from.address));
        let address = |random: &mut Random| format!("203.0.113.{}", random.below(254) + 1);
        let with = random.pick(&["ESMTPS", "ESMTP", "ESMTPSA"]);
        let from = address(random);
        self.field(
            "Received",
            &format!(
                "from {0} ({0} [{from}])\r\n\tby {1} with {with} id {2:X};\r\n\t{date}",
                head.host,
                head.here,
                random.next() >> 20
            ),
        );
        if matches!(
            client,
            Client::Outlook | Client::Zimbra | Client::Phone | Client::Thunderbird
        ) {
            let name = random.pick(&[
                "localhost",
                "[192.168.1.23]",
                "DESKTOP-PC",
                "LAPTOP",
                "[10.0.12.7]",
            ]);
            self.field(
                "Received",
                &format!("from {name} by {} with ESMTPSA;\r\n\t{date}", head.host),
            );
        }
    }
}

fn message_id(client: Client, head: &Head, random: &mut Random) -> String {
    let (one, two) = (random.next(), random.next());
    let host = &head.host;
    match client {
        Client::Outlook => format!("<{:08X}{:08X}${one:08X}@{host}>", head.time, two >> 32),
        Client::Zimbra => format!(
            "<{}.{}.{}.JavaMail.zimbra@{host}>",
            one >> 34,
            two >> 36,
            head.time * 1000
        ),
        Client::Phone => format!(
            "<{:08X}-{:04X}-4{:03X}-{:012X}@{host}>",
            one >> 32,
            one & 0xFFFF,
            two & 0xFFF,
            two >> 16
        ),
        Client::Thunderbird => format!(
            "<{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}@{host}>",
            one >> 32,
            one & 0xFFFF,
            two & 0xFFF,
            one >> 16 & 0xFFF,
            two >> 16
        ),
        Client::Webmail | Client::Script => format!("<{one:016x}{two:016x}@{host}>"),
        Client::Mailer => format!("<{}.{}@{host}>", head.time, one >> 20),
        Client::Server => format!("<{}.{:X}@{host}>", head.time, one >> 28),
    }
}
