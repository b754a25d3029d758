//! `xlvs capture`: the file of a capture as it grows, or one line for each look at a packet.

mod blocks;

use super::Capture;
use crate::output;
use crate::session::{Session, Trouble};
use api::CaptureRequest;
use blocks::{Block, Blocks};
use forward::capture::Ends;
use std::fs::File;
use std::io::{IsTerminal, Write, stdout};
use std::net::{IpAddr, Ipv6Addr};
use std::process::ExitCode;

/// Where the packets go.
enum Sink {
    /// As lines of text, to standard output.
    Lines,
    /// As lines of JSON.
    Json,
    /// As they are.
    File(Box<dyn Write>, String),
}

pub(super) fn run(typed: &Capture) -> ExitCode {
    let sink = match open(typed.write.as_deref(), typed.json) {
        Ok(sink) => sink,
        Err(error) => return output::misused(error),
    };
    let request = CaptureRequest {
        interface: typed.interface.clone(),
        filter: typed.filter.join(" "),
        count: typed.count,
        seconds: typed.duration,
    };
    // Said before the daemon loads anything.
    if let Err(error) = model::capture::parse(&request.filter) {
        return output::misused(error);
    }
    match capture(&request, sink) {
        Ok(code) => code,
        Err(trouble) => output::failed(trouble),
    }
}

fn open(path: Option<&str>, json: bool) -> Result<Sink, String> {
    match path {
        None if json => Ok(Sink::Json),
        None => Ok(Sink::Lines),
        Some("-") if stdout().is_terminal() => {
            Err("a capture is no text for a terminal; write -w FILE, or | wireshark -k -i -".to_owned())
        }
        Some("-") => Ok(Sink::File(Box::new(stdout()), "standard output".to_owned())),
        Some(path) => match File::create(path) {
            Ok(file) => Ok(Sink::File(Box::new(file), path.to_owned())),
            Err(error) => Err(format!("cannot write {path}: {error}")),
        },
    }
}

/// Reads to the end: that of the capture, of the reader of our output, or of the user's patience (Ctrl-C).
fn capture(request: &CaptureRequest, mut sink: Sink) -> Result<ExitCode, Trouble> {
    let session = Session::open()?;
    let mut stream = session.capture(request)?;
    output::talk(&begun(request));
    let mut blocks = Blocks::default();
    let (mut packets, mut summary) = (0_u64, None);
    let interrupted = loop {
        let piece = match session.wait(unless_interrupted(stream.piece())) {
            Some(Some(piece)) => piece,
            ended => break ended.is_none(),
        };
        if let Sink::File(file, name) = &mut sink
            && let Err(error) = file.write_all(&piece).and_then(|()| file.flush())
        {
            let broken = error.kind() == std::io::ErrorKind::BrokenPipe;
            return if broken {
                Ok(ExitCode::SUCCESS)
            } else {
                Err(Trouble::Confused(format!("cannot write {name}: {error}")))
            };
        }
        blocks.extend(&piece);
        while let Some(block) = blocks.next() {
            match block {
                Block::Packet(packet) => {
                    packets += u64::from(packet.arrived);
                    match sink {
                        Sink::Lines => output::data(&line(&packet)),
                        Sink::Json => output::data(&json(&packet)),
                        Sink::File(..) => {}
                    }
                }
                Block::Summary(text) => summary = Some(text),
                Block::Other => {}
            }
        }
    };
    if summary.is_none() && !interrupted {
        return Err(Trouble::Confused(format!("the daemon has gone; {} captured before", counted(packets))));
    }
    output::talk(&summary.unwrap_or_else(|| format!("{} captured", counted(packets))));
    Ok(ExitCode::SUCCESS)
}

/// `None` when the user ends it.
async fn unless_interrupted<T>(piece: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        piece = piece => Some(piece),
        _ = tokio::signal::ctrl_c() => None,
    }
}

fn counted(packets: u64) -> String {
    if packets == 1 { "1 packet".to_owned() } else { format!("{packets} packets") }
}

/// What is on from now on, and what ends it.
fn begun(request: &CaptureRequest) -> String {
    let mut ends = vec!["Ctrl-C".to_owned()];
    ends.extend(request.count.map(counted));
    ends.extend(request.seconds.map(|seconds| format!("{seconds} s")));
    let filter = request.filter.trim();
    let what = if filter.is_empty() { "every packet that concerns xlvs" } else { filter };
    let place = request.interface.as_ref().map(|name| format!(", coming in by {name}")).unwrap_or_default();
    format!("capturing: {what}{place}; ends with {}", ends.join(" or "))
}

/// One look at a packet as a line of JSON.
fn json(packet: &blocks::Packet) -> String {
    let ends = Ends::of_bytes(&packet.bytes);
    let value = serde_json::json!({
        "is": "packet",
        "time": packet.time,
        "interface": packet.interface,
        "way": if packet.arrived { "in" } else { "out" },
        "source": end(ends.source.0, ends.source_port.get()),
        "destination": end(ends.destination.0, ends.destination_port.get()),
        "protocol": ends.protocol,
        "bytes": packet.length,
        "verdict": packet.comment,
    });
    format!("{value}\n")
}

/// `12:34:56.000001 eth0 in 198.51.100.2:4000 > 203.0.113.10:80 tcp 74 bytes: forward_in -> …`
fn line(packet: &blocks::Packet) -> String {
    let ends = Ends::of_bytes(&packet.bytes);
    let way = if packet.arrived { "in " } else { "out" };
    let seconds = packet.time / 1_000_000_000;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let protocol = match ends.protocol {
        1 | 58 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        other => format!("protocol {other}"),
    };
    format!(
        "{hour:02}:{minute:02}:{second:02}.{:06} {} {way} {} > {} {protocol} {} bytes: {}\n",
        packet.time / 1000 % 1_000_000,
        packet.interface,
        end(ends.source.0, ends.source_port.get()),
        end(ends.destination.0, ends.destination_port.get()),
        packet.length,
        packet.comment
    )
}

fn end(address: [u64; 2], port: u16) -> String {
    let [high, low] = address.map(u64::to_ne_bytes);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high);
    bytes[8..].copy_from_slice(&low);
    let address = IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical();
    if port == 0 { address.to_string() } else { std::net::SocketAddr::new(address, port).to_string() }
}
