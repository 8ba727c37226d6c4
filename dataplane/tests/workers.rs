//! Real workers on real threads, with DPDK's own loop-back devices: what a port sends it receives again.

mod support;

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use dataplane::counters::Accounting;
use dataplane::drop::DropReason;
use dataplane::forwarding::{Forwarding, Interface, Tags};
use dataplane::inject::Inject;
use dataplane::ports::{DeviceSpec, Ring};
use dataplane::{ControlSide, Dataplane, DataplaneOptions, Idle};
use dpdk::{EalOptions, Hugepages};
use support::packet::{Packet, ethernet};
use support::{HOST, LAN, MAC0, MAC1, PORT0, PORT1, VRF, WAN};
use tables::id::PortId;
use tables::lpm::Prefix;
use tables::next_hop::{NextHop, NextHopKind};

/// Waits until `done`, or fails.
fn until(what: &str, control: &ControlSide, done: impl Fn(&ControlSide) -> bool) {
    let begin = Instant::now();
    while !done(control) {
        let all: Vec<_> = control.counters.iter().map(|c| c.accounting()).collect();
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}: {all:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn drops(control: &ControlSide, port: PortId, reason: DropReason) -> u64 {
    control
        .counters
        .iter()
        .map(|c| c.port(port).drops[reason.index()].get())
        .sum()
}

fn send(control: &mut ControlSide, worker: usize, n: u64) {
    let bytes = Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 64).bytes();
    for _ in 0..n {
        let mut request = Inject::Frame {
            port: PORT0,
            bytes: bytes.clone(),
        };
        while let Err(back) = control.injects[worker].send(request) {
            request = back;
            std::thread::yield_now();
        }
    }
}

fn program(control: &mut ControlSide) {
    let mut forwarding = Forwarding::new();
    forwarding.insert(Interface::new(LAN, PORT0, Tags::None, MAC0, VRF));
    forwarding.insert(Interface::new(WAN, PORT1, Tags::None, MAC1, VRF));
    control.forwarding.publish(Box::new(forwarding));
    let mut host = NextHop::of_kind(NextHopKind::Forward);
    host.header[..14].copy_from_slice(&ethernet(HOST, MAC1, &[], 0));
    let host = NextHop {
        header_len: 14,
        port: PORT1,
        iface: WAN,
        mtu: 1500,
        ..host
    };
    let id = control.next_hops.alloc(host).unwrap();
    control.lpm6.add_vrf(VRF).unwrap();
    let net: Ipv6Addr = "2001:db8:2::".parse().unwrap();
    control
        .lpm6
        .insert(VRF, Prefix::new(net.to_bits(), 64).unwrap(), id)
        .unwrap();
}

#[test]
fn two_workers_forward_hand_over_and_let_devices_go() {
    let options = DataplaneOptions {
        eal: EalOptions {
            file_prefix: format!("dataplane-test-{}", std::process::id()),
            memory_mib: 64,
            hugepages: Hugepages::Never,
            ..EalOptions::default()
        },
        workers: vec![None, None],
        idle: Idle::Adaptive,
        buffers: 4095,
        ..DataplaneOptions::default()
    };
    let devices = ["lan", "wan"].map(|name| DeviceSpec::new(name, Ring));
    let (mut dataplane, mut control) = Dataplane::start(&options, &devices).unwrap();
    assert_eq!(dataplane.ports().count(), 2);
    assert!(dataplane.link(PORT0).unwrap().up);
    program(&mut control);

    // Port 0 is worker 0's, port 1 worker 1's: both the frames for port 0 that worker 1 injects and those that worker
    // 0 forwards to port 1 change hands. What port 1 sends it receives again, and drops: it is for the host.
    for (worker, n) in [(0, 500), (1, 500)] {
        send(&mut control, worker, n);
    }
    until("forwarding", &control, |c| {
        drops(c, PORT1, DropReason::NotOurMac) == 1000
    });
    assert!(control.counters[0].handed_off.get() >= 1000);
    assert!(control.counters[1].handed_off.get() >= 500);
    let lane: u64 = control.counters.iter().map(|c| c.run.lane.get()).sum();
    assert_eq!(lane, 1000);

    // Idle workers sleep.
    until("sleep", &control, |c| {
        c.counters.iter().all(|c| c.run.sleeps.get() > 0)
    });

    // A device goes: what would leave by it is dropped by name. It comes back under the same number.
    dataplane.remove_device(PORT1).unwrap();
    send(&mut control, 0, 10);
    until("no port", &control, |c| {
        drops(c, PORT0, DropReason::TxPortDown) == 10
    });
    assert!(dataplane.remove_device(PORT1).is_err());
    assert_eq!(dataplane.add_device(&devices[1]).unwrap(), PORT1);
    send(&mut control, 0, 10);
    until("back", &control, |c| {
        drops(c, PORT1, DropReason::NotOurMac) == 1010
    });

    assert_eq!(dataplane.dead_worker(), None);
    let faults = dataplane.stop();
    assert!(faults.is_empty(), "{faults:?}");
    let mut all = Accounting::default();
    for counters in &control.counters {
        assert_eq!(
            counters.accounting().balance(),
            0,
            "{:?}",
            counters.accounting()
        );
        all += counters.accounting();
    }
    assert_eq!(all.handed_off, all.taken_over);
    assert_eq!(all.balance(), 0);
}
