//! What the machine asks, and the answers.

use super::super::feed::{self, Feed};
use super::super::table::{Table, Trace};
use anyhow::Result;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;

/// The second device's MAC, as `net_pcap1` makes it up.
const SECOND: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x01];

/// Requests of the machine, each of a flow of its own, and the answers to them.
pub struct Feeds {
    pub requests: Feed,
    pub answers: Feed,
    /// The requests, and then the answers.
    pub both: Feed,
    destinations: Vec<IpAddr>,
}

impl Feeds {
    /// Writes them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(dir: &Path, flows: usize) -> Result<Self> {
        let table = Rc::new(Table::few6());
        let destinations = table.destinations(Trace::Uniform, flows);
        let feed = |name: &str, frames: &mut dyn Iterator<Item = Vec<u8>>| {
            let (pcap, table) = (dir.join(name), table.clone());
            feed::write_frames(&pcap, feed::FRAME6, frames)?;
            Ok::<_, anyhow::Error>(Feed { pcap, table })
        };
        let requests = || frames(&destinations);
        let answers = || requests().map(|request| answer(&request));
        let both = &mut requests().chain(answers());
        Ok(Self {
            requests: feed("requests.pcap", &mut requests())?,
            answers: feed("answers.pcap", &mut answers())?,
            both: feed("both.pcap", both)?,
            destinations: destinations.clone(),
        })
    }

    /// The frames of the requests.
    pub fn requests(&self) -> impl Iterator<Item = Vec<u8>> {
        frames(&self.destinations)
    }
}

fn frames(destinations: &[IpAddr]) -> impl Iterator<Item = Vec<u8>> {
    destinations.iter().map(|&to| feed::frame(to))
}

/// The answer to a request over IPv6 and UDP: both ends change places.
fn answer(request: &[u8]) -> Vec<u8> {
    const ADDRESSES: std::ops::Range<usize> = 22..54;
    const PORTS: std::ops::Range<usize> = 54..58;
    let mut answer = request.to_vec();
    answer[..6].copy_from_slice(&SECOND);
    answer[ADDRESSES].rotate_left(16);
    answer[PORTS].rotate_left(2);
    answer
}

/// The same request as the first segment of a TCP connection.
pub fn syn(request: &[u8]) -> Vec<u8> {
    const NEXT_HEADER: usize = 20;
    const UPPER: usize = 54;
    let mut segment = request.to_vec();
    segment[NEXT_HEADER] = 6;
    // Sequence and acknowledgment, 24 bytes of header, SYN, window, and the option of the greatest segment; nobody on the way looks at
    // the checksum.
    segment[UPPER + 4..UPPER + 12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
    segment[UPPER + 12..UPPER + 16].copy_from_slice(&[0x60, 0x02, 0xff, 0xff]);
    segment[UPPER + 20..].copy_from_slice(&[2, 4, 0x05, 0xa0]);
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_both_ends_in_each_other_s_place() {
        let request = feed::frame("2001:db8:8000::7".parse().unwrap());
        let answer = answer(&request);
        assert_eq!(answer[22..38], request[38..54]);
        assert_eq!(answer[38..54], request[22..38]);
        assert_eq!(
            (answer[54..56].to_vec(), answer[56..58].to_vec()),
            (request[56..58].to_vec(), request[54..56].to_vec())
        );
        assert_eq!(answer[..6], SECOND);
        assert_eq!(answer[58..], request[58..]);
    }

    #[test]
    fn a_syn_is_a_whole_segment() {
        let request = feed::frame("2001:db8:8000::7".parse().unwrap());
        let segment = syn(&request);
        let (header, options, data) = wire::tcp::TcpHeader::parse(&segment[54..]).unwrap();
        assert_eq!(header.flags(), wire::tcp::flag::SYN);
        assert_eq!((options.len(), data.len()), (4, 0));
    }

    #[test]
    fn there_is_an_answer_to_each_request() {
        let dir = tempfile::tempdir().unwrap();
        let feeds = Feeds::write(dir.path(), 100).unwrap();
        let len = |feed: &Feed| std::fs::metadata(&feed.pcap).unwrap().len();
        assert_eq!(len(&feeds.requests), 24 + 100 * (16 + feed::FRAME6 as u64));
        assert_eq!(len(&feeds.answers), len(&feeds.requests));
        assert_eq!(len(&feeds.both), 2 * len(&feeds.requests) - 24);
    }
}
