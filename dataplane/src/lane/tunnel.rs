//! Frames out of tunnels: the local stage's decapsulation for the commonest outer packets, one comparison of vectors each.
//!
//! Packets of a burst are mostly of few tunnels and networks: whose the last one was is asked first. What is found wrong, or
//! is not common (options, extension headers, another tunnel's header than the kind's shortest, a mark to be dropped for), is
//! left to the graph as it came. What is taken out here is a network's frame ever after, as if the graph had unpacked it.

use dpdk::{Mbuf, mbuf};
use tables::id::{AttachId, NetworkId, NextHopId, Place};
use tables::lpm::Simd;
use tables::lpm::arch::Tags;
use tables::next_hop::NextHopKind;
use wire::checksum::Sum;
use wire::traffic_class::{self, Decapsulated, Dscp, Ecn};

use super::bridge::Inside;
use super::plain::{at, ordinary};
use super::{AHEAD, LINK};
use crate::forwarding::network::{Ends, TunnelKind};
use crate::forwarding::outer::{HEAD, OWN_LEN, Opening};
use crate::forwarding::{Interface, Tunnel};
use crate::frame::BURST;
use crate::state::{Context, WorkerState};

/// Bytes that are looked at: the longest outer headers (IPv6, UDP, VXLAN) and the first of the inner packet's.
const SIGHT: usize = 128;
/// Bytes of a frame that is worth while: its link-layer header and the shortest IP header.
const LEAST: usize = LINK + 20;
const UDP: u8 = 17;
const GRE: u8 = 47;
const UDP_LEN: u16 = 8;

/// The tunnel and the network that the last packet was of.
struct Door<'r> {
    tunnel: &'r Tunnel,
    opening: &'r Opening,
    /// The last network's identifier; `None` before the first.
    key: Option<u32>,
    network: NetworkId,
    packets: u64,
    bytes: u64,
}

/// What was taken out of a burst.
#[derive(Clone, Copy, Default)]
pub(super) struct Unpacked {
    /// Which frames.
    pub frames: u64,
    /// Bytes of the whole burst as it came.
    pub bytes: u64,
}

/// What was taken out of a burst from where no tunnel packets come: nothing.
#[inline(always)]
pub(super) fn none(mbufs: &[Mbuf]) -> Unpacked {
    let n = mbufs.len().min(BURST);
    let mut unpacked = Unpacked::default();
    for (number, mbuf) in mbufs[..n].iter().enumerate() {
        mbufs[(number + AHEAD).min(n - 1)].prefetch();
        mbuf.prefetch_data();
        unpacked.bytes += u64::from(mbuf.pkt_len());
    }
    unpacked
}

/// Takes the frames out of the tunnel packets among a burst's that came in by `interface`.
#[inline(always)]
pub(super) fn unpack<S: Simd>(
    simd: S,
    cx: &Context<'_>,
    w: &WorkerState,
    mbufs: &[Mbuf],
    interface: &Interface,
    inside: &mut Inside,
) -> Unpacked {
    let n = mbufs.len().min(BURST);
    let mut unpacked = Unpacked::default();
    let mut door: Option<Door<'_>> = None;
    // Outer packets of both families, and their bytes.
    let (mut outer6, mut outer4) = ((0, 0), (0, 0));
    for mbuf in &mbufs[..n.min(AHEAD)] {
        fetch(*mbuf);
    }
    for (number, mbuf) in mbufs[..n].iter().enumerate() {
        mbufs[(number + 2 * AHEAD).min(n - 1)].prefetch();
        fetch(mbufs[(number + AHEAD).min(n - 1)]);
        unpacked.bytes += u64::from(mbuf.pkt_len());
        let Some(head) = mbuf.head::<SIGHT>() else {
            continue;
        };
        let is_open = |door: &Door<'_>| fits(simd, door.opening, head);
        if !door.as_ref().is_some_and(is_open) {
            let Some((tunnel, opening)) = find(cx, interface, head) else {
                continue;
            };
            if !fits(simd, opening, head) {
                continue;
            }
            leave(w, door.take());
            door = Some(Door {
                tunnel,
                opening,
                key: None,
                network: NetworkId(0),
                packets: 0,
                bytes: 0,
            });
        }
        let Some(door) = door.as_mut() else { continue };
        let Some(len) = one(cx, *mbuf, head, interface, door) else {
            continue;
        };
        unpacked.frames |= 1 << number;
        let outer = if door.opening.is6 {
            &mut outer6
        } else {
            &mut outer4
        };
        *outer = (outer.0 + 1, outer.1 + u64::from(len));
        door.packets += 1;
        door.bytes += u64::from(len);
        let from = AttachId::of(Place::Tunnel(door.tunnel.id));
        inside.note(cx, number, mbuf, door.network, from);
    }
    leave(w, door);
    let counters = w.counters.interface(interface.id);
    for (cells, (packets, bytes)) in [(&counters.rx6, outer6), (&counters.rx4, outer4)] {
        if packets != 0 {
            cells.add(packets, bytes);
        }
    }
    unpacked
}

