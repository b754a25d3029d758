//! Fuzz targets: functions of bytes that panic when a law is broken.
//!
//! `cargo xtask fuzz` runs them under libFuzzer, which looks for inputs that reach new code. What it found worth
//! keeping stands in `corpus/`, and `tests/corpus.rs` replays it as an ordinary test.

mod command;
mod configuration;
mod fullnat;
mod headers;
mod keepalived;
mod kernel;
mod named;
mod packets;
mod plan;
mod request;
mod ring;
mod story;
mod tunnels;

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What it holds to be true.
    pub law: &'static str,
    /// Loads BPF programs, or needs a namespace of its own.
    pub needs_root: bool,
    /// Panics when the law is broken.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "packets",
        law: "any sequence of packets: what leaves is valid, what does not leave is untouched, loads count exactly the \
              live connections, and nothing is left when all time-outs are over; by FullNAT no client's address leaves but in the \
              option that tells it, an answer finds back, and no two connections have one local place",
        needs_root: false,
        run: packets::run,
    },
    Target {
        name: "kernel",
        law: "the loaded programs and the host agree about any sequence of packets: action, bytes, counters, loads",
        needs_root: true,
        run: kernel::run,
    },
    Target {
        name: "headers",
        law: "a header read and written is the same, a built packet is parsed as it was built, an updated checksum is \
              a fresh one",
        needs_root: false,
        run: headers::run,
    },
    Target {
        name: "plan",
        law: "a plan leads from any state to any other, and then there is nothing left to do",
        needs_root: false,
        run: plan::run,
    },
    Target {
        name: "ring",
        law: "every slot of a scheduler's table names a server, and each server has its share",
        needs_root: false,
        run: ring::run,
    },
    Target {
        name: "keepalived",
        law: "keepalived.conf is services, each once and each with the health of its servers, or an error that names the place",
        needs_root: false,
        run: keepalived::run,
    },
    Target {
        name: "configuration",
        law: "xlvs.toml is a configuration that survives its JSON, or one line that names the place",
        needs_root: false,
        run: configuration::run,
    },
    Target {
        name: "command",
        law: "a command line of ipvsadm is an error with words, or an intent whose saved rules mean the same",
        needs_root: true,
        run: command::run,
    },
    Target {
        name: "request",
        law: "a request that is understood is written and read again as the same one",
        needs_root: false,
        run: request::run,
    },
    Target {
        name: "tunnels",
        law: "a real server takes whole tunnels of directors off and nothing else, and what is inside is what was put there",
        needs_root: false,
        run: tunnels::run,
    },
    Target {
        name: "named",
        law: "the client that an option names first is the one that is read; a datagram shown as its client's is valid, \
              and its answer finds back to the director",
        needs_root: false,
        run: named::run,
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
