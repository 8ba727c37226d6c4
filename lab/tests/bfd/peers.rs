//! The daemons at the other end.

use std::path::PathBuf;
use std::time::Duration;

use lab::{Daemon, Host, Lab, Result, frr, wait_for};
use serde_json::Value;

/// FRR's bfdd in a namespace of its own.
pub struct Frr<'a> {
    host: &'a Host,
    frr: frr::Frr,
}

impl<'a> Frr<'a> {
    /// Starts it; it has a session over each IP version with ours, at 10 ms.
    pub fn start(lab: &Lab, host: &'a Host) -> Result<Self> {
        let session = |peer: &str, local: &str| {
            format!(
                " peer {peer} local-address {local} interface eth0\n  receive-interval 10\n  transmit-interval 10\n exit\n"
            )
        };
        let sessions =
            session("2001:db8:2::1", "2001:db8:2::2") + &session("198.51.100.1", "198.51.100.2");
        let frr = frr::Frr::start(lab, host, "bfdd", &format!("bfd\n{sessions}exit\n"))?;
        Ok(Self { host, frr })
    }

    /// Starts bfdd.
    pub fn again(&mut self) -> Result<()> {
        self.frr.again(self.host)
    }

    /// Kills bfdd as a crash would; its links stay up.
    pub fn crash(&mut self) -> Result<()> {
        self.frr.crash()
    }

    /// Runs commands of its CLI.
    pub fn vtysh(&self, commands: &[&str]) -> Result<String> {
        self.frr.vtysh(self.host, commands)
    }

    /// What it knows of its session with `peer`.
    pub fn session(&self, peer: &str) -> Result<Value> {
        let all: Value = serde_json::from_str(&self.vtysh(&["show bfd peers json"])?)?;
        let mut all = all.as_array().into_iter().flatten();
        let found = all.find(|session| session["peer"] == peer);
        Ok(found.cloned().unwrap_or_default())
    }

    /// Waits until a field of its session with `peer` is as expected.
    pub fn says(&self, peer: &str, field: &str, expected: &str) -> Result<Value> {
        let mut last = Value::Null;
        let what = format!("FRR to say that {field} of {peer} is {expected}");
        let said = wait_for(Duration::from_secs(20), &what, || {
            last = self.session(peer).ok()?;
            (last[field] == expected).then_some(())
        });
        match said {
            Ok(()) => Ok(last),
            Err(error) => Err(error.context(format!("it says {last:#}"))),
        }
    }
}

/// BIRD, with authenticated sessions.
pub struct Bird<'a> {
    host: &'a Host,
    socket: PathBuf,
    _daemon: Daemon,
}

impl<'a> Bird<'a> {
    /// Starts it; `auth` are lines for its interface.
    pub fn start(lab: &Lab, host: &'a Host, auth: &str) -> Result<Self> {
        let (config, socket) = (lab.dir().join("bird.conf"), lab.dir().join("bird.ctl"));
        let text = format!(
            "router id 203.0.113.2;\nprotocol device {{ }}\nprotocol bfd {{\n interface \"eth0\" {{\n  \
             min rx interval 10 ms;\n  min tx interval 10 ms;\n  multiplier 3;\n  {auth}\n }};\n \
             neighbor fe80::1 dev \"eth0\";\n neighbor 203.0.113.1 dev \"eth0\";\n}}\n"
        );
        std::fs::write(&config, text)?;
        let daemon = host.spawn(&format!(
            "bird -f -c {} -s {}",
            config.display(),
            socket.display()
        ))?;
        Ok(Self {
            host,
            socket,
            _daemon: daemon,
        })
    }

    /// Waits until it says that all its sessions are up.
    pub fn is_up(&self) -> Result<()> {
        let mut last = String::new();
        let socket = self.socket.display();
        let up = wait_for(Duration::from_secs(20), "BIRD's sessions to be up", || {
            last = self
                .host
                .ok(&format!("birdc -s {socket} show bfd sessions"))
                .ok()?;
            let sessions: Vec<_> = last.lines().filter(|line| line.contains("eth0")).collect();
            let all = sessions.iter().all(|line| line.contains(" Up "));
            (sessions.len() == 2 && all).then_some(())
        });
        up.map_err(|error| error.context(last))
    }
}
