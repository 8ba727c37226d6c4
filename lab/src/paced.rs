//! A paced stream of datagrams to a server that sends them back: how long was the way there and back broken?
//!
//! A datagram a millisecond, numbered. What does not come back within a tenth of a second was lost on one of the ways, or of no use any
//! more; so a gap of *n* is a break of about *n* milliseconds, whichever way it was.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::{Host, Node, Result, netns};

/// Time between two datagrams.
pub const PACE: Duration = Duration::from_millis(1);
/// The server's ports: an IPv6 socket takes IPv4 datagrams too, so each has its own.
const PORT6: u16 = 7076;
const PORT4: u16 = 7077;
/// An answer that takes longer counts as lost.
const LATE: Duration = Duration::from_millis(100);

/// A server that sends back what it gets, on all its addresses; it ends when dropped.
#[derive(Debug)]
pub struct Reflector {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Reflector {
    /// Starts it.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(host: &Host) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for any in [format!("[::]:{PORT6}"), format!("0.0.0.0:{PORT4}")] {
            let socket = bind(host, any.parse()?)?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            let stop = Arc::clone(&stop);
            threads.push(std::thread::spawn(move || {
                let mut buffer = [0; 64];
                while !stop.load(Ordering::Relaxed) {
                    if let Ok((n, from)) = socket.recv_from(&mut buffer) {
                        // What cannot be sent is lost, as it would be on the way.
                        let _ = socket.send_to(&buffer[..n], from);
                    }
                }
            }));
        }
        Ok(Self { stop, threads })
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A stream under way.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: (JoinHandle<()>, JoinHandle<Vec<u64>>),
}

/// What came of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Datagrams sent.
    pub sent: u64,
    /// Numbers of those that did not come back.
    pub lost: Vec<u64>,
}

impl Outcome {
    /// How long the way was broken between two moments, given as numbers of datagrams, milliseconds.
    pub fn broken_between(&self, from: u64, to: u64) -> u64 {
        let lost = self.lost.iter().filter(|n| (from..to).contains(n));
        lost.count() as u64 * PACE.as_millis() as u64
    }
}

impl Stream {
    /// Begins to send from a host to a reflector's address.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn start(host: &Host, to: &str) -> Result<Self> {
        let to = match to.parse()? {
            IpAddr::V6(to) => SocketAddr::from((to, PORT6)),
            IpAddr::V4(to) => SocketAddr::from((to, PORT4)),
        };
        let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = bind(host, any.parse()?)?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let began = Instant::now();
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let sender = {
            let (socket, stop, sent) = (socket.try_clone()?, Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = sent.load(Ordering::Relaxed);
                    let mut datagram = [0; 16];
                    datagram[..8].copy_from_slice(&number.to_be_bytes());
                    let micros = began.elapsed().as_micros() as u64;
                    datagram[8..].copy_from_slice(&micros.to_be_bytes());
                    let _ = socket.send_to(&datagram, to);
                    sent.store(number + 1, Ordering::Relaxed);
                    let due = began + PACE * (number + 1) as u32;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            })
        };
        let receiver = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let (mut back, mut buffer) = (Vec::new(), [0; 64]);
                let mut ends: Option<Instant> = None;
                while ends.is_none_or(|ends| Instant::now() < ends) {
                    if let Ok(16) = socket.recv(&mut buffer) {
                        let field = |at: usize| {
                            let bytes = buffer[at..at + 8].try_into().unwrap_or_default();
                            u64::from_be_bytes(bytes)
                        };
                        let sent = Duration::from_micros(field(8));
                        if began.elapsed().saturating_sub(sent) <= LATE {
                            back.push(field(0));
                        }
                    }
                    if ends.is_none() && stop.load(Ordering::Relaxed) {
                        ends = Some(Instant::now() + LATE);
                    }
                }
                back
            })
        };
        Ok(Self {
            stop,
            sent,
            threads: (sender, receiver),
        })
    }

    /// How many were sent so far: this moment, for [`Outcome::broken_between`].
    pub fn now(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When a thread of it has failed.
    pub fn end(self) -> Result<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        let (sender, receiver) = self.threads;
        let failed = |_| anyhow::anyhow!("a thread of the stream failed");
        sender.join().map_err(failed)?;
        let mut back = receiver.join().map_err(failed)?;
        back.sort_unstable();
        let sent = self.sent.load(Ordering::Relaxed);
        let lost = (0..sent).filter(|n| back.binary_search(n).is_err());
        Ok(Outcome {
            sent,
            lost: lost.collect(),
        })
    }
}

/// A socket in a host's namespace.
fn bind(host: &Host, address: SocketAddr) -> Result<UdpSocket> {
    netns::within(host.netns(), || {
        UdpSocket::bind(address).with_context(|| format!("binding {address}"))
    })
}
