//! What the room counts, per uplink.

use crate::counters::counters;

counters! {
    /// Counters of one uplink.
    pub struct Counters {
        /// Solicit messages sent.
        solicits,
        /// Request messages sent.
        requests,
        /// Confirm messages sent.
        confirms,
        /// Renew messages sent.
        renews,
        /// Rebind messages sent.
        rebinds,
        /// Release messages sent.
        releases,
        /// Decline messages sent.
        declines,
        /// Information-request messages sent.
        information_requests,
        /// Of the messages sent, repetitions.
        retransmissions,
        /// Messages not sent because there were too many of late (RFC 8415 section 14.1).
        rate_limited,
        /// Advertise messages accepted.
        advertises,
        /// Advertise messages that offered nothing of what is asked for.
        empty_advertises,
        /// Reply messages accepted.
        replies,
        /// Reconfigure messages accepted.
        reconfigures,
        /// Reconfigure messages accepted and not followed, because an exchange was under way.
        reconfigures_busy,
        /// Status UnspecFail, or one that is not known, received.
        unspec_fail,
        /// Status NoAddrsAvail received.
        no_addrs_avail,
        /// Status NoPrefixAvail received.
        no_prefix_avail,
        /// Status NoBinding received.
        no_binding,
        /// Status NotOnLink received.
        not_on_link,
        /// Status UseMulticast received, though all that is sent is sent by multicast.
        use_multicast,
        /// Leases received that were not held before.
        leases_new,
        /// Leases renewed.
        leases_renewed,
        /// Leases withdrawn by the server: valid lifetime 0.
        leases_withdrawn,
        /// Leases that ran out.
        leases_expired,
        /// Addresses that somebody else has.
        leases_declined,
        /// Exchanges that ended without an answer.
        exchanges_given_up,
        /// Steps of the wall clock that leases were moved with.
        clock_steps,
    }
}
