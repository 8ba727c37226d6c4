//! The one place where C's error numbers become a Rust value.

use std::ffi::{CStr, c_int};
use std::fmt;

/// An error number of the C library or of DPDK, always positive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// The operation does not exist for this device.
    pub const ENOTSUP: Errno = Errno(libc::ENOTSUP);
    /// A value is out of the device's range.
    pub const EINVAL: Errno = Errno(libc::EINVAL);
    /// There is no such device.
    pub const ENODEV: Errno = Errno(libc::ENODEV);
    /// The caller lacks a privilege.
    pub const EPERM: Errno = Errno(libc::EPERM);
    /// Memory, or entries of a table, are exhausted.
    pub const ENOMEM: Errno = Errno(libc::ENOMEM);

    /// From a number of either sign, as DPDK returns `-errno`.
    pub const fn new(number: i32) -> Self {
        Errno(number.wrapping_abs())
    }

    /// What the last failed call of this thread left in `rte_errno`.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local integer.
        Errno::new(unsafe { dpdk_sys::hextet_errno() })
    }

    /// `Ok` for 0 and above, the error for a negative result.
    pub(crate) fn check(result: c_int) -> Result<c_int, Errno> {
        if result < 0 {
            Err(Errno::new(result))
        } else {
            Ok(result)
        }
    }

    /// The positive number.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Whether the device simply lacks the operation (drivers spell this in two ways).
    pub const fn is_unsupported(self) -> bool {
        self.0 == libc::ENOTSUP || self.0 == libc::ENOSYS
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: returns a constant string or this thread's own buffer; copied before the next call.
        let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(self.0)) };
        write!(f, "{} (errno {})", text.to_string_lossy(), self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_does_not_matter_and_text_is_c_text() {
        assert_eq!(Errno::new(-libc::EINVAL), Errno::EINVAL);
        assert_eq!(Errno::EINVAL.to_string(), "Invalid argument (errno 22)");
    }

    #[test]
    fn check_splits_results_by_sign() {
        assert_eq!(Errno::check(3), Ok(3));
        assert_eq!(Errno::check(-libc::ENODEV), Err(Errno::ENODEV));
    }
}
