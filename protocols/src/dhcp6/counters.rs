//! What the room counts, per link.

use crate::counters::counters;

counters! {
    /// Counters of one link.
    pub struct Counters {
        /// Solicit messages received.
        solicits,
        /// Request messages received.
        requests,
        /// Confirm messages received.
        confirms,
        /// Renew messages received.
        renews,
        /// Rebind messages received.
        rebinds,
        /// Release messages received.
        releases,
        /// Decline messages received.
        declines,
        /// Information-request messages received.
        information_requests,
        /// ADDR-REG-INFORM messages received (RFC 9686).
        addr_reg_informs,
        /// Of the messages received, those that came through a relay.
        relayed,
        /// Advertise messages sent.
        advertises,
        /// Reply messages sent.
        replies,
        /// ADDR-REG-REPLY messages sent (RFC 9686).
        addr_reg_replies,
        /// Reconfigure messages sent.
        reconfigures,
        /// Replies that ask the client to use multicast (RFC 8415 section 18.4).
        use_multicast,
        /// Identity associations answered with NoAddrsAvail.
        no_addrs_avail,
        /// Identity associations answered with NoPrefixAvail.
        no_prefix_avail,
        /// Identity associations answered with NoBinding.
        no_binding,
        /// Messages or identity associations answered with NotOnLink.
        not_on_link,
        /// Messages for another server.
        other_server,
        /// Messages of clients without a reservation on a link where others are not served.
        not_reserved,
        /// Messages of clients on a link that no configuration knows.
        unknown_link,
        /// Solicits left to another server, because the client has not tried for long enough.
        left_to_others,
        /// Confirm and Rebind messages to which there is nothing to say (RFC 8415 sections 18.3.3 and 18.3.5).
        unanswered,
        /// Messages not served because the leases were not loaded yet.
        not_loaded,
        /// Messages not served because leases could not be stored a moment ago.
        not_stored,
        /// Messages of clients on a link that is not served here: the other router of a pair serves it.
        not_serving,
        /// Messages left unanswered because the other router of a pair may know better than this one.
        left_to_peer,
        /// Messages that waited for the other router of a pair to allow a lease of its half.
        asked_peer,
        /// Of these, those whose client has to ask again: there was no answer in time, or no room to wait.
        peer_silent,
        /// Answers that did not fit a datagram.
        reply_too_big,
        /// Leases given to a holder that did not have them.
        leases_given,
        /// Leases renewed.
        leases_renewed,
        /// Leases given back.
        leases_released,
        /// Addresses that clients found in use by others.
        leases_declined,
        /// Leases that ran out.
        leases_expired,
        /// Leases that an import put.
        leases_imported,
        /// Leases taken over from the other router of a pair, in whatever state.
        leases_adopted,
        /// Leases made at the other router's wish.
        leases_lent,
        /// Addresses registered by hosts that have formed them.
        addresses_registered,
        /// Registrations renewed.
        registrations_renewed,
        /// Registrations taken back by their hosts.
        registrations_withdrawn,
        /// Registrations that ran out.
        registrations_expired,
        /// Registrations that another client took over (RFC 9686 section 4.2.1).
        registrations_moved,
        /// Registrations on a link where none are taken.
        registrations_disabled,
        /// Registrations of addresses that are not of the link.
        registrations_not_on_link,
        /// Registrations of addresses that are leased, declined, or reserved for somebody else.
        registrations_refused,
        /// Registrations beyond those that a subnet or one client may have.
        registrations_limited,
        /// Leases whose holder came with another MAC than before: two machines may have the same DUID.
        mac_changed,
        /// Reconfigure messages that clients followed.
        reconfigures_followed,
        /// Clients that did not follow their Reconfigure messages.
        reconfigures_given_up,
    }
}
