//! Real packets without EAL, for unit tests.
//!
//! [`Arena`] is a pool of true mbufs on the heap: they are allocated, chained and freed by DPDK's
//! own functions, a double free aborts the test, and [`Arena::in_use`] shows leaks. [`FakePort`]
//! is a port made of two lists: the true [`RxQueue`] and [`TxQueue`] read and write them.
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use dpdk::testing::{Arena, FakePort};
//!
//! let arena = Arena::new(64);
//! let mut port = FakePort::new(0, 1);
//! let (rx, tx) = port.queues(0);
//! port.receive(0, arena.packet(b"some frame"));
//! // ... run a worker on (rx, tx) ...
//! # drop((rx, tx));
//! for packet in port.sent(0) { packet.free(); }
//! # for packet in port.take_unreceived(0) { packet.free(); }
//! assert_eq!(arena.in_use(), 0);
//! # }
//! ```

use std::collections::VecDeque;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use dpdk_sys as c;

use crate::mbuf::Mbuf;
use crate::mempool::Mempool;
use crate::queue::{RxQueue, TxQueue};

/// A pool of mbufs on the heap.
pub struct Arena {
    pool: Mempool,
}

impl Arena {
    /// `count` buffers with room for 2048 packet octets each.
    ///
    /// # Panics
    /// If memory is exhausted.
    pub fn new(count: u32) -> Self {
        Arena::with_data_room(count, 2048)
    }

    /// `count` buffers with room for `data_room` packet octets each.
    ///
    /// # Panics
    /// If memory is exhausted.
    pub fn with_data_room(count: u32, data_room: u16) -> Self {
        let pool = Mempool::on_heap(count, data_room);
        Arena {
            pool: pool.unwrap_or_else(|| panic!("no memory for {count} buffers")),
        }
    }

    /// The pool, for code that allocates by itself.
    pub fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// Buffers that were not freed yet.
    pub fn in_use(&self) -> u32 {
        self.pool.in_use()
    }

    /// A packet of one segment.
    ///
    /// # Panics
    /// If the arena is exhausted or the buffer too small.
    pub fn packet(&self, bytes: &[u8]) -> Mbuf {
        let Some(mut packet) = self.pool.alloc() else {
            panic!("the arena is exhausted")
        };
        let fits = u16::try_from(bytes.len()).is_ok_and(|n| packet.append(n));
        assert!(fits, "{} octets do not fit in a buffer", bytes.len());
        packet.data_mut().copy_from_slice(bytes);
        packet
    }

    /// A packet of one segment per element.
    ///
    /// # Panics
    /// As [`Arena::packet`]; and if `segments` is empty.
    pub fn chain(&self, segments: &[&[u8]]) -> Mbuf {
        let Some((first, rest)) = segments.split_first() else {
            panic!("a packet needs a segment")
        };
        let mut packet = self.packet(first);
        for segment in rest {
            packet.chain(self.packet(segment));
        }
        packet
    }
}

/// All octets of a packet, across segments.
pub fn bytes(packet: Mbuf) -> Vec<u8> {
    let mut out = vec![0; packet.pkt_len() as usize];
    let copied = packet.copy_to(&mut out);
    assert_eq!(
        copied,
        out.len(),
        "segments hold less than the packet's length says"
    );
    out
}

/// Receives up to 32 packets, the slow and comfortable way.
pub fn receive(rx: &mut RxQueue) -> Vec<Mbuf> {
    let mut burst = [MaybeUninit::uninit(); 32];
    let n = rx.rx_burst(&mut burst);
    // SAFETY: the first `n` were written.
    burst[..n]
        .iter()
        .map(|packet| unsafe { packet.assume_init() })
        .collect()
}

#[derive(Default)]
struct Queue {
    port: u16,
    waiting: VecDeque<Mbuf>,
    sent: Vec<Mbuf>,
    /// What the device takes before it is full; `None`: everything.
    room: Option<usize>,
}

type Shared = Arc<Mutex<Queue>>;

/// A port without driver or EAL. Ports are global to a process, as DPDK's are: tests that share
/// a process need different ids.
pub struct FakePort {
    id: u16,
    queues: Vec<Shared>,
    /// What the entry of `rte_eth_fp_ops` points to: one pointer per queue.
    _pointers: Box<[*mut c_void]>,
    lease: Arc<()>,
}

// SAFETY: the pointers lead to the mutexes that `queues` keeps alive.
unsafe impl Send for FakePort {}

