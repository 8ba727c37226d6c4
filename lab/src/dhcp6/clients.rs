//! The virtual clients of a host.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::socket::{setsockopt, sockopt};

use super::message::{self, Answer, Granted, Question, What};
use crate::{Host, Node, Result, netns};

/// All_DHCP_Relay_Agents_and_Servers (RFC 8415 section 7.1), and the ports of section 7.2.
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const SERVER_PORT: u16 = 547;
const CLIENT_PORT: u16 = 546;
/// Bits of a transaction identifier that say which place an exchange has; the others tell one exchange from the next.
const PLACE_BITS: u32 = 10;
/// The longest wait for a message, so that time running out is noticed.
const TICK: Duration = Duration::from_millis(5);

/// What the clients shall do.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// What each wants.
    pub what: What,
    /// Leases to renew, over and over. Empty: each client is a new one and asks for its first lease in four messages.
    pub renew: &'a [Granted],
    /// The number of the first new client.
    pub first: u32,
    /// New clients, or renewals, at most.
    pub count: u32,
    /// Exchanges under way at the same time, up to 1,024.
    pub window: usize,
    /// For how long exchanges are begun.
    pub length: Duration,
    /// An exchange that takes longer has failed.
    pub patience: Duration,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Exchanges begun.
    pub begun: u32,
    /// Exchanges that got no Reply in time.
    pub lost: u32,
    /// Replies that granted nothing.
    pub refused: u32,
    /// What was acknowledged by a Reply, in order.
    pub granted: Vec<Granted>,
    /// How long each of those exchanges took, from its first message to its Reply.
    pub took: Vec<Duration>,
    /// From the first message to the last Reply.
    pub elapsed: Duration,
}

impl Tally {
    /// Acknowledged exchanges a second.
    pub fn rate(&self) -> f64 {
        self.granted.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The share of exchanges that were lost.
    pub fn lost_share(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.begun.max(1))
    }

    /// The time that this share of the exchanges kept within; zero of none.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        let at = (share * sorted.len() as f64).ceil() as usize;
        sorted
            .get(at.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

/// What another thread may see of a plan under way, and say to it.
#[derive(Debug, Default)]
pub struct Watch {
    /// Exchanges acknowledged so far.
    pub granted: AtomicU32,
    /// Begin no more of them.
    pub stop: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub struct Clients {
    socket: UdpSocket,
    servers: SocketAddrV6,
    /// The server's DUID, once one has answered.
    server: Vec<u8>,
    /// Tells exchanges of one place apart, also those of an earlier plan.
    generation: u32,
}

/// An exchange under way.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    transaction: u32,
    client: u32,
    /// What it waits for.
    awaits: u8,
    began: Instant,
}

impl Clients {
    /// Clients on a host's interface, which must have its link-local address.
    ///
    /// # Errors
    /// When the host has no such address, or something else has the port.
    pub fn on(host: &Host, dev: &str) -> Result<Self> {
        let own = host.link_local(dev)?;
        let index = host.ok(&format!("cat /sys/class/net/{dev}/ifindex"))?;
        let index: u32 = index.trim().parse()?;
        let local = SocketAddrV6::new(own, CLIENT_PORT, 0, index);
        let socket = netns::within(host.netns(), || {
            UdpSocket::bind(local).context("binding the clients' port")
        })?;
        setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20))?;
        socket.set_read_timeout(Some(TICK))?;
        Ok(Self {
            socket,
            servers: SocketAddrV6::new(SERVERS, SERVER_PORT, 0, index),
            server: Vec::new(),
            generation: 0,
        })
    }

