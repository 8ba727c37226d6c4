//! Devices: opened, watched, closed; and the forwarding snapshot that speaks of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use api::OffloadPlace;
use dataplane::forwarding::Forwarding;
use dataplane::observe::Filter;
use dataplane::ports::{DeviceState, OpenPort};
use dataplane::{MulticastFilter, PortStats};
use tables::id::{IfaceId, PortId, TunnelId};
use tracing::{error, info, warn};
use wire::MacAddr;

use super::Engine;
use crate::compile::interfaces::{self, MacFilter, VirtualView};
use crate::model::{Changes, Device, Indexed, Model};
use protocols::nd::AddressState;

/// What trace and capture want of the snapshot.
#[derive(Debug, Default)]
pub struct Observer {
    /// The trace that is armed.
    pub trace: Option<Filter>,
    /// The capture that is armed.
    pub capture: Option<dataplane::capture::CaptureFilter>,
    /// How each device lets its multicast groups in, and which ones.
    pub multicast: HashMap<PortId, (MacFilter, dataplane::MulticastFilter)>,
}

/// The networks of the last snapshot, and what they were made of.
pub(super) struct Places {
    model: Arc<Indexed>,
    /// Open devices, with their addresses.
    open: Vec<(PortId, [u8; 6])>,
    snapshot: Forwarding,
}

/// What the snapshot learns from the running router.
pub(super) struct Learned<'a>(&'a Engine);

impl interfaces::Learned for Learned<'_> {
    fn mac(&self, port: PortId) -> Option<MacAddr> {
        self.0.dataplane.port(port).map(|open| MacAddr(open.mac))
    }

    fn made_mac(&self, interface: &str) -> MacAddr {
        interfaces::make_mac(&self.0.node, interface)
    }

    fn is_valid(&self, iface: IfaceId, address: IpAddr) -> bool {
        self.0.addresses.get(&(iface, address)) == Some(&AddressState::Valid)
    }

    fn virtual_routers(&self, iface: IfaceId) -> VirtualView {
        self.0.virtual_view(iface)
    }

    fn path_mtu(&self, tunnel: TunnelId) -> Option<u16> {
        self.0.paths.learned(tunnel).map(|learned| learned.mtu)
    }
}

impl Engine {
    /// Devices of the model that are not open or have disappeared: a reload tries them again.
    pub(super) fn lost_devices(&self) -> Vec<PortId> {
        let lost = |port: &PortId| {
            let open = self.dataplane.port(*port);
            open.is_none_or(|open| open.state() == DeviceState::Gone)
        };
        let ports = self.model.devices.iter().map(|device| device.id);
        ports.filter(lost).collect()
    }

