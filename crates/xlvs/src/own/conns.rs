//! `xlvs conns`: the connections, filtered by the daemon and shown as they come.

mod watch;

use super::{Conns, ask::Tagged};
use crate::output;
use crate::session::{Session, Trouble};
use crate::table::{self, Names};
use api::{ConnectionFilter, ConnectionView};
use std::process::ExitCode;

pub(super) fn run(typed: &Conns) -> ExitCode {
    let filter = ConnectionFilter {
        protocol: None,
        service: typed.service,
        client: typed.client,
        server: typed.server,
        state: typed.state.as_ref().map(|state| state.to_ascii_uppercase()),
    };
    if typed.watch {
        return match watch::follow(&filter, typed.limit, typed.json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(trouble) => output::failed(trouble),
        };
    }
    let mut title = Some(table::connections::title(false)).filter(|_| !typed.json);
    let mut trouble = None;
    let shown = Session::open().and_then(|session| {
        session.connections(&filter, typed.limit, |page| match lines(page, typed.json) {
            Ok(lines) => output::data(&(title.take().unwrap_or_default() + &lines)),
            Err(error) => trouble = Some(Trouble::Confused(error.to_string())),
        })
    });
    match shown.map_or_else(Some, |()| trouble) {
        Some(trouble) => output::failed(trouble),
        None => ExitCode::SUCCESS,
    }
}

fn lines(page: &[ConnectionView], json: bool) -> Result<String, serde_json::Error> {
    if !json {
        return Ok(table::connections::rows(page, &Names::Numbers));
    }
    page.iter().map(|connection| json_line(connection, None)).collect()
}

/// A connection as a line of JSON, with what became of it where that is known.
fn json_line(connection: &ConnectionView, change: Option<&str>) -> Result<String, serde_json::Error> {
    let line = serde_json::to_string(&Tagged { is: "connection", change, value: connection });
    line.map(|line| line + "\n")
}
