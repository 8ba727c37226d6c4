//! The punt ring: packets copied from a worker to the control plane.
//!
//! Slots are boxes that travel: the worker takes an empty one from the *free* ring, copies the packet into it, and
//! sends it down the *full* ring; the consumer returns it when it has looked at it. So nothing is allocated after the
//! start, the mbuf never leaves the worker, and a slow consumer fills the ring and costs drops (`punt_ring_full`),
//! never memory.

use std::ops::Deref;

use rtrb::{Consumer, Producer, RingBuffer};
use tables::id::{IfaceId, PortId, VrfId};

/// Bytes of an ordinary slot.
pub const SLOT: usize = 2048;
/// Bytes of a jumbo slot: the longest IP packet and its link-layer header.
pub const JUMBO_SLOT: usize = 65_535 + 22;

macro_rules! classes {
    ($($variant:ident $label:literal $help:literal;)*) => {
        /// What kind of packet is punted; each class has a policer of its own per port.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum PuntClass {
            $(#[doc = $help] $variant,)*
        }

        impl PuntClass {
            /// Every class; a class's number is its place.
            pub const ALL: &'static [PuntClass] = &[$(PuntClass::$variant,)*];

            /// The class's name in counters, traces and the CLI.
            pub const fn label(self) -> &'static str {
                match self { $(PuntClass::$variant => $label,)* }
            }

            /// One line for humans.
            pub const fn help(self) -> &'static str {
                match self { $(PuntClass::$variant => $help,)* }
            }
        }
    };
}

classes! {
    Nd "nd" "neighbour solicitation or advertisement (RFC 4861)";
    Rs "rs" "router solicitation";
    Ra "ra" "router advertisement of another router";
    Redirect "redirect" "redirect sent to us";
    Arp "arp" "ARP packet (RFC 826)";
    Mld "mld" "multicast listener message (RFC 3810)";
    Igmp "igmp" "IGMP message";
    Resolve "resolve" "request to resolve a destination on a connected prefix";
    ResolveGateway "resolve_gateway" "request to resolve the gateway of a route";
    Dhcp6 "dhcp6" "DHCPv6 message (RFC 8415)";
    Dhcp4 "dhcp4" "DHCPv4 message (RFC 2131)";
    Fragment "fragment" "fragment for one of our addresses";
    PathMtu "path_mtu" "word of a smaller path MTU of a tunnel (RFC 8201, RFC 1191)";
    Vrrp "vrrp" "VRRP advertisement (RFC 9568)";
    Bfd "bfd" "BFD control packet (RFC 5880)";
    Local "local" "other packet for one of our addresses or groups";
}

impl PuntClass {
    /// How many classes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether its packets say who is alive: they go before all others, in a ring of their own.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Vrrp | Self::Bfd)
    }

    /// The class as an index.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for PuntClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

/// Where a punted packet came from and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PuntMeta {
    /// The class.
    pub class: PuntClass,
    /// The worker that sends it.
    pub worker: u16,
    /// The port it came from.
    pub port: PortId,
    /// The interface it came in by; for `Resolve*` the interface on whose link the address lives.
    pub iface: IfaceId,
    /// The routing domain.
    pub vrf: VrfId,
    /// Bytes of the link-layer header in front of the IP (or ARP) header; 0 if it is gone.
    pub l3_offset: u16,
    /// `Resolve*`: the address to resolve, IPv4 as an IPv4-mapped address. Zero otherwise.
    pub address: [u8; 16],
}

impl PuntMeta {
    /// A request to resolve `address` on `iface`; it carries no packet.
    pub fn resolve(class: PuntClass, iface: IfaceId, address: [u8; 16]) -> Self {
        Self {
            class,
            iface,
            address,
            ..Self::EMPTY
        }
    }

    const EMPTY: Self = Self {
        class: PuntClass::Local,
        worker: 0,
        port: PortId(0),
        iface: IfaceId(0),
        vrf: VrfId(0),
        l3_offset: 0,
        address: [0; 16],
    };
}

/// A slot: a punted packet with its bytes.
#[derive(Debug)]
pub struct Punt {
    /// Where from and what.
    pub meta: PuntMeta,
    len: usize,
    buffer: Box<[u8]>,
}

impl Punt {
    fn empty(size: usize) -> Self {
        Self {
            meta: PuntMeta::EMPTY,
            len: 0,
            buffer: vec![0; size].into(),
        }
    }

    /// The frame, link-layer header first. Empty for `Resolve*`.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The packet from its IP (or ARP) header on.
    pub fn l3(&self) -> &[u8] {
        self.bytes()
            .get(usize::from(self.meta.l3_offset)..)
            .unwrap_or_default()
    }
}

/// Why a packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PuntError {
    /// No free slot: the control plane does not keep up.
    RingFull,
    /// Longer than any slot.
    TooBig,
}

/// Sizes of a punt ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PuntRingSize {
    /// Slots of [`SLOT`] bytes.
    pub slots: usize,
    /// Slots of [`JUMBO_SLOT`] bytes.
    pub jumbo_slots: usize,
}

impl PuntRingSize {
    /// The ring of urgent packets: 512 slots, 1 MiB.
    pub const URGENT: Self = Self {
        slots: 512,
        jumbo_slots: 0,
    };
}

impl Default for PuntRingSize {
    /// 1,024 slots and 8 jumbo slots: about 2.5 MiB.
    fn default() -> Self {
        Self {
            slots: 1024,
            jumbo_slots: 8,
        }
    }
}

