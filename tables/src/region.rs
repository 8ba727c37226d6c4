//! Memory that grows without moving: address space reserved once, backed by zeroed pages only as far as it is used.
//!
//! Readers keep addresses into a region while the writer grows it, so it is never reallocated and only unmapped
//! when its last owner is dropped.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes by which a region is opened up: the size of an x86 huge page.
const STEP: usize = 2 << 20;

/// A reserved range of address space; the first [`Region::open`] bytes of it are readable and writable. In
/// lines of its own: its neighbours on the heap may be written at any time.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Region {
    base: NonNull<u8>,
    reserved: usize,
    open: AtomicUsize,
}

// SAFETY: a region is plain memory; whoever writes through its pointers answers for the races.
unsafe impl Send for Region {}
// SAFETY: as above; `&Region` only gives the base address.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves `bytes` of address space (rounded up to 2 MiB, and aligned to it), nothing of it open yet.
    pub fn reserve(bytes: usize) -> io::Result<Region> {
        let reserved = bytes.next_multiple_of(STEP);
        let mapped = reserved + STEP;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let head = start.align_offset(STEP);
        for (at, len) in [(0, head), (head + reserved, STEP - head)] {
            if len > 0 {
                // SAFETY: `at..at + len` is the unaligned head or tail of the mapping just made.
                unsafe { libc::munmap(start.byte_add(at), len) };
            }
        }
        // SAFETY: `head + reserved` is within the mapping.
        let base = unsafe { start.byte_add(head) }.cast::<u8>();
        let base = NonNull::new(base).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: the range is ours. Only advice: where huge pages are off, small ones do.
        unsafe { libc::madvise(base.as_ptr().cast(), reserved, libc::MADV_HUGEPAGE) };
        Ok(Region {
            base,
            reserved,
            open: AtomicUsize::new(0),
        })
    }

    /// Reserves and opens `bytes`: for tables of a fixed size, of which only what is used gets pages.
    pub fn fixed(bytes: usize) -> io::Result<Region> {
        let region = Region::reserve(bytes)?;
        // SAFETY: the range is ours; sparse use of a big table should not take 2 MiB a touch.
        unsafe {
            libc::madvise(
                region.base.as_ptr().cast(),
                region.reserved,
                libc::MADV_NOHUGEPAGE,
            )
        };
        region.open(bytes)?;
        Ok(region)
    }

    /// Makes the first `bytes` usable. Fails when that is more than was reserved, or than the system gives.
    pub fn open(&self, bytes: usize) -> io::Result<()> {
        if bytes <= self.open.load(Ordering::Relaxed) {
            return Ok(());
        }
        if bytes > self.reserved {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let open = bytes.next_multiple_of(STEP);
        // SAFETY: `open` does not exceed `reserved`, itself a multiple of STEP; the range is ours.
        let rc = unsafe {
            libc::mprotect(
                self.base.as_ptr().cast(),
                open,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
        // Two threads at once would both have opened at least what they asked for; here it only saves calls.
        self.open.fetch_max(open, Ordering::Relaxed);
        Ok(())
    }

    /// The first byte, aligned to 2 MiB. Opened bytes are zero until written.
    #[inline(always)]
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and no borrow of the region is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.reserved) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opened_memory_is_zero_stays_in_place_and_is_bounded() {
        let region = Region::reserve(3 << 20).unwrap();
        let base = region.base();
        assert_eq!(base.align_offset(STEP), 0);
        region.open(100).unwrap();
        // SAFETY: the first 100 bytes are open.
        unsafe { base.add(99).write(7) };
        region.open(4 << 20).unwrap();
        assert_eq!(region.base(), base);
        // SAFETY: the whole 4 MiB are open.
        let read = |at: usize| unsafe { base.add(at).read() };
        assert_eq!((read(0), read(99), read((4 << 20) - 1)), (0, 7, 0));
        assert_eq!(
            region.open((4 << 20) + 1).unwrap_err().kind(),
            io::ErrorKind::OutOfMemory
        );
    }
}
