//! How the allocator keeps what was freed.

/// Blocks from this size on are the system's again as soon as they are freed: glibc's own first bound (mallopt(3)).
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 * 1024;

/// After a burst of output, large buffers go back to the system. Left alone, glibc raises its bound at the first of
/// them that is freed, and keeps all that come later.
pub fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and changes how later allocations are made, none that there is.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
