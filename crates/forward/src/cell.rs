//! Shared words of map values.
//!
//! A map value is read and written by every CPU and by the daemon's memory map at once. Each access is one
//! aligned load or store of the machine; read-modify-write goes through [`crate::Tables::exchange`] and
//! [`crate::Tables::add`], because the BPF target has no `core::sync::atomic`.
#![expect(unsafe_code, reason = "a shared word without core::sync::atomic")]

use core::cell::UnsafeCell;

macro_rules! shared_word {
    ($name:ident, $native:ty, $what:literal) => {
        #[doc = $what]
        #[repr(transparent)]
        #[derive(Default)]
        pub struct $name(UnsafeCell<$native>);

        // SAFETY: every access is a single aligned volatile load or store, which the targets make atomic.
        unsafe impl Sync for $name {}

        impl $name {
            /// A cell that holds `value`.
            #[inline(always)]
            pub const fn new(value: $native) -> Self {
                Self(UnsafeCell::new(value))
            }

            /// The value now.
            #[inline(always)]
            pub fn get(&self) -> $native {
                // SAFETY: the pointer comes from a live cell and is aligned.
                unsafe { self.0.get().read_volatile() }
            }

            /// Stores `value`; the last writer wins.
            #[inline(always)]
            pub fn set(&self, value: $native) {
                // SAFETY: the pointer comes from a live cell and is aligned.
                unsafe { self.0.get().write_volatile(value) }
            }

            /// The address, for an atomic operation of the platform.
            #[inline(always)]
            pub const fn pointer(&self) -> *mut $native {
                self.0.get()
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.get().fmt(formatter)
            }
        }

        impl Clone for $name {
            fn clone(&self) -> Self {
                Self::new(self.get())
            }
        }
    };
}

shared_word!(Cell32, u32, "A shared 32-bit word.");
shared_word!(Cell64, u64, "A shared 64-bit word.");
