//! The two atomic instructions of BPF (v3) that `core::sync::atomic` does not offer on this target.

/// Adds to a shared word.
#[inline(always)]
pub(crate) fn add(cell: &forward::Cell32, delta: u32) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the cell lives in a map value and is aligned.
    unsafe {
        core::intrinsics::atomic_xadd::<u32, u32, { core::intrinsics::AtomicOrdering::Relaxed }>(cell.pointer(), delta);
    }
    #[cfg(not(target_arch = "bpf"))]
    let _ = (cell, delta);
}

/// Compares and swaps a shared word; true when it was `expected`.
#[inline(always)]
pub(crate) fn exchange(cell: &forward::Cell64, expected: u64, new: u64) -> bool {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the cell lives in a map value and is aligned.
    return unsafe {
        use core::intrinsics::AtomicOrdering::SeqCst;
        core::intrinsics::atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(cell.pointer(), expected, new).1
    };
    #[cfg(not(target_arch = "bpf"))]
    {
        let _ = (cell, expected, new);
        false
    }
}
