//! What the engine tells the liveness thread of BFD sessions, and what it does when a peer fails.
//!
//! A session is between an own address that may be used and a neighbour. While a neighbour has failed, nothing that is routed
//! leads through it (RFC 5882 section 4.2).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use protocols::bfd::{Config, Event, Path, SessionId};
use protocols::nd::AddressState;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::Engine;
use crate::model::{Bfd, Interface};
use crate::rooms::liveness::LivenessMessage;

/// What the engine knows of sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// What the liveness thread was told.
    told: BTreeMap<SessionId, Config>,
    /// What it has said.
    paths: BTreeMap<SessionId, Path>,
}

impl Sessions {
    /// Those of an interface, by their ids.
    fn of(&self, iface: IfaceId) -> impl Iterator<Item = (&SessionId, &Config)> {
        self.told.iter().filter(move |(id, _)| id.iface == iface)
    }
}

impl Engine {
    /// Ends the sessions that a change takes away, while their packets can still leave.
    pub(super) fn leave_sessions(&mut self) {
        let mut ended = false;
        for iface in self.watched_interfaces() {
            ended |= self.end_sessions(iface, &self.wanted_sessions(iface));
        }
        if ended {
            self.bus.liveness_settled();
        }
    }

    /// Tells the liveness thread what a change of the model means to it.
    pub(super) fn follow_all_sessions(&mut self) {
        for iface in self.watched_interfaces() {
            self.follow_sessions(iface);
        }
    }

    /// The liveness thread is told everything anew; what has failed is not known any more.
    pub(super) fn configure_sessions(&mut self) {
        self.sessions.told.clear();
        let paths = std::mem::take(&mut self.sessions.paths);
        for iface in paths.keys().map(|id| id.iface).collect::<BTreeSet<_>>() {
            self.refresh_link(iface);
        }
        self.follow_all_sessions();
    }

    /// Interfaces that have sessions, or had some.
    fn watched_interfaces(&self) -> BTreeSet<IfaceId> {
        let told = self.sessions.told.keys().map(|id| id.iface);
        let all = self.model.interfaces().map(|(_, interface)| interface);
        let wanted = all.filter(|interface| !interface.bfd.is_empty());
        told.chain(wanted.map(|interface| interface.id)).collect()
    }

    /// Begins and ends the sessions of an interface, by its configuration and by what addresses it may use.
    pub(super) fn follow_sessions(&mut self, iface: IfaceId) {
        let wanted = self.wanted_sessions(iface);
        self.end_sessions(iface, &wanted);
        for (id, config) in wanted {
            if self.sessions.told.get(&id) == Some(&config) {
                continue;
            }
            self.sessions.told.insert(id, config.clone());
            if let Some(mac) = self.publisher.neighbor_mac(iface, id.peer) {
                self.tell_bfd_peer(id, Some(mac));
            }
            self.bus.bfd(Event::Configure {
                session: id,
                config: Box::new(config),
            });
            let up = self.model.interface(iface).map(|i| self.is_up(i));
            self.bus.bfd(match up.unwrap_or(false) {
                true => Event::LinkUp { iface },
                false => Event::LinkDown { iface },
            });
        }
    }

    /// Ends the sessions of an interface that are not wanted; whether there were any.
    fn end_sessions(&mut self, iface: IfaceId, wanted: &BTreeMap<SessionId, Config>) -> bool {
        let of = self.sessions.of(iface).map(|(id, _)| *id);
        let gone: Vec<_> = of.filter(|id| !wanted.contains_key(id)).collect();
        for &session in &gone {
            self.bus.bfd(Event::Remove { session });
            self.sessions.told.remove(&session);
            if self.sessions.paths.remove(&session) == Some(Path::Failed) {
                self.refresh_link(iface);
            }
        }
        if !gone.is_empty() {
            self.follow_tracks();
        }
        !gone.is_empty()
    }

    fn wanted_sessions(&self, iface: IfaceId) -> BTreeMap<SessionId, Config> {
        let Some(interface) = self.model.interface(iface) else {
            return BTreeMap::new();
        };
        let session = |bfd: &Bfd| {
            let (local, peer) = (self.local_end(interface, bfd)?, bfd.peer);
            let id = SessionId { iface, local, peer };
            let usable = match self.addresses.get(&(iface, local)) {
                Some(state) => *state == AddressState::Valid,
                // The ND room began anew and tests it again.
                None => self.sessions.told.contains_key(&id),
            };
            usable.then(|| (id, bfd.config.clone()))
        };
        interface.bfd.iter().filter_map(session).collect()
    }

    /// Our address of a session: the one that is configured, the link-local one, or the one on the peer's subnet.
    fn local_end(&self, interface: &Interface, bfd: &Bfd) -> Option<IpAddr> {
        let link_local = matches!(bfd.peer, IpAddr::V6(v6) if v6.is_unicast_link_local());
        bfd.local.or_else(|| match link_local {
            true => Some(interface.link_local_for(self.mac(interface)).into()),
            false => {
                let mut own = interface.addresses.iter();
                own.find(|net| net.contains(&bfd.peer))
                    .map(|net| net.addr())
            }
        })
    }

    /// A neighbour is found or lost: the liveness thread wants to know of peers.
    pub(super) fn tell_bfd_neighbor(&self, iface: IfaceId, addr: IpAddr, mac: Option<MacAddr>) {
        let mut of = self.sessions.of(iface);
        if let Some((id, _)) = of.find(|(id, _)| id.peer == addr) {
            self.tell_bfd_peer(*id, mac);
        }
    }

    fn tell_bfd_peer(&self, id: SessionId, mac: Option<MacAddr>) {
        self.bus.liveness(LivenessMessage::Neighbor {
            iface: id.iface,
            addr: id.peer,
            mac,
        });
    }

    /// A session says something else of the path to its peer.
    pub(super) fn session_path(&mut self, id: SessionId, path: Path) {
        if !self.sessions.told.contains_key(&id) {
            // It was said before the session was taken away.
            return;
        }
        let was = self.sessions.paths.insert(id, path);
        if (was == Some(Path::Failed)) != (path == Path::Failed) {
            self.refresh_link(id.iface);
        }
        self.follow_tracks();
    }

    /// The neighbours of an interface through which nothing may be routed.
    pub(super) fn failed_neighbors(&self, interface: &Interface) -> BTreeSet<IpAddr> {
        let withdraws = |peer| {
            let mut sessions = interface.bfd.iter();
            sessions.any(|bfd| bfd.withdraw_routes && bfd.peer == peer)
        };
        let paths = self.sessions.paths.iter();
        let failed = paths.filter(|(id, path)| id.iface == interface.id && **path == Path::Failed);
        let peers = failed.map(|(id, _)| id.peer);
        peers.filter(|peer| withdraws(*peer)).collect()
    }

    /// Whether a neighbour of a router is there, as far as who tracks its session is concerned: one that does not come up is not.
    pub(super) fn is_peer_up(&self, vrf: VrfId, peer: IpAddr) -> bool {
        let mut paths = self.sessions.paths.iter();
        paths.any(|(id, path)| {
            id.peer == peer
                && matches!(path, Path::Up | Path::SwitchedOff)
                && self.vrf_of(id.iface) == Some(vrf)
        })
    }
}
