//! Times as people type them.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, Zoned};

/// A duration back from `now` (`5m`, `1h30m`, `2d`, `30 s`), or a time: RFC 3339, or one of `now`'s zone
/// (`2026-11-21 15:00`, `2026-11-21`, `15:00`, which is today). The error is a sentence.
pub fn parse(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let typed = text.trim();
    if let Ok(time) = typed.parse::<Timestamp>() {
        return Ok(time);
    }
    let unknown = || {
        format!(
            "`{}` is no time; say `5m`, `1h30m`, `2d`, `15:00`, `2026-11-21 15:00` or RFC 3339",
            typed.escape_debug()
        )
    };
    // The date first: jiff takes the time out of a text that has one, too, and that would be today's.
    let local = typed
        .parse::<DateTime>()
        .ok()
        .or_else(|| typed.parse::<Date>().ok().map(|date| date.to_datetime(Time::midnight())))
        .or_else(|| {
            typed.parse::<Time>().ok().filter(|_| typed.contains(':')).map(|time| now.date().to_datetime(time))
        });
    if let Some(local) = local {
        return local.to_zoned(now.time_zone().clone()).map(|time| time.timestamp()).map_err(|_| unknown());
    }
    // A bare number is one of seconds, as wherever wrap takes a time.
    let back: Span = typed.parse().or_else(|_| format!("{typed}s").parse()).map_err(|_| unknown())?;
    now.checked_sub(back.abs()).map(|time| time.timestamp()).map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_understood() {
        let now: Zoned = "2026-11-21T15:33:10+00:00[UTC]".parse().expect("a time");
        for (text, time) in [
            ("5m", "2026-11-21T15:28:10Z"),
            ("1h30m", "2026-11-21T14:03:10Z"),
            ("1h 30m", "2026-11-21T14:03:10Z"),
            ("2d", "2026-11-19T15:33:10Z"),
            ("30 s", "2026-11-21T15:32:40Z"),
            ("15", "2026-11-21T15:32:55Z"),
            ("30 seconds ago", "2026-11-21T15:32:40Z"),
            ("2 hours", "2026-11-21T13:33:10Z"),
            ("1w", "2026-11-14T15:33:10Z"),
            ("15:00", "2026-11-21T15:00:00Z"),
            ("15:00:30", "2026-11-21T15:00:30Z"),
            ("2026-11-21 15:00", "2026-11-21T15:00:00Z"),
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("2026-11-20 15:00", "2026-11-20T15:00:00Z"),
            ("2026-11-19T15:00:01", "2026-11-19T15:00:01Z"),
            ("2026-11-18", "2026-11-18T00:00:00Z"),
            ("2026-11-21T15:00:00.5Z", "2026-11-21T15:00:00.5Z"),
            ("2026-11-21T15:00:00+02:00", "2026-11-21T13:00:00Z"),
            (" 0s ", "2026-11-21T15:33:10Z"),
        ] {
            assert_eq!(parse(text, &now).map(|time| time.to_string()), Ok(time.to_owned()), "{text}");
        }
        for text in ["", "soon", "99:00", "99999999y", "\u{1b}[2J"] {
            let error = parse(text, &now).expect_err(text);
            assert!(error.contains("`5m`") && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn a_local_time_is_of_the_local_zone() {
        let now: Zoned = "2026-07-21T15:33:10+02:00[+02:00]".parse().expect("a time");
        assert_eq!(parse("15:00", &now).expect("a time").to_string(), "2026-07-21T13:00:00Z");
    }
}
