//! How packets that are made here leave: by the routing table, or on the link that the question came from.
//!
//! A link-local address means nothing to the routing table (RFC 4007): a packet to or from one goes straight back to
//! the station that sent the question.

use dpdk::{Mbuf, mbuf};
use tables::id::{AttachId, IfaceId, NetworkId, Place, PortId, VrfId};
use wire::addr::{v4, v6};

use crate::counters::NO_PORT;
use crate::forwarding::{Interface, MacAddr, Tags};
use crate::frame::{Family, Meta, flags};
use crate::graph::Stage;
use crate::stages::rewrite::ether_type;
use crate::state::{Context, WorkerState};

/// Longest link-layer header: Ethernet with two tags.
const MAX_LINK: usize = 22;
/// Tag protocol identifier of a customer tag (IEEE 802.1Q) ...
pub const CUSTOMER_TAG: [u8; 2] = [0x81, 0x00];
/// ... and of a service tag (IEEE 802.1ad).
pub const SERVICE_TAG: [u8; 2] = [0x88, 0xa8];

/// Who asked.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The interface it was heard on, if any.
    pub interface: Option<&'a Interface>,
    /// The station that sent the frame, if there was a frame.
    pub mac: Option<MacAddr>,
    /// The routing domain of the packet.
    pub vrf: VrfId,
}

impl<'a> Asker<'a> {
    /// Who sent the packet that `meta` describes.
    pub fn of(cx: &Context<'a>, mbuf: &Mbuf, meta: &Meta) -> Self {
        let mac = mbuf.data().get(6..).and_then(|rest| rest.first_chunk());
        Self {
            interface: cx.forwarding.interface(meta.iface),
            mac: mac.filter(|_| meta.l3 >= 14).copied(),
            vrf: meta.vrf,
        }
    }
}

/// Sends a packet that was made here; `mbuf` begins at its IP header. It is counted as originated.
pub fn send(w: &mut WorkerState, mut mbuf: Mbuf, family: Family, asker: Asker<'_>) {
    // What the driver said of a received buffer does not hold for the packet it carries now.
    mbuf.set_ol_flags(mbuf.ol_flags() & mbuf::flags::ATTACHED_MASK);
    let on_link = stays_on_link(mbuf.data(), family);
    match (on_link, asker) {
        (
            true,
            Asker {
                interface: Some(interface),
                mac: Some(mac),
                ..
            },
        ) => {
            send_on_link(w, mbuf, family, interface, mac);
        }
        // A link-local packet without a link: there is nowhere to send it. Routed, it is dropped under a name.
        _ => {
            let (protocol, header) = match family {
                Family::V6 => (mbuf.data().get(6), 40),
                _ => (mbuf.data().get(9), 20),
            };
            let meta = Meta {
                len: mbuf.pkt_len(),
                vrf: asker.vrf,
                iface: IfaceId(0),
                l4: header,
                protocol: protocol.copied().unwrap_or_default(),
                family,
                flags: flags::OWN,
                ..Meta::from_port(NO_PORT)
            };
            w.originate(mbuf, meta, Stage::Route);
        }
    }
}

/// Sends a packet that was made here to a station on the interface's link. It is counted as originated.
pub fn send_on_link(
    w: &mut WorkerState,
    mut mbuf: Mbuf,
    family: Family,
    interface: &Interface,
    mac: MacAddr,
) {
    let (header, len) = link_header(interface, mac, family);
    let bytes = u64::from(mbuf.pkt_len());
    w.counters.originated.add(1);
    if !mbuf.prepend(len as u16) {
        w.drop(mbuf, NO_PORT, crate::drop::DropReason::NoHeadroom);
        return;
    }
    mbuf.data_mut()[..len].copy_from_slice(&header[..len]);
    let traffic = w.counters.interface(interface.id);
    match family {
        Family::V6 => traffic.tx6.add(1, bytes),
        _ => traffic.tx4.add(1, bytes),
    }
    let (port, iface) = (interface.port, interface.id);
    if port == PortId::NETWORK {
        let meta = of_router(interface.network, iface);
        w.enter(mbuf, meta, Stage::Switch);
        return;
    }
    w.observer.sent(mbuf, len, port, iface);
    w.tx.put(port, mbuf, NO_PORT, &w.counters, &mut w.trash);
}

/// What is known of a frame that an interface of ours sends into its network.
pub fn of_router(network: NetworkId, iface: IfaceId) -> Meta {
    Meta {
        network,
        from: AttachId::of(Place::Router(iface)),
        flags: flags::OWN_FRAME,
        ..Meta::from_port(NO_PORT)
    }
}

fn stays_on_link(packet: &[u8], family: Family) -> bool {
    let word6 = |at: usize| packet.get(at..).and_then(|rest| rest.first_chunk::<16>());
    let word4 = |at: usize| packet.get(at..).and_then(|rest| rest.first_chunk::<4>());
    match family {
        Family::V6 => [word6(8), word6(24)]
            .into_iter()
            .flatten()
            .any(|address| v6::is_link_local(u128::from_be_bytes(*address))),
        _ => [word4(12), word4(16)]
            .into_iter()
            .flatten()
            .any(|address| v4::is_link_local(u32::from_be_bytes(*address))),
    }
}

/// The link-layer header from the interface to a station, or a group, on its link.
pub(super) fn link_header(
    interface: &Interface,
    mac: MacAddr,
    family: Family,
) -> ([u8; MAX_LINK], usize) {
    let mut header = [0; MAX_LINK];
    header[..6].copy_from_slice(&mac);
    header[6..12].copy_from_slice(&interface.mac);
    let mut len = 12;
    let mut put = |bytes: [u8; 2]| {
        header[len..len + 2].copy_from_slice(&bytes);
        len += 2;
    };
    match interface.tags {
        Tags::None => {}
        Tags::Vlan(vid) => {
            put(CUSTOMER_TAG);
            put(vid.to_be_bytes());
        }
        Tags::QinQ { outer, inner } => {
            put(SERVICE_TAG);
            put(outer.to_be_bytes());
            put(CUSTOMER_TAG);
            put(inner.to_be_bytes());
        }
    }
    put(ether_type(family));
    (header, len)
}

/// Copies bytes of a packet from `skip` on, across segments, as far as `out` reaches; how many were copied.
pub fn copy_from(mbuf: Mbuf, mut skip: usize, out: &mut [u8]) -> usize {
    let mut done = 0;
    for segment in mbuf.segments() {
        let data = segment.data();
        if skip >= data.len() {
            skip -= data.len();
            continue;
        }
        let data = &data[skip..];
        skip = 0;
        let n = data.len().min(out.len() - done);
        out[done..done + n].copy_from_slice(&data[..n]);
        done += n;
        if done == out.len() {
            break;
        }
    }
    done
}
