//! Values that may be copied to and from a map byte for byte.
#![expect(unsafe_code, reason = "values as bytes")]

use crate::retired::Retired;
use forward::abi::{
    Address4, Address6, Connection, FlowKey, Fragment, FragmentKey, Interface, InterfaceCounters, Passage, Service,
    ServiceKey, Statistics,
};
use forward::capture::{Record, Wanted};
use forward::fragment::Held;
use std::mem::MaybeUninit;

/// A type whose bytes are its value.
///
/// # Safety
/// `repr(C)` or a number, no padding, every bit pattern is a value.
pub(crate) unsafe trait Plain: Sized {
    /// The bytes of the value.
    fn bytes(&self) -> &[u8] {
        // SAFETY: no padding, so all size_of bytes are initialised; the borrow keeps the value alive.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }

    /// A value filled in by `fill`; the bytes are zero before.
    fn filled<R>(fill: impl FnOnce(&mut [u8]) -> R) -> (Self, R) {
        let mut value = MaybeUninit::<Self>::zeroed();
        // SAFETY: zeroed memory of exactly this size, borrowed for this call only.
        let bytes = unsafe { std::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<Self>()) };
        let result = fill(bytes);
        // SAFETY: all bytes are initialised, and every bit pattern is a value.
        (unsafe { value.assume_init() }, result)
    }
}

/// A value at the beginning of `bytes`, and what follows it.
pub(crate) fn read_from<V: Plain>(bytes: &[u8]) -> Option<(V, &[u8])> {
    let (value, rest) = bytes.split_at_checked(size_of::<V>())?;
    Some((V::filled(|place| place.copy_from_slice(value)).0, rest))
}

macro_rules! plain {
    ($($name:ty),+ $(,)?) => {
        $(
            // SAFETY: repr(C) layouts of `forward::abi` (sizes asserted there, reserved fields in place of padding),
            // `Retired` (likewise), numbers, or bytes.
            unsafe impl Plain for $name {}
        )+
    };
}

plain!(
    Record,
    Wanted,
    u32,
    u64,
    [u8; 4],
    [u8; 8],
    [u8; 16],
    [u8; 20],
    FlowKey<Address4>,
    FlowKey<Address6>,
    ServiceKey<Address4>,
    ServiceKey<Address6>,
    Service,
    Connection,
    Fragment,
    FragmentKey<Address4>,
    FragmentKey<Address6>,
    Held,
    Statistics,
    InterfaceCounters,
    Interface,
    Passage,
    Retired,
);
