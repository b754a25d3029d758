//! What becomes of a packet, and why: the words that programs, counters, logs and listings share.

use crate::Answer;
use crate::abi::{NextHop, Port};

/// Address family of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4
    Ipv4,
    /// IPv6
    Ipv6,
}

/// Which program looks at a packet next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It may belong to a known flow: [`crate::steer`].
    Steer,
    /// It may begin a flow: [`crate::establish`].
    Establish,
    /// It may be an error about a packet of a flow: [`crate::relate`].
    Relate,
    /// It may be an error about a packet that went into a tunnel: [`crate::unwrap`].
    Unwrap,
    /// It is an error about a packet of no flow, which begins one: [`crate::relate::invite`].
    Invite,
    /// It belongs to a known FullNAT flow: [`crate::fullnat::steer`].
    FullNat,
    /// It begins a FullNAT flow, for which a server is chosen already: [`crate::fullnat::bind`].
    Bind,
    /// It is an error about a packet of a FullNAT flow: [`crate::fullnat::relate`].
    RelateFullNat,
    /// It is the first fragment of a datagram: [`crate::fragment::lead`].
    Lead,
    /// It is the first fragment of a datagram of a FullNAT flow: [`crate::fullnat::lead`].
    LeadFullNat,
    /// It is the first fragment of a flow: [`crate::fragment::admit`].
    Admit,
    /// It is a fragment of a datagram whose first has led: [`crate::fragment::follow`].
    Follow,
    /// It is a fragment that came before the first one: [`crate::fragment::hold`].
    Hold,
}

/// What becomes of a packet. A structure and not an enum with contents: it is the result of every path, and the BPF
/// verifier refuses to see the unused contents of an enum copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Where it goes.
    pub action: Action,
    /// Why.
    pub counter: Counter,
    /// Interface it leaves by; 0 unless it is forwarded.
    pub interface: u32,
    /// What the sender of a dropped packet shall know.
    pub answer: Answer,
}

/// Where a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The local stack gets it, unchanged.
    Pass,
    /// Nobody gets it.
    Drop,
    /// It leaves, rewritten.
    Forward,
}

/// How a packet must change before it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forward<A> {
    /// What to count it as.
    pub counter: Counter,
    /// To whom on the link.
    pub hop: NextHop,
    /// Which endpoint changes.
    pub translation: Translation,
    /// The real server, by id.
    pub server: u32,
    /// Its new address.
    pub address: A,
    /// Its new port.
    pub port: Port,
    /// Largest packet that gets there; 0 when that is not known.
    pub mtu: u32,
}

/// Which endpoint of a packet changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Translation {
    /// None: direct routing.
    Nothing,
    /// NAT towards the server.
    Destination,
    /// NAT towards the client.
    Source,
    /// None: the packet goes inside another one.
    Inside,
}

/// Why the path of a packet ends early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// No live connection serves it: it may begin a new one.
    New,
    /// It is FullNAT's: a program of its own goes on with it.
    FullNat,
    /// It is passed or dropped for this reason.
    Because(Counter),
}

impl From<Counter> for Stop {
    #[inline(always)]
    fn from(counter: Counter) -> Self {
        Self::Because(counter)
    }
}

