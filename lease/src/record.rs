//! The bytes of one lease on disk.
//!
//! ```text
//! key    realm (8)   kind of resource (1: '4', '6', 'P')   address (16, IPv4 padded with zeros)   prefix length (1)
//! value  version 2 (1)   state (1)   kind of IA (1)   which of the last five follow (1)   subnet or pool (8)
//!        stamp (8; not in version 1)   starts, preferred until, ends (4 each)   IAID (4)   client: length (1), bytes
//!        MAC (6)   name: length (4), UTF-8   next hop: interface's length (4), UTF-8, address (16)   reconfigure key (16)
//!        relay: interface-id, remote-id, subscriber-id, each a length (1; 0: none) and bytes
//! ```
//!
//! Numbers are big-endian; so are keys in the order of realms, and then of addresses. A change of the layout takes a new
//! version, and the decoder goes on to read the old ones. Keys of older releases have no realm: they stand in a table and in
//! journal frames of their own ([`OldKey`]), and are read as of [`RealmId::UNKNOWN`].

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use wire::MacAddr;

use super::{
    ClientId, ClientIdError, Holder, Kind, Lease, NextHop, PoolId, RealmId, RelayId, RelayInfo,
    Resource, ScopeId, Stamp, State, Wall,
};

/// A resource of a realm as a key.
pub type Key = [u8; 26];
/// A resource as a key of older releases: what follows the realm in a [`Key`].
pub type OldKey = [u8; 18];

/// Octets of the realm.
const REALM: usize = 8;

const VERSION: u8 = 2;
/// Of older releases, whose leases have no stamp.
const OLD_VERSION: u8 = 1;

const MAC: u8 = 1;
const HOSTNAME: u8 = 2;
const NEXT_HOP: u8 = 4;
const RECONFIGURE_KEY: u8 = 8;
const RELAY: u8 = 16;
const ALL: u8 = MAC | HOSTNAME | NEXT_HOP | RECONFIGURE_KEY | RELAY;

