//! Neighbour discovery parameters of one interface; `Default` is RFC 4861 section 10 and its kin.

use std::net::IpAddr;
use std::time::Duration;

use super::error::ConfigError;

/// Parameters of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Time between solicitations (RFC 4861 RetransTimer, 1 s).
    pub retrans_timer: Duration,
    /// How long a confirmation lasts on average (RFC 4861 BaseReachableTime, 30 s); each interface draws its
    /// ReachableTime anew from 0.5 to 1.5 times this every two hours.
    pub base_reachable_time: Duration,
    /// How long a used STALE neighbour waits for a confirmation before it is probed (DELAY_FIRST_PROBE_TIME, 5 s).
    pub delay_first_probe_time: Duration,
    /// Multicast solicitations before resolution fails (MAX_MULTICAST_SOLICIT, 3). ARP: broadcast requests.
    pub max_multicast_solicit: u32,
    /// Unicast probes before a neighbour becomes unreachable (MAX_UNICAST_SOLICIT, 3).
    pub max_unicast_solicit: u32,
    /// Solicitations before an own address is valid (RFC 4862 DupAddrDetectTransmits, 1; 0 switches duplicate
    /// detection off). IPv4 addresses use the numbers of RFC 5227 unless this is 0.
    pub dad_transmits: u32,
    /// Unsolicited advertisements sent when an address becomes valid or the MAC changes
    /// (MAX_NEIGHBOR_ADVERTISEMENT, 3). ARP: announcements.
    pub unsolicited_advertisements: u32,
    /// Create STALE entries from unsolicited advertisements (RFC 9131), so that the first packet to a new host waits for nothing.
    pub learn_unsolicited: bool,
    /// Answer for these addresses as a proxy (RFC 4389 without its bridging; proxy ARP): address and prefix length.
    pub proxy: Vec<(IpAddr, u8)>,
    /// Who came first keeps an address until it no longer answers, whatever others claim (FCFS SAVI, RFC 6620).
    pub first_come: bool,
    /// With `first_come`: addresses of one station at most, temporary ones among them.
    pub max_per_station: usize,
    /// Resolved neighbours kept at most; static ones are not counted out. Full, it forgets the stale one unused longest.
    pub max_entries: usize,
    /// Unresolved addresses at most (RFC 6583): a scan fills this room and no other.
    pub max_incomplete: usize,
    /// First solicitations for addresses never heard of, a second; also the burst (RFC 6583 section 6). An
    /// address heard of before is not held back.
    pub solicit_rate: u32,
    /// A STALE neighbour that carried no traffic for this long is forgotten.
    pub stale_lifetime: Duration,
    /// How long a failed resolution is remembered: packets for it are refused without a new solicitation.
    pub failed_lifetime: Duration,
    /// Upper bound of the growing pause between probes of an unreachable neighbour (RFC 7048 section 3).
    pub max_retrans_timer: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            retrans_timer: Duration::from_secs(1),
            base_reachable_time: Duration::from_secs(30),
            delay_first_probe_time: Duration::from_secs(5),
            max_multicast_solicit: 3,
            max_unicast_solicit: 3,
            dad_transmits: 1,
            unsolicited_advertisements: 3,
            learn_unsolicited: true,
            proxy: Vec::new(),
            first_come: false,
            max_per_station: 32,
            max_entries: 8192,
            max_incomplete: 512,
            solicit_rate: 200,
            stale_lifetime: Duration::from_secs(4 * 3600),
            failed_lifetime: Duration::from_secs(3),
            max_retrans_timer: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// Every fault, not only the first.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut range = |field, value: u64, min, max| {
            if !(min..=max).contains(&value) {
                faults.push(ConfigError::Range {
                    field,
                    value,
                    min,
                    max,
                });
            }
        };
        let ms = |d: Duration| d.as_millis() as u64;
        range("retrans_timer", ms(self.retrans_timer), 100, 3_600_000);
        range(
            "base_reachable_time",
            ms(self.base_reachable_time),
            100,
            3_600_000,
        );
        range(
            "delay_first_probe_time",
            ms(self.delay_first_probe_time),
            0,
            60_000,
        );
        range(
            "max_multicast_solicit",
            self.max_multicast_solicit.into(),
            1,
            20,
        );
        range(
            "max_unicast_solicit",
            self.max_unicast_solicit.into(),
            1,
            20,
        );
        range("dad_transmits", self.dad_transmits.into(), 0, 20);
        range(
            "unsolicited_advertisements",
            self.unsolicited_advertisements.into(),
            0,
            20,
        );
        range("max_entries", self.max_entries as u64, 16, 1 << 20);
        range(
            "max_incomplete",
            self.max_incomplete as u64,
            1,
            self.max_entries as u64,
        );
        range("max_per_station", self.max_per_station as u64, 1, 65_535);
        range("solicit_rate", self.solicit_rate.into(), 1, 1_000_000);
        range(
            "stale_lifetime",
            ms(self.stale_lifetime),
            1000,
            7 * 86_400_000,
        );
        range("failed_lifetime", ms(self.failed_lifetime), 0, 600_000);
        range(
            "max_retrans_timer",
            ms(self.max_retrans_timer),
            ms(self.retrans_timer),
            3_600_000,
        );
        for (index, (address, len)) in self.proxy.iter().enumerate() {
            let max = if address.is_ipv4() { 32 } else { 128 };
            if *len > max {
                faults.push(ConfigError::ProxyLength {
                    index,
                    len: *len,
                    max,
                });
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_every_fault_is_named() {
        assert_eq!(Config::default().validate(), []);
        let bad = Config {
            max_multicast_solicit: 0,
            max_incomplete: 1 << 30,
            proxy: vec![("192.0.2.0".parse().unwrap(), 33)],
            ..Config::default()
        };
        let fields: Vec<_> = bad.validate().iter().map(|f| f.to_string()).collect();
        assert_eq!(fields.len(), 3, "{fields:?}");
        assert!(fields[0].starts_with("max_multicast_solicit"));
        assert!(fields[1].starts_with("max_incomplete"));
        assert!(fields[2].starts_with("proxy[0]"));
    }
}
