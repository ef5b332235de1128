//! Times and durations in the words that pages and mails use. Everything is in UTC.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::services::mail;

/// A time with its two readings: for people, and for the `datetime` attribute of `<time>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    pub text: String,
    pub iso: String,
}

impl Stamp {
    /// `22 November 2026`
    #[must_use]
    pub fn day(at: Timestamp) -> Self {
        Self { text: day(at), iso: iso_day(at) }
    }

    /// `22 November 2026, 14:37:02`
    #[must_use]
    pub fn moment(at: Timestamp) -> Self {
        Self { text: day_second(at), iso: iso(at) }
    }

    /// `22 November 2026, 14:37`
    #[must_use]
    pub fn minute(at: Timestamp) -> Self {
        Self { text: day_minute(at), iso: iso(at) }
    }

    /// `14:37:02`
    #[must_use]
    pub fn clock(at: Timestamp) -> Self {
        Self { text: clock(at), iso: iso(at) }
    }

    /// `22 November`, and `22 November 2025` in another year than that of `now`.
    #[must_use]
    pub fn short_day(at: Timestamp, now: Timestamp) -> Self {
        Self { text: short_day(at, now), iso: iso_day(at) }
    }
}

fn format(at: Timestamp, pattern: &str) -> String {
    at.to_jiff().strftime(pattern).to_string()
}

/// `22 November 2026`
#[must_use]
pub fn day(at: Timestamp) -> String {
    format(at, "%-d %B %Y")
}

/// `22 November 2026, 14:37:02`
#[must_use]
pub fn day_second(at: Timestamp) -> String {
    format(at, "%-d %B %Y, %H:%M:%S")
}

/// `22 November 2026, 14:37`
#[must_use]
pub fn day_minute(at: Timestamp) -> String {
    format(at, "%-d %B %Y, %H:%M")
}

/// `14:37:02`
#[must_use]
pub fn clock(at: Timestamp) -> String {
    format(at, "%H:%M:%S")
}

/// `14:37`
#[must_use]
pub fn clock_minute(at: Timestamp) -> String {
    format(at, "%H:%M")
}

/// `22 November`, and `22 November 2025` in another year than that of `now`.
#[must_use]
pub fn short_day(at: Timestamp, now: Timestamp) -> String {
    if format(at, "%Y") == format(now, "%Y") { format(at, "%-d %B") } else { day(at) }
}

/// `today 14:34` on the day of `now`, otherwise as [`short_day`].
#[must_use]
pub fn recent(at: Timestamp, now: Timestamp) -> String {
    if iso_day(at) == iso_day(now) { format(at, "today %H:%M") } else { short_day(at, now) }
}

/// The end of something in the near future: `23 November, 14:37`.
#[must_use]
pub fn until(at: Timestamp) -> String {
    format(at, "%-d %B, %H:%M")
}

/// RFC 3339, whole seconds: `2026-11-22T14:37:02Z`
#[must_use]
pub fn iso(at: Timestamp) -> String {
    format(at, "%Y-%m-%dT%H:%M:%SZ")
}

/// `2026-11-22`
#[must_use]
pub fn iso_day(at: Timestamp) -> String {
    format(at, "%Y-%m-%d")
}

/// How long something took, in its two largest units: `3 minutes 41 seconds`, `2 hours`, `less than a second`.
#[must_use]
pub fn took(span: Duration) -> String {
    let seconds = span.as_secs();
    let parts = [(seconds / 86_400, "day"), (seconds / 3600 % 24, "hour"), (seconds / 60 % 60, "minute")]
        .into_iter()
        .chain([(seconds % 60, "second")]);
    let mut words =
        parts.skip_while(|(n, _)| *n == 0).take(2).filter(|(n, _)| *n > 0).map(|(n, unit)| counted(n, unit));
    match (words.next(), words.next()) {
        (None, _) => "less than a second".to_owned(),
        (Some(one), None) => one,
        (Some(large), Some(small)) => format!("{large} {small}"),
    }
}

