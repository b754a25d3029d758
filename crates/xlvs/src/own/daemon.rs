//! `xlvs run`: everything that can be known to fail is checked, then the director takes over.

use super::{Run, preflight};
use crate::output;
use anyhow::{Context, Result, anyhow};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Environment variable that sets what is logged, as tracing filters are written.
const LOG_VARIABLE: &str = "XLVS_LOG";

pub(super) fn run(typed: Run) -> ExitCode {
    match start(typed) {
        Ok(()) => ExitCode::SUCCESS,
        // Chained by ": " only where a message says something its source does not.
        Err(error) => output::failed(format!("{error:#}")),
    }
}

fn start(typed: Run) -> Result<()> {
    log()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    // Before the file is read, which may take its time. Those that end a process still do, until there is something to
    // take back.
    let hang_ups = runtime.block_on(async { director::HangUps::listen() }).context("cannot listen to signals")?;
    let options = options(typed)?;
    runtime.block_on(director::run(options, hang_ups)).map_err(|error| anyhow!("{error}"))
}

fn options(typed: Run) -> Result<director::Options> {
    let config = typed.config.as_deref().map(|path| preflight::config(path, typed.accept)).transpose()?;
    let from_file = config.iter().flat_map(|config| config.director.interfaces.iter().cloned());
    let named: Vec<String> = typed.interfaces.iter().cloned().chain(from_file).collect();
    preflight::interfaces(&named)?;
    preflight::pin_directory(&typed.pin_dir)?;
    preflight::privileges()?;
    Ok(director::Options {
        config,
        config_path: typed.config,
        accept: typed.accept,
        interfaces: typed.interfaces,
        lane: typed.lane,
        pin_directory: typed.pin_dir,
        socket: socket(),
        metrics: typed.metrics,
        force: typed.force,
    })
}

fn socket() -> PathBuf {
    api::Client::connect_default().socket().to_owned()
}

/// Logs go to stderr, from `info` on unless `$XLVS_LOG` says otherwise.
fn log() -> Result<()> {
    let filter = std::env::var(LOG_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = filter.as_deref().unwrap_or("info");
    let filter = EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("${LOG_VARIABLE}: cannot read `{filter}` (try error, warn, info, debug or trace)"))?;
    // What cannot be logged is lost: telling so on the same stderr would panic.
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let subscriber = subscriber.log_internal_errors(false);
    subscriber.try_init().map_err(|error| anyhow!("cannot start logging: {error}"))
}
