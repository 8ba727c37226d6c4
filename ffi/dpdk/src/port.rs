//! Ports: a device, set up, started, watched and closed.

mod error;
mod facts;

use std::ffi::{CStr, CString, c_char};
use std::mem::zeroed;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use dpdk_sys as c;

use crate::eal::{Eal, EalHandle};
use crate::errno::Errno;
use crate::events::{self, PortEvents};
use crate::mempool::Mempool;
use crate::port_config::{Configured, Offloads, PortConfig, RSS_FLOWS};
use crate::queue::{Lease, RxQueue, TxQueue};

pub use error::PortError;
pub use facts::{Link, MulticastFilter, PortInfo, PortStats};

/// Ports that are open in this process.
static OPEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());

/// A port. Closed when dropped.
pub struct Port {
    id: u16,
    name: String,
    started: bool,
    closed: bool,
    rx_leases: Vec<Lease>,
    tx_leases: Vec<Lease>,
    /// Multicast addresses that went in as further MAC addresses.
    added_macs: Vec<[u8; 6]>,
    /// The device writes into it until closed.
    rx_pool: Option<Mempool>,
    _eal: Arc<EalHandle>,
}

impl Port {
    /// The port of that name: of a virtual device, the device's; of a PCI device, its address.
    pub fn by_name(eal: &Eal, name: &str) -> Result<Self, PortError> {
        let not_found = || PortError::NotFound(name.to_owned());
        let c_name = CString::new(name).map_err(|_| not_found())?;
        let mut id = 0;
        // SAFETY: EAL is up; the string outlives the call; `id` is written.
        let result = unsafe { c::rte_eth_dev_get_port_by_name(c_name.as_ptr(), &mut id) };
        Errno::check(result).map_err(|_| not_found())?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains(&id) {
            return Err(PortError::InUse(name.to_owned()));
        }
        open.push(id);
        events::listen(id);
        Ok(Port {
            id,
            name: name.to_owned(),
            started: false,
            closed: false,
            rx_leases: Vec::new(),
            tx_leases: Vec::new(),
            added_macs: Vec::new(),
            rx_pool: None,
            _eal: eal.handle(),
        })
    }

    /// DPDK's number of the port, as in [`Mbuf::port`](crate::Mbuf::port).
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the device is and can do.
    pub fn info(&self) -> Result<PortInfo, PortError> {
        let raw = self.raw_info()?;
        let driver = match raw.driver_name.is_null() {
            true => String::new(),
            // SAFETY: a constant string of the driver.
            false => unsafe { CStr::from_ptr(raw.driver_name) }
                .to_string_lossy()
                .into_owned(),
        };
        // SAFETY: reads the device's entry.
        let socket = unsafe { c::rte_eth_dev_socket_id(self.id) };
        Ok(PortInfo {
            driver,
            if_index: raw.if_index,
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            max_mtu: max_mtu(&raw),
            max_mac_addrs: raw.max_mac_addrs,
            offloads: Offloads::of_capabilities(
                raw.rx_offload_capa,
                raw.tx_offload_capa,
                raw.flow_type_rss_offloads,
            ),
            socket: u32::try_from(socket).ok(),
        })
    }

