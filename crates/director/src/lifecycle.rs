//! Start and stop. Start: socket path → maps → plan → programs attached → serve; what fails leaves nothing behind.
//! Stop: programs detached and pins removed, or everything left as it is.

use crate::attendant::Attendant;
use crate::configuration::Reading;
use crate::conflicts;
use crate::daemon::Daemon;
use crate::director::Director;
use crate::observe::Network;
use crate::observe::events::Events;
use crate::observe::netlink::Netlink;
use crate::plane::Plane;
use crate::reader::Reload;
use crate::server::{self, Server};
use crate::signals::{HangUps, Signals};
use crate::socket::Claim;
use crate::{Error, Options};
use api::{EventKind, Level, Reply, Response};
use dataplane::Dataplane;
use forward::abi::DEFAULT_CONNECTIONS;
use model::{Config, LaneChoice, MetricsAddress};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a stop waits for answers that are still being sent.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long it waits for a capture that is being loaded.
const LOADING: Duration = Duration::from_secs(60);

/// Runs the daemon until it is told to stop.
pub(crate) async fn run(options: Options, hang_ups: HangUps) -> Result<(), Error> {
    let signals = Signals::listen(hang_ups).map_err(Error::System)?;
    if !options.force {
        let others = conflicts::others();
        if !others.is_empty() {
            return Err(Error::Others(others));
        }
    }
    let mut claim = Claim::take(&options.socket)?;
    let result = serve(&mut claim, &options, signals).await;
    match &result {
        Ok(()) => claim.remove(),
        Err(_) => claim.take_back(),
    }
    result
}

/// What may fail without a trace comes first: the socket, the ear for the network, then the maps.
async fn serve(claim: &mut Claim, options: &Options, signals: Signals) -> Result<(), Error> {
    let listener = claim.listen()?;
    let events = Events::open().map_err(Error::Netlink)?;
    let metrics = bind_metrics(options).await?;
    let director = start(options)?;
    let (sender, calls) = server::calls();
    let (stop, stopping) = watch::channel(false);
    let told = director.events.clone();
    let server = Server { calls: sender, events: told.clone(), stop: stopping };
    if let Some(metrics) = metrics {
        tokio::spawn(server.clone().serve_metrics(metrics));
    }
    let serving = tokio::spawn(server.serve(listener));
    tracing::info!(socket = %options.socket.display(), pins = %options.pin_directory.display(), "ready");
    let version = env!("CARGO_PKG_VERSION");
    told.tell(Level::Info, EventKind::Started { pid: std::process::id() }, format!("xlvs {version} has started"));
    let attendant = Attendant::start(director.plane.waiting_room()?).map_err(Error::System)?;
    let daemon = Daemon::new(director, reloader(options.config_path.clone(), options.accept));
    let (director, stopped) = daemon.run(signals, calls, Some(events)).await.map_err(Error::System)?;
    let keep_forwarding = stopped.keep_forwarding;
    told.tell(Level::Info, EventKind::Stopping { keep_forwarding }, "the daemon ends");
    // It has maps, too.
    drop(attendant);
    let reply = leave(director, options, stopped.keep_forwarding).await;
    if let Some(asked) = stopped.reply {
        // Whoever asked may be gone.
        let _ = asked.send(reply);
    }
    // The server ends when the answers that are on their way are sent.
    let _ = stop.send(true);
    let _ = tokio::time::timeout(FAREWELL, serving).await;
    Ok(())
}

/// Where metrics are offered by TCP, if anywhere: the command line comes before the file.
async fn bind_metrics(options: &Options) -> Result<Option<TcpListener>, Error> {
    let in_file = || options.config.as_ref().and_then(|config| config.director.metrics);
    let Some(MetricsAddress { address, .. }) = options.metrics.or_else(in_file) else { return Ok(None) };
    let listener = TcpListener::bind(address).await.map_err(|error| Error::Metrics { address, error })?;
    tracing::info!("metrics at http://{address}/metrics");
    Ok(Some(listener))
}

/// Everything up to the point where the daemon can be asked. A start that fails where nothing was leaves nothing.
fn start(options: &Options) -> Result<Director<Dataplane, Netlink>, Error> {
    let mut network = Netlink::open().map_err(Error::Netlink)?;
    let links = network.links().map_err(Error::Netlink)?;
    if let Some((missing, _)) = named(options).find(|(name, _)| !links.values().any(|link| link.name == **name)) {
        return Err(dataplane::Error::NoInterface(missing.clone()).into());
    }
    let connections = options.config.as_ref().map_or(DEFAULT_CONNECTIONS, |config| config.director.connections);
    let pin_directory = options.pin_directory.clone();
    let plane_options = dataplane::Options { pin_directory, connections4: connections, connections6: connections };
    let plane = Dataplane::open(&plane_options)?;
    let mut director = Director::open(plane, network, options.pin_directory.clone())?;
    director.connections = connections;
    director.configuration_file = options
        .config_path
        .as_deref()
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string());
    let fresh = director.plane.attachments()?.is_empty() && director.store.generation() == 0;
    match settle(&mut director, options) {
        Ok(()) => Ok(director),
        Err(error) => {
            let Director { plane, .. } = director;
            if !plane.give_up()
                && fresh
                && let Err(error) = dataplane::detach_all(&options.pin_directory)
            {
                tracing::error!(%error, "cannot clear away a start that failed");
            }
            Err(error)
        }
    }
}

