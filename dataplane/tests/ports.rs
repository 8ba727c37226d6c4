//! Every kind of device, with a real other end where it has one. Interfaces are made in a
//! network namespace that only the test's thread (and what it starts) lives in, so nothing is
//! left behind. One EAL a process: nextest gives every test its own.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dataplane::ports::{
    AfPacket, AfXdp, DeviceSpec, DeviceState, Fault, Memif, MemifRole, Notice, Null, OpenPort,
    Pcap, Pci, Ring, Tap, VhostUser, VirtioUser, open,
};
use dpdk::testing::{bytes, receive};
use dpdk::{Eal, EalOptions, Hugepages, Mbuf, Mempool, MulticastFilter, RxQueue, TxQueue};
use nix::sched::{CloneFlags, unshare};

const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

fn eal() -> Eal {
    Eal::init(&EalOptions {
        file_prefix: format!("hextet-ports-{}", std::process::id()),
        memory_mib: 96,
        hugepages: Hugepages::Never,
        ..EalOptions::default()
    })
    .unwrap()
}

fn pool(eal: &Eal) -> Mempool {
    Mempool::new(eal, "ports", 4095, 0, 2048, None).unwrap()
}

/// A network namespace of this thread's own, with a veth pair of `queues` queues in it.
fn veth(mtu: u32, queues: u16) {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    ip(&format!(
        "link add host mtu {mtu} numrxqueues {queues} numtxqueues {queues} type veth peer name port \
                 mtu {mtu} numrxqueues {queues} numtxqueues {queues}"
    ));
    ip("link set host up");
    ip("link set port up");
}

fn ip(arguments: &str) {
    run("ip", arguments);
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {error}");
}

/// A frame whose EtherType (for local experiments) nobody else uses.
fn frame(pool: &Mempool, destination: [u8; 6], len: usize, mark: u8) -> Mbuf {
    let mut packet = pool.alloc().unwrap();
    assert!(packet.append(len as u16), "the buffer holds {len} octets");
    let data = packet.data_mut();
    data.fill(mark);
    data[..6].copy_from_slice(&destination);
    data[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    data[12..14].copy_from_slice(&[0x88, 0xb5]);
    packet
}

/// Sends all; a device may take a while to become ready.
fn send(tx: &mut TxQueue, mut packets: &[Mbuf]) {
    let until = Instant::now() + Duration::from_secs(5);
    while !packets.is_empty() {
        let sent = tx.tx_burst(packets);
        packets = &packets[sent..];
        assert!(
            Instant::now() < until,
            "{} packets were not sent",
            packets.len()
        );
    }
}

/// Receives until a frame of the given mark comes; its octets. Others are the kernel's chatter.
fn receive_marked(rx: &mut RxQueue, mark: u8) -> Vec<u8> {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let packets = receive(rx);
        let all: Vec<Vec<u8>> = packets.iter().map(|&packet| bytes(packet)).collect();
        Mbuf::free_bulk(&packets);
        if let Some(found) = all
            .into_iter()
            .find(|p| p[12..14] == [0x88, 0xb5] && p[14] == mark)
        {
            return found;
        }
    }
    panic!("frame {mark} did not arrive");
}

/// One frame each way, then both are closed.
fn exchange(pool: &Mempool, mut a: OpenPort, mut b: OpenPort, len: usize) {
    let (mut arx, mut atx) = (a.port.rx_queue(0).unwrap(), a.port.tx_queue(0).unwrap());
    let (mut brx, mut btx) = (b.port.rx_queue(0).unwrap(), b.port.tx_queue(0).unwrap());
    wait_for_link(&a);
    wait_for_link(&b);
    // A memif client makes room for frames by polling only, as a worker always does.
    Mbuf::free_bulk(&receive(&mut brx));
    send(&mut atx, &[frame(pool, b.mac, len, 1)]);
    assert_eq!(receive_marked(&mut brx, 1).len(), len);
    send(&mut btx, &[frame(pool, a.mac, len, 2)]);
    assert_eq!(receive_marked(&mut arx, 2).len(), len);
    let refused = match b.port.stop() {
        Err(error) => error.to_string(),
        Ok(()) => panic!("stopped under a worker"),
    };
    assert!(refused.contains("2 queues of port"), "{refused}");
    drop((arx, atx, brx, btx));
    b.close().unwrap();
    // See the limit of the memif driver: let it handle first that its peer has gone.
    let until = Instant::now() + Duration::from_millis(200);
    while a.state() == DeviceState::Up && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(20));
    a.close().unwrap();
}

