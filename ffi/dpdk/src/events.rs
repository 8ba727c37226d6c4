//! What drivers tell from their interrupt thread: kept as flags per port, asked for by the
//! control plane. Nothing here ends the process: a device that disappears is news.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

use dpdk_sys as c;

const LINK_CHANGED: u8 = 1;
const REMOVED: u8 = 2;

static FLAGS: [AtomicU8; c::HEXTET_MAX_ETHPORTS as usize] =
    [const { AtomicU8::new(0) }; c::HEXTET_MAX_ETHPORTS as usize];

/// What happened to a port since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortEvents {
    /// The link went up or down: ask [`Port::link`](crate::Port::link).
    pub link_changed: bool,
    /// The device is gone; bursts give and take nothing any more. Close the port.
    pub removed: bool,
}

/// Starts listening. Drivers without interrupts never call; that is no error.
pub(crate) fn listen(port: u16) {
    FLAGS[port as usize].store(0, Ordering::Relaxed);
    for event in [c::RTE_ETH_EVENT_INTR_LSC, c::RTE_ETH_EVENT_INTR_RMV] {
        // SAFETY: `on_event` is callable for the life of the process and uses no argument.
        unsafe { c::rte_eth_dev_callback_register(port, event, Some(on_event), ptr::null_mut()) };
    }
}

/// Stops listening.
pub(crate) fn ignore(port: u16) {
    for event in [c::RTE_ETH_EVENT_INTR_LSC, c::RTE_ETH_EVENT_INTR_RMV] {
        // SAFETY: takes away what `listen` registered.
        unsafe { c::rte_eth_dev_callback_unregister(port, event, Some(on_event), ptr::null_mut()) };
    }
}

/// What happened since the last call.
pub(crate) fn take(port: u16) -> PortEvents {
    let flags = FLAGS[port as usize].swap(0, Ordering::Relaxed);
    PortEvents {
        link_changed: flags & LINK_CHANGED != 0,
        removed: flags & REMOVED != 0,
    }
}

unsafe extern "C" fn on_event(
    port: u16,
    event: c::rte_eth_event_type,
    _argument: *mut c_void,
    _result: *mut c_void,
) -> c_int {
    let flag = match event {
        c::RTE_ETH_EVENT_INTR_LSC => LINK_CHANGED,
        c::RTE_ETH_EVENT_INTR_RMV => REMOVED,
        _ => 0,
    };
    if let Some(flags) = FLAGS.get(port as usize) {
        flags.fetch_or(flag, Ordering::Relaxed);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_seen_once() {
        // SAFETY: called as a driver would; the arguments are unused.
        let tell = |event| unsafe { on_event(31, event, ptr::null_mut(), ptr::null_mut()) };
        tell(c::RTE_ETH_EVENT_INTR_RMV);
        tell(c::RTE_ETH_EVENT_INTR_LSC);
        assert_eq!(
            take(31),
            PortEvents {
                link_changed: true,
                removed: true
            }
        );
        assert_eq!(take(31), PortEvents::default());
    }
}
