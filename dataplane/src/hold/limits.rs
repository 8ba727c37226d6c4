//! How much may wait, and how much may be asked for.

/// The sizes of a hold table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Interfaces, the highest `IfaceId` plus one.
    pub ifaces: usize,
    /// Addresses waited for, over all interfaces.
    pub keys: usize,
    /// Addresses waited for on one interface.
    pub keys_per_iface: usize,
    /// Packets, over all addresses.
    pub packets: usize,
    /// Packets for one address.
    pub per_key: usize,
    /// Requests that one interface may send at once.
    pub request_burst: u32,
    /// How many of them are kept for gateways and for addresses that were asked for within the last `retry`.
    pub request_reserve: u32,
    /// Ticks after which an interface may send one more request.
    pub request_interval: u64,
    /// Ticks after which a request is repeated while packets keep coming.
    pub retry: u64,
    /// Ticks after which an address without a verdict is given up.
    pub timeout: u64,
}

impl Limits {
    /// Sizes for a router of `ifaces` interfaces and a clock of `hz` ticks a second: 2,048 addresses (512 an
    /// interface), 4,096 packets (8 an address), 256 requests a second and interface after a burst of 96 (a third
    /// of them for those who ask again), repeated after a second, given up after four.
    pub const fn new(ifaces: usize, hz: u64) -> Self {
        Self {
            ifaces,
            keys: 2048,
            keys_per_iface: 512,
            packets: 4096,
            per_key: 8,
            request_burst: 96,
            request_reserve: 32,
            request_interval: hz / 256,
            retry: hz,
            timeout: 4 * hz,
        }
    }
}
