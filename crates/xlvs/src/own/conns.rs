//! `xlvs conns`: the connections, filtered by the daemon and shown as they come.

use super::Conns;
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
    page.iter().map(|connection| serde_json::to_string(connection).map(|line| line + "\n")).collect()
}
