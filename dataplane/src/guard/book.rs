//! What is known of addresses: whose each is at its anchor, and who has it on its link. One writer, any number of readers.
//!
//! ```text
//!   here:   (anchor, address) ──► MAC            may this frame's sender be this address?
//!   links:  (link, address)   ──► holder         nobody else may have it
//!           (link, MAC)       ──► holder         nor this, where the MACs of an anchor are not configured
//! ```
//!
//! Both are tables of `tables::binding`. A holder is written where such a table has a MAC, and a MAC where it has an address: as a multicast
//! address of a scope that is none, which is nobody's source. An anchor that has learned as much as it may has a mark under an address of
//! that kind too.

use std::sync::Arc;

use tables::binding::{Binding, BindingError, BindingWriter, Bindings, Found, Owners};
use tables::id::{AnchorId, LinkId, NetworkId};

use crate::forwarding::MacAddr;

/// Under this address, with a MAC that is no station's, an anchor has a mark that it has learned what it may.
const FULL: u128 = u128::MAX;

/// A MAC as an address.
const fn named(mac: &MacAddr) -> u128 {
    let [a, b, c, d, e, f] = *mac;
    0xff << 120 | u64::from_be_bytes([0, 0, a, b, c, d, e, f]) as u128
}

/// Who has an address, or a MAC, on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The anchor. 0: none; it is one of our own, of a machine without an anchor, or shared by configuration.
    pub anchor: AnchorId,
    /// Whether it is still looked whether anybody else has it (RFC 6620: TENTATIVE).
    pub is_tentative: bool,
}

impl Holder {
    /// Nobody who has an anchor.
    pub const NO_ANCHOR: Holder = Holder {
        anchor: AnchorId(0),
        is_tentative: false,
    };

    const fn to_mac(self) -> MacAddr {
        let [high, low] = self.anchor.0.to_be_bytes();
        [2, self.is_tentative as u8, 0, 0, high, low]
    }

    const fn from_mac(mac: MacAddr) -> Self {
        let [_, is_tentative, _, _, high, low] = mac;
        Self {
            anchor: AnchorId(u16::from_be_bytes([high, low])),
            is_tentative: is_tentative != 0,
        }
    }
}

/// The readers' side: shared by all workers.
#[derive(Debug)]
pub struct Book {
    here: Arc<Bindings>,
    links: Arc<Bindings>,
}

/// The book for the length of a burst.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    here: Owners<'a>,
    links: Owners<'a>,
}

impl Book {
    /// The book for the length of a burst.
    #[inline(always)]
    pub fn read(&self) -> Known<'_> {
        Known {
            here: self.here.read(),
            links: self.links.read(),
        }
    }
}

impl Known<'_> {
    /// The binding of an address at an anchor, IPv4 as an IPv4-mapped address.
    #[inline]
    pub fn bound(self, anchor: AnchorId, address: u128) -> Option<Found> {
        self.here.lookup(NetworkId(anchor.0), address)
    }

    /// Begins to bring what [`Known::bound`] will read.
    #[inline(always)]
    pub fn prefetch(self, anchor: AnchorId, address: u128) {
        self.here.prefetch(NetworkId(anchor.0), address);
    }

    /// Who has an address on a link.
    pub fn holder(self, link: LinkId, address: u128) -> Option<Holder> {
        let found = self.links.lookup(NetworkId(link.0), address)?;
        Some(Holder::from_mac(found.binding.mac))
    }

    /// Who has a MAC on a link.
    pub fn holder_of_mac(self, link: LinkId, mac: &MacAddr) -> Option<Holder> {
        self.holder(link, named(mac))
    }

    /// Whether an anchor has learned as many addresses of the family of `address` as it may.
    pub fn is_full(self, anchor: AnchorId, address: u128) -> bool {
        self.bound(anchor, full(address)).is_some()
    }

    /// Notes that the binding with the handle of a [`Found`] was used.
    #[inline(always)]
    pub fn touch(self, handle: u32, seconds: u32) {
        self.here.touch(handle, seconds);
    }

    /// Notes that an address without an anchor was used on its link. Whether it is known as that.
    pub fn touch_without_anchor(self, link: LinkId, address: u128, seconds: u32) -> bool {
        let found = self.links.lookup(NetworkId(link.0), address);
        let found = found.filter(|f| Holder::from_mac(f.binding.mac) == Holder::NO_ANCHOR);
        if let Some(found) = found {
            self.links.touch(found.handle, seconds);
        }
        found.is_some()
    }
}