    /// Carries out a plan, or as much of it as there is time for until `watch` says stop.
    ///
    /// # Errors
    /// When the kernel refuses a packet.
    pub fn run(&mut self, plan: &Plan<'_>, watch: &Watch) -> Result<Tally> {
        ensure!(
            0 < plan.window && plan.window <= 1 << PLACE_BITS,
            "a window of 1 to 1024"
        );
        let mut tally = Tally::default();
        let mut places: Vec<Option<Exchange>> = vec![None; plan.window];
        let mut free: Vec<usize> = (0..plan.window).rev().collect();
        let (mut buffer, mut bytes) = (vec![0; 65_536], Vec::new());
        let started = Instant::now();
        let mut swept = started;
        loop {
            let now = Instant::now();
            let open = now - started < plan.length
                && tally.begun < plan.count
                && !watch.stop.load(Ordering::Relaxed);
            while open && tally.begun < plan.count {
                let Some(place) = free.pop() else { break };
                places[place] = Some(self.begin(plan, place, tally.begun, &mut bytes)?);
                tally.begun += 1;
            }
            if !open && free.len() == plan.window {
                return Ok(tally);
            }
            if TICK <= now - swept {
                swept = now;
                for (place, exchange) in places.iter_mut().enumerate() {
                    if exchange.is_some_and(|e| plan.patience <= now - e.began) {
                        *exchange = None;
                        free.push(place);
                        tally.lost += 1;
                    }
                }
            }
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => len,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    continue;
                }
                Err(error) => return Err(error).context("waiting for the server"),
            };
            let Some(answer) = Answer::read(&buffer[..len]) else {
                continue;
            };
            let place = (answer.transaction & ((1 << PLACE_BITS) - 1)) as usize;
            let Some(slot) = places.get_mut(place) else {
                continue;
            };
            // Anything else answers an exchange that was given up.
            let Some(exchange) =
                slot.filter(|e| e.transaction == answer.transaction && e.awaits == answer.kind)
            else {
                continue;
            };
            if self.server != answer.server {
                self.server = answer.server.to_vec();
            }
            let granted = answer.granted.filter(|g| g.client == exchange.client);
            if let (message::ADVERTISE, Some(offered)) = (answer.kind, granted) {
                *slot = Some(Exchange {
                    awaits: message::REPLY,
                    ..exchange
                });
                self.send(
                    message::REQUEST,
                    plan.what,
                    &exchange,
                    Some(offered),
                    &mut bytes,
                )?;
                continue;
            }
            *slot = None;
            free.push(place);
            match granted {
                Some(granted) => {
                    let now = Instant::now();
                    tally.granted.push(granted);
                    watch.granted.fetch_add(1, Ordering::Relaxed);
                    tally.took.push(now - exchange.began);
                    tally.elapsed = now - started;
                }
                None => tally.refused += 1,
            }
        }
    }

    /// Sends the first message of the plan's `n`th exchange.
    fn begin(
        &mut self,
        plan: &Plan<'_>,
        place: usize,
        n: u32,
        bytes: &mut Vec<u8>,
    ) -> Result<Exchange> {
        self.generation = self.generation.wrapping_add(1);
        let renewed = (!plan.renew.is_empty()).then(|| plan.renew[n as usize % plan.renew.len()]);
        let exchange = Exchange {
            transaction: (self.generation << PLACE_BITS | place as u32) & 0xff_ffff,
            client: renewed.map_or(plan.first + n, |granted| granted.client),
            awaits: match renewed {
                Some(_) => message::REPLY,
                None => message::ADVERTISE,
            },
            began: Instant::now(),
        };
        let kind = match renewed {
            Some(_) => message::RENEW,
            None => message::SOLICIT,
        };
        self.send(kind, plan.what, &exchange, renewed, bytes)?;
        Ok(exchange)
    }

    fn send(
        &self,
        kind: u8,
        what: What,
        exchange: &Exchange,
        granted: Option<Granted>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let server = match kind {
            message::SOLICIT => &[],
            _ => self.server.as_slice(),
        };
        let question = Question {
            kind,
            transaction: exchange.transaction,
            client: exchange.client,
            what,
            server,
            granted,
        };
        question.write(bytes);
        match self.socket.send_to(bytes, self.servers) {
            Ok(_) => Ok(()),
            // A queue that is full loses packets, as a wire does.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
            Err(error) => Err(error).context("asking the server"),
        }
    }
}
