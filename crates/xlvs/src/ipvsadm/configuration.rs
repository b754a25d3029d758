//! Rules as `ipvsadm -S` prints them, as a configuration: what `ipvsadm -R` would make of an empty table.

use super::failure::Failure;
use super::intent::Intent;
use super::restore::words;
use api::Request;
use model::{Config, Key, RealServer, ServiceOptions, VirtualService};

/// True for the text of rules.
pub(crate) fn is_rules(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| line.starts_with('-') || line.starts_with("ipvsadm "))
}

/// The configuration, or the first line that cannot be part of one.
pub(crate) fn configuration(text: &str, file: &str) -> Result<Config, String> {
    let mut config = Config::default();
    for (number, line) in text.lines().enumerate() {
        let words = words(line, "ipvsadm");
        if words.is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        carry_out(&words, &mut config).map_err(|why| format!("{file}:{}: {why}", number + 1))?;
    }
    Ok(config)
}

fn carry_out(words: &[String], config: &mut Config) -> Result<(), String> {
    let said = |failure: Failure| failure.remedy.unwrap_or(failure.message).trim_end().to_owned();
    match Intent::parse(words, "ipvsadm").map_err(said)? {
        Intent::Change { request: Request::AddService { key, options }, .. } => add_service(key, options, config),
        Intent::Change { request: Request::AddServer { service, server }, .. } => add_server(service, server, config),
        Intent::NobodyKnows { .. } => Err(Failure::nobody_knows().message.trim_end().to_owned()),
        _ => Err("only -A and -a make a table; remove the line".to_owned()),
    }
}

fn add_service(key: Key, options: ServiceOptions, config: &mut Config) -> Result<(), String> {
    if config.services.iter().any(|service| service.key == key) {
        return Err(format!("service {key} is there already; remove the line"));
    }
    config.services.push(VirtualService { key, options, servers: Vec::new() });
    Ok(())
}

fn add_server(key: Key, server: RealServer, config: &mut Config) -> Result<(), String> {
    let Some(service) = config.services.iter_mut().find(|service| service.key == key) else {
        return Err(format!("there is no service {key} before this line; add it first (-A)"));
    };
    let server = server.in_service(&key);
    if service.servers.iter().any(|it| it.endpoint == server.endpoint) {
        return Err(format!("server {} of {key} is there already; remove the line", server.endpoint));
    }
    service.servers.push(server);
    Ok(())
}
