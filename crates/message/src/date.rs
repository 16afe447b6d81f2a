//! Dates of RFC 5322 section 3.3: written strictly, read with the obsolete forms of section 4.3.
//!
//! A time is seconds since 1970-01-01T00:00:00Z and a zone in minutes east of UTC. Which zone a new
//! message gets is the caller's choice.

/// Seconds of a day.
const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A point of the calendar in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year, Gregorian.
    pub year: i64,
    /// 1–12.
    pub month: u8,
    /// 1–31.
    pub day: u8,
    /// 0–23.
    pub hour: u8,
    /// 0–59.
    pub minute: u8,
    /// 0–59.
    pub second: u8,
}

impl Civil {
    /// The calendar of `seconds` since 1970 in the zone `zone` minutes east of UTC.
    pub fn at(seconds: i64, zone: i16) -> Self {
        let local = seconds.saturating_add(i64::from(zone) * 60);
        let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        // Days to civil date on years that begin in March, so that the leap day is the last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month: small(month),
            day: small(day),
            hour: small(rest / 3600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
        }
    }

    /// Seconds since 1970 of this point in the zone `zone`; `None` if there is no such day.
    pub fn seconds(&self, zone: i16) -> Option<i64> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let length = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        let in_range = (0..=9999).contains(&self.year)
            && (1..=length).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60;
        if !in_range {
            return None;
        }
        let year = self.year - i64::from(self.month <= 2);
        let month = i64::from(self.month);
        let shifted_month = if month > 2 { month - 3 } else { month + 9 };
        let of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let of_era = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4
            - year.rem_euclid(400) / 100
            + of_year;
        let days = year.div_euclid(400) * 146_097 + of_era - 719_468;
        let clock = i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second.min(59));
        Some(days * DAY + clock - i64::from(zone) * 60)
    }
}

/// `Sun, 22 Nov 2026 12:00:00 +0700`.
pub fn format(seconds: i64, zone: i16) -> String {
    let civil = Civil::at(seconds, zone);
    let days = seconds.saturating_add(i64::from(zone) * 60).div_euclid(DAY);
    let weekday = DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::from(civil.month.clamp(1, 12) - 1)];
    let Civil {
        year,
        day,
        hour,
        minute,
        second,
        ..
    } = civil;
    format!(
        "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} {}",
        format_zone(zone)
    )
}

/// `+0700`.
pub fn format_zone(zone: i16) -> String {
    let minutes = zone.unsigned_abs();
    format!(
        "{}{:02}{:02}",
        if zone < 0 { '-' } else { '+' },
        minutes / 60,
        minutes % 60
    )
}

/// Reads a date.
///
/// ```text
/// date-time = [ day-of-week "," ] day month year hour ":" minute [ ":" second ] [CFWS] zone
/// ```
///
/// Also read: comments anywhere, two- and three-digit years, zone names, a missing zone (UTC), the
/// order of `asctime` (`Nov 22 12:00:00 2026`), which broken programs send.
pub fn parse(text: &str) -> Option<(i64, i16)> {
    // No date is longer, comments included; a longer text is not worth reading.
    let text = without_comments(
        text.get(..text.floor_char_boundary(200))
            .unwrap_or_default(),
    );
    let mut day = None;
    let mut month = None;
    let mut year = None;
    let mut clock = None;
    let mut zone = None;
    for token in text
        .split([' ', '\t', ','])
        .filter(|token| !token.is_empty())
    {
        let number = token
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| token.parse::<i64>().ok())
            .flatten();
        if let Some(found) = month_named(token) {
            month = month.or(Some(found));
        } else if token.contains(':') {
            clock = clock.or(Some(parse_clock(token)?));
        } else if let Some(number) = number {
            if day.is_none() && token.len() <= 2 {
                day = Some(u8::try_from(number).ok()?);
            } else if year.is_none() {
                year = Some(full_year(number, token.len()));
            }
        } else if clock.is_some() && zone.is_none() {
            zone = parse_zone(token);
        } else if let [d, m, y] = token.split('-').collect::<Vec<_>>()[..]
            && day.is_none()
        {
            // 22-Nov-2026, the form of RFC 850.
            day = Some(d.parse().ok()?);
            month = Some(month_named(m)?);
            year = Some(full_year(y.parse().ok()?, y.len()));
        }
    }
    let (hour, minute, second) = clock?;
    let zone = zone.unwrap_or(0);
    let civil = Civil {
        year: year?,
        month: month?,
        day: day?,
        hour,
        minute,
        second,
    };
    Some((civil.seconds(zone)?, zone))
}

