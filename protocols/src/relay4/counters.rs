//! What the room counts, per link.

use crate::counters::counters;

use super::packet::kind;

counters! {
    /// Counters of one link.
    pub struct Counters {
        /// Messages of clients on a link that is not served here: the other router of a pair relays them.
        not_serving,
        /// DHCPDISCOVER messages relayed to servers.
        discovers,
        /// DHCPREQUEST messages relayed to servers.
        requests,
        /// DHCPDECLINE messages relayed to servers.
        declines,
        /// DHCPRELEASE messages relayed to servers.
        releases,
        /// DHCPINFORM messages relayed to servers.
        informs,
        /// Messages of other relays, relayed to servers.
        relayed,
        /// Other messages of clients, relayed to servers.
        others,
        /// DHCPOFFER messages relayed to clients.
        offers,
        /// DHCPACK messages relayed to clients.
        acks,
        /// DHCPNAK messages relayed to clients.
        naks,
        /// Other messages of servers, relayed to clients.
        other_answers,
        /// Answers sent to all stations of the link.
        broadcasts,
        /// Messages that would have been too long with Relay Agent Information, and left without (RFC 3046 section 2.1).
        agent_option_omitted,
        /// Messages whose Relay Agent Information was replaced.
        agent_option_replaced,
    }
}

impl Counters {
    /// The counter of a client's message of this type.
    pub(super) fn of_client(&mut self, kind: Option<u8>) -> &mut u64 {
        match kind {
            Some(kind::DISCOVER) => &mut self.discovers,
            Some(kind::REQUEST) => &mut self.requests,
            Some(kind::DECLINE) => &mut self.declines,
            Some(kind::RELEASE) => &mut self.releases,
            Some(kind::INFORM) => &mut self.informs,
            _ => &mut self.others,
        }
    }

    /// The counter of a server's message of this type.
    pub(super) fn of_server(&mut self, kind: Option<u8>) -> &mut u64 {
        match kind {
            Some(kind::OFFER) => &mut self.offers,
            Some(kind::ACK) => &mut self.acks,
            Some(kind::NAK) => &mut self.naks,
            _ => &mut self.other_answers,
        }
    }
}
