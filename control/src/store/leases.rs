//! The stores of leases: opened, and what an older release left in them given to the routers whose it is.
//!
//! Such a release knew an address without its router. But the scope of its lease is a hash of the router's name and the prefix
//! ([`crate::compile::dhcp6::subnet_name`]): whose it was can be found by trying, also when the subnet is not there any more or
//! comes of a delegation. Where the router itself is gone, it is the only one whose subnet or pool has the address; if there
//! is not just one, the lease stays nobody's and in the store.

use std::collections::HashMap;
use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use lease::{Disk, DiskError, Lease, PoolId, RealmId, Resource};
use tracing::{info, warn};

use crate::model::{Model, Router};

/// Opens the store of a DHCP server's leases.
///
/// # Errors
/// When it cannot be used.
pub fn open(directory: &Path, model: &Model) -> Result<Disk, DiskError> {
    let disk = Disk::open(directory)?;
    let mut owners = Owners::new(model);
    adopt(&disk, |lease| owners.of(lease))?;
    Ok(disk)
}

/// Opens the store of what is delegated behind the DHCPv6 relay. Who has it is reached by an interface of its router.
///
/// # Errors
/// When it cannot be used.
pub fn open_relayed(directory: &Path, model: &Model) -> Result<Disk, DiskError> {
    let disk = Disk::open(directory)?;
    let interfaces = model.interfaces();
    let realms: HashMap<&str, RealmId> = interfaces
        .map(|(router, i)| (i.name.as_str(), RealmId::of(&router.name)))
        .collect();
    adopt(&disk, |lease| {
        let hop = lease.next_hop.as_ref()?;
        realms.get(&*hop.iface).copied()
    })?;
    Ok(disk)
}

fn adopt(disk: &Disk, realm_of: impl FnMut(&Lease) -> Option<RealmId>) -> Result<(), DiskError> {
    let done = disk.adopt(realm_of)?;
    if done.given > 0 {
        info!(
            leases = done.given,
            "leases of an older release have been given to their routers"
        );
    }
    if let Some(first) = done.first_left {
        warn!(
            leases = done.left,
            first = %first.resource,
            "leases of an older release are of no router that is configured, or of several: they are kept"
        );
    }
    Ok(())
}

/// Whose the leases of older releases are.
struct Owners<'a> {
    routers: Vec<(&'a Router, RealmId)>,
    /// Of scopes that were looked for: all leases of one are within its prefix, so that what is not found by one of them is
    /// not found by another.
    by_scope: HashMap<PoolId, Option<RealmId>>,
}

impl<'a> Owners<'a> {
    fn new(model: &'a Model) -> Self {
        let routers = model.routers.iter();
        Self {
            routers: routers.map(|r| (r, RealmId::of(&r.name))).collect(),
            by_scope: HashMap::new(),
        }
    }

    fn of(&mut self, lease: &Lease) -> Option<RealmId> {
        let pool = lease.scope.pool;
        let by_scope = match self.by_scope.get(&pool) {
            Some(found) => *found,
            None => {
                let found = self.by_name(lease.resource, pool);
                self.by_scope.insert(pool, found);
                found
            }
        };
        by_scope.or_else(|| self.by_address(lease.resource))
    }

    /// The router that has a scope of this hash around the resource.
    fn by_name(&self, resource: Resource, pool: PoolId) -> Option<RealmId> {
        let suffixes = scopes_around(resource);
        let has = |router: &Router| {
            let name = |suffix: &String| format!("{} {suffix}", router.name);
            suffixes
                .iter()
                .any(|suffix| PoolId::of(&name(suffix)) == pool)
        };
        let found = self.routers.iter().find(|(router, _)| has(router));
        found.map(|(_, realm)| *realm)
    }

    /// The only router that gives out what the resource is of.
    fn by_address(&self, resource: Resource) -> Option<RealmId> {
        let mut have = self
            .routers
            .iter()
            .filter(|(router, _)| gives(router, resource));
        let (_, realm) = have.next()?;
        have.next().is_none().then_some(*realm)
    }
}