    /// Sets the stopped port up to receive into `pool`.
    pub fn configure(
        &mut self,
        config: &PortConfig,
        pool: &Mempool,
    ) -> Result<Configured, PortError> {
        let raw = self.raw_info()?;
        let info = self.info()?;
        self.check_queues("receive", config.rx_queues, info.max_rx_queues)?;
        self.check_queues("transmit", config.tx_queues, info.max_tx_queues)?;
        let offloads = config.grant(&info, pool);
        let mtu = config.mtu.min(info.max_mtu);

        // SAFETY: all-zero is the default of every field.
        let mut conf: c::rte_eth_conf = unsafe { zeroed() };
        conf.rxmode.mtu = mtu as u32;
        conf.rxmode.offloads = offloads.rx_bits();
        conf.txmode.offloads = offloads.tx_bits();
        if offloads.rss {
            conf.rxmode.mq_mode = c::RTE_ETH_MQ_RX_RSS;
            conf.rx_adv_conf.rss_conf.rss_hf = RSS_FLOWS & raw.flow_type_rss_offloads;
            if raw.rx_offload_capa & c::HEXTET_ETH_RX_OFFLOAD_RSS_HASH != 0 {
                conf.rxmode.offloads |= c::HEXTET_ETH_RX_OFFLOAD_RSS_HASH;
            }
        }
        // SAFETY: `dev_flags` is null or points into the device's entry.
        let dev_flags = unsafe { raw.dev_flags.as_ref() }.copied().unwrap_or(0);
        conf.intr_conf
            .set_lsc((dev_flags & c::HEXTET_ETH_DEV_INTR_LSC != 0) as u32);
        conf.intr_conf
            .set_rmv((dev_flags & c::HEXTET_ETH_DEV_INTR_RMV != 0) as u32);

        let (rxq, txq) = (config.rx_queues, config.tx_queues);
        // SAFETY: `conf` outlives the call, which copies it.
        self.call("configure the device", unsafe {
            c::rte_eth_dev_configure(self.id, rxq, txq, &conf)
        })?;
        let (mut rx_desc, mut tx_desc) = (config.rx_desc, config.tx_desc);
        // SAFETY: both numbers are written.
        self.call("choose descriptor counts", unsafe {
            c::rte_eth_dev_adjust_nb_rx_tx_desc(self.id, &mut rx_desc, &mut tx_desc)
        })?;
        // SAFETY: reads the device's entry.
        let socket = unsafe { c::rte_eth_dev_socket_id(self.id) } as u32;
        let mut rx_conf = raw.default_rxconf;
        rx_conf.offloads = conf.rxmode.offloads;
        let mut tx_conf = raw.default_txconf;
        tx_conf.offloads = conf.txmode.offloads;
        self.rx_pool = Some(pool.clone());
        for queue in 0..rxq {
            // SAFETY: `rx_conf` outlives the call; `rx_pool` keeps the pool until closed.
            self.call("set up a receive queue", unsafe {
                let pool = pool.raw();
                c::rte_eth_rx_queue_setup(self.id, queue, rx_desc, socket, &rx_conf, pool)
            })?;
        }
        for queue in 0..txq {
            // SAFETY: `tx_conf` outlives the call.
            self.call("set up a transmit queue", unsafe {
                c::rte_eth_tx_queue_setup(self.id, queue, tx_desc, socket, &tx_conf)
            })?;
        }
        self.rx_leases = (0..rxq).map(|_| Lease::default()).collect();
        self.tx_leases = (0..txq).map(|_| Lease::default()).collect();
        Ok(Configured {
            offloads,
            mtu,
            rx_desc,
            tx_desc,
        })
    }

    /// Starts the configured port.
    pub fn start(&mut self) -> Result<(), PortError> {
        // SAFETY: the port is ours.
        self.call("start the device", unsafe { c::rte_eth_dev_start(self.id) })?;
        self.started = true;
        Ok(())
    }

    /// Stops the port. Every queue must have come back.
    pub fn stop(&mut self) -> Result<(), PortError> {
        self.check_queues_back()?;
        if !self.started {
            return Ok(());
        }
        // SAFETY: the port is ours and no burst is under way.
        self.call("stop the device", unsafe { c::rte_eth_dev_stop(self.id) })?;
        self.started = false;
        Ok(())
    }

    /// Stops and closes the port, for good: its device must be plugged again to be used again.
    pub fn close(mut self) -> Result<(), PortError> {
        self.shut()
    }

    /// The handle of receive queue `queue`; one at a time.
    pub fn rx_queue(&mut self, queue: u16) -> Result<RxQueue, PortError> {
        let lease = self.lease(&self.rx_leases, queue)?;
        Ok(RxQueue::new(self.id, queue, lease))
    }

    /// The handle of transmit queue `queue`; one at a time.
    pub fn tx_queue(&mut self, queue: u16) -> Result<TxQueue, PortError> {
        let lease = self.lease(&self.tx_leases, queue)?;
        Ok(TxQueue::new(self.id, queue, lease))
    }

    /// The link, as the device sees it now.
    pub fn link(&self) -> Result<Link, PortError> {
        let (mut mbps, mut up, mut full_duplex) = (0, 0, 0);
        // SAFETY: the three numbers are written.
        self.call("read the link", unsafe {
            c::hextet_link_get(self.id, &mut mbps, &mut up, &mut full_duplex)
        })?;
        let known = mbps != 0 && mbps != c::RTE_ETH_SPEED_NUM_UNKNOWN;
        Ok(Link {
            up: up != 0,
            speed_mbps: known.then_some(mbps),
            full_duplex: full_duplex != 0,
        })
    }

    /// The port's MAC address.
    pub fn mac(&self) -> Result<[u8; 6], PortError> {
        let mut mac = c::rte_ether_addr { addr_bytes: [0; 6] };
        // SAFETY: `mac` is written.
        self.call("read the MAC address", unsafe {
            c::rte_eth_macaddr_get(self.id, &mut mac)
        })?;
        Ok(mac.addr_bytes)
    }