/// How long something will take, rounded up: `a few seconds`, `about 1 minute`, `about 3 hours`.
#[must_use]
pub fn about(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..20 => "a few seconds".to_owned(),
        20..=5400 => format!("about {}", counted(seconds.div_ceil(60), "minute")),
        5401..=129_600 => format!("about {}", counted(seconds.div_ceil(3600), "hour")),
        _ => format!("about {}", counted(seconds.div_ceil(86_400), "day")),
    }
}

/// How long something lasts, in the words of the mails: `24 hours`, `3 days`, `5 minutes`, `1 minute 30 seconds`.
#[must_use]
pub fn lasts(span: Duration) -> String {
    if span.as_secs().is_multiple_of(60) { mail::span(span) } else { took(span) }
}

/// A span to wait, never less than one second: `30 seconds`, `2 minutes`.
#[must_use]
pub fn wait(span: Duration) -> String {
    let seconds = span.as_millis().div_ceil(1000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    if seconds < 120 { counted(seconds, "second") } else { counted(seconds.div_ceil(60), "minute") }
}

/// `1 minute`, `2 minutes`
fn counted(n: u64, unit: &str) -> String {
    if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let parsed: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_millis(parsed.as_millisecond())
    }

    #[test]
    fn dates_and_times_read_as_people_write_them() {
        let t = at("2026-11-02T04:07:02.900Z");
        assert_eq!(day(t), "2 November 2026");
        assert_eq!(day_second(t), "2 November 2026, 04:07:02");
        assert_eq!(day_minute(t), "2 November 2026, 04:07");
        assert_eq!(clock(t), "04:07:02");
        assert_eq!(clock_minute(t), "04:07");
        assert_eq!(until(t), "2 November, 04:07");
        assert_eq!(iso(t), "2026-11-02T04:07:02Z");
        assert_eq!(iso_day(t), "2026-11-02");
    }

    #[test]
    fn a_day_carries_its_year_only_when_it_is_another() {
        let now = at("2026-11-22T14:52:00Z");
        assert_eq!(recent(at("2026-11-22T00:00:00Z"), now), "today 00:00");
        assert_eq!(recent(at("2026-11-21T23:59:59Z"), now), "21 November");
        assert_eq!(recent(at("2025-12-31T23:59:59Z"), now), "31 December 2025");
        assert_eq!(Stamp::short_day(now, now), Stamp { text: "22 November".into(), iso: "2026-11-22".into() });
    }

    #[test]
    fn durations_name_two_units_and_no_zero() {
        let say = |seconds| took(Duration::from_secs(seconds));
        assert_eq!(say(0), "less than a second");
        assert_eq!(say(1), "1 second");
        assert_eq!(say(60), "1 minute");
        assert_eq!(say(221), "3 minutes 41 seconds");
        assert_eq!(say(3600), "1 hour");
        assert_eq!(say(3605), "1 hour", "seconds do not matter beside hours");
        assert_eq!(say(7260), "2 hours 1 minute");
        assert_eq!(say(90_000), "1 day 1 hour");
    }

    #[test]
    fn what_lasts_is_named_as_in_the_mails() {
        let say = |seconds| lasts(Duration::from_secs(seconds));
        assert_eq!(say(86_400), "24 hours");
        assert_eq!(say(7 * 86_400), "7 days");
        assert_eq!(say(5400), "90 minutes");
        assert_eq!(say(60), "1 minute");
        assert_eq!(say(90), "1 minute 30 seconds", "never longer than it is");
    }

    #[test]
    fn estimates_and_waits_round_up() {
        let estimate = |seconds| about(Duration::from_secs(seconds));
        assert_eq!(estimate(0), "a few seconds");
        assert_eq!(estimate(19), "a few seconds");
        assert_eq!(estimate(20), "about 1 minute");
        assert_eq!(estimate(61), "about 2 minutes");
        assert_eq!(estimate(5400), "about 90 minutes");
        assert_eq!(estimate(5401), "about 2 hours");
        assert_eq!(estimate(200_000), "about 3 days");
        assert_eq!(wait(Duration::ZERO), "1 second");
        assert_eq!(wait(Duration::from_millis(1001)), "2 seconds");
        assert_eq!(wait(Duration::from_secs(121)), "3 minutes");
    }
}
