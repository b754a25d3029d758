//! Files of keepalived as operators write them, sound and otherwise.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use model::keepalived::{Document, Files, Translation};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files of one folder; a pattern is a name, or has one `*`.
struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.0.join(path)).map_err(|error| format!("cannot read {path}: {error}"))
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        let (start, end) = pattern.split_once('*').unwrap_or((pattern, ""));
        let fits = |name: &String| {
            name == pattern || (pattern.contains('*') && name.starts_with(start) && name.ends_with(end))
        };
        let folder = self.0.join(Path::new(pattern).parent().unwrap_or(Path::new("")));
        entries(&folder)
            .into_iter()
            .map(|name| Path::new(pattern).with_file_name(name).to_string_lossy().into_owned())
            .filter(fits)
            .collect()
    }
}

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keepalived").join(kind)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names = entries(folder);
    names.retain(|name| name.ends_with(".conf"));
    names
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(folder: &Path, name: &str) -> Result<Translation, String> {
    let document = Document::read(&Folder(folder.to_owned()), name, "lb1").map_err(|error| error.to_string())?;
    document.translate().map_err(|error| error.to_string())
}

#[test]
fn malformed_files_say_where_and_what_instead() {
    let folder = folder("malformed");
    let mut report = String::new();
    for name in names(&folder) {
        let error = read(&folder, &name).expect_err(&name);
        assert!(error.starts_with(&format!("{name}:")), "{error}");
        writeln!(report, "{error}").unwrap();
    }
    assert!(report.lines().count() >= 60);
    insta::assert_snapshot!("malformed", report);
}

#[test]
fn sound_files_mean_what_they_say() {
    let folder = folder("sound");
    let names = names(&folder);
    assert!(names.len() >= 20);
    for name in names {
        let translation = read(&folder, &name).unwrap();
        insta::assert_snapshot!(name.trim_end_matches(".conf"), outline(&translation));
    }
}

/// Written as xlvs.toml and read again it is the same configuration, or what is not the same is told.
#[test]
fn sound_files_are_written_as_xlvs_toml() {
    let folder = folder("sound");
    let (mut same, mut report) = (0, String::new());
    for name in names(&folder) {
        let mut config = read(&folder, &name).unwrap().into_config().0;
        // What is not done is said by notices.
        config.not_done.clear();
        let written = config.to_toml();
        let read = model::Config::parse_toml(&written.text, &name).unwrap();
        if written.omitted.is_empty() && written.differences.is_empty() {
            assert!(read == config, "{name}: another configuration, and nothing is told\n{}", written.text);
            same += 1;
        }
        for (key, why) in &written.omitted {
            // Lists of everything that is known grow.
            let why = why.split(" (supported: ").next().unwrap();
            writeln!(report, "{name}: not {key}: {why}").unwrap();
        }
        written.differences.iter().for_each(|it| writeln!(report, "{name}: {it}").unwrap());
    }
    insta::assert_snapshot!("written", format!("{same} are the same\n{report}"));
}

/// A value without what it does not say.
fn shown(value: &impl serde::Serialize) -> String {
    let mut value = serde_json::to_value(value).unwrap();
    tidy(&mut value);
    value.to_string()
}

fn tidy(value: &mut Value) {
    if let Value::Object(members) = value {
        members.values_mut().for_each(tidy);
        members.retain(|_, value| !matches!(value, Value::Null | Value::Bool(false)));
        // What keepalived.conf has no word for.
        members.retain(|name, value| !matches!((name.as_str(), value.as_str()), ("rise", _) | ("jitter", Some("0ns"))));
    }
    if let Value::Array(elements) = value {
        elements.iter_mut().for_each(tidy);
    }
    if let Some(Ok(time)) = value.get("secs").is_some().then(|| serde_json::from_value::<Duration>(value.clone())) {
        *value = format!("{time:?}").into();
    }
}

/// Everything of a translation, a line a thing.
fn outline(translation: &Translation) -> String {
    let mut text = String::new();
    for checked in &translation.services {
        let (service, health) = (&checked.service, &checked.health);
        writeln!(text, "{} {}", service.key, shown(&service.options)).unwrap();
        for (server, health) in service.servers.iter().zip(&health.servers) {
            writeln!(text, "  {}", shown(server)).unwrap();
            for check in &health.checks {
                writeln!(text, "    {}", shown(check)).unwrap();
            }
            let rest = (health.inhibit_on_failure, &health.notify_up, &health.notify_down);
            if rest != (false, &None, &None) {
                writeln!(text, "    {}", shown(&rest)).unwrap();
            }
        }
        let mut rest = health.clone();
        rest.servers.clear();
        writeln!(text, "  {}", shown(&rest)).unwrap();
    }
    writeln!(text, "{}", shown(&translation.timeouts)).unwrap();
    let kept: Vec<_> = translation.election.iter().map(|statement| statement.keyword()).collect();
    writeln!(text, "kept: {}", kept.join(" ")).unwrap();
    for notice in &translation.notices {
        writeln!(text, "{notice}").unwrap();
    }
    text
}
