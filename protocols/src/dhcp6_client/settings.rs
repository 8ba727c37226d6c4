//! What servers say beside leases, from bytes. Lists are cut at [`MAX`] entries: they come from outside.

use std::net::Ipv6Addr;

use super::held::{NtpServer, Settings};
use super::option::{Invalid, LeftOut};
use crate::dhcp6_wire::{Tlvs, exactly};

/// Most servers or domains of one kind.
const MAX: usize = 16;

/// Suboptions of NTP Server (RFC 5908 section 4).
mod ntp {
    pub(super) const SERVER: u16 = 1;
    pub(super) const GROUP: u16 = 2;
    pub(super) const NAME: u16 = 3;
}

fn addresses(data: &[u8]) -> Result<impl Iterator<Item = Ipv6Addr> + '_, Invalid> {
    let (addresses, []) = data.as_chunks::<16>() else {
        return Err(Invalid::OptionLength);
    };
    Ok(addresses.iter().map(|octets| Ipv6Addr::from(*octets)))
}

/// Name servers (RFC 3646 section 3). Nobody answers at an unspecified, loopback or multicast address.
pub(super) fn read_dns(data: &[u8], settings: &mut Settings) -> Result<(), Invalid> {
    for server in addresses(data)?.filter(is_host) {
        if settings.dns_servers.len() < MAX && !settings.dns_servers.contains(&server) {
            settings.dns_servers.push(server);
        }
    }
    Ok(())
}

/// The domain search list (RFC 3646 section 4). From the first fault on, nothing can be read.
pub(super) fn read_search(mut data: &[u8], settings: &mut Settings, left_out: &mut Vec<LeftOut>) {
    while !data.is_empty() {
        let Some((name, rest)) = read_name(data) else {
            left_out.push(LeftOut::DomainName);
            return;
        };
        if settings.domain_search.len() < MAX && !settings.domain_search.contains(&name) {
            settings.domain_search.push(name);
        }
        data = rest;
    }
}

/// An NTP Server option (RFC 5908): one suboption, but more are read, too.
pub(super) fn read_ntp(
    data: &[u8],
    settings: &mut Settings,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), Invalid> {
    for suboption in Tlvs(data) {
        let (code, data) = suboption?;
        match code {
            ntp::SERVER | ntp::GROUP => {
                add_ntp(settings, NtpServer::Address(exactly::<16>(data)?.into()));
            }
            ntp::NAME => match read_name(data) {
                Some((name, [])) => add_ntp(settings, NtpServer::Name(name)),
                _ => left_out.push(LeftOut::DomainName),
            },
            _ => {}
        }
    }
    Ok(())
}

/// SNTP servers (RFC 4075), as older servers say them.
pub(super) fn read_sntp(data: &[u8], settings: &mut Settings) -> Result<(), Invalid> {
    for server in addresses(data)?.filter(is_host) {
        add_ntp(settings, NtpServer::Address(server));
    }
    Ok(())
}

fn add_ntp(settings: &mut Settings, server: NtpServer) {
    if settings.ntp_servers.len() < MAX && !settings.ntp_servers.contains(&server) {
        settings.ntp_servers.push(server);
    }
}

fn is_host(address: &Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast())
}

/// A name in labels, without compression (RFC 8415 section 10), of the letters that host names have: names end up in files
/// of others. `None` when it is none.
fn read_name(mut data: &[u8]) -> Option<(Box<str>, &[u8])> {
    let mut name = String::new();
    loop {
        let (&len, rest) = data.split_first()?;
        if len == 0 {
            return (!name.is_empty()).then(|| (name.into_boxed_str(), rest));
        }
        if len > 63 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(len))?;
        let is_letter = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        if !label.iter().all(is_letter) {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|c| char::from(*c)));
        if name.len() > 253 {
            return None;
        }
        data = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_up_to_the_first_that_is_none() {
        let mut settings = Settings::default();
        let mut left_out = Vec::new();
        read_search(
            b"\x02ab\x01c\0\x01d\0\x03a b\0\x01e\0",
            &mut settings,
            &mut left_out,
        );
        assert_eq!(settings.domain_search, ["ab.c".into(), "d".into()]);
        assert_eq!(left_out, [LeftOut::DomainName]);
        for bad in [&b"\0"[..], b"\x05ab", b"\xc0\x0c", b"\x01a", &[63; 64]] {
            assert_eq!(read_name(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn name_servers_are_hosts_and_said_once() {
        let mut data = Vec::new();
        for text in ["2001:db8::53", "::", "ff02::1", "2001:db8::53", "fe80::1"] {
            data.extend(text.parse::<Ipv6Addr>().unwrap().octets());
        }
        let mut settings = Settings::default();
        assert_eq!(read_dns(&data, &mut settings), Ok(()));
        let expected: [Ipv6Addr; 2] = ["2001:db8::53".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(settings.dns_servers, expected);
        assert_eq!(
            read_dns(&data[1..], &mut settings),
            Err(Invalid::OptionLength)
        );
        assert_eq!(read_sntp(&data[..16], &mut settings), Ok(()));
        assert_eq!(settings.ntp_servers, [NtpServer::Address(expected[0])]);
    }

    #[test]
    fn time_servers_have_addresses_or_names() {
        let mut data = vec![0, 1, 0, 16];
        data.extend("2001:db8::7b".parse::<Ipv6Addr>().unwrap().octets());
        data.extend(b"\0\x03\0\x08\x04time\x01a\0\0\x09\0\0");
        let (mut settings, mut left_out) = (Settings::default(), Vec::new());
        assert_eq!(read_ntp(&data, &mut settings, &mut left_out), Ok(()));
        let address = NtpServer::Address("2001:db8::7b".parse().unwrap());
        assert_eq!(
            settings.ntp_servers,
            [address, NtpServer::Name("time.a".into())]
        );
        assert!(left_out.is_empty());
        let short = read_ntp(&[0, 1, 0, 1, 9], &mut settings, &mut left_out);
        assert_eq!(short, Err(Invalid::OptionLength));
    }
}
