//! The two ends of a port's queue, each owned by one worker.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

use dpdk_sys as c;

use crate::mbuf::Mbuf;

/// Counts the handles that are out; the port cannot be stopped meanwhile.
pub(crate) type Lease = Arc<()>;

/// Not `Sync`: a queue may move to another thread, never serve two.
type NotSync = PhantomData<std::cell::Cell<()>>;

/// A receive queue. Dropping it gives it back to its port.
pub struct RxQueue {
    port: u16,
    queue: u16,
    _lease: Lease,
    _not_sync: NotSync,
}

/// A transmit queue. Dropping it gives it back to its port.
pub struct TxQueue {
    port: u16,
    queue: u16,
    _lease: Lease,
    _not_sync: NotSync,
}

impl RxQueue {
    pub(crate) fn new(port: u16, queue: u16, lease: Lease) -> Self {
        RxQueue {
            port,
            queue,
            _lease: lease,
            _not_sync: PhantomData,
        }
    }

    /// Receives up to `out.len()` packets into the start of `out`; how many came.
    #[inline(always)]
    pub fn rx_burst(&mut self, out: &mut [MaybeUninit<Mbuf>]) -> usize {
        let room = out.len().min(u16::MAX as usize) as u16;
        let array = out.as_mut_ptr().cast::<*mut c::rte_mbuf>();
        // SAFETY: the lease keeps the port started; this handle is the queue's only user; `array`
        // has room for `room` pointers and Mbuf is transparent over one.
        unsafe { c::rte_eth_rx_burst(self.port, self.queue, array, room) as usize }
    }

    /// The DPDK port, as in [`Mbuf::port`] of what it receives.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its number within the port.
    pub fn queue(&self) -> u16 {
        self.queue
    }
}

impl TxQueue {
    pub(crate) fn new(port: u16, queue: u16, lease: Lease) -> Self {
        TxQueue {
            port,
            queue,
            _lease: lease,
            _not_sync: PhantomData,
        }
    }

    /// Hands packets to the device, in order; how many it took. Those are gone, the rest of the
    /// slice is still the caller's.
    #[inline(always)]
    pub fn tx_burst(&mut self, packets: &[Mbuf]) -> usize {
        let count = packets.len().min(u16::MAX as usize) as u16;
        let array = packets.as_ptr().cast::<*mut c::rte_mbuf>().cast_mut();
        // SAFETY: as `rx_burst`; drivers only read the array.
        unsafe { c::rte_eth_tx_burst(self.port, self.queue, array, count) as usize }
    }

    /// Lets the driver fix what it needs for the offloads asked of these packets (pseudo-header
    /// sums); how many it accepts. Needed only before bursts with `TX_*` flags.
    #[inline]
    pub fn tx_prepare(&mut self, packets: &[Mbuf]) -> usize {
        let count = packets.len().min(u16::MAX as usize) as u16;
        let array = packets.as_ptr().cast::<*mut c::rte_mbuf>().cast_mut();
        // SAFETY: as `tx_burst`.
        unsafe { c::rte_eth_tx_prepare(self.port, self.queue, array, count) as usize }
    }

    /// The DPDK port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its number within the port.
    pub fn queue(&self) -> u16 {
        self.queue
    }
}
