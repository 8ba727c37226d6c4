//! EAL, pools and ports on devices that need nothing of the host. One EAL a process: nextest
//! gives every test its own.
#![allow(unsafe_code)] // received packets are read out of uninitialised arrays

use std::mem::MaybeUninit;

use dpdk::{
    Eal, EalError, EalOptions, Hugepages, Mbuf, Mempool, MempoolError, MulticastFilter, Offloads,
    Pci, Port, PortConfig, PortError, RxQueue,
};

fn options() -> EalOptions {
    EalOptions {
        file_prefix: format!("hextet-test-{}", std::process::id()),
        memory_mib: 64,
        hugepages: Hugepages::Never,
        ..EalOptions::default()
    }
}

fn receive(rx: &mut RxQueue) -> Vec<Mbuf> {
    let mut burst = [MaybeUninit::uninit(); 32];
    let n = rx.rx_burst(&mut burst);
    // SAFETY: the first `n` were written.
    burst[..n]
        .iter()
        .map(|m| unsafe { m.assume_init() })
        .collect()
}

fn allowed_cpus() -> usize {
    let cpus = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    (0..nix::sched::CpuSet::count())
        .filter(|&cpu| cpus.is_set(cpu).unwrap())
        .count()
}

#[test]
fn start_leaves_the_callers_affinity_alone_and_works_once() {
    let before = allowed_cpus();
    let eal = Eal::init(&options()).unwrap();
    assert!(!eal.hugepages());
    assert!(eal.version().starts_with("DPDK 2"), "{}", eal.version());
    assert_eq!(allowed_cpus(), before);
    let in_thread = std::thread::spawn(allowed_cpus).join().unwrap();
    assert_eq!(in_thread, before, "threads made later are free too");
    assert!(matches!(
        Eal::init(&options()),
        Err(EalError::AlreadyStarted)
    ));
    drop(eal);
    assert!(matches!(
        Eal::init(&options()),
        Err(EalError::AlreadyStarted)
    ));
}

#[test]
fn nothing_is_left_behind() {
    let options = options();
    let runtime = format!("/var/run/dpdk/{}", options.file_prefix);
    drop(Eal::init(&options).unwrap());
    assert!(!std::path::Path::new(&runtime).exists());
}

#[test]
fn huge_pages_are_asked_for_in_vain() {
    let options = EalOptions {
        hugepages: Hugepages::Always,
        memory_mib: 1 << 30, // more than any host has
        ..options()
    };
    let Err(error) = Eal::init(&options) else {
        panic!("started")
    };
    assert!(
        error.to_string().contains("huge pages are asked for"),
        "{error}"
    );
    // That was found before DPDK was started, so another try is possible.
    Eal::init(&EalOptions {
        hugepages: Hugepages::Never,
        memory_mib: 64,
        ..options
    })
    .unwrap();
}

#[test]
fn a_registered_thread_has_an_lcore_and_a_pool_cache() {
    let eal = Eal::init(&options()).unwrap();
    let pool = Mempool::new(&eal, "cached", 255, 32, 2048, None).unwrap();
    std::thread::scope(|scope| {
        let lcore = scope.spawn(|| {
            let guard = eal.register_thread().unwrap();
            pool.alloc().unwrap().free();
            guard.lcore_id()
        });
        let lcore = lcore.join().unwrap();
        assert_ne!(lcore, u32::MAX);
        let again = scope.spawn(|| eal.register_thread().unwrap().lcore_id());
        assert_eq!(again.join().unwrap(), lcore, "the number was given back");
    });
    assert_eq!(
        (pool.available(), pool.in_use()),
        (255, 0),
        "cached buffers count as available"
    );
}

#[test]
fn pool_faults_are_named() {
    let eal = Eal::init(&options()).unwrap();
    let _first = Mempool::new(&eal, "p", 63, 0, 2048, None).unwrap();
    let taken = Mempool::new(&eal, "p", 63, 0, 2048, None).unwrap_err();
    assert!(matches!(taken, MempoolError::Name { .. }), "{taken}");
    let large = Mempool::new(&eal, "large", 1_000_000, 0, 2048, None).unwrap_err();
    assert!(
        large.to_string().contains("does not fit in the memory"),
        "{large}"
    );
}

