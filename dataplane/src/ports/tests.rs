use super::*;

fn string(kind: impl Into<DeviceKind>) -> String {
    DeviceSpec::new("d", kind).eal_string(3)
}

#[test]
fn every_kind_becomes_the_string_of_its_driver() {
    let interface = || "lan0".to_owned();
    assert_eq!(
        string(AfPacket {
            interface: interface(),
            qdisc_bypass: true
        }),
        "net_af_packet3,iface=lan0,qpairs=1,framesz=2048,blocksz=4096,framecnt=512,qdisc_bypass=1"
    );
    assert_eq!(
        string(AfXdp {
            interface: interface(),
            force_copy: true,
            ..AfXdp::default()
        }),
        "net_af_xdp3,iface=lan0,start_queue=0,queue_count=1,force_copy=1"
    );
    assert_eq!(
        string(AfXdp {
            interface: interface(),
            busy_budget: Some(0),
            ..AfXdp::default()
        }),
        "net_af_xdp3,iface=lan0,start_queue=0,queue_count=1,busy_budget=0"
    );
    assert_eq!(
        string(Tap {
            interface: interface(),
            persist: false
        }),
        "net_tap3,iface=lan0"
    );
    assert_eq!(
        string(Tap {
            interface: interface(),
            persist: true
        }),
        "net_tap3,iface=lan0,persist"
    );
    assert_eq!(
        string(Memif {
            socket: "/run/m".into(),
            id: 7,
            ..Memif::default()
        }),
        "net_memif3,role=server,socket=/run/m,socket-abstract=no,id=7,bsize=2048,rsize=9"
    );
    assert_eq!(
        string(Memif {
            socket: "/run/m".into(),
            role: MemifRole::Client,
            zero_copy: true,
            secret: Some("s".to_owned()),
            ..Memif::default()
        }),
        "net_memif3,role=client,socket=/run/m,socket-abstract=no,id=0,bsize=2048,rsize=9,\
         zero-copy=yes,secret=s"
    );
    assert_eq!(
        string(VhostUser {
            socket: "/run/v".into(),
            client: true,
            tso: true,
            ..VhostUser::default()
        }),
        "net_vhost3,iface=/run/v,queues=1,client=1,iommu-support=0,postcopy-support=0,tso=1"
    );
    assert_eq!(
        string(VirtioUser {
            path: "/run/v".into(),
            server: true,
            packed_vq: true
        }),
        "net_virtio_user3,path=/run/v,queues=1,queue_size=512,server=1,packed_vq=1"
    );
    assert_eq!(
        string(Pcap {
            rx: Some("a.pcap".into()),
            tx: Some("b.pcap".into()),
            infinite: true
        }),
        "net_pcap3,rx_pcap=a.pcap,tx_pcap=b.pcap,infinite_rx=1"
    );
    assert_eq!(string(Ring), "net_ring3");
    assert_eq!(
        string(Null {
            frame_len: 60,
            no_rx: true
        }),
        "net_null3,size=60,no-rx=1"
    );
    assert_eq!(
        string(Pci {
            address: "0000:03:00.0".into(),
            options: vec!["a=1".into()]
        }),
        "0000:03:00.0,a=1"
    );
}

#[test]
fn virtio_user_takes_its_address_as_an_option() {
    let spec = DeviceSpec {
        mac: Some([2, 0, 0, 0, 0, 0xab]),
        ..DeviceSpec::new(
            "d",
            VirtioUser {
                path: "p".into(),
                ..VirtioUser::default()
            },
        )
    };
    assert!(
        spec.eal_string(0).ends_with(",mac=02:00:00:00:00:ab"),
        "{}",
        spec.eal_string(0)
    );
}

#[test]
fn packet_socket_rings_hold_jumbo_frames_in_whole_pages() {
    let jumbo = DeviceSpec {
        mtu: 9000,
        ..DeviceSpec::new(
            "d",
            AfPacket {
                interface: "v".to_owned(),
                ..AfPacket::default()
            },
        )
    };
    let string = jumbo.eal_string(0);
    assert!(
        string.contains("framesz=10240,blocksz=20480,framecnt=512"),
        "{string}"
    );
    assert_eq!(jumbo.min_data_room(), 10240 - 32);
    for mtu in 68..=16000 {
        let slot = AfPacket::slot(mtu);
        let block = AfPacket::block(slot);
        assert!(slot >= mtu as u32 + 14 + 8 + 96 && slot.is_multiple_of(16));
        assert!(block.is_multiple_of(4096) && block.is_multiple_of(slot));
    }
}

#[test]
fn the_hosts_end_of_a_tap_keeps_its_address() {
    let tap = Tap::default();
    assert_eq!(tap.default_mac([2, 0, 0, 0, 0, 4]), [2, 0, 0, 0, 0, 5]);
    assert_eq!(Ring.default_mac([2, 0, 0, 0, 0, 4]), [2, 0, 0, 0, 0, 4]);
}

#[test]
fn a_capture_file_needs_room_for_its_longest_packet() {
    let dir = tempfile::tempdir().unwrap();
    let room = |header: &[u8]| {
        let rx = dir.path().join("rx.pcap");
        std::fs::write(&rx, header).unwrap();
        let pcap = Pcap {
            rx: Some(rx),
            ..Pcap::default()
        };
        DeviceSpec::new("d", pcap).min_data_room()
    };
    let header = |magic: [u8; 4], snaplen: [u8; 4]| {
        let mut header = [0; 24];
        header[..4].copy_from_slice(&magic);
        header[16..20].copy_from_slice(&snaplen);
        header
    };
    let unknown = room(&[]);
    assert!(unknown >= 1514);
    let (le, be) = ([0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d]);
    assert_eq!(room(&header(le, 78_u32.to_le_bytes())), 78);
    assert_eq!(room(&header(be, 78_u32.to_be_bytes())), 78);
    assert_eq!(room(&header(le, 262_144_u32.to_le_bytes())), unknown);
    assert_eq!(room(&header(le, [0; 4])), unknown);
    assert_eq!(room(&header([0; 4], 78_u32.to_le_bytes())), unknown);
}
