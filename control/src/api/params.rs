//! Query parameters, one by one, so that every fault names its parameter.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use api::{CapturePoint, CaptureRequest, PacketFilter, TraceRequest};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use ipnet::IpNet;

use super::Error;

/// The parameters of a request that no one has asked for yet.
pub(super) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|rejection| Error::invalid("query", rejection.body_text()))
    }
}

impl Params {
    /// Takes a parameter out, read by `read`.
    fn take_as<T, E: Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Error> {
        let Some(at) = self.0.iter().position(|(key, _)| key == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(Error::invalid(name, "given more than once"));
        }
        read(&value)
            .map(Some)
            .map_err(|fault| Error::invalid(name, fault))
    }

    /// Takes a name; an empty one is a mistake.
    pub(super) fn name(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.take_as(name, |value| match value {
            "" => Err("empty"),
            name => Ok(name.to_owned()),
        })
    }

    /// Takes a prefix, host bits zero.
    pub(super) fn prefix(&mut self, name: &str) -> Result<Option<IpNet>, Error> {
        self.take_as(name, |value| {
            read_prefix(value).and_then(|net| no_host_bits(net).map(|()| net))
        })
    }

    /// Takes a word, number or address.
    pub(super) fn parsed<T>(&mut self, name: &str) -> Result<Option<T>, Error>
    where
        T: FromStr<Err: Display>,
    {
        self.take_as(name, str::parse)
    }

    /// Takes an address.
    pub(super) fn address(&mut self, name: &str) -> Result<Option<IpAddr>, Error> {
        self.take_as(name, |value| {
            value
                .parse()
                .map_err(|_| format!("`{value}` is no IPv6 or IPv4 address"))
        })
    }

    /// Takes a count; none is an endless one.
    fn count(&mut self) -> Result<Option<u64>, Error> {
        self.take_as("count", |value| match value.parse() {
            Ok(0) => Err("0 packets: nothing to wait for".to_owned()),
            Ok(count) => Ok(count),
            Err(_) => Err(format!("`{value}` is no number of packets")),
        })
    }

    /// Ends the reading: a parameter that nobody took is unknown.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::invalid(name, "unknown parameter")),
        }
    }

    fn filter(&mut self) -> Result<PacketFilter, Error> {
        // A filter may say `2001:db8::1/64` and mean the prefix.
        let within = |value: &str| read_prefix(value).map(|net| net.trunc());
        Ok(PacketFilter {
            interface: self.name("interface")?,
            src: self.take_as("src", within)?,
            dst: self.take_as("dst", within)?,
            protocol: self.parsed("protocol")?,
        })
    }

    /// The whole of a trace request.
    pub(super) fn trace(mut self) -> Result<TraceRequest, Error> {
        let request = TraceRequest {
            filter: self.filter()?,
            count: self.count()?,
        };
        self.finish()?;
        Ok(request)
    }

    /// The whole of a capture request.
    pub(super) fn capture(mut self) -> Result<CaptureRequest, Error> {
        let snaplen = self.take_as("snaplen", |value| match value.parse() {
            Ok(length @ 1..) => Ok(length),
            _ => Err(format!("`{value}` is no number of bytes from 1 on")),
        })?;
        let request = CaptureRequest {
            filter: self.filter()?,
            point: self.parsed("point")?.unwrap_or(CapturePoint::All),
            count: self.count()?,
            snaplen,
        };
        self.finish()?;
        Ok(request)
    }
}

/// Reads a prefix; an address alone is the prefix that holds only it.
fn read_prefix(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            format!("`{text}` is no prefix, such as 2001:db8::/32 or 192.0.2.0/24, and no address")
        })
}

/// A route's prefix has no host bits: `2001:db8::1/64` is more likely a slip than a wish.
pub(super) fn no_host_bits(net: IpNet) -> Result<(), String> {
    if net.trunc() == net {
        Ok(())
    } else {
        Err(format!(
            "{net} has host bits set; the prefix is {}",
            net.trunc()
        ))
    }
}
