//! Pages of HTTP checks.

use crate::config::error::Fault;
use crate::config::table::{Keys, Table, Value};
use crate::health::{BodyMatch, Page};

const PAGE: Keys = Keys { place: "a page", known: &["path", "host", "status", "digest", "body"], planned: &[] };
const BODY: Keys = Keys { place: "`body`", known: &["regex", "inverted", "options", "first", "last"], planned: &[] };
const EXAMPLE: &str = "\"/health\" or { path = \"/health\", status = [200] }";
const STATUS_EXAMPLE: &str = "status = [\"200-299\", 304]";

/// What is good unless it is said: as keepalived has it.
const GOOD: (u16, u16) = (200, 299);

/// One page or several: paths, or tables that say more.
pub(super) fn read_list(value: &Value<'_>) -> Result<Vec<Page>, Fault> {
    if !value.is_array() {
        return Ok(vec![read(value)?]);
    }
    let pages: Vec<Page> = value.array(EXAMPLE)?.iter().map(read).collect::<Result<_, _>>()?;
    if pages.is_empty() {
        return Err(value.fault(format!("a check of no page; write {EXAMPLE}")));
    }
    Ok(pages)
}

/// The page of a path.
pub(super) fn of(path: &str) -> Page {
    Page { path: path.to_owned(), host: None, status: vec![GOOD], digest: None, body: None }
}

fn read(value: &Value<'_>) -> Result<Page, Fault> {
    if !value.is_table() {
        return Ok(of(path(value)?));
    }
    let table = value.table(&PAGE)?;
    let Some(named) = table.get("path") else {
        return Err(Fault::at(table.offset, format!("a page needs `path`; write {EXAMPLE}")));
    };
    let host = table.get("host").map(|value| host(&value)).transpose()?;
    let status = table.get("status").map_or(Ok(vec![GOOD]), |value| read_status(&value))?;
    let digest = table.get("digest").map(|value| read_digest(&value)).transpose()?;
    let body = table.get("body").map(|value| read_body(&value)).transpose()?;
    Ok(Page { host, status, digest, body, ..of(path(&named)?) })
}

fn path<'t>(value: &Value<'t>) -> Result<&'t str, Fault> {
    let path = value.string(EXAMPLE)?;
    let strange = |letter: char| letter.is_whitespace() || letter.is_control();
    if !path.starts_with('/') || path.contains(strange) {
        let shown = path.escape_debug();
        return Err(value.fault(format!("`{shown}` is no path of a page: it begins with / and has no spaces")));
    }
    Ok(path)
}

pub(super) fn host(value: &Value<'_>) -> Result<String, Fault> {
    let host = value.string("host = \"www.example.org\"")?;
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(value.fault(format!("`{}` is no name of a host", host.escape_debug())));
    }
    Ok(host.to_owned())
}

/// `[200, "300-304"]`
fn read_status(list: &Value<'_>) -> Result<Vec<(u16, u16)>, Fault> {
    let ranges: Vec<_> = list.array(STATUS_EXAMPLE)?.iter().map(range).collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        return Err(list.fault(format!("no status is good; write {STATUS_EXAMPLE}")));
    }
    Ok(ranges)
}

fn range(value: &Value<'_>) -> Result<(u16, u16), Fault> {
    if value.is_number() {
        let code = value.number(100, 999)? as u16;
        return Ok((code, code));
    }
    let text = value.string(STATUS_EXAMPLE)?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| text.trim().parse().ok().filter(|code| (100..=999).contains(code));
    match (code(first), code(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (Some(first), Some(last)) => {
            Err(value.fault(format!("`{text}` ends before it begins; write \"{last}-{first}\"")))
        }
        _ => {
            let shown = text.escape_debug();
            Err(value.fault(format!("`{shown}` is no range of status codes from 100 to 999; write {STATUS_EXAMPLE}")))
        }
    }
}

fn read_digest(value: &Value<'_>) -> Result<String, Fault> {
    let text = value.string("digest = \"d41d8cd98f00b204e9800998ecf8427e\"")?;
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    let shown = text.escape_debug();
    Err(value.fault(format!("`{shown}` is no MD5 sum; write the 32 hexadecimal digits that `md5sum` prints")))
}

/// `"all well"`, or `{ regex = "error", inverted = true }`
fn read_body(value: &Value<'_>) -> Result<BodyMatch, Fault> {
    const REGEX: &str = "body = \"all well\"";
    if !value.is_table() {
        let body = BodyMatch { pattern: value.string(REGEX)?.to_owned(), ..BodyMatch::default() };
        return compiled(body, value);
    }
    let table = value.table(&BODY)?;
    let Some(pattern) = table.get("regex") else {
        return Err(Fault::at(table.offset, format!("`body` needs `regex`; write {REGEX}")));
    };
    let offset = |key| table.get(key).map(|value| value.number(0, u32::MAX)).transpose();
    let body = BodyMatch {
        pattern: pattern.string(REGEX)?.to_owned(),
        inverted: table.get("inverted").map_or(Ok(false), |value| value.boolean())?,
        options: read_options(&table)?,
        first: offset("first")?.unwrap_or(0) as usize,
        last: offset("last")?.map(|last| last as usize),
        ..BodyMatch::default()
    };
    compiled(body, &pattern)
}

fn read_options(table: &Table<'_>) -> Result<Vec<String>, Fault> {
    const EXAMPLE: &str = "options = [\"caseless\"]";
    let Some(list) = table.get("options") else { return Ok(Vec::new()) };
    let option = |value: &Value<'_>| {
        let name = value.string(EXAMPLE)?;
        if !BodyMatch::OPTIONS.contains(&name) {
            let (shown, known) = (name.escape_debug(), BodyMatch::OPTIONS.join(", "));
            return Err(value.fault(format!("unknown option `{shown}`; there are {known}")));
        }
        Ok(name.to_owned())
    };
    list.array(EXAMPLE)?.iter().map(option).collect()
}

fn compiled(body: BodyMatch, place: &Value<'_>) -> Result<BodyMatch, Fault> {
    match body.regex().map(drop) {
        Ok(_) if body.pattern.is_empty() => {
            Err(place.fault("an empty regular expression matches everything; remove it"))
        }
        Ok(_) => Ok(body),
        Err(why) => Err(place.fault(format!(
            "this regular expression is not understood: {why}; look-around and back-references are not known"
        ))),
    }
}