macro_rules! counters {
    ($($(#[doc = $what:literal])+ $variant:ident = $name:literal,)+) => {
        /// Everything that is counted, by reason. The names are the labels of metrics, the fields of logs and the
        /// words of listings.
        #[repr(u32)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Counter {
            $($(#[doc = $what])+ $variant,)+
        }

        impl Counter {
            /// The one with this number.
            #[inline(always)]
            pub const fn from_number(number: u32) -> Option<Self> {
                if number >= Self::COUNT {
                    return None;
                }
                $(if number == Self::$variant as u32 { return Some(Self::$variant); })+
                None
            }

            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What it means, for people.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($what),+).trim_ascii(),)+
                }
            }

            /// The name, in snake case; names of drops begin with `drop_`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

counters! {
    /// No address of it is a virtual address or a NAT server's: passed.
    PassNotOurs = "pass_not_ours",
    /// Addressed to another receiver on the link (flooded, promiscuous, multicast): passed.
    PassOtherReceiver = "pass_other_receiver",
    /// The virtual address is not this node's to forward: passed.
    PassNotOwned = "pass_not_owned",
    /// No service has this address, port and protocol: passed.
    PassNoService = "pass_no_service",
    /// TCP that begins nothing, of no known flow and to no service: passed. An answer to a connection of this host's own,
    /// most often: to health checks, for instance.
    PassNoFlow = "pass_no_flow",
    /// A service, but neither a known flow nor a packet that may begin one: passed, as IPVS does.
    PassNotSchedulable = "pass_not_schedulable",
    /// A fragment other than the first, where the first one was passed: passed.
    PassLaterFragment = "pass_later_fragment",
    /// A protocol that is not balanced (yet): passed.
    PassProtocol = "pass_protocol",
    /// A control message that is about no balanced flow, a ping for instance: passed.
    PassIcmp = "pass_icmp",
    /// A server's packet with its last hop, or too big for the way to the client: passed, so that the stack tells the
    /// server.
    PassUnforwardable = "pass_unforwardable",
    /// Delivered to the local stack, which is the real server.
    PassLocalServer = "pass_local_server",
    /// Client to server.
    ForwardIn = "forward_in",
    /// Server to client.
    ForwardOut = "forward_out",
    /// An error about a packet that a server sent, to that server.
    ForwardIcmpIn = "forward_icmp_in",
    /// An error about a packet that a client sent, to that client.
    ForwardIcmpOut = "forward_icmp_out",
    /// An error of our own, sent back about a packet that was dropped (and is counted by its reason, too).
    AnswerSent = "answer_sent",
    /// An error of our own that was not sent, because there were too many.
    AnswerLimited = "answer_limited",
    /// A fragment that came before its first: it waits with the daemon, for 50 ms at most.
    HoldFragment = "hold_fragment",
    /// Headers that contradict themselves or the frame.
    DropMalformed = "drop_malformed",
    /// A fragment whose first was dropped or never came.
    DropFragment = "drop_fragment",
    /// Time to live used up.
    DropTimeToLive = "drop_time_to_live",
    /// Larger than the MTU of the way to its server, or of the way to the client where it may be fragmented.
    DropTooBig = "drop_too_big",
    /// No real server is eligible.
    DropNoServer = "drop_no_server",
    /// The connection's server has been removed.
    DropServerRemoved = "drop_server_removed",
    /// The connection's server has no resolved neighbour.
    DropServerUnresolved = "drop_server_unresolved",
    /// The connection table is full.
    DropTableFull = "drop_table_full",
    /// Another flow already uses the reply tuple on that server.
    DropReplyCollision = "drop_reply_collision",
    /// Another CPU is creating or removing the same flow at this moment; a retransmission will be served.
    DropContended = "drop_contended",
    /// A table entry that must exist does not.
    DropInconsistent = "drop_inconsistent",
    /// The packet could not be rewritten in place.
    DropRewriteFailed = "drop_rewrite_failed",
    /// FullNAT: no local port of the service is free towards the server.
    DropNoLocalPort = "drop_no_local_port",
}

impl Counter {
    /// How many there are.
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// False for packets that have nothing to do with what is balanced here.
    #[inline(always)]
    pub const fn concerns_us(self) -> bool {
        !matches!(self, Self::PassNotOurs | Self::PassOtherReceiver)
    }

    /// True for packets that nobody got.
    pub const fn is_drop(self) -> bool {
        self as u32 >= Self::DropMalformed as u32
    }
}

impl Verdict {
    /// Passed or dropped, as the counter's name says.
    #[inline(always)]
    pub const fn because(counter: Counter) -> Self {
        let stops = counter.is_drop() || matches!(counter, Counter::HoldFragment);
        let action = if stops { Action::Drop } else { Action::Pass };
        Self { action, counter, interface: 0, answer: Answer::NOTHING }
    }

    /// Sent out.
    #[inline(always)]
    pub const fn forward(counter: Counter, interface: u32) -> Self {
        Self { action: Action::Forward, counter, interface, answer: Answer::NOTHING }
    }

    /// In one word for a BPF function. What its sender shall know needs as many bits as the interface it leaves by, and
    /// never are both there.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        let (forward, more) = match self.action {
            Action::Forward => (Self::FORWARD, self.interface),
            Action::Pass | Action::Drop => (0, self.answer.word()),
        };
        self.counter as u64 | forward | (more as u64) << 32
    }

    /// The inverse of [`word`](Self::word).
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        let more = (word >> 32) as u32;
        match Counter::from_number(word as u8 as u32) {
            Some(counter) if word & Self::FORWARD != 0 => Self::forward(counter, more),
            Some(counter) => Self::telling(counter, Answer::from_word(more)),
            None => Self::because(Counter::DropInconsistent),
        }
    }

    const FORWARD: u64 = 1 << 8;

    /// Dropped, which its sender shall know.
    #[inline(always)]
    pub const fn telling(counter: Counter, answer: Answer) -> Self {
        Self { action: Action::Drop, counter, interface: 0, answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for (number, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, number);
            assert_eq!(counter.is_drop(), counter.name().starts_with("drop_"), "{counter:?}");
        }
    }

    #[test]
    fn verdicts_come_back_from_their_words() {
        let told = Verdict::telling(Counter::DropTooBig, Answer::too_big(1480));
        for verdict in [Verdict::forward(Counter::ForwardIn, 7), Verdict::because(Counter::DropRewriteFailed), told] {
            assert_eq!(Verdict::from_word(verdict.word()), verdict);
        }
        assert_eq!(Verdict::from_word(255).counter, Counter::DropInconsistent);
    }
}
