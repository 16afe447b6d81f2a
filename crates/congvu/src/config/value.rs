//! Values of settings: sizes, durations, addresses, names. Each says what it expects.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use congvu_net::Network;
use toml::de::DeValue;

use super::reader::Wrong;

/// A number that is not in its range says so; anything else says what it is.
fn outside(what: &str, value: &DeValue<'_>, remedy: &str) -> Wrong {
    match value.as_integer() {
        Some(number) => Wrong::new(format!("{} is out of range", number.as_str()), remedy),
        None => expected(what, value, remedy),
    }
}

fn expected(what: &str, value: &DeValue<'_>, remedy: &str) -> Wrong {
    Wrong::new(
        format!("expected {what}, found {}", value.type_str()),
        remedy,
    )
}

/// A text that is not empty.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, Wrong> {
    match value.as_str() {
        Some("") => Err(Wrong::new(
            "is empty",
            "write a value between the quotes, or remove the line",
        )),
        Some(text) => Ok(text.to_owned()),
        None => Err(expected("a text", value, "put it in \"quotes\"")),
    }
}

/// Yes or no.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Wrong> {
    match value {
        DeValue::Boolean(value) => Ok(*value),
        other => Err(expected(
            "true or false",
            other,
            "write true or false, without quotes",
        )),
    }
}

/// An absolute path, so that it means the same wherever the server is started.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(text(value)?);
    if path.is_absolute() {
        Ok(path)
    } else {
        let what = format!("\"{}\" is not an absolute path", path.display());
        Err(Wrong::new(what, "begin it with /"))
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

/// A whole number from 0.
pub(super) fn count(value: &DeValue<'_>) -> Result<u32, Wrong> {
    let remedy = "write a whole number from 0 to 4294967295";
    integer(value)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| outside("a number", value, remedy))
}

/// A number of days that the store can count back.
pub(super) fn days(value: &DeValue<'_>) -> Result<u32, Wrong> {
    const REMEDY: &str = "write a whole number of days from 0 (for ever) to 3650";
    integer(value)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|days| *days <= congvu_store::calendar::LONGEST)
        .ok_or_else(|| outside("a number of days", value, REMEDY))
}

/// A whole number from 1 that bounds a number of things in memory.
pub(super) fn bound(value: &DeValue<'_>) -> Result<usize, Wrong> {
    positive(value).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// As [`bound`], for 32-bit settings.
pub(super) fn positive(value: &DeValue<'_>) -> Result<u32, Wrong> {
    match count(value)? {
        0 => Err(Wrong::new(
            "must not be 0",
            "nothing could get in; write at least 1",
        )),
        number => Ok(number),
    }
}

/// A number from 0 with at most two decimals, in hundredths, at most `most`.
pub(super) fn hundredths(value: &DeValue<'_>, most: u32) -> Result<u32, Wrong> {
    let text = match value {
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        _ => String::new(),
    };
    let (whole, rest) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let number = (!whole.is_empty() && rest.len() <= 2 && digits(whole) && digits(rest))
        .then(|| format!("{whole}{rest:0<2}").parse::<u32>().ok())
        .flatten();
    number.filter(|number| *number <= most).ok_or_else(|| {
        let remedy = format!(
            "write a number from 0 to {}.{:02}, with two decimals at most",
            most / 100,
            most % 100
        );
        if text.is_empty() {
            expected("a number", value, &remedy)
        } else {
            Wrong::new(format!("{text} is out of range"), remedy)
        }
    })
}

/// An hour of the day.
pub(super) fn hour(value: &DeValue<'_>) -> Result<u8, Wrong> {
    integer(value)
        .and_then(|number| u8::try_from(number).ok())
        .filter(|hour| *hour < 24)
        .ok_or_else(|| outside("an hour", value, "write a whole number from 0 to 23"))
}

/// `https://host` or `https://host:port/path`, as it stands in links; without a slash at its end.
pub(super) fn web_url(value: &DeValue<'_>) -> Result<String, Wrong> {
    const REMEDY: &str = "write for example \"https://mail.example.gov.vn\" (https, a host, at most a port and a path)";
    let text = text(value)?;
    let Some(rest) = text.strip_prefix("https://") else {
        let what = format!("\"{text}\" does not begin with https://");
        return Err(Wrong::new(what, REMEDY));
    };
    let safe = |c: char| c.is_ascii_alphanumeric() || "-._:[]/~".contains(c);
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || rest.starts_with([':', '/']) || !rest.chars().all(safe) {
        let what = format!("\"{text}\" is no address of a page");
        return Err(Wrong::new(what, REMEDY));
    }
    Ok(format!("https://{rest}"))
}

/// A TCP port.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, Wrong> {
    integer(value)
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port > 0)
        .ok_or_else(|| outside("a port", value, "write a number from 1 to 65535"))
}

