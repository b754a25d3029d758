//! Command lines of ipvsadm: any bytes, or words of its vocabulary in any order.

use arbitrary::{Arbitrary, Unstructured};
use nix::sched::{CloneFlags, unshare};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str),
    Words(Vec<Word<'a>>),
}

#[derive(Arbitrary, Debug)]
enum Word<'a> {
    Usual(u8),
    Number(u32),
    Endpoint([u8; 4], u16),
    Endpoint6([u16; 8], u16),
    Other(&'a str),
}

const USUAL: [&str; 64] = [
    "-A",
    "-E",
    "-D",
    "-a",
    "-e",
    "-d",
    "-C",
    "-L",
    "-l",
    "-Z",
    "-S",
    "-R",
    "-n",
    "-t",
    "-u",
    "-f",
    "-s",
    "-p",
    "-M",
    "-r",
    "-g",
    "-i",
    "-m",
    "-w",
    "-x",
    "-y",
    "-o",
    "-b",
    "-6",
    "-c",
    "--set",
    "--start-daemon",
    "--stop-daemon",
    "--mcast-interface",
    "--syncid",
    "--timeout",
    "--stats",
    "--rate",
    "--exact",
    "--sched-flags",
    "--pe",
    "sip",
    "--tun-type",
    "--tun-port",
    "--tun-csum",
    "--tun-nocsum",
    "--tun-remcsum",
    "ipip",
    "gue",
    "gre",
    "rr",
    "wrr",
    "wlc",
    "sh",
    "mh",
    "sh-port,sh-fallback",
    "mh-port",
    "mh-fallback",
    "master",
    "backup",
    "255.255.255.0",
    "eth0",
    "--sctp-service",
    "--nosort",
];

thread_local! {
    /// This thread is in a network namespace without any network: names are asked of nobody.
    static IS_ALONE: bool = unshare(CloneFlags::CLONE_NEWNET).is_ok();
}

pub(crate) fn run(data: &[u8]) {
    assert!(IS_ALONE.with(|alone| *alone), "a network namespace of its own needs root");
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    match input {
        // As a stream of `-R`: line by line.
        Input::Text(text) => text.lines().for_each(xlvs::law::check),
        Input::Words(words) => {
            xlvs::law::check(&words.iter().map(|word| word.text()).collect::<Vec<_>>().join(" "));
        }
    }
}

impl Word<'_> {
    fn text(&self) -> String {
        match self {
            Self::Usual(number) => {
                USUAL.get(usize::from(*number) % USUAL.len()).copied().unwrap_or_default().to_owned()
            }
            Self::Number(number) => number.to_string(),
            Self::Endpoint(address, port) => std::net::SocketAddr::from((*address, *port)).to_string(),
            Self::Endpoint6(address, port) => std::net::SocketAddr::from((*address, *port)).to_string(),
            Self::Other(text) => (*text).to_owned(),
        }
    }
}
