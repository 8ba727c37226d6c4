//! What the guards of ports hear of the leases of our DHCP servers.

use ::lease::{Lease, RealmId, Resource, State, Wall, Write};
use wire::MacAddr;

/// A lease that was given, renewed, or has ended; or a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leasing {
    /// The router whose lease it is.
    pub realm: RealmId,
    /// What is leased.
    pub resource: Resource,
    /// The client, and until when it has it; `None`: it has ended.
    pub given: Option<(MacAddr, Wall)>,
    /// The interface by which a delegated prefix is reached.
    pub interface: Option<Box<str>>,
    /// Whether the client has formed the address itself, and registered it (RFC 9686).
    pub is_registered: bool,
}

impl Leasing {
    /// What a lease is, if it is in use and its client's MAC is known.
    pub fn of(lease: &Lease) -> Option<Self> {
        let is_registered = lease.state == State::Registered;
        let is_used = lease.state == State::Bound || is_registered;
        let mac = lease.mac.filter(|_| is_used)?;
        Some(Self {
            realm: lease.realm(),
            resource: lease.resource,
            given: Some((mac, lease.ends)),
            interface: lease.next_hop.as_ref().map(|hop| hop.iface.clone()),
            is_registered,
        })
    }

    /// What a change of a lease is to guards; `None`: nothing.
    pub fn of_write(write: &Write) -> Option<Self> {
        let now = write.after.as_ref().and_then(Self::of);
        now.or_else(|| {
            let before = write.before.as_ref().and_then(Self::of)?;
            Some(Self {
                given: None,
                ..before
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::lease::{ClientId, Holder, Kind, ScopeId};

    #[test]
    fn leases_begin_and_end_and_offers_are_nothing() {
        let realm = RealmId::of("main");
        let resource = Resource::V4([192, 0, 2, 9].into());
        let mac = MacAddr([2, 0, 0, 0, 0, 9]);
        let (start, end) = (
            Wall::from_secs(1_800_000_000),
            Wall::from_secs(1_800_003_600),
        );
        let holder = Holder {
            client: ClientId::new(&[1, 2, 0, 0, 0, 0, 9]).unwrap(),
            iaid: 0,
            kind: Kind::V4,
        };
        let scope = ScopeId::of(realm, "x");
        let bound = Lease {
            mac: Some(mac),
            ..Lease::bound(resource, holder, scope, start, end, end)
        };
        let offered = Lease {
            state: State::Offered,
            ..bound.clone()
        };
        let said = |before: Option<&Lease>, after: Option<&Lease>| {
            let write = Write {
                realm,
                resource,
                before: before.cloned(),
                after: after.cloned(),
            };
            Leasing::of_write(&write).map(|leasing| leasing.given)
        };
        assert_eq!(said(None, Some(&offered)), None);
        assert_eq!(said(Some(&offered), Some(&bound)), Some(Some((mac, end))));
        assert_eq!(said(Some(&bound), None), Some(None));
        assert_eq!(said(Some(&bound), Some(&offered)), Some(None));
        assert_eq!(said(Some(&offered), None), None);
        let registered = Lease {
            state: State::Registered,
            ..bound
        };
        assert_eq!(said(None, Some(&registered)), Some(Some((mac, end))));
        assert_eq!(said(Some(&registered), None), Some(None));
        assert!(Leasing::of(&registered).is_some_and(|leasing| leasing.is_registered));
    }
}
