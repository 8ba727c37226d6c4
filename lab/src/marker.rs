//! Who hears whom on a layer-2 network: hosts call out frames of every kind with a marker, others write down what they hear.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;

use crate::{Daemon, Host, Result, wait_for};

/// The kinds of frames that [`call`] sends, as they are heard. `known` is to an address that the test gives.
pub const KINDS: [&str; 7] = [
    "broadcast",
    "multicast4",
    "multicast6",
    "arp",
    "nd",
    "unknown",
    "known",
];

/// Sends three frames of every kind. A marker is `<KIND NAME>`, in the payload or, of ND, in an option of an unknown type.
const CALLER: &str = r#"
import socket, struct, sys, time
dev, name, known = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((dev, 0))
own = s.getsockname()[4]

def mark(kind):
    return ("<%s %s>" % (kind, name)).encode().ljust(64, b"_")

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def arp():
    who = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + own + b"\x0a\xfe\x00\x01" + bytes(6) + b"\x0a\xfe\x00\x02"
    return b"\xff" * 6 + own + b"\x08\x06" + who + mark("arp")

def nd():
    source = bytes.fromhex("fe80" + "00" * 13 + "fe")
    target = bytes.fromhex("fe80" + "00" * 10 + "feedface")
    to = bytes.fromhex("ff02" + "00" * 9 + "01ff") + target[13:]
    body = bytes(4) + target + b"\xfd\x09" + bytes(6) + mark("nd")
    pseudo = source + to + struct.pack("!II", len(body) + 4, 58)
    body = b"\x87\x00" + struct.pack("!H", checksum(pseudo + b"\x87\x00\x00\x00" + body)) + body
    header = struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + source + to
    return b"\x33\x33" + to[12:] + own + b"\x86\xdd" + header + body

def plain(kind, to):
    # An Ethertype for local experiments.
    return to + own + b"\x88\xb5" + mark(kind)

frames = [
    plain("broadcast", b"\xff" * 6),
    plain("multicast4", bytes.fromhex("01005e0000fb")),
    plain("multicast6", bytes.fromhex("333300000001")),
    arp(),
    nd(),
    plain("unknown", bytes.fromhex("02000000dead")),
    plain("known", known),
]
for _ in range(3):
    for frame in frames:
        s.send(frame)
        time.sleep(0.005)
"#;

/// Writes down every marker that comes in, once.
const LISTENER: &str = r#"
import re, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 3))
index = socket.if_nametoindex(sys.argv[1])
# PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC: what is for others is heard too.
s.setsockopt(263, 1, struct.pack("iHH8s", index, 1, 0, b""))
heard = set()
print("listening", flush=True)
while True:
    frame, (_, _, kind, _, _) = s.recvfrom(65535)
    if kind == socket.PACKET_OUTGOING: continue
    for mark in re.findall(rb"<\w+ [\w.-]+>", frame):
        if mark not in heard:
            heard.add(mark)
            print("heard", mark.decode()[1:-1], flush=True)
"#;

/// Calls out on `dev` as `name`; `known` is the MAC address of a station.
///
/// # Errors
/// When the frames cannot be sent.
pub fn call(host: &Host, dev: &str, name: &str, known: &str) -> Result<()> {
    let mut caller = host.python(CALLER, &format!("{dev} {name} {known}"))?;
    let status = caller.wait(Duration::from_secs(15))?;
    anyhow::ensure!(status.success(), "calling failed:\n{}", caller.log());
    Ok(())
}

/// One who listens.
#[derive(Debug)]
pub struct Listener(Daemon);

impl Listener {
    /// Begins to listen on `dev`.
    ///
    /// # Errors
    /// When it does not begin.
    pub fn start(host: &Host, dev: &str) -> Result<Self> {
        let daemon = host.python(LISTENER, dev)?;
        wait_for(Duration::from_secs(10), "a listener", || {
            daemon.log().contains("listening").then_some(())
        })
        .with_context(|| format!("it said:\n{}", daemon.log()))?;
        Ok(Self(daemon))
    }

    /// What was heard so far: `KIND NAME`.
    pub fn heard(&self) -> BTreeSet<String> {
        let log = self.0.log();
        let heard = log.lines().filter_map(|line| line.strip_prefix("heard "));
        heard.map(str::to_owned).collect()
    }

    /// Waits until it has heard these kinds of frames from `name`.
    ///
    /// # Errors
    /// When it has not within 5 s; what it has heard is in the message.
    pub fn hears(&self, name: &str, kinds: &[&str]) -> Result<()> {
        let what = format!("{kinds:?} from {name} to be heard");
        wait_for(Duration::from_secs(5), &what, || {
            let heard = self.heard();
            let all = kinds
                .iter()
                .all(|kind| heard.contains(&format!("{kind} {name}")));
            all.then_some(())
        })
        .with_context(|| format!("heard were {:?}", self.heard()))
    }
}
