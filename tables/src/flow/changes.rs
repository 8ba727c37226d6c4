//! What workers tell of flows that change: numbers of entries, in a ring of each worker.
//!
//! One worker writes a ring and one thread reads it. Should two write, notes can get lost, and nothing worse. A note says only that there is
//! something to look at, so that one that is lost is made good by looking at everything; that one was lost is counted.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A counter in lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Own(AtomicU32);

/// The ring of one worker.
#[derive(Debug)]
pub(super) struct Changes {
    /// As many as a power of two, or none: nobody listens.
    numbers: Box<[AtomicU32]>,
    /// Notes written, ever.
    written: Own,
    /// Notes read, ever.
    read: Own,
    lost: AtomicU64,
}

impl Changes {
    /// A ring for `capacity` notes, rounded up to a power of two. With 0 it takes none.
    pub fn new(capacity: usize) -> Self {
        let capacity = match capacity {
            0 => 0,
            n => n.min(1 << 24).next_power_of_two(),
        };
        Self {
            numbers: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
            written: Own::default(),
            read: Own::default(),
            lost: AtomicU64::new(0),
        }
    }

    /// Tells of an entry.
    #[inline]
    pub fn tell(&self, number: u32) {
        if self.numbers.is_empty() {
            return;
        }
        let written = self.written.0.load(Ordering::Relaxed);
        let waiting = written.wrapping_sub(self.read.0.load(Ordering::Acquire));
        if waiting as usize >= self.numbers.len() {
            let lost = self.lost.load(Ordering::Relaxed);
            return self.lost.store(lost.wrapping_add(1), Ordering::Relaxed);
        }
        self.numbers[self.place(written)].store(number, Ordering::Relaxed);
        self.written
            .0
            .store(written.wrapping_add(1), Ordering::Release);
    }

    /// The oldest note.
    pub fn take(&self) -> Option<u32> {
        let read = self.read.0.load(Ordering::Relaxed);
        if read == self.written.0.load(Ordering::Acquire) {
            return None;
        }
        let number = self.numbers[self.place(read)].load(Ordering::Relaxed);
        self.read.0.store(read.wrapping_add(1), Ordering::Release);
        Some(number)
    }

    /// Notes for which there was no room, ever.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn place(&self, at: u32) -> usize {
        at as usize & (self.numbers.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_in_order_and_what_has_no_room_is_counted() {
        let changes = Changes::new(3);
        for round in 0..10 {
            assert_eq!(changes.take(), None);
            for n in 1..=6 {
                changes.tell(10 * round + n);
            }
            let taken: Vec<u32> = std::iter::from_fn(|| changes.take()).collect();
            assert_eq!(taken, (1..=4).map(|n| 10 * round + n).collect::<Vec<_>>());
            assert_eq!(changes.lost(), 2 * u64::from(round + 1));
        }
        let nobody = Changes::new(0);
        nobody.tell(1);
        assert_eq!((nobody.take(), nobody.lost()), (None, 0));
    }

    #[test]
    fn another_thread_reads_all_that_was_not_lost() {
        const NOTES: u32 = 1_000_000;
        let changes = Changes::new(1 << 10);
        let (mut taken, mut last) = (0_u64, 0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (1..=NOTES).for_each(|n| changes.tell(n)));
            loop {
                let done = writer.is_finished();
                while let Some(number) = changes.take() {
                    assert!(number > last);
                    (taken, last) = (taken + 1, number);
                }
                if done {
                    break;
                }
            }
        });
        assert_eq!(taken + changes.lost(), u64::from(NOTES));
    }
}