fn small(number: i64) -> u8 {
    u8::try_from(number).unwrap_or(0)
}

fn without_comments(text: &str) -> String {
    let mut depth = 0_usize;
    text.chars()
        .filter_map(|c| match c {
            '(' => {
                depth += 1;
                Some(' ')
            }
            ')' => {
                depth = depth.saturating_sub(1);
                Some(' ')
            }
            '\r' | '\n' => Some(' '),
            _ if depth > 0 => None,
            _ => Some(c),
        })
        .collect()
}

fn month_named(token: &str) -> Option<u8> {
    let short = token.get(..3)?;
    if !token.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(short))
        .and_then(|at| u8::try_from(at + 1).ok())
}

fn parse_clock(token: &str) -> Option<(u8, u8, u8)> {
    let mut parts = token.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let second = match parts.next() {
        Some(text) => text.split('.').next()?.parse().ok()?,
        None => 0,
    };
    parts.next().is_none().then_some((hour, minute, second))
}

/// RFC 5322 section 4.3: two digits below 50 are 20xx, others of two or three digits count from 1900.
fn full_year(number: i64, digits: usize) -> i64 {
    match digits {
        0..=2 if number < 50 => 2000 + number,
        0..=3 => 1900 + number,
        _ => number,
    }
}

/// `zone = ( "+" / "-" ) 4DIGIT / obs-zone`; unknown names mean `-0000`.
fn parse_zone(token: &str) -> Option<i16> {
    if let Some(digits) = token.strip_prefix(['+', '-']) {
        if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: i16 = digits.parse().ok()?;
        let minutes = number / 100 * 60 + number % 100;
        if number % 100 > 59 {
            return None;
        }
        return Some(if token.starts_with('-') {
            -minutes
        } else {
            minutes
        });
    }
    let hours = match token.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "ICT" => 7,
        _ => 0,
    };
    Some(hours * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes() {
        assert_eq!(format(0, 0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(
            format(1_795_323_600, 420),
            "Sun, 22 Nov 2026 12:00:00 +0700"
        );
        assert_eq!(format(951_782_400, -210), "Mon, 28 Feb 2000 20:30:00 -0330");
        assert_eq!(
            format(i64::from(i32::MAX), 0),
            "Tue, 19 Jan 2038 03:14:07 +0000"
        );
        // Nothing panics at the ends.
        for seconds in [i64::MIN, -1, i64::MAX] {
            for zone in [i16::MIN, 0, i16::MAX] {
                format(seconds, zone);
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Option<(i64, i16)>) {
        assert_eq!(parse(text), expected, "{text:?}");
    }

    #[test]
    fn reads() {
        check(
            "Sun, 22 Nov 2026 12:00:00 +0700",
            Some((1_795_323_600, 420)),
        );
        check("22 Nov 2026 12:00 +0700", Some((1_795_323_600, 420)));
        check("Sun,22 Nov 26 05:00:00 GMT", Some((1_795_323_600, 0)));
        check(
            "Sun, 22 Nov 2026 12:00:00 +0700 (Giờ Đông Dương)",
            Some((1_795_323_600, 420)),
        );
        check("Sun, 22 (ngày) Nov 2026 05:00:00", Some((1_795_323_600, 0)));
        check("Sun Nov 22 05:00:00 2026", Some((1_795_323_600, 0)));
        check("Sunday, 22-Nov-2026 05:00:00 UT", Some((1_795_323_600, 0)));
        check("22 Nov 126 00:00:00 EST", Some((1_795_323_600, -300)));
        check("Thu, 29 Feb 2024 00:00:00 +0000", Some((1_709_164_800, 0)));
        for text in [
            "",
            "x",
            "Nov",
            "31 Nov 2026 12:00:00 +0000",
            "29 Feb 2023 00:00 +0000",
            "1 Jan 2026 24:00:00 +0000",
        ] {
            check(text, None);
        }
        check("1 Jan 2026 1:2:3:4 +0000", None);
        check("99999999999999999999 Jan 2026 1:2:3 +0000", None);
        check(&"ă".repeat(300), None);
    }

    #[test]
    fn round_trip() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..5000 {
            let seconds = random.i64(-30_000_000_000..250_000_000_000);
            let zone = random.i16(-720..=840);
            check(&format(seconds, zone), Some((seconds, zone)));
        }
    }
}
