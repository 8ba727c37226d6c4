//! How much of what makes others work comes from an anchor: token buckets, owned by one worker.

use tables::id::AnchorId;
use tables::policer::{Rate, TokenBucket};

use super::rule::Rates;
use super::{Kind, Time};
use crate::drop::DropReason;

/// The buckets of an anchor, in the order of the rates.
const BUCKETS: usize = 6;
const CLAIMS: usize = 5;

/// The policers, by anchor. Anchors beyond share the first, which is nobody's.
#[derive(Debug)]
pub struct State {
    buckets: Box<[[TokenBucket; BUCKETS]]>,
}

/// Why a frame of this kind is dropped when there are too many of them.
pub(super) const fn reason(kind: Kind) -> DropReason {
    match kind {
        Kind::Router => DropReason::RsPoliced,
        Kind::Listener => DropReason::MldPoliced,
        Kind::Arp => DropReason::ArpPoliced,
        Kind::Dhcp => DropReason::DhcpPoliced,
        Kind::Neighbor | Kind::Data | Kind::Other => DropReason::NdPoliced,
    }
}

impl State {
    /// Full buckets for anchors below this id.
    pub fn new(anchors: usize) -> Self {
        Self {
            buckets: vec![[TokenBucket::new(0); BUCKETS]; anchors.max(1)].into(),
        }
    }

    /// Whether an anchor may send one more frame of a kind.
    pub(super) fn take(&mut self, anchor: AnchorId, kind: Kind, rates: &Rates, time: Time) -> bool {
        let (bucket, rate) = match kind {
            Kind::Data | Kind::Other => return true,
            Kind::Neighbor => (0, rates.neighbor),
            Kind::Router => (1, rates.router),
            Kind::Listener => (2, rates.listener),
            Kind::Arp => (3, rates.arp),
            Kind::Dhcp => (4, rates.dhcp),
        };
        let rate = Rate::new(rate.per_second, rate.burst, time.hz);
        self.of(anchor)[bucket].take(&rate, time.now)
    }

    /// Whether the control plane may be told of one more claim of an anchor.
    pub(super) fn take_claim(&mut self, anchor: AnchorId, rates: &Rates, time: Time) -> bool {
        let Rates { claims, .. } = rates;
        let rate = Rate::new(claims.per_second, claims.burst, time.hz);
        self.of(anchor)[CLAIMS].take(&rate, time.now)
    }

    fn of(&mut self, anchor: AnchorId) -> &mut [TokenBucket; BUCKETS] {
        let index = match anchor.index() {
            index if index < self.buckets.len() => index,
            _ => 0,
        };
        &mut self.buckets[index]
    }
}
