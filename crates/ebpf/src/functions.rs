//! BPF functions: what is verified once and not wherever it is called, each with a stack of its own.

use crate::skb::SkbFrame;
use crate::tables::LIVE;
use crate::xdp::XdpFrame;
use crate::{capture, lane};
use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::programs::{TcContext, XdpContext};
use forward::abi::{Address4, Address6, FlowKey, Service};
use forward::encapsulate::Headers;
use forward::fullnat::{Options, Task};
use forward::parse::{self, Walk};
use forward::{Answer, Counter, Verdict, answer, encapsulate, fullnat, schedule};
use wire::Checksum;

/// Functions about a service, each verified once and not wherever it is called. 0 where there is no service: nothing
/// found, no server.
macro_rules! of_service {
    ($(#[doc = $what:literal] $name:ident($($argument:ident),*) $from:ident => $result:expr;)+) => {
        $(
            #[doc = $what]
            ///
            /// # Safety
            /// `service` is null or points to a whole [`Service`].
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub unsafe extern "C" fn $name(service: *const Service, $($argument: u32),*) -> u64 {
                // SAFETY: the caller's promise; the verifier checks it again.
                match unsafe { service.as_ref() } {
                    Some($from) => $result,
                    None => 0,
                }
            }
        )+
    };
}

of_service! {
    /// A traversal of a service's list, by stretches.
    scan_servers(from, minimum) service => schedule::scan(&LIVE, service, from, minimum).word();
    /// One stretch of it.
    scan_stretch(from, minimum) service => schedule::scan_stretch(&LIVE, service, from, minimum).word();
    /// The choice of lc and its like, by stretches.
    least_connection() service => schedule::least_connection(&LIVE, service) as u64;
    /// One stretch of it.
    least_of_stretch(from, chosen) service => schedule::least_of_stretch(&LIVE, service, from, chosen) as u64;
    /// The other slots of sh-fallback and mh-fallback, by stretches.
    fall_back(client) service => schedule::fall_back(&LIVE, service, client) as u64;
    /// One stretch of them.
    fall_back_on_stretch(client, from) service => schedule::fall_back_on_stretch(&LIVE, service, client, from) as u64;
}

macro_rules! occupying {
    ($address:ty, $find_place:ident, $occupy:ident) => {
        /// Takes a local address and port, which it writes into the key: [`fullnat::Place`] as a number.
        ///
        /// # Safety
        /// `key` is null or points to a whole key.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $find_place(key: *mut FlowKey<$address>) -> u32 {
            // SAFETY: the caller's promise; the verifier checks it again.
            let place = unsafe { key.as_mut() }.map(|key| fullnat::find_place(&LIVE, key, lane::now()));
            place.unwrap_or(fullnat::Place::InUse) as u32
        }

        /// One try to take a local address and port: [`fullnat::Place`] as a number.
        ///
        /// # Safety
        /// `key` is null or points to a whole key.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $occupy(key: *const FlowKey<$address>) -> u32 {
            // SAFETY: the caller's promise; the verifier checks it again.
            let place = unsafe { key.as_ref() }.map(|key| fullnat::occupy(&LIVE, key, lane::now()));
            place.unwrap_or(fullnat::Place::InUse) as u32
        }
    };
}

occupying!(Address4, find_place4, occupy4);
occupying!(Address6, find_place6, occupy6);

/// The way through IPv6 extension headers: a loop, verified once, in a function of its own.
///
/// # Safety
/// `context` is a valid XDP context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn walk_extensions(context: *mut xdp_md, network: u32) -> u32 {
    parse::walk_extensions(&XdpFrame(XdpContext::new(context)), Walk::offset(network)).word()
}

/// The same for the other lane: the verifier knows a context by its type.
///
/// # Safety
/// `context` is a valid tc context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn tc_walk_extensions(context: *mut __sk_buff, network: u32) -> u32 {
    parse::walk_extensions(&SkbFrame(TcContext::new(context)), Walk::offset(network)).word()
}

/// The way to the fragment header: the same loop, which ends there.
///
/// # Safety
/// `context` is a valid XDP context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn walk_to_fragment(context: *mut xdp_md, network: u32) -> u32 {
    parse::walk_to_fragment(&XdpFrame(XdpContext::new(context)), Walk::offset(network)).word()
}

/// The same for the other lane.
///
/// # Safety
/// `context` is a valid tc context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn tc_walk_to_fragment(context: *mut __sk_buff, network: u32) -> u32 {
    parse::walk_to_fragment(&SkbFrame(TcContext::new(context)), Walk::offset(network)).word()
}

/// The sum over a part of a frame: another loop.
///
/// # Safety
/// `context` is a valid XDP context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn sum(context: *mut xdp_md, from: u32, bytes: u32) -> u32 {
    Checksum::word_of(answer::sum(&XdpFrame(XdpContext::new(context)), from as usize, bytes as usize))
}

/// The same for the other lane.
///
/// # Safety
/// `context` is a valid tc context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn tc_sum(context: *mut __sk_buff, from: u32, bytes: u32) -> u32 {
    Checksum::word_of(answer::sum(&SkbFrame(TcContext::new(context)), from as usize, bytes as usize))
}

/// A message about a dropped packet. Not 0 when the frame has become it.
///
/// # Safety
/// `context` is a valid XDP context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn answer(context: *mut xdp_md, network: u32, word: u32) -> u32 {
    let (mut frame, answer) = (XdpFrame(XdpContext::new(context)), Answer::from_word(word));
    answer::answer(&mut frame, Walk::offset(network), answer, &LIVE, lane::now()) as u32
}

