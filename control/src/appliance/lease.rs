//! Leases and pools as the API shows them, and what it may change of them.

mod file;
mod lease4;
mod realm;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::SystemTime;

use api::{
    AddLease, LeaseChanges, LeaseKind, LeaseNextHop, LeasePool, LeaseQuery, LeaseState,
    ReleaseLease,
};
use ipnet::{IpNet, Ipv6Net};

use super::Router;
use crate::api::Error;
use crate::engine::api_mac;
use crate::rooms::lease::OrderError;
use lease::{
    Book, ClientId, Holder, Kind, Lease, NextHop, RealmId, Resource, ScopeId, State, Wall,
};
use protocols::dhcp4;
use protocols::dhcp6::config::{Config, Lifetimes, Range};
use protocols::dhcp6::{Event, Machine};
use realm::Routers;

/// Leases in one answer when no limit is given.
const LIMIT: u64 = 1000;

impl Router {
    pub(super) async fn lease_list(&self, query: LeaseQuery) -> Result<Vec<api::Lease>, Error> {
        let wanted = Wanted {
            client: query.client.as_deref().map(client_id).transpose()?,
            limit: usize::try_from(query.limit.unwrap_or(LIMIT)).unwrap_or(usize::MAX),
            realm: query.router.as_deref().map(realm::named),
            routers: Arc::new(self.lease_routers().await?),
            query,
        };
        let wanted4 = wanted.clone();
        let found4 = self
            .bus
            .ask_dhcp4(move |machine| wanted4.of(machine.book(), &lease4::scope_names(machine)))
            .await
            .ok_or_else(stopping)?;
        let limit = wanted.limit;
        let found6 = self
            .bus
            .ask_dhcp6(move |machine| wanted.of(machine.book(), &scope_names(machine)))
            .await
            .ok_or_else(stopping)?;
        let mut found: Vec<(Resource, api::Lease)> = found6.into_iter().chain(found4).collect();
        found.truncate(limit);
        found.sort_by(|(a, lease), (b, other)| (a, &lease.router).cmp(&(b, &other.router)));
        Ok(found.into_iter().map(|(_, lease)| lease).collect())
    }

    /// The routers that are configured, as leases know them.
    async fn lease_routers(&self) -> Result<Routers, Error> {
        self.ask(|engine| engine.lease_routers()).await
    }

    pub(super) async fn pool_list(&self) -> Result<Vec<LeasePool>, Error> {
        let routers = self.lease_routers().await?;
        let of = routers.clone();
        let links = self.ask(|engine| engine.dhcp6_links()).await?;
        let pools = self.bus.ask_dhcp6(move |machine| {
            let mut pools = Vec::new();
            for (id, realm, config) in machine.links() {
                let link = links.get(&id).map_or("", String::as_str);
                let router = of.get(&realm).map_or("", String::as_str);
                pools.extend(pools_of(machine, (realm, router, link), config));
            }
            pools
        });
        let mut pools = pools.await.ok_or_else(stopping)?;
        let links = self.ask(|engine| engine.dhcp4_links()).await?;
        let pools4 = self
            .bus
            .ask_dhcp4(move |machine| lease4::pools(machine, &routers, &links));
        pools.extend(pools4.await.ok_or_else(stopping)?);
        Ok(pools)
    }

    pub(super) async fn lease_add(&self, add: AddLease) -> Result<LeaseChanges, Error> {
        let resource = resource(&add.resource)?;
        let client = client_id(&add.client)?;
        if let Resource::V4(address) = resource {
            return self.lease_add4(&add, address, client).await;
        }
        let scopes = self
            .bus
            .ask_dhcp6(move |machine| scopes_of(machine, resource))
            .await
            .ok_or_else(stopping)?;
        let routers = self.lease_routers().await?;
        let (scope, times) = realm::only(scopes, add.router.as_deref(), &routers, || {
            format!("{resource} is in no subnet or prefix pool that is leased out")
        })?;
        let lease = Box::new(new_lease(&add, resource, client, scope, &times)?);
        self.order(Event::Add { lease }).await?;
        Ok(LeaseChanges {
            added: 1,
            ..LeaseChanges::default()
        })
    }

