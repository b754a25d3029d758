//! xlvs's own verbs: what was typed, read by clap, and where each verb is carried out.

mod ask;
mod capture;
mod conns;
mod convert;
mod daemon;
mod detach;
mod doctor;
mod events;
mod plan;
mod preflight;
mod real_server;
mod show;
mod sysctl;
mod top;

use crate::output;
use api::Request;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use model::LaneChoice;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where maps and links are pinned unless `--pin-dir` says otherwise.
const PIN_DIRECTORY: &str = "/sys/fs/bpf/xlvs";

/// A layer-4 load balancer on XDP that is driven by ipvsadm.
#[derive(Parser, Debug)]
#[command(name = "xlvs", version, arg_required_else_help = true)]
#[command(after_help = "The daemon's socket is $XLVS_SOCKET, or /run/xlvs/xlvs.sock.")]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run the daemon ($XLVS_LOG sets its log level: error, warn, info, debug, trace)
    Run(Run),
    /// Show what the daemon and its data plane are doing
    Status {
        /// Print the API's value as JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for what on this host keeps xlvs from its work; exit code 0 well, 1 warnings, 2 failures
    Doctor(Doctor),
    /// Watch rates by service and server, drops, tables and lanes (once, as text, without a terminal)
    Top(Top),
    /// Capture packets before and after they are rewritten, with the verdict as comment (pcapng)
    Capture(Capture),
    /// Follow what happens: one line for each event, until interrupted
    Events {
        /// Print the API's values as lines of JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what would happen to a packet from CLIENT to VIP, and why
    Explain(Explain),
    /// List services and servers, as `ipvsadm -Ln` does
    List {
        /// Print the API's value as JSON
        #[arg(long)]
        json: bool,
    },
    /// List connections
    Conns(Conns),
    /// Attach the programs to an interface
    Attach {
        /// Name of the interface
        interface: String,
        /// Where: auto, xdp, xdp-generic or tc; without it the lane stays as it is
        #[arg(long, value_name = "LANE")]
        lane: Option<LaneChoice>,
        /// Take the hook over from another program
        #[arg(long)]
        force: bool,
        /// Detach after this time (60s, 5m) unless `xlvs confirm` comes first, even if the daemon is killed meanwhile
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        confirm_within: Option<u32>,
        /// Print the API's value as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what `xlvs apply` would change; exit code 0 nothing, 2 something, 1 it cannot be applied
    Plan(plan::Typed),
    /// Take a configuration file over: whole, or not at all
    Apply(plan::Apply),
    /// Write keepalived.conf, or rules of ipvsadm, as xlvs.toml; name firewall rules that no longer act
    Convert(convert::Typed),
    /// Keep what is on trial (--confirm-within): the configuration and interfaces
    Confirm {
        /// Keep this interface alone
        interface: Option<String>,
        /// Print the API's value as JSON
        #[arg(long)]
        json: bool,
    },
    /// Go back to what was before the configuration on trial, at once
    RollBack {
        /// Print the API's value as JSON
        #[arg(long)]
        json: bool,
    },
    /// Detach the programs from an interface, or from all (which works without the daemon)
    Detach(Detach),
    /// Show or set IPVS's sysctls: all without a NAME; `xlvs sysctl conn_reuse_mode=0` sets one
    Sysctl {
        /// As in sysctl(8); `net.ipv4.vs.` before the name may be left out
        #[arg(value_name = "NAME[=VALUE]")]
        settings: Vec<String>,
        /// Print the API's value as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop the daemon: detach the programs and remove the maps
    Stop {
        /// Leave programs and maps as they are: traffic goes on without the daemon
        #[arg(long)]
        keep_forwarding: bool,
        /// Print the API's value as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make this host a real server of DR, TUN or FullNAT, look at it, or undo it
    RealServer(real_server::RealServer),
    /// Speak ipvsadm (also by a link to this program that is named ipvsadm)
    #[command(disable_help_flag = true)]
    Ipvsadm {
        /// What ipvsadm takes; -h lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// `xlvs run`
#[derive(Args, Debug)]
struct Run {
    /// Configuration: xlvs.toml by its ending, or keepalived.conf
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run although keepalived.conf asks for things that matter and are not done
    #[arg(long)]
    accept: bool,
    /// Interface to attach to, besides those the file names (may be repeated)
    #[arg(long = "interface", value_name = "IF")]
    interfaces: Vec<String>,
    /// Where to attach: auto, xdp, xdp-generic or tc; without it as the file says, else auto
    #[arg(long, value_name = "LANE")]
    lane: Option<LaneChoice>,
    /// Directory in a bpffs where maps and links are pinned; one is mounted there if there is none
    #[arg(long, value_name = "DIR", default_value = PIN_DIRECTORY)]
    pin_dir: PathBuf,
    /// Offer metrics for Prometheus by TCP: 127.0.0.1:9100, or "public ADDRESS:PORT" for other hosts
    #[arg(long, value_name = "ADDR")]
    metrics: Option<model::MetricsAddress>,
    /// Take hooks over from other programs, and run beside an active IPVS
    #[arg(long)]
    force: bool,
}

/// `xlvs doctor`
#[derive(Args, Debug)]
struct Doctor {
    /// Interfaces to look at, besides those attached; without a daemon and without names all
    #[arg(value_name = "IF")]
    interfaces: Vec<String>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// `xlvs top`
#[derive(Args, Debug)]
struct Top {
    /// Print what happens in one interval, and end
    #[arg(long)]
    once: bool,
    /// The same as JSON
    #[arg(long)]
    json: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
    interval: u32,
    /// What comes first
    #[arg(long, value_enum, default_value_t)]
    sort: top::Sort,
    /// Only services and servers whose address or name has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// `xlvs capture`
#[derive(Args, Debug)]
#[command(after_help = "FILTER is made of: host ADDRESS, net ADDRESS/BITS, port PORT, service ADDRESS:PORT, proto \
                        tcp|udp|icmp|sctp (or the name alone), drops (only what nobody got), all (what does not concern \
                        xlvs, too). All of them must hold, for the packet as it came or as it leaves; `and` may stand \
                        between them. At most four of host and net, of the others one of each. It ends with Ctrl-C, \
                        --count or --duration.")]
struct Capture {
    /// Only what comes in by this interface
    #[arg(short, long, value_name = "IF")]
    interface: Option<String>,
    /// End after N packets
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after S seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
    /// Write a pcapng file (- is standard output) instead of lines of text
    #[arg(short, long, value_name = "FILE")]
    write: Option<String>,
    /// Print one look at a packet a line, as JSON
    #[arg(long, conflicts_with = "write")]
    json: bool,
    /// Which packets
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

/// `xlvs explain`
#[derive(Args, Debug)]
struct Explain {
    /// Address and port of the client
    #[arg(value_name = "CLIENT:PORT", value_parser = endpoint)]
    client: std::net::SocketAddr,
    /// Address and port of the virtual service
    #[arg(value_name = "VIP:PORT", value_parser = endpoint)]
    service: std::net::SocketAddr,
    /// A UDP packet instead of the SYN of a TCP connection
    #[arg(long)]
    udp: bool,
    /// Print the API's value as JSON
    #[arg(long)]
    json: bool,
}

/// `xlvs conns`
#[derive(Args, Debug)]
struct Conns {
    /// Only to this virtual service
    #[arg(long, value_name = "VIP:PORT")]
    service: Option<std::net::SocketAddr>,
    /// Only from this client
    #[arg(long, value_name = "ADDRESS")]
    client: Option<std::net::IpAddr>,
    /// Only to this real server
    #[arg(long, value_name = "ADDRESS")]
    server: Option<std::net::IpAddr>,
    /// Only in this state (ESTABLISHED, SYN_RECV, TIME_WAIT, UDP and so on)
    #[arg(long)]
    state: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Follow them: a line for each that is new, has changed or is gone
    #[arg(long)]
    watch: bool,
    /// One connection a line, as JSON
    #[arg(long)]
    json: bool,
}

/// `xlvs detach`
#[derive(Args, Debug)]
struct Detach {
    /// Name of the interface
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    interface: Option<String>,
    /// All interfaces; without a daemon the pinned links and maps are removed
    #[arg(long)]
    all: bool,
    /// Where they are pinned
    #[arg(long, value_name = "DIR", default_value = PIN_DIRECTORY)]
    pin_dir: PathBuf,
    /// Print the API's value as JSON
    #[arg(long)]
    json: bool,
}

/// `xlvs ARGUMENTS`
pub(crate) fn run(program: &OsString, arguments: &[OsString]) -> ExitCode {
    match Line::try_parse_from(std::iter::once(program).chain(arguments)) {
        Ok(line) => line.verb.carry_out(),
        // 2 is what a plan says that changes something.
        Err(error) if arguments.first().is_some_and(|verb| verb == "plan") => said_by_clap(&error, output::failed),
        Err(error) => said_by_clap(&error, output::misused),
    }
}

impl Verb {
    fn carry_out(self) -> ExitCode {
        match self {
            Self::Run(run) => daemon::run(run),
            Self::Status { json } => ask::status(json),
            Self::Doctor(typed) => doctor::run(&typed),
            Self::Top(typed) => top::run(&typed),
            Self::Capture(typed) => capture::run(&typed),
            Self::Events { json } => events::run(json),
            Self::Explain(explain) => ask::explain(&explain),
            Self::List { json } => ask::list(json),
            Self::Conns(conns) => conns::run(&conns),
            Self::Attach { interface, lane, force, confirm_within, json } => {
                ask::ask(&Request::Attach { interface, force, lane, confirm_within }, json)
            }
            Self::Plan(typed) => plan::plan(&typed),
            Self::Apply(typed) => plan::apply(&typed),
            Self::Convert(typed) => convert::run(&typed),
            Self::RollBack { json } => ask::ask(&Request::RollBack, json),
            Self::Confirm { interface, json } => ask::ask(&Request::Confirm { interface }, json),
            Self::Detach(detach) => detach::run(detach),
            Self::Sysctl { settings, json } => sysctl::run(&settings, json),
            Self::Stop { keep_forwarding, json } => ask::stop(keep_forwarding, json),
            Self::RealServer(typed) => real_server::run(typed),
            Self::Ipvsadm { arguments } => crate::ipvsadm::run("xlvs ipvsadm", &arguments),
        }
    }
}

/// A length of time on the command line: "90s", "5m", or a number of seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.strip_suffix('m') {
        Some(digits) => (digits, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = digits.parse().ok().and_then(|count: u32| count.checked_mul(unit));
    seconds.filter(|seconds| (1..=86_400).contains(seconds)).ok_or_else(|| "write 60s or 5m, at most a day".to_owned())
}

/// An address with a port, as both ends of a packet have one.
fn endpoint(text: &str) -> Result<std::net::SocketAddr, String> {
    let bare: Option<std::net::IpAddr> = text.trim_matches(['[', ']']).parse().ok();
    text.parse().map_err(|_| match bare {
        Some(std::net::IpAddr::V4(address)) => format!("it has no port; write {address}:80"),
        Some(std::net::IpAddr::V6(address)) => format!("it has no port; write [{address}]:80"),
        None => "write an address and a port, such as 198.51.100.7:4000 or [2001:db8::7]:4000".to_owned(),
    })
}

/// Help and version are data; everything else that clap says is an error in the command line.
fn said_by_clap(error: &clap::Error, misused: fn(String) -> ExitCode) -> ExitCode {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::data(&text);
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::talk(text.trim_end());
            ExitCode::from(2)
        }
        _ => misused(format!("{} (`xlvs --help` lists what there is)", first_paragraph(&text))),
    }
}

/// clap says what is wrong in its first paragraph, over several lines at times, and its usage below.
fn first_paragraph(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let paragraph = lines.join(" ");
    paragraph.strip_prefix("error: ").map(str::to_owned).unwrap_or(paragraph)
}
