//! The bytes of what one uplink keeps.
//!
//! ```text
//! version 1 (1)   server: length (1), DUID   T1, T2 (8 each)
//! addresses: count (1), each IAID (4), address (16), preferred until, valid until (8 each)
//! prefixes: count (1), each IAID (4), prefix (16), its length (1), excluded prefix (16), its length (1, 0: none), times as above
//! DNS servers: count (1), each an address (16)   domains: count (1), each length (1), text
//! NTP servers: count (1), each 0 and an address (16), or length (1) and name
//! options: count (1), each code (2), length (2), data   reconfigure key: 0, or 1, key (16), replay (8)
//! ```
//!
//! Numbers are big-endian; times are seconds since 1970, all ones for never. A change of the layout takes a new version.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use lease::Wall;

use super::error::RecordError;
use super::held::{
    Binding, Duid, HeldAddress, HeldPrefix, Kept, NtpServer, ReconfigureKey, Settings,
};

const VERSION: u8 = 1;

impl Kept {
    /// The record, which does not hold the name.
    pub fn encode(&self) -> Vec<u8> {
        let lease = &self.lease;
        let mut out = vec![VERSION];
        short(lease.server.as_bytes(), &mut out);
        time(lease.renew_at, &mut out);
        time(lease.rebind_at, &mut out);
        // Counts fit an octet: `packet.rs` reads no more than 128 leases, `settings.rs` no more than 16 of a kind.
        out.push(lease.addresses.len() as u8);
        for held in &lease.addresses {
            out.extend(held.iaid.to_be_bytes());
            out.extend(held.address.octets());
            time(held.preferred_until, &mut out);
            time(held.valid_until, &mut out);
        }
        out.push(lease.prefixes.len() as u8);
        for held in &lease.prefixes {
            out.extend(held.iaid.to_be_bytes());
            for prefix in [Some(held.prefix), held.exclude] {
                let address = prefix.map_or(Ipv6Addr::UNSPECIFIED, |p| p.network());
                out.extend(address.octets());
                out.push(prefix.map_or(0, |p| p.prefix_len()));
            }
            time(held.preferred_until, &mut out);
            time(held.valid_until, &mut out);
        }
        encode_settings(&lease.settings, &mut out);
        match &lease.reconfigure {
            None => out.push(0),
            Some(key) => {
                out.push(1);
                out.extend(key.key);
                out.extend(key.replay.to_be_bytes());
            }
        }
        out
    }

    /// What a record of the interface `name` says.
    ///
    /// # Errors
    /// When it was not written by [`Kept::encode`].
    pub fn decode(name: &str, record: &[u8]) -> Result<Self, RecordError> {
        let mut rest = Rest(record);
        let version = rest.octet("the version")?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let server = Duid::new(rest.short("the server")?);
        let mut lease = Binding {
            server: server.map_err(|_| RecordError::Value("the server"))?,
            renew_at: rest.time("T1")?,
            rebind_at: rest.time("T2")?,
            addresses: Vec::new(),
            prefixes: Vec::new(),
            settings: Settings::default(),
            reconfigure: None,
        };
        for _ in 0..rest.octet("the addresses")? {
            lease.addresses.push(HeldAddress {
                iaid: u32::from_be_bytes(rest.array("an IAID")?),
                address: rest.address("an address")?,
                preferred_until: rest.time("a preferred lifetime")?,
                valid_until: rest.time("a valid lifetime")?,
            });
        }
        for _ in 0..rest.octet("the prefixes")? {
            let iaid = u32::from_be_bytes(rest.array("an IAID")?);
            let prefix = rest.prefix("a prefix")?;
            let exclude = rest.prefix("an excluded prefix")?;
            lease.prefixes.push(HeldPrefix {
                iaid,
                prefix,
                exclude: (exclude.prefix_len() > 0).then_some(exclude),
                preferred_until: rest.time("a preferred lifetime")?,
                valid_until: rest.time("a valid lifetime")?,
            });
        }
        lease.settings = rest.settings()?;
        if rest.octet("the reconfigure key")? != 0 {
            lease.reconfigure = Some(ReconfigureKey {
                key: rest.array("the reconfigure key")?,
                replay: u64::from_be_bytes(rest.array("the replay detection value")?),
            });
        }
        match rest.0.len() {
            0 => Ok(Kept {
                name: name.into(),
                lease,
            }),
            more => Err(RecordError::Trailing(more)),
        }
    }
}