    /// Opens the devices that a reload adds. On failure those opened are closed again.
    pub(super) fn open_devices(
        &mut self,
        model: &Model,
        changes: &Changes,
    ) -> Result<(), (String, String)> {
        let mut opened = Vec::new();
        for device in model
            .devices
            .iter()
            .filter(|d| changes.devices.added.contains(&d.id))
        {
            if changes.devices.removed.contains(&device.id) {
                // Its options changed: it is closed first, with its interfaces, in `close_devices`.
                continue;
            }
            match self.dataplane.add_device_as(device.id, &device.spec()) {
                Ok(()) => opened.push(device.id),
                Err(error) => {
                    for port in opened {
                        let _ = self.dataplane.remove_device(port);
                    }
                    return Err((
                        device.name.clone(),
                        format!("{:#}", anyhow::Error::from(error)),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Closes the devices that a reload removes, and opens anew those whose options changed. One that does not open is
    /// told among the warnings; the next reload tries it again.
    pub(super) fn close_devices(&mut self, changes: &Changes) {
        for &port in &changes.devices.removed {
            self.links.remove(&port);
            self.observer.multicast.remove(&port);
            if self.dataplane.port(port).is_some()
                && let Err(error) = self.dataplane.remove_device(port)
            {
                error!(%port, error = format!("{:#}", anyhow::Error::from(error)), "device did not close cleanly");
            }
            let Some(device) = self.model.device(port).cloned() else {
                continue;
            };
            if let Err(error) = self.dataplane.add_device_as(port, &device.spec()) {
                let error = format!("{:#}", anyhow::Error::from(error));
                error!(device = %device.name, error, "device did not open");
                let name = &device.name;
                self.warnings
                    .push(format!("device {name} did not open: {error}"));
            }
        }
    }

    /// Asks every device whether it can carry packets.
    pub(super) fn look_at_links(&mut self) {
        let states: Vec<(PortId, DeviceState)> = self
            .dataplane
            .ports()
            .map(|(port, open)| (port, open.state()))
            .collect();
        for (port, state) in states {
            let up = state == DeviceState::Up;
            if state == DeviceState::Gone && self.links.get(&port).copied().unwrap_or(true) {
                let device = self
                    .model
                    .device(port)
                    .map(|d| d.name.clone())
                    .unwrap_or_default();
                warn!(%device, "device has disappeared; reload or restart when it is back");
            }
            self.link_state(port, up);
        }
    }

    /// What compilation learns from the running router.
    pub(super) fn learned(&self) -> Learned<'_> {
        Learned(self)
    }

    /// Publishes what the workers know of ports and interfaces, and lets the devices' multicast filters follow.
    pub(super) fn publish_forwarding(&mut self) {
        self.stale = None;
        let open: Vec<_> = self
            .dataplane
            .ports()
            .map(|(port, open)| (port, open.mac))
            .collect();
        let ports: Vec<PortId> = open.iter().map(|(port, _)| *port).collect();
        let places = self.places.take();
        let places = places.filter(|was| Arc::ptr_eq(&was.model, &self.model) && was.open == open);
        let places = places.map(|was| was.snapshot);
        let learned = self.learned();
        let mut snapshot = interfaces::forwarding(&self.model, &learned, places.as_ref());
        snapshot.watch(self.observer.trace, self.observer.capture);
        let filters = interfaces::mac_filters(&self.model, &learned);
        self.secure(&mut snapshot);
        self.tell_sources(&snapshot);
        self.tell_uplinks(&snapshot);
        self.places = Some(Places {
            model: Arc::clone(&self.model),
            open,
            snapshot: snapshot.places(),
        });
        self.forwarding.publish(Box::new(snapshot));
        self.forwarding.reclaim();
        self.follow_bindings();
        self.follow_guards();
        for port in ports {
            self.program_filter(port, filters.get(&port).cloned().unwrap_or_default());
        }
    }

    fn program_filter(&mut self, port: PortId, wanted: MacFilter) {
        let now = self.observer.multicast.get(&port).map(|(now, _)| now);
        if now == Some(&wanted) {
            return;
        }
        let doors = doors(now, &wanted);
        let device = self
            .model
            .device(port)
            .map(|d| d.name.clone())
            .unwrap_or_default();
        if let Some((all_multicast, promiscuous)) = doors
            && let Err(error) = self.dataplane.open_filter(port, all_multicast, promiscuous)
        {
            let error = format!("{:#}", anyhow::Error::from(error));
            if all_multicast || promiscuous {
                warn!(%device, error, "frames for further addresses may not arrive: the device refuses to open its filter");
            } else {
                warn!(%device, error, "the device refuses to close its filter: frames for others go on to arrive");
            }
        }
        let octets: Vec<[u8; 6]> = wanted.multicast.iter().map(|mac| mac.octets()).collect();
        match self.dataplane.set_multicast(port, &octets) {
            Ok(filter) => {
                let before = self.observer.multicast.insert(port, (wanted, filter));
                if before.is_none_or(|(_, was)| was != filter) {
                    info!(%device, ?filter, "multicast filter");
                }
            }
            Err(error) => {
                warn!(%device, error = format!("{:#}", anyhow::Error::from(error)), "multicast filter");
            }
        }
    }

    /// Devices as the API shows them, with the device's own counters; the workers' are filled in by the caller.
    pub fn device_views(&self) -> Vec<(PortId, api::Device, PortStats)> {
        let view = |device: &Device| {
            let open = self.dataplane.port(device.id)?;
            let stats = self.dataplane.stats(device.id).unwrap_or_default();
            Some((device.id, self.device_view(device, open), stats))
        };
        self.model.devices.iter().filter_map(view).collect()
    }

    fn device_view(&self, device: &Device, open: &OpenPort) -> api::Device {
        let state = match open.state() {
            DeviceState::Gone => api::DeviceState::Gone,
            DeviceState::Up | DeviceState::Down => api::DeviceState::Running,
        };
        let link = self.dataplane.link(device.id).ok();
        let filter = self.observer.multicast.get(&device.id);
        api::Device {
            name: device.name.clone(),
            kind: open
                .spec()
                .kind
                .label()
                .parse()
                .unwrap_or(api::DeviceKind::Unknown),
            state,
            driver: open.info.driver.clone(),
            port: device.id.0,
            mac: super::api_mac(MacAddr(open.mac)),
            mtu: device.mtu,
            link: api::Link {
                up: self.links.get(&device.id).copied().unwrap_or(false),
                speed_mbps: link.and_then(|l| l.speed_mbps),
                full_duplex: link.map(|l| l.full_duplex),
            },
            rx_queues: open.spec().queues,
            tx_queues: open.spec().queues,
            offloads: offloads(open),
            multicast: multicast(filter),
            counters: api::DeviceCounters::default(),
        }
    }

    /// Devices by port.
    pub fn device_names(&self) -> Vec<(PortId, String)> {
        self.model
            .devices
            .iter()
            .map(|device| (device.id, device.name.clone()))
            .collect()
    }

    /// Which worker serves which queue: worker, device, queue.
    pub fn worker_queues(&self) -> Vec<(usize, String, u16)> {
        let workers = self.dataplane.n_workers();
        let of = |device: &Device| {
            let (port, name) = (device.id.index(), device.name.clone());
            (0..device.queues)
                .map(move |queue| ((port + usize::from(queue)) % workers, name.clone(), queue))
        };
        self.model.devices.iter().flat_map(of).collect()
    }

    /// Pools of packet buffers.
    pub fn mempools(&self) -> Vec<api::Mempool> {
        let pool = self.dataplane.pool();
        vec![api::Mempool {
            name: "packets".into(),
            available: pool.available().into(),
            in_use: pool.in_use().into(),
        }]
    }

    /// The version of DPDK that runs.
    pub fn dpdk_version(&self) -> String {
        self.dataplane.eal().version()
    }

    /// A worker that has ended.
    pub fn dead_worker(&self) -> Option<usize> {
        self.dataplane.dead_worker()
    }

    /// Why the router is not ready; empty when it is.
    pub fn not_ready(&self) -> Vec<String> {
        self.dead_worker()
            .map(|worker| format!("worker {worker} has ended"))
            .into_iter()
            .collect()
    }

    /// Arms or disarms the trace.
    pub fn set_trace(&mut self, filter: Option<Filter>) {
        self.observer.trace = filter;
        self.publish_forwarding();
    }

    /// Arms or disarms the capture.
    pub fn set_capture(&mut self, filter: Option<dataplane::capture::CaptureFilter>) {
        self.observer.capture = filter;
        self.publish_forwarding();
    }
}

fn offloads(open: &OpenPort) -> Vec<api::Offload> {
    let on = &open.configured.offloads;
    let place = |hardware: bool, otherwise| {
        if hardware {
            OffloadPlace::Hardware
        } else {
            otherwise
        }
    };
    [
        ("rx_checksum", place(on.rx_checksum, OffloadPlace::Software)),
        ("rx_scatter", place(on.rx_scatter, OffloadPlace::Off)),
        ("rss", place(on.rss, OffloadPlace::Off)),
        (
            "tx_ipv4_checksum",
            place(on.tx_ipv4_checksum, OffloadPlace::Software),
        ),
        (
            "tx_l4_checksum",
            place(on.tx_l4_checksum, OffloadPlace::Software),
        ),
        (
            "tx_tcp_segmentation",
            place(on.tx_tcp_segmentation, OffloadPlace::Software),
        ),
        (
            "tx_multi_segment",
            place(on.tx_multi_segment, OffloadPlace::Software),
        ),
        ("tx_fast_free", place(on.tx_fast_free, OffloadPlace::Off)),
    ]
    .into_iter()
    .map(|(name, place)| api::Offload {
        name: name.into(),
        place,
    })
    .collect()
}

/// Whether a device is to let every group in, and every frame, when what it is to let in changes; `None`: it lets in
/// neither now, and is not to.
fn doors(now: Option<&MacFilter>, wanted: &MacFilter) -> Option<(bool, bool)> {
    let of = |filter: &MacFilter| (filter.all_multicast, is_promiscuous(filter));
    let (now, wanted) = (now.map(of).unwrap_or_default(), of(wanted));
    (now != (false, false) || wanted != (false, false)).then_some(wanted)
}

/// Whether a filter lets every frame in: for a network, or for unicast addresses beside the device's own.
fn is_promiscuous(filter: &MacFilter) -> bool {
    filter.promiscuous || !filter.unicast.is_empty()
}

fn multicast(filter: Option<&(MacFilter, MulticastFilter)>) -> api::MulticastFilter {
    let macs = filter.map(|(wanted, _)| &wanted.multicast);
    let macs = macs.into_iter().flatten();
    let macs = macs.map(|mac| super::api_mac(*mac)).collect();
    let (mode, refused) = match filter.map(|(wanted, done)| (wanted, *done)) {
        Some((wanted, _)) if is_promiscuous(wanted) => (api::MulticastMode::Promiscuous, None),
        Some((wanted, MulticastFilter::Exact)) if wanted.all_multicast => {
            (api::MulticastMode::AllMulticast, None)
        }
        filter => by_groups(filter.map(|(_, done)| done)),
    };
    api::MulticastFilter {
        mode,
        macs,
        refused,
    }
}

/// How a device lets groups in that were listed, and why not as they were.
fn by_groups(done: Option<MulticastFilter>) -> (api::MulticastMode, Option<String>) {
    match done {
        None | Some(MulticastFilter::Exact) => (api::MulticastMode::Filter, None),
        Some(MulticastFilter::AllMulticast { refused }) => {
            (api::MulticastMode::AllMulticast, Some(refused.to_string()))
        }
        Some(
            MulticastFilter::Promiscuous { refused } | MulticastFilter::Unfiltered { refused },
        ) => (api::MulticastMode::Promiscuous, Some(refused.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(all_multicast: bool, promiscuous: bool) -> MacFilter {
        MacFilter {
            all_multicast,
            promiscuous,
            ..MacFilter::default()
        }
    }

    #[test]
    fn a_device_is_closed_again_when_its_last_network_leaves() {
        let (plain, network) = (filter(false, false), filter(true, true));
        assert_eq!(doors(None, &plain), None, "it was never opened");
        assert_eq!(doors(None, &network), Some((true, true)));
        assert_eq!(doors(Some(&network), &plain), Some((false, false)));
        assert_eq!(doors(Some(&plain), &plain), None);
        let other = MacFilter {
            unicast: [MacAddr([2, 0, 0, 0, 0, 7])].into(),
            ..MacFilter::default()
        };
        assert_eq!(doors(Some(&network), &other), Some((false, true)));
        assert_eq!(doors(Some(&other), &plain), Some((false, false)));
    }

    #[test]
    fn what_a_device_lets_in_is_shown_as_it_is() {
        let mode = |wanted, done| multicast(Some(&(wanted, done))).mode;
        let exact = MulticastFilter::Exact;
        assert_eq!(
            mode(filter(false, false), exact),
            api::MulticastMode::Filter
        );
        assert_eq!(
            mode(filter(true, true), exact),
            api::MulticastMode::Promiscuous
        );
        assert_eq!(
            mode(filter(true, false), exact),
            api::MulticastMode::AllMulticast
        );
        assert_eq!(multicast(None).mode, api::MulticastMode::Filter);
    }
}
