//! Which checks are tried with which faults: each is a play of its own.

use super::super::Play;
use anyhow::{Context, Result};

/// Settings of all checks, in seconds: `delay_loop`, the time-out, `retry`, `delay_before_retry`.
const INTERVAL: f64 = 2.0;
const TIMEOUT: f64 = 2.0;
const RETRIES: f64 = 1.0;
const BETWEEN: f64 = 1.0;

/// A check with a fault.
pub(super) struct Trial {
    pub(super) check: &'static str,
    pub(super) fault: &'static str,
    /// The longest time that the settings allow, in seconds.
    pub(super) bound: f64,
    /// Makes everything well and starts; the fault; its end.
    pub(super) play: Play,
}

/// A kind of check.
struct Kind {
    name: &'static str,
    protocol: &'static str,
    port: u16,
    /// In a `real_server`; what comes of `timeouts` in it is [`TIMEOUT`].
    block: &'static str,
    /// Beside the service.
    definitions: &'static str,
    /// What makes everything well.
    well: &'static str,
    faults: &'static [Fault],
}

/// What goes wrong.
struct Fault {
    name: &'static str,
    begins: &'static str,
    /// None where what makes everything well does.
    ends: Option<&'static str>,
}

const REFUSES: Fault = Fault { name: "refuses", begins: "10.1.0.1:PORT refuses", ends: None };
const SILENT: Fault = Fault { name: "silent", begins: "10.1.0.1 vanishes", ends: Some("10.1.0.1 returns") };
const HANGS: Fault = Fault { name: "hangs", begins: "10.1.0.1:PORT hangs", ends: None };

const KINDS: &[Kind] = &[
    Kind {
        name: "TCP_CHECK",
        protocol: "TCP",
        port: 80,
        block: "TCP_CHECK {\nCONNECT\n}",
        definitions: "",
        well: "10.1.0.1:80 hangs",
        faults: &[REFUSES, SILENT],
    },
    Kind {
        name: "HTTP_GET",
        protocol: "TCP",
        port: 80,
        block: "HTTP_GET {\nCONNECT\nurl {\npath /\nstatus_code 200\n}\n}",
        definitions: "",
        well: "10.1.0.1:80 http 200 ok",
        faults: &[REFUSES, SILENT, HANGS],
    },
    Kind {
        name: "SSL_GET",
        protocol: "TCP",
        port: 443,
        block: "SSL_GET {\nCONNECT\nurl {\npath /\nstatus_code 200\n}\n}",
        definitions: "",
        well: "10.1.0.1:443 https 200 ok",
        faults: &[REFUSES, SILENT, HANGS],
    },
    Kind {
        name: "SMTP_CHECK",
        protocol: "TCP",
        port: 25,
        block: "SMTP_CHECK {\nCONNECT\n}",
        definitions: "",
        well: "10.1.0.1:25 smtp 220",
        faults: &[REFUSES, SILENT, HANGS],
    },
    Kind {
        name: "DNS_CHECK",
        protocol: "UDP",
        port: 53,
        block: "DNS_CHECK {\nCONNECT\ntype A\nname www.example.com\n}",
        definitions: "",
        well: "10.1.0.1:53 dns 0",
        faults: &[REFUSES, SILENT],
    },
    Kind {
        name: "UDP_CHECK",
        protocol: "UDP",
        port: 514,
        block: "UDP_CHECK {\nCONNECT\npayload 01\nrequire_reply 01\n}",
        definitions: "",
        well: "10.1.0.1:514 echoes",
        faults: &[REFUSES, SILENT],
    },
    Kind {
        name: "PING_CHECK",
        protocol: "TCP",
        port: 80,
        block: "PING_CHECK {\nCONNECT\n}",
        definitions: "",
        well: "wait",
        faults: &[SILENT],
    },
    Kind {
        name: "MISC_CHECK",
        protocol: "TCP",
        port: 80,
        block: "MISC_CHECK {\nmisc_path \"/bin/sh -c 'sleep $(cat /DIR/seconds); exit $(cat /DIR/code)'\"\nmisc_timeout TIMEOUT\nRETRY\n}",
        definitions: "",
        well: "file code 0\nfile seconds 0",
        faults: &[
            Fault { name: "fails", begins: "file code 1", ends: Some("file code 0") },
            Fault { name: "hangs", begins: "file seconds 60", ends: Some("file seconds 0") },
        ],
    },
    Kind {
        name: "FILE_CHECK",
        protocol: "TCP",
        port: 80,
        block: "FILE_CHECK {\ntrack_file state\nweight 0\n}",
        definitions: "track_file state {\nfile \"/DIR/state\"\nweight 0\n}\n",
        well: "file state 0",
        faults: &[Fault { name: "fails", begins: "file state 1", ends: None }],
    },
];

/// All of them.
pub(super) fn all() -> Result<Vec<Trial>> {
    KINDS.iter().flat_map(|kind| kind.faults.iter().map(|fault| kind.trial(fault))).collect()
}

impl Kind {
    fn trial(&self, fault: &Fault) -> Result<Trial> {
        let Self { name, protocol, port, definitions, well, .. } = self;
        let Fault { name: fault, begins, ends } = fault;
        let ends = ends.unwrap_or(well);
        let retry = format!("retry {RETRIES}\ndelay_before_retry {BETWEEN}\nwarmup 0");
        let connect = format!("connect_timeout {TIMEOUT}\n{retry}");
        let block = self.block.replace("CONNECT", &connect).replace("RETRY", &retry);
        let block = block.replace("TIMEOUT", &TIMEOUT.to_string());
        let begins = begins.replace("PORT", &port.to_string());
        let text = format!(
            "about {name}: {fault}\n== conf it\nglobal_defs {{\nrouter_id lab\n}}\n{definitions}\
             virtual_server 192.0.2.10 {port} {{\ndelay_loop {INTERVAL}\nlvs_sched rr\nlvs_method NAT\nprotocol {protocol}\n\
             real_server 10.1.0.1 {port} {{\nweight 1\n{block}\n}}\n}}\n== steps\n{well}\nstart it\n{begins}\n{ends}\n"
        );
        let play = Play::read(&format!("{name}-{fault}"), &text).with_context(|| text.clone())?;
        Ok(Trial { check: name, fault, bound: self.bound(), play })
    }

    fn bound(&self) -> f64 {
        // A file is there or not; nobody waits for it.
        let timeout = if self.name == "FILE_CHECK" { 0.0 } else { TIMEOUT };
        INTERVAL + timeout + RETRIES * (BETWEEN + timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_faults_and_its_bound() {
        let trials = all().unwrap();
        let of = |check: &str| trials.iter().filter(|trial| trial.check == check).count();
        assert_eq!((of("TCP_CHECK"), of("HTTP_GET"), of("PING_CHECK"), trials.len()), (2, 3, 1, 19));
        let bounds: Vec<f64> = trials.iter().map(|trial| trial.bound).collect();
        assert_eq!((bounds.first(), bounds.last()), (Some(&7.0), Some(&3.0)));
    }
}
