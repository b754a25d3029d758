//! `xlvs top`: what flows now, by service and server; on a terminal as a screen that follows, else once as text.

mod sample;
mod screen;
mod view;

use super::{Top, ask::Tagged};
use crate::output;
use crate::session::{Session, Trouble};
use api::{Request, Response};
use sample::{Sample, Snapshot};
use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};
pub(super) use view::Sort;
use view::View;

pub(super) fn run(typed: &Top) -> ExitCode {
    let view = View { sort: typed.sort, filter: typed.filter.clone().unwrap_or_default() };
    let interval = Duration::from_secs(typed.interval.into());
    let on_screen = !typed.once && !typed.json && stdout().is_terminal() && stdin().is_terminal();
    let done = if on_screen { screen::run(view, interval) } else { once(&view, interval, typed.json) };
    done.map_or_else(output::failed, |()| ExitCode::SUCCESS)
}

/// What happens in one interval, as text or JSON.
fn once(view: &View, interval: Duration, json: bool) -> Result<(), Trouble> {
    let session = Session::open()?;
    let first = sample(&session)?;
    sleep(interval);
    let snapshot = Snapshot::between(&first, &sample(&session)?);
    let text = if json {
        let value = serde_json::to_string_pretty(&Tagged { is: "rates", change: None, value: &snapshot })
            .map_err(|error| Trouble::Confused(error.to_string()))?;
        value + "\n"
    } else {
        view.lines(&snapshot).into_iter().map(|line| line.text + "\n").collect()
    };
    output::data(&text);
    Ok(())
}

/// Asks for everything there is to count.
fn sample(session: &Session) -> Result<Sample, Trouble> {
    let listing = session.listing()?;
    match session.ask(&Request::Status)? {
        Response::Status(status) => Ok(Sample { at: Instant::now(), listing, status }),
        _ => Err(Trouble::Confused("the daemon answered something else than a status".to_owned())),
    }
}