/// The interfaces of the file and of the command line, each with its lane.
fn named(options: &Options) -> impl Iterator<Item = (&String, Option<LaneChoice>)> {
    let settings = options.config.iter().map(|config| &config.director);
    let of_file = settings.flat_map(|settings| {
        settings.interfaces.iter().map(|name| (name, options.lane.or_else(|| settings.lane_of(name))))
    });
    of_file.chain(options.interfaces.iter().map(|name| (name, options.lane)))
}

/// Takes over the file, brings the maps in line, then attaches.
fn settle<P: Plane, N: Network>(director: &mut Director<P, N>, options: &Options) -> Result<(), Error> {
    let overdue = director.end_overdue_trial()?;
    let is_adopted = options.config.as_ref().is_some_and(|config| !holds_back(director, config, options));
    if let Some(config) = options.config.as_ref().filter(|_| is_adopted) {
        let adopted = director.adopt(config).map_err(Error::Configuration)?;
        let differences = director.store.differences(config);
        if !adopted && differences > 0 {
            let file = options.config_path.as_deref().unwrap_or(Path::new("the configuration file")).display();
            tracing::warn!(
                "{file} is unchanged since it was applied; run-time changes to {differences} of its services, sysctls or time-outs \
                 are kept; edit it, or start after `xlvs stop`, to apply it again"
            );
        }
    }
    director.begin(Instant::now())?;
    director.interfaces.adopt(&director.plane)?;
    director.adopt_trials(Instant::now());
    overdue.iter().for_each(|trial| director.restore_trial(trial));
    let of_file = |name: &String| is_adopted || options.interfaces.contains(name);
    for (interface, lane) in named(options).filter(|(name, _)| of_file(name)) {
        director.interfaces.attach(&mut director.plane, director.observer.links(), interface, lane, options.force)?;
    }
    director.translate_answers();
    // Interfaces of an earlier daemon that are gone for the moment do not keep this one from starting.
    director.interfaces.heal(&mut director.plane, director.observer.links(), &director.trials, Instant::now());
    director.settle_lanes(Instant::now());
    Ok(())
}

/// A start does not take over by itself what is on trial, or what was and nobody confirmed.
fn holds_back<P: Plane, N: Network>(director: &Director<P, N>, config: &Config, options: &Options) -> bool {
    let file = options.config_path.as_deref().unwrap_or(Path::new("the configuration file")).display();
    if director.store.trial().is_some() {
        tracing::warn!("a configuration is on trial: {file} is read again by the next start or SIGHUP after its end");
        return true;
    }
    let is_rejected = director.store.has_rejected(config);
    if is_rejected {
        tracing::warn!(
            "{file} was on trial and not confirmed: what was before it stays; `xlvs apply` or SIGHUP takes it over again"
        );
    }
    is_rejected
}

/// Detaches and removes the pins, unless forwarding shall go on.
async fn leave(mut director: Director<Dataplane, Netlink>, options: &Options, keep_forwarding: bool) -> Reply {
    director.health.end();
    director.end_capture();
    captures_have_ended(&director).await;
    if keep_forwarding {
        // What was loaded and never begun.
        if let Err(error) = director.plane.end_capture() {
            tracing::warn!(%error, "something of a capture stays");
        }
        tracing::info!("leaving; forwarding goes on");
        let attachments = director.plane.attachments().map_err(|error| crate::director::refusal(&error))?;
        let interfaces = attachments.into_iter().map(|attachment| attachment.name).collect();
        return Ok(Response::Stopped { forwarding: true, interfaces });
    }
    director.observer.release_all();
    // The maps stay busy as long as the plane has them.
    drop(director);
    let removed = dataplane::detach_all(&options.pin_directory).map_err(|error| crate::director::refusal(&error));
    removed
        .inspect(|names| tracing::info!(interfaces = ?names, "detached; pins removed"))
        .inspect_err(|error| tracing::error!(%error, "stop"))
        .map(|interfaces| Response::Stopped { forwarding: false, interfaces })
}

/// A capture that is being loaded writes below the pins until it is done: nothing is taken down before.
async fn captures_have_ended<P: Plane, N: Network>(director: &Director<P, N>) {
    let begin = Instant::now();
    while director.is_capturing() {
        if begin.elapsed() > LOADING {
            tracing::error!("the programs of a capture are still being loaded; what they pin may be left behind");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Reads the configuration file again (SIGHUP).
fn reloader(path: Option<PathBuf>, accept: bool) -> Reload {
    Arc::new(move || {
        let Some(path) = &path else {
            tracing::warn!("there is no configuration file to read again");
            return Ok(None);
        };
        let reading = Reading::of(path, accept).map_err(|error| error.while_running(path))?;
        reading.notices.iter().for_each(|notice| tracing::warn!("{notice}"));
        Ok(Some(reading.config))
    })
}
