//! What stands beside an attack: a transfer that must lose nothing, an ear at the victim, and what the victim knows.

use crate::process::Daemon;
use crate::{Host, Result, wait_for};
use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use std::time::Duration;

/// Answers every connection with what it hears.
const ECHO: &str = r#"
import socket, threading
server = socket.create_server(("::", 9000), family=socket.AF_INET6, backlog=16)
print("listening", flush=True)
def serve(peer):
    while data := peer.recv(65536):
        peer.sendall(data)
    peer.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"#;

/// Sends random blocks for so many seconds, and compares what comes back.
const TRANSFER: &str = r#"
import hashlib, os, socket, sys, threading, time
peer = socket.create_connection((sys.argv[1], 9000), timeout=20)
print("connected", flush=True)
end = time.monotonic() + float(sys.argv[2])
sent, back, n_sent, n_back = hashlib.sha256(), hashlib.sha256(), 0, 0
def send():
    global n_sent
    while time.monotonic() < end:
        block = os.urandom(4000)
        peer.sendall(block)
        sent.update(block)
        n_sent += len(block)
        time.sleep(0.01)
    peer.shutdown(socket.SHUT_WR)
sender = threading.Thread(target=send)
sender.start()
while data := peer.recv(65536):
    back.update(data)
    n_back += len(data)
sender.join()
print("complete" if sent.digest() == back.digest() else "broken", n_sent, n_back, flush=True)
"#;

/// Tells of every frame that somebody else than the router sent here, but for what an honest neighbour says of itself: neighbour
/// discovery and ARP of its own addresses, and MLD reports.
const EAR: &str = r#"
import socket, sys
router, others = sys.argv[1], dict(word.split("=") for word in sys.argv[2:])
def packed(a):
    return socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)
own = {mac: [packed(a) for a in text.split(",")] for mac, text in others.items()}
def honest(f, mac):
    addresses = own.get(mac)
    if addresses is None:
        return False
    if f[12:14] == b"\x08\x06":
        return f[22:28] == f[6:12] and f[28:32] in addresses
    if f[12:14] != b"\x86\xdd":
        return False
    source, payload = f[22:38], f[54:]
    if f[20] == 0 and payload[:2] == b"\x3a\x00":
        return payload[8] == 143
    if f[20] != 58 or f[21] != 255:
        return False
    if payload[0] == 135:
        return source in addresses or source == bytes(16) and payload[8:24] in addresses
    return payload[0] == 136 and source in addresses and payload[8:24] in addresses
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
s.bind(("eth0", 0))
print("listening", flush=True)
heard = 0
while True:
    f, (_, _, kind, _, _) = s.recvfrom(65536)
    mac = f[6:12].hex(":")
    if kind == 4 or mac == router or honest(f, mac):
        continue
    heard += 1
    if heard <= 20:
        print("heard", f[:90].hex(), flush=True)
"#;

/// A host that answers transfers, until it is dropped.
#[derive(Debug)]
pub struct Echo(Daemon);

impl Echo {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not listen within 10 s.
    pub fn start(host: &Host) -> Result<Self> {
        let daemon = host.python(ECHO, "")?;
        said(&daemon, "listening")?;
        Ok(Self(daemon))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.0.is_running()
    }
}

/// A TCP transfer there and back.
#[derive(Debug)]
pub struct Transfer(Daemon);

impl Transfer {
    /// Begins one to an [`Echo`] that sends for so long.
    ///
    /// # Errors
    /// When there is no connection within 10 s.
    pub fn start(host: &Host, to: &str, length: Duration) -> Result<Self> {
        let daemon = host.python(TRANSFER, &format!("{to} {}", length.as_secs_f32()))?;
        said(&daemon, "connected")?;
        Ok(Self(daemon))
    }

    /// Waits until everything has come back; gives the number of bytes.
    ///
    /// # Errors
    /// When something is missing or another than what was sent, or it hangs for 30 s.
    pub fn complete(mut self) -> Result<u64> {
        self.0.wait(Duration::from_secs(40))?;
        let log = self.0.log();
        let line = log.lines().find_map(|line| line.strip_prefix("complete "));
        let mut words = line
            .with_context(|| format!("the transfer is not complete: {log}"))?
            .split(' ');
        let (sent, back) = (words.next(), words.next());
        ensure!(sent == back, "the transfer lost bytes: {log}");
        let bytes: u64 = sent.unwrap_or_default().parse()?;
        ensure!(0 < bytes, "nothing was transferred");
        Ok(bytes)
    }
}