fn wait_for_link(port: &OpenPort) {
    let until = Instant::now() + Duration::from_secs(5);
    while !port.port.link().unwrap().up {
        assert!(Instant::now() < until, "{} has no link", port.spec().name);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn refusal(spec: &DeviceSpec, eal: &Eal, pool: &Mempool) -> String {
    match open(spec, eal, pool) {
        Ok(_) => panic!("{} was opened", spec.name),
        Err(error) => error.to_string(),
    }
}

fn af_packet(interface: &str) -> AfPacket {
    AfPacket {
        interface: interface.to_owned(),
        ..AfPacket::default()
    }
}

#[test]
fn af_packet_carries_frames_on_two_queues() {
    veth(1500, 2);
    let (eal, pool) = with_pool();
    let router = [2, 0, 0, 0, 0, 1];
    let spec = DeviceSpec {
        queues: 2,
        mac: Some(router),
        ..DeviceSpec::new("a", af_packet("port"))
    };
    let mut a = open(&spec, &eal, &pool).unwrap();
    assert_eq!((a.mac, a.info.driver.as_str()), (router, "net_af_packet"));
    assert_eq!(a.notices, []);
    assert_eq!(a.port.mac().unwrap(), router, "the device was told");
    let mut b = open(&DeviceSpec::new("b", af_packet("host")), &eal, &pool).unwrap();

    let mut rx = [a.port.rx_queue(0).unwrap(), a.port.rx_queue(1).unwrap()];
    let mut tx = b.port.tx_queue(0).unwrap();
    let sent: Vec<Mbuf> = (0..64).map(|mark| frame(&pool, router, 60, mark)).collect();
    send(&mut tx, &sent);
    let (mut seen, until) = (0, Instant::now() + Duration::from_secs(5));
    while seen < 64 {
        assert!(Instant::now() < until, "{seen} of 64 arrived");
        for queue in &mut rx {
            let packets = receive(queue);
            seen += packets
                .iter()
                .filter(|p| p.data()[12..14] == [0x88, 0xb5])
                .count();
            Mbuf::free_bulk(&packets);
        }
    }
    // And back, by the second queue.
    let mut atx = a.port.tx_queue(1).unwrap();
    let mut brx = b.port.rx_queue(0).unwrap();
    send(&mut atx, &[frame(&pool, b.mac, 1514, 99)]);
    assert_eq!(receive_marked(&mut brx, 99).len(), 1514);
    assert!(a.port.stats().unwrap().rx_packets >= 64);
    drop((rx, tx, atx, brx));
    a.close().unwrap();
    b.close().unwrap();
    assert_eq!(pool.in_use(), 0);
}

fn with_pool() -> (Eal, Mempool) {
    let eal = eal();
    let pool = pool(&eal);
    (eal, pool)
}

#[test]
fn af_packet_carries_jumbo_frames_and_raises_the_interfaces_mtu() {
    veth(1500, 1);
    let eal = eal();
    let jumbo = |name: &str, interface| DeviceSpec {
        mtu: 9000,
        rx_desc: 128,
        tx_desc: 128,
        ..DeviceSpec::new(name, af_packet(interface))
    };
    let small = Mempool::new(&eal, "small", 511, 0, 2048, None).unwrap();
    let text = refusal(&jumbo("a", "port"), &eal, &small);
    assert!(
        text.contains("device a: an MTU of 9000 needs buffers of 10208 octets"),
        "{text}"
    );

    let spec = jumbo("a", "port");
    let pool = Mempool::new(&eal, "jumbo", 511, 0, spec.min_data_room(), None).unwrap();
    let a = open(&spec, &eal, &pool).unwrap();
    let b = open(&jumbo("b", "host"), &eal, &pool).unwrap();
    assert_eq!(a.notices, [Notice::MtuNotProgrammed { told: 1500 }]);
    assert_eq!(dpdk::netdev::mtu("port").unwrap(), 9000);
    exchange(&pool, a, b, 9014);
    assert_eq!(pool.in_use(), 0, "every buffer came back");
}

#[test]
fn af_packet_lets_groups_in_and_says_how() {
    veth(1500, 1);
    let (eal, pool) = with_pool();
    let mut a = open(&DeviceSpec::new("a", af_packet("port")), &eal, &pool).unwrap();
    let filter = a.set_multicast(&[ALL_NODES]);
    let MulticastFilter::Promiscuous { refused } = filter else {
        panic!("{filter:?}")
    };
    assert!(refused.is_unsupported());
    let mut b = open(&DeviceSpec::new("b", af_packet("host")), &eal, &pool).unwrap();
    let (mut rx, mut tx) = (a.port.rx_queue(0).unwrap(), b.port.tx_queue(0).unwrap());
    send(&mut tx, &[frame(&pool, ALL_NODES, 60, 5)]);
    receive_marked(&mut rx, 5);
}

#[test]
fn a_cut_link_and_a_vanished_interface_are_reported_not_fatal() {
    veth(1500, 1);
    let (eal, pool) = with_pool();
    let mut a = open(&DeviceSpec::new("a", af_packet("port")), &eal, &pool).unwrap();
    let mut b = open(&DeviceSpec::new("b", af_packet("host")), &eal, &pool).unwrap();
    let (mut rx, mut tx) = (a.port.rx_queue(0).unwrap(), b.port.tx_queue(0).unwrap());
    assert_eq!(a.state(), DeviceState::Up);
    ip("link set host down");
    assert_eq!(a.state(), DeviceState::Down);
    ip("link del port");
    assert_eq!(a.state(), DeviceState::Gone);
    assert!(!dpdk::netdev::exists("port"));
    let lost = frame(&pool, a.mac, 60, 1);
    if tx.tx_burst(&[lost]) == 0 {
        lost.free();
    }
    let packets = receive(&mut rx);
    Mbuf::free_bulk(&packets);
    drop((rx, tx));
    a.close().unwrap();
    b.close().unwrap();
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn af_xdp_carries_frames_or_the_kernel_says_why_not() {
    veth(1500, 1);
    let (eal, pool) = with_pool();
    let kind = AfXdp {
        interface: "port".to_owned(),
        ..AfXdp::default()
    };
    let mut a = match open(&DeviceSpec::new("a", kind), &eal, &pool) {
        Ok(port) => port,
        Err(error) => {
            assert!(error.to_string().starts_with("device a: "), "{error}");
            assert!(
                matches!(error.fault, Fault::Plug(_) | Fault::Port(_)),
                "{error}"
            );
            return;
        }
    };
    let filter = a.set_multicast(&[ALL_NODES]);
    assert!(
        matches!(filter, MulticastFilter::Promiscuous { .. }),
        "{filter:?}"
    );
    let b = open(&DeviceSpec::new("b", af_packet("host")), &eal, &pool).unwrap();
    exchange(&pool, a, b, 1514);
}

#[test]
fn af_xdp_refuses_more_than_it_can_carry() {
    veth(9000, 1);
    let (eal, pool) = with_pool();
    let kind = AfXdp {
        interface: "port".to_owned(),
        ..AfXdp::default()
    };
    let spec = DeviceSpec {
        mtu: 9000,
        ..DeviceSpec::new("a", kind)
    };
    let text = refusal(&spec, &eal, &pool);
    assert!(
        text.contains("device a: the MTU 9000 is asked for, the device carries at most 3542"),
        "{text}"
    );
}

#[test]
fn af_xdp_takes_all_queues_of_its_interface_or_none() {
    veth(1500, 2);
    let (eal, pool) = with_pool();
    let kind = AfXdp {
        interface: "port".to_owned(),
        ..AfXdp::default()
    };
    let text = refusal(&DeviceSpec::new("a", kind), &eal, &pool);
    assert!(
        text.contains("spreads packets over 2 queues and 1 are taken; set queues = 2"),
        "{text}"
    );
}

#[test]
fn a_tap_meets_the_hosts_own_stack() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let (eal, pool) = with_pool();
    let kind = Tap {
        interface: "tap0".to_owned(),
        persist: false,
    };
    let too_much = DeviceSpec {
        mtu: 9000,
        ..DeviceSpec::new("t", kind.clone())
    };
    let text = refusal(&too_much, &eal, &pool);
    assert!(
        text.contains("the MTU 9000 is asked for, the device carries at most 1504"),
        "{text}"
    );

    let mut tap = open(&DeviceSpec::new("t", kind), &eal, &pool).unwrap();
    assert_ne!(tap.mac, tap.port.mac().unwrap(), "two ends, two addresses");
    assert_eq!(tap.set_multicast(&[ALL_NODES]), MulticastFilter::Exact);
    ip("addr add 192.0.2.1/24 dev tap0");
    ip("link set tap0 up");
    ip("neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev tap0");
    let socket = UdpSocket::bind("192.0.2.1:7001").unwrap();
    socket.send_to(b"from the host", "192.0.2.2:7002").unwrap();
    let mut rx = tap.port.rx_queue(0).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let found = loop {
        let packets = receive(&mut rx);
        let found = packets
            .iter()
            .any(|&p| bytes(p).ends_with(b"from the host"));
        Mbuf::free_bulk(&packets);
        if found || Instant::now() > until {
            break found;
        }
    };
    assert!(found, "the datagram came out of the tap");
    drop(rx);
    tap.close().unwrap();
    assert!(!dpdk::netdev::exists("tap0"), "it goes with its device");
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn memif_joins_two_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (eal, pool) = with_pool();
    let end = |role| Memif {
        socket: directory.path().join("m"),
        role,
        id: 5,
        ..Memif::default()
    };
    let text = refusal(&DeviceSpec::new("b", end(MemifRole::Client)), &eal, &pool);
    assert!(text.contains("device b: nobody listens on"), "{text}");
    let a = open(&DeviceSpec::new("a", end(MemifRole::Server)), &eal, &pool).unwrap();
    assert_eq!(a.notices, [Notice::LinkDown], "nobody there yet");
    assert_eq!(a.state(), DeviceState::Down);
    let b = open(&DeviceSpec::new("b", end(MemifRole::Client)), &eal, &pool).unwrap();
    exchange(&pool, a, b, 1514);
    assert_eq!(pool.in_use(), 0, "every buffer came back");
}

#[test]
fn vhost_user_and_virtio_user_meet() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("v");
    let (eal, pool) = with_pool();
    let guest = VirtioUser {
        path: socket.clone(),
        ..VirtioUser::default()
    };
    let text = refusal(&DeviceSpec::new("g", guest.clone()), &eal, &pool);
    assert!(text.contains("device g: nobody listens on"), "{text}");

    let host = VhostUser {
        socket,
        ..VhostUser::default()
    };
    let host = open(&DeviceSpec::new("h", host), &eal, &pool).unwrap();
    let mac = Some([2, 0, 0, 0, 0, 7]);
    let spec = DeviceSpec {
        mac,
        ..DeviceSpec::new("g", guest)
    };
    let guest = open(&spec, &eal, &pool).unwrap();
    assert_eq!(guest.port.mac().unwrap(), [2, 0, 0, 0, 0, 7]);
    exchange(&pool, host, guest, 1514);
    assert_eq!(pool.in_use(), 0, "every buffer came back");
}

#[test]
fn pcap_replays_and_records() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (
        directory.path().join("1.pcap"),
        directory.path().join("2.pcap"),
    );
    let (eal, pool) = with_pool();
    record(&eal, &pool, &first);
    let kind = Pcap {
        rx: Some(first),
        tx: Some(second.clone()),
        infinite: false,
    };
    let mut port = open(&DeviceSpec::new("p", kind), &eal, &pool).unwrap();
    let (mut rx, mut tx) = (
        port.port.rx_queue(0).unwrap(),
        port.port.tx_queue(0).unwrap(),
    );
    let packets = receive(&mut rx);
    assert_eq!(
        packets.iter().map(|p| p.data()[14]).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert!(receive(&mut rx).is_empty(), "once, not for ever");
    send(&mut tx, &packets);
    drop((rx, tx));
    port.close().unwrap();
    assert_eq!(std::fs::metadata(second).unwrap().len(), 24 + 3 * (16 + 60));
    assert_eq!(pool.in_use(), 0);
}

/// Three frames into a capture file.
fn record(eal: &Eal, pool: &Mempool, path: &Path) {
    let kind = Pcap {
        tx: Some(path.to_owned()),
        ..Pcap::default()
    };
    let mut port = open(&DeviceSpec::new("w", kind), eal, pool).unwrap();
    let mut tx = port.port.tx_queue(0).unwrap();
    send(
        &mut tx,
        &[0, 1, 2].map(|mark| frame(pool, [2; 6], 60, mark)),
    );
    drop(tx);
    port.close().unwrap();
}

#[test]
fn a_file_is_replayed_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("1.pcap");
    let (eal, pool) = with_pool();
    record(&eal, &pool, &file);
    let kind = Pcap {
        rx: Some(file),
        tx: None,
        infinite: true,
    };
    let mut port = open(&DeviceSpec::new("p", kind), &eal, &pool).unwrap();
    let mut rx = port.port.rx_queue(0).unwrap();
    for _ in 0..4 {
        let packets = receive(&mut rx);
        assert!(!packets.is_empty());
        Mbuf::free_bulk(&packets);
    }
}

