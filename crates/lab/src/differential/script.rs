//! The language of scenarios; `crates/lab/differential/README.md` explains it.

use super::names::Party;
use anyhow::{Context, Result, bail, ensure};
use std::fs;

/// A scenario in one of its variants.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Name of its file without the end, and its variant: `rr/4m`.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// IPv6.
    pub(super) six: bool,
    pub(super) lines: Vec<Line>,
}

/// A line that is played.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) step: Step,
    pub(super) accepted: Vec<Accepted>,
}

/// A difference that is meant to be: the line of the kernel, the line of xlvs (none: `None`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Accepted {
    pub(super) kernel: Option<String>,
    pub(super) xlvs: Option<String>,
    pub(crate) reason: String,
}

impl Accepted {
    /// `REFEREE | XLVS | REASON`
    pub(crate) fn read(text: &str) -> Result<Self> {
        let parts: Vec<_> = text.split(" | ").map(str::trim).collect();
        let [kernel, xlvs, reason] = parts.as_slice() else { bail!("accept REFEREE | XLVS | REASON") };
        let line = |text: &str| (text != "-").then(|| text.to_owned());
        let accepted = Self { kernel: line(kernel), xlvs: line(xlvs), reason: (*reason).to_owned() };
        ensure!(accepted.kernel != accepted.xlvs && !reason.is_empty(), "nothing is accepted, or for no reason");
        Ok(accepted)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A command line, with names.
    Ipvsadm(Vec<String>),
    /// Lines for `ipvsadm -R`.
    Restore(Vec<String>),
    /// A sysctl of IPVS.
    Sysctl(String, String),
    Packets(Packets),
    /// A handshake, answered by whichever server was chosen.
    Open(Packets),
    /// Seconds.
    Wait(u64),
    List,
    Connections,
    Statistics,
}

/// Packets of one flow or several.
#[derive(Clone, Debug)]
pub(super) struct Packets {
    pub(super) from: Vec<(Party, u16)>,
    pub(super) to: (Party, u16),
    /// One each, for every flow.
    pub(super) kinds: Vec<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// With these flags.
    Tcp(u8),
    Udp,
}

/// Every scenario in every variant, by name.
pub fn load() -> Result<Vec<Scenario>> {
    let mut all = Vec::new();
    let mut files: Vec<_> = fs::read_dir(super::folder())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|end| end == "txt")) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(path)?;
        all.extend(read(&name, &text).with_context(|| path.display().to_string())?);
    }
    Ok(all)
}

/// A file in every variant it names.
fn read(name: &str, text: &str) -> Result<Vec<Scenario>> {
    let header = |word: &str| text.lines().find_map(|line| line.strip_prefix(word)).map(str::trim);
    let about = header("about ").context("no line `about …`")?;
    let variants = header("variants ").unwrap_or("4m").split_whitespace();
    variants.map(|variant| read_variant(name, about, variant, text)).collect()
}

fn read_variant(name: &str, about: &str, variant: &str, text: &str) -> Result<Scenario> {
    let (six, method) = match variant {
        "4m" => (false, "-m"),
        "4g" => (false, "-g"),
        "6m" => (true, "-m"),
        "6g" => (true, "-g"),
        _ => bail!("variant `{variant}`: there are 4m, 4g, 6m and 6g"),
    };
    let mut lines: Vec<Line> = Vec::new();
    for (number, raw) in text.lines().enumerate() {
        let place = || format!("line {}: {raw}", number + 1);
        let line = raw.replace("$method", method);
        let is_header = line.starts_with("about ") || line.starts_with("variants ");
        if line.trim().is_empty() || line.starts_with('#') || is_header {
            continue;
        }
        if let Some(rest) = line.trim().strip_prefix("accept ") {
            let last = lines.last_mut().with_context(place)?;
            last.accepted.extend(read_accepted(rest, variant).with_context(place)?);
        } else if line.starts_with(' ') {
            match lines.last_mut().map(|line| &mut line.step) {
                Some(Step::Restore(all)) => all.push(line.trim().to_owned()),
                _ => bail!("{}: an indented line belongs to `restore`", place()),
            }
        } else {
            let step = read_step(&line).with_context(place)?;
            lines.push(Line { text: line, step, accepted: Vec::new() });
        }
    }
    Ok(Scenario { name: format!("{name}/{variant}"), about: about.to_owned(), six, lines })
}

/// `VARIANTS | KERNEL | XLVS | REASON`
fn read_accepted(text: &str, variant: &str) -> Result<Option<Accepted>> {
    let (variants, rest) = text.split_once(" | ").context("accept VARIANTS | KERNEL | XLVS | REASON")?;
    let accepted = Accepted::read(rest)?;
    let concerned = variants == "*" || variants.split(',').any(|one| one == variant);
    Ok(concerned.then_some(accepted))
}

