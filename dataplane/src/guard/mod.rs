//! First-hop security: may this frame come from this port?
//!
//! ```text
//!   frame from an anchor ──► Seen ──► judge (pure) ──► policers ──► Verdict
//!                                      │    ▲
//!                          claim ◄─────┘    └── Book: whose is an address at this anchor, who has it on this link
//!                            │                    ▲
//!                            └──► note ──► control (protocols::savi) ┘
//! ```
//!
//! An *anchor* is the place where a tenant's machine is plugged (RFC 7039 section 2.3). Each has a [`Guard`]: plain data of the snapshot.
//! What a machine may send from is the guard's own word (pairs), or a *binding*: (anchor, address) and the MAC that has it.
//!
//! # Rules followed
//!
//! - RFC 7039, RFC 6620, RFC 7513: source addresses of IPv6 and IPv4, senders of ARP, sources and targets of neighbour discovery are bound to
//!   the anchor and the frame's MAC. Who decides what is bound is `protocols::savi`; here it is looked up, and what is new is told.
//! - RFC 6105, RFC 7113: router advertisements and redirects come from anchors with that role alone, whatever extension headers stand
//!   before them. A packet whose upper layer cannot be seen is dropped ([`DropReason::GuardUndecidable`]): a first fragment without it, more
//!   headers than are walked, a next header kept for experiments, another VLAN tag or SNAP header in front of the packet.
//! - RFC 6980: neighbour and listener discovery with a fragment header, atomic ones too, goes nowhere.
//! - RFC 5722, RFC 6946, RFC 7112: what a first fragment shows lies within the first [`OVERLAP`] bytes of what is fragmented, and no later
//!   fragment begins there: none can write over what was judged. Atomic fragments are looked through.
//! - RFC 7610 and its like for IPv4: what servers of DHCP say comes from anchors with that role alone; a client of DHCPv4 speaks of its own MAC.
//! - A report of a listener, and a solicitation of a router that names no link-layer address, may come from a link-local address that is
//!   new or tentative and that nobody else has: a host that has just begun with it loses none, and nobody learns from them whose it is.
//! - RFC 5227: a probe for an address is no use of it, and goes through unless somebody has the address.
//!
//! # What is not done
//!
//! - What servers of DHCP elsewhere say is not listened to (RFC 7513 section 6): leases are those of this router, others are learned by use.
//! - Checksums are not verified: whoever hears the message does.
//! - What is inside ESP and tunnels is not seen.

mod book;
mod fast;
mod inside4;
mod inside6;
mod judge;
pub mod note;
mod overhear;
mod police;
mod rule;
mod seen;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
mod naive;
#[cfg(test)]
mod tests;

use tables::id::AnchorId;

use crate::drop::DropReason;

pub use tables::id::LinkId;

pub use book::{Book, BookWriter, Holder, Known};
pub use fast::{is_control, prefetch, source_ok};
pub use judge::{Claim, Judgement, judge};
pub use note::{Note, NoteConsumer, Notes, Saying, note_ring};
pub use overhear::overhear;
pub use police::State;
pub use rule::{Guard, Learning, Mode, Pair, Rates, Roles, VirtualRouters};
pub use seen::Seen;

/// Bytes of what is fragmented in which the first fragment shows its upper layer, and no later one begins.
pub const OVERLAP: usize = 64;

/// What a frame that may pass is. What must always work passes the rules of its groups unasked (RFC 4890).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An IP packet that is the concern of nobody here.
    Data,
    /// ARP.
    Arp,
    /// Solicitation or advertisement of a neighbour, redirect.
    Neighbor,
    /// Solicitation or advertisement of a router.
    Router,
    /// MLD, IGMP.
    Listener,
    /// A client's or server's message of DHCP that stays on its link.
    Dhcp,
    /// Neither IP nor ARP.
    Other,
}

impl Kind {
    /// Whether the link does not work without it, so that no rule is asked.
    pub const fn is_essential(self) -> bool {
        !matches!(self, Kind::Data | Kind::Other)
    }
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass(Kind),
    /// It goes nowhere.
    Drop(DropReason),
    /// It goes on, and would not if the guard were enforced.
    Observed(DropReason),
}

/// The time of a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Ticks of the worker's clock.
    pub now: u64,
    /// Ticks a second.
    pub hz: u64,
}

impl Time {
    /// Seconds of the worker's clock.
    pub const fn seconds(self) -> u32 {
        let hz = if self.hz == 0 { 1 } else { self.hz };
        (self.now / hz) as u32
    }
}

/// Judges a frame of an anchor, polices it, confirms the bindings it used and tells of new ones. The packet path's door to this module.
pub fn admit(
    seen: &Seen<'_>,
    guard: &Guard,
    anchor: AnchorId,
    known: Known<'_>,
    state: &mut State,
    notes: &mut Notes,
    time: Time,
) -> Verdict {
    let judged = judge(seen, guard, anchor, known);
    let verdict =
        judged
            .verdict
            .and_then(|kind| match state.take(anchor, kind, &guard.rates, time) {
                true => Ok(kind),
                false => Err(police::reason(kind)),
            });
    if verdict.is_ok() {
        for handle in judged.used.into_iter().flatten() {
            known.touch(handle, time.seconds());
        }
    }
    // A frame that was policed brings no claim: a machine has no more of them than of what is policed.
    if let Some(claim) = judged.claim
        && verdict.is_ok() == judged.verdict.is_ok()
        && state.take_claim(anchor, &guard.rates, time)
    {
        let note = Note {
            link: guard.link,
            anchor,
            mac: seen.source,
            address: claim.address,
            saying: claim.saying,
            at: time.now,
        };
        notes.tell(note, time);
    }
    match (verdict, guard.mode) {
        (Ok(kind), _) => Verdict::Pass(kind),
        (Err(reason), Mode::Enforce) => Verdict::Drop(reason),
        (Err(reason), Mode::Observe) => Verdict::Observed(reason),
    }
}
