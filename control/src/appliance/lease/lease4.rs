//! The same of IPv4.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use api::{AddLease, LeaseChanges, LeaseKind, LeasePool};

use super::realm::{self, Routers};
use super::{Error, Router, stopping};
use lease::{ClientId, Holder, Kind, Lease, RealmId, Resource, ScopeId, Wall};
use protocols::dhcp4::config::{Config, Lifetimes, Subnet};
use protocols::dhcp4::{Event, LinkId, Machine};

impl Router {
    pub(super) async fn lease_add4(
        &self,
        add: &AddLease,
        address: Ipv4Addr,
        client: ClientId,
    ) -> Result<LeaseChanges, Error> {
        let scopes = self
            .bus
            .ask_dhcp4(move |machine| scopes_of(machine, address))
            .await
            .ok_or_else(stopping)?;
        let routers = self.lease_routers().await?;
        let (scope, times) = realm::only(scopes, add.router.as_deref(), &routers, || {
            format!("{address} is in no subnet that is leased out")
        })?;
        let lease = Box::new(new_lease(add, address, client, scope, &times)?);
        self.order4(Event::Add { lease }).await?;
        Ok(LeaseChanges {
            added: 1,
            ..LeaseChanges::default()
        })
    }
}

/// What the API calls each subnet.
pub(super) fn scope_names(machine: &Machine) -> HashMap<ScopeId, String> {
    let names = |(_, realm, config): (_, RealmId, _)| {
        let config: &Config = config;
        let subnets = config.subnets.iter();
        subnets.map(move |s| (ScopeId::of(realm, &s.name), s.name.clone()))
    };
    machine.links().flat_map(names).collect()
}

/// The subnet of an address in each router that has one, with the lifetimes of leases there.
fn scopes_of(machine: &Machine, address: Ipv4Addr) -> Vec<(RealmId, (ScopeId, Lifetimes))> {
    let scope = |(_, realm, config): (_, RealmId, &Config)| {
        let mut subnets = config.subnets.iter();
        let subnet = subnets.find(|s| s.prefix.contains(&address))?;
        Some((realm, (ScopeId::of(realm, &subnet.name), subnet.lifetimes)))
    };
    machine.links().filter_map(scope).collect()
}

fn new_lease(
    add: &AddLease,
    address: Ipv4Addr,
    client: ClientId,
    scope: ScopeId,
    times: &Lifetimes,
) -> Result<Lease, Error> {
    if add.gateway.is_some() {
        return Err(Error::invalid("gateway", "is for prefixes only"));
    }
    if add.interface.is_some() {
        return Err(Error::invalid("interface", "is for prefixes only"));
    }
    if add.iaid != 0 {
        return Err(Error::invalid(
            "iaid",
            "DHCPv4 has none: leave it out, or 0",
        ));
    }
    let configured = u32::try_from(times.lease.as_secs()).unwrap_or(u32::MAX);
    let valid = add.valid_seconds.unwrap_or(configured);
    if valid == 0 {
        return Err(Error::invalid("valid_seconds", "0 is no lease"));
    }
    let now = Wall::from(SystemTime::now());
    let holder = Holder {
        client,
        iaid: 0,
        kind: Kind::V4,
    };
    let (resource, ends) = (Resource::V4(address), now.after(valid));
    Ok(Lease {
        mac: add.mac.map(|mac| wire::MacAddr(mac.0)),
        ..Lease::bound(resource, holder, scope, now, ends, ends)
    })
}

/// Every subnet, with the names of its router and its link.
pub(super) fn pools(
    machine: &Machine,
    routers: &Routers,
    links: &HashMap<LinkId, String>,
) -> Vec<LeasePool> {
    let mut pools = Vec::new();
    for (id, realm, config) in machine.links() {
        let link = links.get(&id).map_or("", String::as_str);
        let router = routers.get(&realm).map_or("", String::as_str);
        let place = (realm, router, link);
        pools.extend(config.subnets.iter().map(|s| pool(machine, place, s)));
    }
    pools
}

