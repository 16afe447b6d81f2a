//! Dates on the wire: `date` of SEARCH and `date-time` of APPEND and INTERNALDATE, as days or seconds
//! since 1970-01-01 in the proleptic Gregorian calendar.

use std::fmt::Write as _;

use congvu_message::date::Civil;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Largest distance of a zone from UTC in minutes that is written: `zone` has two digits for hours.
const ZONE_MINUTES: i16 = 99 * 60 + 59;

/// 1 January of year 0 and the end of year 9999: `date-year` has four digits.
const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = 253_402_300_799;

/// ```text
/// date-text = date-day "-" date-month "-" date-year
/// date-day  = 1*2DIGIT
/// date-year = 4DIGIT
/// ```
/// Days since 1970-01-01.
pub(crate) fn parse_date(text: &[u8]) -> Option<i64> {
    let mut parts = text.split(|&b| b == b'-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || !(1..=2).contains(&day.len()) {
        return None;
    }
    let (year, month) = (digits(year)?.into(), month_number(month)?);
    let day = u8::try_from(digits(day)?).ok()?;
    let midnight = Civil {
        year,
        month,
        day,
        hour: 0,
        minute: 0,
        second: 0,
    };
    Some(midnight.seconds(0)?.div_euclid(DAY))
}

/// ```text
/// date-time      = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
/// date-day-fixed = (SP DIGIT) / 2DIGIT
/// time           = 2DIGIT ":" 2DIGIT ":" 2DIGIT
/// zone           = ("+" / "-") 4DIGIT
/// ```
/// Without the quotes; seconds since 1970 and minutes east of UTC.
pub(crate) fn parse_date_time(text: &[u8]) -> Option<(i64, i16)> {
    // A one-digit day without its space comes from some clients' date formatters.
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let mut parts = text.split(|&b| b == b' ');
    let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let days = parse_date(date)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *time else {
        return None;
    };
    let (hour, minute, second) = (
        two_digits([h1, h2])?,
        two_digits([m1, m2])?,
        two_digits([s1, s2])?,
    );
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let [sign @ (b'+' | b'-'), z1, z2, z3, z4] = *zone else {
        return None;
    };
    let (zone_hour, zone_minute) = (digits(&[z1, z2])?, digits(&[z3, z4])?);
    if zone_minute > 59 {
        return None;
    }
    let east = zone_hour * 60 + zone_minute;
    let east = if sign == b'-' { -east } else { east };
    let of_day = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second.min(59));
    Some((days * DAY + of_day - i64::from(east) * 60, east))
}

/// INTERNALDATE: `"17-Jul-1996 02:44:25 -0700"`. Years outside 0–9999 are brought to the border.
pub(crate) fn write_date_time(out: &mut String, seconds: i64, east: i16) {
    let east = east.clamp(-ZONE_MINUTES, ZONE_MINUTES);
    let zone = i64::from(east) * 60;
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::at(seconds.clamp(FIRST_SECOND - zone, LAST_SECOND - zone), east);
    let month = MONTHS[usize::from(month.clamp(1, 12) - 1)];
    let zone = congvu_message::date::format_zone(east);
    write!(
        out,
        "\"{day:2}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} {zone}\""
    )
    .expect("writing to a String cannot fail");
}

/// At most four digits.
fn digits(text: &[u8]) -> Option<i16> {
    text.iter().try_fold(0, |n, d| {
        d.is_ascii_digit().then(|| n * 10 + i16::from(d - b'0'))
    })
}

fn two_digits(text: [u8; 2]) -> Option<u8> {
    digits(&text).and_then(|n| u8::try_from(n).ok())
}

fn month_number(text: &[u8]) -> Option<u8> {
    (1..)
        .zip(MONTHS)
        .find_map(|(n, name)| name.as_bytes().eq_ignore_ascii_case(text).then_some(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        fn check(text: &str, expected: Option<i64>) {
            assert_eq!(parse_date(text.as_bytes()), expected, "{text}");
        }
        check("1-Jan-1970", Some(0));
        check("01-jan-1970", Some(0));
        check("31-Dec-1969", Some(-1));
        check("1-Feb-1994", Some(8_797));
        check("29-Feb-2024", Some(19_782));
        for broken in [
            "29-Feb-2023",
            "0-Jan-1970",
            "32-Jan-1970",
            "1-Jab-1970",
            "1-Jan-70",
            "1-Jan-1970-",
            "",
            "-Jan-1970",
            "001-Jan-1970",
            "x-Jan-1970",
        ] {
            check(broken, None);
        }
    }

    #[test]
    fn date_times() {
        fn check(text: &str, expected: Option<(i64, i16)>) {
            assert_eq!(parse_date_time(text.as_bytes()), expected, "{text}");
        }
        check("17-Jul-1996 02:44:25 -0700", Some((837_596_665, -420)));
        check(" 1-Jan-1970 00:00:00 +0000", Some((0, 0)));
        check("1-Jan-1970 07:00:00 +0700", Some((0, 420)));
        for broken in [
            "17-Jul-1996 24:00:00 +0000",
            "17-Jul-1996 2:44:25 -0700",
            "17-Jul-1996 02:44:25",
            "17-Jul-1996 02:44:25 0700",
            "17-Jul-1996 02:44:25 +07:00",
            "17-Jul-1996 02:44:25 +0760",
        ] {
            check(broken, None);
        }
    }

    #[test]
    fn date_times_are_written() {
        fn check(seconds: i64, east: i16, expected: &str) {
            let mut out = String::new();
            write_date_time(&mut out, seconds, east);
            assert_eq!(out, expected);
        }
        check(837_596_665, -420, "\"17-Jul-1996 02:44:25 -0700\"");
        check(0, 420, "\" 1-Jan-1970 07:00:00 +0700\"");
        check(-1, 0, "\"31-Dec-1969 23:59:59 +0000\"");
        check(i64::MAX, 0, "\"31-Dec-9999 23:59:59 +0000\"");
        check(i64::MIN, i16::MIN, "\" 1-Jan-0000 00:00:00 -9959\"");
    }

    #[test]
    fn random_times_come_back() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let time = (
                random.i64(-60_000_000_000..250_000_000_000),
                random.i16(-720..840),
            );
            let mut out = String::new();
            write_date_time(&mut out, time.0, time.1);
            assert_eq!(
                parse_date_time(out.trim_matches('"').as_bytes()),
                Some(time),
                "{out}"
            );
        }
    }
}
