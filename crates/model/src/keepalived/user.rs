//! `script_user`: whose rights scripts have that name no user of their own.

use super::service::CheckedService;
use super::{Notices, Statement};
use crate::ConfigError;
use crate::health::{Probe, Script, ServiceHealth};

/// A user, and a group other than the user's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ScriptUser {
    name: String,
    group: Option<String>,
}

/// `script_user USER [GROUP]`
pub(super) fn read(statement: &Statement) -> Result<ScriptUser, ConfigError> {
    let mut words = statement.arguments().map(str::to_owned);
    let missing = || statement.fault("`script_user` needs a user behind it, and a group if it is not the user's own");
    let user = ScriptUser { name: words.next().ok_or_else(missing)?, group: words.next() };
    match words.next() {
        None => Ok(user),
        Some(surplus) => {
            Err(statement.fault_at(&surplus, format!("nothing stands behind the group; remove `{surplus}`")))
        }
    }
}

/// `enable_script_security`, which is not done.
pub(super) fn tell_security(statement: &Statement, notices: &mut Notices) {
    let message = "it is not looked at who may write to a script before it is run; see to it that only root may";
    notices.changing(statement, message);
}

/// Gives the user to all scripts without one.
pub(super) fn give(user: Option<&ScriptUser>, services: &mut [CheckedService]) {
    let Some(ScriptUser { name, group }) = user else { return };
    let scripts = services.iter_mut().flat_map(|service| scripts(&mut service.health));
    for script in scripts.filter(|script| script.user.is_none()) {
        (script.user, script.group) = (Some(name.clone()), group.clone());
    }
}

/// All scripts of a service: checks, and what is run when something changes.
fn scripts(health: &mut ServiceHealth) -> impl Iterator<Item = &mut Script> {
    let servers = health.servers.iter_mut().flat_map(|server| {
        let checks = server.checks.iter_mut().filter_map(|check| match &mut check.probe {
            Probe::Script { script, .. } => Some(script),
            _ => None,
        });
        checks.chain(&mut server.notify_up).chain(&mut server.notify_down)
    });
    servers.chain(&mut health.quorum_up).chain(&mut health.quorum_down)
}
