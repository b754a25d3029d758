//! The language of plays; `crates/lab/keepalived/README.md` explains it.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::endpoint::Behaviour;
use crate::differential::Accepted;

/// A play: configurations by name, and what happens.
#[derive(Clone, Debug)]
pub struct Play {
    /// Name of its file without the end.
    pub name: String,
    /// What it is for.
    pub about: String,
    pub(super) configurations: BTreeMap<String, String>,
    pub(super) lines: Vec<Line>,
}

/// A step of a play.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) step: Step,
    /// How long is looked at what comes of it.
    pub(super) watch: Duration,
    pub(super) accepted: Vec<Accepted>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// An endpoint of a server behaves so from now on; `None`: it refuses.
    Endpoint(SocketAddr, Option<Behaviour>),
    /// This address of a server or of the director is gone (false), or there again (true).
    Address(IpAddr, bool),
    /// A file has this text; without one it is gone.
    File(String, Option<String>),
    /// The director begins, with this configuration.
    Start(String),
    /// It is told to read this configuration.
    Reload(String),
    /// It ends, and begins with this configuration.
    Restart(String),
    /// It is killed, and begins with this configuration.
    Crash(String),
    /// It ends.
    Stop,
    /// Nothing.
    Wait,
}

/// Every play, by name.
pub fn load() -> Result<Vec<Play>> {
    let mut files: Vec<_> = fs::read_dir(super::folder())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "play"));
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Play::read(&name, &fs::read_to_string(path)?).with_context(|| path.display().to_string())
    };
    files.iter().map(read).collect()
}

impl Play {
    /// `about TEXT`, then `== conf NAME` and a configuration, several times, then `== steps` and a step a line.
    pub(super) fn read(name: &str, text: &str) -> Result<Self> {
        let mut parts = text.split("\n== ");
        let about = parts.next().and_then(|head| head.trim().strip_prefix("about ")).context("no line `about …`")?;
        let mut this =
            Self { name: name.to_owned(), about: about.to_owned(), configurations: BTreeMap::new(), lines: Vec::new() };
        for part in parts {
            let (title, body) = part.split_once('\n').unwrap_or((part, ""));
            match title.split_once(' ') {
                Some(("conf", name)) => drop(this.configurations.insert(name.to_owned(), format!("{body}\n"))),
                None if title == "steps" => this.lines = read_steps(body)?,
                _ => bail!("`== {title}`: there are `== conf NAME` and `== steps`"),
            }
        }
        ensure!(!this.lines.is_empty(), "no steps");
        for line in &this.lines {
            if let Step::Start(name) | Step::Reload(name) | Step::Restart(name) | Step::Crash(name) = &line.step {
                ensure!(this.configurations.contains_key(name), "{}: no `== conf {name}`", line.text);
            }
        }
        Ok(this)
    }

    /// What comes of each step is looked at so many times as long.
    pub fn stretch(&mut self, times: u32) {
        self.lines.iter_mut().for_each(|line| line.watch *= times);
    }

    /// The differences that are accepted in it: step and reason.
    pub fn accepted(&self) -> impl Iterator<Item = (&str, &str)> {
        let of = |line: &'_ Line| line.accepted.len();
        let lines = self.lines.iter().filter(move |line| of(line) > 0);
        lines.flat_map(|line| line.accepted.iter().map(|it| (line.text.as_str(), it.reason.as_str())))
    }
}

fn read_steps(text: &str) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for raw in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some(rest) = raw.trim().strip_prefix("accept ") {
            let last = lines.last_mut().with_context(|| format!("{raw}: below no step"))?;
            last.accepted.push(Accepted::read(rest).with_context(|| raw.to_owned())?);
            continue;
        }
        let (words, seconds) = raw.rsplit_once(" for ").unwrap_or((raw, "0"));
        let seconds: f64 = seconds.parse().with_context(|| format!("{raw}: `for SECONDS`"))?;
        let step = read_step(words).with_context(|| raw.to_owned())?;
        let watch = Duration::try_from_secs_f64(seconds)?;
        lines.push(Line { text: words.to_owned(), step, watch, accepted: Vec::new() });
    }
    Ok(lines)
}

fn read_step(text: &str) -> Result<Step> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let configuration = || rest.to_owned();
    Ok(match first {
        "start" => Step::Start(configuration()),
        "reload" => Step::Reload(configuration()),
        "restart" => Step::Restart(configuration()),
        "crash" => Step::Crash(configuration()),
        "stop" => Step::Stop,
        "wait" => Step::Wait,
        "file" => match rest.split_once(' ') {
            Some((name, text)) => Step::File(name.to_owned(), Some(text.to_owned())),
            None => Step::File(rest.to_owned(), None),
        },
        server => match (server.parse(), server.parse()) {
            (Ok(endpoint), _) if rest == "refuses" => Step::Endpoint(endpoint, None),
            (Ok(endpoint), _) => Step::Endpoint(endpoint, Some(Behaviour::read(rest)?)),
            (_, Ok(address)) if rest == "vanishes" => Step::Address(address, false),
            (_, Ok(address)) if rest == "returns" => Step::Address(address, true),
            _ => bail!("no step begins so"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_play_is_read() {
        let text = "about servers\n\n== conf one\nx {\n}\n== steps\n# first\n10.1.0.1:80 http 200 ok\nstart one for 1.5\n  \
                    accept a | - | why\n10.1.0.1 vanishes\n";
        let play = Play::read("x", text).unwrap();
        assert_eq!((play.about.as_str(), play.configurations["one"].as_str()), ("servers", "x {\n}\n"));
        assert_eq!(play.lines[1].step, Step::Start("one".to_owned()));
        assert_eq!((play.lines[1].watch, play.accepted().count()), (Duration::from_millis(1500), 1));
        assert!(Play::read("x", &text.replace("start one", "start two")).is_err());
        assert!(Play::read("x", &text.replace("vanishes", "sleeps")).is_err());
    }

    #[test]
    fn every_play_can_be_read() {
        assert!(load().unwrap().len() >= 10);
    }
}
