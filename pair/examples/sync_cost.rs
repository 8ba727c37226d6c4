//! What telling another router of flows costs.
//!
//! `cargo run --release -p pair --example sync_cost`. Two tables in one process: how many flows a second go from the one to the other over
//! a channel on the loopback interface, and by how much packets of a worker are slowed while it makes a hundred thousand flows a second and
//! another thread tells of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pair::channel;
use pair::key::Key;
use pair::record::{Flow, FlowState, Kind, Record as _};
use pair::session::{Action, Config, ConnId, Delivered, Event, Machine};
use tables::flow::{
    Change, Direction, FlowKey, FlowPeer, FlowTable, FlowWorker, New, Pairing, Probe, Progress,
    Record, Segment, Tcp, Upper,
};
use tables::id::{AnchorId, RuleId};
use tables::publish::{Qsbr, Reader};
use tokio::net::{TcpListener, TcpStream};

const BURST: usize = 64;
const SYN: u8 = 2;
const ACK: u8 = 16;
/// New flows a second.
const RATE: u64 = 100_000;
const SECONDS: u64 = 3;
/// Flows whose packets are forwarded.
const OLD: u32 = 100_000;
const NOW: u32 = 1000;

fn key(n: u32) -> FlowKey {
    FlowKey {
        anchor: AnchorId(1 + (n & 63) as u16),
        v6: true,
        protocol: 6,
        local: (
            0x2001_0db8 << 96 | u128::from(n & 0xff),
            1024 + (n >> 8 & 0xfff) as u16,
        ),
        remote: (0x2001_0db8_0001 << 80 | u128::from(n >> 20), 443),
    }
}

fn segment(flags: u8, sequence: u32, acknowledgment: u32) -> Segment {
    Segment {
        bytes: 100,
        upper: Upper::Tcp(Tcp {
            flags,
            sequence,
            acknowledgment,
            window: 65_535,
            ..Tcp::default()
        }),
        liberal: false,
    }
}

/// A connection, from SYN to both sides open.
fn connect(table: &FlowTable, worker: &mut FlowWorker, reader: &Reader, n: u32) {
    let seen = table.read(reader);
    let (key, hash) = (key(n), seen.hash(&key(n)));
    let new = New {
        generation: 1,
        rule: RuleId(1),
        opened: Direction::Egress,
        asked: 443,
        quota: u32::MAX,
        segment: segment(SYN, 0, 0),
        now: NOW,
    };
    if worker.insert(reader, hash, &key, &new).is_err() {
        return;
    }
    let Some(flow) = seen.find(hash, &key) else {
        return;
    };
    let tells = || worker.tell(flow);
    flow.packet_telling(Direction::Ingress, &segment(SYN | ACK, 0, 1), NOW, tells);
    flow.packet_telling(Direction::Egress, &segment(ACK, 1, 1), NOW, tells);
}

fn told(change: Change) -> Flow {
    match change {
        Change::Clear { slot } => Flow::Clear { slot },
        Change::Set { slot, flow } => Flow::Set {
            slot,
            flow: FlowState {
                port: flow.key.anchor.0,
                v6: flow.key.v6,
                protocol: flow.key.protocol,
                local: flow.key.local.0.to_be_bytes(),
                local_port: flow.key.local.1,
                remote: flow.key.remote.0.to_be_bytes(),
                remote_port: flow.key.remote.1,
                asked: flow.asked,
                progress: flow.progress.0,
                tags: None,
                age: flow.age,
                idle: flow.idle,
                handovers: flow.handovers,
            },
        },
    }
}

fn apply(peer: &mut FlowPeer, reader: &Reader, flow: &Flow) {
    match flow {
        Flow::Port { .. } => {}
        Flow::Clear { slot } => peer.clear(reader, *slot),
        Flow::Set { slot, flow } => {
            let record = Record {
                key: FlowKey {
                    anchor: AnchorId(flow.port),
                    v6: flow.v6,
                    protocol: flow.protocol,
                    local: (u128::from_be_bytes(flow.local), flow.local_port),
                    remote: (u128::from_be_bytes(flow.remote), flow.remote_port),
                },
                asked: flow.asked,
                progress: Progress(flow.progress),
                tags: [[0; 2]; 2],
                age: flow.age,
                idle: flow.idle,
                handovers: flow.handovers,
            };
            let _ = peer.set(reader, *slot, &record, u32::MAX, NOW);
        }
    }
}

