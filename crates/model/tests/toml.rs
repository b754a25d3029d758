//! Files of xlvs.toml that are wrong: each is told with its line and what to write instead.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use model::Config;
use std::fmt::Write as _;

/// Files, a line of `====` between them.
const MALFORMED: &str = include_str!("toml/malformed.txt");

#[test]
fn malformed_files_say_where_and_what_instead() {
    let mut report = String::new();
    let files: Vec<&str> = MALFORMED.split("\n====\n").collect();
    assert!(files.len() >= 60);
    for text in &files {
        let error = Config::parse_toml(text, "xlvs.toml").expect_err(text);
        assert!(error.line >= 1 && error.line <= text.lines().count() + 1, "{error}\n{text}");
        let message = error.to_string();
        assert!(message.starts_with("xlvs.toml:") && message.lines().count() == 1, "{message}");
        // Lists of everything that is known grow.
        let cuts = ["(known: ", "; known: ", "(supported: ", "write one of ", "there are "].iter();
        let end = cuts.filter_map(|cut| Some(message.find(cut)? + cut.len())).min().unwrap_or(message.len());
        let message = &message[..end];
        writeln!(report, "{}\n  {message}", text.lines().nth(error.line - 1).unwrap_or("")).unwrap();
    }
    insta::assert_snapshot!("malformed", report);
}