fn read_step(line: &str) -> Result<Step> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    Ok(match verb {
        "ipvsadm" => Step::Ipvsadm(rest.split_whitespace().map(str::to_owned).collect()),
        "restore" => Step::Restore(Vec::new()),
        "sysctl" => {
            let (name, value) = rest.split_once('=').context("sysctl NAME=VALUE")?;
            Step::Sysctl(name.to_owned(), value.to_owned())
        }
        "wait" => Step::Wait(rest.parse().context("wait SECONDS")?),
        "list" => Step::List,
        "connections" => Step::Connections,
        "statistics" => Step::Statistics,
        "open" => Step::Open(read_packets(&format!("{rest} S"))?),
        _ => Step::Packets(read_packets(line)?),
    })
}

/// `C1:4000+6 > V:80 S A`: of each of six ports a SYN and an ACK.
fn read_packets(text: &str) -> Result<Packets> {
    let mut words = text.split_whitespace();
    let (Some(from), Some(">"), Some(to)) = (words.next(), words.next(), words.next()) else {
        bail!("unknown step, and not FROM:PORT > TO:PORT WHAT either");
    };
    let to = read_ends(to)?;
    let [to] = to.as_slice() else { bail!("one destination") };
    let kinds = words.map(read_kind).collect::<Result<Vec<_>>>()?;
    ensure!(!kinds.is_empty(), "no packets: write flags such as S, A, FA, RA or -, or udp");
    Ok(Packets { from: read_ends(from)?, to: *to, kinds })
}

/// `C1:4000`, `C1:4000+6` (six ports), `C1+4:4000` (four clients).
fn read_ends(text: &str) -> Result<Vec<(Party, u16)>> {
    let (party, port) = text.split_once(':').context("NAME:PORT")?;
    let (party, parties) = counted(party)?;
    let (port, ports) = counted(port)?;
    let first = Party::by_name(party).with_context(|| format!("nobody is called {party}"))?;
    let parties: Vec<_> = Party::all().skip_while(|party| *party != first).take(parties).collect();
    let port: u16 = port.parse().context("port")?;
    let ports = port..port.checked_add(u16::try_from(ports)?).context("port")?;
    Ok(parties.into_iter().flat_map(|party| ports.clone().map(move |port| (party, port))).collect())
}

fn counted(text: &str) -> Result<(&str, usize)> {
    match text.split_once('+') {
        Some((first, count)) => Ok((first, count.parse().context("a number after +")?)),
        None => Ok((text, 1)),
    }
}

fn read_kind(text: &str) -> Result<Kind> {
    if text == "udp" {
        return Ok(Kind::Udp);
    }
    let bit = |letter| match letter {
        'F' => Ok(wire::TcpFlags::FIN),
        'S' => Ok(wire::TcpFlags::SYN),
        'R' => Ok(wire::TcpFlags::RST),
        'P' => Ok(wire::TcpFlags::PSH),
        'A' => Ok(wire::TcpFlags::ACK),
        '-' => Ok(0),
        other => bail!("`{other}` is no flag"),
    };
    text.chars().try_fold(0, |flags, letter| Ok(flags | bit(letter)?)).map(Kind::Tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_for_each_variant() {
        let text = "about rr\nvariants 4m 6g\nipvsadm -a -t V:80 -r S1:80 $method\nC1+2:4000+2 > V:80 S A\n  accept 4m | a | - | why\n";
        let all = read("x", text).unwrap();
        assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["x/4m", "x/6g"]);
        assert!(matches!(&all[1].lines[0].step, Step::Ipvsadm(words) if words.last().unwrap() == "-g"));
        let Step::Packets(packets) = &all[0].lines[1].step else { panic!() };
        let from =
            [(Party::Client(1), 4000), (Party::Client(1), 4001), (Party::Client(2), 4000), (Party::Client(2), 4001)];
        assert_eq!(packets.from, from);
        assert_eq!(packets.kinds, [Kind::Tcp(wire::TcpFlags::SYN), Kind::Tcp(wire::TcpFlags::ACK)]);
        assert_eq!((all[0].lines[1].accepted.len(), all[1].lines[1].accepted.len()), (1, 0));
    }

    #[test]
    fn every_scenario_can_be_read_and_has_addresses_of_its_own() {
        let all = load().unwrap();
        let addresses: std::collections::BTreeSet<_> = all
            .iter()
            .map(|one| super::super::names::Names::of(&one.name, one.six).address(Party::Virtual(0)))
            .collect();
        assert_eq!(addresses.len(), all.len(), "two scenarios share addresses; rename one");
    }
}
