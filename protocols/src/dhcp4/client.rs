//! Who asks: a client's identity, its reservation, its name.

use wire::MacAddr;

use super::link::Link;
use super::packet::Message;
use lease::{ClientId, Holder, Kind, RelayInfo};

/// A client as one message shows it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// As leases know it.
    pub holder: Holder,
    /// Its MAC, when it is on Ethernet.
    pub mac: Option<MacAddr>,
    /// Which of the link's reservations is its own.
    pub reservation: Option<usize>,
    /// Its name.
    pub hostname: Option<Box<str>>,
    /// Where the relay says that it is.
    pub relay: Option<Box<RelayInfo>>,
}

/// Type of a client identifier that has an IAID and a DUID (RFC 4361 section 6.1).
const IAID_DUID: u8 = 255;

impl Client {
    /// The sender of a message on a link.
    pub(super) fn new(link: &Link, message: &Message<'_>) -> Self {
        let mac = message.mac();
        Client {
            reservation: reservation(link, mac, message.client_id.as_deref()),
            holder: holder(message),
            mac,
            hostname: message.host_name.as_deref().and_then(hostname),
            relay: message.agent.info.clone().into_option(),
        }
    }
}

/// The Client-identifier, or hardware type and address where there is none (RFC 2131 section 4.2). What a client identifies
/// itself by with its MAC is the same in both ways.
pub(super) fn holder(message: &Message<'_>) -> Holder {
    let hardware = || [&[message.htype], message.chaddr].concat();
    let id = match &message.client_id {
        Some(id) => ClientId::new(id),
        None => ClientId::new(&hardware()),
    };
    let client = match id {
        Ok(id) => id,
        Err(_) => unreachable!("the reader lets in identifiers of 2 to 255 octets, or an address"),
    };
    Holder {
        client,
        iaid: 0,
        kind: Kind::V4,
    }
}

/// Which reservation is the client's. What the network knows of it comes before what it says itself.
pub(super) fn reservation(link: &Link, mac: Option<MacAddr>, id: Option<&[u8]>) -> Option<usize> {
    let duid = match id {
        Some([IAID_DUID, _, _, _, _, duid @ ..]) => Some(duid),
        _ => None,
    };
    mac.and_then(|mac| link.by_mac.get(&mac))
        .or_else(|| id.and_then(|id| link.by_client_id.get(id)))
        .or_else(|| duid.and_then(|duid| link.by_duid.get(duid)))
        .copied()
}

/// The name as a text, when it is one of letters, digits, hyphens and dots. Some clients end it with a zero.
fn hostname(bytes: &[u8]) -> Option<Box<str>> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let word = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    let text = std::str::from_utf8(bytes).ok()?;
    let fits = (1..=253).contains(&bytes.len()) && bytes.iter().all(word);
    fits.then(|| text.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_letters_and_digits() {
        assert_eq!(hostname(b"Host-1.lan\0").as_deref(), Some("host-1.lan"));
        for bytes in [&b""[..], b"a b", b"\xff", b"\0", &[b'a'; 254]] {
            assert_eq!(hostname(bytes), None, "{bytes:?}");
        }
    }
}
