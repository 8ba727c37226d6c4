//! The few messages of RFC 8415 that the clients speak.

use std::net::Ipv6Addr;

pub(super) const SOLICIT: u8 = 1;
pub(super) const ADVERTISE: u8 = 2;
pub(super) const REQUEST: u8 = 3;
pub(super) const RENEW: u8 = 5;
pub(super) const REPLY: u8 = 7;

const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const IA_ADDRESS: u16 = 5;
const OPTION_REQUEST: u16 = 6;
const ELAPSED_TIME: u16 = 8;
const STATUS_CODE: u16 = 13;
const IA_PD: u16 = 25;
const IA_PREFIX: u16 = 26;
/// DNS servers and search list (RFC 3646): what a client usually asks for.
const ASKED_FOR: [u8; 4] = [0, 23, 0, 24];

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An address (IA_NA).
    Address,
    /// A delegated prefix (IA_PD).
    Prefix,
}

/// What a server gave a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The client's number; see [`duid`].
    pub client: u32,
    /// The address, or the first of the prefix.
    pub address: Ipv6Addr,
    /// Length of the prefix; 128 for an address.
    pub len: u8,
}

/// The DUID of a virtual client: a DUID-LL of an Ethernet address that holds its number. The number is its IAID too.
pub fn duid(client: u32) -> [u8; 10] {
    let [a, b, c, d] = client.to_be_bytes();
    [0, 3, 0, 1, 2, 0, a, b, c, d]
}

/// A message of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) kind: u8,
    pub(super) transaction: u32,
    pub(super) client: u32,
    pub(super) what: What,
    /// Whom it is for; empty: any server.
    pub(super) server: &'a [u8],
    pub(super) granted: Option<Granted>,
}

impl Question<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend((u32::from(self.kind) << 24 | self.transaction).to_be_bytes());
        option(out, CLIENT_ID, &duid(self.client));
        if !self.server.is_empty() {
            option(out, SERVER_ID, self.server);
        }
        option(out, OPTION_REQUEST, &ASKED_FOR);
        option(out, ELAPSED_TIME, &[0, 0]);
        let mut ia = self.client.to_be_bytes().to_vec();
        // T1 and T2 are the server's to choose.
        ia.extend([0; 8]);
        if let Some(granted) = self.granted {
            // Lifetimes: no wish.
            let mut lease = Vec::with_capacity(25);
            match self.what {
                What::Address => {
                    lease.extend(granted.address.octets());
                    lease.extend([0; 8]);
                    option(&mut ia, IA_ADDRESS, &lease);
                }
                What::Prefix => {
                    lease.extend([0; 8]);
                    lease.push(granted.len);
                    lease.extend(granted.address.octets());
                    option(&mut ia, IA_PREFIX, &lease);
                }
            }
        }
        let code = match self.what {
            What::Address => IA_NA,
            What::Prefix => IA_PD,
        };
        option(out, code, &ia);
    }
}

fn option(out: &mut Vec<u8>, code: u16, data: &[u8]) {
    out.extend(code.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
}

/// A message of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) kind: u8,
    pub(super) transaction: u32,
    pub(super) server: &'a [u8],
    /// What it grants with a lifetime above zero; `client` is the IAID.
    pub(super) granted: Option<Granted>,
}

impl<'a> Answer<'a> {
    /// Reads a message; `None` if it is broken.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = message.split_first_chunk::<4>()?;
        let word = u32::from_be_bytes(*head);
        let mut answer = Answer {
            kind: head[0],
            transaction: word & 0xff_ffff,
            server: &[],
            granted: None,
        };
        while let Some((code, data)) = next(&mut rest) {
            match code {
                SERVER_ID => answer.server = data,
                IA_NA | IA_PD => answer.granted = read_ia(data),
                _ => {}
            }
        }
        rest.is_empty().then_some(answer)
    }
}

fn read_ia(data: &[u8]) -> Option<Granted> {
    let (iaid, rest) = data.split_first_chunk::<4>()?;
    let client = u32::from_be_bytes(*iaid);
    let mut options = rest.get(8..)?;
    let mut granted = None;
    while let Some((code, data)) = next(&mut options) {
        let (address, len, valid) = match code {
            IA_ADDRESS => (data.get(..16)?, 128, data.get(20..24)?),
            IA_PREFIX => (data.get(9..25)?, *data.get(8)?, data.get(4..8)?),
            STATUS_CODE if data.get(..2)? != [0, 0] => return None,
            _ => continue,
        };
        if valid != [0; 4] {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?);
            granted = Some(Granted {
                client,
                address,
                len,
            });
        }
    }
    granted
}

/// The next option; `None` at the end, or at one that is cut off.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let (code, after) = rest.split_first_chunk::<2>()?;
    let (len, after) = after.split_first_chunk::<2>()?;
    let (data, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
    *rest = after;
    Some((u16::from_be_bytes(*code), data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (what, len) in [(What::Address, 128), (What::Prefix, 56)] {
            let granted = Granted {
                client: 7,
                address: "2001:db8:0:100::".parse().unwrap(),
                len,
            };
            let question = Question {
                kind: RENEW,
                transaction: 0x12_3456,
                client: 7,
                what,
                server: &[0, 3, 9],
                granted: Some(granted),
            };
            let mut bytes = Vec::new();
            question.write(&mut bytes);
            let answer = Answer::read(&bytes).unwrap();
            assert_eq!((answer.kind, answer.transaction), (RENEW, 0x12_3456));
            assert_eq!(answer.server, [0, 3, 9]);
            assert_eq!(answer.granted, None, "a lifetime of zero grants nothing");
            // The preferred lifetime is not looked at, the valid one is.
            let valid = bytes.len() - if len == 128 { 1 } else { 18 };
            bytes[valid] = 1;
            assert_eq!(Answer::read(&bytes).unwrap().granted, Some(granted));
            assert_eq!(Answer::read(&bytes[..bytes.len() - 1]), None);
        }
    }
}
