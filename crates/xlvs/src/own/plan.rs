//! `xlvs plan` and `xlvs apply`: a configuration file against what is there, and in its place.

use super::show;
use crate::output;
use crate::session::{Session, Trouble};
use api::{ClientError, Plan, Request, Response};
use clap::Args;
use director::Reading;
use model::Config;
use model::keepalived::{Notice, Severity};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code of a plan that changes something.
const CHANGES: u8 = 2;

/// `xlvs plan`
#[derive(Args, Debug)]
pub(super) struct Typed {
    /// Configuration: xlvs.toml by its ending, or keepalived.conf; without it the file that the daemon was started with
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Compare with this file instead of the daemon
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// The file may ask for things that matter and are not done
    #[arg(long)]
    accept: bool,
    /// Print changes, notes and notices as JSON
    #[arg(long)]
    json: bool,
}

/// `xlvs apply`
#[derive(Args, Debug)]
pub(super) struct Apply {
    /// Configuration: xlvs.toml by its ending, or keepalived.conf; without it the file that the daemon was started with
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file may ask for things that matter and are not done
    #[arg(long)]
    accept: bool,
    /// Go back after this time (60s, 5m) unless `xlvs confirm` comes first, even if the daemon is killed meanwhile
    #[arg(long, value_name = "TIME", value_parser = super::seconds)]
    confirm_within: Option<u32>,
    /// Only if the daemon's configuration is still of this generation, as a plan names it
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    /// Print the API's value as JSON
    #[arg(long)]
    json: bool,
}

/// A plan as programs get it.
#[derive(Serialize)]
struct Shown<'a> {
    is: &'static str,
    against: &'a str,
    #[serde(flatten)]
    plan: &'a Plan,
    notices: Vec<ShownNotice<'a>>,
}

#[derive(Serialize)]
struct ShownNotice<'a> {
    refused: bool,
    file: &'a str,
    line: usize,
    message: &'a str,
}

pub(super) fn plan(typed: &Typed) -> ExitCode {
    make(typed).unwrap_or_else(output::failed)
}

pub(super) fn apply(typed: &Apply) -> ExitCode {
    carry_out(typed).map_or_else(output::failed, |text| {
        output::data(&text);
        ExitCode::SUCCESS
    })
}

fn make(typed: &Typed) -> Result<ExitCode, String> {
    let path = match (&typed.config, &typed.against) {
        (Some(path), _) => path.clone(),
        (None, None) => file_of_daemon()?,
        (None, Some(_)) => return Err("--against compares two files; name the other one with -c FILE".to_owned()),
    };
    let reading = read(&path, true)?;
    let (plan, against) = match &typed.against {
        Some(other) => (between(&read(other, true)?.config, &reading.config), other.display().to_string()),
        None => ask(reading.config)?,
    };
    let refused = |notice: &&Notice| notice.severity == Severity::Changing && !typed.accept;
    let is_refused = reading.notices.iter().any(|notice| refused(&notice));
    output::data(&text(&plan, &against, &reading.notices, typed)?);
    if is_refused {
        return Err("say --accept to do without what is refused here".to_owned());
    }
    Ok(if plan.changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
}

fn text(plan: &Plan, against: &str, notices: &[Notice], typed: &Typed) -> Result<String, String> {
    if !typed.json {
        notices.iter().for_each(|notice| output::talk(&notice.to_string()));
        return Ok(show::plan(plan, against));
    }
    let notice = |notice: &'_ Notice| notice.severity == Severity::Changing;
    let notices = notices.iter().map(|it| ShownNotice {
        refused: notice(it) && !typed.accept,
        file: &it.place.file,
        line: it.place.line,
        message: &it.message,
    });
    let shown = Shown { is: "plan", against, plan, notices: notices.collect() };
    serde_json::to_string_pretty(&shown).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// What the daemon would change; without a daemon everything is new.
fn ask(config: Config) -> Result<(Plan, String), String> {
    let config = Box::new(config);
    let asked = Session::open().and_then(|session| session.ask(&Request::Plan { config: config.clone() }));
    match asked {
        Ok(Response::Plan(plan)) => {
            let against = format!("generation {} of the daemon", plan.generation);
            Ok((plan, against))
        }
        Ok(_) => Err("the daemon answered something else than a plan".to_owned()),
        Err(Trouble::Client(ClientError::NoDaemon { .. })) => {
            Ok((between(&Config::default(), &config), "nothing: no daemon is running".to_owned()))
        }
        Err(trouble) => Err(trouble.to_string()),
    }
}

fn between(before: &Config, after: &Config) -> Plan {
    Plan { changes: model::differences(before, after), ..Plan::default() }
}

fn carry_out(typed: &Apply) -> Result<String, String> {
    let path = typed.config.clone().map_or_else(file_of_daemon, Ok)?;
    let Reading { config, notices } = read(&path, typed.accept)?;
    notices.iter().for_each(|notice| output::talk(&notice.to_string()));
    let Apply { confirm_within, generation, json, .. } = *typed;
    let request = Request::Apply { config: Box::new(config), confirm_within, generation };
    let response = Session::open().and_then(|session| session.ask(&request));
    let shown =
        response.and_then(|response| super::ask::shown(&response, json)).map_err(|trouble| trouble.to_string())?;
    typed.config.iter().filter_map(|path| not_read_again(path)).for_each(|note| output::talk(&note));
    Ok(shown)
}

/// What to know of a file that was applied and is not the daemon's own.
fn not_read_again(path: &Path) -> Option<String> {
    let own = file_of_daemon().ok()?;
    let same = path.canonicalize().ok() == own.canonicalize().ok() && path.exists();
    let (own, path) = (own.display(), path.display());
    (!same).then(|| {
        format!("note: SIGHUP and the next start read {own}, which the daemon was started with, and not {path}")
    })
}

fn read(path: &Path, accept: bool) -> Result<Reading, String> {
    Reading::of(path, accept).map_err(|error| error.to_string())
}

/// The file that the daemon was started with.
fn file_of_daemon() -> Result<PathBuf, String> {
    let status = Session::open().and_then(|session| session.ask(&Request::Status));
    match status.map_err(|trouble| format!("{trouble}; or name a file (-c FILE)"))? {
        Response::Status(status) => {
            let missing = || "the daemon was started without a configuration file; name one (-c FILE)".to_owned();
            status.configuration.map(PathBuf::from).ok_or_else(missing)
        }
        _ => Err("the daemon answered something else than its status".to_owned()),
    }
}