/// One router's session: tells its flows and applies the other's until it is told to stop.
async fn session(
    node: &str,
    stream: TcpStream,
    dialled: bool,
    mut peer: FlowPeer,
    mut reader: Reader,
    stop: &AtomicBool,
    kept: &AtomicU64,
) {
    let Ok((mut receiver, mut sender)) = channel::open(stream, &Key::new([7; 32]), dialled).await
    else {
        return;
    };
    let (frames_in, mut frames) = tokio::sync::mpsc::channel::<Vec<u8>>(32);
    tokio::spawn(async move {
        loop {
            let mut plain = Vec::new();
            if receiver.receive(&mut plain).await.is_err() || frames_in.send(plain).await.is_err() {
                return;
            }
        }
    });
    let config = Config {
        node: node.into(),
        kinds: vec![Kind::Flow],
        rate: 10_000_000,
        ..Config::default()
    };
    let mut machine = Machine::new(config, Instant::now());
    let conn = ConnId(1);
    let mut out = Vec::new();
    machine.on_event(Instant::now(), Event::Connected { conn, dialled }, &mut out);
    let mut in_bulk = false;
    while !stop.load(Ordering::Relaxed) {
        for action in std::mem::take(&mut out) {
            match action {
                Action::Send { bytes, .. } => {
                    let offline = reader.offline();
                    let sent = sender.send(&bytes).await;
                    offline.online();
                    if sent.is_err() {
                        return;
                    }
                }
                Action::Tell(_) => {
                    peer.begin_bulk();
                    in_bulk = true;
                }
                Action::Deliver(delivery) => {
                    match delivery.what {
                        Delivered::Begin => peer.bulk_begins(),
                        Delivered::End => peer.bulk_ends(&reader),
                        Delivered::Records(_) => {
                            for bytes in delivery.records() {
                                if let Ok(flow) = pair::record::read::<Flow>(bytes) {
                                    apply(&mut peer, &reader, &flow);
                                }
                            }
                        }
                    }
                    machine.applied(delivery.kind, delivery.number);
                }
                _ => {}
            }
        }
        kept.store(peer.n_kept() as u64, Ordering::Relaxed);
        let offline = reader.offline();
        let frame = tokio::time::timeout(Duration::from_millis(2), frames.recv()).await;
        offline.online();
        let now = Instant::now();
        if let Ok(Some(bytes)) = frame {
            machine.on_event(
                now,
                Event::Frame {
                    conn,
                    bytes: &bytes,
                },
                &mut out,
            );
        }
        let room = (machine.room(Flow::KIND) / 256).min(4096);
        let mut push = |change| {
            let _ = machine.push(now, &told(change));
        };
        let taken = peer.changes(&reader, room, NOW, &mut push);
        if in_bulk {
            in_bulk = peer.bulk(&reader, room - taken, NOW, &mut push);
            if !in_bulk {
                machine.told(now, Flow::KIND);
            }
        }
        machine.on_event(now, Event::Timer, &mut out);
        peer.expire(NOW);
        reader.quiescent();
    }
}

/// A table, its worker's part and registration, and what is there for another router.
struct Side {
    table: std::sync::Arc<FlowTable>,
    worker: FlowWorker,
    reader: Reader,
    peer: Option<(FlowPeer, Reader)>,
}

fn side(flows: usize, is_paired: bool) -> Option<Side> {
    let qsbr = Qsbr::new(2);
    let pairing = Pairing {
        flows: if is_paired { flows } else { 0 },
        notes: 1 << 16,
    };
    let (table, mut workers, peer) = FlowTable::paired(flows, 1, &qsbr, 5, &pairing).ok()?;
    Some(Side {
        table,
        worker: workers.pop()?,
        reader: qsbr.register().ok()?,
        peer: peer.and_then(|peer| Some((peer, qsbr.register().ok()?))),
    })
}

