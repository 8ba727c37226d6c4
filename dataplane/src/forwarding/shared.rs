//! Parts of a snapshot that the next one has too.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value that copies of a snapshot have together. Whoever writes to it has it alone: it is copied first if others have it.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_has_it_alone() {
        let one = Shared::<Vec<u8>>::default();
        let mut other = one.clone();
        assert!(Arc::ptr_eq(&one.0, &other.0));
        other.push(1);
        assert_eq!((one.len(), other.len()), (0, 1));
        let at = other.as_ptr();
        other[0] = 2;
        assert_eq!(other.as_ptr(), at, "nobody else has it: it is not copied");
    }
}
