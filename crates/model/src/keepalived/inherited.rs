//! Settings of a service that are its servers' too, and those of a server that are its checks' too.

use super::Statement;
use super::notice::Notices;
use crate::ConfigError;
use crate::health::Pace;
use std::time::Duration;

/// What is set at one level. Where nothing is, the level above counts.
#[derive(Clone, Default, Debug)]
pub(super) struct Inherited {
    pub(super) alpha: Option<bool>,
    pub(super) inhibit_on_failure: Option<bool>,
    pub(super) virtual_host: Option<String>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    retries: Option<u32>,
    delay_before_retry: Option<Duration>,
    warmup: Option<Duration>,
}

/// What a kind of check does unless it is told otherwise (keepalived.conf(5)).
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) retries: u32,
    /// None: the interval.
    pub(super) delay_before_retry: Option<Duration>,
}

impl Inherited {
    /// Takes a statement that belongs here; false for others.
    pub(super) fn take(&mut self, statement: &Statement, notices: &mut Notices) -> Result<bool, ConfigError> {
        match statement.keyword() {
            "alpha" => self.alpha = Some(statement.switch()?),
            "inhibit_on_failure" => self.inhibit_on_failure = Some(statement.switch()?),
            "virtualhost" => self.virtual_host = Some(statement.only("a host name")?.to_owned()),
            "delay_loop" => self.interval = Some(positive(statement)?),
            "connect_timeout" => self.timeout = Some(positive(statement)?),
            "retry" | "nb_get_retry" => self.retries = Some(statement.number(0, u32::MAX)?),
            "delay_before_retry" => self.delay_before_retry = Some(statement.seconds()?),
            "warmup" => self.warmup = Some(statement.seconds()?),
            "smtp_alert" => {
                notices.cosmetic(statement, "no mail is sent; every change is an event and a line of the log")
            }
            "snmp_name" => notices.cosmetic(statement, "there is no SNMP; metrics are offered for Prometheus"),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// With what the level above has.
    pub(super) fn under(self, above: &Self) -> Self {
        Self {
            alpha: self.alpha.or(above.alpha),
            inhibit_on_failure: self.inhibit_on_failure.or(above.inhibit_on_failure),
            virtual_host: self.virtual_host.or_else(|| above.virtual_host.clone()),
            interval: self.interval.or(above.interval),
            timeout: self.timeout.or(above.timeout),
            retries: self.retries.or(above.retries),
            delay_before_retry: self.delay_before_retry.or(above.delay_before_retry),
            warmup: self.warmup.or(above.warmup),
        }
    }

    /// When a check of this kind is made.
    pub(super) fn pace(&self, defaults: Defaults) -> Pace {
        let interval = self.interval.unwrap_or(Duration::from_secs(60));
        Pace {
            interval,
            timeout: self.timeout.unwrap_or(Duration::from_secs(5)),
            retries: self.retries.unwrap_or(defaults.retries),
            delay_before_retry: self.delay_before_retry.or(defaults.delay_before_retry).unwrap_or(interval),
            warmup: self.warmup.unwrap_or(interval),
            rise: 1,
            jitter: Duration::ZERO,
        }
    }
}

fn positive(statement: &Statement) -> Result<Duration, ConfigError> {
    let time = statement.seconds()?;
    if time.is_zero() {
        let keyword = statement.keyword();
        return Err(statement.fault(format!("`{keyword}` of 0 would leave no time; write at least 0.001")));
    }
    Ok(time)
}
