//! What the machine is told, what it has done, and what people see of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tables::id::NetworkId;
use wire::MacAddr;

use crate::damping::Damping;

/// A point in time or a span, in seconds of the workers' clock.
pub type Seconds = u32;

/// How one network learns addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Most addresses that are learned, 8192. Our own do not count.
    pub max_bindings: u32,
    /// Most addresses that one station has, 32.
    pub per_station: u32,
    /// A binding that is not confirmed for so long is forgotten, 300.
    pub ageing_time: Seconds,
    /// What becomes of addresses that change hands too often.
    pub damping: Damping,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_bindings: 8192,
            per_station: 32,
            ageing_time: 300,
            damping: Damping::default(),
        }
    }
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event {
    /// A network learns addresses, or its configuration or our addresses in it have changed.
    Configure {
        /// Which.
        network: NetworkId,
        /// What holds from now on.
        config: Config,
        /// Every address of our own in it that is in use, and the MAC it is answered with. Others that were our own are removed.
        own: BTreeMap<IpAddr, MacAddr>,
    },
    /// A network is gone, or learns addresses no more.
    Remove {
        /// Which.
        network: NetworkId,
    },
    /// A station says that it has an address, as the table has it not.
    Claimed {
        /// In which network.
        network: NetworkId,
        /// The address.
        address: IpAddr,
        /// The station.
        mac: MacAddr,
        /// Whether it says that it is a router.
        is_router: bool,
    },
    /// A station uses an address of another, or looks whether anybody has it.
    Doubted {
        /// In which network.
        network: NetworkId,
        /// The address.
        address: IpAddr,
        /// The station.
        mac: MacAddr,
    },
    /// A station is gone from the FDB.
    StationGone {
        /// From which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
    },
    /// The table had no room for the binding that was to be inserted last.
    Refused {
        /// In which network.
        network: NetworkId,
        /// The address.
        address: IpAddr,
    },
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Enter a binding in the table, or change it.
    Insert {
        /// In which network.
        network: NetworkId,
        /// The address.
        address: IpAddr,
        /// The station that has it.
        mac: MacAddr,
        /// Whether it is a router.
        is_router: bool,
        /// Whether the address is one of our own.
        is_own: bool,
    },
    /// Take a binding out of the table.
    Remove {
        /// Of which network.
        network: NetworkId,
        /// The address.
        address: IpAddr,
    },
}

/// A binding as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its network.
    pub network: NetworkId,
    /// The address.
    pub address: IpAddr,
    /// The station that has it.
    pub mac: MacAddr,
    /// Whether it says that it is a router.
    pub is_router: bool,
    /// Whether it is one of our own.
    pub is_own: bool,
    /// Whether it is in the table: nobody is answered for one that is doubted, held, or found no room.
    pub in_use: bool,
    /// How long ago it was confirmed, seconds. `None`: it is our own.
    pub age: Option<Seconds>,
    /// How often it changed hands.
    pub moves: u32,
    /// For how long nobody is answered for, seconds, because it changed hands too often.
    pub held: Option<Seconds>,
}
