//! Packet copies for a capture file, with the verdict beside each.
//!
//! The worker copies at most the snap length of a matching packet into a ring of bytes; the control plane reads the
//! copies and writes pcapng ([`PcapngWriter`]): every interface is described once, a drop reason is the packet's
//! comment. A packet that finds the ring full is not captured, only counted.

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, PcapError};
use rtrb::{Consumer, Producer, RingBuffer};
use tables::id::{IfaceId, PortId};

use crate::drop::DropReason;
use crate::observe::{Filter, Summary};

#[cfg(test)]
mod tests;

/// The longest copy: any frame with its tags.
pub const MAX_SNAPLEN: u32 = 65_535 + 22;

/// Where a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// As received.
    Rx,
    /// As sent.
    Tx,
    /// As it was when it was dropped.
    Drop(DropReason),
}

/// What to capture: the part of a forwarding snapshot that arms the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureFilter {
    /// Which packets. At [`Point::Tx`] the interface is the outgoing one.
    pub filter: Filter,
    /// Capture packets as received.
    pub rx: bool,
    /// Capture packets as sent.
    pub tx: bool,
    /// Capture packets as dropped.
    pub drops: bool,
    /// Bytes to keep of each.
    pub snaplen: u32,
}

impl CaptureFilter {
    /// Whether this point is listened to.
    #[inline]
    pub fn listens(&self, point: Point) -> bool {
        match point {
            Point::Rx => self.rx,
            Point::Tx => self.tx,
            Point::Drop(_) => self.drops,
        }
    }
}

/// What is known of a captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureMeta {
    /// Ticks of the worker's clock.
    pub time: u64,
    /// Port it came from or left by.
    pub port: PortId,
    /// Interface it came from or left by; 0 if it was not known yet.
    pub iface: IfaceId,
    /// Where it was seen.
    pub point: Point,
    /// Bytes of the frame.
    pub len: u32,
}

/// A captured packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// What is known of it.
    pub meta: CaptureMeta,
    /// Its first bytes, link-layer header first.
    pub data: Vec<u8>,
}

/// Bytes before each copy in the ring: see [`encode`].
const HEAD: usize = 24;
/// Point codes in the ring; drop reasons follow from 2 on.
const RX: u16 = 0;
const TX: u16 = 1;
const DROP: u16 = 2;

/// The worker's end.
#[derive(Debug)]
pub struct Capturer {
    ring: Producer<u8>,
    missed: u64,
}

/// The control plane's end.
#[derive(Debug)]
pub struct CaptureReader {
    ring: Consumer<u8>,
}

/// Makes the two ends for one worker, with room for `bytes` of copies and their heads.
pub fn capture_ring(bytes: usize) -> (Capturer, CaptureReader) {
    let (producer, consumer) = RingBuffer::new(bytes);
    (
        Capturer {
            ring: producer,
            missed: 0,
        },
        CaptureReader { ring: consumer },
    )
}

fn encode(meta: &CaptureMeta, kept: u32) -> [u8; HEAD] {
    let point = match meta.point {
        Point::Rx => RX,
        Point::Tx => TX,
        Point::Drop(reason) => DROP + reason.index() as u16,
    };
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&meta.time.to_ne_bytes());
    head[8..12].copy_from_slice(&kept.to_ne_bytes());
    head[12..16].copy_from_slice(&meta.len.to_ne_bytes());
    head[16..18].copy_from_slice(&meta.port.0.to_ne_bytes());
    head[18..20].copy_from_slice(&meta.iface.0.to_ne_bytes());
    head[20..22].copy_from_slice(&point.to_ne_bytes());
    head
}

fn decode(head: &[u8; HEAD]) -> (CaptureMeta, u32) {
    let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let half = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
    let point = match half(20) {
        RX => Point::Rx,
        TX => Point::Tx,
        code => match DropReason::ALL.get(usize::from(code - DROP)) {
            Some(&reason) => Point::Drop(reason),
            None => unreachable!("only `encode` writes point codes"),
        },
    };
    let time = u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|at| head[at]));
    let meta = CaptureMeta {
        time,
        port: PortId(half(16)),
        iface: IfaceId(half(18)),
        point,
        len: word(12),
    };
    (meta, word(8))
}