/// `"70 MiB"`, or a number of octets.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    const REMEDY: &str = "write for example \"70 MiB\" (KiB, MiB and GiB are known)";
    if let Some(octets) = integer(value) {
        return Ok(octets);
    }
    let Some(text) = value.as_str() else {
        return Err(expected("a size", value, REMEDY));
    };
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.trim() {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    let octets = number.parse::<u64>().ok().zip(shift);
    octets
        .and_then(|(number, shift)| number.checked_mul(1 << shift))
        .ok_or_else(|| Wrong::new(format!("\"{text}\" is not a size"), REMEDY))
}

/// As [`size`], with a least value.
pub(super) fn size_from(value: &DeValue<'_>, least: u64) -> Result<u64, Wrong> {
    match size(value)? {
        octets if octets < least => Err(Wrong::new(
            format!("{octets} octets are too few"),
            format!("write at least {} KiB", least / 1024),
        )),
        octets => Ok(octets),
    }
}

/// `"90s"`, `"5m"`, `"4h"`, `"5d"`.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    const REMEDY: &str = "write for example \"5m\" (s, m, h and d are known)";
    let Some(text) = value.as_str() else {
        return Err(expected("a duration", value, REMEDY));
    };
    let wrong = || Wrong::new(format!("\"{text}\" is not a duration"), REMEDY);
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).ok_or_else(wrong)?.trim();
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// `"+07:00"`, minutes east of UTC.
pub(super) fn zone(value: &DeValue<'_>) -> Result<i16, Wrong> {
    const REMEDY: &str = "write the difference to UTC, for example \"+07:00\"";
    let Some(text) = value.as_str() else {
        return Err(expected("a time zone", value, REMEDY));
    };
    let parse = || {
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        if hours.len() != 2 || minutes.len() != 2 {
            return None;
        }
        let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours <= 14 && minutes < 60).then(|| sign * (i16::from(hours) * 60 + i16::from(minutes)))
    };
    parse().ok_or_else(|| Wrong::new(format!("\"{text}\" is not a time zone"), REMEDY))
}

/// `"0.0.0.0:25"`, `"[::]:25"`.
pub(super) fn address(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    const REMEDY: &str = "write for example \"0.0.0.0:25\" (IPv4) or \"[::]:25\" (IPv6)";
    let Some(text) = value.as_str() else {
        return Err(expected("an address", value, REMEDY));
    };
    text.parse().map_err(|_| {
        Wrong::new(
            format!("\"{text}\" is not an IP address with a port"),
            REMEDY,
        )
    })
}

/// A name server: as [`address`], the port 53 when it has none.
pub(super) fn name_server(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let plain = value.as_str().and_then(|text| text.parse().ok());
    match plain {
        Some(ip) => Ok(SocketAddr::new(ip, 53)),
        None => address(value)
            .map_err(|wrong| Wrong::new(wrong.what, "write for example \"192.0.2.53\"")),
    }
}

/// An IP address of one family, by its type.
pub(super) fn ip<T: std::str::FromStr>(value: &DeValue<'_>) -> Result<T, Wrong> {
    let text = text(value)?;
    let remedy = "write one address of this machine, of that family";
    text.parse()
        .map_err(|_| Wrong::new(format!("\"{text}\" is not such an IP address"), remedy))
}