impl FakePort {
    /// Port `id` (below 32) with `queues` queues each way.
    ///
    /// # Panics
    /// If `id` is out of range.
    pub fn new(id: u16, queues: u16) -> Self {
        let queues: Vec<Shared> = (0..queues)
            .map(|_| {
                Arc::new(Mutex::new(Queue {
                    port: id,
                    ..Queue::default()
                }))
            })
            .collect();
        let mut pointers: Box<[*mut c_void]> = queues
            .iter()
            .map(|q| Arc::as_ptr(q).cast_mut().cast())
            .collect();
        let array = pointers.as_mut_ptr();
        // SAFETY: array and mutexes live until `drop` detaches them.
        let result = unsafe { c::hextet_test_port_attach(id, array, Some(rx), array, Some(tx)) };
        assert_eq!(result, 0, "there is no port {id}");
        FakePort {
            id,
            queues,
            _pointers: pointers,
            lease: Arc::new(()),
        }
    }

    /// Handles of queue `queue`. Take each queue once: nothing else guards that here.
    ///
    /// # Panics
    /// If there is no such queue.
    pub fn queues(&self, queue: u16) -> (RxQueue, TxQueue) {
        assert!((queue as usize) < self.queues.len(), "no queue {queue}");
        (
            RxQueue::new(self.id, queue, self.lease.clone()),
            TxQueue::new(self.id, queue, self.lease.clone()),
        )
    }

    /// Puts a packet on the wire towards `queue`.
    pub fn receive(&self, queue: u16, packet: Mbuf) {
        self.with(queue, |q| q.waiting.push_back(packet));
    }

    /// Takes what was sent through `queue` so far; the caller frees it.
    pub fn sent(&self, queue: u16) -> Vec<Mbuf> {
        self.with(queue, |q| std::mem::take(&mut q.sent))
    }

    /// Takes back what nobody received.
    pub fn take_unreceived(&self, queue: u16) -> Vec<Mbuf> {
        self.with(queue, |q| q.waiting.drain(..).collect())
    }

    /// From now on the transmit side takes only `room` packets in all (a full ring), `None` for
    /// no limit.
    pub fn set_tx_room(&self, queue: u16, room: Option<usize>) {
        self.with(queue, |q| q.room = room);
    }

    fn with<T>(&self, queue: u16, f: impl FnOnce(&mut Queue) -> T) -> T {
        f(&mut self.queues[queue as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for FakePort {
    fn drop(&mut self) {
        assert!(
            Arc::strong_count(&self.lease) == 1 || std::thread::panicking(),
            "a queue of the fake port is still in use"
        );
        // SAFETY: no queue handle is out, so no burst is under way.
        unsafe { c::hextet_test_port_detach(self.id) };
    }
}

unsafe extern "C" fn rx(queue: *mut c_void, out: *mut *mut c::rte_mbuf, count: u16) -> u16 {
    // SAFETY: `queue` is one of the mutexes that the FakePort keeps alive.
    let queue = unsafe { &*queue.cast::<Mutex<Queue>>() };
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let n = queue.waiting.len().min(count as usize);
    let port = queue.port;
    for (i, mut packet) in queue.waiting.drain(..n).enumerate() {
        packet.set_port(port);
        // SAFETY: the caller gave room for `count` pointers.
        unsafe { *out.add(i) = packet.raw() };
    }
    n as u16
}

unsafe extern "C" fn tx(queue: *mut c_void, packets: *mut *mut c::rte_mbuf, count: u16) -> u16 {
    // SAFETY: as `rx`.
    let queue = unsafe { &*queue.cast::<Mutex<Queue>>() };
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let n = queue.room.unwrap_or(usize::MAX).min(count as usize);
    if let Some(room) = &mut queue.room {
        *room -= n;
    }
    for i in 0..n {
        // SAFETY: the caller gave `count` live packets.
        let packet = Mbuf::from_raw(unsafe { *packets.add(i) });
        queue.sent.extend(packet);
    }
    n as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_travel_through_a_fake_port() {
        let arena = Arena::new(8);
        let port = FakePort::new(3, 2);
        let (mut rx, mut tx) = port.queues(1);
        port.receive(1, arena.packet(b"one"));
        port.receive(1, arena.packet(b"two"));

        let packets = receive(&mut rx);
        assert_eq!(packets.len(), 2);
        assert_eq!(packets[0].data(), b"one");
        assert_eq!(packets[0].port(), 3);

        port.set_tx_room(1, Some(1));
        assert_eq!(tx.tx_burst(&packets), 1);
        packets[1].free();
        let sent = port.sent(1);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].data(), b"one");
        sent[0].free();
        assert_eq!(arena.in_use(), 0);
        drop((rx, tx));
    }

    #[test]
    fn an_exhausted_arena_gives_nothing() {
        let arena = Arena::new(2);
        let mut out = [MaybeUninit::uninit(); 3];
        assert!(arena.pool().alloc_bulk(&mut out).is_none());
        let two = arena.pool().alloc_bulk(&mut out[..2]).unwrap();
        assert_eq!(arena.pool().available(), 0);
        Mbuf::free_bulk(two);
        assert_eq!(arena.in_use(), 0);
    }
}
