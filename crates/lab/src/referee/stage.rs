//! A performance: the director of a play among its servers, and what is seen of it.

use super::director::{Director, Side};
use super::judge;
use super::play::{Line, Play, Step};
use super::scene::Scene;
use super::table::Table;
use crate::differential::Transcript;
use crate::evidence;
use crate::network::Network;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);
/// How much longer is waited for what keepalived did, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing has changed at the end of a step: programs of one decision may come late.
const REST: Duration = Duration::from_millis(800);
/// What stands for the directory of the play in its configurations.
const DIRECTORY: &str = "/DIR";

/// A director and its servers.
pub struct Stage {
    director: Director,
    scene: Scene,
    directory: PathBuf,
    /// What was seen last.
    glance: String,
    table: Table,
    lines_of_hooks: usize,
    name: String,
}

impl Stage {
    /// Builds it in a network that is there already; nothing runs yet.
    pub fn new(network: &Network, side: Side, play: &Play, number: usize) -> Result<Self> {
        let (scene, host) = Scene::build(network, number)?;
        let directory = network.work().path().join(format!("{}-{number}", play.name));
        fs::create_dir_all(&directory)?;
        write_hook(&directory)?;
        let director = Director::new(side, &host, &format!("director-{number}"), "d", network.work())?;
        Ok(Self {
            director,
            scene,
            directory,
            glance: String::new(),
            table: Table::default(),
            lines_of_hooks: 0,
            name: play.name.clone(),
        })
    }

    /// Performs a play from beginning to end. Where it is known what shall be seen, more time is given for it.
    pub fn perform(&mut self, play: &Play, expected: Option<&Transcript>) -> Result<Transcript> {
        let mut transcript = Transcript::default();
        for (number, line) in play.lines.iter().enumerate() {
            let wanted =
                expected.and_then(|expected| expected.steps.get(number)).map(|(_, seen)| judge::wanted(line, seen));
            let done = self.step(play, &line.step).with_context(|| format!("{}: {}", play.name, line.text));
            let seen = done.and_then(|seen| self.watch(line, seen, wanted.as_deref()));
            match seen {
                Ok(seen) => transcript.steps.push((line.text.clone(), seen)),
                Err(error) => {
                    evidence::write_text(&format!("{}.log", self.name), &self.director.log());
                    return Err(error);
                }
            }
        }
        // In a guest no file stays.
        if std::env::var_os("XLVS_REFEREE_LOGS").is_some() {
            eprintln!("{}:\n{}", self.name, self.director.log());
        }
        Ok(transcript)
    }

    /// Looks until so many servers are in the table.
    pub(super) fn wait_for_servers(&mut self, count: usize, patience: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            self.look()?;
            if self.table.servers() == count {
                return Ok(());
            }
            ensure!(begin.elapsed() < patience, "still {} servers instead of {count}", self.table.servers());
            sleep(LOOK);
        }
    }

    /// Does what a step says; gives what happened before it was done.
    pub(super) fn step(&mut self, play: &Play, step: &Step) -> Result<Vec<String>> {
        let configuration = |name: &String| {
            let text = play.configurations.get(name).context("no such configuration")?;
            Ok::<_, anyhow::Error>(text.replace(DIRECTORY, &self.directory.display().to_string()))
        };
        match step {
            Step::Endpoint(endpoint, behaviour) => self.scene.set_endpoint(*endpoint, behaviour.as_ref())?,
            Step::Address(address, there) => self.scene.set_address(*address, *there)?,
            Step::File(name, Some(text)) => fs::write(self.directory.join(name), format!("{text}\n"))?,
            Step::File(name, None) => fs::remove_file(self.directory.join(name))?,
            Step::Start(name) => self.director.start(&configuration(name)?)?,
            Step::Reload(name) => self.director.reload(&configuration(name)?)?,
            Step::Restart(name) => {
                let text = configuration(name)?;
                self.director.stop()?;
                let seen = self.look()?;
                self.director.start(&text)?;
                return Ok(seen);
            }
            Step::Crash(name) => {
                let text = configuration(name)?;
                self.director.crash()?;
                self.director.start(&text)?;
            }
            Step::Stop => self.director.stop()?,
            Step::Wait => {}
        }
        Ok(Vec::new())
    }

    /// Everything that changes while the step is looked at, until nothing has changed for a while.
    fn watch(&mut self, line: &Line, done: Vec<String>, wanted: Option<&[String]>) -> Result<Vec<String>> {
        let mut seen: Vec<String> = done.iter().map(|what| judge::line(what, 0.0)).collect();
        let (begin, mut changed) = (Instant::now(), Instant::now());
        while !line.watch.is_zero() {
            let news = self.look()?;
            let elapsed = begin.elapsed();
            seen.extend(news.iter().map(|what| judge::line(what, elapsed.as_secs_f64())));
            if !news.is_empty() {
                changed = Instant::now();
            }
            let over = wanted.is_none_or(|wanted| judge::is_complete(wanted, &seen)) && changed.elapsed() > REST;
            if elapsed > line.watch && (over || elapsed > line.watch + PATIENCE) {
                break;
            }
            sleep(LOOK);
        }
        Ok(seen)
    }

    /// What is other than it was.
    fn look(&mut self) -> Result<Vec<String>> {
        let glance = self.director.glance();
        let mut news = Vec::new();
        if glance != self.glance {
            self.glance = glance;
            let table = self.director.table();
            news = table.since(&self.table);
            self.table = table;
        }
        let hooks = fs::read_to_string(self.directory.join("hooks")).unwrap_or_default();
        // A line that is still being written has no end.
        let whole = hooks.rfind('\n').map_or("", |end| hooks.get(..end).unwrap_or_default());
        let lines: Vec<&str> = whole.lines().collect();
        ensure!(lines.len() >= self.lines_of_hooks, "lines of hooks are gone");
        news.extend(lines.iter().skip(self.lines_of_hooks).map(|line| format!("hook {line}")));
        self.lines_of_hooks = lines.len();
        Ok(news)
    }
}

/// Every script of a play: writes its arguments down.
fn write_hook(directory: &std::path::Path) -> Result<()> {
    let hook = directory.join("hook");
    fs::write(&hook, format!("#!/bin/sh\necho \"$*\" >>{}/hooks\n", directory.display()))?;
    let exit = directory.join("exit");
    fs::write(&exit, format!("#!/bin/sh\nexit $(cat {}/$1)\n", directory.display()))?;
    for script in [hook, exit] {
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