/// Asks for the two lines that outer and inner headers are in.
#[inline(always)]
fn fetch(mbuf: Mbuf) {
    mbuf.prefetch_data();
    tables::prefetch(mbuf.data_ptr().wrapping_add(64));
}

/// Counts what came by a tunnel.
#[inline(always)]
fn leave(w: &WorkerState, door: Option<Door<'_>>) {
    if let Some(door) = door
        && door.packets != 0
    {
        let counters = w.counters.tunnel(door.tunnel.id);
        counters.rx.add(door.packets, door.bytes);
    }
}

/// Whether a packet begins as the tunnel's do.
#[inline(always)]
fn fits<S: Simd>(simd: S, opening: &Opening, head: &[u8; SIGHT]) -> bool {
    let faults = std::array::from_fn(|k| (head[k] ^ opening.value[k]) & opening.mask[k]);
    const { assert!(HEAD == 64) };
    simd.matching(&Tags(faults), 0xff, 0) == u64::MAX
}

/// The tunnel that a packet would be of, if its outer destination is ours.
#[inline(never)]
fn find<'r>(
    cx: &Context<'r>,
    interface: &Interface,
    head: &[u8; SIGHT],
) -> Option<(&'r Tunnel, &'r Opening)> {
    let networks = &cx.forwarding.networks;
    let (protocol, l4) = match head[12..LINK] {
        [0x86, 0xdd] if interface.ip6 => (head[LINK + 6], LINK + 40),
        [0x08, 0x00] if interface.ip4 => (head[LINK + 9], LINK + 20),
        _ => return None,
    };
    let kind = match protocol {
        UDP => networks.on_port(interface.vrf, u16::from_be_bytes(at(head, l4 + 2)))?,
        GRE => TunnelKind::Gre,
        _ => return None,
    };
    let mapped = |octets| 0xffff << 32 | u128::from(u32::from_be_bytes(octets));
    let is6 = l4 == LINK + 40;
    let (remote, local) = if is6 {
        (
            u128::from_be_bytes(at(head, LINK + 8)),
            u128::from_be_bytes(at(head, LINK + 24)),
        )
    } else {
        (mapped(at(head, LINK + 12)), mapped(at(head, LINK + 16)))
    };
    let found = networks.opening(&Ends {
        vrf: interface.vrf,
        kind,
        local,
        remote,
    })?;
    // Our address only as long as the table of routes says so.
    let id: NextHopId = if is6 {
        cx.lpm6.lookup(cx.reader, interface.vrf, local)
    } else {
        cx.lpm4.lookup(cx.reader, interface.vrf, local as u32)
    };
    (cx.next_hops.get(id).kind == NextHopKind::Local).then_some(found)
}

/// Takes the outer headers off one packet that fits the opening, and says how long the outer packet was; `None`, and the
/// packet is as it was, if there is anything odd about it.
#[inline(always)]
fn one(
    cx: &Context<'_>,
    mut mbuf: Mbuf,
    head: &[u8; SIGHT],
    interface: &Interface,
    door: &mut Door<'_>,
) -> Option<u16> {
    let Door {
        tunnel, opening, ..
    } = *door;
    let (own_at, inner_at) = (opening.own_at(), opening.own_at() + OWN_LEN);
    let length_at = if opening.is6 { LINK + 4 } else { LINK + 2 };
    let fixed = if opening.is6 { 40 } else { 0 };
    let len = u16::from_be_bytes(at(head, length_at)).checked_add(fixed)?;
    let end = LINK + usize::from(len);
    let sound = is_to(head, interface)
        & ordinary(&mbuf)
        & (end <= mbuf.pkt_len() as usize)
        & (inner_at + LEAST <= end)
        & (opening.is6 || is_summed(head));
    if !sound {
        return None;
    }
    if opening.in_udp {
        let upper_len = (end - opening.l4()) as u16;
        check_udp(&mbuf, head, tunnel, opening.l4(), upper_len)?;
    }
    let key = opening.key(u64::from_be_bytes(at(head, own_at)))?;
    if door.key != Some(key) {
        let networks = &cx.forwarding.networks;
        let network = networks.by_vni(tunnel.vrf, tunnel.kind, key)?;
        if network.vni(tunnel.id) != Some(key) {
            return None;
        }
        (door.key, door.network) = (Some(key), network.id);
    }
    let outer = class(head, LINK, opening.is6);
    let inner_l3 = inner_at + LINK;
    let inner6 = match (at(head, inner_at + 12), head[inner_l3] >> 4) {
        ([0x86, 0xdd], 6) if inner_l3 + 40 <= end => true,
        ([0x08, 0x00], 4) => false,
        _ => return None,
    };
    let inner = class(head, inner_l3, inner6);
    // Where both say the same there is nothing to be told.
    let marked = if inner == outer {
        inner
    } else {
        mark(tunnel, inner, outer)?
    };
    if mbuf.pkt_len() as usize != end {
        // Cannot fail: the packet is longer.
        let _ = mbuf.truncate(end as u32);
    }
    // Cannot fail: so much is in the one segment.
    let _ = mbuf.adj(inner_at as u16);
    if marked != inner
        && let Some(packet) = mbuf.data_mut().get_mut(LINK..)
    {
        // Cannot fail: the header is whole.
        let _ = traffic_class::replace(packet, marked);
    }
    // What the driver said was said of the outer packet.
    mbuf.set_ol_flags(mbuf.ol_flags() & mbuf::flags::ATTACHED_MASK);
    Some(len)
}