/// `"192.0.2.0/24"`.
pub(super) fn network(value: &DeValue<'_>) -> Result<Network, Wrong> {
    let text = text(value)?;
    let remedy = "write for example \"192.0.2.0/24\" or \"2001:db8::/32\"";
    text.parse()
        .map_err(|error| Wrong::new(format!("\"{text}\": {error}"), remedy))
}

/// A host name in A-labels, lower case.
pub(super) fn hostname(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    let name = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(name);
    }
    let remedy =
        "write letters, digits, hyphens and dots; names in other scripts in their xn-- form";
    Err(Wrong::new(format!("\"{text}\" is not a host name"), remedy))
}

/// A mail address.
pub(super) fn mail_address(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    match congvu_message::Address::parse(&text) {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(Wrong::new(
            format!("\"{text}\" is not a mail address"),
            "write name@domain",
        )),
    }
}

/// The domains of a route.
pub(super) fn domains(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    if text == "*" {
        return Ok(text);
    }
    let (dot, rest) = text
        .strip_prefix('.')
        .map_or(("", text.as_str()), |rest| (".", rest));
    let name = hostname(&DeValue::String(rest.into())).map_err(|wrong| {
        let remedy = "write a domain, \".domain\" for all below it, or \"*\" for all others";
        Wrong::new(wrong.what.replace("host name", "domain"), remedy)
    })?;
    Ok(format!("{dot}{name}"))
}

/// One of a few words.
pub(super) fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, Wrong> {
    let text = text(value)?;
    let found = words
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let known: Vec<_> = words
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        Wrong::new(
            format!("\"{text}\" is not known"),
            format!("write one of {}", known.join(", ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> DeValue<'_> {
        DeValue::String(text.into())
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(size(&string(text)).ok(), expected, "{text}");
        };
        check("70 MiB", Some(70 << 20));
        check("1GiB", Some(1 << 30));
        check("5", Some(5));
        check("5 MB", None);
        check("MiB", None);
        check("99999999999999999999 KiB", None);
        check("18446744073709551615 KiB", None);
    }

    #[test]
    fn numbers_in_hundredths() {
        let check = |text: &str, expected: Option<u32>| {
            let file = format!("x = {text}");
            let table = toml::de::DeTable::parse(&file).unwrap();
            let value = table.get_ref().get("x").unwrap().get_ref();
            assert_eq!(hundredths(value, 150).ok(), expected, "{text}");
        };
        check("0", Some(0));
        check("1", Some(100));
        check("1.2", Some(120));
        check("0.05", Some(5));
        check("1.5", Some(150));
        check("1.51", None);
        check("0.123", None);
        check("-0.5", None);
        check("1e0", None);
        check("inf", None);
        check("\"1\"", None);
    }

    #[test]
    fn durations() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                duration(&string(text)).ok(),
                expected.map(Duration::from_secs),
                "{text}"
            );
        };
        check("90s", Some(90));
        check("5m", Some(300));
        check("5 d", Some(432_000));
        check("5", None);
        check("", None);
        check("-5m", None);
        check("5ộ", None);
    }

    #[test]
    fn zones() {
        let check = |text: &str, expected: Option<i16>| {
            assert_eq!(zone(&string(text)).ok(), expected, "{text}");
        };
        check("+07:00", Some(420));
        check("-03:30", Some(-210));
        check("+15:00", None);
        check("7", None);
        check("ờ07:00", None);
    }

    #[test]
    fn names() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(hostname(&string(text)).ok().as_deref(), expected, "{text}");
        };
        check("Mail.Example.test.", Some("mail.example.test"));
        check("xn--x-binhminh.test", Some("xn--x-binhminh.test"));
        check("bình.test", None);
        check("a..test", None);
        check("-a.test", None);
        assert_eq!(
            domains(&string(".Example.test")).ok().as_deref(),
            Some(".example.test")
        );
        assert!(domains(&string("*.example.test")).is_err());
    }
}
