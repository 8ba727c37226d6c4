//! Messages to bytes. All that a client says fits a datagram: lists are bounded by the configuration and by what was read.

use std::net::Ipv6Addr;

use super::option::code;
use super::packet::IaKind;

/// Message types (RFC 8415 section 7.3) that clients send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sent {
    /// 1: who can give me something?
    Solicit,
    /// 3: I take what you advertised.
    Request,
    /// 4: are my addresses still right on this link?
    Confirm,
    /// 5: longer, please; to the server that gave it.
    Renew,
    /// 6: longer, please; to any server.
    Rebind,
    /// 8: I do not need it any more.
    Release,
    /// 9: somebody else has this address.
    Decline,
    /// 11: tell me the other settings.
    InformationRequest,
}

impl Sent {
    /// Its number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Sent::Solicit => 1,
            Sent::Request => 3,
            Sent::Confirm => 4,
            Sent::Renew => 5,
            Sent::Rebind => 6,
            Sent::Release => 8,
            Sent::Decline => 9,
            Sent::InformationRequest => 11,
        }
    }
}

/// An association as the client says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) kind: IaKind,
    pub(super) iaid: u32,
    /// Addresses (of 128 bits) or prefixes; `::` is a hint of the length alone.
    pub(super) leases: Vec<(Ipv6Addr, u8)>,
}

/// A message being written.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// A message with nothing but its header.
    pub(super) fn new(kind: Sent, xid: [u8; 3]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(kind.number());
        bytes.extend(xid);
        Writer(bytes)
    }

    /// The message.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// An option with the data given.
    pub(super) fn data(&mut self, code: u16, data: &[u8]) {
        self.option(code, |w| w.0.extend(data));
    }

    /// An Option Request.
    pub(super) fn request(&mut self, codes: impl IntoIterator<Item = u16>) {
        self.option(code::ORO, |w| {
            w.0.extend(codes.into_iter().flat_map(u16::to_be_bytes));
        });
    }

    /// An IA_NA or IA_PD. T1, T2 and lifetimes are 0: the server knows better (RFC 8415 sections 18.2.1 and 21.4).
    pub(super) fn ia(&mut self, asked: &Asked) {
        let kind = match asked.kind {
            IaKind::Na => code::IA_NA,
            IaKind::Pd => code::IA_PD,
        };
        self.option(kind, |w| {
            w.0.extend(asked.iaid.to_be_bytes());
            w.0.extend([0; 8]);
            for (address, len) in &asked.leases {
                match asked.kind {
                    IaKind::Na => w.option(code::IA_ADDR, |w| {
                        w.0.extend(address.octets());
                        w.0.extend([0; 8]);
                    }),
                    IaKind::Pd => w.option(code::IA_PREFIX, |w| {
                        w.0.extend([0; 8]);
                        w.0.push(*len);
                        w.0.extend(address.octets());
                    }),
                }
            }
        });
    }

    fn option(&mut self, code: u16, fill: impl FnOnce(&mut Writer)) {
        self.0.extend(code.to_be_bytes());
        let at = self.0.len();
        self.0.extend([0; 2]);
        fill(self);
        // At most MAX_LEASES prefixes of 29 octets: `packet.rs`; a DUID of 130; MAX_OPTIONS codes.
        let len = (self.0.len() - at - 2) as u16;
        self.0[at..at + 2].copy_from_slice(&len.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_filled_in() {
        let mut w = Writer::new(Sent::Solicit, [1, 2, 3]);
        w.request([23, 24]);
        w.ia(&Asked {
            kind: IaKind::Pd,
            iaid: 7,
            leases: vec![(Ipv6Addr::UNSPECIFIED, 56)],
        });
        let mut expected = vec![
            1, 1, 2, 3, 0, 6, 0, 4, 0, 23, 0, 24, 0, 25, 0, 41, 0, 0, 0, 7,
        ];
        expected.extend([0; 8]);
        expected.extend([0, 26, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 56]);
        expected.extend([0; 16]);
        assert_eq!(w.finish(), expected);
    }
}
