//! Pools of packet buffers.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys as c;

use crate::eal::{Eal, EalHandle};
use crate::errno::Errno;
use crate::mbuf::Mbuf;

/// Octets before a received packet, for headers to be put in front.
pub const HEADROOM: u16 = c::HEXTET_PKTMBUF_HEADROOM;

/// A pool could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MempoolError {
    /// The name is too long, taken, or not a C string.
    #[error("buffer pool {name:?}: the name cannot be used: {errno}")]
    Name {
        /// The name asked for.
        name: String,
        /// What DPDK said.
        errno: Errno,
    },
    /// Not enough memory.
    #[error(
        "buffer pool {name:?} of {count} buffers with {data_room} octets each does not fit in \
         the memory given to DPDK: {errno}; raise the memory limit or ask for fewer buffers"
    )]
    Memory {
        /// The name asked for.
        name: String,
        /// Buffers asked for.
        count: u32,
        /// Packet octets of each.
        data_room: u16,
        /// What DPDK said.
        errno: Errno,
    },
}

/// A pool of packet buffers: a shared handle, freed when the last clone and every port that
/// receives into it are gone.
#[derive(Clone)]
pub struct Mempool(Arc<Inner>);

struct Inner {
    raw: NonNull<c::rte_mempool>,
    count: u32,
    data_room: u16,
    origin: Origin,
}

enum Origin {
    /// Kept alive for as long as the pool.
    Eal { _eal: Arc<EalHandle> },
    #[cfg(any(test, feature = "testing"))]
    Heap,
}

// SAFETY: rte_mempool is a multi-producer, multi-consumer ring plus caches per lcore.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Mempool {
    /// A pool of `count` buffers (a power of two minus one wastes no memory), each with room for
    /// `data_room` packet octets behind [`HEADROOM`]. Each registered thread keeps up to `cache`
    /// buffers for itself (at most 512, and `count` ≥ 1.5 `cache`). `socket`: the NUMA node, or
    /// `None` for any.
    pub fn new(
        eal: &Eal,
        name: &str,
        count: u32,
        cache: u32,
        data_room: u16,
        socket: Option<u32>,
    ) -> Result<Self, MempoolError> {
        let bad_name = |errno| MempoolError::Name {
            name: name.to_owned(),
            errno,
        };
        let c_name = CString::new(name).map_err(|_| bad_name(Errno::EINVAL))?;
        let room = data_room
            .checked_add(HEADROOM)
            .ok_or_else(|| MempoolError::Memory {
                name: name.to_owned(),
                count,
                data_room,
                errno: Errno::EINVAL,
            })?;
        let socket = socket.map_or(-1, |s| s as i32);
        // SAFETY: EAL is up (we hold it); the name outlives the call, which copies it.
        let raw =
            unsafe { c::rte_pktmbuf_pool_create(c_name.as_ptr(), count, cache, 0, room, socket) };
        let Some(raw) = NonNull::new(raw) else {
            let errno = Errno::last();
            return Err(match errno.number() {
                libc::EEXIST | libc::ENAMETOOLONG => bad_name(errno),
                _ => MempoolError::Memory {
                    name: name.to_owned(),
                    count,
                    data_room,
                    errno,
                },
            });
        };
        let origin = Origin::Eal { _eal: eal.handle() };
        Ok(Mempool(Arc::new(Inner {
            raw,
            count,
            data_room,
            origin,
        })))
    }

    /// A pool on the heap, without EAL. `None` if memory is exhausted.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn on_heap(count: u32, data_room: u16) -> Option<Self> {
        let room = data_room.checked_add(HEADROOM)?;
        // SAFETY: needs nothing of its surroundings.
        let raw = NonNull::new(unsafe { c::hextet_test_pool_new(count, room) })?;
        Some(Mempool(Arc::new(Inner {
            raw,
            count,
            data_room,
            origin: Origin::Heap,
        })))
    }

    /// One empty packet, or `None` if the pool is exhausted.
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives as long as `self`.
        Mbuf::from_raw(unsafe { c::rte_pktmbuf_alloc(self.raw()) })
    }

    /// Fills all of `out` with empty packets, or none of it and gives `None`.
    pub fn alloc_bulk<'a>(&self, out: &'a mut [MaybeUninit<Mbuf>]) -> Option<&'a mut [Mbuf]> {
        let array = out.as_mut_ptr().cast::<*mut c::rte_mbuf>();
        // SAFETY: `out` has room for its length of pointers, and Mbuf is transparent over one.
        let result = unsafe { c::rte_pktmbuf_alloc_bulk(self.raw(), array, out.len() as u32) };
        if result != 0 {
            return None;
        }
        // SAFETY: on success every element was written with a live mbuf.
        Some(unsafe { &mut *(std::ptr::from_mut(out) as *mut [Mbuf]) })
    }

    /// Buffers in the pool and in its caches: free to be used.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool lives as long as `self`.
        unsafe { c::rte_mempool_avail_count(self.raw()) }
    }

    /// Buffers outside: in device rings, in flight, held.
    pub fn in_use(&self) -> u32 {
        self.count().saturating_sub(self.available())
    }

    /// All buffers.
    pub fn count(&self) -> u32 {
        self.0.count
    }

    /// Packet octets that fit in one buffer behind the headroom.
    pub fn data_room(&self) -> u16 {
        self.0.data_room
    }

    pub(crate) fn raw(&self) -> *mut c::rte_mempool {
        self.0.raw.as_ptr()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        match &self.origin {
            // SAFETY: the last handle; ports that receive into the pool hold one until closed.
            Origin::Eal { .. } => unsafe { c::rte_mempool_free(self.raw.as_ptr()) },
            #[cfg(any(test, feature = "testing"))]
            // SAFETY: as above; made by `hextet_test_pool_new`.
            Origin::Heap => unsafe { c::hextet_test_pool_free(self.raw.as_ptr()) },
        }
    }
}

impl std::fmt::Debug for Mempool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mempool")
            .field("count", &self.count())
            .field("data_room", &self.data_room())
            .finish_non_exhaustive()
    }
}
