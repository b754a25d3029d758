//! Programs with their arguments.

use crate::config::error::Fault;
use crate::config::table::{Keys, Table, Value};
use crate::health::Script;

const SCRIPT: Keys = Keys { place: "a program", known: &["command", "user", "group"], planned: &[] };
const EXAMPLE: &str = "[\"/usr/local/bin/notify\", \"argument\"]";

/// `["/usr/local/bin/notify", "argument"]`, or `{ command = […], user = "nobody" }`
pub(super) fn read(value: &Value<'_>) -> Result<Script, Fault> {
    if !value.is_table() {
        return Ok(Script { words: words(value)?, user: None, group: None });
    }
    of(&value.table(&SCRIPT)?)
}

/// The program of a table that may say more.
pub(super) fn of(table: &Table<'_>) -> Result<Script, Fault> {
    let Some(command) = table.get("command") else {
        return Err(Fault::at(table.offset, format!("a program needs `command`; write command = {EXAMPLE}")));
    };
    let text = |key, example| table.get(key).map(|value| value.string(example).map(str::to_owned)).transpose();
    let (user, group) = (text("user", "user = \"nobody\"")?, text("group", "group = \"nogroup\"")?);
    if let (None, Some(value)) = (&user, table.get("group")) {
        return Err(value.fault("`group` without `user`; write that, too"));
    }
    Ok(Script { words: words(&command)?, user, group })
}

fn words(value: &Value<'_>) -> Result<Vec<String>, Fault> {
    let list = value.array(EXAMPLE)?;
    let words: Vec<String> =
        list.iter().map(|word| word.string(EXAMPLE).map(str::to_owned)).collect::<Result<_, _>>()?;
    match words.first() {
        Some(program) if program.starts_with('/') => {}
        Some(program) => {
            let shown = program.escape_debug();
            return Err(value.fault(format!("`{shown}` is not the whole path of a program; write {EXAMPLE}")));
        }
        None => return Err(value.fault(format!("no program is named; write {EXAMPLE}"))),
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(value.fault("no argument of a program can hold a zero byte; remove it"));
    }
    Ok(words)
}