#[test]
fn a_ring_port_loops_packets_and_guards_its_queues() {
    let eal = Eal::init(&options()).unwrap();
    let pool = Mempool::new(&eal, "pool", 1023, 0, 2048, None).unwrap();
    let device = eal.plug("net_ring0").unwrap();
    let mut port = Port::by_name(&eal, device.name()).unwrap();
    assert!(matches!(
        Port::by_name(&eal, "net_ring0"),
        Err(PortError::InUse(_))
    ));
    let info = port.info().unwrap();
    assert_eq!(info.driver, "net_ring");

    let many = PortConfig {
        rx_queues: info.max_rx_queues + 1,
        ..PortConfig::default()
    };
    let error = port.configure(&many, &pool).unwrap_err();
    assert!(error.to_string().contains("receive queues"), "{error}");

    let configured = port.configure(&PortConfig::default(), &pool).unwrap();
    assert_eq!(configured.mtu, 1500);
    assert!(!configured.offloads.rss && !configured.offloads.rx_scatter);
    let early = port.rx_queue(0);
    assert!(
        matches!(early, Err(PortError::QueueUnavailable { .. })),
        "not started yet"
    );
    port.start().unwrap();
    assert!(port.link().unwrap().up);

    let (mut rx, mut tx) = (port.rx_queue(0).unwrap(), port.tx_queue(0).unwrap());
    assert!(
        matches!(port.rx_queue(0), Err(PortError::QueueUnavailable { .. })),
        "taken"
    );
    assert!(matches!(
        port.stop(),
        Err(PortError::QueuesInUse { count: 2, .. })
    ));

    let mut packet = pool.alloc().unwrap();
    assert!(packet.append(60));
    packet.data_mut().fill(7);
    assert_eq!(tx.tx_burst(&[packet]), 1);
    let got = receive(&mut rx);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].data(), [7; 60]);
    Mbuf::free_bulk(&got);
    assert_eq!(port.stats().unwrap().tx_packets, 1);
    assert!(
        port.xstats()
            .unwrap()
            .contains(&("rx_good_packets".to_owned(), 1))
    );

    drop((rx, tx));
    port.stop().unwrap();
    port.close().unwrap();
    device.unplug().unwrap();
    assert_eq!(pool.in_use(), 0);
    assert!(matches!(
        Port::by_name(&eal, "net_ring0"),
        Err(PortError::NotFound(_))
    ));
}

#[test]
fn devices_come_and_go_while_running() {
    let eal = Eal::init(&options()).unwrap();
    let pool = Mempool::new(&eal, "pool", 1023, 0, 2048, None).unwrap();
    for round in 0..3 {
        let device = eal.plug("net_null0,size=60").unwrap();
        let mut port = Port::by_name(&eal, device.name()).unwrap();
        port.configure(&PortConfig::default(), &pool).unwrap();
        port.start().unwrap();
        let mut rx = port.rx_queue(0).unwrap();
        let got = receive(&mut rx);
        assert_eq!(got.len(), 32, "round {round}");
        assert_eq!((got[0].pkt_len(), got[0].port()), (60, port.id()));
        Mbuf::free_bulk(&got);
        drop(rx);
        port.close().unwrap();
        device.unplug().unwrap();
    }
    assert_eq!(pool.in_use(), 0);
    let error = eal.plug("net_no_such_driver0").err().unwrap();
    assert!(error.to_string().contains("net_no_such_driver0"), "{error}");
}

#[test]
fn pci_is_open_for_later_without_taking_anything_now() {
    let options = EalOptions {
        pci: Pci::Allow(Vec::new()),
        ..options()
    };
    let eal = Eal::init(&options).unwrap();
    // No machine has this address.
    let error = eal.plug("ffff:ff:1e.0").err().unwrap();
    assert!(error.to_string().contains("ffff:ff:1e.0"), "{error}");
}

#[test]
fn a_device_that_refuses_a_group_list_falls_back_and_says_so() {
    let eal = Eal::init(&options()).unwrap();
    let pool = Mempool::new(&eal, "pool", 1023, 0, 2048, None).unwrap();
    let device = eal.plug("net_null0").unwrap();
    let mut port = Port::by_name(&eal, device.name()).unwrap();
    port.configure(&PortConfig::default(), &pool).unwrap();
    port.start().unwrap();
    let all_nodes = [0x33, 0x33, 0, 0, 0, 1];
    let filter = port.set_multicast(&[all_nodes]);
    let MulticastFilter::AllMulticast { refused } = filter else {
        panic!("{filter:?}")
    };
    assert!(refused.is_unsupported(), "{refused}");
    assert!(port.take_events() == dpdk::PortEvents::default());
    assert!(!port.is_removed());
}

#[test]
fn a_port_dropped_with_queues_out_keeps_its_pool() {
    let eal = Eal::init(&options()).unwrap();
    let pool = Mempool::new(&eal, "pool", 1023, 0, 2048, None).unwrap();
    eal.plug("net_null0").unwrap();
    let mut port = Port::by_name(&eal, "net_null0").unwrap();
    let wanted = Offloads {
        tx_fast_free: true,
        ..Offloads::USUAL
    };
    port.configure(
        &PortConfig {
            wanted,
            ..PortConfig::default()
        },
        &pool,
    )
    .unwrap();
    port.start().unwrap();
    let mut rx = port.rx_queue(0).unwrap();
    drop((port, pool, eal));
    let got = receive(&mut rx);
    assert_eq!(got.len(), 32, "the worker goes on undisturbed");
    Mbuf::free_bulk(&got);
}

#[test]
fn dpdks_log_goes_where_it_is_told() {
    use std::sync::Mutex;
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let sink: dpdk::LogSink = |level, line| {
        assert!(level <= dpdk::LogLevel::Warning);
        LINES.lock().unwrap().push(line.to_owned());
    };
    let eal = Eal::init(&EalOptions {
        log: Some(sink),
        ..options()
    })
    .unwrap();
    assert!(eal.plug("net_no_such_driver0").is_err());
    let lines = LINES.lock().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("net_no_such_driver0")),
        "{lines:?}"
    );
}