fn pool(
    machine: &Machine,
    (realm, router, link): (RealmId, &str, &str),
    subnet: &Subnet,
) -> LeasePool {
    let scope = ScopeId::of(realm, &subnet.name);
    let counts = machine.book().counts(scope);
    LeasePool {
        name: subnet.name.clone(),
        router: router.to_owned(),
        link: link.to_owned(),
        kind: LeaseKind::Address4,
        prefix: subnet.prefix.into(),
        size: size(subnet).to_string(),
        bound: counts.bound as u64,
        declined: counts.declined as u64,
        released: counts.released as u64,
        offered: counts.offered as u64,
    }
}

/// Addresses of the pools, which do not overlap, without those excluded, which may, and the first and last of the prefix.
fn size(subnet: &Subnet) -> u64 {
    let bits = |address: Ipv4Addr| u64::from(address.to_bits());
    let edge = |address| (bits(address), bits(address));
    let edges = [subnet.prefix.network(), subnet.prefix.broadcast()].map(edge);
    let excluded = subnet.exclude.iter().map(|r| (bits(r.start), bits(r.end)));
    let mut excluded: Vec<(u64, u64)> = excluded.chain(edges).collect();
    excluded.sort_unstable();
    let mut free = 0;
    for pool in &subnet.pools {
        let (mut from, end) = (bits(pool.start), bits(pool.end) + 1);
        for &(first, last) in &excluded {
            free += first.clamp(from, end.max(from)) - from;
            from = from.max((last + 1).min(end));
        }
        free += end.saturating_sub(from);
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocols::dhcp4::config::Range;

    fn range(start: u8, end: u8) -> Range {
        let address = |n| Ipv4Addr::new(192, 0, 2, n);
        Range {
            start: address(start),
            end: address(end),
        }
    }

    #[test]
    fn what_there_is_to_give_is_counted() {
        let of = |pools: &[Range], exclude: &[Range]| {
            size(&Subnet {
                pools: pools.to_vec(),
                exclude: exclude.to_vec(),
                ..Subnet::new("192.0.2.0/24".parse().unwrap())
            })
        };
        assert_eq!(of(&[], &[]), 0);
        assert_eq!(of(&[range(0, 255)], &[]), 254);
        assert_eq!(of(&[range(10, 19), range(30, 30)], &[]), 11);
        let exclude = [range(1, 1), range(15, 25), range(20, 29), range(18, 18)];
        assert_eq!(of(&[range(10, 19), range(30, 30)], &exclude), 6);
        assert_eq!(of(&[range(10, 19)], &[range(0, 255)]), 0);
    }

    #[test]
    fn a_lease_that_is_added_makes_sense() {
        let add = AddLease {
            resource: "192.0.2.9".into(),
            router: None,
            client: "01020000000001".into(),
            iaid: 0,
            valid_seconds: None,
            mac: None,
            gateway: None,
            interface: None,
        };
        let lease = |add: &AddLease| {
            let client = add.client.parse().unwrap();
            let (address, scope) = (
                add.resource.parse().unwrap(),
                ScopeId::of(RealmId::of("main"), "x"),
            );
            new_lease(add, address, client, scope, &Lifetimes::default())
        };
        let made = lease(&add).unwrap();
        assert_eq!(
            (made.holder.kind, made.preferred_until),
            (Kind::V4, made.ends)
        );
        let fault = |add: AddLease| lease(&add).unwrap_err().to_string();
        let gateway = Some("fe80::1".parse().unwrap());
        assert!(
            fault(AddLease {
                gateway,
                ..add.clone()
            })
            .contains("for prefixes only")
        );
        assert!(
            fault(AddLease {
                iaid: 1,
                ..add.clone()
            })
            .contains("has none")
        );
        let valid_seconds = Some(0);
        assert!(
            fault(AddLease {
                valid_seconds,
                ..add.clone()
            })
            .contains("no lease")
        );
    }
}
