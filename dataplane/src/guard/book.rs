//! What is known of addresses: whose each is at its anchor, and who has it on its link. One writer, any number of readers.
//!
//! ```text
//!   here:   (anchor, address) ──► MAC            may this frame's sender be this address?
//!   links:  (link, address)   ──► holder         nobody else may have it
//!           (link, MAC)       ──► holder         nor this, where the MACs of an anchor are not configured
//! ```
//!
//! Both are tables of `tables::binding`. A holder is written where such a table has a MAC, and a MAC where it has an address: as a multicast
//! address of a scope that is none, which is nobody's source. Under addresses of that kind an anchor has a mark that it has learned what it
//! may, its delegated prefixes, and which lengths they have.

use std::sync::Arc;

use hashbrown::HashMap;
use tables::binding::{Binding, BindingError, BindingWriter, Bindings, Found, Owners};
use tables::id::{AnchorId, LinkId, NetworkId};

use crate::forwarding::MacAddr;

/// Under this address, with a MAC that is no station's, an anchor has a mark that it has learned what it may.
const FULL: u128 = u128::MAX;

/// Under this one, where a MAC is: which lengths its delegated prefixes have, the lowest bit for [`SHORTEST`].
const LENGTHS: u128 = u128::MAX - 2;
/// Delegated prefixes have from 17 to 64 bits.
const SHORTEST: u8 = 17;
const LONGEST: u8 = 64;

/// A delegated prefix as an address.
const fn delegated(prefix: u128, len: u8) -> u128 {
    0xff01 << 112 | (prefix & wire::addr::v6::mask(len)) >> 64 << 8 | len as u128
}

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

    /// The MAC of the client to which a prefix with this address in it was delegated, at an anchor.
    pub fn delegate(self, anchor: AnchorId, address: u128) -> Option<MacAddr> {
        let [_, _, lengths @ ..] = 0_u64.to_be_bytes();
        let lengths: MacAddr = self
            .bound(anchor, LENGTHS)
            .map_or(lengths, |f| f.binding.mac);
        let [a, b, c, d, e, f] = lengths;
        let mut lengths = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        while lengths != 0 {
            let len = SHORTEST + lengths.trailing_zeros() as u8;
            if let Some(found) = self.bound(anchor, delegated(address, len)) {
                return Some(found.binding.mac);
            }
            lengths &= lengths - 1;
        }
        None
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
    /// How many delegated prefixes an anchor has of each length.
    lengths: HashMap<AnchorId, [u32; 48]>,
}