impl Capturer {
    /// Copies the packet if it is meant. `first` are the bytes of its first segment, whose IP header begins at
    /// `l3_offset`; `copy` writes its bytes from an offset on into a slice, and says how many it had.
    pub fn offer(
        &mut self,
        filter: &CaptureFilter,
        meta: CaptureMeta,
        first: &[u8],
        l3_offset: usize,
        copy: impl Fn(usize, &mut [u8]) -> usize,
    ) {
        if !filter.listens(meta.point) {
            return;
        }
        let l3 = first.get(l3_offset..).unwrap_or_default();
        if !filter.filter.matches(meta.iface, &Summary::of(l3)) {
            return;
        }
        let kept = meta.len.min(filter.snaplen).min(MAX_SNAPLEN);
        // Head and bytes become visible together: the reader never sees a part.
        let Ok(mut chunk) = self.ring.write_chunk(HEAD + kept as usize) else {
            self.missed += 1;
            return;
        };
        let head = encode(&meta, kept);
        let (a, b) = chunk.as_mut_slices();
        let in_a = a.len().min(HEAD);
        a[..in_a].copy_from_slice(&head[..in_a]);
        b[..HEAD - in_a].copy_from_slice(&head[in_a..]);
        let (a, b) = (&mut a[in_a..], &mut b[HEAD - in_a..]);
        // Segments shorter in sum than the packet says are filled up with zeros.
        let copied = copy(0, a);
        a[copied..].fill(0);
        let copied = copy(a.len(), b);
        b[copied..].fill(0);
        chunk.commit_all();
    }

    /// Packets that were meant and not captured, because the control plane does not keep up.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl CaptureReader {
    /// The oldest captured packet.
    pub fn pop(&mut self) -> Option<Captured> {
        let mut head = [0; HEAD];
        // A copy is committed whole: where there is a head, its bytes are there too.
        self.ring.pop_entire_slice(&mut head).ok()?;
        let (meta, kept) = decode(&head);
        let mut data = vec![0; kept as usize];
        self.ring.pop_entire_slice(&mut data).ok()?;
        Some(Captured { meta, data })
    }

    /// Whether the worker is gone.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// Writes captured packets as pcapng (draft-ietf-opsawg-pcapng): nanosecond times, one interface block per interface,
/// the direction in the packet's flags and the drop reason in its comment.
pub struct PcapngWriter<W: Write> {
    file: PcapNgWriter<W>,
    snaplen: u32,
    /// Interfaces described so far: their place is their number in the file.
    known: Vec<(PortId, IfaceId)>,
}

/// The nanosecond: ten to the power of minus nine.
const NANOSECONDS: u8 = 9;
/// Direction bits of a packet's flags.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

impl<W: Write> PcapngWriter<W> {
    /// Begins a file with its section header.
    pub fn new(writer: W, snaplen: u32) -> Result<Self, PcapError> {
        Ok(Self {
            file: PcapNgWriter::new(writer)?,
            snaplen,
            known: Vec::new(),
        })
    }

    /// Adds a packet that was seen at `time` since 1970. `name` tells what the interface is called; it is asked once
    /// per interface.
    pub fn packet(
        &mut self,
        packet: &Captured,
        time: Duration,
        name: impl FnOnce(PortId, IfaceId) -> String,
    ) -> Result<(), PcapError> {
        let Captured { meta, data } = packet;
        let key = (meta.port, meta.iface);
        let interface_id = match self.known.iter().position(|known| *known == key) {
            Some(place) => place,
            None => {
                self.file.write_pcapng_block(InterfaceDescriptionBlock {
                    linktype: DataLink::ETHERNET,
                    snaplen: self.snaplen,
                    options: vec![
                        InterfaceDescriptionOption::IfName(Cow::Owned(name(meta.port, meta.iface))),
                        InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                    ],
                })?;
                self.known.push(key);
                self.known.len() - 1
            }
        };
        let mut options = Vec::with_capacity(2);
        match meta.point {
            Point::Rx => options.push(EnhancedPacketOption::Flags(INBOUND)),
            Point::Tx => options.push(EnhancedPacketOption::Flags(OUTBOUND)),
            Point::Drop(reason) => {
                let comment = format!("drop {reason}: {}", reason.help());
                options.push(EnhancedPacketOption::Comment(Cow::Owned(comment)));
                options.push(EnhancedPacketOption::Flags(INBOUND));
            }
        }
        self.file.write_pcapng_block(EnhancedPacketBlock {
            interface_id: interface_id as u32,
            timestamp: time,
            original_len: meta.len,
            data: Cow::Borrowed(data),
            options,
        })?;
        Ok(())
    }

    /// The underlying writer (to flush it).
    pub fn get_mut(&mut self) -> &mut W {
        self.file.get_mut()
    }
}
