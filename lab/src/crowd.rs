//! A crowd of TCP sessions between a host and an echo server: which of them live?

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::{Daemon, Host, Node, Result, netns, process, wait_for};

/// Sends back what it gets, on all addresses of both families.
const SERVER: &str = r#"
import resource, selectors, socket
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
s = socket.create_server(("::", 7007), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
s.setblocking(False)
waiting = selectors.DefaultSelector()
waiting.register(s, selectors.EVENT_READ)
print("listening", flush=True)
while True:
    for key, _ in waiting.select():
        if key.fileobj is s:
            c, _ = s.accept()
            c.setblocking(False)
            waiting.register(c, selectors.EVENT_READ)
            continue
        c = key.fileobj
        try:
            data = c.recv(256)
            if data:
                c.send(data)
                continue
        except BlockingIOError:
            continue
        except OSError:
            pass
        waiting.unregister(c)
        c.close()
"#;
const PORT: u16 = 7007;
/// A session from which nothing comes for so long is lost: the kernel has sent again a few times by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server for crowds.
///
/// # Errors
/// When it does not start.
pub fn server(host: &Host) -> Result<Daemon> {
    let server = host.python(SERVER, "")?;
    wait_for(Duration::from_secs(10), "the crowd's server", || {
        server.log().contains("listening").then_some(())
    })?;
    Ok(server)
}

/// Sessions that are open.
#[derive(Debug)]
pub struct Crowd {
    sessions: Vec<TcpStream>,
    said: u64,
}

impl Crowd {
    /// Opens `n` sessions from a host, to its servers in turn.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn open(host: &Host, servers: &[&str], n: usize) -> Result<Self> {
        open_files(n + 1000)?;
        let servers = addresses(servers)?;
        let sessions = netns::within(host.netns(), || {
            let each = servers.iter().cycle().take(n).enumerate();
            each.map(|(number, to)| {
                let session = TcpStream::connect_timeout(to, PATIENCE)
                    .with_context(|| format!("session {number} to {to}"))?;
                session.set_nodelay(true)?;
                session.set_read_timeout(Some(PATIENCE))?;
                Ok(session)
            })
            .collect::<Result<Vec<_>>>()
        })?;
        Ok(Self { sessions, said: 0 })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Each says something and hears it back, those that cannot are lost: how many, once each.
    pub fn speak(&mut self) -> usize {
        self.said += 1;
        let word = self.said.to_be_bytes();
        let before = self.sessions.len();
        self.sessions
            .retain_mut(|session| session.write_all(&word).is_ok());
        self.sessions.retain_mut(|session| {
            let mut heard = [0; 8];
            session.read_exact(&mut heard).is_ok() && heard == word
        });
        before - self.sessions.len()
    }
}

/// How long it takes until a new session from a host can be opened and used, with a new attempt all the while.
///
/// # Errors
/// When none can within half a minute.
pub fn first_new(host: &Host, to: &str) -> Result<Duration> {
    const ATTEMPT: Duration = Duration::from_millis(50);
    let to = addresses(&[to])?[0];
    let begun = Instant::now();
    netns::within(host.netns(), || {
        loop {
            ensure!(
                begun.elapsed() < Duration::from_secs(30),
                "no new session to {to}"
            );
            let Ok(mut session) = TcpStream::connect_timeout(&to, ATTEMPT) else {
                continue;
            };
            session.set_read_timeout(Some(PATIENCE))?;
            let mut heard = [0; 3];
            if session.write_all(b"new").is_ok() && session.read_exact(&mut heard).is_ok() {
                return Ok(begun.elapsed());
            }
        }
    })
}

/// Lets this process open as many files as anybody may.
fn open_files(wanted: usize) -> Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let most = line.and_then(|line| line.split_whitespace().nth(4));
    let most = most.context("no limit of open files")?;
    if let Ok(most) = most.parse::<usize>() {
        ensure!(
            wanted <= most,
            "{wanted} open files are wanted, {most} allowed"
        );
    }
    let own = std::process::id();
    process::run(&format!("prlimit --pid {own} --nofile={most}:{most}"))?.ok()?;
    Ok(())
}

fn addresses(servers: &[&str]) -> Result<Vec<SocketAddr>> {
    let each = servers.iter().map(|server| {
        let address = server.parse().with_context(|| (*server).to_owned())?;
        Ok(SocketAddr::new(address, PORT))
    });
    each.collect()
}