    /// Changes the port's MAC address.
    pub fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), PortError> {
        let mut mac = c::rte_ether_addr { addr_bytes: mac };
        // SAFETY: `mac` is read.
        self.call("set the MAC address", unsafe {
            c::rte_eth_dev_default_mac_addr_set(self.id, &mut mac)
        })?;
        Ok(())
    }

    /// Tells the device its MTU. False if it cannot be told that value: af_packet and tap pass
    /// large frames all the same, and the router keeps its own MTU.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<bool, PortError> {
        // SAFETY: the port is ours.
        let result = Errno::check(unsafe { c::rte_eth_dev_set_mtu(self.id, mtu) });
        match result {
            Ok(_) => Ok(true),
            Err(errno) if errno == Errno::EINVAL || errno.is_unsupported() => Ok(false),
            Err(errno) => Err(self.refused("set the MTU", errno)),
        }
    }

    /// Receive every frame, or only those for us.
    pub fn set_promiscuous(&mut self, on: bool) -> Result<(), PortError> {
        // SAFETY: the port is ours.
        self.call("set promiscuous mode", unsafe {
            match on {
                true => c::rte_eth_promiscuous_enable(self.id),
                false => c::rte_eth_promiscuous_disable(self.id),
            }
        })?;
        Ok(())
    }

    /// Receive every multicast frame, or only those of our groups.
    pub fn set_all_multicast(&mut self, on: bool) -> Result<(), PortError> {
        // SAFETY: the port is ours.
        self.call("set all-multicast mode", unsafe {
            match on {
                true => c::rte_eth_allmulticast_enable(self.id),
                false => c::rte_eth_allmulticast_disable(self.id),
            }
        })?;
        Ok(())
    }

    /// Lets these multicast groups in and, if the device can, no other. Tries, in order: the
    /// device's multicast list; each address as a further MAC address; all-multicast;
    /// promiscuous. Says which one it is now.
    pub fn set_multicast(&mut self, groups: &[[u8; 6]]) -> MulticastFilter {
        let refused = match self.set_multicast_exactly(groups) {
            Ok(()) => return MulticastFilter::Exact,
            Err(refused) => refused,
        };
        if self.set_all_multicast(true).is_ok() {
            MulticastFilter::AllMulticast { refused }
        } else if self.set_promiscuous(true).is_ok() {
            MulticastFilter::Promiscuous { refused }
        } else {
            MulticastFilter::Unfiltered { refused }
        }
    }

    /// The device's counters.
    pub fn stats(&self) -> Result<PortStats, PortError> {
        // SAFETY: all-zero is a valid value, and it is written.
        let mut raw: c::rte_eth_stats = unsafe { zeroed() };
        // SAFETY: as above.
        self.call("read counters", unsafe {
            c::rte_eth_stats_get(self.id, &mut raw)
        })?;
        Ok(PortStats {
            rx_packets: raw.ipackets,
            rx_bytes: raw.ibytes,
            rx_missed: raw.imissed,
            rx_errors: raw.ierrors,
            rx_no_buffer: raw.rx_nombuf,
            tx_packets: raw.opackets,
            tx_bytes: raw.obytes,
            tx_errors: raw.oerrors,
        })
    }

    /// The driver's own counters, by its own names.
    pub fn xstats(&self) -> Result<Vec<(String, u64)>, PortError> {
        let operation = "read the driver's counters";
        // SAFETY: with no array the call only counts.
        let count = self.call(operation, unsafe {
            c::rte_eth_xstats_get_names(self.id, ptr::null_mut(), 0)
        })?;
        // SAFETY: all-zero is a valid value of both.
        let (mut names, mut values): (Vec<c::rte_eth_xstat_name>, Vec<c::rte_eth_xstat>) = unsafe {
            (
                vec![zeroed(); count as usize],
                vec![zeroed(); count as usize],
            )
        };
        // SAFETY: the array has the length said.
        self.call(operation, unsafe {
            c::rte_eth_xstats_get_names(self.id, names.as_mut_ptr(), count as u32)
        })?;
        // SAFETY: the array has the length said.
        let got = self.call(operation, unsafe {
            c::rte_eth_xstats_get(self.id, values.as_mut_ptr(), count as u32)
        })?;
        let name_of = |id: u64| names.get(id as usize).map(|n| text(&n.name));
        Ok(values
            .iter()
            .take(got as usize)
            .filter_map(|value| Some((name_of(value.id)?, value.value)))
            .collect())
    }

    /// What happened to the device since the last call.
    pub fn take_events(&self) -> PortEvents {
        let mut events = events::take(self.id);
        events.removed |= self.is_removed();
        events
    }

    /// Whether the device is gone (where the driver can tell).
    pub fn is_removed(&self) -> bool {
        // SAFETY: asks the driver.
        unsafe { c::rte_eth_dev_is_removed(self.id) == 1 }
    }

    fn set_multicast_exactly(&mut self, groups: &[[u8; 6]]) -> Result<(), Errno> {
        let mut list: Vec<c::rte_ether_addr> = groups
            .iter()
            .map(|&addr_bytes| c::rte_ether_addr { addr_bytes })
            .collect();
        // SAFETY: the list has the length said and is copied.
        let result = unsafe {
            c::rte_eth_dev_set_mc_addr_list(self.id, list.as_mut_ptr(), list.len() as u32)
        };
        match Errno::check(result) {
            Ok(_) => return Ok(()),
            Err(errno) if !errno.is_unsupported() => return Err(errno),
            Err(_) => {} // no such list: perhaps it takes further MAC addresses
        }
        for old in std::mem::take(&mut self.added_macs) {
            if groups.contains(&old) {
                self.added_macs.push(old);
            } else {
                let mut mac = c::rte_ether_addr { addr_bytes: old };
                // SAFETY: `mac` is read. A failure leaves one group too many, which is harmless.
                unsafe { c::rte_eth_dev_mac_addr_remove(self.id, &mut mac) };
            }
        }
        for &group in groups {
            if self.added_macs.contains(&group) {
                continue;
            }
            let mut mac = c::rte_ether_addr { addr_bytes: group };
            // SAFETY: `mac` is read.
            Errno::check(unsafe { c::rte_eth_dev_mac_addr_add(self.id, &mut mac, 0) })?;
            self.added_macs.push(group);
        }
        Ok(())
    }

    fn raw_info(&self) -> Result<c::rte_eth_dev_info, PortError> {
        // SAFETY: all-zero is a valid value, and it is written.
        let mut raw: c::rte_eth_dev_info = unsafe { zeroed() };
        // SAFETY: as above.
        self.call("read the device's capabilities", unsafe {
            c::rte_eth_dev_info_get(self.id, &mut raw)
        })?;
        Ok(raw)
    }

    fn check_queues(
        &self,
        direction: &'static str,
        wanted: u16,
        max: u16,
    ) -> Result<(), PortError> {
        if wanted > max {
            return Err(PortError::TooManyQueues {
                port: self.name.clone(),
                direction,
                wanted,
                max,
            });
        }
        Ok(())
    }

    fn check_queues_back(&self) -> Result<(), PortError> {
        let leases = self.rx_leases.iter().chain(&self.tx_leases);
        let count = leases.filter(|lease| Arc::strong_count(lease) > 1).count();
        match count {
            0 => Ok(()),
            count => Err(PortError::QueuesInUse {
                port: self.name.clone(),
                count,
            }),
        }
    }

    fn lease(&self, leases: &[Lease], queue: u16) -> Result<Lease, PortError> {
        match leases.get(queue as usize) {
            Some(lease) if self.started && Arc::strong_count(lease) == 1 => Ok(lease.clone()),
            _ => Err(PortError::QueueUnavailable {
                port: self.name.clone(),
                queue,
            }),
        }
    }

    fn shut(&mut self) -> Result<(), PortError> {
        self.stop()?;
        events::ignore(self.id);
        // SAFETY: stopped, and no queue is out.
        let result = self.call("close the device", unsafe { c::rte_eth_dev_close(self.id) });
        self.closed = true;
        OPEN.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|&id| id != self.id);
        result.map(|_| ())
    }

    fn call(&self, operation: &'static str, result: i32) -> Result<i32, PortError> {
        Errno::check(result).map_err(|errno| self.refused(operation, errno))
    }

    fn refused(&self, operation: &'static str, errno: Errno) -> PortError {
        PortError::Driver {
            port: self.name.clone(),
            operation,
            errno,
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if self.closed || self.shut().is_ok() {
            return;
        }
        // A worker still uses the device, or it refuses to stop: it goes on writing into the
        // pool, which must therefore stay.
        std::mem::forget(self.rx_pool.take());
        std::mem::forget(self._eal.clone());
    }
}

/// The largest MTU that fits in the device's largest frame.
fn max_mtu(raw: &c::rte_eth_dev_info) -> u16 {
    const ETHERNET_AND_FCS: u32 = 18;
    let stated = raw.max_mtu;
    let overhead = match raw.max_rx_pktlen.checked_sub(stated as u32) {
        Some(overhead) if stated != u16::MAX && overhead > 0 => overhead,
        _ => ETHERNET_AND_FCS,
    };
    let by_frame = raw
        .max_rx_pktlen
        .saturating_sub(overhead)
        .min(u16::MAX as u32) as u16;
    match by_frame {
        0 => stated, // a driver that does not fill the field in
        by_frame => stated.min(by_frame),
    }
}

fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars
        .iter()
        .take_while(|&&b| b != 0)
        .map(|&b| b as u8)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
