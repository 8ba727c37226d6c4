//! Routes to delegated prefixes (RFC 8987): which there are while a link is served.

use ipnet::Ipv6Net;

use super::link::{Link, LinkId};
use super::sm::{Action, Machine};
use lease::{Book, Lease, NextHop, Resource, State};

impl Machine {
    /// Takes all routes of a link away.
    pub(super) fn routes_down(&self, link: &Link, out: &mut Vec<Action>) {
        for (prefix, _) in delegated(link, &self.book) {
            let vrf = link.vrf;
            out.push(Action::RouteDown { prefix, vrf });
        }
    }

    /// Tells all routes of a link.
    pub(super) fn routes_up(&self, id: LinkId, out: &mut Vec<Action>) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        for (prefix, lease) in delegated(link, &self.book) {
            if let Some(next_hop) = &lease.next_hop {
                out.push(Action::RouteUp {
                    prefix,
                    vrf: link.vrf,
                    next_hop: NextHop::clone(next_hop),
                    until: lease.ends,
                });
            }
        }
    }
}

/// The prefixes of a link that are in use.
fn delegated<'a>(link: &'a Link, book: &'a Book) -> impl Iterator<Item = (Ipv6Net, &'a Lease)> {
    let any = link.pools.iter().any(|scope| book.counts(*scope).bound > 0);
    let leases = any.then(|| book.iter()).into_iter().flatten();
    leases.filter_map(|lease| match lease.resource {
        Resource::Prefix(prefix) if lease.state == State::Bound => {
            link.pools.contains(&lease.scope).then_some((prefix, lease))
        }
        _ => None,
    })
}