#[test]
fn ring_and_null_need_nothing() {
    let (eal, pool) = with_pool();
    let mut ring = open(&DeviceSpec::new("r", Ring), &eal, &pool).unwrap();
    let (mut rx, mut tx) = (
        ring.port.rx_queue(0).unwrap(),
        ring.port.tx_queue(0).unwrap(),
    );
    send(&mut tx, &[frame(&pool, [2; 6], 60, 9)]);
    receive_marked(&mut rx, 9);
    let kind = Null {
        frame_len: 100,
        no_rx: false,
    };
    let spec = DeviceSpec {
        queues: 2,
        ..DeviceSpec::new("n", kind)
    };
    let mut null = open(&spec, &eal, &pool).unwrap();
    let packets = receive(&mut null.port.rx_queue(1).unwrap());
    assert!(packets.iter().all(|p| p.pkt_len() == 100) && !packets.is_empty());
    Mbuf::free_bulk(&packets);
}

#[test]
fn faults_are_one_sentence_that_says_what_to_do() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let (eal, pool) = with_pool();
    let text = |spec: DeviceSpec| refusal(&spec, &eal, &pool);
    let missing = "device d: there is no interface nope in the router's network namespace";
    assert!(text(DeviceSpec::new("d", af_packet("nope"))).starts_with(missing));
    let xdp = AfXdp {
        interface: "nope".to_owned(),
        ..AfXdp::default()
    };
    assert!(text(DeviceSpec::new("d", xdp)).starts_with(missing));
    let tap = Tap {
        interface: "a name/that is wrong".to_owned(),
        persist: false,
    };
    assert!(text(DeviceSpec::new("d", tap)).contains("is not usable: 1 to 15 letters"));
    let pci = Pci {
        address: "ffff:ff:1f.7".to_owned(),
        ..Pci::default()
    };
    assert!(text(DeviceSpec::new("d", pci)).contains("there is no PCI device ffff:ff:1f.7"));
    let zero_copy = Memif {
        socket: "/tmp/m".into(),
        zero_copy: true,
        ..Memif::default()
    };
    assert!(text(DeviceSpec::new("d", zero_copy)).contains("zero_copy needs huge pages"));
    let vhost = VhostUser {
        socket: "/no/such/dir/v".into(),
        ..VhostUser::default()
    };
    assert!(text(DeviceSpec::new("d", vhost)).contains("the directory of /no/such/dir/v"));
    let pcap = Pcap {
        rx: Some("/no/such.pcap".into()),
        ..Pcap::default()
    };
    assert!(text(DeviceSpec::new("d", pcap)).contains("cannot read /no/such.pcap: No such file"));
    let two = DeviceSpec {
        queues: 2,
        ..DeviceSpec::new("d", Pcap::default())
    };
    assert!(text(two).contains("a device of kind pcap has at most 1"));
}
