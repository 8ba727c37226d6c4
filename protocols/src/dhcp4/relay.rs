//! Relay Agent Information (RFC 3046): what of it tells the server something. All of it goes back as it came.

use std::net::Ipv4Addr;

use super::option::Invalid;
use lease::{RelayId, RelayInfo};

/// What a relay told of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayAgent {
    /// Circuit ID, Remote ID (RFC 3046 section 2) and Subscriber-ID (RFC 3993).
    pub info: RelayInfo,
    /// An address of the client's link, where giaddr is none (RFC 3527).
    pub link_selection: Option<Ipv4Addr>,
    /// What the client shall take for its server (RFC 5107).
    pub server_id: Option<Ipv4Addr>,
    /// Whether the answer goes to the port that the message came from (RFC 8357).
    pub source_port: bool,
}

const CIRCUIT_ID: u8 = 1;
const REMOTE_ID: u8 = 2;
const LINK_SELECTION: u8 = 5;
const SUBSCRIBER_ID: u8 = 6;
const SERVER_ID_OVERRIDE: u8 = 11;
const SOURCE_PORT: u8 = 19;

impl RelayAgent {
    /// Reads the sub-options.
    ///
    /// # Errors
    /// [`Invalid::RelayInfo`].
    pub fn read(mut bytes: &[u8]) -> Result<Self, Invalid> {
        let mut agent = RelayAgent::default();
        while let [code, len, rest @ ..] = bytes {
            let (data, rest) = rest
                .split_at_checked(usize::from(*len))
                .ok_or(Invalid::RelayInfo)?;
            bytes = rest;
            let address = || {
                let octets: [u8; 4] = data.try_into().map_err(|_| Invalid::RelayInfo)?;
                Ok(Ipv4Addr::from(octets))
            };
            match *code {
                CIRCUIT_ID => agent.info.interface_id = RelayId::new(data),
                REMOTE_ID => agent.info.remote_id = RelayId::new(data),
                SUBSCRIBER_ID => agent.info.subscriber_id = RelayId::new(data),
                LINK_SELECTION => agent.link_selection = Some(address()?),
                SERVER_ID_OVERRIDE => agent.server_id = Some(address()?),
                SOURCE_PORT => agent.source_port = true,
                _ => {}
            }
        }
        match bytes {
            [] => Ok(agent),
            _ => Err(Invalid::RelayInfo),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_is_found_and_the_rest_passed_over() {
        let bytes = [
            &[1, 4][..],
            b"eth7",
            &[2, 2, 9, 9, 5, 4, 192, 0, 2, 0, 11, 4, 10, 0, 0, 1],
            &[9, 3, 1, 2, 3, 19, 0],
        ]
        .concat();
        let agent = RelayAgent::read(&bytes).unwrap();
        assert_eq!(agent.info.interface_id.unwrap().as_bytes(), b"eth7");
        assert_eq!(agent.info.remote_id.unwrap().as_bytes(), [9, 9]);
        assert_eq!(agent.link_selection, Some(Ipv4Addr::new(192, 0, 2, 0)));
        assert_eq!(agent.server_id, Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert!(agent.source_port);
        assert_eq!(RelayAgent::read(&[]), Ok(RelayAgent::default()));
    }

    #[test]
    fn what_is_cut_or_of_a_wrong_length_is_none() {
        for bytes in [&[1][..], &[1, 2, 0], &[5, 3, 1, 2, 3], &[11, 0]] {
            assert_eq!(
                RelayAgent::read(bytes),
                Err(Invalid::RelayInfo),
                "{bytes:?}"
            );
        }
    }
}
