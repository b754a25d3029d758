//! What the real ipvsadm 1.31 said on a real IPVS: command lines in the order they were typed, and their answers.
//!
//! A recorded line is `$ COMMAND`, then its output behind `out|`, its errors behind `err|`, and `exit CODE`.

use super::Said;

/// The recordings: what one would type first, then every option with every command.
pub(crate) const ERRORS: &str = include_str!("../goldens/ipvsadm-errors.txt");
pub(crate) const OPTIONS: &str = include_str!("../goldens/ipvsadm-options.txt");

/// Every command line and what was said to it.
pub(crate) fn recorded(recording: &str) -> Vec<(String, Said)> {
    let mut cases: Vec<(String, Said)> = Vec::new();
    for line in recording.lines().filter(|line| !line.starts_with('#')) {
        if let Some(command) = line.strip_prefix("$ ") {
            cases.push((command.to_owned(), Said { out: String::new(), err: String::new(), code: 0 }));
            continue;
        }
        let said = &mut cases.last_mut().unwrap().1;
        if let Some(out) = line.strip_prefix("out|") {
            said.out += &format!("{out}\n");
        } else if let Some(err) = line.strip_prefix("err|") {
            said.err += &format!("{err}\n");
        } else {
            said.code = line.strip_prefix("exit ").unwrap().parse().unwrap();
        }
    }
    cases
}
