//! The MAC addresses of the virtual routers of an interface: which of them are ours now?
//!
//! One bit each, set when a virtual router becomes active here and cleared when it becomes backup: by the thread that decides it,
//! between two packets of a worker, without a new snapshot.

use std::sync::atomic::{AtomicU64, Ordering};

use super::MacAddr;

/// The blocks of RFC 9568 section 7.3: 00-00-5e-00-01-VRID of IPv4, 00-00-5e-00-02-VRID of IPv6.
const BLOCK: [u8; 4] = [0, 0, 0x5e, 0];
const BLOCK4: u8 = 1;
const BLOCK6: u8 = 2;

/// Whether an address is of these blocks: one that several routers may have, one at a time.
pub fn is_virtual(mac: &MacAddr) -> bool {
    mac[..4] == BLOCK && (mac[4] == BLOCK4 || mac[4] == BLOCK6)
}

/// See the module. All are somebody else's at first.
#[derive(Debug, Default)]
pub struct VirtualMacs {
    v6: [AtomicU64; 4],
    v4: [AtomicU64; 4],
}

impl VirtualMacs {
    /// Whether an address of the blocks is ours now; `None` for any other.
    #[inline]
    pub fn is_active(&self, mac: &MacAddr) -> Option<bool> {
        let &[a, b, c, d, block, vrid] = mac;
        let family = match block {
            BLOCK6 => &self.v6,
            BLOCK4 => &self.v4,
            _ => return None,
        };
        let word = &family[usize::from(vrid / 64)];
        // The packet is forwarded by tables that are published with their own ordering.
        ([a, b, c, d] == BLOCK).then(|| word.load(Ordering::Relaxed) >> (vrid % 64) & 1 != 0)
    }

    /// All are somebody else's from now on.
    pub fn clear(&self) {
        for word in self.v6.iter().chain(&self.v4) {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Says whether an address is ours from now on. Addresses outside the blocks are left alone.
    pub fn set(&self, mac: &MacAddr, active: bool) {
        let &[_, _, _, _, block, vrid] = mac;
        let family = match block {
            BLOCK6 => &self.v6,
            BLOCK4 => &self.v4,
            _ => return,
        };
        let (word, bit) = (&family[usize::from(vrid / 64)], 1 << (vrid % 64));
        if active {
            word.fetch_or(bit, Ordering::Relaxed);
        } else {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_set_is_ours() {
        let macs = VirtualMacs::default();
        let [v4, v6] = [1, 2].map(|block| [0, 0, 0x5e, 0, block, 200]);
        assert_eq!(macs.is_active(&v6), Some(false));
        macs.set(&v6, true);
        assert_eq!(macs.is_active(&v6), Some(true));
        assert_eq!(macs.is_active(&v4), Some(false), "the other family's");
        assert_eq!(macs.is_active(&[0, 0, 0x5e, 0, 2, 201]), Some(false));
        assert!(is_virtual(&v4) && is_virtual(&v6) && !is_virtual(&[0, 0, 0x5e, 0, 3, 200]));
        assert_eq!(macs.is_active(&[2, 0, 0x5e, 0, 2, 200]), None);
        assert_eq!(macs.is_active(&[0, 0, 0x5e, 0, 3, 200]), None);
        macs.set(&v6, false);
        assert_eq!(macs.is_active(&v6), Some(false));
        macs.set(&v4, true);
        macs.clear();
        assert_eq!(macs.is_active(&v4), Some(false));
    }
}
