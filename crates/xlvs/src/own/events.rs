//! `xlvs events`: the daemon's events as they come, one line each.

use crate::output;
use crate::session::{Session, Trouble};
use api::{Event, EventKind, Level};
use std::process::ExitCode;

pub(super) fn run(json: bool) -> ExitCode {
    match follow(json) {
        Ok(code) => code,
        Err(trouble) => output::failed(trouble),
    }
}

/// Reads to the end of the stream: the daemon's end, or that of its patience with a slow reader.
fn follow(json: bool) -> Result<ExitCode, Trouble> {
    let session = Session::open()?;
    let mut stream = session.download("/v1/events")?;
    let mut ended = None;
    while let Some(line) = session.wait(stream.line()) {
        let event: Event = serde_json::from_str(&line)
            .map_err(|error| Trouble::Confused(format!("the daemon's line is no event ({error}): {line}")))?;
        output::data(&if json { line + "\n" } else { shown(&event) });
        ended = Some(event.kind);
    }
    Ok(match ended {
        Some(EventKind::Stopping { .. }) => ExitCode::SUCCESS,
        Some(EventKind::Missed { .. }) => output::failed("this reader was too slow for the events"),
        _ => output::failed("the daemon has ended"),
    })
}

fn shown(event: &Event) -> String {
    let level = match event.level {
        Level::Info => "info ",
        Level::Warn => "warn ",
        Level::Error => "error",
    };
    format!("{} {level} {}\n", clock(event.time), event.text)
}

/// Milliseconds since 1970 as a date and time of UTC.
fn clock(time: u64) -> String {
    let (days, rest) = (time / 86_400_000, time % 86_400_000);
    let (year, month, day) = date(days);
    let (hours, minutes, seconds, milliseconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z")
}

/// Days since 1970 in the Gregorian calendar: years begin in March, so that the odd day of leap years comes last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_dates() {
        for (time, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
        ] {
            assert_eq!(clock(time), expected);
        }
    }
}