impl BookWriter {
    /// A book for so many addresses at so many anchors.
    pub fn new(addresses: usize, anchors: usize, seed: u64) -> (Self, Arc<Book>) {
        let (here, here_read) = BindingWriter::new(addresses + 3 * anchors, seed);
        // As many addresses, and a MAC for each at most.
        let (links, links_read) =
            BindingWriter::new(2 * addresses + anchors, seed.rotate_left(23) ^ 0x5a);
        let book = Book {
            here: here_read,
            links: links_read,
        };
        let writer = Self {
            here,
            links,
            lengths: HashMap::new(),
        };
        (writer, Arc::new(book))
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

    /// Lets an anchor send from a prefix of 17 to 64 bits with a MAC; others are left out.
    ///
    /// # Errors
    /// There is no room; nothing has changed.
    pub fn delegate(
        &mut self,
        anchor: AnchorId,
        (prefix, len): (u128, u8),
        mac: MacAddr,
    ) -> Result<(), BindingError> {
        if !(SHORTEST..=LONGEST).contains(&len) {
            return Ok(());
        }
        let counts = self.lengths.entry(anchor).or_insert([0; 48]);
        let is_new = self
            .here
            .seen(NetworkId(anchor.0), delegated(prefix, len))
            .is_none();
        counts[usize::from(len - SHORTEST)] += u32::from(is_new);
        let told = self.tell_lengths(anchor);
        let told = told.and_then(|()| self.bind(anchor, delegated(prefix, len), mac, 0));
        if told.is_err() && is_new {
            self.forget_length(anchor, len);
        }
        told
    }

    /// It may not any more.
    pub fn undelegate(&mut self, anchor: AnchorId, (prefix, len): (u128, u8)) {
        let network = NetworkId(anchor.0);
        if (SHORTEST..=LONGEST).contains(&len) && self.here.remove(network, delegated(prefix, len))
        {
            self.forget_length(anchor, len);
        }
    }

    fn forget_length(&mut self, anchor: AnchorId, len: u8) {
        if let Some(counts) = self.lengths.get_mut(&anchor) {
            counts[usize::from(len - SHORTEST)] -= 1;
            // Fewer lengths need no more room.
            let _ = self.tell_lengths(anchor);
        }
    }

    fn tell_lengths(&mut self, anchor: AnchorId) -> Result<(), BindingError> {
        let counts = self.lengths.get(&anchor).into_iter().flatten();
        let bits = counts.enumerate().map(|(bit, n)| u64::from(*n > 0) << bit);
        let bits = bits.fold(0, |all, bit| all | bit);
        if bits == 0 {
            self.lengths.remove(&anchor);
            self.unbind(anchor, LENGTHS);
            return Ok(());
        }
        let [_, _, lengths @ ..] = bits.to_be_bytes();
        self.bind(anchor, LENGTHS, lengths, 0)
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

#[cfg(test)]
mod tests {
    use super::*;

    const A: AnchorId = AnchorId(1);
    const LINK: LinkId = LinkId(1);
    const HOST: MacAddr = [2, 0, 0, 0, 0, 7];

    fn ip(text: &str) -> u128 {
        text.parse::<std::net::Ipv6Addr>().unwrap().to_bits()
    }

    #[test]
    fn delegated_prefixes_are_found_by_any_of_their_lengths() {
        let (mut writer, book) = BookWriter::new(64, 4, 9);
        let prefixes = [
            ("2001:db8:7700::", 40),
            ("2001:db8:8800:100::", 56),
            ("2001:db8:8800:9::", 64),
        ];
        for (prefix, len) in prefixes {
            writer.delegate(A, (ip(prefix), len), HOST).unwrap();
        }
        writer.delegate(A, (ip("2001::"), 16), HOST).unwrap();
        let known = book.read();
        let found = |address| known.delegate(A, ip(address));
        assert_eq!(found("2001:db8:77ff::1"), Some(HOST));
        assert_eq!(found("2001:db8:8800:1ff::1"), Some(HOST));
        assert_eq!(found("2001:db8:8800:9::1"), Some(HOST));
        for other in [
            "2001:db8:7800::1",
            "2001:db8:8800:200::1",
            "2001:db8:8800:8::1",
            "2001::1",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
        assert_eq!(known.delegate(AnchorId(2), ip("2001:db8:7700::1")), None);
        // Told again, and taken back once.
        writer
            .delegate(A, (ip("2001:db8:7700::"), 40), HOST)
            .unwrap();
        for (prefix, len) in prefixes {
            writer.undelegate(A, (ip(prefix), len));
            writer.undelegate(A, (ip(prefix), len));
        }
        assert_eq!(found("2001:db8:77ff::1"), None);
        assert!(writer.here.is_empty());
    }

    #[test]
    fn holders_macs_and_marks_do_not_meet() {
        let (mut writer, book) = BookWriter::new(64, 4, 9);
        let holder = Holder {
            anchor: AnchorId(0xfedc),
            is_tentative: true,
        };
        writer.hold(LINK, ip("fe80::7"), holder, 5).unwrap();
        writer
            .hold_mac(LINK, HOST, Some(Holder::NO_ANCHOR), 5)
            .unwrap();
        let known = book.read();
        assert_eq!(known.holder(LINK, ip("fe80::7")), Some(holder));
        assert_eq!(known.holder_of_mac(LINK, &HOST), Some(Holder::NO_ANCHOR));
        assert_eq!(known.holder(LinkId(2), ip("fe80::7")), None);
        assert!(!known.touch_without_anchor(LINK, ip("fe80::7"), 9));
        let v4 = 0xffff_0000_0000 | 7;
        writer.set_full(A, true, true).unwrap();
        assert!(known.is_full(A, v4) && !known.is_full(A, ip("fe80::7")));
        writer.set_full(A, true, false).unwrap();
        writer.hold_mac(LINK, HOST, None, 5).unwrap();
        writer.release(LINK, ip("fe80::7"));
        assert!(writer.here.is_empty() && writer.links.is_empty());
    }
}
