//! Leases for tests.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use proptest::prelude::*;
use wire::MacAddr;

use super::{
    ClientId, Holder, Kind, Lease, NextHop, PoolId, RealmId, RelayId, RelayInfo, Resource, ScopeId,
    Stamp, State, Wall,
};

pub fn holder(n: u32) -> Holder {
    let mut duid = vec![0, 3, 0, 1, 2, 0];
    duid.extend(n.to_be_bytes());
    Holder {
        client: ClientId::new(&duid).unwrap(),
        iaid: n,
        kind: Kind::Na,
    }
}

/// The router of [`lan`].
pub fn realm() -> RealmId {
    RealmId::of("main")
}

/// The scope "lan" of the router "main".
pub fn lan() -> ScopeId {
    ScopeId::of(realm(), "lan")
}

/// The same lease in another router's scope of the same name.
pub fn in_realm(router: &str, lease: Lease) -> Lease {
    let realm = RealmId::of(router);
    let pool = lease.scope.pool;
    Lease {
        scope: ScopeId { realm, pool },
        ..lease
    }
}

/// The same lease as before it was put into a book.
pub fn unstamped(lease: &Lease) -> Lease {
    let stamp = Stamp::NONE;
    Lease {
        stamp,
        ..lease.clone()
    }
}

/// Bound in the scope "lan" from 1000 to the end.
pub fn lease(resource: &str, n: u32, ends: u64) -> Lease {
    let ends = Wall::from_secs(ends);
    let starts = Wall::from_secs(1000);
    let resource = resource.parse().unwrap();
    Lease::bound(resource, holder(n), lan(), starts, ends, ends)
}

pub fn any_lease() -> impl Strategy<Value = Lease> {
    let resource = prop_oneof![
        any::<u128>().prop_map(|bits| Resource::V6(Ipv6Addr::from_bits(bits))),
        any::<u32>().prop_map(|bits| Resource::V4(Ipv4Addr::from_bits(bits))),
        (any::<u128>(), 0u8..=128).prop_map(|(bits, len)| {
            Resource::Prefix(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), len).trunc())
        }),
    ];
    let id = prop::collection::vec(any::<u8>(), 1..=255).prop_map(|b| ClientId::new(&b).unwrap());
    let holder = (id, any::<u32>(), prop::sample::select(&Kind::ALL[..]))
        .prop_map(|(client, iaid, kind)| Holder { client, iaid, kind });
    let wall = prop_oneof![
        4 => any::<u32>().prop_map(|s| Wall::from_secs(u64::from(s))),
        1 => Just(Wall::NEVER)
    ];
    let next_hop = ("[a-z0-9.]{1,15}", any::<u128>()).prop_map(|(iface, bits)| {
        Box::new(NextHop {
            iface: iface.into(),
            address: Ipv6Addr::from_bits(bits),
        })
    });
    let relay_id = || {
        prop::option::of(prop::collection::vec(any::<u8>(), 1..=255))
            .prop_map(|bytes| bytes.and_then(|bytes| RelayId::new(&bytes)))
    };
    let relay = (relay_id(), relay_id(), relay_id()).prop_map(
        |(interface_id, remote_id, subscriber_id)| RelayInfo {
            interface_id,
            remote_id,
            subscriber_id,
        },
    );
    (
        resource,
        prop::sample::select(&State::ALL[..3]),
        prop::option::of(any::<[u8; 6]>().prop_map(MacAddr)),
        holder,
        any::<[u64; 2]>().prop_map(|[realm, pool]| ScopeId {
            realm: RealmId(realm),
            pool: PoolId(pool),
        }),
        [wall.clone(), wall.clone(), wall],
        prop::option::of("\\PC{0,30}".prop_map(Into::into)),
        prop::option::of(next_hop),
        (
            any::<u64>().prop_map(Stamp::from_bits),
            prop::option::of(any::<[u8; 16]>().prop_map(Box::new)),
            relay.prop_map(RelayInfo::into_option),
        ),
    )
        .prop_map(
            |(resource, state, mac, holder, scope, times, hostname, next_hop, others)| {
                let (stamp, reconfigure_key, relay) = others;
                let [starts, preferred_until, ends] = times;
                Lease {
                    resource,
                    state,
                    mac,
                    holder,
                    scope,
                    stamp,
                    starts,
                    preferred_until,
                    ends,
                    hostname,
                    next_hop,
                    reconfigure_key,
                    relay,
                }
            },
        )
}
