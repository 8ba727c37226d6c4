//! Durations and lifetimes as a file gives them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use toml::de::DeValue;
use toml::value::{Datetime, Offset};

use super::reader::{Table, Value};
use protocols::ra::config::Lifetime;

/// What a bare number means.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

/// Longest lifetime that is not infinite: all ones on the wire mean infinity.
const MAX_LIFETIME: Duration = Duration::from_secs(u32::MAX as u64 - 1);

/// The duration `name` of `table` within `min` and `max`.
pub(super) fn duration(
    table: &Table<'_>,
    name: &'static str,
    unit: Unit,
    min: Duration,
    max: Duration,
) -> Option<Duration> {
    within(&table.get(name)?, unit, min, max)
}

fn within(value: &Value<'_>, unit: Unit, min: Duration, max: Duration) -> Option<Duration> {
    let duration = match value.value {
        DeValue::Integer(_) => {
            let number = value.integer(0..=u64::from(u32::MAX) * 1000)?;
            match unit {
                Unit::Ms => Duration::from_millis(number),
                Unit::S => Duration::from_secs(number),
            }
        }
        DeValue::String(text) => match parse(text) {
            Some(duration) => duration,
            None => {
                value.fault(format_args!(
                    "\"{text}\" is not a duration: a number with ms, s, m, h or d, such as \"90s\""
                ));
                return None;
            }
        },
        _ => {
            let bare = match unit {
                Unit::Ms => "milliseconds",
                Unit::S => "seconds",
            };
            value.fault(format_args!(
                "must be a number of {bare} or a string such as \"90s\""
            ));
            return None;
        }
    };
    if duration < min || duration > max {
        value.fault(format_args!(
            "{duration:?} is out of range; allowed: {min:?} to {max:?}"
        ));
        return None;
    }
    Some(duration)
}

/// A number and its unit.
fn parse(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let us = match unit.trim_start() {
        "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    number.checked_mul(us).map(Duration::from_micros)
}

/// The lifetime `name` of `table`, at most `max` when it is a duration.
pub(super) fn lifetime(table: &Table<'_>, name: &'static str, max: Duration) -> Option<Lifetime> {
    let value = table.get(name)?;
    match value.value {
        DeValue::String(text) if text.as_ref() == "infinity" => Some(Lifetime::Infinite),
        DeValue::Datetime(date) => {
            match instant(date) {
                Some(date) => Some(Lifetime::Until(date)),
                None => {
                    value.fault("must be a date after 1970 with time and zone, such as 2027-01-31T00:00:00Z");
                    None
                }
            }
        }
        DeValue::Integer(_) | DeValue::String(_) => {
            within(&value, Unit::S, Duration::ZERO, max.min(MAX_LIFETIME)).map(Lifetime::Fixed)
        }
        _ => {
            value.fault(
                "must be a number of seconds, a string such as \"30d\" or \"infinity\", or a date",
            );
            None
        }
    }
}

/// A lifetime without a bound of its own.
pub(super) fn any_lifetime(table: &Table<'_>, name: &'static str) -> Option<Lifetime> {
    lifetime(table, name, MAX_LIFETIME)
}

/// The instant of a date with time and zone.
fn instant(date: &Datetime) -> Option<SystemTime> {
    let (day, time, offset) = (date.date?, date.time?, date.offset?);
    let days = days_from_civil(day.year.into(), day.month.into(), day.day.into());
    let of_day = i64::from(time.hour) * 3600
        + i64::from(time.minute) * 60
        + i64::from(time.second.unwrap_or(0));
    let east = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes) * 60,
    };
    let seconds = u64::try_from(days * 86_400 + of_day - east).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Days since 1970-01-01 in the Gregorian calendar, for years from 1.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_instants() {
        let seconds = |text: &str| {
            instant(&text.parse().unwrap()).map(|t| t.duration_since(UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:00Z"), Some(951_825_600));
        assert_eq!(seconds("2027-01-31T01:30:00+01:30"), Some(1_801_353_600));
        assert_eq!(seconds("2100-03-01T00:00:00Z"), Some(4_107_542_400));
        assert_eq!(seconds("1969-12-31T23:59:59Z"), None);
        assert_eq!(seconds("2027-01-31"), None);
        assert_eq!(seconds("2027-01-31T00:00:00"), None);
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse("30 d"), Some(Duration::from_secs(2_592_000)));
        for bad in ["", "s", "90", "1.5h", "-1s", "99999999999999999999s", "1w"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
