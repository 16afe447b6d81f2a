//! Dates, as headers and as letters write them. Times are seconds since 1970, in Vietnam's time (UTC+7).

/// Seconds of a day.
pub(crate) const DAY: u64 = 86_400;

/// A time taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    second: u64,
    /// 0 is Monday.
    pub(crate) weekday: u64,
}

impl Moment {
    /// Local time of a Unix time.
    pub(crate) fn of(unix: u64) -> Self {
        let local = unix + 7 * 3600;
        let days = local / DAY;
        // Years from March, so that the leap day is the last one (the civil calendar counted in eras of 400 years).
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let of_era = shifted % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: local / 3600 % 24,
            minute: local / 60 % 60,
            second: local % 60,
            weekday: (days + 3) % 7,
        }
    }

    /// As in Date (RFC 5322 section 3.3).
    pub(crate) fn header(self) -> String {
        const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let index = |at: u64| usize::try_from(at).unwrap_or(0);
        format!(
            "{}, {} {} {} {:02}:{:02}:{:02} +0700",
            DAYS[index(self.weekday)],
            self.day,
            MONTHS[index(self.month - 1)],
            self.year,
            self.hour,
            self.minute,
            self.second
        )
    }

    /// `thứ hai` to `chủ nhật`.
    pub(crate) fn weekday_name(self) -> &'static str {
        const DAYS: [&str; 7] = [
            "thứ hai",
            "thứ ba",
            "thứ tư",
            "thứ năm",
            "thứ sáu",
            "thứ bảy",
            "chủ nhật",
        ];
        DAYS[usize::try_from(self.weekday).unwrap_or(0)]
    }

    /// `20261122T081500`, as calendars write it.
    pub(crate) fn compact(self) -> String {
        format!(
            "{:04}{:02}{:02}T{:02}{:02}00",
            self.year, self.month, self.day, self.hour, self.minute
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn dates() {
        let check = |unix, expected: &str| assert_eq!(Moment::of(unix).header(), expected);
        check(0, "Thu, 1 Jan 1970 07:00:00 +0700");
        check(1_709_161_199, "Thu, 29 Feb 2024 05:59:59 +0700");
        check(1_795_309_200, "Sun, 22 Nov 2026 08:00:00 +0700");
    }
}
