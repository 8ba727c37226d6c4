//! Answers packets that go no further with an ICMP error, where the RFCs allow one and the rate limits have room.
//!
//! The offender itself goes on to `drop` under its reason; the error is a packet of its own, which quotes as much of
//! the offender as fits and takes the routing table's way to its source.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr};

use dpdk::Mbuf;
use tables::policer::Rate;

use crate::drop::DropReason;
use crate::forwarding::Interface;
use crate::frame::{Family, Frame, Meta, flags};
use crate::graph::Stage;
use crate::icmp::limit::{Destination, ErrorLimiter, Rates};
use crate::icmp::message::{self, V4_HEAD, V6_HEAD};
use crate::icmp::permit::{self, Arrival};
use crate::icmp::{Cause, Code, source};
use crate::stages::answer::{self, Asker, copy_from};
use crate::stages::local::is_anycast;
use crate::stages::route::{destination4, destination6, source4, source6};
use crate::state::{Context, WorkerState};

#[cfg(test)]
mod tests;

/// Interfaces with buckets of their own; those beyond share one.
const INTERFACES: usize = 4096;

/// The stage's own state.
#[derive(Debug)]
pub struct State {
    limiter: ErrorLimiter,
}

impl Default for State {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(INTERFACES);
        Self {
            limiter: ErrorLimiter::new(INTERFACES, seed),
        }
    }
}

impl State {
    /// Whether one more error or redirect, caused on `interface`, may go to `destination` now.
    pub fn allow(
        &mut self,
        cx: &Context<'_>,
        interface: &Interface,
        destination: Destination,
    ) -> bool {
        let rate = |rate: crate::forwarding::Rate| Rate::new(rate.per_second, rate.burst, cx.hz);
        let limits = cx.forwarding.icmp;
        let rates = Rates {
            per_interface: rate(limits.per_interface),
            per_destination: rate(limits.per_destination),
        };
        self.limiter
            .allow(&rates, interface.id, destination, cx.now)
    }
}

/// Answers the packets of its list, and drops them.
pub fn icmp_error(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::IcmpError) {
        answer(cx, frame.mbuf(slot), &frame[slot], w);
        frame.send(slot, Stage::Drop);
    }
}

/// The cause that the error about a dropped packet names; `None` if the reason is not answered.
fn cause(reason: DropReason, param: u32, packet: &[u8]) -> Option<Cause> {
    use DropReason as R;
    Some(match reason {
        R::Ip6NoRoute | R::Ip4NoRoute | R::GroupEmpty => Cause::NoRoute,
        R::Unreachable => Cause::RejectRoute,
        R::Prohibited => Cause::Prohibited,
        R::BeyondScope | R::Ip6SourceLinkLocal => Cause::BeyondScope,
        R::Urpf => Cause::SourcePolicy,
        R::Ip6PacketTooBig | R::Ip4FragmentationNeeded | R::TunnelTooBig => {
            Cause::TooBig { mtu: param }
        }
        R::Ip6HopLimit | R::Ip4TtlExceeded => Cause::HopLimit,
        R::NeighbourFailed | R::HoldTimeout => Cause::AddressUnreachable,
        R::NoListener => Cause::PortUnreachable,
        R::NoProtocol => Cause::ProtocolUnreachable { pointer: param },
        R::Ip6HopByHopNotFirst => Cause::NextHeader { pointer: param },
        R::Ip6RoutingHeader0 | R::Ip6RoutingHeader | R::Ip6FragmentMalformed | R::Ip4Options => {
            Cause::Field { pointer: param }
        }
        R::Ip6OptionUnknown => {
            // RFC 8200 section 4.2: with action bits 10 the answer is due even to a multicast.
            let even_multicast = packet
                .get(param as usize)
                .is_some_and(|kind| kind >> 6 == 0b10);
            Cause::Option {
                pointer: param,
                even_multicast,
            }
        }
        R::Ip6FirstFragmentIncomplete => Cause::HeaderChain,
        _ => return None,
    })
}

/// Whether a packet with this drop reason had reached its destination, which then answers itself.
fn was_ours(reason: DropReason) -> bool {
    use DropReason as R;
    matches!(
        reason,
        R::NoListener | R::NoProtocol | R::Ip6RoutingHeader | R::Ip6OptionUnknown
    )
}

