//! Settings to options: what the client requests of what is configured (RFC 8415 sections 18.3 and 21.7).

use std::net::Ipv6Addr;
use std::time::Duration;

use super::config::{NtpServer, RawOption, Settings};
use super::option::code;
use super::packet::{Fqdn, Message, MessageType};
use super::writer::Writer;

/// Writes the settings that `message` requests; `own` are those of the client's reservation, which hold before the link's.
pub(super) fn write(w: &mut Writer, message: &Message<'_>, settings: &Settings, own: &[RawOption]) {
    for option in own {
        raw(w, message, option);
    }
    let wanted =
        |code: u16| message.requests(code) && !own.iter().any(|option| option.code == code);
    if wanted(code::DNS_SERVERS) && !settings.dns_servers.is_empty() {
        w.option(code::DNS_SERVERS, |w| addresses(w, &settings.dns_servers));
    }
    if wanted(code::DOMAIN_LIST) && !settings.domain_search.is_empty() {
        w.option(code::DOMAIN_LIST, |w| {
            for domain in &settings.domain_search {
                w.domain(domain);
            }
        });
    }
    if wanted(code::NTP_SERVER) && !settings.ntp_servers.is_empty() {
        w.option(code::NTP_SERVER, |w| {
            for server in &settings.ntp_servers {
                ntp(w, server);
            }
        });
    }
    if let Some(url) = settings
        .bootfile_url
        .as_ref()
        .filter(|_| wanted(code::BOOTFILE_URL))
    {
        w.data(code::BOOTFILE_URL, url.as_bytes());
    }
    if wanted(code::BOOTFILE_PARAM) && !settings.bootfile_params.is_empty() {
        w.option(code::BOOTFILE_PARAM, |w| {
            for param in &settings.bootfile_params {
                w.counted(|w| w.bytes(param.as_bytes()));
            }
        });
    }
    if wanted(code::VENDOR_OPTS) {
        // A client that has named its vendor has no use for others' options.
        let of_vendor = |enterprise| message.vendor.is_none_or(|vendor| vendor == enterprise);
        for vendor in settings.vendor.iter().filter(|v| of_vendor(v.enterprise)) {
            w.option(code::VENDOR_OPTS, |w| {
                w.u32(vendor.enterprise);
                for (code, data) in &vendor.options {
                    w.data(*code, data);
                }
            });
        }
    }
    // Only Replies to Information-requests may have it (RFC 8415 section 21.23).
    let stateless = message.kind == MessageType::InformationRequest;
    let refresh = settings.information_refresh_time;
    for (code, time) in [
        (
            code::INFORMATION_REFRESH_TIME,
            refresh.filter(|_| stateless),
        ),
        (code::SOL_MAX_RT, settings.sol_max_rt),
        (code::INF_MAX_RT, settings.inf_max_rt),
    ] {
        if let Some(time) = time.filter(|_| wanted(code)) {
            w.option(code, |w| w.u32(seconds(time)));
        }
    }
    if settings.address_registration && message.requests(code::ADDR_REG_ENABLE) {
        w.data(code::ADDR_REG_ENABLE, &[]);
    }
    for option in &settings.extra {
        if !own.iter().any(|mine| mine.code == option.code) {
            raw(w, message, option);
        }
    }
}

fn raw(w: &mut Writer, message: &Message<'_>, option: &RawOption) {
    if option.always || message.requests(option.code) {
        w.data(option.code, &option.data);
    }
}

fn addresses(w: &mut Writer, addresses: &[Ipv6Addr]) {
    for address in addresses {
        w.address(*address);
    }
}

/// One suboption (RFC 5908 sections 4.1 to 4.3).
fn ntp(w: &mut Writer, server: &NtpServer) {
    match server {
        NtpServer::Address(address) => w.data(1, &address.octets()),
        NtpServer::Multicast(address) => w.data(2, &address.octets()),
        NtpServer::Name(name) => w.option(3, |w| w.domain(name)),
    }
}

/// Whole seconds as they stand on the wire.
pub(super) fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// The S bit of a Client FQDN option: the server updates the AAAA record (RFC 4704 section 4.1).
const S: u8 = 1;
/// The O bit: the server has overridden the client's S.
const O: u8 = 2;
/// The N bit: the server updates nothing.
const N: u8 = 4;

/// The answer to a Client FQDN option (RFC 4704 section 6), for a client that requests it.
///
/// This server updates no DNS: N is set, S is clear, and O tells a client that wanted S that it was not followed. A partial
/// name is completed by the domain configured.
pub(super) fn write_fqdn(w: &mut Writer, message: &Message<'_>, settings: &Settings) {
    let Some(fqdn) = message.fqdn.filter(|_| message.requests(code::CLIENT_FQDN)) else {
        return;
    };
    w.option(code::CLIENT_FQDN, |w| {
        w.u8(N | if fqdn.flags & S != 0 { O } else { 0 });
        w.bytes(fqdn.name);
        let is_partial = fqdn.name.last() != Some(&0) && !fqdn.name.is_empty();
        // A name has at most 255 octets (RFC 1035 section 2.3.4): a longer one stays the part that it is.
        let fits = |domain: &&String| fqdn.name.len() + domain.len() + 2 <= 255;
        if let Some(domain) = settings.fqdn_domain.as_ref().filter(fits)
            && is_partial
        {
            w.domain(domain);
        }
    });
}

/// The client's name as a text, when it is one of letters, digits and hyphens.
pub(super) fn hostname(fqdn: &Fqdn<'_>, domain: Option<&str>) -> Option<Box<str>> {
    let (mut name, mut rest) = (String::new(), fqdn.name);
    while let Some((&len, after)) = rest.split_first() {
        let (label, after) = after.split_at_checked(len.into())?;
        if label.is_empty() {
            return (!name.is_empty()).then(|| name.into());
        }
        let word = |b: &u8| b.is_ascii_alphanumeric() || b"-_".contains(b);
        let label = std::str::from_utf8(label).ok()?;
        if !label.as_bytes().iter().all(word) {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&label.to_ascii_lowercase());
        rest = after;
    }
    if name.is_empty() {
        return None;
    }
    if let Some(domain) = domain {
        name.push('.');
        name.push_str(domain.trim_end_matches('.'));
    }
    Some(name.into())
}