/// What follows the router in the names of all scopes that could have a resource.
fn scopes_around(resource: Resource) -> Vec<String> {
    match resource {
        Resource::V6(address) => (0..=128)
            .filter_map(|len| Ipv6Net::new(address, len).ok())
            .map(|net| net.trunc().to_string())
            .collect(),
        Resource::Prefix(prefix) => (0..=prefix.prefix_len())
            .filter_map(|len| Ipv6Net::new(prefix.network(), len).ok())
            .map(|net| format!("pd {}", net.trunc()))
            .collect(),
        Resource::V4(address) => (0..=32)
            .filter_map(|len| Ipv4Net::new(address, len).ok())
            .map(|net| net.trunc().to_string())
            .collect(),
    }
}

/// Whether a router has a subnet, or a prefix pool, of which the resource is.
fn gives(router: &Router, resource: Resource) -> bool {
    let links = router.interfaces.iter();
    let links = links.map(|i| (&i.subnets, &i.subnets4, &i.dhcp6));
    let remote = router.remote_links.iter();
    let mut links = links.chain(remote.map(|l| (&l.subnets, &l.subnets4, &l.dhcp6)));
    links.any(|(subnets, subnets4, dhcp6)| match resource {
        Resource::V6(address) => subnets.iter().any(|s| s.prefix.contains(&address)),
        Resource::V4(address) => subnets4.iter().any(|s| s.prefix.contains(&address)),
        Resource::Prefix(prefix) => {
            let mut pools = dhcp6.iter().flat_map(|dhcp6| &dhcp6.prefix_pools);
            pools.any(|pool| IpNet::V6(pool.prefix).contains(&IpNet::V6(prefix)))
        }
    })
}

#[cfg(test)]
mod tests {
    use lease::{ClientId, Holder, Kind, ScopeId, Wall};

    use super::*;

    const TEXT: &str = r#"
[[device]]
name = "d"
kind = "null"
[[router]]
name = "red"
[[router.interface]]
name = "red0"
device = "d"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
[[router.interface.subnet]]
prefix = "192.0.2.0/24"
[router.interface.dhcp6]
[[router.interface.dhcp6.prefix_pool]]
prefix = "2001:db8:8000::/36"
length = 56
[[router]]
name = "blue"
[[router.interface]]
name = "blue0"
device = "d"
vlan = 2
addresses = ["2001:db8:1::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
"#;

    /// Whose a lease of a scope with this name is.
    fn owner(model: &Model, resource: &str, scope: &str) -> Option<&'static str> {
        let holder = Holder {
            client: ClientId::new(&[0, 3]).unwrap(),
            iaid: 1,
            kind: Kind::Na,
        };
        let scope = ScopeId::of(RealmId::UNKNOWN, scope);
        let (resource, now) = (resource.parse().unwrap(), Wall::EPOCH);
        let lease = Lease::bound(resource, holder, scope, now, now, now);
        let realm = Owners::new(model).of(&lease)?;
        ["red", "blue"]
            .into_iter()
            .find(|name| RealmId::of(name) == realm)
    }

    #[test]
    fn a_lease_of_an_older_release_finds_its_router() {
        let loaded = crate::config::parse(Path::new("t.toml"), TEXT);
        let model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
        let owner = |resource, scope| owner(&model, resource, scope);
        // By the name of its scope, whoever else has such an address.
        let address = "2001:db8:1::5";
        assert_eq!(owner(address, "red 2001:db8:1::/64"), Some("red"));
        assert_eq!(owner(address, "blue 2001:db8:1::/64"), Some("blue"));
        // Also of a subnet that is not configured: another length, or delegated.
        assert_eq!(owner(address, "blue 2001:db8:1::/60"), Some("blue"));
        assert_eq!(owner("2001:db8:9::5", "red 2001:db8:9::/64"), Some("red"));
        assert_eq!(owner("10.0.0.5", "blue 10.0.0.0/24"), Some("blue"));
        let pool = "blue pd 2001:db8:8000::/40";
        assert_eq!(owner("2001:db8:8000:100::/56", pool), Some("blue"));
        // By the address, when its router has another name now and no other has the address.
        assert_eq!(owner("192.0.2.9", "main 192.0.2.0/24"), Some("red"));
        let pool = "main pd 2001:db8:8000::/36";
        assert_eq!(owner("2001:db8:8000:100::/56", pool), Some("red"));
        assert_eq!(owner(address, "main 2001:db8:1::/64"), None);
        assert_eq!(owner("2001:db8:9::5", "main 2001:db8:9::/64"), None);
    }
}