    pub(super) async fn lease_release(&self, release: ReleaseLease) -> Result<LeaseChanges, Error> {
        let resource = resource(&release.resource)?;
        let wanted = release.router.as_deref().map(realm::named);
        let known = match resource {
            Resource::V4(_) => {
                let known = move |m: &dhcp4::Machine| realms_of(m.book(), resource, wanted);
                self.bus.ask_dhcp4(known).await
            }
            Resource::V6(_) | Resource::Prefix(_) => {
                let known = move |m: &Machine| realms_of(m.book(), resource, wanted);
                self.bus.ask_dhcp6(known).await
            }
        };
        let known = known.ok_or_else(stopping)?;
        let known = known.into_iter().map(|realm| (realm, realm)).collect();
        let routers = self.lease_routers().await?;
        let realm = realm::only(known, release.router.as_deref(), &routers, || {
            format!("there is no lease of {resource}")
        })?;
        match resource {
            Resource::V4(_) => {
                self.order4(dhcp4::Event::Release { realm, resource })
                    .await?;
            }
            Resource::V6(_) | Resource::Prefix(_) => {
                self.order(Event::Release { realm, resource }).await?;
            }
        }
        Ok(LeaseChanges {
            released: 1,
            ..LeaseChanges::default()
        })
    }

    async fn order(&self, event: Event<'static>) -> Result<(), Error> {
        carried_out(self.bus.order_dhcp6(event).await.ok_or_else(stopping)?)
    }

    async fn order4(&self, event: dhcp4::Event<'static>) -> Result<(), Error> {
        carried_out(self.bus.order_dhcp4(event).await.ok_or_else(stopping)?)
    }
}

fn carried_out(order: Result<(), OrderError>) -> Result<(), Error> {
    order.map_err(|error| match error {
        OrderError::Refused(why) => Error::conflict("resource", why),
        OrderError::NotStored(_) => Error::Internal(error.to_string()),
    })
}

/// The routers that have a lease of a resource; `wanted` only, if that is told. Otherwise it looks through all leases: an
/// administrator has time.
fn realms_of(book: &Book, resource: Resource, wanted: Option<RealmId>) -> Vec<RealmId> {
    match wanted {
        Some(realm) => book
            .get(realm, resource)
            .map(Lease::realm)
            .into_iter()
            .collect(),
        None => {
            let leases = book.iter().filter(|lease| lease.resource == resource);
            leases.map(Lease::realm).collect()
        }
    }
}

/// Which leases are listed.
#[derive(Clone, Debug)]
struct Wanted {
    query: LeaseQuery,
    realm: Option<RealmId>,
    routers: Arc<Routers>,
    client: Option<ClientId>,
    limit: usize,
}

impl Wanted {
    /// Those of one server's book.
    fn of(self, book: &Book, names: &HashMap<ScopeId, String>) -> Vec<(Resource, api::Lease)> {
        let Wanted {
            query,
            realm,
            routers,
            client,
            limit,
        } = self;
        let named = |scope: &ScopeId| names.get(scope).map(String::as_str);
        let is_wanted = |lease: &&Lease| {
            let of_kind = query
                .kind
                .is_none_or(|kind| kind == kind_of(lease.holder.kind));
            let of_client = client.as_ref().is_none_or(|id| *id == lease.holder.client);
            let of_pool = query.pool.is_none() || query.pool.as_deref() == named(&lease.scope);
            let within = |net: IpNet| net.contains(&net_of(lease.resource));
            let of_router = realm.is_none_or(|realm| realm == lease.realm());
            of_router && of_kind && of_client && of_pool && query.within.is_none_or(within)
        };
        let wanted = book.iter().filter(is_wanted).take(limit);
        wanted
            .map(|lease| {
                let router = realm::name_of(lease.realm(), &routers);
                (lease.resource, shown(lease, router, named(&lease.scope)))
            })
            .collect()
    }
}

fn stopping() -> Error {
    Error::Unavailable("the DHCP server does not answer".into())
}

fn resource(text: &str) -> Result<Resource, Error> {
    text.parse()
        .map_err(|error| Error::invalid("resource", error))
}

fn client_id(text: &str) -> Result<ClientId, Error> {
    text.parse()
        .map_err(|error| Error::invalid("client", error))
}

/// What the API calls each subnet and pool.
fn scope_names(machine: &Machine) -> HashMap<ScopeId, String> {
    let names = |config: &Config| -> Vec<String> {
        let subnets = config.subnets.iter().map(|s| s.name.clone());
        subnets
            .chain(config.prefix_pools.iter().map(|p| p.name.clone()))
            .collect()
    };
    machine
        .links()
        .flat_map(|(_, realm, config)| names(config).into_iter().map(move |name| (realm, name)))
        .map(|(realm, name)| (ScopeId::of(realm, &name), name))
        .collect()
}

/// Where a resource belongs in each router that has a place for it, with the lifetimes of leases there.
fn scopes_of(machine: &Machine, resource: Resource) -> Vec<(RealmId, (ScopeId, Lifetimes))> {
    let scope = |(_, realm, config): (_, RealmId, &Config)| {
        let (name, lifetimes) = match resource {
            Resource::V6(address) => {
                let mut subnets = config.subnets.iter().filter(|s| s.stateful);
                let subnet = subnets.find(|s| s.prefix.contains(&address))?;
                (&subnet.name, subnet.lifetimes)
            }
            Resource::Prefix(prefix) => {
                let mut pools = config.prefix_pools.iter();
                let pool = pools.find(|p| p.prefix.contains(&prefix))?;
                (&pool.name, pool.lifetimes)
            }
            Resource::V4(_) => return None,
        };
        Some((realm, (ScopeId::of(realm, name), lifetimes)))
    };
    machine.links().filter_map(scope).collect()
}

