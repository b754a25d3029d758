//! Transcripts of many scenarios in one text, and what was recorded of the kernel's IPVS.

use super::{Transcript, folder};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const HEAD: &str = "=== ";

/// One transcript among others.
pub fn section(name: &str, transcript: &Transcript) -> String {
    format!("{HEAD}{name}\n{transcript}")
}

/// Transcripts by the names of their scenarios.
pub fn parse(text: &str) -> BTreeMap<String, Transcript> {
    let sections = text.split(HEAD).skip(1).filter_map(|section| section.split_once('\n'));
    sections.map(|(name, text)| (name.to_owned(), Transcript::parse(text))).collect()
}

/// Where recordings of the kernel are.
pub fn recordings() -> PathBuf {
    folder().join("kernel")
}

/// What was recorded of the kernel, by scenario.
pub fn recorded() -> Result<BTreeMap<String, Transcript>> {
    recorded_in(&recordings())
}

/// The same of a folder.
pub fn recorded_in(folder: &Path) -> Result<BTreeMap<String, Transcript>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        all.extend(parse(&fs::read_to_string(entry?.path())?));
    }
    Ok(all)
}

/// Replaces the recordings of the scenarios in `text`: a file for each, all its variants together.
pub fn record(text: &str, folder: &Path) -> Result<usize> {
    let transcripts = parse(text);
    ensure!(!transcripts.is_empty(), "nothing was recorded");
    fs::create_dir_all(folder)?;
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for (name, transcript) in &transcripts {
        let file = name.split('/').next().unwrap_or_default();
        files.entry(file).or_default().push_str(&section(name, transcript));
    }
    for (name, text) in &files {
        fs::write(folder.join(format!("{name}.txt")), text)?;
    }
    Ok(transcripts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_back() {
        let one = Transcript { steps: vec![("list".to_owned(), vec!["TCP V:80 rr".to_owned()])] };
        let text = section("a/4m", &one) + &section("b/6g", &Transcript::default());
        let parsed = parse(&text);
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed["a/4m"], one);
    }
}
