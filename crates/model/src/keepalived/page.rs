//! `url { … }` of HTTP_GET and SSL_GET.

use super::Statement;
use super::value::number;
use crate::ConfigError;
use crate::health::{BodyMatch, Page};

/// What keepalived takes for good unless told otherwise.
const GOOD: (u16, u16) = (200, 299);

pub(super) fn read(statement: &Statement) -> Result<Page, ConfigError> {
    let mut page = Page { path: String::new(), host: None, status: Vec::new(), digest: None, body: None };
    for inner in statement.statements() {
        take(&mut page, inner)?;
    }
    if page.path.is_empty() {
        return Err(statement.fault("`url` needs `path` in its braces; write path /"));
    }
    if page.body.as_ref().is_some_and(|body| body.pattern.is_empty()) {
        return Err(statement.fault("settings of a regular expression without one; write `regex` too"));
    }
    if let Some(Err(why)) = page.body.as_ref().map(BodyMatch::regex) {
        let regex = statement.statements().iter().find(|inner| inner.keyword() == "regex").unwrap_or(statement);
        let message =
            format!("this regular expression is not understood: {why}; look-around and back-references are not known");
        return Err(regex.fault(message));
    }
    if page.status.is_empty() {
        page.status.push(GOOD);
    }
    Ok(page)
}

fn take(page: &mut Page, statement: &Statement) -> Result<(), ConfigError> {
    match statement.keyword() {
        "path" => page.path = statement.only("a path")?.to_owned(),
        "virtualhost" => page.host = Some(statement.only("a host name")?.to_owned()),
        "digest" => page.digest = Some(digest(statement)?),
        "status_code" => page.status = status(statement)?,
        "regex" => page.body.get_or_insert_default().pattern = statement.only("a regular expression")?.to_owned(),
        "regex_no_match" => page.body.get_or_insert_default().inverted = statement.switch()?,
        "regex_options" => page.body.get_or_insert_default().options = options(statement)?,
        "regex_min_offset" => page.body.get_or_insert_default().first = statement.number(0, usize::MAX)?,
        "regex_max_offset" => page.body.get_or_insert_default().last = Some(statement.number(0, usize::MAX)?),
        // Memory of an engine that is not ours.
        "regex_stack" => {}
        other => {
            let message =
                format!("`{other}` is no setting of a url; it knows path, virtualhost, digest, status_code and regex");
            return Err(statement.fault(message));
        }
    }
    Ok(())
}

/// Options of PCRE2 that do something here, or that change nothing.
fn options(statement: &Statement) -> Result<Vec<String>, ConfigError> {
    const NOTHING: [&str; 6] =
        ["never_ucp", "never_utf", "no_auto_possess", "no_dotstar_anchor", "no_start_optimize", "utf"];
    let mut options = Vec::new();
    for name in statement.arguments().filter(|name| !NOTHING.contains(name)) {
        if !BodyMatch::OPTIONS.contains(&name) {
            let known = BodyMatch::OPTIONS.join(", ");
            return Err(statement.fault_at(name, format!("the option `{name}` is not supported; there are {known}")));
        }
        options.push(name.to_owned());
    }
    Ok(options)
}

fn digest(statement: &Statement) -> Result<String, ConfigError> {
    let text = statement.only("an MD5 sum")?;
    if text.len() == 32 && text.chars().all(|letter| letter.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(statement.fault_at(text, format!("`{text}` is no MD5 sum; write the 32 hexadecimal digits of `md5sum`")))
}

/// Codes and ranges of codes.
fn status(statement: &Statement) -> Result<Vec<(u16, u16)>, ConfigError> {
    let ranges: Vec<_> = statement
        .arguments()
        .map(|text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (number(statement, first, 100, 999)?, number(statement, last, 100, 999)?);
            if first > last {
                return Err(statement.fault_at(text, format!("`{text}` ends before it begins; write {last}-{first}")));
            }
            Ok((first, last))
        })
        .collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        return Err(statement.fault("`status_code` needs codes behind it, such as 200 or 200-299"));
    }
    Ok(ranges)
}
