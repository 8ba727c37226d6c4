//! Arrays of a fixed length that take memory only as far as they are used, on huge pages where the system has them.
//!
//! # Invariant
//! A region of `len` elements is open from its base on, and zeroes are a value of every type that is put there ([`Zeroed`]).
#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::region::Region;

/// # Safety
/// Zeroes are a value of the type, it is aligned to at most a page, and it needs no drop.
pub(super) unsafe trait Zeroed {}

/// An array of zeroes at first.
#[derive(Debug)]
pub(super) struct Lines<T> {
    region: Region,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Zeroed> Lines<T> {
    /// `len` elements.
    ///
    /// # Errors
    /// The system does not give the memory.
    pub fn new(len: usize) -> io::Result<Self> {
        let bytes = len.checked_mul(size_of::<T>());
        let bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        let region = Region::reserve(bytes)?;
        region.open(bytes)?;
        Ok(Self {
            region,
            len,
            of: PhantomData,
        })
    }
}

impl<T: Zeroed> Deref for Lines<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the invariant; whoever shares the array can only write through interior mutability of `T`.
        unsafe { std::slice::from_raw_parts(self.region.base().cast(), self.len) }
    }
}

impl<T: Zeroed> DerefMut for Lines<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the array is borrowed by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.region.base().cast(), self.len) }
    }
}

// SAFETY: an entry is atomic integers in lines of its own.
unsafe impl Zeroed for super::entry::Flow {}
// SAFETY: a bucket is atomic integers in a line of its own.
unsafe impl Zeroed for super::table::Bucket {}
// SAFETY: links are integers.
unsafe impl Zeroed for super::lists::Links {}
// SAFETY: a share is integers.
unsafe impl Zeroed for super::loose::Share {}
