//! What the room counts, per link.

use crate::counters::counters;

use super::packet::kind;

counters! {
    /// Counters of one link.
    pub struct Counters {
        /// Messages of clients on a link that is not served here: the other router of a pair relays them.
        not_serving,
        /// Solicit messages relayed to servers.
        solicits,
        /// Request messages relayed to servers.
        requests,
        /// Confirm messages relayed to servers.
        confirms,
        /// Renew messages relayed to servers.
        renews,
        /// Rebind messages relayed to servers.
        rebinds,
        /// Release messages relayed to servers.
        releases,
        /// Decline messages relayed to servers.
        declines,
        /// Information-request messages relayed to servers.
        information_requests,
        /// Messages of other relays, relayed to servers.
        relay_forwards,
        /// Other messages of clients, relayed to servers.
        others,
        /// Advertise messages relayed to clients.
        advertises,
        /// Reply messages relayed to clients.
        replies,
        /// Reconfigure messages relayed to clients.
        reconfigures,
        /// Answers relayed to other relays.
        relay_replies,
        /// Other messages of servers, relayed to clients.
        other_answers,
        /// Prefixes that a client did not have before.
        prefixes_delegated,
        /// Prefixes whose life was prolonged or whose client moved.
        prefixes_renewed,
        /// Prefixes that were given back or taken away.
        prefixes_released,
        /// Prefixes that ran out.
        prefixes_expired,
    }
}

impl Counters {
    /// The counter of a client's message of this type.
    pub(super) fn of_client(&mut self, kind: u8) -> &mut u64 {
        match kind {
            1 => &mut self.solicits,
            3 => &mut self.requests,
            4 => &mut self.confirms,
            5 => &mut self.renews,
            6 => &mut self.rebinds,
            kind::RELEASE => &mut self.releases,
            9 => &mut self.declines,
            kind::INFORMATION_REQUEST => &mut self.information_requests,
            _ => &mut self.others,
        }
    }

    /// The counter of a server's message of this type.
    pub(super) fn of_server(&mut self, kind: u8) -> &mut u64 {
        match kind {
            kind::ADVERTISE => &mut self.advertises,
            kind::REPLY => &mut self.replies,
            kind::RECONFIGURE => &mut self.reconfigures,
            _ => &mut self.other_answers,
        }
    }
}
