//! keepalived.conf of any content.

use model::keepalived::{Document, Files};
use std::collections::BTreeSet;

const FILE: &str = "keepalived.conf";

/// The one file there is; it can include itself.
struct Only<'a>(&'a str);

impl Files for Only<'_> {
    fn read(&self, _: &str) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        if pattern == FILE { vec![FILE.to_owned()] } else { Vec::new() }
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Document::read(&Only(text), FILE, "lb1").and_then(|document| document.translate()) {
        Ok(translation) => {
            let mut keys = BTreeSet::new();
            for checked in &translation.services {
                assert!(keys.insert(checked.service.key), "{} is there twice", checked.service.key);
                assert_eq!(checked.service.servers.len(), checked.health.servers.len(), "{}", checked.service.key);
            }
            translation.notices.iter().for_each(|notice| check_line(&notice.to_string(), text));
        }
        Err(error) => check_line(&error.to_string(), text),
    }
}

/// A message names a line that is there, and is one line.
fn check_line(message: &str, text: &str) {
    assert!(!message.contains(char::is_control), "control letters: {message:?}");
    let rest = message.strip_prefix(FILE).and_then(|rest| rest.strip_prefix(':'));
    let line = rest.and_then(|rest| rest.split(':').next()?.parse().ok());
    let line: usize = line.unwrap_or_else(|| panic!("no place: {message}"));
    assert!((1..=text.lines().count().max(1)).contains(&line), "no such line: {message}");
}
