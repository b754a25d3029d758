//! Verbs that are one request to the daemon and one answer shown.

use super::{Explain, show};
use crate::output;
use crate::session::{Session, Trouble};
use crate::table;
use api::{ExplainRequest, Request, Response};
use model::{Protocol, ServiceKey};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a daemon may take to leave after its last answer.
const LEAVING: Duration = Duration::from_secs(10);

/// A value with the word that says what it is, as those of the API have it.
#[derive(Serialize)]
pub(super) struct Tagged<'a, T> {
    pub(super) is: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<&'a str>,
    #[serde(flatten)]
    pub(super) value: &'a T,
}

pub(super) fn status(json: bool) -> ExitCode {
    answer(&Request::Status, json)
}

pub(super) fn list(json: bool) -> ExitCode {
    answer(&Request::List, json)
}

pub(super) fn explain(typed: &Explain) -> ExitCode {
    if typed.client.is_ipv4() != typed.service.is_ipv4() {
        return output::misused("CLIENT and VIP are of different address families; give both as IPv4 or both as IPv6");
    }
    let protocol = if typed.udp { Protocol::Udp } else { Protocol::Tcp };
    let service = ServiceKey { protocol, endpoint: typed.service };
    answer(&Request::Explain(ExplainRequest { service, client: typed.client }), typed.json)
}

/// Any request.
pub(super) fn ask(request: &Request, json: bool) -> ExitCode {
    answer(request, json)
}

pub(super) fn detach(interface: String, json: bool) -> ExitCode {
    answer(&Request::Detach { interface: Some(interface) }, json)
}

/// Whoever stops a daemon may start the next one at once: the answer is shown when the first one is gone.
pub(super) fn stop(keep_forwarding: bool, json: bool) -> ExitCode {
    let mut lock = api::Client::connect_default().socket().as_os_str().to_owned();
    lock.push(".lock");
    let response = Session::open().and_then(|session| session.ask(&Request::Stop { keep_forwarding }));
    let begin = Instant::now();
    while response.is_ok() && Path::new(&lock).exists() && begin.elapsed() < LEAVING {
        std::thread::sleep(Duration::from_millis(5));
    }
    show(response, json)
}

fn answer(request: &Request, json: bool) -> ExitCode {
    show(Session::open().and_then(|session| session.ask(request)), json)
}

fn show(response: Result<Response, Trouble>, json: bool) -> ExitCode {
    response.and_then(|response| shown(&response, json)).map_or_else(output::failed, |text| {
        output::data(&text);
        ExitCode::SUCCESS
    })
}

/// The response as people or programs want it.
pub(super) fn shown(response: &Response, json: bool) -> Result<String, Trouble> {
    if json {
        let text = serde_json::to_string_pretty(response);
        return text.map(|text| text + "\n").map_err(|error| Trouble::Confused(error.to_string()));
    }
    Ok(match response {
        Response::Status(status) => show::status(status),
        Response::Listing(listing) => table::all(listing, table::NUMERIC, table::names(true)),
        Response::Explanation(explanation) => show::explanation(explanation),
        Response::Sysctls { sysctls } => show::sysctls(sysctls),
        Response::Attached { interface, lane, reason, before, confirm_within } => {
            show::attached(interface, *lane, reason, *before, *confirm_within)
        }
        Response::Confirmed { interfaces, configuration } => show::confirmed(interfaces, *configuration),
        Response::Plan(plan) => show::plan(plan, "the daemon"),
        Response::Applied { plan, confirm_within } => show::applied(plan, *confirm_within),
        Response::RolledBack { generation } => format!("rolled back, as generation {generation}\n"),
        Response::Detached { interfaces } => show::detached(interfaces),
        Response::Stopped { forwarding, interfaces } => show::stopped(*forwarding, interfaces),
        // That it is done is what exit code 0 says.
        Response::Done { .. } | Response::Connections(_) => String::new(),
    })
}