fn new_lease(
    add: &AddLease,
    resource: Resource,
    client: ClientId,
    scope: ScopeId,
    times: &Lifetimes,
) -> Result<Lease, Error> {
    let kind = match resource {
        Resource::Prefix(_) => Kind::Pd,
        Resource::V6(_) | Resource::V4(_) => Kind::Na,
    };
    let next_hop = match (add.gateway, &add.interface, kind) {
        (None, None, _) => None,
        (Some(address), interface, Kind::Pd) => {
            if interface.is_none() && address.is_unicast_link_local() {
                let why = "is link-local: name its `interface`";
                return Err(Error::invalid("gateway", why));
            }
            let iface = interface.as_deref().unwrap_or_default().into();
            Some(Box::new(NextHop { iface, address }))
        }
        (None, Some(_), _) => return Err(Error::invalid("interface", "needs `gateway`")),
        (Some(_), _, _) => return Err(Error::invalid("gateway", "is for prefixes only")),
    };
    let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let valid = add.valid_seconds.unwrap_or_else(|| seconds(times.valid));
    if valid == 0 {
        return Err(Error::invalid("valid_seconds", "0 is no lease"));
    }
    let now = Wall::from(SystemTime::now());
    let holder = Holder {
        client,
        iaid: add.iaid,
        kind,
    };
    let preferred = now.after(seconds(times.preferred).min(valid));
    Ok(Lease {
        mac: add.mac.map(|mac| wire::MacAddr(mac.0)),
        next_hop,
        ..Lease::bound(resource, holder, scope, now, preferred, now.after(valid))
    })
}

fn shown(lease: &Lease, router: Option<String>, pool: Option<&str>) -> api::Lease {
    api::Lease {
        resource: lease.resource.to_string(),
        router,
        kind: kind_of(lease.holder.kind),
        state: state_of(lease.state),
        pool: pool.map(str::to_owned),
        client: lease.holder.client.to_string(),
        iaid: lease.holder.iaid,
        mac: lease.mac.map(api_mac),
        hostname: lease.hostname.as_deref().map(str::to_owned),
        starts: lease.starts.to_string(),
        preferred_until: lease.preferred_until.to_string(),
        ends: lease.ends.to_string(),
        next_hop: lease.next_hop.as_ref().map(|hop| LeaseNextHop {
            interface: hop.iface.to_string(),
            address: hop.address,
        }),
    }
}

fn kind_of(kind: Kind) -> LeaseKind {
    match kind {
        Kind::Na => LeaseKind::Address,
        Kind::Ta => LeaseKind::Temporary,
        Kind::Pd => LeaseKind::Prefix,
        Kind::V4 => LeaseKind::Address4,
    }
}

fn state_of(state: State) -> LeaseState {
    match state {
        State::Bound => LeaseState::Bound,
        State::Declined => LeaseState::Declined,
        State::Released => LeaseState::Released,
        State::Offered => LeaseState::Offered,
        State::Registered => LeaseState::Registered,
    }
}

fn net_of(resource: Resource) -> IpNet {
    match resource {
        Resource::V6(address) => IpAddr::V6(address).into(),
        Resource::V4(address) => IpAddr::V4(address).into(),
        Resource::Prefix(prefix) => prefix.into(),
    }
}

fn pools_of(
    machine: &Machine,
    (realm, router, link): (RealmId, &str, &str),
    config: &Config,
) -> Vec<LeasePool> {
    let pool = |name: &str, kind, prefix: Ipv6Net, size: u128| {
        let counts = machine.book().counts(ScopeId::of(realm, name));
        LeasePool {
            name: name.to_owned(),
            router: router.to_owned(),
            link: link.to_owned(),
            kind,
            prefix: prefix.into(),
            size: size.to_string(),
            bound: counts.bound as u64,
            declined: counts.declined as u64,
            released: counts.released as u64,
            offered: counts.offered as u64,
        }
    };
    let subnets = config.subnets.iter().filter(|s| s.stateful);
    let addresses = subnets.map(|s| {
        let size = addresses(&s.pools, &s.exclude);
        pool(&s.name, LeaseKind::Address, s.prefix, size)
    });
    let prefixes = config.prefix_pools.iter().map(|p| {
        let size = prefixes(p.prefix, &p.exclude, p.delegated_len);
        pool(&p.name, LeaseKind::Prefix, p.prefix, size)
    });
    addresses.chain(prefixes).collect()
}