/// Sends the error about one packet, if there is one to send.
fn answer(cx: &Context<'_>, offender: Mbuf, meta: &Meta, w: &mut WorkerState) -> Option<()> {
    if meta.has(flags::OWN) {
        return None;
    }
    let interface = cx.forwarding.interface(meta.iface)?;
    let packet = offender.data().get(usize::from(meta.l3)..)?;
    let cause = cause(meta.reason, meta.param, packet)?;
    match meta.family {
        Family::V6 => answer6(cx, offender, packet, meta, interface, cause, w),
        Family::V4 => answer4(cx, offender, packet, meta, interface, cause, w),
        Family::Arp => None,
    }
}

fn answer6(
    cx: &Context<'_>,
    offender: Mbuf,
    packet: &[u8],
    meta: &Meta,
    interface: &Interface,
    cause: Cause,
    w: &mut WorkerState,
) -> Option<()> {
    let arrival = Arrival {
        link_group: meta.has(flags::LINK_MULTICAST),
        ..Arrival::default()
    };
    permit::v6(packet, cause, arrival).ok()?;
    let host = Ipv6Addr::from_bits(source6(&offender, meta));
    let addressed = Ipv6Addr::from_bits(destination6(&offender, meta));
    let unicast = !addressed.is_multicast() && !is_anycast(cx, &offender, meta);
    let own = if was_ours(meta.reason) && unicast {
        addressed
    } else {
        let own = interface
            .link_local
            .iter()
            .copied()
            .chain(interface.icmp_source6);
        source::v6(host, own)?
    };
    if !w.icmp.allow(cx, interface, host.into()) {
        w.counters.icmp_limited.add(1);
        return None;
    }
    let quoted = message::quote_v6(meta.len as usize);
    let head = |quote: &[u8]| message::error_v6(cause.v6(), own, host, quote);
    let error = build::<V6_HEAD>(w, offender, meta, quoted, head)?;
    w.counters.icmp_sent.add(1);
    answer::send(w, error, Family::V6, Asker::of(cx, &offender, meta));
    Some(())
}

fn answer4(
    cx: &Context<'_>,
    offender: Mbuf,
    packet: &[u8],
    meta: &Meta,
    interface: &Interface,
    cause: Cause,
    w: &mut WorkerState,
) -> Option<()> {
    let host = Ipv4Addr::from_bits(source4(&offender, meta));
    let addressed = Ipv4Addr::from_bits(destination4(&offender, meta));
    let arrival = Arrival {
        link_group: meta.has(flags::LINK_MULTICAST),
        directed_broadcast: interface.broadcast4.contains(&addressed),
        source_not_unique: interface.broadcast4.contains(&host),
    };
    permit::v4(packet, cause, arrival).ok()?;
    let own = if was_ours(meta.reason) {
        addressed
    } else {
        source::v4(host, interface.icmp_source4)?
    };
    if !w.icmp.allow(cx, interface, host.into()) {
        w.counters.icmp_limited.add(1);
        return None;
    }
    let error = error4(w, offender, meta, cause.v4()?, own, host)?;
    w.counters.icmp_sent.add(1);
    answer::send(w, error, Family::V4, Asker::of(cx, &offender, meta));
    Some(())
}

/// An ICMP message of `code` that quotes the packet.
pub(super) fn error4(
    w: &mut WorkerState,
    offender: Mbuf,
    meta: &Meta,
    code: Code,
    own: Ipv4Addr,
    host: Ipv4Addr,
) -> Option<Mbuf> {
    let quoted = message::quote_v4(meta.len as usize);
    let head = |quote: &[u8]| message::error_v4(code, own, host, quote);
    build::<V4_HEAD>(w, offender, meta, quoted, head)
}

/// A packet of `HEAD` bytes, as `head` makes them of the quotation, and the first `quoted` bytes of the offender.
/// `None` if there is no buffer, or none large enough.
pub(super) fn build<const HEAD: usize>(
    w: &mut WorkerState,
    offender: Mbuf,
    meta: &Meta,
    quoted: usize,
    head: impl FnOnce(&[u8]) -> [u8; HEAD],
) -> Option<Mbuf> {
    let mut mbuf = w.pool.alloc()?;
    if !mbuf.append((HEAD + quoted) as u16) {
        mbuf.free();
        return None;
    }
    let (front, quote) = mbuf.data_mut().split_at_mut(HEAD);
    let copied = copy_from(offender, usize::from(meta.l3), quote);
    quote[copied..].fill(0);
    front.copy_from_slice(&head(quote));
    Some(mbuf)
}
