//! Relay-forward messages: unwrapped on the way in, wrapped again on the way out.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    msg-type   |   hop-count   |   link-address (16)  peer-address (16)  options, one of them the Relay Message
//! ```
//!
//! Each relay on the way puts the message that it got into one more envelope (RFC 8415 section 19). The server opens them in a
//! loop, takes what they say about the client, and puts its answer into the same envelopes (RFC 8415 section 19.3).
//!
//! - Interface-Id is echoed (RFC 8415 section 21.18), so is whatever an Echo Request names (RFC 4994), and the Relay Source Port
//!   option (RFC 8357).
//! - Remote-ID (RFC 4649), Subscriber-ID (RFC 4580) and Client Link-Layer Address (RFC 6939) are used.
//! - Not done: options that relays supply for the client (RFC 6422); they are ignored, the server's own hold.

use std::net::Ipv6Addr;

use wire::MacAddr;

use super::option::{Invalid, code};
use super::packet::{RELAY_FORWARD, RELAY_REPLY};
use super::writer::Writer;
use crate::dhcp6_wire::{Budget, Tlvs, exactly, once, split};

/// HOP_COUNT_LIMIT (RFC 8415 section 7.6): the most a relay lets hop-count be.
pub const HOP_COUNT_LIMIT: u8 = 8;
/// A relay discards what has gone through HOP_COUNT_LIMIT others, so that hop-count runs from 0 to the limit.
const MAX_LAYERS: usize = HOP_COUNT_LIMIT as usize + 1;
/// Octets before the options of a relay message.
const HEADER: usize = 34;

/// One envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer<'a> {
    /// How many relays the message had passed.
    pub hop_count: u8,
    /// An address of the link of the client, or of the relay before; unspecified when the relay has none to give.
    pub link_address: Ipv6Addr,
    /// Where the relay got the message from.
    pub peer_address: Ipv6Addr,
    /// How the relay calls the interface.
    pub interface_id: Option<&'a [u8]>,
    /// The relay's name for the far end (RFC 4649): enterprise number and text.
    pub remote_id: Option<&'a [u8]>,
    /// The relay's name for the subscriber (RFC 4580).
    pub subscriber_id: Option<&'a [u8]>,
    /// The client's MAC (RFC 6939), when it is Ethernet's.
    pub mac: Option<MacAddr>,
    /// Downstream UDP port (RFC 8357); 0 when the relay only wants to be answered at the port it sent from.
    pub source_port: Option<u16>,
    /// What an Echo Request asks for: codes of two octets each.
    echo: &'a [u8],
    /// All its options, for the echo.
    options: &'a [u8],
}

/// Opens all envelopes of `bytes`, the outermost first; the second is the client's message.
///
/// No envelope at all is right, too: then the message came from the client itself.
pub fn unwrap(mut bytes: &[u8]) -> Result<(Vec<Layer<'_>>, &[u8]), Invalid> {
    let (mut layers, mut budget) = (Vec::new(), Budget::default());
    while bytes.first() == Some(&RELAY_FORWARD) {
        if layers.len() == MAX_LAYERS {
            return Err(Invalid::RelayTooDeep);
        }
        let (layer, inner) = read_layer(bytes, &mut budget)?;
        layers.push(layer);
        bytes = inner;
    }
    Ok((layers, bytes))
}

fn read_layer<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<(Layer<'a>, &'a [u8]), Invalid> {
    let (header, options) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(Invalid::ShortMessage)?;
    let address =
        |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&header[at..at + 16]).unwrap_or_default());
    let mut layer = Layer {
        hop_count: header[1],
        link_address: address(2),
        peer_address: address(18),
        interface_id: None,
        remote_id: None,
        subscriber_id: None,
        mac: None,
        source_port: None,
        echo: &[],
        options,
    };
    if layer.hop_count > HOP_COUNT_LIMIT {
        return Err(Invalid::RelayTooDeep);
    }
    let (mut inner, mut echo, mut linklayer) = (None, None, None);
    for option in Tlvs(options) {
        let (code, data) = option?;
        budget.spend()?;
        match code {
            code::RELAY_MSG => once(&mut inner, data)?,
            code::INTERFACE_ID => once(&mut layer.interface_id, data)?,
            code::REMOTE_ID => {
                split::<4>(data)?;
                once(&mut layer.remote_id, data)?;
            }
            code::SUBSCRIBER_ID => once(&mut layer.subscriber_id, data)?,
            code::CLIENT_LINKLAYER_ADDR => {
                once(&mut linklayer, ())?;
                let (hardware, address) = split::<2>(data)?;
                // Hardware type 1 is Ethernet; of other links nothing is known here.
                if u16::from_be_bytes(hardware) == 1 {
                    layer.mac = Some(MacAddr(exactly(address)?)).filter(|mac| mac.is_station());
                }
            }
            code::RELAY_SOURCE_PORT => {
                once(&mut layer.source_port, u16::from_be_bytes(exactly(data)?))?;
            }
            code::ERO if data.len() % 2 == 0 => once(&mut echo, data)?,
            code::ERO => return Err(Invalid::OptionLength),
            _ => {}
        }
    }
    layer.echo = echo.unwrap_or_default();
    Ok((layer, inner.ok_or(Invalid::RelayEmpty)?))
}

/// Writes what `inner` writes, in an envelope of a Relay-reply for each of `layers`, the outermost first.
pub(super) fn wrap(layers: &[Layer<'_>], w: &mut Writer, inner: &mut dyn FnMut(&mut Writer)) {
    let Some((layer, inward)) = layers.split_first() else {
        return inner(w);
    };
    // The recursion is bounded by what `unwrap` lets in.
    w.u8(RELAY_REPLY);
    w.u8(layer.hop_count);
    w.address(layer.link_address);
    w.address(layer.peer_address);
    if let Some(id) = layer.interface_id {
        w.data(code::INTERFACE_ID, id);
    }
    if let Some(port) = layer.source_port {
        w.data(code::RELAY_SOURCE_PORT, &port.to_be_bytes());
    }
    for wanted in layer.echo.chunks_exact(2) {
        echo(layer, u16::from_be_bytes([wanted[0], wanted[1]]), w);
    }
    w.option(code::RELAY_MSG, |w| wrap(inward, w, inner));
}

/// Echoes the options with code `wanted` that the relay asks for, but for those that every answer has, and the message.
fn echo(layer: &Layer<'_>, wanted: u16, w: &mut Writer) {
    const SENT_ANYWAY: [u16; 4] = [
        code::INTERFACE_ID,
        code::RELAY_SOURCE_PORT,
        code::RELAY_MSG,
        code::ERO,
    ];
    if SENT_ANYWAY.contains(&wanted) {
        return;
    }
    for (code, data) in Tlvs(layer.options).map_while(Result::ok) {
        if code == wanted {
            w.data(code, data);
        }
    }
}