/// The same for the other lane.
///
/// # Safety
/// `context` is a valid tc context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn tc_answer(context: *mut __sk_buff, network: u32, word: u32) -> u32 {
    let (mut frame, answer) = (SkbFrame(TcContext::new(context)), Answer::from_word(word));
    answer::answer(&mut frame, Walk::offset(network), answer, &LIVE, lane::now()) as u32
}

/// A packet put into another one, for each lane and family: those who forward in other ways do not carry it. Gives the
/// verdict's word.
macro_rules! encapsulation {
    ($context:ident, $frame:expr, $address:ty, $encapsulate:ident) => {
        /// A packet put into another one.
        ///
        /// # Safety
        /// `context` is a valid context of this lane.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $encapsulate(context: *mut $context, headers: u32, server: u32) -> u64 {
            let headers = Headers::from_word(headers);
            encapsulate::encapsulate::<$address, _, _>(&mut $frame(context), headers, server, &LIVE).word()
        }
    };
}

encapsulation!(xdp_md, |context| XdpFrame(XdpContext::new(context)), Address4, encapsulate4);
encapsulation!(xdp_md, |context| XdpFrame(XdpContext::new(context)), Address6, encapsulate6);
encapsulation!(__sk_buff, |context| SkbFrame(TcContext::new(context)), Address4, tc_encapsulate4);
encapsulation!(__sk_buff, |context| SkbFrame(TcContext::new(context)), Address6, tc_encapsulate6);

/// The header of a FullNAT packet, once for each lane: its loops are verified once.
macro_rules! informing {
    ($context:ident, $frame:expr, $walk_options:ident, $next_option:ident, $blank:ident, $insert:ident, $inform:ident, $name_client:ident) => {
        /// Where the options of a TCP header stand.
        ///
        /// # Safety
        /// `context` is a valid context of this lane.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $walk_options(context: *mut $context, transport: u32, kinds: u32) -> u64 {
            fullnat::walk_options(&$frame(context), Walk::offset(transport), kinds).0
        }

        /// One of them.
        ///
        /// # Safety
        /// `context` is a valid context of this lane.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $next_option(context: *mut $context, transport: u32, kinds: u32, found: u64) -> u64 {
            fullnat::next_option(&$frame(context), Walk::offset(transport), kinds, Options(found)).0
        }

        /// Blanks an option. Returns what changed in the sum.
        ///
        /// # Safety
        /// `context` is a valid context of this lane.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $blank(context: *mut $context, transport: u32, at: u32, length: u32) -> u32 {
            let (at, length) = ((at & 63) as usize, (length & 63) as usize);
            Checksum::word_of(fullnat::blank(&mut $frame(context), Walk::offset(transport), at, length))
        }

        /// Makes room in a frame. Not 0 when it is there.
        ///
        /// # Safety
        /// `context` is a valid context of this lane.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $insert(context: *mut $context, at: u32, bytes: u32) -> u32 {
            $frame(context).grow(Walk::offset(at), (bytes & 31) as usize).is_some() as u32
        }

        /// What changes in a TCP header. Not 0 when it is done.
        ///
        /// # Safety
        /// `context` is a valid context of this lane; `task` is null or points to a whole task.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $inform(context: *mut $context, task: *const Task) -> u32 {
            // SAFETY: the caller's promise; the verifier checks it again.
            unsafe { task.as_ref() }.and_then(|task| fullnat::inform(&mut $frame(context), task)).is_some() as u32
        }

        /// What changes in a datagram. Not 0 when it is done.
        ///
        /// # Safety
        /// `context` is a valid context of this lane; `task` is null or points to a whole task.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $name_client(context: *mut $context, task: *const Task) -> u32 {
            // SAFETY: the caller's promise; the verifier checks it again.
            unsafe { task.as_ref() }.and_then(|task| fullnat::name_client(&mut $frame(context), task)).is_some() as u32
        }
    };
}

informing!(
    xdp_md,
    |context| XdpFrame(XdpContext::new(context)),
    walk_options,
    next_option,
    blank,
    insert,
    inform,
    name_client
);
informing!(
    __sk_buff,
    |context| SkbFrame(TcContext::new(context)),
    tc_walk_options,
    tc_next_option,
    tc_blank,
    tc_insert,
    tc_inform,
    tc_name_client
);

/// The beginning and the end of a capture, once for each lane: copying frames is verified once.
macro_rules! capture {
    ($context:ident, $frame:expr, $arrived:ident, $concluded:ident) => {
        /// A frame has arrived.
        ///
        /// # Safety
        /// `context` is a valid context of this lane.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $arrived(context: *mut $context) -> u32 {
            capture::arrived(&$frame(context)).is_some() as u32
        }

        /// What becomes of it is known.
        ///
        /// # Safety
        /// `context` is a valid context of this lane.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub unsafe extern "C" fn $concluded(context: *mut $context, counter: u32, interface: u32) -> u32 {
            let Some(counter) = Counter::from_number(counter) else { return 0 };
            let verdict = match interface {
                0 => Verdict::because(counter),
                _ => Verdict::forward(counter, interface),
            };
            capture::concluded(&$frame(context), verdict).is_some() as u32
        }
    };
}

capture!(xdp_md, |context| XdpFrame(XdpContext::new(context)), capture_arrived, capture_concluded);
capture!(__sk_buff, |context| SkbFrame(TcContext::new(context)), tc_capture_arrived, tc_capture_concluded);
