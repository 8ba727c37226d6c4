//! The packet path allocates nothing and frees nothing once it is warm: a counting allocator watches it.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dataplane::inject::{Inject, inject_ring};
use support::packet::Packet;
use support::*;

thread_local! {
    /// Calls of the allocator by this thread, both ways; counted only while `WATCHED`.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

fn count() {
    // A thread that is ending has no thread-locals any more; nobody watches it.
    let _ = WATCHED.try_with(|watched| {
        if watched.get() {
            CALLS.with(|calls| calls.set(calls.get() + 1));
        }
    });
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator while `work` runs.
fn calls(work: impl FnOnce()) -> usize {
    CALLS.with(|calls| calls.set(0));
    WATCHED.with(|watched| watched.set(true));
    work();
    WATCHED.with(|watched| watched.set(false));
    CALLS.with(Cell::get)
}

#[test]
fn the_counter_counts() {
    assert_eq!(calls(|| drop(vec![0u8; 100])), 2);
}

#[test]
fn no_kind_of_packet_makes_the_worker_allocate() {
    let to6 = |to: &str| Packet::udp6(MAC0, "2001:db8:1::10", to, 64);
    let to4 = |to: &str| Packet::udp4(MAC0, "10.1.0.10", to, 64);
    let mut echo = Packet::ip6(
        MAC0,
        "2001:db8:1::10",
        "2001:db8:1::1",
        58,
        &[128, 0, 0, 0, 0, 1, 0, 1],
    );
    let sum = wire::checksum::checksum_v6(
        &"2001:db8:1::10".parse().unwrap(),
        &"2001:db8:1::1".parse().unwrap(),
        wire::Protocol::ICMPV6,
        &echo.l3[40..],
    );
    echo = echo.set(42, &sum.to_be_bytes());
    let kinds = [
        ("plain", to6("2001:db8:2::10")),
        ("plain IPv4", to4("10.2.0.10")),
        ("to a VLAN", to6("2001:db8:3::10")),
        ("group", to6("2001:db8:e::1")),
        ("no route", to6("2001:db9::1")),
        ("hop limit", to6("2001:db8:2::10").set(7, &[1])),
        ("to be resolved", to6("2001:db8:2::77")),
        ("for us", to6("2001:db8:1::1")),
        ("echo request", echo),
        (
            "too big",
            Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 1353),
        ),
        (
            "to be fragmented",
            Packet::udp4(MAC0, "10.1.0.10", "10.2.0.10", 1400),
        ),
        (
            "other station",
            to6("2001:db8:2::10").to([2, 9, 9, 9, 9, 9]),
        ),
    ];
    for (name, packet) in kinds {
        let mut world = World::new(true);
        let bytes = packet.bytes();
        // Warm: the fake devices' own lists reach their size.
        for round in 0..4 {
            (0..32).for_each(|_| world.receive(PORT0, &bytes));
            if round < 3 {
                world.round();
                world.forget();
            }
        }
        // The fake device allocates when it keeps what was sent; a full one keeps nothing.
        world.limit_tx(PORT0, Some(0));
        world.limit_tx(PORT1, Some(0));
        let made = calls(|| world.round());
        assert_eq!(made, 0, "{name}");
        assert_eq!(world.outcome().count("rx port 0 packets"), 128, "{name}");
    }
}

#[test]
fn injected_buffers_are_not_freed_by_the_worker() {
    let (mut control, mut worker) = inject_ring(8);
    for n in 0..20 {
        let mut bytes = control.reuse().unwrap_or_default();
        bytes.extend_from_slice(&[n; 100]);
        assert!(control.send(Inject::Frame { port: PORT0, bytes }).is_ok());
        let made = calls(|| match worker.pop() {
            Some(Inject::Frame { bytes, .. }) => worker.give_back(bytes),
            other => panic!("{other:?}"),
        });
        assert_eq!(made, 0);
    }
}
