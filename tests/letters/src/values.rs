//! What no grammar knows: names, dates, numbers, links of one letter.

use crate::date::{DAY, Moment};
use crate::grammar::Values;
use crate::person::{self, Person};
use crate::random::Random;
use crate::writing::bare;
use crate::{LINK, LINK_END};

/// Who writes to whom and when.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) time: u64,
    pub(crate) writer: Person,
    pub(crate) reader: Person,
    /// The house's domain.
    pub(crate) domain: &'static str,
    /// The host that it links to: advertised, or the writer's.
    pub(crate) host: String,
}

/// The values that [`Context`] knows besides numbers (`n1` to `n6`).
#[cfg(test)]
pub(crate) const NAMES: [&str; 23] = [
    "date",
    "soon",
    "time",
    "weekday",
    "year",
    "money",
    "usd",
    "phone",
    "you",
    "self",
    "name",
    "asciiname",
    "somebody",
    "ownlink",
    "vendorlink",
    "ownhost",
    "code",
    "wallet",
    "link",
    "posed",
    "toaddress",
    "n1",
    "n6",
];

impl Values for Context {
    fn value(&mut self, name: &str, random: &mut Random) -> String {
        let day = |moment: Moment| format!("{:02}/{:02}/{}", moment.day, moment.month, moment.year);
        match name {
            "date" => day(Moment::of(self.time - DAY * random.below(40) as u64)),
            "soon" => day(Moment::of(self.time + DAY * (1 + random.below(25) as u64))),
            "time" => {
                let (hour, minute) = (7 + random.below(11), random.below(4) * 15);
                let sign = random.pick(&[" giờ ", "h", ":"]);
                format!("{hour}{sign}{minute:02}")
            }
            "weekday" => Moment::of(self.time + DAY * random.below(7) as u64)
                .weekday_name()
                .to_owned(),
            "year" => (Moment::of(self.time).year - random.below(3) as u64).to_string(),
            "money" => match random.below(4) {
                0 => format!("{} triệu đồng", 5 + random.below(900)),
                1 => format!("{},{} tỷ đồng", 1 + random.below(40), random.below(10)),
                2 => format!(
                    "{}.{:03}.000 đồng",
                    1 + random.below(90),
                    random.below(1000)
                ),
                _ => format!("{}.000.000đ", 2 + random.below(800)),
            },
            "usd" => format!("USD {},{:03}", 1 + random.below(900), random.below(1000)),
            "phone" => {
                let prefix = random.pick(&["0900.0", "0200.3", "0900 1", "024.000"]);
                format!("{prefix}{:02}.{:03}", random.below(100), random.below(1000))
            }
            "you" => {
                let who = random.pick(&["anh", "chị", "em", "bác", "cô"]);
                format!("{who} {}", person::given(&self.reader.name))
            }
            "self" => self.writer.name.clone(),
            "name" => person::name(random),
            "asciiname" => bare(&person::name(random)),
            "somebody" => person::somebody(self.domain, random).address,
            "ownhost" => format!("mail.{}", self.domain),
            "ownlink" => {
                let url = format!("https://vanban.{}/{:x}", self.domain, random.next() >> 40);
                format!("{LINK}{url}|{url}{LINK_END}")
            }
            "vendorlink" => {
                let url = self.url(random);
                format!("{LINK}{url}|{url}{LINK_END}")
            }
            "code" => code(6 + random.below(4), random),
            "wallet" => format!("bc1q{}", code(34, random).to_lowercase()),
            "link" => {
                let url = self.url(random);
                let label = random.pick(&[
                    "",
                    "",
                    "Đăng ký ngay",
                    "Xem chi tiết",
                    "bấm vào đây",
                    "Click here",
                ]);
                let label = if label.is_empty() { &url } else { label };
                format!("{LINK}{label}|{url}{LINK_END}")
            }
            "posed" => {
                let url = self.url(random);
                let label = match random.below(4) {
                    0 => format!("https://dichvucong.tinhgia{}.gov.vn", random.below(90)),
                    1 => format!("https://mail.{}", self.domain),
                    2 => "Xác minh tài khoản".to_owned(),
                    _ => url.clone(),
                };
                format!("{LINK}{label}|{url}{LINK_END}")
            }
            "toaddress" => self.reader.address.clone(),
            _ => number(name, random),
        }
    }
}

impl Context {
    fn url(&self, random: &mut Random) -> String {
        let path = random.pick(&["", "dk", "go", "login", "promo", "v", "index.php"]);
        let scheme = random.pick(&["https", "https", "http"]);
        format!(
            "{scheme}://{}/{path}?r={:x}",
            self.host,
            random.next() >> 44
        )
    }
}

/// `n3`: a number of three digits.
fn number(name: &str, random: &mut Random) -> String {
    let digits = name
        .strip_prefix('n')
        .and_then(|digits| digits.parse().ok());
    debug_assert!(digits.is_some(), "value {name}");
    let most = 10_usize.pow(digits.unwrap_or(1));
    (most / 10 + random.below(most - most / 10)).to_string()
}

fn code(length: usize, random: &mut Random) -> String {
    const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..length)
        .map(|_| char::from(LETTERS[random.below(36)]))
        .collect()
}
