//! The DHCPv6 client in the API's nouns.

use std::time::SystemTime;

use api::{
    DhcpClient, DhcpClientLease, DhcpClientOption, DhcpClientOrder, DhcpClientOrdered,
    DhcpClientState, OrderDhcpClient, ProtocolCounters,
};
use lease::Wall;

use super::Router;
use super::counters::{ELSEWHERE, counters_of};
use crate::api::Error;
use protocols::dhcp6_client::{Event, NtpServer, State, View};

impl Router {
    pub(super) async fn dhcp_client_list(&self) -> Result<Vec<DhcpClient>, Error> {
        let now = Wall::from(SystemTime::now());
        let shown = self.bus.ask_dhcp6_client(move |machine| {
            machine
                .uplinks()
                .map(|view| shown(&view, now))
                .collect::<Vec<_>>()
        });
        let mut shown = shown.await.ok_or_else(stopping)?;
        shown.sort_by(|a, b| a.interface.cmp(&b.interface));
        Ok(shown)
    }

    pub(super) async fn dhcp_client_order(
        &self,
        OrderDhcpClient { interface, order }: OrderDhcpClient,
    ) -> Result<DhcpClientOrdered, Error> {
        let name = interface.clone();
        let iface = self.bus.ask_dhcp6_client(move |machine| {
            let mut uplinks = machine.uplinks();
            uplinks
                .find(|view| *view.name == *name && view.held.state != State::Removed)
                .map(|view| view.iface)
        });
        let Some(iface) = iface.await.ok_or_else(stopping)? else {
            let why = format!("{interface} is no uplink");
            return Err(Error::not_found("interface", why));
        };
        self.bus.dhcp6_client(match order {
            DhcpClientOrder::Renew => Event::Renew { iface },
            DhcpClientOrder::Release => Event::Release { iface },
            DhcpClientOrder::Unknown => {
                return Err(Error::invalid("order", "must be renew or release"));
            }
        });
        Ok(DhcpClientOrdered { interface })
    }

    /// What the client counted on each uplink; what came in where there is none stands under `elsewhere`.
    pub(super) async fn dhcp6_client_counters(&self) -> Vec<ProtocolCounters> {
        let counted = self.bus.ask_dhcp6_client(|machine| {
            let of = |name: &str, c: &protocols::dhcp6_client::Counters| {
                counters_of(name.to_owned(), c.iter(), &c.invalid)
            };
            let uplinks = machine.uplinks().map(|view| of(view.name, view.counters));
            let elsewhere = of(ELSEWHERE, machine.counters_elsewhere());
            uplinks.chain([elsewhere]).collect()
        });
        counted.await.unwrap_or_default()
    }
}

fn stopping() -> Error {
    Error::Unavailable("the DHCPv6 client does not answer".into())
}

fn shown(view: &View<'_>, now: Wall) -> DhcpClient {
    let held = view.held;
    let lease = |resource: String, iaid, exclude, preferred_until: Wall, valid_until: Wall| {
        DhcpClientLease {
            resource,
            iaid,
            exclude,
            deprecated: preferred_until <= now,
            preferred_until: preferred_until.to_string(),
            valid_until: valid_until.to_string(),
        }
    };
    let addresses = held.addresses.iter().map(|h| {
        lease(
            h.address.to_string(),
            h.iaid,
            None,
            h.preferred_until,
            h.valid_until,
        )
    });
    let prefixes = held.prefixes.iter().map(|h| {
        lease(
            h.prefix.to_string(),
            h.iaid,
            h.exclude,
            h.preferred_until,
            h.valid_until,
        )
    });
    let ntp = |server: &NtpServer| match server {
        NtpServer::Address(address) => address.to_string(),
        NtpServer::Name(name) => name.to_string(),
    };
    DhcpClient {
        interface: view.name.to_owned(),
        state: state(held.state),
        attempts: view.attempts,
        server: held.server.as_ref().map(ToString::to_string),
        renew_at: held.renew_at.to_string(),
        rebind_at: held.rebind_at.to_string(),
        addresses: addresses.collect(),
        prefixes: prefixes.collect(),
        dns_servers: held.settings.dns_servers.clone(),
        domain_search: held
            .settings
            .domain_search
            .iter()
            .map(ToString::to_string)
            .collect(),
        ntp_servers: held.settings.ntp_servers.iter().map(ntp).collect(),
        options: held
            .settings
            .options
            .iter()
            .map(|(code, data)| DhcpClientOption {
                code: *code,
                hex: data.iter().map(|byte| format!("{byte:02x}")).collect(),
            })
            .collect(),
    }
}

fn state(state: State) -> DhcpClientState {
    match state {
        State::Down => DhcpClientState::Down,
        State::Soliciting => DhcpClientState::Soliciting,
        State::Requesting => DhcpClientState::Requesting,
        State::Bound => DhcpClientState::Bound,
        State::Renewing => DhcpClientState::Renewing,
        State::Rebinding => DhcpClientState::Rebinding,
        State::Confirming => DhcpClientState::Confirming,
        State::Declining => DhcpClientState::Declining,
        State::Releasing => DhcpClientState::Releasing,
        State::Released => DhcpClientState::Released,
        State::Informing => DhcpClientState::Informing,
        State::Informed => DhcpClientState::Informed,
        State::Removed => DhcpClientState::Removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_same_words_here_and_there() {
        for of in State::ALL {
            assert_eq!(state(of).to_string(), of.label());
        }
    }
}
