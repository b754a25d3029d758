//! IPVS's TCP state tables (net/netfilter/ipvs/ip_vs_proto_tcp.c), one packed word a row.

use wire::TcpFlags;

/// State of a TCP connection as the director sees it, with the kernel's numbers.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TcpState {
    /// Just created.
    None = 0,
    /// Both sides have spoken.
    Established = 1,
    /// SYN seen from the server's side.
    SynSent = 2,
    /// SYN seen from the client.
    SynReceived = 3,
    /// The server has closed its half.
    FinWait = 4,
    /// Both halves are closed.
    TimeWait = 5,
    /// Reset, or closed.
    Close = 6,
    /// The client has closed its half.
    CloseWait = 7,
    /// Waiting for the last acknowledgement.
    LastAck = 8,
    /// Never entered by packets; kept for the tables.
    Listen = 9,
    /// secure_tcp: SYN answered, not acknowledged.
    SynAck = 10,
}

use TcpState::{
    Close as CL, CloseWait as CW, Established as ES, FinWait as FW, LastAck as LA, Listen as LI, None as NO,
    SynAck as SA, SynReceived as SR, SynSent as SS, TimeWait as TW,
};

impl TcpState {
    /// All states, by number.
    pub const ALL: [Self; 11] = [NO, ES, SS, SR, FW, TW, CL, CW, LA, LI, SA];

    /// Default time-outs in seconds, by number.
    pub const TIMEOUTS: [u32; 11] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];

    /// The state with this number; numbers that do not exist are [`Close`](Self::Close), which dies soon.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => NO,
            1 => ES,
            2 => SS,
            3 => SR,
            4 => FW,
            5 => TW,
            7 => CW,
            8 => LA,
            9 => LI,
            10 => SA,
            _ => CL,
        }
    }

    /// The name `ipvsadm -Lc` prints.
    pub const fn name(self) -> &'static str {
        match self {
            NO => "NONE",
            ES => "ESTABLISHED",
            SS => "SYN_SENT",
            SR => "SYN_RECV",
            FW => "FIN_WAIT",
            TW => "TIME_WAIT",
            CL => "CLOSE",
            CW => "CLOSE_WAIT",
            LA => "LAST_ACK",
            LI => "LISTEN",
            SA => "SYNACK",
        }
    }
}

/// Who sent the packet, and whether the director sees both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the client; the server's packets pass here too.
    Input,
    /// From the server.
    Output,
    /// From the client; the server's packets go another way (direct routing, tunnels).
    InputOnly,
}

/// One row: the next state for each state, four bits each, lowest first.
#[derive(Clone, Copy)]
struct Row(u64);

impl Row {
    const fn new(next: [TcpState; 11]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k] = next;
        let low = a as u64 | (b as u64) << 4 | (c as u64) << 8 | (d as u64) << 12 | (e as u64) << 16;
        let high = (f as u64) << 20 | (g as u64) << 24 | (h as u64) << 28 | (i as u64) << 32 | (j as u64) << 36;
        Self(low | high | (k as u64) << 40)
    }
}

//                                      NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
const INPUT_SYN: Row = Row::new([SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR]);
const INPUT_FIN: Row = Row::new([CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW]);
const INPUT_ACK: Row = Row::new([ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES]);
const INPUT_RST: Row = Row::new([CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR]);
const OUTPUT_SYN: Row = Row::new([SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR]);
const OUTPUT_FIN: Row = Row::new([TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW]);
const OUTPUT_ACK: Row = Row::new([ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES]);
const OUTPUT_RST: Row = Row::new([CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL]);
const INPUT_ONLY_SYN: Row = INPUT_SYN;
const INPUT_ONLY_FIN: Row = Row::new([CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW]);
const INPUT_ONLY_ACK: Row = INPUT_ACK;
const INPUT_ONLY_RST: Row = Row::new([CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL]);

/// The row for a packet: reset before SYN before FIN before ACK; `None` when none of them is set.
#[inline(always)]
const fn row(direction: Direction, flags: TcpFlags) -> Option<Row> {
    let (syn, fin, ack, rst) = match direction {
        Direction::Input => (INPUT_SYN, INPUT_FIN, INPUT_ACK, INPUT_RST),
        Direction::Output => (OUTPUT_SYN, OUTPUT_FIN, OUTPUT_ACK, OUTPUT_RST),
        Direction::InputOnly => (INPUT_ONLY_SYN, INPUT_ONLY_FIN, INPUT_ONLY_ACK, INPUT_ONLY_RST),
    };
    if flags.any(TcpFlags::RST) {
        Some(rst)
    } else if flags.any(TcpFlags::SYN) {
        Some(syn)
    } else if flags.any(TcpFlags::FIN) {
        Some(fin)
    } else if flags.any(TcpFlags::ACK) {
        Some(ack)
    } else {
        None
    }
}

