//! Shared memory with another process (memif, as VPP and other DPDK programs speak it).
//!
//! The server can send only into buffers that the client has offered, which the client's driver
//! does while it is polled: until the client's worker runs, the server's frames are refused.
//!
//! LIMIT: the driver (DPDK 22.11) must not be closed in the very moment in which its peer closes:
//! its interrupt thread and the closing thread then free the same rings. Two ends within one
//! process are closed one after the other with a pause.

use std::path::PathBuf;

use super::{DeviceSpec, Driver, Fault, socket};

/// Which end opens the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemifRole {
    /// Listens on the socket.
    #[default]
    Server,
    /// Connects when opened, so the server must be there; owns the shared memory.
    Client,
}

/// A memif interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memif {
    /// The control socket; several interfaces may share one.
    pub socket: PathBuf,
    /// Tells the interfaces of a socket apart; the same at both ends.
    pub id: u32,
    /// Which end this is.
    pub role: MemifRole,
    /// Both ends use the same packet memory (client only, needs huge pages).
    pub zero_copy: bool,
    /// Both ends must know it (at most 24 octets).
    pub secret: Option<String>,
}

impl Driver for Memif {
    fn label(&self) -> &'static str {
        "memif"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_memif{unit}")
    }

    fn arguments(&self, spec: &DeviceSpec) -> Vec<String> {
        let role = match self.role {
            MemifRole::Server => "server",
            MemifRole::Client => "client",
        };
        // A frame may take several buffers of a ring; one each is faster.
        let buffer = (spec.mtu as u32 + super::LINK_HEADER as u32)
            .max(2048)
            .next_multiple_of(64);
        let mut arguments = vec![
            format!("role={role}"),
            format!("socket={}", self.socket.display()),
            "socket-abstract=no".to_owned(),
            format!("id={}", self.id),
            format!("bsize={buffer}"),
            // The driver wants the logarithm.
            format!("rsize={}", spec.rx_desc.clamp(2, 16384).ilog2()),
        ];
        if self.zero_copy {
            arguments.push("zero-copy=yes".to_owned());
        }
        if let Some(secret) = &self.secret {
            arguments.push(format!("secret={secret}"));
        }
        arguments
    }

    fn check(&self, _spec: &DeviceSpec, hugepages: bool) -> Result<(), Fault> {
        if self.zero_copy && !hugepages {
            return Err(Fault::NoHugepages);
        }
        if let Some(secret) = self.secret.as_ref().filter(|secret| secret.contains(',')) {
            return Err(Fault::Comma {
                value: secret.clone(),
            });
        }
        // The driver itself shares a socket among the interfaces of a process, so an existing
        // one is not removed here.
        match self.role {
            MemifRole::Server => socket::check_path(&self.socket),
            MemifRole::Client => socket::check_listening(&self.socket),
        }
    }

    fn program_mac(&self) -> bool {
        false
    }
}
