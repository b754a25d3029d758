//! `xlvs detach`: through the daemon; `--all` also where there is none, or none that answers.

use super::{Detach, ask};
use crate::output;
use crate::session::{Session, Trouble};
use api::{Request, Response};
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(typed: Detach) -> ExitCode {
    match typed.interface {
        Some(interface) => ask::detach(interface, typed.json),
        None => all(&typed.pin_dir, typed.json),
    }
}

/// The daemon is asked if it is the one of these pins. A daemon that cannot be reached or does not answer must not
/// keep the operator from detaching.
fn all(pin_directory: &Path, json: bool) -> ExitCode {
    let asked = Session::open().and_then(|session| {
        let Response::Status(status) = session.ask(&Request::Status)? else { return Ok(None) };
        let ours = same(Path::new(&status.pin_directory), pin_directory);
        if ours { session.ask(&Request::Detach { interface: None }).map(Some) } else { Ok(None) }
    });
    match asked {
        Ok(Some(response)) => ask::shown(&response, json).map_or_else(output::failed, |text| {
            output::data(&text);
            ExitCode::SUCCESS
        }),
        Err(Trouble::Refused(refusal)) => output::failed(refusal),
        Ok(None) | Err(_) => directly(pin_directory, json),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    resolved(one) == resolved(other)
}

fn directly(pin_directory: &Path, json: bool) -> ExitCode {
    match dataplane::detach_all(pin_directory) {
        Ok(interfaces) => {
            let text = match (json, interfaces.is_empty()) {
                (false, true) => Ok(format!("nothing of xlvs is attached ({})\n", pin_directory.display())),
                _ => ask::shown(&Response::Detached { interfaces }, json),
            };
            text.map_or_else(output::failed, |text| {
                output::data(&text);
                ExitCode::SUCCESS
            })
        }
        Err(error) => output::failed(error),
    }
}