/// The worker's end.
#[derive(Debug)]
pub struct PuntProducer {
    worker: u16,
    full: Producer<Punt>,
    free: Consumer<Punt>,
    free_jumbo: Consumer<Punt>,
}

/// The control plane's end.
#[derive(Debug)]
pub struct PuntConsumer {
    full: Consumer<Punt>,
    free: Producer<Punt>,
    free_jumbo: Producer<Punt>,
}

/// Makes the ring of one worker and fills it with slots.
pub fn punt_ring(worker: u16, size: PuntRingSize) -> (PuntProducer, PuntConsumer) {
    let (full_in, full_out) = RingBuffer::new(size.slots + size.jumbo_slots);
    let stock = |n: usize, bytes: usize| {
        let (mut producer, consumer) = RingBuffer::new(n);
        for _ in 0..n {
            // The ring was made for exactly this many.
            let _ = producer.push(Punt::empty(bytes));
        }
        (producer, consumer)
    };
    let (free_in, free_out) = stock(size.slots, SLOT);
    let (jumbo_in, jumbo_out) = stock(size.jumbo_slots, JUMBO_SLOT);
    (
        PuntProducer {
            worker,
            full: full_in,
            free: free_out,
            free_jumbo: jumbo_out,
        },
        PuntConsumer {
            full: full_out,
            free: free_in,
            free_jumbo: jumbo_in,
        },
    )
}

impl PuntProducer {
    /// Sends a packet of `len` bytes; `fill` writes it into the slot.
    pub fn send(
        &mut self,
        meta: PuntMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), PuntError> {
        let stock = if len <= SLOT {
            &mut self.free
        } else if len <= JUMBO_SLOT {
            &mut self.free_jumbo
        } else {
            return Err(PuntError::TooBig);
        };
        let mut slot = stock.pop().map_err(|_| PuntError::RingFull)?;
        slot.meta = PuntMeta {
            worker: self.worker,
            ..meta
        };
        slot.len = len;
        fill(&mut slot.buffer[..len]);
        // The full ring has room for every slot that exists.
        self.full.push(slot).map_err(|_| PuntError::RingFull)
    }
}

impl PuntConsumer {
    /// The oldest punted packet; its slot goes back to the worker when the guard is dropped.
    pub fn pop(&mut self) -> Option<PuntGuard<'_>> {
        let slot = self.full.pop().ok()?;
        Some(PuntGuard {
            slot: Some(slot),
            home: self,
        })
    }

    /// Packets waiting.
    pub fn len(&self) -> usize {
        self.full.slots()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the worker is gone.
    pub fn is_abandoned(&self) -> bool {
        self.full.is_abandoned()
    }
}

/// A punted packet being looked at.
#[derive(Debug)]
pub struct PuntGuard<'a> {
    slot: Option<Punt>,
    home: &'a mut PuntConsumer,
}

impl Deref for PuntGuard<'_> {
    type Target = Punt;

    fn deref(&self) -> &Punt {
        match &self.slot {
            Some(punt) => punt,
            None => unreachable!("the slot leaves its guard only when the guard is dropped"),
        }
    }
}

impl Drop for PuntGuard<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let jumbo = slot.buffer.len() > SLOT;
            let home = if jumbo {
                &mut self.home.free_jumbo
            } else {
                &mut self.home.free
            };
            // The free rings have room for every slot that exists.
            let _ = home.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(class: PuntClass) -> PuntMeta {
        PuntMeta {
            class,
            l3_offset: 2,
            ..PuntMeta::EMPTY
        }
    }

    #[test]
    fn packets_arrive_in_order_and_slots_return() {
        let (mut worker, mut control) = punt_ring(
            3,
            PuntRingSize {
                slots: 2,
                jumbo_slots: 1,
            },
        );
        for round in 0..5u8 {
            for n in 0..2u8 {
                let sent = worker.send(meta(PuntClass::Nd), 4, |b| b.fill(round * 2 + n));
                assert_eq!(sent, Ok(()));
            }
            let over = worker.send(meta(PuntClass::Nd), 4, |_| unreachable!("no slot"));
            assert_eq!(over, Err(PuntError::RingFull));
            assert_eq!(control.len(), 2);
            for n in 0..2u8 {
                let punt = control.pop().expect("sent above");
                assert_eq!(punt.bytes(), [round * 2 + n; 4]);
                assert_eq!(punt.l3().len(), 2);
                assert_eq!(punt.meta.worker, 3);
            }
        }
        assert!(control.pop().is_none());
    }

    #[test]
    fn long_packets_take_jumbo_slots_only() {
        let (mut worker, mut control) = punt_ring(
            0,
            PuntRingSize {
                slots: 1,
                jumbo_slots: 1,
            },
        );
        let local = meta(PuntClass::Local);
        assert_eq!(worker.send(local, SLOT + 1, |b| b.fill(1)), Ok(()));
        assert_eq!(
            worker.send(local, SLOT + 1, |_| ()),
            Err(PuntError::RingFull)
        );
        assert_eq!(
            worker.send(local, JUMBO_SLOT + 1, |_| ()),
            Err(PuntError::TooBig)
        );
        assert_eq!(worker.send(local, SLOT, |b| b.fill(2)), Ok(()));
        assert_eq!(control.pop().expect("jumbo").bytes().len(), SLOT + 1);
        assert_eq!(control.pop().expect("ordinary").bytes().len(), SLOT);
        assert_eq!(worker.send(local, JUMBO_SLOT, |b| b.fill(3)), Ok(()));
    }
}
