//! What a state machine is told of a packet: the caller has read it from the headers.

/// A packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Bytes of the IP packet, for the counters.
    pub bytes: u32,
    /// What its upper-layer header says.
    pub upper: Upper,
    /// TCP: windows are not checked, and flows may begin in mid-stream. SCTP: nor are tags.
    pub liberal: bool,
}

/// What the upper-layer header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upper {
    /// TCP.
    Tcp(Tcp),
    /// SCTP.
    Sctp(Sctp),
    /// An ICMP or ICMPv6 query, else an answer to one.
    Query {
        /// It is the query.
        is_request: bool,
    },
    /// Anything else: UDP, or a protocol that is not read.
    Other,
}

/// A TCP segment (RFC 9293 section 3.1), host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// The flags FIN to CWR, as in the header.
    pub flags: u8,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Window, unscaled.
    pub window: u16,
    /// Bytes of data.
    pub data: u32,
    /// The window scale option; only a SYN's counts. See [`window_scale`].
    pub scale: Option<u8>,
}

/// An SCTP packet (RFC 9260 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sctp {
    /// Verification tag of the common header.
    pub tag: u32,
    /// Type of the first chunk.
    pub chunk: u8,
    /// Flags of the first chunk.
    pub flags: u8,
    /// Initiate tag, if the chunk is INIT or INIT ACK.
    pub initiate_tag: u32,
}

/// The shift of the window scale option among TCP options (RFC 7323 section 2.2). Options that cannot be read end the search.
pub fn window_scale(mut options: &[u8]) -> Option<u8> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const WINDOW_SCALE: u8 = 3;
    // A header has at most 40 bytes of them.
    while let [kind, rest @ ..] = options {
        match (*kind, rest) {
            (END, _) => return None,
            (NO_OPERATION, _) => options = rest,
            (WINDOW_SCALE, [3, shift, ..]) => return Some(*shift),
            (_, [len, ..]) if *len >= 2 => options = options.get(usize::from(*len)..)?,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_found_among_other_options() {
        // As Linux sends them: MSS, SACK permitted, timestamps, no operation, window scale.
        let mut linux = vec![
            2, 4, 5, 0xa0, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7,
        ];
        assert_eq!(window_scale(&linux), Some(7));
        linux.truncate(17);
        assert_eq!(window_scale(&linux), None);
        assert_eq!(window_scale(&[1, 1, 3, 3, 14, 0]), Some(14));
        for malformed in [
            &[3, 3][..],
            &[3, 2, 7],
            &[5, 1, 3, 3, 7],
            &[5, 0, 3, 3, 7],
            &[0, 3, 3, 7],
            &[2, 40],
            &[2],
        ] {
            assert_eq!(window_scale(malformed), None, "{malformed:?}");
        }
    }
}
