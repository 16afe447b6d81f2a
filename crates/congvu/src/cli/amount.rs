//! Sizes and times as administrators write and read them.

use congvu_store::Timestamp;

const UNITS: [(char, u64); 4] = [
    ('K', 1 << 10),
    ('M', 1 << 20),
    ('G', 1 << 30),
    ('T', 1 << 40),
];
const DAY: i64 = 86_400;

/// Octets: `500M`, `2G`, `1.5 GiB` is not understood; `none` and `0` are no limit. Units are powers of 1,024.
pub(super) fn octets(text: &str) -> Result<u64, String> {
    let wrong = || "give a size such as 500M or 2G, or \"none\"".to_owned();
    if text.eq_ignore_ascii_case("none") {
        return Ok(0);
    }
    let upper = text.to_ascii_uppercase();
    let short = upper
        .strip_suffix("IB")
        .or_else(|| upper.strip_suffix('B'))
        .unwrap_or(&upper);
    let unit = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((short.strip_suffix(*unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((short, 1));
    number
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(wrong)
}

/// Octets for people: `1.5G`.
pub(super) fn size(octets: u64) -> String {
    match UNITS.iter().rev().find(|(_, factor)| octets >= *factor) {
        None => octets.to_string(),
        Some((unit, factor)) => {
            let tenths = u128::from(octets) * 10 / u128::from(*factor);
            if tenths % 10 == 0 || tenths >= 1000 {
                format!("{}{unit}", tenths / 10)
            } else {
                format!("{}.{}{unit}", tenths / 10, tenths % 10)
            }
        }
    }
}

/// Which end of a day that is given without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Begin,
    End,
}

/// An instant: `2026-11-22`, `2026-11-22 08:30`, `2026-11-22T08:30:15`, in a zone of minutes east of UTC.
pub(super) fn instant(text: &str, zone: i16, edge: Edge) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is not a time; give 2026-11-22 or \"2026-11-22 08:30\"");
    let (date, time) = match text.trim().split_once([' ', 'T']) {
        Some((date, time)) => (date, Some(time)),
        None => (text.trim(), None),
    };
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day))) =
        (parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    if !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=month_days(year, month)).contains(&day)
    {
        return Err(wrong());
    }
    let (seconds, length) = match time {
        None => (0, DAY),
        Some(time) => clock(time).ok_or_else(wrong)?,
    };
    let begin = days(year, month, day) * DAY + seconds - i64::from(zone) * 60;
    Ok(Timestamp(match edge {
        Edge::Begin => begin * 1000,
        Edge::End => (begin + length) * 1000 - 1,
    }))
}

/// Seconds of the day, and how many seconds are meant: a minute or one.
fn clock(time: &str) -> Option<(i64, i64)> {
    let parts: Vec<i64> = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let in_range = |h: i64, m: i64, s: i64| {
        (0..24).contains(&h) && (0..60).contains(&m) && (0..60).contains(&s)
    };
    match *parts.as_slice() {
        [h, m] if in_range(h, m, 0) => Some((h * 3600 + m * 60, 60)),
        [h, m, s] if in_range(h, m, s) => Some((h * 3600 + m * 60 + s, 1)),
        _ => None,
    }
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let years = (1970..year)
        .map(|y| if leap(y) { 366 } else { 365 })
        .sum::<i64>();
    years + (1..month).map(|m| month_days(year, m)).sum::<i64>() + day - 1
}

/// `2026-11-22 13:30:05`, in a zone of minutes east of UTC.
pub(super) fn time(at: Timestamp, zone: i16) -> String {
    let local = at.seconds() + i64::from(zone) * 60;
    let (mut rest, seconds) = (local.div_euclid(DAY).max(0), local.rem_euclid(DAY));
    let mut year = 1970;
    while rest >= if leap(year) { 366 } else { 365 } {
        rest -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while rest >= month_days(year, month) {
        rest -= month_days(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!(
        "{year:04}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02}",
        rest + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_both_ways() {
        for (text, expected) in [
            ("0", Some(0)),
            ("none", Some(0)),
            ("1000", Some(1000)),
            ("2k", Some(2048)),
            ("500M", Some(500 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1 TB", Some(1 << 40)),
            ("", None),
            ("G", None),
            ("1.5G", None),
            ("-1", None),
            ("99999999T", None),
        ] {
            assert_eq!(octets(text).ok(), expected, "{text}");
        }
        for (octets, expected) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1K"),
            (1536, "1.5K"),
            (200 << 20, "200M"),
            (u64::MAX, "16777215T"),
        ] {
            assert_eq!(size(octets), expected, "{octets}");
        }
    }

    #[test]
    fn times_both_ways() {
        let zone = 7 * 60;
        for (text, edge, expected) in [
            ("1970-01-01 07:00", Edge::Begin, Some(0)),
            ("2026-11-22", Edge::Begin, Some(1_795_280_400_000)),
            ("2026-11-22", Edge::End, Some(1_795_366_799_999)),
            ("2024-02-29T23:59:59", Edge::End, Some(1_709_225_999_999)),
            ("2023-02-29", Edge::Begin, None),
            ("22/11/2026", Edge::Begin, None),
            ("2026-11-22 24:00", Edge::Begin, None),
            ("", Edge::Begin, None),
        ] {
            assert_eq!(
                instant(text, zone, edge).ok().map(|t| t.0),
                expected,
                "{text}"
            );
        }
        for text in [
            "1970-01-01 00:00:00",
            "2000-02-29 12:34:56",
            "2026-11-22 13:30:05",
            "2099-12-31 23:59:59",
        ] {
            assert_eq!(time(instant(text, zone, Edge::Begin).unwrap(), zone), text);
        }
    }
}
