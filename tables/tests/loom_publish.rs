//! Model check of the publication primitive: every interleaving that the memory model allows, for small cases.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tables --release --test loom_publish`
#![cfg(loom)]
#![allow(unsafe_code)] // loom cells hand out raw pointers; loom itself checks each access.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use tables::publish::{Published, Qsbr, Retired};

/// Counts as alive until dropped; loom's own tracking catches a read of freed atomics besides.
struct Version {
    number: usize,
    alive: Arc<AtomicUsize>,
}

impl Drop for Version {
    fn drop(&mut self) {
        self.alive.store(0, Ordering::Relaxed);
    }
}

fn version(number: usize) -> Box<Version> {
    Box::new(Version {
        number,
        alive: Arc::new(AtomicUsize::new(1)),
    })
}

fn check(seen: &Version) -> usize {
    assert_eq!(seen.alive.load(Ordering::Relaxed), 1, "read after reclaim");
    seen.number
}

#[test]
fn a_quiescent_reader_never_reads_a_reclaimed_version() {
    loom::model(|| {
        let qsbr = Qsbr::new(1);
        let published = Arc::new(Published::new(qsbr.clone(), version(0)));
        let mut reader = qsbr.register().unwrap();
        let shared = published.clone();
        let worker = thread::spawn(move || {
            let first = check(shared.load(&reader));
            reader.quiescent();
            let second = check(shared.load(&reader));
            assert!(second >= first);
        });
        published.publish(version(1));
        published.reclaim();
        worker.join().unwrap();
        assert_eq!(published.reclaim(), 0);
    });
}

#[test]
fn a_reader_that_wakes_up_is_seen_or_sees() {
    loom::model(|| {
        let qsbr = Qsbr::new(1);
        let published = Arc::new(Published::new(qsbr.clone(), version(0)));
        let mut reader = qsbr.register().unwrap();
        let shared = published.clone();
        let worker = thread::spawn(move || {
            drop(reader.offline());
            check(shared.load(&reader));
        });
        published.publish(version(1));
        published.reclaim();
        worker.join().unwrap();
    });
}

#[test]
fn retired_slots_are_not_rewritten_under_a_reader() {
    loom::model(|| {
        // The LPM's shape: an index is published, the cell it names is plain memory that is reused.
        let qsbr = Qsbr::new(1);
        let cells = Arc::new([
            loom::cell::UnsafeCell::new(10usize),
            loom::cell::UnsafeCell::new(0usize),
        ]);
        let index = Arc::new(AtomicUsize::new(0));
        let mut reader = qsbr.register().unwrap();
        let (c, i) = (cells.clone(), index.clone());
        let worker = thread::spawn(move || {
            for _ in 0..2 {
                let at = i.load(Ordering::Acquire);
                // loom panics if this races with the writer's access.
                let value = c[at].with(|p| unsafe { *p });
                assert!(value == 10 || value == 11);
                reader.quiescent();
            }
        });
        cells[1].with_mut(|p| unsafe { *p = 11 });
        index.store(1, Ordering::Release);
        let mut retired = Retired::default();
        retired.push(0usize);
        retired.seal(&qsbr);
        retired.reclaim(&qsbr, |at| cells[at].with_mut(|p| unsafe { *p = 99 }));
        worker.join().unwrap();
    });
}
