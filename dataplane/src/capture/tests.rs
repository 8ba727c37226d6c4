use pcap_file::pcapng::{Block, PcapNgReader};

use super::*;
use crate::observe::Prefix;

fn frame() -> Vec<u8> {
    let mut bytes = Vec::new();
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([192, 0, 2, 1], [198, 51, 100, 9], 64)
        .udp(1, 2)
        .write(&mut bytes, &[7; 200])
        .unwrap();
    bytes
}

/// Copies out of a packet that lies in one piece.
fn copy(packet: &[u8]) -> impl Fn(usize, &mut [u8]) -> usize {
    move |skip, out| {
        let rest = packet.get(skip..).unwrap_or_default();
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        n
    }
}

fn meta(point: Point, len: usize) -> CaptureMeta {
    CaptureMeta {
        time: 11,
        port: PortId(2),
        iface: IfaceId(5),
        point,
        len: len as u32,
    }
}

const ALL: CaptureFilter = CaptureFilter {
    filter: Filter {
        iface: None,
        src: None,
        dst: None,
        protocol: None,
    },
    rx: true,
    tx: true,
    drops: true,
    snaplen: MAX_SNAPLEN,
};

#[test]
fn copies_come_back_whole_across_segments_and_the_ring_s_end() {
    let (mut worker, mut control) = capture_ring(700);
    let bytes = frame();
    for round in 0..50 {
        let point = [Point::Rx, Point::Tx, Point::Drop(DropReason::NoBuffer)][round % 3];
        let (a, _) = bytes.split_at(60);
        worker.offer(&ALL, meta(point, bytes.len()), a, 14, copy(&bytes));
        let captured = control.pop().unwrap();
        assert_eq!(
            captured,
            Captured {
                meta: meta(point, bytes.len()),
                data: bytes.clone()
            }
        );
        assert_eq!(control.pop(), None);
    }
    assert_eq!(worker.missed(), 0);
}

#[test]
fn the_snap_length_cuts_the_copy_not_the_length() {
    let (mut worker, mut control) = capture_ring(4096);
    let bytes = frame();
    let filter = CaptureFilter { snaplen: 64, ..ALL };
    worker.offer(
        &filter,
        meta(Point::Rx, bytes.len()),
        &bytes,
        14,
        copy(&bytes),
    );
    let captured = control.pop().unwrap();
    assert_eq!(captured.data, bytes[..64]);
    assert_eq!(captured.meta.len as usize, bytes.len());
}

#[test]
fn only_what_is_meant_is_copied() {
    let (mut worker, mut control) = capture_ring(4096);
    let bytes = frame();
    let wrong = Prefix {
        address: "203.0.113.0".parse().unwrap(),
        len: 24,
    };
    for (filter, point) in [
        (CaptureFilter { rx: false, ..ALL }, Point::Rx),
        (CaptureFilter { tx: false, ..ALL }, Point::Tx),
        (
            CaptureFilter {
                drops: false,
                ..ALL
            },
            Point::Drop(DropReason::Urpf),
        ),
        (
            CaptureFilter {
                filter: Filter {
                    dst: Some(wrong),
                    ..ALL.filter
                },
                ..ALL
            },
            Point::Rx,
        ),
    ] {
        worker.offer(&filter, meta(point, bytes.len()), &bytes, 14, copy(&bytes));
        assert_eq!(control.pop(), None, "{filter:?}");
    }
    assert_eq!(worker.missed(), 0);
}

#[test]
fn a_full_ring_costs_copies_and_is_counted() {
    let (mut worker, mut control) = capture_ring(600);
    let bytes = frame();
    for _ in 0..5 {
        worker.offer(&ALL, meta(Point::Rx, bytes.len()), &bytes, 14, copy(&bytes));
    }
    assert_eq!(worker.missed(), 3);
    assert_eq!(control.pop().unwrap().data, bytes);
    assert_eq!(control.pop().unwrap().data, bytes);
    assert_eq!(control.pop(), None);
}

#[test]
fn a_frame_too_short_for_an_ip_header_is_captured_too() {
    let (mut worker, mut control) = capture_ring(600);
    let drop = Point::Drop(DropReason::FrameTruncated);
    worker.offer(&ALL, meta(drop, 9), &[1; 9], 14, copy(&[1; 9]));
    assert_eq!(control.pop().unwrap().data, [1; 9]);
}

#[test]
fn the_file_says_which_interface_when_and_why() {
    let bytes = frame();
    let mut file = PcapngWriter::new(Vec::new(), 128).unwrap();
    let time = Duration::new(1_700_000_000, 123_456_789);
    let mut asked = 0;
    for (iface, point) in [
        (5, Point::Rx),
        (6, Point::Tx),
        (5, Point::Drop(DropReason::Ip6NoRoute)),
    ] {
        let meta = CaptureMeta {
            iface: IfaceId(iface),
            ..meta(point, 1500)
        };
        let packet = Captured {
            meta,
            data: bytes.clone(),
        };
        file.packet(&packet, time, |port, iface| {
            asked += 1;
            format!("lan{port}.{iface}")
        })
        .unwrap();
    }
    assert_eq!(asked, 2, "once per interface");

    let mut reader = PcapNgReader::new(&file.get_mut()[..]).unwrap();
    let (mut names, mut packets) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap().into_owned() {
            Block::InterfaceDescription(block) => {
                assert_eq!((block.linktype, block.snaplen), (DataLink::ETHERNET, 128));
                assert!(
                    block
                        .options
                        .contains(&InterfaceDescriptionOption::IfTsResol(9))
                );
                for option in block.options {
                    if let InterfaceDescriptionOption::IfName(name) = option {
                        names.push(name.into_owned());
                    }
                }
            }
            Block::EnhancedPacket(block) => {
                assert_eq!((block.timestamp, block.original_len), (time, 1500));
                assert_eq!(*block.data, bytes[..]);
                packets.push((block.interface_id, block.options));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names, ["lan2.5", "lan2.6"]);
    let comment = "drop ip6_no_route: no IPv6 route to the destination";
    assert_eq!(
        packets.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [0, 1, 0]
    );
    assert_eq!(packets[0].1, [EnhancedPacketOption::Flags(1)]);
    assert_eq!(packets[1].1, [EnhancedPacketOption::Flags(2)]);
    assert_eq!(
        packets[2].1,
        [
            EnhancedPacketOption::Comment(comment.into()),
            EnhancedPacketOption::Flags(1)
        ]
    );
}
