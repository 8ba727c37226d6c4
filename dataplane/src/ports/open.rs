//! From a [`DeviceSpec`] to a running port.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use dpdk::{
    Configured, Device, Eal, Errno, Mempool, MulticastFilter, Port, PortConfig, PortError,
    PortInfo, netdev,
};

use super::{DeviceSpec, Driver, Fault, OpenError};

/// A device that runs. Return its queues before [`OpenPort::close`].
pub struct OpenPort {
    /// The port, for queues, counters and link.
    pub port: Port,
    /// What the device is.
    pub info: PortInfo,
    /// What the device does for us.
    pub configured: Configured,
    /// The router's MAC address on it.
    pub mac: [u8; 6],
    /// What the operator should know.
    pub notices: Vec<Notice>,
    device: Device,
    spec: DeviceSpec,
}

/// Whether a device can carry packets now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// It can.
    Up,
    /// Its link is down, or has no other end.
    Down,
    /// The device has disappeared. It is safe to go on polling it; close it when convenient.
    Gone,
}

/// Something the device refused that does not keep it from working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Its filter keeps its own address, so it receives every frame.
    MacNotProgrammed {
        /// Why.
        refused: Errno,
    },
    /// Neither our address nor every frame: it works if the device filters nothing.
    MacFilterUnknown {
        /// Why.
        refused: Errno,
    },
    /// The driver states a smaller MTU and passes the larger frames all the same.
    MtuNotProgrammed {
        /// What it was told.
        told: u16,
    },
    /// The link has no other end yet, or is down.
    LinkDown,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::MacNotProgrammed { refused } => write!(
                f,
                "the device refused the MAC address ({refused}) and receives every frame instead"
            ),
            Notice::MacFilterUnknown { refused } => write!(
                f,
                "the device refused the MAC address ({refused}) and promiscuous mode; frames \
                 for the router may not arrive"
            ),
            Notice::MtuNotProgrammed { told } => {
                write!(
                    f,
                    "the driver states an MTU of {told} and passes larger frames"
                )
            }
            Notice::LinkDown => f.write_str("the link is down"),
        }
    }
}

/// Tells devices of one driver apart; never used twice in a process.
static NEXT_UNIT: AtomicU32 = AtomicU32::new(0);

/// Checks the host, adds the device, sets it up and starts it. Nothing stays behind on failure.
pub fn open(spec: &DeviceSpec, eal: &Eal, pool: &Mempool) -> Result<OpenPort, OpenError> {
    try_open(spec, eal, pool).map_err(|fault| OpenError {
        device: spec.name.clone(),
        fault,
    })
}

fn try_open(spec: &DeviceSpec, eal: &Eal, pool: &Mempool) -> Result<OpenPort, Fault> {
    let driver = spec.kind.driver();
    if spec.queues > driver.max_queues() {
        return Err(Fault::TooManyQueues {
            kind: driver.label(),
            wanted: spec.queues,
            max: driver.max_queues(),
        });
    }
    driver.check(spec, eal.hugepages())?;
    if let Some(interface) = driver.interface() {
        prepare_interface(interface, spec.mtu)?;
    }
    let device = eal.plug(&spec.eal_string(NEXT_UNIT.fetch_add(1, Ordering::Relaxed)))?;
    match start(spec, driver, eal, pool, device.name()) {
        Ok(Started {
            port,
            info,
            configured,
            mac,
            notices,
        }) => Ok(OpenPort {
            port,
            info,
            configured,
            mac,
            notices,
            device,
            spec: spec.clone(),
        }),
        Err(fault) => {
            // The port was closed when it was dropped; the first fault is the one to tell.
            let _ = device.unplug();
            Err(fault)
        }
    }
}

struct Started {
    port: Port,
    info: PortInfo,
    configured: Configured,
    mac: [u8; 6],
    notices: Vec<Notice>,
}

