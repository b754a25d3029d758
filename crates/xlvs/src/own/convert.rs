//! `xlvs convert`: keepalived.conf, or rules of ipvsadm, as xlvs.toml; and rules of a firewall that no longer act.

use super::doctor::rulesets;
use crate::ipvsadm::{configuration, is_rules};
use crate::output;
use clap::Args;
use director::Reading;
use model::Config;
use model::config::Written;
use model::firewall::{Bypassed, bypassed};
use model::keepalived::{Notice, Severity};
use serde::Serialize;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `xlvs convert`
#[derive(Args, Debug)]
pub(super) struct Typed {
    /// keepalived.conf, or rules as `ipvsadm -Sn` prints them (- is standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write to this file, which must not be there yet, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out what is not done, and what xlvs.toml cannot say
    #[arg(long)]
    accept: bool,
    /// Rules of a firewall as iptables-save, ip6tables-save or `nft list ruleset` print them (may be repeated); without it
    /// those of this host
    #[arg(long, value_name = "FILE")]
    firewall: Vec<PathBuf>,
    /// Print the file and everything else as JSON
    #[arg(long)]
    json: bool,
}

/// A conversion as programs get it.
#[derive(Serialize)]
struct Conversion<'a> {
    is: &'static str,
    /// None when nothing is written.
    text: Option<&'a str>,
    notices: Vec<String>,
    left_out: &'a [String],
    firewall: &'a [Bypassed],
}

pub(super) fn run(typed: &Typed) -> ExitCode {
    convert(typed).map_or_else(output::failed, |()| ExitCode::SUCCESS)
}

fn convert(typed: &Typed) -> Result<(), String> {
    let (config, notices) = read(&typed.file)?;
    let written = config.to_toml();
    let left_out = left_out(&written);
    let bypassed = firewall(typed, &config)?;
    let is_whole = left_out.is_empty() && notices.iter().all(|notice| notice.severity == Severity::Cosmetic);
    let text = header(typed, &notices, &left_out) + &written.text;
    if !typed.json {
        notices.iter().for_each(|notice| output::talk(&notice.to_string()));
        left_out.iter().for_each(|line| output::talk(&format!("left out: {line}")));
    }
    let is_written = is_whole || typed.accept;
    if typed.json {
        let text = is_written.then_some(text.as_str());
        let notices = notices.iter().map(ToString::to_string).collect();
        let all = Conversion { is: "conversion", text, notices, left_out: &left_out, firewall: &bypassed };
        output::data(&(serde_json::to_string_pretty(&all).map_err(|error| error.to_string())? + "\n"));
    }
    if !is_written {
        return Err("nothing is written: say --accept to do without what is named here".to_owned());
    }
    match (&typed.output, typed.json) {
        (_, true) => {}
        (Some(path), false) => write(path, &text)?,
        (None, false) => output::data(&text),
    }
    if !typed.json {
        bypassed.iter().for_each(|rule| output::talk(&format!("firewall: {rule}")));
    }
    Ok(())
}

fn read(path: &Path) -> Result<(Config, Vec<Notice>), String> {
    if path.extension().is_some_and(|extension| extension == "toml") {
        return Err(format!("{} is xlvs.toml already; name keepalived.conf or rules of ipvsadm", path.display()));
    }
    let name = path.display();
    let text = text(path)?;
    if path == Path::new("-") || is_rules(&text) {
        return Ok((configuration(&text, &name.to_string())?, Vec::new()));
    }
    let reading = Reading::of(path, true).map_err(|error| error.to_string())?;
    Ok((reading.config, reading.notices))
}

fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // What is no text is told, with its place, by whoever reads it for good.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the file cannot say, one line each.
fn left_out(written: &Written) -> Vec<String> {
    let omitted = written.omitted.iter().map(|(key, why)| format!("service {key}: {why}"));
    omitted.chain(written.differences.iter().map(ToString::to_string)).collect()
}

fn header(typed: &Typed, notices: &[Notice], left_out: &[String]) -> String {
    let mut text = format!("# From {}, by xlvs convert.\n", typed.file.display());
    for line in notices.iter().map(Notice::unjudged).chain(left_out.iter().cloned()) {
        text += &format!("# left out: {}\n", line.replace(char::is_control, " "));
    }
    text + "#\n# Name the interfaces that packets come in by, here or by --interface:\n\
            # [director]\n# interfaces = [\"eth0\", \"eth1\"]\n\n"
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let file = File::options().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn firewall(typed: &Typed, config: &Config) -> Result<Vec<Bypassed>, String> {
    let rules: Vec<String> = if typed.firewall.is_empty() {
        rulesets()
    } else {
        typed.firewall.iter().map(|path| text(path)).collect::<Result<_, _>>()?
    };
    Ok(rules.iter().flat_map(|rules| bypassed(rules, config)).collect())
}
