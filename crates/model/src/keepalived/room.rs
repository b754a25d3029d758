//! How many services and servers still fit: looked at before they are made, not when they fill the memory.

use super::Statement;
use crate::ConfigError;
use crate::config::{MAX_SERVERS, MAX_SERVERS_PER_SERVICE, MAX_SERVICES};

/// What is left of what a director can have.
pub(super) struct Room {
    services: usize,
    servers: usize,
}

impl Room {
    /// All of it.
    pub(super) fn new() -> Self {
        Self { services: MAX_SERVICES, servers: MAX_SERVERS }
    }

    /// So many more services fit.
    pub(super) fn check_services(&self, statement: &Statement, services: usize) -> Result<(), ConfigError> {
        if services <= self.services {
            return Ok(());
        }
        Err(statement.fault(format!("more than {MAX_SERVICES} services; run a second director for the rest")))
    }

    /// Takes what services with so many servers each need.
    pub(super) fn take(&mut self, statement: &Statement, services: usize, each: usize) -> Result<(), ConfigError> {
        self.check_services(statement, services)?;
        if each > MAX_SERVERS_PER_SERVICE {
            return Err(
                statement.fault(format!("a service can have {MAX_SERVERS_PER_SERVICE} servers; remove the rest"))
            );
        }
        let left = self.servers.checked_sub(services.saturating_mul(each));
        let message = || {
            format!(
                "more than {MAX_SERVERS} servers, each counted once for each service; run a second director for the rest"
            )
        };
        self.servers = left.ok_or_else(|| statement.fault(message()))?;
        self.services -= services;
        Ok(())
    }
}