fn start(
    spec: &DeviceSpec,
    driver: &dyn Driver,
    eal: &Eal,
    pool: &Mempool,
    name: &str,
) -> Result<Started, Fault> {
    let mut port = Port::by_name(eal, name)?;
    let info = port.info()?;
    let mut notices = Vec::new();

    if spec.mtu > info.max_mtu {
        if !driver.passes_more_than_stated() {
            return Err(Fault::MtuTooLarge {
                mtu: spec.mtu,
                max: info.max_mtu,
            });
        }
        notices.push(Notice::MtuNotProgrammed { told: info.max_mtu });
    }
    let needed = driver.min_data_room(spec);
    if needed > pool.data_room() && !info.offloads.rx_scatter {
        return Err(Fault::BuffersTooSmall {
            mtu: spec.mtu,
            needed,
            have: pool.data_room(),
        });
    }
    let config = PortConfig {
        rx_queues: spec.queues,
        tx_queues: spec.queues,
        rx_desc: spec.rx_desc,
        tx_desc: spec.tx_desc,
        mtu: spec.mtu,
        ..PortConfig::default()
    };
    let configured = port.configure(&config, pool)?;
    port.start()?;

    let own = port.mac()?;
    let mac = spec.mac.unwrap_or_else(|| driver.default_mac(own));
    if mac != own && driver.program_mac() {
        notices.extend(program_mac(&mut port, mac)?);
    }
    if !port.link()?.up {
        notices.push(Notice::LinkDown);
    }
    Ok(Started {
        port,
        info,
        configured,
        mac,
        notices,
    })
}

/// Gives the device our address, or has it receive everything.
fn program_mac(port: &mut Port, mac: [u8; 6]) -> Result<Option<Notice>, PortError> {
    match port.set_mac(mac) {
        Ok(()) => Ok(None),
        Err(PortError::Driver { errno: refused, .. }) => {
            Ok(Some(match port.set_promiscuous(true) {
                Ok(()) => Notice::MacNotProgrammed { refused },
                Err(_) => Notice::MacFilterUnknown { refused },
            }))
        }
        Err(other) => Err(other),
    }
}

/// The interface is up and its MTU is no smaller than ours.
fn prepare_interface(interface: &str, mtu: u16) -> Result<(), Fault> {
    let fault = |operation| {
        move |source| Fault::Interface {
            interface: interface.to_owned(),
            operation,
            source,
        }
    };
    if netdev::mtu(interface).map_err(fault("read the MTU of"))? < mtu as u32 {
        netdev::set_mtu(interface, mtu as u32).map_err(fault("raise the MTU of"))?;
    }
    netdev::set_up(interface).map_err(fault("set up"))
}

impl OpenPort {
    /// What was asked for.
    pub fn spec(&self) -> &DeviceSpec {
        &self.spec
    }

    /// Asks the device and, where there is one, the kernel interface under it (which a driver on
    /// a packet socket does not watch). To be polled by the control plane, once a second or so.
    pub fn state(&self) -> DeviceState {
        if self.port.take_events().removed {
            return DeviceState::Gone;
        }
        let running = match self.spec.kind.driver().interface() {
            Some(interface) => match netdev::is_running(interface) {
                Ok(running) => running,
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                    return DeviceState::Gone;
                }
                // The question failed (no descriptor left, say), which says nothing about the device.
                Err(_) => true,
            },
            None if !self.spec.kind.driver().knows_link() => true,
            None => self.port.link().is_ok_and(|link| link.up),
        };
        if running {
            DeviceState::Up
        } else {
            DeviceState::Down
        }
    }

    /// Lets these multicast MAC addresses in; says how.
    pub fn set_multicast(&mut self, groups: &[[u8; 6]]) -> MulticastFilter {
        self.port.set_multicast(groups)
    }

    /// Stops the device and takes it out. Fails, and leaves everything running, while a worker
    /// holds one of its queues.
    pub fn close(mut self) -> Result<(), OpenError> {
        let OpenPort {
            port, device, spec, ..
        } = {
            if let Err(error) = self.port.stop() {
                return Err(OpenError {
                    device: self.spec.name.clone(),
                    fault: error.into(),
                });
            }
            self
        };
        port.close()
            .map_err(Fault::from)
            .and_then(|()| device.unplug().map_err(Fault::from))
            .map_err(|fault| OpenError {
                device: spec.name,
                fault,
            })
    }
}
