//! Writing options.

use crate::addr::v6;
use crate::error::{EmitError, room};
use crate::nd_option::{NdOption, Pref64, PrefixInformation, RouteInformation, kind};

impl NdOption<'_> {
    /// Bytes this option takes, padding included. Only [`NdOption::write`] says whether it can be
    /// written at all.
    pub fn encoded_len(&self) -> usize {
        let unpadded = match self {
            NdOption::SourceLinkLayer(_) | NdOption::TargetLinkLayer(_) => 8,
            NdOption::Mtu(_) | NdOption::RaFlags(_) => 8,
            NdOption::PrefixInformation(_) => 32,
            NdOption::RedirectedHeader(packet) => 8 + packet.len(),
            NdOption::Nonce(data) | NdOption::Unknown { data, .. } => 2 + data.len(),
            NdOption::RouteInformation(route) => 8 + route.prefix_field_len(),
            NdOption::Rdnss { servers, .. } => 8 + 16 * servers.len(),
            NdOption::Dnssl { domains, .. } => {
                8 + domains.iter().map(|name| name.encoded_len()).sum::<usize>()
            }
            NdOption::Pref64(_) => 16,
            NdOption::CaptivePortal(uri) => 2 + uri.len(),
        };
        unpadded.next_multiple_of(8)
    }

    /// The option's type.
    pub fn kind(&self) -> u8 {
        match self {
            NdOption::SourceLinkLayer(_) => kind::SOURCE_LINK_LAYER,
            NdOption::TargetLinkLayer(_) => kind::TARGET_LINK_LAYER,
            NdOption::PrefixInformation(_) => kind::PREFIX_INFORMATION,
            NdOption::RedirectedHeader(_) => kind::REDIRECTED_HEADER,
            NdOption::Mtu(_) => kind::MTU,
            NdOption::Nonce(_) => kind::NONCE,
            NdOption::RouteInformation(_) => kind::ROUTE_INFORMATION,
            NdOption::Rdnss { .. } => kind::RDNSS,
            NdOption::Dnssl { .. } => kind::DNSSL,
            NdOption::Pref64(_) => kind::PREF64,
            NdOption::CaptivePortal(_) => kind::CAPTIVE_PORTAL,
            NdOption::RaFlags(_) => kind::RA_FLAGS,
            NdOption::Unknown { kind, .. } => *kind,
        }
    }

    /// Writes the option at the start of `buf`, zero-padded, and returns its length. Nothing is
    /// written on error.
    pub fn write(&self, buf: &mut [u8]) -> Result<usize, EmitError> {
        self.check()?;
        let len = self.encoded_len();
        // The length byte counts up to 255 units.
        let units = u8::try_from(len / 8).map_err(|_| EmitError::Value {
            field: "option length",
            value: len as u64,
        })?;
        let buf = room(buf, len)?;
        buf.fill(0);
        buf[0] = self.kind();
        buf[1] = units;
        let data = &mut buf[2..];
        match self {
            NdOption::SourceLinkLayer(mac) | NdOption::TargetLinkLayer(mac) => put(data, &mac.0),
            NdOption::PrefixInformation(prefix) => prefix.write(data),
            NdOption::RedirectedHeader(packet) => put(&mut data[6..], packet),
            NdOption::Mtu(mtu) => put(&mut data[2..], &mtu.to_be_bytes()),
            NdOption::Nonce(bytes) | NdOption::Unknown { data: bytes, .. } => put(data, bytes),
            NdOption::RouteInformation(route) => route.write(data),
            NdOption::Rdnss { lifetime, servers } => {
                put(&mut data[2..], &lifetime.to_be_bytes());
                for (slot, server) in data[6..].chunks_exact_mut(16).zip(servers.iter()) {
                    put(slot, &server.octets());
                }
            }
            NdOption::Dnssl { lifetime, domains } => {
                put(&mut data[2..], &lifetime.to_be_bytes());
                let mut at = 6;
                for name in domains.iter() {
                    for label in name.labels() {
                        // A label has at most 63 bytes: checked above, or read from the wire.
                        data[at] = label.len() as u8;
                        put(&mut data[at + 1..], label);
                        at += 1 + label.len();
                    }
                    at += 1;
                }
            }
            NdOption::Pref64(pref64) => pref64.write(data),
            NdOption::CaptivePortal(uri) => put(data, uri.as_bytes()),
            NdOption::RaFlags(flags) => put(data, flags),
        }
        Ok(len)
    }

    /// Whether every value fits its field.
    fn check(&self) -> Result<(), EmitError> {
        let wrong = |field, value: u64| Err(EmitError::Value { field, value });
        match self {
            NdOption::PrefixInformation(PrefixInformation { prefix_len, .. })
            | NdOption::RouteInformation(RouteInformation { prefix_len, .. })
                if *prefix_len > 128 =>
            {
                wrong("prefix length", u64::from(*prefix_len))
            }
            NdOption::Pref64(pref64) if pref64.code().is_none() => {
                wrong("prefix length", u64::from(pref64.prefix_len))
            }
            NdOption::Rdnss { servers, .. } if servers.is_empty() => wrong("server count", 0),
            NdOption::Dnssl { domains, .. } => {
                let Some(names) = domains.given() else {
                    return Ok(());
                };
                if names.is_empty() {
                    return wrong("domain count", 0);
                }
                match domains.iter().position(|name| !name.is_valid()) {
                    Some(index) => Err(EmitError::DomainName { index }),
                    None => Ok(()),
                }
            }
            NdOption::CaptivePortal(uri)
                if uri.is_empty() || !uri.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                wrong("URI length", uri.len() as u64)
            }
            _ => Ok(()),
        }
    }
}

/// Copies `bytes` to the start of `to`.
fn put(to: &mut [u8], bytes: &[u8]) {
    to[..bytes.len()].copy_from_slice(bytes);
}

impl PrefixInformation {
    fn write(&self, data: &mut [u8]) {
        data[0] = self.prefix_len;
        data[1] = (self.on_link as u8) << 7
            | (self.autonomous as u8) << 6
            | (self.router_address as u8) << 5
            | (self.dhcpv6_pd_preferred as u8) << 4;
        put(&mut data[2..], &self.valid_lifetime.to_be_bytes());
        put(&mut data[6..], &self.preferred_lifetime.to_be_bytes());
        put(&mut data[14..], &self.prefix.octets());
    }
}

impl RouteInformation {
    /// Bytes of prefix sent: as few as hold the prefix (RFC 4191 section 2.3).
    fn prefix_field_len(&self) -> usize {
        match self.prefix_len {
            0 => 0,
            1..=64 => 8,
            _ => 16,
        }
    }

    fn write(&self, data: &mut [u8]) {
        data[0] = self.prefix_len;
        data[1] = self.preference.to_bits() << 3;
        let truncated = v6::truncated(&self.prefix, self.prefix_len).octets();
        put(&mut data[2..], &self.lifetime.to_be_bytes());
        put(&mut data[6..], &truncated[..self.prefix_field_len()]);
    }
}

impl Pref64 {
    fn code(&self) -> Option<u16> {
        Pref64::LENGTHS
            .iter()
            .position(|&len| len == self.prefix_len)
            .map(|code| code as u16)
    }

    fn write(&self, data: &mut [u8]) {
        let seconds = self.lifetime.min(Pref64::MAX_LIFETIME).next_multiple_of(8);
        put(data, &(seconds | self.code().unwrap_or(0)).to_be_bytes());
        let truncated = v6::truncated(&self.prefix, self.prefix_len).octets();
        put(&mut data[2..], &truncated[..12]);
    }
}
