//! What the room counts, per link.

use crate::counters::counters;

counters! {
    /// Counters of one link.
    pub struct Counters {
        /// DHCPDISCOVER messages received.
        discovers,
        /// DHCPREQUEST messages received.
        requests,
        /// DHCPDECLINE messages received.
        declines,
        /// DHCPRELEASE messages received.
        releases,
        /// DHCPINFORM messages received.
        informs,
        /// Of the messages received, those that came through a relay.
        relayed,
        /// DHCPOFFER messages sent.
        offers,
        /// DHCPACK messages sent.
        acks,
        /// DHCPNAK messages sent.
        naks,
        /// DHCPDISCOVER messages for which no address was left.
        no_address,
        /// Messages for another server.
        other_server,
        /// Messages of clients on a link that no configuration knows.
        unknown_link,
        /// Messages to which there is nothing to say (RFC 2131 section 4.3.2).
        unanswered,
        /// Messages that name an address which their sender does not have.
        no_binding,
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
        /// Options left out because the client or the link takes no message of such a length.
        options_left_out,
        /// Answers longer than the MTU of the link with what they must have, which leave in fragments.
        fragmented,
        /// Leases given to a client that did not have them.
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
        /// Addresses asked for before they were offered.
        probes,
        /// Addresses that somebody answered for, so that they were not offered.
        conflicts,
        /// Addresses offered without having been asked for, because too many were being asked for.
        probes_skipped,
        /// Leases whose client came with another MAC than before: two machines may have the same client identifier.
        mac_changed,
    }
}