fn encode_settings(settings: &Settings, out: &mut Vec<u8>) {
    out.push(settings.dns_servers.len() as u8);
    out.extend(settings.dns_servers.iter().flat_map(|a| a.octets()));
    out.push(settings.domain_search.len() as u8);
    for domain in &settings.domain_search {
        short(domain.as_bytes(), out);
    }
    out.push(settings.ntp_servers.len() as u8);
    for server in &settings.ntp_servers {
        match server {
            NtpServer::Address(address) => {
                out.push(0);
                out.extend(address.octets());
            }
            NtpServer::Name(name) => short(name.as_bytes(), out),
        }
    }
    let options = settings.options.iter().take(usize::from(u8::MAX));
    out.push(options.len() as u8);
    for (code, data) in options {
        out.extend(code.to_be_bytes());
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
}

/// At most 255 octets: a DUID has 130, a domain 253.
fn short(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(bytes.len() as u8);
    out.extend(bytes);
}

fn time(wall: Wall, out: &mut Vec<u8>) {
    out.extend(wall.as_secs().unwrap_or(u64::MAX).to_be_bytes());
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], RecordError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(RecordError::Short(field))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let (bytes, rest) = self
            .0
            .split_first_chunk()
            .ok_or(RecordError::Short(field))?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn octet(&mut self, field: &'static str) -> Result<u8, RecordError> {
        self.array::<1>(field).map(|[octet]| octet)
    }

    fn short(&mut self, field: &'static str) -> Result<&'a [u8], RecordError> {
        let len = self.octet(field)?;
        self.bytes(usize::from(len), field)
    }

    fn text(&mut self, len: usize, field: &'static str) -> Result<Box<str>, RecordError> {
        let text = std::str::from_utf8(self.bytes(len, field)?);
        text.map(Box::from).map_err(|_| RecordError::Value(field))
    }

    fn time(&mut self, field: &'static str) -> Result<Wall, RecordError> {
        Ok(match u64::from_be_bytes(self.array(field)?) {
            u64::MAX => Wall::NEVER,
            seconds => Wall::from_secs(seconds),
        })
    }

    fn address(&mut self, field: &'static str) -> Result<Ipv6Addr, RecordError> {
        self.array::<16>(field).map(Ipv6Addr::from)
    }

    fn prefix(&mut self, field: &'static str) -> Result<Ipv6Net, RecordError> {
        let address = self.address(field)?;
        let prefix = Ipv6Net::new(address, self.octet(field)?);
        prefix.map_err(|_| RecordError::Value(field))
    }

    fn settings(&mut self) -> Result<Settings, RecordError> {
        let mut settings = Settings::default();
        for _ in 0..self.octet("the DNS servers")? {
            settings.dns_servers.push(self.address("a DNS server")?);
        }
        for _ in 0..self.octet("the domains")? {
            let len = self.octet("a domain")?;
            let domain = self.text(usize::from(len), "a domain")?;
            settings.domain_search.push(domain);
        }
        for _ in 0..self.octet("the NTP servers")? {
            let server = match self.octet("an NTP server")? {
                0 => NtpServer::Address(self.address("an NTP server")?),
                len => NtpServer::Name(self.text(usize::from(len), "an NTP server")?),
            };
            settings.ntp_servers.push(server);
        }
        for _ in 0..self.octet("the options")? {
            let code = u16::from_be_bytes(self.array("an option")?);
            let len = u16::from_be_bytes(self.array("an option")?);
            let data = self.bytes(usize::from(len), "an option")?;
            settings.options.push((code, data.into()));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Kept {
        let wall = Wall::from_secs;
        Kept {
            name: "wan0".into(),
            lease: Binding {
                server: Duid::new(&[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]).unwrap(),
                renew_at: wall(1_000_000),
                rebind_at: Wall::NEVER,
                addresses: vec![HeldAddress {
                    iaid: 7,
                    address: "2001:db8::7".parse().unwrap(),
                    preferred_until: wall(5),
                    valid_until: wall(6),
                }],
                prefixes: vec![HeldPrefix {
                    iaid: 8,
                    prefix: "2001:db8:100::/56".parse().unwrap(),
                    exclude: Some("2001:db8:100:ff::/64".parse().unwrap()),
                    preferred_until: wall(7),
                    valid_until: Wall::NEVER,
                }],
                settings: Settings {
                    dns_servers: vec!["2001:db8::53".parse().unwrap()],
                    domain_search: vec!["example.net".into()],
                    ntp_servers: vec![
                        NtpServer::Address("2001:db8::7b".parse().unwrap()),
                        NtpServer::Name("time.example.net".into()),
                    ],
                    options: vec![(64, Box::from(&b"aftr"[..]))],
                },
                reconfigure: Some(ReconfigureKey {
                    key: [9; 16],
                    replay: 77,
                }),
            },
        }
    }

    #[test]
    fn a_record_comes_back_and_every_cut_of_it_is_refused() {
        let kept = full();
        let record = kept.encode();
        assert_eq!(Kept::decode("wan0", &record), Ok(kept));
        for len in 0..record.len() {
            let cut = Kept::decode("wan0", &record[..len]);
            assert!(matches!(cut, Err(RecordError::Short(_))), "{len}: {cut:?}");
        }
        let longer = [&record[..], &[0]].concat();
        assert_eq!(Kept::decode("wan0", &longer), Err(RecordError::Trailing(1)));
        assert_eq!(Kept::decode("wan0", &[2]), Err(RecordError::Version(2)));
    }

    #[test]
    fn a_length_that_no_prefix_has_is_refused() {
        let mut kept = full();
        kept.lease.addresses.clear();
        let mut record = kept.encode();
        // Version, server, T1, T2, two counts, IAID, prefix.
        let at = 1 + 11 + 16 + 1 + 1 + 4 + 16;
        assert_eq!(record[at], 56);
        record[at] = 129;
        let refused = Err(RecordError::Value("a prefix"));
        assert_eq!(Kept::decode("wan0", &record), refused);
    }
}
