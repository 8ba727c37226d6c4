//! A host's eye on what arrives: are the checksums of TCP and UDP right, and no frame longer than the MTU?

use std::time::Duration;

use lab::{Daemon, Host, Result, wait_for};

const JUDGE: &str = r#"
import socket, struct, sys
dev, mtu = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: it must not miss any
s.bind((dev, 3))
seen = set()
print("listening", flush=True)
while True:
    frame, where = s.recvfrom(70000)
    if where[2] == socket.PACKET_OUTGOING: continue
    kind, packet = frame[12:14], frame[14:]
    verdicts = []
    if mtu < len(packet): verdicts.append("a frame of %d bytes" % len(packet))
    if kind == b"\x86\xdd":
        protocol, addresses, l4 = packet[6], packet[8:40], packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
    elif kind == b"\x08\x00":
        end = struct.unpack("!H", packet[2:4])[0]
        protocol, addresses, l4 = packet[9], packet[12:20], packet[(packet[0] & 15) * 4:end]
    else: continue
    name = {6: "TCP", 17: "UDP"}.get(protocol)
    if name:
        data = addresses + struct.pack("!II", len(l4), protocol) + l4 + b"\0" * (len(l4) % 2)
        total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
        while total >> 16: total = (total & 0xffff) + (total >> 16)
        verdict = "right" if total == 0xffff else "wrong"
        verdicts.append("%s over %s %s" % (name, "IPv6" if len(addresses) == 32 else "IPv4", verdict))
    for verdict in verdicts:
        if verdict not in seen:
            seen.add(verdict)
            print("seen", verdict, flush=True)
"#;

/// A running judge.
pub struct Judge(Daemon);

impl Judge {
    /// Looks at what arrives at a device, whose packets have at most `mtu` bytes.
    pub fn start(host: &Host, dev: &str, mtu: u32) -> Result<Self> {
        let daemon = host.python(JUDGE, &format!("{dev} {mtu}"))?;
        wait_for(Duration::from_secs(5), "a capture", || {
            daemon.log().contains("listening").then_some(())
        })?;
        Ok(Self(daemon))
    }

    /// What has been seen, each once, sorted.
    pub fn seen(&self) -> Vec<String> {
        let log = self.0.log();
        let seen = log.lines().filter_map(|line| line.strip_prefix("seen "));
        let mut seen: Vec<String> = seen.map(str::to_owned).collect();
        seen.sort();
        seen
    }
}
