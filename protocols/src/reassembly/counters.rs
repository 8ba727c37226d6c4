//! What the room counts, all interfaces together.

use crate::counters::counters;

counters! {
    /// Counters of the room.
    pub struct Counters {
        /// Fragments received.
        fragments,
        /// Fragments that came a second time, exactly alike, and were ignored.
        duplicate,
        /// Fragments of a datagram that was discarded before.
        after_discard,
        /// Datagrams whose last missing fragment came.
        reassembled,
        /// Datagrams discarded because their fragments overlap or contradict each other (RFC 5722).
        overlapping,
        /// Datagrams discarded because they have too many fragments.
        too_many_fragments,
        /// Datagrams discarded because whole they would exceed 65,535 octets.
        too_long,
        /// Datagrams discarded because a fragment was missing too long.
        timed_out,
        /// Datagrams discarded to make room for newer ones.
        evicted,
        /// Echo requests answered.
        echo_answered,
        /// DHCPv6 messages handed to their room.
        dhcp6,
        /// UDP datagrams answered with port unreachable.
        port_unreachable,
        /// Whole packets with a wrong upper-layer checksum or header.
        malformed,
        /// Whole packets that nobody here takes.
        unclaimed,
        /// ICMP errors sent.
        errors_sent,
        /// ICMP errors not sent because of the rate limit.
        errors_limited,
    }
}