/// The mark of an anchor, one for each family.
const fn full(address: u128) -> u128 {
    FULL - wire::addr::v6::is_v4_mapped(address) as u128
}

/// The writer's side: one per book.
#[derive(Debug)]
pub struct BookWriter {
    here: BindingWriter,
    links: BindingWriter,
}

impl BookWriter {
    /// A book for so many addresses at so many anchors.
    pub fn new(addresses: usize, anchors: usize, seed: u64) -> (Self, Arc<Book>) {
        let (here, here_read) = BindingWriter::new(addresses + 2 * anchors, seed);
        // As many addresses, and a MAC for each at most.
        let (links, links_read) =
            BindingWriter::new(2 * addresses + anchors, seed.rotate_left(23) ^ 0x5a);
        let book = Book {
            here: here_read,
            links: links_read,
        };
        (Self { here, links }, Arc::new(book))
    }

    /// Binds an address to an anchor and a MAC.
    ///
    /// # Errors
    /// There is no room; nothing has changed.
    pub fn bind(
        &mut self,
        anchor: AnchorId,
        address: u128,
        mac: MacAddr,
        now: u32,
    ) -> Result<(), BindingError> {
        let binding = entry(anchor.0, address, mac);
        self.here.insert(&binding, now)
    }

    /// Forgets a binding.
    pub fn unbind(&mut self, anchor: AnchorId, address: u128) {
        self.here.remove(NetworkId(anchor.0), address);
    }

    /// Says who has an address on a link.
    ///
    /// # Errors
    /// There is no room; nothing has changed.
    pub fn hold(
        &mut self,
        link: LinkId,
        address: u128,
        holder: Holder,
        now: u32,
    ) -> Result<(), BindingError> {
        let binding = entry(link.0, address, holder.to_mac());
        self.links.insert(&binding, now)
    }

    /// Nobody is known to have an address on a link any more.
    pub fn release(&mut self, link: LinkId, address: u128) {
        self.links.remove(NetworkId(link.0), address);
    }

    /// Says who has a MAC on a link; `None`: nobody.
    ///
    /// # Errors
    /// There is no room; nothing has changed.
    pub fn hold_mac(
        &mut self,
        link: LinkId,
        mac: MacAddr,
        holder: Option<Holder>,
        now: u32,
    ) -> Result<(), BindingError> {
        match holder {
            Some(holder) => self.hold(link, named(&mac), holder, now),
            None => {
                self.release(link, named(&mac));
                Ok(())
            }
        }
    }

    /// Says whether an anchor has learned as many addresses of a family as it may.
    ///
    /// # Errors
    /// There is no room; nothing has changed.
    pub fn set_full(
        &mut self,
        anchor: AnchorId,
        is_ipv4: bool,
        is_full: bool,
    ) -> Result<(), BindingError> {
        let mark = FULL - u128::from(is_ipv4);
        if is_full {
            self.bind(anchor, mark, [0xff; 6], 0)
        } else {
            self.unbind(anchor, mark);
            Ok(())
        }
    }

    /// When a binding was last used, seconds of the workers' clock.
    pub fn seen(&self, anchor: AnchorId, address: u128) -> Option<u32> {
        self.here.seen(NetworkId(anchor.0), address)
    }

    /// When the holder of an address was last heard, if it has no anchor.
    pub fn heard(&self, link: LinkId, address: u128) -> Option<u32> {
        self.links.seen(NetworkId(link.0), address)
    }
}

const fn entry(place: u16, address: u128, mac: MacAddr) -> Binding {
    Binding {
        network: NetworkId(place),
        address,
        mac,
        is_router: false,
        is_own: false,
    }
}
