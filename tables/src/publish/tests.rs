use super::*;
use std::sync::atomic::{AtomicBool, AtomicUsize};

#[test]
fn a_token_passes_when_every_reader_was_quiescent() {
    let qsbr = Qsbr::new(3);
    let mut a = qsbr.register().unwrap();
    let mut b = qsbr.register().unwrap();
    let token = qsbr.advance();
    assert!(!qsbr.passed(token));
    a.quiescent();
    assert!(!qsbr.passed(token), "b has not been quiescent");
    b.quiescent();
    assert!(qsbr.passed(token));
    assert!(qsbr.passed(qsbr.token()));
}

#[test]
fn sleeping_and_departed_readers_are_not_waited_for() {
    let qsbr = Qsbr::new(2);
    let mut a = qsbr.register().unwrap();
    let b = qsbr.register().unwrap();
    let token = qsbr.advance();
    drop(b);
    assert!(!qsbr.passed(token));
    let asleep = a.offline();
    assert!(qsbr.passed(token));
    let later = qsbr.advance();
    assert!(qsbr.passed(later), "asleep through the whole period");
    asleep.online();
    assert!(qsbr.passed(later), "came online after the token was taken");
    assert!(!qsbr.passed(qsbr.advance()));
}

#[test]
fn slots_are_bounded_and_reused() {
    let qsbr = Qsbr::new(1);
    let a = qsbr.register().unwrap();
    assert_eq!(qsbr.register().unwrap_err(), TooManyReaders { max: 1 });
    drop(a);
    assert!(qsbr.register().is_ok());
}

#[test]
fn retired_items_wait_for_their_own_grace_period() {
    let qsbr = Qsbr::new(1);
    let mut reader = qsbr.register().unwrap();
    let mut retired = Retired::default();
    retired.push(1);
    retired.push(2);
    let mut freed = vec![];
    assert_eq!(
        retired.reclaim(&qsbr, |x| freed.push(x)),
        0,
        "not even sealed"
    );
    retired.seal(&qsbr);
    reader.quiescent();
    retired.push(3);
    retired.seal(&qsbr);
    assert_eq!(retired.reclaim(&qsbr, |x| freed.push(x)), 2);
    assert_eq!((freed.as_slice(), retired.len()), ([1, 2].as_slice(), 1));
    reader.quiescent();
    retired.reclaim(&qsbr, |x| freed.push(x));
    assert!(retired.is_empty());
}

#[test]
#[should_panic(expected = "another QSBR instance")]
fn a_foreign_reader_is_refused() {
    let published = Published::new(Qsbr::new(1), Box::new(1));
    let stranger = Qsbr::new(1).register().unwrap();
    published.load(&stranger);
}

/// A version that knows whether it has been dropped.
struct Version {
    number: usize,
    alive: AtomicBool,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Version {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn readers_see_living_versions_in_order_while_the_writer_replaces_them() {
    const VERSIONS: usize = 20_000;
    let qsbr = Qsbr::new(2);
    let dropped = Arc::new(AtomicUsize::new(0));
    let version = |number| {
        Box::new(Version {
            number,
            alive: AtomicBool::new(true),
            dropped: dropped.clone(),
        })
    };
    let published = Published::new(qsbr.clone(), version(0));
    std::thread::scope(|scope| {
        for id in 0..2 {
            let mut reader = qsbr.register().unwrap();
            let published = &published;
            scope.spawn(move || {
                let mut last = 0;
                let mut round = 0;
                while last < VERSIONS {
                    for _ in 0..8 {
                        let seen = published.load(&reader);
                        assert!(seen.alive.load(Ordering::SeqCst), "read after reclaim");
                        assert!(seen.number >= last, "went back in time");
                        last = seen.number;
                    }
                    round += 1;
                    if round % 64 == id {
                        drop(reader.offline());
                    } else {
                        reader.quiescent();
                    }
                }
            });
        }
        for number in 1..=VERSIONS {
            published.publish(version(number));
        }
    });
    assert_eq!(published.reclaim(), 0, "all readers are gone");
    assert_eq!(dropped.load(Ordering::SeqCst), VERSIONS);
    drop(published);
    assert_eq!(dropped.load(Ordering::SeqCst), VERSIONS + 1);
}
