//! The `Date` header: a unix time as IMF-fixdate, formatted once a second.
//!
//! ```text
//!   HttpDate::at(784_111_777) ──► "Sun, 06 Nov 1994 08:49:37 GMT"
//! ```
//! Shape:  always 29 bytes.
//! Units:  seconds since 1970, UTC; years 1970 to 9999.
//! Errors: none; a later year is shown as 9999.
//! Not here: the clock; the caller tells the time.
//! Source: RFC 9110 §5.6.7 (form), §6.6.1 (who sends it).

use std::fmt::Write as _;

/// Text of the last second asked for.
#[derive(Debug, Clone, Default)]
pub struct HttpDate {
    second: u64,
    text: String,
}

impl HttpDate {
    /// The text for `unix_s`, seconds since 1970.
    pub fn at(&mut self, unix_s: u64) -> &str {
        if self.text.is_empty() || self.second != unix_s {
            self.second = unix_s;
            self.text = imf_fixdate(unix_s);
        }
        &self.text
    }
}

fn imf_fixdate(unix_s: u64) -> String {
    let (days, second) = ((unix_s / 86_400).min(LAST_DAY), unix_s % 86_400);
    let weekday = DAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let (mut year, mut day) = (1970, days);
    // At most 8029 turns, and once a second only.
    while day >= year_days(year) {
        day -= year_days(year);
        year += 1;
    }
    let mut name = "";
    for (index, (month, length)) in MONTHS.iter().enumerate() {
        let length = length + u64::from(index == 1 && year_days(year) == 366);
        name = month;
        if day < length {
            break;
        }
        day -= length;
    }
    let mut text = String::with_capacity(29);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    // Writing to a String cannot fail.
    let _ = write!(text, "{weekday}, {:02} {name} {year:04} {hour:02}:{minute:02}:{:02} GMT", day + 1, second % 60);
    text
}

fn year_days(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    365 + u64::from(leap)
}

/// 1 January 1970 was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];
/// 31 December 9999.
const LAST_DAY: u64 = 2_932_896;

#[cfg(test)]
mod tests {
    use super::HttpDate;

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        assert_eq!(HttpDate::default().at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn leap_days_and_ends_of_years_are_right() {
        let mut date = HttpDate::default();
        assert_eq!(date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date.at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date.at(951_868_799), "Tue, 29 Feb 2000 23:59:59 GMT");
        assert_eq!(date.at(951_868_800), "Wed, 01 Mar 2000 00:00:00 GMT");
        assert_eq!(date.at(1_735_689_599), "Tue, 31 Dec 2024 23:59:59 GMT");
        assert_eq!(date.at(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(date.at(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(date.at(u64::MAX).len(), 29);
    }
}
