//! The inject ring: what the control plane asks a worker to do with packets.
//!
//! Buffers travel back: the worker returns each after it copied the bytes into an mbuf, and the control plane frees
//! (or reuses) them, so that the worker neither allocates nor frees.

use rtrb::{Consumer, Producer, RingBuffer};
use tables::id::{IfaceId, NetworkId, PortId, VrfId};

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub enum Inject {
    /// Send this frame, link-layer header and all, out of the port.
    Frame {
        /// The port.
        port: PortId,
        /// The frame without FCS.
        bytes: Vec<u8>,
    },
    /// Send this frame, without tags, into a network, as one of our interface on it.
    Network {
        /// The network.
        network: NetworkId,
        /// The interface.
        iface: IfaceId,
        /// The frame without FCS.
        bytes: Vec<u8>,
    },
    /// Route this IP packet (either family) as one of our own: its hop limit is not decremented.
    Routed {
        /// The routing domain.
        vrf: VrfId,
        /// The packet, from its IP header on.
        bytes: Vec<u8>,
    },
    /// The neighbour was resolved and its route stands: route the packets that wait for it.
    Release {
        /// The interface of the neighbour.
        iface: IfaceId,
        /// Its address, IPv4 as an IPv4-mapped address.
        address: [u8; 16],
    },
    /// The neighbour does not answer: answer the packets that wait for it with address unreachable.
    Fail {
        /// The interface of the neighbour.
        iface: IfaceId,
        /// Its address, IPv4 as an IPv4-mapped address.
        address: [u8; 16],
    },
}

/// The control plane's end.
#[derive(Debug)]
pub struct InjectProducer {
    requests: Producer<Inject>,
    returned: Consumer<Vec<u8>>,
}

/// The worker's end.
#[derive(Debug)]
pub struct InjectConsumer {
    requests: Consumer<Inject>,
    returned: Producer<Vec<u8>>,
}

/// Makes the ring of one worker, for up to `capacity` requests.
pub fn inject_ring(capacity: usize) -> (InjectProducer, InjectConsumer) {
    let (requests_in, requests_out) = RingBuffer::new(capacity);
    let (returned_in, returned_out) = RingBuffer::new(2 * capacity);
    (
        InjectProducer {
            requests: requests_in,
            returned: returned_out,
        },
        InjectConsumer {
            requests: requests_out,
            returned: returned_in,
        },
    )
}

impl InjectProducer {
    /// Hands over a request, or gives it back when the ring is full.
    pub fn send(&mut self, request: Inject) -> Result<(), Inject> {
        // Makes room first: fewer buffers are on their way than the return ring holds.
        while self.returned.pop().is_ok() {}
        self.requests
            .push(request)
            .map_err(|rtrb::PushError::Full(request)| request)
    }

    /// A buffer that came back, empty, to be filled and sent again.
    pub fn reuse(&mut self) -> Option<Vec<u8>> {
        let mut buffer = self.returned.pop().ok()?;
        buffer.clear();
        Some(buffer)
    }

    /// Whether the worker is gone.
    pub fn is_abandoned(&self) -> bool {
        self.requests.is_abandoned()
    }
}

impl InjectConsumer {
    /// The oldest request.
    #[inline]
    pub fn pop(&mut self) -> Option<Inject> {
        self.requests.pop().ok()
    }

    /// Returns a buffer that is no longer needed.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        // Never full (see `InjectProducer::send`); were it so, the buffer would be freed here.
        let _ = self.returned.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_to_the_control_plane() {
        let (mut control, mut worker) = inject_ring(2);
        for n in 0..10 {
            let mut bytes = control.reuse().unwrap_or_else(|| Vec::with_capacity(64));
            assert!(bytes.capacity() >= 64, "round {n} lost the buffer's room");
            bytes.push(n);
            assert_eq!(
                control.send(Inject::Frame {
                    port: PortId(1),
                    bytes
                }),
                Ok(())
            );
            match worker.pop() {
                Some(Inject::Frame { bytes, .. }) => {
                    assert_eq!(bytes, [n]);
                    worker.give_back(bytes);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_full_ring_gives_the_request_back() {
        let (mut control, _worker) = inject_ring(1);
        let release = || Inject::Release {
            iface: IfaceId(1),
            address: [1; 16],
        };
        assert_eq!(control.send(release()), Ok(()));
        assert_eq!(control.send(release()), Err(release()));
    }
}