/// Runs both sessions over the loopback interface beside `work`, which sees how many flows the second has of the first.
fn beside<T>(one: Side, two: Side, work: impl FnOnce(&mut Side, &AtomicU64) -> T) -> Option<T> {
    let (stop, kept, nobody) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let listener = std::net::TcpListener::bind("[::1]:0").ok()?;
    let address = listener.local_addr().ok()?;
    listener.set_nonblocking(true).ok()?;
    let (mut one, mut two) = (one, two);
    let (peer_one, peer_two) = (one.peer.take()?, two.peer.take()?);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    std::thread::scope(|scope| {
        let (stop, kept, nobody) = (&stop, &kept, &nobody);
        scope.spawn(move || {
            let runtime = runtime().ok()?;
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).ok()?;
                let (stream, _) = listener.accept().await.ok()?;
                let (peer, reader) = peer_two;
                session("two", stream, false, peer, reader, stop, kept).await;
                Some(())
            })
        });
        scope.spawn(move || {
            let runtime = runtime().ok()?;
            runtime.block_on(async {
                let stream = TcpStream::connect(address).await.ok()?;
                let (peer, reader) = peer_one;
                session("one", stream, true, peer, reader, stop, nobody).await;
                Some(())
            })
        });
        let result = work(&mut one, kept);
        stop.store(true, Ordering::Relaxed);
        Some(result)
    })
}

/// Flows a second that go from one table to another.
fn bulk(flows: u32) -> Option<f64> {
    let capacity = flows as usize * 9 / 8;
    let (mut one, two) = (side(capacity, true)?, side(capacity, true)?);
    for n in 0..flows {
        connect(&one.table, &mut one.worker, &one.reader, n);
        if n % 64 == 0 {
            one.worker.expire(NOW);
            one.reader.quiescent();
        }
    }
    // The worker holds nothing any more.
    std::mem::forget(one.reader.offline());
    let begin = Instant::now();
    beside(one, two, |_, kept| {
        while kept.load(Ordering::Relaxed) < u64::from(flows) {
            std::thread::sleep(Duration::from_millis(1));
            if begin.elapsed() > Duration::from_secs(30) {
                return None;
            }
        }
        Some(f64::from(flows) / begin.elapsed().as_secs_f64())
    })?
}

/// Packets a second of a worker that makes flows at a rate, and how many it has made.
fn forward(side: &mut Side) -> (f64, u64) {
    let Side {
        table,
        worker,
        reader,
        ..
    } = side;
    for n in 0..OLD {
        connect(table, worker, reader, n);
    }
    let packet = segment(ACK, 1, 1);
    let (mut made, mut packets, mut n) = (0_u64, 0_u64, 0_u32);
    let begin = Instant::now();
    loop {
        let passed = begin.elapsed();
        if passed.as_secs() >= SECONDS {
            return (packets as f64 / passed.as_secs_f64(), made);
        }
        let due = passed.as_micros() as u64 * RATE / 1_000_000;
        while made < due {
            connect(table, worker, reader, OLD + made as u32);
            made += 1;
        }
        for _ in 0..16 {
            let seen = table.read(reader);
            let mut probes = [Probe::NONE; BURST];
            for probe in &mut probes {
                n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *probe = seen.probe(&key((n >> 8) % OLD));
            }
            probes.iter_mut().for_each(|probe| seen.fetch(probe));
            for probe in &probes {
                if let Some(flow) = seen.probed(probe) {
                    flow.packet_telling(Direction::Egress, &packet, NOW, || worker.tell(flow));
                }
            }
            packets += BURST as u64;
            worker.expire(NOW);
            reader.quiescent();
        }
    }
}

fn main() {
    for flows in [10_000, 100_000, 500_000] {
        if let Some(rate) = bulk(flows) {
            println!("{flows:>8} flows told over the loopback interface: {rate:9.0} a second");
        }
    }
    let capacity = OLD as usize + (RATE * (SECONDS + 1)) as usize;
    let (mut without, mut with) = (0.0_f64, 0.0_f64);
    let mut told = 0;
    for _ in 0..3 {
        let Some(mut alone) = side(capacity, false) else {
            return;
        };
        without = without.max(forward(&mut alone).0);
        let (Some(one), Some(two)) = (side(capacity, true), side(capacity, true)) else {
            return;
        };
        let both = beside(one, two, |one, kept| {
            let (rate, made) = forward(one);
            std::mem::forget(one.reader.offline());
            let all = made + u64::from(OLD);
            let begin = Instant::now();
            while kept.load(Ordering::Relaxed) < all && begin.elapsed().as_secs() < 5 {
                std::thread::sleep(Duration::from_millis(1));
            }
            (rate, kept.load(Ordering::Relaxed) * 100 / all)
        });
        if let Some((rate, there)) = both {
            with = with.max(rate);
            told = there;
        }
    }
    println!(
        "{RATE} new flows a second: {:.2} million packets a second without the other router, {:.2} with it: {:.1} % slower; {told} % of the flows are there",
        without / 1e6,
        with / 1e6,
        100.0 * (1.0 - with / without)
    );
}