/// Whether a frame is to the interface's own address, from a station.
#[inline(always)]
fn is_to(head: &[u8; SIGHT], interface: &Interface) -> bool {
    let [a, b, c, d, e, f] = interface.mac;
    let want = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    let known = u64::from_le_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]);
    (u64::from_le_bytes(at(head, 0)) ^ want) & known == 0
}

/// Whether the checksum of an outer IPv4 header without options is right.
#[inline(always)]
fn is_summed(head: &[u8; SIGHT]) -> bool {
    let words = [0, 4, 8, 12, 16].map(|k| u32::from_le_bytes(at(head, LINK + k)));
    let sum: u64 = words.into_iter().map(u64::from).sum();
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum == 0xffff
}

/// The traffic class of an IP header.
#[inline(always)]
fn class(head: &[u8; SIGHT], l3: usize, is6: bool) -> u8 {
    let [first, second] = [head[l3], head[l3 + 1]];
    if is6 {
        first << 4 | second >> 4
    } else {
        second
    }
}

/// What the inner traffic class becomes; `None` if the packet is to be dropped.
fn mark(tunnel: &Tunnel, inner: u8, outer: u8) -> Option<u8> {
    match traffic_class::decapsulate(Ecn::of(inner), Ecn::of(outer)) {
        Decapsulated::Forward { ecn, .. } => {
            let dscp = tunnel.dscp.inner(Dscp::of(inner), Dscp::of(outer));
            Some(traffic_class::join(dscp, ecn))
        }
        Decapsulated::Drop => None,
    }
}

/// Whether length and checksum of a UDP header are as the tunnel wants them.
#[inline(always)]
fn check_udp(
    mbuf: &Mbuf,
    head: &[u8; SIGHT],
    tunnel: &Tunnel,
    l4: usize,
    upper_len: u16,
) -> Option<()> {
    let len = u16::from_be_bytes(at(head, l4 + 4));
    if len < UDP_LEN || upper_len < len {
        return None;
    }
    let is6 = tunnel.remote.is_ipv6();
    let none = at(head, l4 + 6) == [0; 2];
    let fine = if none {
        !(is6 && tunnel.checksum)
    } else {
        is_intact(mbuf, l4, len, is6)
    };
    fine.then_some(())
}

/// Whether a UDP packet of `len` bytes carries its right checksum.
fn is_intact(mbuf: &Mbuf, l4: usize, len: u16, is6: bool) -> bool {
    use mbuf::flags::{RX_L4_CKSUM_GOOD, RX_L4_CKSUM_MASK};
    if mbuf.ol_flags() & RX_L4_CKSUM_MASK == RX_L4_CKSUM_GOOD {
        return true;
    }
    // The addresses stand right in front of the UDP header: one sum over all.
    let addresses = if is6 { 32 } else { 8 };
    let covered = mbuf.data().get(l4 - addresses..l4 + usize::from(len));
    covered.is_some_and(|covered| {
        let mut sum = Sum::new();
        sum.add(covered);
        // The length once more, and the protocol, as the pseudo header has them.
        let tail = u32::from(len) + u32::from(UDP);
        let sum = u32::from(sum.fold()) + tail;
        let sum = (sum & 0xffff) + (sum >> 16);
        (sum & 0xffff) + (sum >> 16) == 0xffff
    })
}