/// Addresses of `pools`, which do not overlap, without those of `exclude`, which may.
fn addresses(pools: &[Range], exclude: &[Range]) -> u128 {
    let bits = |range: &Range| (range.start.to_bits(), range.end.to_bits());
    let mut exclude: Vec<(u128, u128)> = exclude.iter().map(bits).collect();
    exclude.sort_unstable();
    let mut free: u128 = 0;
    for (start, end) in pools.iter().map(bits) {
        let mut from = Some(start);
        for &(first, last) in exclude.iter().filter(|(f, l)| *f <= end && start <= *l) {
            let Some(at) = from else { break };
            free = free.saturating_add(first.saturating_sub(at));
            from = last.checked_add(1).map(|next| next.max(at));
        }
        if let Some(at) = from.filter(|at| *at <= end) {
            free = free.saturating_add((end - at).saturating_add(1));
        }
    }
    free
}

/// Prefixes of `len` bits in `pool`, without those in `exclude`; a part that is excluded takes a whole one.
fn prefixes(pool: Ipv6Net, exclude: &[Ipv6Net], len: u8) -> u128 {
    let range = |net: &Ipv6Net| {
        let shift = u32::from(128 - len.min(128));
        let number = |address: Ipv6Addr| address.to_bits().checked_shr(shift).unwrap_or(0);
        Range {
            start: Ipv6Addr::from_bits(number(net.network())),
            end: Ipv6Addr::from_bits(number(net.broadcast())),
        }
    };
    let exclude: Vec<Range> = exclude.iter().map(range).collect();
    addresses(&[range(&pool)], &exclude)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: &str, end: &str) -> Range {
        Range {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
        }
    }

    #[test]
    fn what_there_is_to_give_is_counted() {
        let pool = [
            range("2001:db8::10", "2001:db8::1f"),
            range("2001:db8::40", "2001:db8::40"),
        ];
        assert_eq!(addresses(&pool, &[]), 17);
        let exclude = [
            range("2001:db8::", "2001:db8::"),
            range("2001:db8::8", "2001:db8::11"),
            range("2001:db8::11", "2001:db8::13"),
            range("2001:db8::1f", "2001:db8::1f"),
            range("2001:db8::40", "2001:db8::40"),
        ];
        assert_eq!(addresses(&pool, &exclude), 11);
        let all = range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(addresses(&[all], &[]), u128::MAX);
        assert_eq!(addresses(&[all], &[all]), 0);
        let net = |text: &str| -> Ipv6Net { text.parse().unwrap() };
        assert_eq!(prefixes(net("2001:db8::/36"), &[], 56), 1 << 20);
        assert_eq!(
            prefixes(net("2001:db8::/36"), &[net("2001:db8::/48")], 56),
            (1 << 20) - 256
        );
        assert_eq!(
            prefixes(net("2001:db8::/36"), &[net("2001:db8::/64")], 56),
            (1 << 20) - 1
        );
    }

    #[test]
    fn a_lease_that_is_added_makes_sense() {
        let add = AddLease {
            resource: "2001:db8:8000::/56".into(),
            router: None,
            client: "00030001020000000001".into(),
            iaid: 7,
            valid_seconds: Some(100),
            mac: None,
            gateway: Some("fe80::1".parse().unwrap()),
            interface: Some("lan0".into()),
        };
        let lease = |add: &AddLease| {
            let (resource, client) = (
                resource(&add.resource).unwrap(),
                client_id(&add.client).unwrap(),
            );
            new_lease(
                add,
                resource,
                client,
                ScopeId::of(RealmId::of("main"), "x"),
                &Lifetimes::default(),
            )
        };
        let made = lease(&add).unwrap();
        assert_eq!((made.holder.kind, made.state), (Kind::Pd, State::Bound));
        assert_eq!(made.preferred_until, made.ends);
        assert_eq!(&*made.next_hop.unwrap().iface, "lan0");
        let fault = |add: AddLease| lease(&add).unwrap_err().to_string();
        assert!(
            fault(AddLease {
                interface: None,
                ..add.clone()
            })
            .contains("link-local")
        );
        assert!(
            fault(AddLease {
                gateway: None,
                ..add.clone()
            })
            .contains("needs `gateway`")
        );
        let address = AddLease {
            resource: "2001:db8::1".into(),
            ..add.clone()
        };
        assert!(fault(address).contains("for prefixes only"));
        assert!(
            fault(AddLease {
                valid_seconds: Some(0),
                ..add.clone()
            })
            .contains("no lease")
        );
        assert!(resource("192.0.2.300").is_err() && client_id("0").is_err());
    }
}
