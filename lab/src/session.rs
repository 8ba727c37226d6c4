//! A TCP session that goes on talking: does it live through a change of the network?

use std::time::Duration;

use anyhow::Context;

use crate::{Daemon, Host, Result, wait_for};

/// Answers every line with the same line, on all addresses of both families.
const SERVER: &str = r#"
import socket, threading
s = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True)
def echo(c):
    while True:
        b = c.recv(64)
        if not b: return
        c.sendall(b)
print("listening", flush=True)
while True:
    threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
"#;

/// Says a line ten times a second and prints how many came back.
const CLIENT: &str = r#"
import socket, sys, time
c = socket.create_connection((sys.argv[1], 7), timeout=20)
print("from", c.getsockname()[0], flush=True)
n = 0
while True:
    c.sendall(b"%08d" % n)
    got = b""
    while len(got) < 8: got += c.recv(8 - len(got))
    n += 1
    print("echo", n, flush=True)
    time.sleep(0.1)
"#;

/// An echo server on TCP port 7.
///
/// # Errors
/// When it does not start.
pub fn echo_server(host: &Host) -> Result<Daemon> {
    let server = host.python(SERVER, "")?;
    wait_for(Duration::from_secs(10), "the echo server", || {
        server.log().contains("listening").then_some(())
    })?;
    Ok(server)
}

/// A session with an echo server.
#[derive(Debug)]
pub struct Session(Daemon);

impl Session {
    /// Opens one; the host chooses the source address.
    ///
    /// # Errors
    /// When the first echo does not come.
    pub fn open(host: &Host, to: &str) -> Result<Self> {
        let session = Self(host.python(CLIENT, to)?);
        session.goes_on()?;
        Ok(session)
    }

    /// The host's end.
    ///
    /// # Errors
    /// When it has not said.
    pub fn source(&self) -> Result<String> {
        let log = self.0.log();
        let line = log.lines().find_map(|line| line.strip_prefix("from "));
        line.map(str::to_owned)
            .context("a session without a source")
    }

    fn echoes(&self) -> u64 {
        let log = self.0.log();
        let mut lines = log.lines().rev();
        let last = lines.find_map(|line| line.strip_prefix("echo ")?.parse().ok());
        last.unwrap_or(0)
    }

    /// Waits until five more lines have come back.
    ///
    /// # Errors
    /// When they do not within 20 s: the session is dead.
    pub fn goes_on(&self) -> Result<()> {
        let before = self.echoes();
        wait_for(Duration::from_secs(20), "a TCP session to go on", || {
            (before + 5 <= self.echoes()).then_some(())
        })
        .with_context(|| format!("the session said:\n{}", self.0.log()))
    }
}
