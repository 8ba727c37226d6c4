//! The machine. It has no actions: who asks it is told whether anything has changed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tables::id::TunnelId;

use super::counters::Counters;

/// How long a path MTU is believed after it was lowered.
pub const AGE: Duration = Duration::from_secs(600);
/// Least path MTUs, bytes: RFC 8200 section 5, RFC 791.
const LEAST6: u16 = 1280;
const LEAST4: u16 = 576;

/// A path MTU that was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMtu {
    /// Longest outer packet, bytes.
    pub mtu: u16,
    /// When it is forgotten.
    pub until: Instant,
}

/// A tunnel that is configured.
#[derive(Debug)]
struct Tunnel {
    local: IpAddr,
    remote: IpAddr,
    /// Configured.
    mtu: u16,
    learned: Option<PathMtu>,
    counters: Counters,
}

/// The path MTUs of all tunnels.
#[derive(Debug, Default)]
pub struct Machine(BTreeMap<TunnelId, Tunnel>);

impl Machine {
    /// These are the tunnels, with their ends and configured path MTUs. What was learned of one is forgotten when its ends have changed,
    /// or when no more than that is configured.
    pub fn configure(&mut self, tunnels: impl Iterator<Item = (TunnelId, [IpAddr; 2], u16)>) {
        let mut before = std::mem::take(&mut self.0);
        for (id, [local, remote], mtu) in tunnels {
            let was = before.remove(&id);
            let was = was.filter(|was| (was.local, was.remote) == (local, remote));
            let (learned, counters) = was
                .map(|was| (was.learned, was.counters))
                .unwrap_or_default();
            let tunnel = Tunnel {
                local,
                remote,
                mtu,
                learned: learned.filter(|learned| learned.mtu < mtu),
                counters,
            };
            self.0.insert(id, tunnel);
        }
    }

    /// A router on the way says that so much fits. Whether that is news.
    pub fn told(&mut self, now: Instant, id: TunnelId, mtu: u32) -> bool {
        let Some(tunnel) = self.0.get_mut(&id) else {
            return false;
        };
        let least = match tunnel.remote {
            IpAddr::V6(_) => LEAST6,
            IpAddr::V4(_) => LEAST4,
        };
        let known = tunnel.learned.map_or(tunnel.mtu, |learned| learned.mtu);
        if mtu < least.into() {
            tunnel.counters.count_invalid("below_least");
        }
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX).max(least);
        if known <= mtu {
            tunnel.counters.ignored += 1;
            return false;
        }
        tunnel.counters.lowered += 1;
        tunnel.learned = Some(PathMtu {
            mtu,
            until: now + AGE,
        });
        true
    }

    /// Forgets what is old. Whether anything was.
    pub fn age(&mut self, now: Instant) -> bool {
        let mut any = false;
        for tunnel in self.0.values_mut() {
            if tunnel.learned.is_some_and(|learned| learned.until <= now) {
                tunnel.learned = None;
                tunnel.counters.aged += 1;
                any = true;
            }
        }
        any
    }

    /// What was learned of a tunnel.
    pub fn learned(&self, id: TunnelId) -> Option<PathMtu> {
        self.0.get(&id)?.learned
    }

    /// The counters of a tunnel.
    pub fn counters(&self, id: TunnelId) -> Option<&Counters> {
        self.0.get(&id).map(|tunnel| &tunnel.counters)
    }
}

#[cfg(test)]
mod tests;
