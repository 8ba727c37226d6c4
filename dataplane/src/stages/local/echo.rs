//! Echo replies, made out of the request in place: whatever its length and however many segments it has, only its
//! headers are touched.

use dpdk::Mbuf;
use wire::checksum::{checksum, update_u16, update_u128};

use crate::frame::{Family, Meta};
use crate::icmp::message::HOP_LIMIT;
use crate::icmp::{PROTOCOL_ICMPV6, V4_ECHO_REQUEST, V6_ECHO_REPLY, V6_ECHO_REQUEST};
use crate::stages::answer::{self, Asker};
use crate::state::{Context, WorkerState};

const V6_HEADER: usize = 40;
const V4_HEADER: usize = 20;

/// Answers an ICMPv6 echo request from the address `own` (RFC 4443 section 4.2).
pub fn reply6(cx: &Context<'_>, mbuf: Mbuf, meta: &Meta, own: u128, w: &mut WorkerState) {
    let asker = Asker::of(cx, &mbuf, meta);
    let Some((mut mbuf, mut headers)) = uncover::<V6_HEADER, { V6_HEADER + 4 }>(mbuf, meta) else {
        unreachable!("the local stage has read the headers of an echo request");
    };
    let (ip, echo) = headers.split_at_mut(V6_HEADER);
    let len = meta.len as usize - usize::from(meta.l4 - meta.l3);
    ip[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    ip[6] = PROTOCOL_ICMPV6;
    ip[7] = HOP_LIMIT;
    let mut addresses = [0; 32];
    addresses.copy_from_slice(&ip[8..40]);
    let (requester, asked) = addresses.split_at(16);
    ip[8..24].copy_from_slice(&own.to_be_bytes());
    ip[24..40].copy_from_slice(requester);
    let mut was = [0; 16];
    was.copy_from_slice(asked);
    // The pseudo header's addresses changed places, which sums alike, unless a group was asked.
    let sum = u16::from_be_bytes([echo[2], echo[3]]);
    let sum = update_u16(
        sum,
        u16::from(V6_ECHO_REQUEST) << 8,
        u16::from(V6_ECHO_REPLY) << 8,
    );
    let sum = update_u128(sum, u128::from_be_bytes(was), own);
    echo[0] = V6_ECHO_REPLY;
    echo[2..4].copy_from_slice(&sum.to_be_bytes());
    finish(w, &mut mbuf, headers, Family::V6, asker);
}

/// Answers an ICMP echo request from the address `own` (RFC 792, RFC 1812 section 4.3.3.6).
pub fn reply4(cx: &Context<'_>, mbuf: Mbuf, meta: &Meta, own: u32, w: &mut WorkerState) {
    let asker = Asker::of(cx, &mbuf, meta);
    let Some((mut mbuf, mut headers)) = uncover::<V4_HEADER, { V4_HEADER + 4 }>(mbuf, meta) else {
        unreachable!("the local stage has read the headers of an echo request");
    };
    let (ip, echo) = headers.split_at_mut(V4_HEADER);
    let len = V4_HEADER + meta.len as usize - usize::from(meta.l4 - meta.l3);
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    ip[8] = HOP_LIMIT;
    let requester = [ip[12], ip[13], ip[14], ip[15]];
    ip[12..16].copy_from_slice(&own.to_be_bytes());
    ip[16..20].copy_from_slice(&requester);
    ip[10..12].fill(0);
    let sum = checksum(ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let sum = u16::from_be_bytes([echo[2], echo[3]]);
    let sum = update_u16(sum, u16::from(V4_ECHO_REQUEST) << 8, 0);
    echo[0] = 0;
    echo[2..4].copy_from_slice(&sum.to_be_bytes());
    finish(w, &mut mbuf, headers, Family::V4, asker);
}

/// Strips the packet to a plain IP header of `HEADER` bytes and its upper layer: the link-layer header goes, extension
/// headers or options go (a reply does not repeat them). Returns a copy of the first `N` bytes to be changed.
fn uncover<const HEADER: usize, const N: usize>(
    mut mbuf: Mbuf,
    meta: &Meta,
) -> Option<(Mbuf, [u8; N])> {
    let (l3, l4) = (usize::from(meta.l3), usize::from(meta.l4));
    let mut headers = [0; N];
    let data = mbuf.data();
    headers[..HEADER].copy_from_slice(data.get(l3..l3 + HEADER)?);
    headers[HEADER..].copy_from_slice(data.get(l4..l4 + N - HEADER)?);
    mbuf.adj(l4.checked_sub(HEADER)? as u16)
        .then_some((mbuf, headers))
}

fn finish<const N: usize>(
    w: &mut WorkerState,
    mbuf: &mut Mbuf,
    headers: [u8; N],
    family: Family,
    asker: Asker<'_>,
) {
    mbuf.data_mut()[..N].copy_from_slice(&headers);
    w.counters.consumed.add(1);
    w.counters.echo_replies.add(1);
    answer::send(w, *mbuf, family, asker);
}