/// Who listens at a victim for what must not come.
#[derive(Debug)]
pub struct Ear(Daemon);

impl Ear {
    /// Starts it. `router` may send everything, `neighbours` (MAC and own addresses) what an honest neighbour does.
    ///
    /// # Errors
    /// When it does not listen within 10 s.
    pub fn start(host: &Host, router: &str, neighbours: &[(String, Vec<String>)]) -> Result<Self> {
        let mut args = router.to_owned();
        for (mac, addresses) in neighbours {
            args.push_str(&format!(" {mac}={}", addresses.join(",")));
        }
        let daemon = host.python(EAR, &args)?;
        said(&daemon, "listening")?;
        Ok(Self(daemon))
    }

    /// The first frames that came, in hexadecimal.
    ///
    /// # Errors
    /// When the ear has ended by itself.
    pub fn heard(&mut self) -> Result<Vec<String>> {
        ensure!(self.0.is_running(), "the ear has ended: {}", self.0.log());
        let log = self.0.log();
        let frames = log.lines().filter_map(|line| line.strip_prefix("heard "));
        Ok(frames.map(str::to_owned).collect())
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn stop(mut self) -> Result<()> {
        self.0.signal(Signal::SIGTERM)?;
        self.0.wait(Duration::from_secs(5)).map(drop)
    }
}

fn said(daemon: &Daemon, word: &str) -> Result<()> {
    let limit = Duration::from_secs(20);
    wait_for(limit, word, || daemon.log().contains(word).then_some(()))
        .with_context(|| daemon.log())
}

/// What a host knows that an attack wants to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// Addresses, those of duplicate detection's failures marked, sorted.
    pub addresses: Vec<String>,
    /// The default routes without what changes with time.
    pub defaults: Vec<String>,
    /// Routes to prefixes on the link.
    pub on_link: Vec<String>,
    /// The way to `to`: gateway and source.
    pub way: String,
    /// The router's MAC, as it is known.
    pub router_mac: Option<String>,
}

impl Knowledge {
    /// What `host` knows on `eth0`; `to` is an address behind the router, whose link-local address is `router`.
    ///
    /// # Errors
    /// When `ip` fails or speaks in riddles.
    pub fn of(host: &Host, router: &str, to: &str) -> Result<Self> {
        let parse = |text: String| serde_json::from_str::<serde_json::Value>(&text);
        let links = parse(host.ok("ip -j addr show dev eth0")?)?;
        let infos = links[0]["addr_info"].as_array().into_iter().flatten();
        let mut addresses: Vec<String> = infos
            .map(|info| {
                let failed = info["dadfailed"].as_bool() == Some(true);
                let mark = if failed { " dadfailed" } else { "" };
                format!("{}{mark}", info["local"].as_str().unwrap_or_default())
            })
            .collect();
        addresses.sort();
        let routes = parse(host.ok("ip -j -6 route show dev eth0")?)?;
        let (mut defaults, mut on_link) = (Vec::new(), Vec::new());
        for route in routes.as_array().into_iter().flatten() {
            let to = route["dst"].as_str().unwrap_or_default();
            let via = route["gateway"].as_str().unwrap_or("link");
            match to {
                "default" => defaults.push(format!("{via} {}", route["pref"])),
                _ => on_link.push(format!("{to} {via}")),
            }
        }
        on_link.sort();
        let way = parse(host.ok(&format!("ip -j -6 route get {to}"))?)?;
        let way = format!("{} {}", way[0]["gateway"], way[0]["prefsrc"]);
        let neighbors = parse(host.ok(&format!("ip -j -6 neigh show {router} dev eth0"))?)?;
        let router_mac = neighbors[0]["lladdr"].as_str().map(str::to_owned);
        Ok(Self {
            addresses,
            defaults,
            on_link,
            way,
            router_mac,
        })
    }
}
