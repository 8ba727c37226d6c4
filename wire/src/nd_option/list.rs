//! Lists inside options: addresses of DNS servers, domain names (RFC 8106).

use std::fmt;
use std::net::Ipv6Addr;

/// One or more IPv6 addresses, read in place or given by a sender.
#[derive(Clone, Copy)]
pub struct AddressList<'a>(Addresses<'a>);

#[derive(Clone, Copy)]
enum Addresses<'a> {
    Wire(&'a [u8]),
    Given(&'a [Ipv6Addr]),
}

impl<'a> AddressList<'a> {
    /// `bytes` as whole addresses, at least one.
    pub(crate) fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        let whole = !bytes.is_empty() && bytes.len().is_multiple_of(16);
        whole.then_some(AddressList(Addresses::Wire(bytes)))
    }

    /// How many addresses.
    pub fn len(&self) -> usize {
        match self.0 {
            Addresses::Wire(bytes) => bytes.len() / 16,
            Addresses::Given(addresses) => addresses.len(),
        }
    }

    /// Whether there is none, as only a sender can say.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The addresses in order.
    pub fn iter(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        let (wire, given): (&[u8], &[Ipv6Addr]) = match self.0 {
            Addresses::Wire(bytes) => (bytes, &[]),
            Addresses::Given(addresses) => (&[], addresses),
        };
        let (chunks, _) = wire.as_chunks::<16>();
        chunks
            .iter()
            .map(|&octets| octets.into())
            .chain(given.iter().copied())
    }
}

impl<'a> From<&'a [Ipv6Addr]> for AddressList<'a> {
    fn from(addresses: &'a [Ipv6Addr]) -> Self {
        AddressList(Addresses::Given(addresses))
    }
}

impl PartialEq for AddressList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for AddressList<'_> {}

impl fmt::Debug for AddressList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One or more domain names, read in place or given by a sender.
#[derive(Clone, Copy)]
pub struct DomainList<'a>(Domains<'a>);

#[derive(Clone, Copy)]
enum Domains<'a> {
    /// Names in the encoding of RFC 1035 section 3.1, uncompressed, then zeros.
    Wire(&'a [u8]),
    Given(&'a [String]),
}

impl<'a> DomainList<'a> {
    /// `bytes` as whole names, at least one, and zeros for padding.
    pub(super) fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut n_names = 0;
        while let Some((_, after)) = split_name(rest) {
            n_names += 1;
            rest = after;
        }
        (n_names > 0 && rest.iter().all(|&b| b == 0)).then_some(DomainList(Domains::Wire(bytes)))
    }

    /// The names given by a sender, `None` when they come from the wire.
    pub(super) fn given(&self) -> Option<&'a [String]> {
        match self.0 {
            Domains::Wire(_) => None,
            Domains::Given(names) => Some(names),
        }
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = DomainName<'a>> + use<'a> {
        let (mut wire, given): (&[u8], &[String]) = match self.0 {
            Domains::Wire(bytes) => (bytes, &[]),
            Domains::Given(names) => (&[], names),
        };
        let wire = std::iter::from_fn(move || {
            let (name, rest) = split_name(wire)?;
            wire = rest;
            Some(DomainName(Name::Wire(name)))
        });
        wire.chain(given.iter().map(|name| DomainName(Name::Given(name))))
    }
}

impl<'a> From<&'a [String]> for DomainList<'a> {
    fn from(names: &'a [String]) -> Self {
        DomainList(Domains::Given(names))
    }
}

impl PartialEq for DomainList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for DomainList<'_> {}

impl fmt::Debug for DomainList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A domain name; its text form, by `Display`, has no final dot.
#[derive(Clone, Copy)]
pub struct DomainName<'a>(Name<'a>);

#[derive(Clone, Copy)]
enum Name<'a> {
    /// Labels with their lengths, without the final zero.
    Wire(&'a [u8]),
    /// A text that need not be a valid name.
    Given(&'a str),
}

impl<'a> DomainName<'a> {
    /// The labels, from the host towards the root.
    pub fn labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut wire, given) = match self.0 {
            Name::Wire(bytes) => (bytes, None),
            Name::Given(text) => (&[][..], Some(text.strip_suffix('.').unwrap_or(text))),
        };
        let wire = std::iter::from_fn(move || {
            let (&len, rest) = wire.split_first()?;
            let (label, rest) = rest.split_at_checked(usize::from(len))?;
            wire = rest;
            Some(label)
        });
        wire.chain(
            given
                .into_iter()
                .flat_map(|text| text.split('.'))
                .map(str::as_bytes),
        )
    }

    /// Whether DNS can encode the name: labels of 1 to 63 bytes, 255 in all. Of a name from the
    /// wire this holds.
    pub(super) fn is_valid(&self) -> bool {
        let mut len = 1;
        let labels_fit = self.labels().all(|label| {
            len += 1 + label.len();
            (1..=MAX_LABEL).contains(&label.len()) && label.iter().all(u8::is_ascii_graphic)
        });
        labels_fit && len <= MAX_NAME
    }

    /// Bytes of the encoding, final zero included.
    pub(super) fn encoded_len(&self) -> usize {
        self.labels().map(|label| 1 + label.len()).sum::<usize>() + 1
    }
}

impl PartialEq for DomainName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.labels().eq(other.labels())
    }
}

impl Eq for DomainName<'_> {}

impl PartialEq<str> for DomainName<'_> {
    fn eq(&self, other: &str) -> bool {
        *self == DomainName(Name::Given(other))
    }
}

impl fmt::Display for DomainName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, label) in self.labels().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            for &byte in label {
                // Bytes outside printable ASCII must not reach a terminal or a log as they are. A
                // name from the wire has none, so that its text is the name again.
                if byte.is_ascii_graphic() {
                    write!(f, "{}", char::from(byte))?;
                } else {
                    write!(f, "{}", byte.escape_ascii())?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DomainName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 255;

/// The first name of `bytes`, without its final zero, and what follows; `None` at padding or a
/// fault.
fn split_name(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = 0;
    loop {
        let len = usize::from(*bytes.get(end)?);
        if len == 0 {
            break;
        }
        let label = bytes.get(end + 1..end + 1 + len)?;
        // Two high bits would be a compression pointer, which this list must not have. A dot or an
        // unprintable byte in a label could not be told apart once the name is text.
        if len > MAX_LABEL || !label.iter().all(|&b| b.is_ascii_graphic() && b != b'.') {
            return None;
        }
        end += 1 + len;
    }
    // The root alone is padding.
    (end > 0 && end < MAX_NAME).then(|| (&bytes[..end], &bytes[end + 1..]))
}
