//! Addresses that hosts have formed themselves, and say so (RFC 9686): a registration is kept as a lease of its own state.

use super::client::Client;
use super::link::Link;
use super::packet::Registered;
use super::sm::{Action, Notice};
use lease::{Book, Holder, Kind, Lease, Resource, State, Wall};

/// Most addresses that one client registers in a router: a host has a few, of which some are temporary.
pub(super) const MAX_OF_CLIENT: usize = 64;

/// Keeps, renews or ends a registration (RFC 9686 section 4.2.1). False: the message is to be dropped, and was counted.
///
/// Whether the address is the sender's is not this server's to say: that its packet came from there has been looked at, and the guard
/// of its port, if it has one, has let that pass.
pub(super) fn register(
    link: &mut Link,
    book: &mut Book,
    now: Wall,
    client: &Client,
    registered: &Registered<'_>,
    out: &mut Vec<Action>,
) -> bool {
    let resource = Resource::V6(registered.address);
    if !link.config.settings.address_registration {
        link.counters.registrations_disabled += 1;
        return false;
    }
    let at = link.config.subnets.iter();
    let Some(at) = at
        .clone()
        .position(|s| s.prefix.contains(&registered.address))
    else {
        link.counters.registrations_not_on_link += 1;
        return false;
    };
    let (scope, max) = (link.subnets[at], link.config.subnets[at].max_leases);
    let is_foreign = link
        .owner(resource)
        .is_some_and(|owner| Some(owner) != client.reservation);
    let known = book.get(link.realm, resource);
    let is_free = known.is_none_or(|l| matches!(l.state, State::Released | State::Registered));
    if is_foreign || !is_free {
        link.counters.registrations_refused += 1;
        return false;
    }
    let known = known.filter(|l| l.state == State::Registered);
    let holder = Holder {
        client: client.id.clone(),
        iaid: 0,
        kind: Kind::Na,
    };
    let is_mine = known.is_some_and(|l| l.holder == holder);
    if registered.valid == 0 {
        // RFC 9686 section 4.6. What is not registered, or is another's, stays so.
        if is_mine && let Some(write) = book.remove(link.realm, resource, now) {
            link.counters.registrations_withdrawn += 1;
            out.push(Action::Write(write));
        }
        return true;
    }
    let of_client = book.of_holder(&holder);
    let of_client = of_client.filter(|l| l.state == State::Registered).count();
    let is_full = known.is_none() && book.counts(scope).registered >= max;
    if is_full || !is_mine && of_client >= MAX_OF_CLIENT {
        link.counters.registrations_limited += 1;
        return false;
    }
    let before = known.map(|l| l.holder.client.clone());
    match before {
        None => link.counters.addresses_registered += 1,
        Some(_) if is_mine => link.counters.registrations_renewed += 1,
        Some(from) => {
            link.counters.registrations_moved += 1;
            out.push(Action::Notice(Notice::RegistrationMoved {
                address: registered.address,
                from,
                to: client.id.clone(),
            }));
        }
    }
    let preferred = registered.preferred.min(registered.valid);
    let lease = Lease {
        state: State::Registered,
        mac: client.mac,
        hostname: client.hostname.clone(),
        relay: client.relay.clone(),
        ..Lease::bound(
            resource,
            holder,
            scope,
            now,
            now.after(preferred),
            now.after(registered.valid),
        )
    };
    out.push(Action::Write(book.put(lease)));
    true
}
