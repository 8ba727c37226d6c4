//! From clients and relays to servers (RFC 1542 section 4.1.1).

use super::config::Existing;
use super::packet::{Invalid, Message, set_giaddr, set_hops};
use super::sm::{Action, Datagram, Link, Machine, SERVER_PORT, Via};

/// Octets of the IPv4 and UDP headers.
pub(super) const HEADERS: usize = 28;

/// What was done to the option of RFC 3046.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Agent {
    #[default]
    Alone,
    Omitted,
    Replaced,
}

impl Machine {
    /// Relays a message to the servers of its link.
    pub(super) fn forward(
        &mut self,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        out: &mut Vec<Action>,
    ) {
        let is_own = self.is_own(datagram.vrf, message);
        let Some(link) = self.links.get_mut(&datagram.iface) else {
            self.elsewhere.count_invalid("no_relay");
            return;
        };
        if self.silent.contains(&datagram.iface) {
            link.counters.not_serving += 1;
            return;
        }
        let relayed = match !message.giaddr.is_unspecified() {
            true if is_own => Err(Invalid::SpoofedGiaddr),
            true => of_relay(link, datagram, message),
            false => of_client(link, datagram, message),
        };
        match relayed {
            Ok((payload, agent)) => {
                let counters = &mut link.counters;
                match agent {
                    Agent::Omitted => counters.agent_option_omitted += 1,
                    Agent::Replaced => counters.agent_option_replaced += 1,
                    Agent::Alone => {}
                }
                match message.giaddr.is_unspecified() {
                    true => *counters.of_client(message.kind) += 1,
                    false => counters.relayed += 1,
                }
                out.extend(link.config.servers.iter().map(|server| Action::Send {
                    via: Via::Routed { vrf: link.vrf },
                    src: link.config.giaddr,
                    dst: *server,
                    dst_port: SERVER_PORT,
                    payload: payload.clone(),
                }));
            }
            Err(invalid) => link.counters.count_invalid(invalid.label()),
        }
    }

    /// Whether giaddr is an address that servers answer us at.
    fn is_own(&self, vrf: tables::id::VrfId, message: &Message<'_>) -> bool {
        let mut links = self.links.values().filter(|link| link.vrf == vrf);
        links.any(|link| [link.config.giaddr, link.config.address].contains(&message.giaddr))
    }
}

fn hops(link: &Link, message: &Message<'_>) -> Result<u8, Invalid> {
    match message.hops < link.config.hop_limit {
        true => Ok(message.hops + 1),
        false => Err(Invalid::HopLimit),
    }
}

fn of_client(
    link: &Link,
    datagram: &Datagram<'_>,
    message: &Message<'_>,
) -> Result<(Vec<u8>, Agent), Invalid> {
    let config = &link.config;
    let hops = hops(link, message)?;
    let fits = |payload: &Vec<u8>| payload.len() + HEADERS <= usize::from(config.path_mtu);
    let unicast = !datagram.dst.is_broadcast() && !datagram.dst.is_multicast();
    let (mut payload, agent) = match (message.agent.is_some(), config.existing) {
        (true, Existing::Drop) => return Err(Invalid::UntrustedAgentOption),
        (true, Existing::Keep) => (message.as_it_is(), Agent::Alone),
        (true, Existing::Replace) if config.agent_option => {
            (message.with_agent(&config.agent(unicast)), Agent::Replaced)
        }
        (true, Existing::Replace) => (message.without_agent(), Agent::Replaced),
        (false, _) if config.agent_option => {
            // RFC 3046 section 2.1: what would be too long with it goes without.
            match message.with_agent(&config.agent(unicast)) {
                payload if fits(&payload) => (payload, Agent::Alone),
                _ => (message.as_it_is(), Agent::Omitted),
            }
        }
        (false, _) => (message.as_it_is(), Agent::Alone),
    };
    if !fits(&payload) {
        return Err(Invalid::TooLong);
    }
    set_hops(&mut payload, hops);
    set_giaddr(&mut payload, config.giaddr);
    Ok((payload, agent))
}

/// RFC 3046 section 2.1: what another relay has said stays as it is.
fn of_relay(
    link: &Link,
    datagram: &Datagram<'_>,
    message: &Message<'_>,
) -> Result<(Vec<u8>, Agent), Invalid> {
    let config = &link.config;
    if !config.relays.allow(datagram.src) {
        return Err(Invalid::UntrustedRelay);
    }
    let hops = hops(link, message)?;
    let mut payload = message.as_it_is();
    if usize::from(config.path_mtu) < payload.len() + HEADERS {
        return Err(Invalid::TooLong);
    }
    set_hops(&mut payload, hops);
    Ok((payload, Agent::Alone))
}
