//! `xlvs real-server`: makes this host a real server, says what is wrong with it as one, and undoes it.

use super::preflight;
use crate::output;
use agent::Place;
use clap::{Args, Subcommand};
use model::{Decapsulation, Finding, Prefix, RealServerSetup, ServerMode};
use serde::Serialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where the record of what was changed is kept unless `--run-dir` says otherwise.
const RUN_DIRECTORY: &str = "/run/xlvs";
/// Where programs are pinned unless `--pin-dir` says otherwise: beside the director's, which may be on this host, too.
const PIN_DIRECTORY: &str = "/sys/fs/bpf/xlvs-real-server";

/// `xlvs real-server`
#[derive(Args, Debug)]
pub(super) struct RealServer {
    #[command(subcommand)]
    verb: Verb,
    /// Directory for the record of what was changed
    #[arg(long, value_name = "DIR", default_value = RUN_DIRECTORY, global = true)]
    run_dir: PathBuf,
    /// Directory in a bpffs where programs are pinned; one is mounted there if there is none
    #[arg(long, value_name = "DIR", default_value = PIN_DIRECTORY, global = true)]
    pin_dir: PathBuf,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make this host a real server, exactly as these arguments say
    Up(Box<Up>),
    /// Restore what was there before
    Down {
        /// Print what was done as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what would make this host a bad real server; exit code 0 well, 1 warnings, 2 failures
    Status {
        /// Print setup and findings as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
struct Up {
    /// Read [real_server] of this file instead of arguments
    #[arg(short, long = "config", value_name = "FILE", conflicts_with_all = ["mode", "vips", "directors", "interface", "decap", "cgroup", "toa_kind", "toa_kind6"])]
    config: Option<PathBuf>,
    /// How directors forward: dr, tun or fullnat
    #[arg(long, value_name = "MODE", required_unless_present = "config")]
    mode: Option<ServerMode>,
    /// Virtual addresses (may be repeated)
    #[arg(long = "vip", value_name = "ADDR", num_args = 1..)]
    vips: Vec<IpAddr>,
    /// Addresses of the directors, to be trusted: 10.0.0.1 or 10.0.0.0/24 (may be repeated)
    #[arg(long = "director", value_name = "PREFIX", num_args = 1..)]
    directors: Vec<Prefix>,
    /// Where packets of the directors come in; those towards the directors without it
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
    /// UDP port of tunnels by GUE, as ipvsadm's --tun-port
    #[arg(long, value_name = "PORT", default_value_t = model::real_server::GUE_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    gue_port: u16,
    /// The cgroup (of version 2) whose programs are shown real clients behind FullNAT; all programs without it
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
    /// Who takes packets out of their tunnel: bpf or kernel
    #[arg(long, value_name = "WHO")]
    decap: Option<Decapsulation>,
    /// Kind of the TCP option that names a client of IPv4 behind FullNAT, as the directors' sysctl toa_kind; 254 without it
    #[arg(long, value_name = "KIND")]
    toa_kind: Option<u8>,
    /// The same for IPv6; 253 without it
    #[arg(long, value_name = "KIND")]
    toa_kind6: Option<u8>,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// What was done, for programs.
#[derive(Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Done<'d> {
    /// This host is a real server.
    RealServer { setup: &'d RealServerSetup },
    /// It is what it was before.
    Restored {
        /// It was one.
        was_up: bool,
        /// What was left as others have set it meanwhile.
        left: Vec<String>,
    },
}

pub(super) fn run(typed: RealServer) -> ExitCode {
    let place = Place { run_directory: typed.run_dir, pin_directory: typed.pin_dir };
    match typed.verb {
        Verb::Up(typed) => {
            let json = typed.json;
            match setup(*typed) {
                Ok(setup) => up(&setup, &place, json),
                Err(why) => output::misused(why),
            }
        }
        Verb::Down { json } => down(&place, json),
        Verb::Status { json } => status(&place, json),
    }
}

fn up(setup: &RealServerSetup, place: &Place, json: bool) -> ExitCode {
    if let Err(error) = agent::up(setup, place) {
        return output::failed(error);
    }
    let addresses: Vec<_> = setup.virtual_addresses.iter().map(ToString::to_string).collect();
    let of = if addresses.is_empty() { String::new() } else { format!(" of {}", addresses.join(" ")) };
    let text = format!("this host is a real server{of}, mode {} (xlvs real-server status)\n", setup.mode);
    done(&Done::RealServer { setup }, text, json)
}

fn down(place: &Place, json: bool) -> ExitCode {
    let left = match agent::down(place) {
        Ok(left) => left,
        Err(error) => return output::failed(error),
    };
    left.iter().flatten().for_each(|note| output::talk(note));
    let text = match &left {
        Some(_) => "this host is a real server no more; what was changed is restored\n",
        None => "this host was no real server; nothing was changed\n",
    };
    done(&Done::Restored { was_up: left.is_some(), left: left.unwrap_or_default() }, text.to_owned(), json)
}

fn done(what: &Done<'_>, text: String, json: bool) -> ExitCode {
    let text = if json { serde_json::to_string_pretty(what).map(|text| text + "\n") } else { Ok(text) };
    text.map_or_else(output::failed, |text| {
        output::data(&text);
        ExitCode::SUCCESS
    })
}

fn setup(typed: Up) -> Result<RealServerSetup, String> {
    if let Some(path) = &typed.config {
        let config = preflight::config(path, false).map_err(|error| format!("{error:#}"))?;
        let none = || format!("{}: it has no [real_server]; write one, or give arguments", path.display());
        return config.real_server.ok_or_else(none);
    }
    let [usual4, usual6] = model::real_server::TOA_KINDS;
    let mode = typed.mode.ok_or("--mode is missing: write --mode dr, tun or fullnat")?;
    RealServerSetup {
        mode,
        virtual_addresses: typed.vips.into_iter().collect(),
        directors: typed.directors.into_iter().collect(),
        interface: typed.interface,
        decapsulation: typed.decap.unwrap_or_default(),
        gue_port: typed.gue_port,
        cgroup: typed.cgroup,
        toa_kinds: [typed.toa_kind.unwrap_or(usual4), typed.toa_kind6.unwrap_or(usual6)],
    }
    .checked()
}

fn status(place: &Place, json: bool) -> ExitCode {
    let status = match agent::status(place) {
        Ok(status) => status,
        Err(error) => return output::failed(error),
    };
    let text = if json {
        match serde_json::to_string_pretty(&status) {
            Ok(text) => text + "\n",
            Err(error) => return output::failed(error),
        }
    } else {
        status.findings.iter().map(Finding::to_string).collect()
    };
    output::data(&text);
    ExitCode::from(Finding::worst(&status.findings) as u8)
}
