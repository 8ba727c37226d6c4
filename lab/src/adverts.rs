//! Who advertised virtual routers on a link, when: out of a capture.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::Result;

/// VRRP's number as an IP protocol.
const VRRP: u8 = 112;

/// An advertisement that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    /// When, since the epoch.
    pub at: Duration,
    /// Who.
    pub source: IpAddr,
    /// The virtual router.
    pub vrid: u8,
    /// 0: it gives up.
    pub priority: u8,
}

/// Reads a capture of Ethernet (classic pcap, microseconds, little endian, as `tcpdump -w` writes it here).
///
/// # Errors
/// When the file is no such capture.
pub fn read(pcap: &Path) -> Result<Vec<Advert>> {
    const HEADER: usize = 24;
    let bytes = std::fs::read(pcap)?;
    ensure!(
        bytes.get(..4) == Some(&[0xd4, 0xc3, 0xb2, 0xa1]),
        "{} is no capture",
        pcap.display()
    );
    let mut rest = &bytes[HEADER.min(bytes.len())..];
    let mut all = Vec::new();
    while let Some((record, after)) = rest.split_at_checked(16) {
        let word = |at: usize| {
            let word = record[at..at + 4].try_into().unwrap_or_default();
            u32::from_le_bytes(word)
        };
        let length = word(8) as usize;
        let Some((frame, after)) = after.split_at_checked(length) else {
            break;
        };
        let at =
            Duration::from_secs(u64::from(word(0))) + Duration::from_micros(u64::from(word(4)));
        all.extend(advert(at, frame));
        rest = after;
    }
    Ok(all)
}

/// From when to when.
type Span = (Duration, Duration);

fn advert(at: Duration, frame: &[u8]) -> Option<Advert> {
    let ip = frame.get(14..)?;
    let (source, vrrp): (IpAddr, &[u8]) = match frame.get(12..14)? {
        [0x86, 0xdd] if *ip.get(6)? == VRRP => {
            let source: [u8; 16] = ip.get(8..24)?.try_into().ok()?;
            (Ipv6Addr::from(source).into(), ip.get(40..)?)
        }
        [0x08, 0x00] if *ip.get(9)? == VRRP => {
            let source: [u8; 4] = ip.get(12..16)?.try_into().ok()?;
            let header = usize::from(ip[0] & 15) * 4;
            (Ipv4Addr::from(source).into(), ip.get(header..)?)
        }
        _ => return None,
    };
    Some(Advert {
        at,
        source,
        vrid: *vrrp.get(1)?,
        priority: *vrrp.get(2)?,
    })
}

/// How long two routers were active for one virtual router at the same time, each time that they were. One counts as active from an
/// advertisement to the next, if that comes within `gap`.
///
/// # Errors
/// When there is no advertisement.
pub fn splits(adverts: &[Advert], gap: Duration) -> Result<Vec<Duration>> {
    ensure!(!adverts.is_empty(), "no advertisement was seen");
    // Of each virtual router of each IP version and each source: from when to when.
    let mut spans: BTreeMap<(bool, u8), BTreeMap<IpAddr, Vec<Span>>> = BTreeMap::new();
    for advert in adverts.iter().filter(|advert| advert.priority > 0) {
        let group = (advert.source.is_ipv6(), advert.vrid);
        let sources = spans.entry(group).or_default();
        let spans = sources.entry(advert.source).or_default();
        match spans.last_mut() {
            Some((_, until)) if advert.at.saturating_sub(*until) <= gap => *until = advert.at,
            _ => spans.push((advert.at, advert.at)),
        }
    }
    let mut splits = Vec::new();
    for sources in spans.values() {
        let all: Vec<_> = sources.values().collect();
        for (n, one) in all.iter().enumerate() {
            for other in &all[n + 1..] {
                for (from, until) in one.iter() {
                    let both = other.iter().filter_map(|(begin, end)| {
                        let (begin, end) = (begin.max(from), end.min(until));
                        end.checked_sub(*begin)
                    });
                    splits.extend(both);
                }
            }
        }
    }
    Ok(splits)
}

/// The greatest.
///
/// # Errors
/// When there is none.
pub fn longest(splits: &[Duration]) -> Result<Duration> {
    splits.iter().max().copied().context("no split")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(at: u64, last: u8) -> Advert {
        Advert {
            at: Duration::from_millis(at),
            source: Ipv4Addr::new(192, 0, 2, last).into(),
            vrid: 61,
            priority: 100,
        }
    }

    #[test]
    fn both_are_active_while_the_words_of_one_are_between_those_of_the_other() {
        let gap = Duration::from_millis(35);
        let one_after_the_other = [0, 10, 20].map(|at| said(at, 2)).into_iter();
        let one_after_the_other = one_after_the_other.chain([30, 40, 50].map(|at| said(at, 3)));
        let found = splits(&one_after_the_other.collect::<Vec<_>>(), gap).unwrap();
        assert_eq!(found, []);
        let both = [
            said(0, 2),
            said(10, 2),
            said(12, 3),
            said(20, 2),
            said(22, 3),
            said(30, 2),
        ];
        let found = splits(&both, gap).unwrap();
        assert_eq!(found, [Duration::from_millis(10)]);
        // What lies between two times of one is its rest.
        let between = [
            said(0, 2),
            said(10, 2),
            said(60, 3),
            said(70, 3),
            said(200, 2),
        ];
        assert_eq!(splits(&between, gap).unwrap(), []);
        assert!(splits(&[], gap).is_err());
    }

    #[test]
    fn both_ip_versions_are_read() {
        let mut six = vec![0; 14 + 40 + 8];
        (six[12], six[13]) = (0x86, 0xdd);
        six[14 + 6] = VRRP;
        six[14 + 8] = 0xfe;
        (six[54], six[55], six[56]) = (0x31, 61, 200);
        let six = advert(Duration::ZERO, &six).unwrap();
        assert_eq!((six.vrid, six.priority), (61, 200));
        assert!(six.source.is_ipv6());
        let mut four = vec![0; 14 + 20 + 8];
        (four[12], four[14], four[14 + 9]) = (0x08, 0x45, VRRP);
        (four[35], four[36]) = (62, 0);
        let four = advert(Duration::ZERO, &four).unwrap();
        assert_eq!((four.vrid, four.priority), (62, 0));
        assert_eq!(advert(Duration::ZERO, &[0; 60]), None);
        assert_eq!(advert(Duration::ZERO, &[]), None);
    }
}