/// Number of the state after a packet with `flags` in state number `state`.
#[inline(always)]
pub const fn next(direction: Direction, flags: TcpFlags, state: u8) -> u8 {
    match row(direction, flags) {
        Some(row) => (row.0 >> ((state & 15) as u32 * 4)) as u8 & 15,
        None => CL as u8,
    }
}

/// True for the states that count as active connections (ES, SS, SR, SA).
#[inline(always)]
pub const fn is_active(state: u8) -> bool {
    const ACTIVE: u32 = 1 << ES as u8 | 1 << SS as u8 | 1 << SR as u8 | 1 << SA as u8;
    ACTIVE >> (state & 31) & 1 != 0
}

/// True when a bare ACK from the server leaves this state as it is, and every state an ACK can lead to from here too:
/// then the reply path need not look at the primary connection.
#[inline(always)]
pub const fn is_settled(state: u8) -> bool {
    const SETTLED: u32 = 1 << ES as u8 | 1 << FW as u8 | 1 << TW as u8 | 1 << CL as u8 | 1 << CW as u8 | 1 << LA as u8;
    SETTLED >> (state & 31) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [(u8, &str); 4] =
        [(TcpFlags::SYN, "syn"), (TcpFlags::FIN, "fin"), (TcpFlags::ACK, "ack"), (TcpFlags::RST, "rst")];

    /// The tables again as text, in the form the kernel's documentation of them takes.
    const TABLES: [(Direction, [&str; 4]); 3] = [
        (
            Direction::Input,
            [
                "SR ES ES SR SR SR SR SR SR SR SR",
                "CL CW SS TW TW TW CL CW LA LI TW",
                "ES ES SS ES FW TW CL CW CL LI ES",
                "CL CL CL SR CL CL CL CL LA LI SR",
            ],
        ),
        (
            Direction::Output,
            [
                "SS ES SS SR SS SS SS SS SS LI SR",
                "TW FW SS TW FW TW CL TW LA LI TW",
                "ES ES SS ES FW TW CL CW LA ES ES",
                "CL CL SS CL CL TW CL CL CL CL CL",
            ],
        ),
        (
            Direction::InputOnly,
            [
                "SR ES ES SR SR SR SR SR SR SR SR",
                "CL FW SS TW FW TW CL CW LA LI TW",
                "ES ES SS ES FW TW CL CW CL LI ES",
                "CL CL CL SR CL CL CL CL LA LI CL",
            ],
        ),
    ];

    #[test]
    fn every_cell_of_every_table() {
        let short = ["NO", "ES", "SS", "SR", "FW", "TW", "CL", "CW", "LA", "LI", "SA"];
        for (direction, rows) in TABLES {
            for ((flag, name), row) in FLAGS.into_iter().zip(rows) {
                for (state, expected) in row.split(' ').enumerate() {
                    let next = next(direction, TcpFlags(flag), state as u8);
                    assert_eq!(short[next as usize], expected, "{direction:?} {name} in {}", short[state]);
                }
            }
        }
    }

    #[test]
    fn reset_wins_over_syn_over_fin_over_ack_and_nothing_closes() {
        let all = TcpFlags(TcpFlags::RST | TcpFlags::SYN | TcpFlags::FIN | TcpFlags::ACK);
        assert_eq!(next(Direction::Input, all, ES as u8), CL as u8);
        assert_eq!(next(Direction::Input, TcpFlags(all.0 & !TcpFlags::RST), TW as u8), SR as u8);
        assert_eq!(next(Direction::Input, TcpFlags(TcpFlags::FIN | TcpFlags::ACK), ES as u8), CW as u8);
        assert_eq!(next(Direction::Input, TcpFlags(TcpFlags::PSH), ES as u8), CL as u8);
    }

    #[test]
    fn settled_states_are_closed_under_acks() {
        let ack = TcpFlags(TcpFlags::ACK);
        for state in (0..11).filter(|state| is_settled(*state)) {
            assert_eq!(next(Direction::Output, ack, state), state);
            assert!(is_settled(next(Direction::Input, ack, state)));
        }
    }
}
