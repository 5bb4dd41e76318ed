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
        // One heap for all threads: each of its own would keep what it has grown to.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Lets go of the code that was needed to start: what is used again comes back from the page cache at its first use, and
/// most of a start (the command line, the project, the settings) never is. Call it once, when nothing is in a hurry.
#[cfg(target_os = "linux")]
pub fn let_go_of_code() {
    unsafe extern "C" {
        // Where the linker has put the program's first byte, and the end of its code (end(3)).
        static __executable_start: u8;
        static etext: u8;
    }
    let page = rustix::param::page_size();
    // Only their addresses are taken.
    let (start, end) = ((&raw const __executable_start).addr(), (&raw const etext).addr());
    let (start, end) = (start.next_multiple_of(page), end / page * page);
    if start < end {
        // SAFETY: what lies between is mapped from the executable, read-only and never written to (relocated data comes
        // after it), so that every page of it can be read from there again (madvise(2), MADV_DONTNEED).
        unsafe { libc::madvise(std::ptr::without_provenance_mut(start), end - start, libc::MADV_DONTNEED) };
    }
}

/// Nothing of the kind is done here.
#[cfg(not(target_os = "linux"))]
pub fn let_go_of_code() {}
