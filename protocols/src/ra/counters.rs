//! What the room counts, per interface.

use crate::counters::counters;

counters! {
    /// Counters of one interface.
    pub struct Counters {
        /// Router advertisements sent to all nodes, each packet of a split one.
        multicast_sent,
        /// Router advertisements sent to one host that asked.
        unicast_sent,
        /// Router advertisements sent to stations that are to get an address by DHCPv6 where others form theirs.
        managed_sent,
        /// Final advertisements sent, with router lifetime 0.
        final_sent,
        /// Advertisements that did not fit the MTU and were split over several packets.
        split,
        /// Options left out because they do not fit the MTU even alone.
        option_too_big,
        /// Valid router solicitations received.
        solicitations_received,
        /// Router solicitations that broke a rule; `invalid` tells which, together with those of advertisements.
        solicitations_invalid,
        /// Solicitations answered by an advertisement that was already on its way.
        aggregated,
        /// Solicitations answered by multicast because too many hosts were waiting for a unicast answer.
        unicast_full,
        /// Valid router advertisements of other routers received.
        advertisements_received,
        /// Variables in which another router differs from this one (RFC 4861 section 6.2.7), each time it advertises.
        inconsistent,
        /// Other routers not remembered because the table was full.
        foreign_full,
        /// Own packets that came back.
        looped_back,
        /// Valid ND packets of kinds that this room has no use for.
        ignored,
    }
}
