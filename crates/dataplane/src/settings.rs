//! Settings of the forwarding path: time-outs in ticks, and flags.

use forward::abi::Settings;
use forward::{TcpState, Time};
use model::{Sysctl, Sysctls, Timeouts};

/// Writes IPVS's defaults into settings that nobody has written yet.
pub(crate) fn begin(settings: &Settings) {
    if settings.udp_timeout.get() != 0 {
        return;
    }
    for (cell, seconds) in settings.tcp_timeouts.iter().zip(TcpState::TIMEOUTS) {
        cell.set(Time::ticks(seconds));
    }
    set_sysctls(settings, &Sysctls::default());
    set_timeouts(settings, Timeouts::default());
}

/// The three that can be set.
pub(crate) fn set_timeouts(settings: &Settings, timeouts: Timeouts) {
    if let Some(cell) = settings.tcp_timeouts.get(TcpState::Established as usize) {
        cell.set(ticks(timeouts.tcp));
    }
    if let Some(cell) = settings.tcp_timeouts.get(TcpState::FinWait as usize) {
        cell.set(ticks(timeouts.tcp_fin));
    }
    settings.udp_timeout.set(ticks(timeouts.udp));
}

/// The three, read back.
pub(crate) fn timeouts(settings: &Settings) -> Timeouts {
    let tcp = |state: TcpState| settings.tcp_timeouts.get(state as usize).map_or(0, |cell| seconds(cell.get()));
    Timeouts {
        tcp: tcp(TcpState::Established),
        tcp_fin: tcp(TcpState::FinWait),
        udp: seconds(settings.udp_timeout.get()),
    }
}

/// All sysctls: each a flag or two, or a number of its own.
pub(crate) fn set_sysctls(settings: &Settings, sysctls: &Sysctls) {
    let flags = FLAGS.iter().map(|(sysctl, shift)| sysctls.get(*sysctl) << shift);
    settings.flags.set(flags.fold(0, |all, flag| all | flag));
    settings.toa_kinds.set(sysctls.get(Sysctl::ToaKind) | sysctls.get(Sysctl::ToaKind6) << 8);
}

/// All sysctls, read back.
pub(crate) fn sysctls(settings: &Settings) -> Sysctls {
    let mut sysctls = Sysctls::default();
    for (sysctl, shift) in FLAGS {
        let width = u32::BITS - sysctl.largest().leading_zeros();
        sysctls.set(sysctl, settings.flags.get() >> shift & ((1 << width) - 1));
    }
    let kinds = settings.toa_kinds.get();
    sysctls.set(Sysctl::ToaKind, kinds & 0xff);
    sysctls.set(Sysctl::ToaKind6, kinds >> 8);
    sysctls
}

/// Where the bits of a sysctl's value stand among the flags.
const FLAGS: [(Sysctl, u32); 5] = [
    (Sysctl::ExpireNodestConn, Settings::EXPIRE_NODEST.trailing_zeros()),
    (Sysctl::ConnReuseMode, Settings::REUSE_CLOSED.trailing_zeros()),
    (Sysctl::ScheduleIcmp, Settings::SCHEDULE_ICMP.trailing_zeros()),
    (Sysctl::SloppyTcp, Settings::SLOPPY_TCP.trailing_zeros()),
    (Sysctl::Uoa, Settings::UOA.trailing_zeros()),
];

/// Ages are compared as differences that wrap: no time-out may reach half the range (four and a half years).
fn ticks(seconds: u32) -> u32 {
    const MOST: u32 = 100_000_000;
    Time::ticks(seconds.min(MOST))
}

/// Exact for every number of seconds: ticks were rounded up by less than one tick.
const fn seconds(ticks: u32) -> u32 {
    (((ticks as u64) << Time::TICK_SHIFT) / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_back_as_they_went_in() {
        for value in (0..100_000).chain([1_000_000, 99_999_999]) {
            assert_eq!(seconds(ticks(value)), value);
        }
    }

    #[test]
    fn sysctls_come_back_as_they_went_in() {
        let settings = Settings::default();
        begin(&settings);
        assert_eq!(settings.flags.get(), Settings::REUSE_CLOSED | Settings::UOA);
        assert_eq!(sysctls(&settings), Sysctls::default());
        for sysctl in Sysctl::ALL {
            for value in 0..=sysctl.largest() {
                let mut wanted = Sysctls::default();
                wanted.set(sysctl, value);
                set_sysctls(&settings, &wanted);
                assert_eq!(sysctls(&settings), wanted);
            }
        }
        assert_eq!(FLAGS[1].1 + 1, Settings::REUSE_FIN_WAIT.trailing_zeros());
    }

    #[test]
    fn defaults_are_written_once() {
        let settings = Settings::default();
        begin(&settings);
        assert_eq!(timeouts(&settings), Timeouts::default());
        assert_eq!(settings.tcp_timeouts[TcpState::SynReceived as usize].get(), Time::ticks(60));
        let changed = Timeouts { tcp: 10, tcp_fin: 20, udp: 30 };
        set_timeouts(&settings, changed);
        begin(&settings);
        assert_eq!(timeouts(&settings), changed);
    }
}
