//! What the room counts, per interface.

use crate::counters::counters;

counters! {
    /// Counters of one interface.
    pub struct Counters {
        /// Neighbour solicitations sent, duplicate detection included.
        solicitations_sent,
        /// Neighbour advertisements sent, unsolicited ones included.
        advertisements_sent,
        /// ARP requests sent, probes and announcements included.
        arp_requests_sent,
        /// ARP replies sent.
        arp_replies_sent,
        /// Valid neighbour solicitations received.
        solicitations_received,
        /// Valid neighbour advertisements received.
        advertisements_received,
        /// Valid ARP packets received.
        arp_received,
        /// Valid ND packets of kinds that this room has no use for.
        ignored,
        /// Addresses resolved.
        resolved,
        /// Resolutions that got no answer.
        failed,
        /// Neighbours that stopped answering.
        unreachable,
        /// Requests to resolve that were refused because too many addresses were unresolved or the rate was exceeded (RFC 6583).
        refused,
        /// Unresolved addresses given up early to make room for others (RFC 6583).
        evicted_incomplete,
        /// Idle neighbours forgotten to make room for others.
        evicted_stale,
        /// Idle neighbours forgotten because nobody used them for their lifetime.
        expired,
        /// Neighbours not learnt because the cache was full.
        cache_full,
        /// Packets that spoke for an address which is not on the link.
        off_link,
        /// Claims of an address that another station has and answers for (RFC 6620).
        claims_refused,
        /// Addresses not learnt because their station has as many as it may.
        station_full,
        /// Neighbours learnt from unsolicited advertisements (RFC 9131).
        learnt_unsolicited,
        /// Own addresses found to be in use by another station.
        duplicates,
        /// Packets of another station that used one of our valid addresses.
        conflicts,
        /// Own duplicate detection packets that came back (RFC 7527).
        looped_back,
        /// Delayed answers for anycast or proxied addresses not sent because too many were waiting.
        delayed_full,
    }
}
