//! `real_server`.

use super::inherited::Inherited;
use super::notice::Notices;
use super::{Statement, check, method, unknown};
use crate::health::{Script, ServerHealth};
use crate::{ConfigError, Endpoint, ForwardingMethod, RealServer, Thresholds, Weight};

/// A server as its block says it; what the service says about all is added later, since it may stand behind.
pub(super) struct Server {
    statement: Statement,
    endpoint: Endpoint,
    method: Option<ForwardingMethod>,
    weight: Option<Weight>,
    thresholds: Thresholds,
    notify_up: Option<Script>,
    notify_down: Option<Script>,
    own: Inherited,
    checks: Vec<Statement>,
}

/// What the service says about all its servers.
pub(super) struct Above<'a> {
    pub(super) method: ForwardingMethod,
    pub(super) weight: Weight,
    pub(super) settings: &'a Inherited,
}

pub(super) fn read(statement: &Statement, notices: &mut Notices) -> Result<Server, ConfigError> {
    let mut server = Server {
        statement: statement.clone(),
        endpoint: statement.endpoint(0)?,
        method: None,
        weight: None,
        thresholds: Thresholds::default(),
        notify_up: None,
        notify_down: None,
        own: Inherited::default(),
        checks: Vec::new(),
    };
    for inner in statement.statements() {
        server.take(inner, notices)?;
    }
    if server.thresholds.lower > server.thresholds.upper && server.thresholds.upper != 0 {
        let Thresholds { upper, lower } = server.thresholds;
        return Err(statement.fault(format!("lthreshold {lower} is over uthreshold {upper}; exchange them")));
    }
    Ok(server)
}

pub(super) fn weight(statement: &Statement) -> Result<Weight, ConfigError> {
    Ok(Weight::new(statement.number(0, 65535)?).unwrap_or_default())
}

impl Server {
    fn take(&mut self, statement: &Statement, notices: &mut Notices) -> Result<(), ConfigError> {
        match statement.keyword() {
            "weight" => self.weight = Some(weight(statement)?),
            "lvs_method" | "lb_kind" => self.method = Some(method::read(statement)?),
            "uthreshold" => self.thresholds.upper = statement.number(0, i32::MAX as u32)?,
            "lthreshold" => self.thresholds.lower = statement.number(0, i32::MAX as u32)?,
            "notify_up" => self.notify_up = Some(statement.script()?),
            "notify_down" => self.notify_down = Some(statement.script()?),
            keyword if check::is_check(keyword) => self.checks.push(statement.clone()),
            _ if self.own.take(statement, notices)? => {}
            _ => unknown(statement, "real_server", &KNOWN, notices),
        }
        Ok(())
    }

    /// The server, under what its service says.
    pub(super) fn finish(
        self,
        above: &Above<'_>,
        notices: &mut Notices,
    ) -> Result<(RealServer, ServerHealth), ConfigError> {
        let settings = self.own.under(above.settings);
        let checks =
            self.checks.iter().map(|check| check::read(check, &settings, notices)).collect::<Result<_, _>>()?;
        let mut server =
            RealServer::new(self.endpoint, self.method.unwrap_or(above.method), self.weight.unwrap_or(above.weight));
        server.thresholds = self.thresholds;
        let health = ServerHealth {
            endpoint: self.endpoint,
            checks,
            inhibit_on_failure: settings.inhibit_on_failure.unwrap_or(false),
            notify_up: self.notify_up,
            notify_down: self.notify_down,
        };
        Ok((server, health))
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    pub(super) fn weight(&self) -> Option<Weight> {
        self.weight
    }

    pub(super) fn method(&self) -> Option<ForwardingMethod> {
        self.method
    }

    pub(super) fn statement(&self) -> &Statement {
        &self.statement
    }
}

const KNOWN: [&str; 24] = [
    "BFD_CHECK",
    "DNS_CHECK",
    "FILE_CHECK",
    "HTTP_GET",
    "MISC_CHECK",
    "PING_CHECK",
    "SMTP_CHECK",
    "SSL_GET",
    "TCP_CHECK",
    "UDP_CHECK",
    "alpha",
    "connect_timeout",
    "delay_before_retry",
    "delay_loop",
    "inhibit_on_failure",
    "lthreshold",
    "lvs_method",
    "notify_down",
    "notify_up",
    "retry",
    "uthreshold",
    "virtualhost",
    "warmup",
    "weight",
];