/// Why bytes are not a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Of a later version, or no record at all.
    #[error("record version {0} is not known")]
    Version(u8),
    /// The record ends before the field does.
    #[error("it ends within {0}")]
    Short(&'static str),
    /// There is more than a record.
    #[error("{0} bytes follow it")]
    Trailing(usize),
    /// A field has a value that no release wrote.
    #[error("{field} cannot be {value}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it has.
        value: u8,
    },
    /// Text that is not UTF-8.
    #[error("{0} is not UTF-8")]
    Text(&'static str),
    /// The client's identifier.
    #[error(transparent)]
    Client(#[from] ClientIdError),
}

/// The key of a resource of a realm.
pub fn key(realm: RealmId, resource: Resource) -> Key {
    let (kind, octets, len) = match resource {
        Resource::V4(address) => (b'4', [address.octets().as_slice(), &[0; 12]].concat(), 32),
        Resource::V6(address) => (b'6', address.octets().to_vec(), 128),
        Resource::Prefix(p) => (b'P', p.network().octets().to_vec(), p.prefix_len()),
    };
    let mut key = [0; 26];
    key[..REALM].copy_from_slice(&realm.0.to_be_bytes());
    key[8] = kind;
    key[9..25].copy_from_slice(&octets);
    key[25] = len;
    key
}

/// The key of what older releases have under `old`.
pub fn key_of_old(old: &OldKey) -> Key {
    let mut key = [0; 26];
    key[..REALM].copy_from_slice(&RealmId::UNKNOWN.0.to_be_bytes());
    key[REALM..].copy_from_slice(old);
    key
}

/// The realm and the resource of a key.
pub fn named(key: &Key) -> Result<(RealmId, Resource), RecordError> {
    let [a, b, c, d, e, f, g, h, ref rest @ ..] = *key;
    let realm = RealmId(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
    Ok((realm, resource(rest)?))
}

fn resource(key: &OldKey) -> Result<Resource, RecordError> {
    let [kind, address @ .., len] = *key;
    let [a, b, c, d, ref padding @ ..] = address;
    let value = |field, value| Err(RecordError::Value { field, value });
    let address = Ipv6Addr::from(address);
    match kind {
        b'4' if len == 32 && *padding == [0; 12] => Ok(Resource::V4(Ipv4Addr::new(a, b, c, d))),
        b'6' if len == 128 => Ok(Resource::V6(address)),
        b'P' => match Ipv6Net::new(address, len) {
            Ok(prefix) if prefix.network() == address => Ok(Resource::Prefix(prefix)),
            _ => value("the prefix length", len),
        },
        b'4' | b'6' => value("the address length", len),
        _ => value("the kind of resource", kind),
    }
}

/// Appends the record of a lease.
pub fn encode(lease: &Lease, out: &mut Vec<u8>) {
    let flag = |present: bool, flag| if present { flag } else { 0 };
    out.extend([
        VERSION,
        lease.state as u8,
        lease.holder.kind as u8,
        flag(lease.mac.is_some(), MAC)
            | flag(lease.hostname.is_some(), HOSTNAME)
            | flag(lease.next_hop.is_some(), NEXT_HOP)
            | flag(lease.reconfigure_key.is_some(), RECONFIGURE_KEY)
            | flag(lease.relay.is_some(), RELAY),
    ]);
    out.extend(lease.scope.pool.0.to_be_bytes());
    out.extend(lease.stamp.to_bits().to_be_bytes());
    for wall in [lease.starts, lease.preferred_until, lease.ends] {
        out.extend(wall.to_bits().to_be_bytes());
    }
    out.extend(lease.holder.iaid.to_be_bytes());
    let client = lease.holder.client.as_bytes();
    // A client's identifier has at most 255 bytes.
    out.push(client.len() as u8);
    out.extend(client);
    let text = |text: &str, out: &mut Vec<u8>| {
        out.extend((text.len() as u32).to_be_bytes());
        out.extend(text.as_bytes());
    };
    if let Some(mac) = lease.mac {
        out.extend(mac.octets());
    }
    if let Some(hostname) = &lease.hostname {
        text(hostname, out);
    }
    if let Some(next_hop) = &lease.next_hop {
        text(&next_hop.iface, out);
        out.extend(next_hop.address.octets());
    }
    if let Some(key) = &lease.reconfigure_key {
        out.extend(**key);
    }
    if let Some(relay) = &lease.relay {
        for id in [&relay.interface_id, &relay.remote_id, &relay.subscriber_id] {
            let bytes = id.as_ref().map_or(&[][..], RelayId::as_bytes);
            // A relay's identifier has at most 255 bytes.
            out.push(bytes.len() as u8);
            out.extend(bytes);
        }
    }
}

/// The lease of a record, under whose key these stand.
pub fn decode(realm: RealmId, resource: Resource, record: &[u8]) -> Result<Lease, RecordError> {
    let mut rest = Rest(record);
    let [version] = rest.array("the version")?;
    if !matches!(version, VERSION | OLD_VERSION) {
        return Err(RecordError::Version(version));
    }
    let [state, kind, flags] = rest.array("state, kind and flags")?;
    if flags & !ALL != 0 {
        return Err(RecordError::Value {
            field: "flags",
            value: flags,
        });
    }
    let state = one_of(&State::ALL, state, "the state")?;
    let kind = one_of(&Kind::ALL, kind, "the kind of IA")?;
    let pool = PoolId(u64::from_be_bytes(rest.array("the scope")?));
    let stamp = match version {
        OLD_VERSION => None,
        _ => Some(Stamp::from_bits(u64::from_be_bytes(
            rest.array("the stamp")?,
        ))),
    };
    let starts = rest.wall("the start")?;
    let preferred_until = rest.wall("the preferred lifetime")?;
    let ends = rest.wall("the end")?;
    let iaid = u32::from_be_bytes(rest.array("the IAID")?);
    let [len] = rest.array("the client")?;
    let client = ClientId::new(rest.bytes(usize::from(len), "the client")?)?;
    let has = |flag| flags & flag != 0;
    let mac = match has(MAC) {
        true => Some(MacAddr(rest.array("the MAC")?)),
        false => None,
    };
    let hostname = match has(HOSTNAME) {
        true => Some(rest.text("the name")?),
        false => None,
    };
    let next_hop = match has(NEXT_HOP) {
        true => Some(Box::new(NextHop {
            iface: rest.text("the next hop's interface")?,
            address: Ipv6Addr::from(rest.array::<16>("the next hop")?),
        })),
        false => None,
    };
    let reconfigure_key = match has(RECONFIGURE_KEY) {
        true => Some(Box::new(rest.array("the reconfigure key")?)),
        false => None,
    };
    let relay = match has(RELAY) {
        true => Some(Box::new(RelayInfo {
            interface_id: rest.relay_id("the interface-id")?,
            remote_id: rest.relay_id("the remote-id")?,
            subscriber_id: rest.relay_id("the subscriber-id")?,
        })),
        false => None,
    };
    if !rest.0.is_empty() {
        return Err(RecordError::Trailing(rest.0.len()));
    }
    Ok(Lease {
        resource,
        state,
        mac,
        holder: Holder { client, iaid, kind },
        scope: ScopeId { realm, pool },
        stamp: stamp.unwrap_or_else(|| Stamp::of_start(starts)),
        starts,
        preferred_until,
        ends,
        hostname,
        next_hop,
        reconfigure_key,
        relay,
    })
}

fn one_of<T: Copy>(all: &[T], code: u8, field: &'static str) -> Result<T, RecordError> {
    all.get(usize::from(code))
        .copied()
        .ok_or(RecordError::Value { field, value: code })
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], RecordError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(RecordError::Short(field))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let (bytes, rest) = self
            .0
            .split_first_chunk()
            .ok_or(RecordError::Short(field))?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn wall(&mut self, field: &'static str) -> Result<Wall, RecordError> {
        Ok(Wall::from_bits(u32::from_be_bytes(self.array(field)?)))
    }

    fn text(&mut self, field: &'static str) -> Result<Box<str>, RecordError> {
        let len = u32::from_be_bytes(self.array(field)?);
        let bytes = self.bytes(len as usize, field)?;
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::Text(field))?;
        Ok(text.into())
    }

    fn relay_id(&mut self, field: &'static str) -> Result<Option<RelayId>, RecordError> {
        let [len] = self.array(field)?;
        Ok(RelayId::new(self.bytes(len.into(), field)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::any_lease;
    use proptest::prelude::*;

    #[test]
    fn the_layout_stays() {
        let lease = Lease {
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            hostname: Some("h".into()),
            stamp: Stamp::from_bits(9),
            ..Lease::bound(
                "2001:db8::5".parse().unwrap(),
                Holder {
                    client: "0003".parse().unwrap(),
                    iaid: 7,
                    kind: Kind::Na,
                },
                ScopeId {
                    realm: RealmId(0x0a0b),
                    pool: PoolId(0x0102),
                },
                Wall::from_secs(1),
                Wall::from_secs(2),
                Wall::NEVER,
            )
        };
        let mut bytes = Vec::new();
        encode(&lease, &mut bytes);
        let expected = [
            &[2, 0, 0, 3][..],
            &[0, 0, 0, 0, 0, 0, 1, 2],
            &[0, 0, 0, 0, 0, 0, 0, 9],
            &[0, 0, 0, 1, 0, 0, 0, 2, 255, 255, 255, 255],
            &[0, 0, 0, 7, 2, 0, 3],
            &[2, 0, 0, 0, 0, 1, 0, 0, 0, 1, b'h'],
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(
            decode(lease.realm(), lease.resource, &bytes),
            Ok(lease.clone())
        );
        // An older release wrote no stamp: the lease is as old as its state.
        let old = [&[1][..], &bytes[1..12], &bytes[20..]].concat();
        let of_old = Lease {
            stamp: Stamp::of_start(lease.starts),
            ..lease.clone()
        };
        assert_eq!(decode(lease.realm(), lease.resource, &old), Ok(of_old));
        let mut expected = [0; 26];
        expected[6..9].copy_from_slice(&[0x0a, 0x0b, b'6']);
        expected[9..13].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        expected[24..].copy_from_slice(&[5, 128]);
        assert_eq!(key(lease.realm(), lease.resource), expected);
        let old: OldKey = expected[8..].try_into().unwrap();
        let unknown = (RealmId::UNKNOWN, lease.resource);
        assert_eq!(named(&key_of_old(&old)), Ok(unknown));
    }

    #[test]
    fn each_fault_has_its_name() {
        let resource: Resource = "192.0.2.1".parse().unwrap();
        let good = [vec![2, 0, 3, 0], vec![0; 32], vec![1, 0xaa]].concat();
        let decode = |resource, bytes: &[u8]| decode(RealmId(7), resource, bytes);
        assert!(decode(resource, &good).is_ok());
        let fault = |at: usize, value: u8| {
            let mut bad = good.clone();
            bad[at] = value;
            decode(resource, &bad).unwrap_err().to_string()
        };
        assert_eq!(fault(0, 3), "record version 3 is not known");
        assert_eq!(fault(1, 5), "the state cannot be 5");
        assert_eq!(fault(2, 9), "the kind of IA cannot be 9");
        assert_eq!(fault(3, 32), "flags cannot be 32");
        assert_eq!(fault(3, 16), "it ends within the interface-id");
        assert_eq!(fault(3, 1), "it ends within the MAC");
        assert_eq!(fault(36, 2), "it ends within the client");
        assert_eq!(
            decode(resource, &[good, vec![0]].concat()),
            Err(RecordError::Trailing(1))
        );
        assert_eq!(
            decode(resource, &[]),
            Err(RecordError::Short("the version"))
        );
    }

    #[test]
    fn keys_that_are_none() {
        let good = key(RealmId(7), "2001:db8:1::/48".parse().unwrap());
        for (at, value) in [(8, b'X'), (8, b'6'), (8, b'4'), (25, 129), (25, 16)] {
            let mut bad = good;
            bad[at] = value;
            assert!(named(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(lease in any_lease()) {
            let mut bytes = Vec::new();
            encode(&lease, &mut bytes);
            let (realm, resource) = (lease.realm(), lease.resource);
            prop_assert_eq!(named(&key(realm, resource)), Ok((realm, resource)));
            // A record that is cut anywhere is none.
            for len in 0..bytes.len() {
                prop_assert!(decode(realm, resource, &bytes[..len]).is_err());
            }
            prop_assert_eq!(decode(realm, resource, &bytes), Ok(lease));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let resource = Resource::V4(Ipv4Addr::LOCALHOST);
            let versioned = |version| [&[version, 0, 0][..], &bytes].concat();
            for bytes in [bytes.clone(), versioned(1), versioned(2)] {
                if let Ok(lease) = decode(RealmId(7), resource, &bytes) {
                    let mut again = Vec::new();
                    encode(&lease, &mut again);
                    if bytes[0] == VERSION {
                        prop_assert_eq!(again, bytes);
                    }
                }
            }
        }
    }
}
