use super::*;

fn forward(mtu: u16) -> NextHop {
    NextHop {
        mtu,
        ..NextHop::of_kind(NextHopKind::Forward)
    }
}

#[test]
fn ids_name_records_and_everything_else_is_no_route() {
    let qsbr = Qsbr::new(1);
    let (mut writer, table) = NextHopWriter::new(8, qsbr.clone()).unwrap();
    let reader = qsbr.register().unwrap();
    let id = writer.alloc(forward(1500)).unwrap();
    assert_eq!(id, NextHopId(1));
    assert_eq!(*table.read(&reader).get(id), forward(1500));
    for nothing in [0, 2, 7, 8, u32::MAX] {
        assert_eq!(
            *table.read(&reader).get(NextHopId(nothing)),
            NextHop::NO_ROUTE
        );
    }
    assert!(matches!(
        writer.set(NextHopId(0), forward(1)),
        Err(NextHopError::Unknown(_))
    ));
    assert!(matches!(
        writer.set(NextHopId(2), forward(1)),
        Err(NextHopError::Unknown(_))
    ));
    assert!(matches!(
        writer.free(NextHopId(9)),
        Err(NextHopError::Unknown(_))
    ));
}

#[test]
fn a_record_in_a_readers_hands_does_not_change() {
    let qsbr = Qsbr::new(1);
    let (mut writer, table) = NextHopWriter::new(2, qsbr.clone()).unwrap();
    let mut reader = qsbr.register().unwrap();
    let id = writer.alloc(forward(1)).unwrap();
    let held = table.read(&reader).get(id);
    writer.set(id, forward(2)).unwrap();
    assert_eq!((held.mtu, table.read(&reader).get(id).mtu), (1, 2));
    // Four records, three of which are taken: 0, the held one, and the current one.
    writer.set(id, forward(3)).unwrap();
    assert!(matches!(
        writer.set(id, forward(4)),
        Err(NextHopError::NoRecord(2))
    ));
    assert_eq!(held.mtu, 1);
    reader.quiescent();
    writer.set(id, forward(4)).unwrap();
    assert_eq!(
        (table.read(&reader).get(id).mtu, writer.get(id)),
        (4, Some(forward(4)))
    );
}

#[test]
fn a_freed_id_comes_back_only_after_a_grace_period() {
    let qsbr = Qsbr::new(1);
    let (mut writer, table) = NextHopWriter::new(2, qsbr.clone()).unwrap();
    let mut reader = qsbr.register().unwrap();
    let id = writer.alloc(forward(1)).unwrap();
    writer.free(id).unwrap();
    assert!(writer.is_empty());
    assert!(
        matches!(writer.free(id), Err(NextHopError::Unknown(_))),
        "twice"
    );
    assert!(matches!(
        writer.alloc(forward(2)),
        Err(NextHopError::Full(2))
    ));
    assert_eq!(
        table.read(&reader).get(id).mtu,
        1,
        "a worker may still be on its way to it"
    );
    reader.quiescent();
    assert_eq!(writer.alloc(forward(2)).unwrap(), id);
    assert_eq!((table.read(&reader).get(id).mtu, writer.len()), (2, 1));
}

#[test]
fn workers_read_whole_records_while_they_are_replaced() {
    let qsbr = Qsbr::new(2);
    let (mut writer, table) = NextHopWriter::new(64, qsbr.clone()).unwrap();
    let pattern = |n: u16| NextHop {
        port: PortId(n),
        iface: IfaceId(n),
        group: n,
        gateway: [n as u8; 16],
        ..forward(n)
    };
    let id = writer.alloc(pattern(1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut reader = qsbr.register().unwrap();
            let table = &table;
            scope.spawn(move || {
                let mut last = 0;
                while last != 20_000 {
                    let seen = *table.read(&reader).get(id);
                    last = seen.mtu;
                    assert_eq!(seen, pattern(last), "torn record");
                    reader.quiescent();
                }
            });
        }
        for n in 2..=20_000 {
            while writer.set(id, pattern(n)).is_err() {
                std::thread::yield_now();
            }
        }
    });
}
