//! Interfaces of the kernel that some drivers sit on: present, up, and with which MTU.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Whether this network namespace has an interface of that name.
pub fn exists(name: &str) -> bool {
    let Ok(c_name) = CString::new(name) else {
        return false;
    };
    // SAFETY: the string outlives the call.
    unsafe { libc::if_nametoindex(c_name.as_ptr()) != 0 }
}

/// The interface's MTU.
pub fn mtu(name: &str) -> io::Result<u32> {
    let mut request = request(name)?;
    ioctl(libc::SIOCGIFMTU, &mut request)?;
    // SAFETY: the kernel filled this member.
    Ok(unsafe { request.ifr_ifru.ifru_mtu } as u32)
}

/// Changes the interface's MTU.
pub fn set_mtu(name: &str, mtu: u32) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_mtu = mtu as i32;
    ioctl(libc::SIOCSIFMTU, &mut request)
}

/// Whether the interface is up and its link carries packets.
pub fn is_running(name: &str) -> io::Result<bool> {
    Ok(flags(name)? & libc::IFF_RUNNING as i16 != 0)
}

/// Sets the interface up, if it is not.
pub fn set_up(name: &str) -> io::Result<()> {
    let flags = flags(name)?;
    if flags & libc::IFF_UP as i16 != 0 {
        return Ok(());
    }
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as i16;
    ioctl(libc::SIOCSIFFLAGS, &mut request)
}

/// How many receive queues the interface uses; `None` if its driver does not say.
pub fn receive_queues(name: &str) -> Option<u32> {
    let mut channels = Channels {
        cmd: ETHTOOL_GCHANNELS,
        ..Channels::default()
    };
    let mut request = request(name).ok()?;
    request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut channels).cast();
    ioctl(SIOCETHTOOL, &mut request).ok()?;
    Some(channels.rx_count + channels.combined_count)
}

/// `struct ethtool_channels` of linux/ethtool.h.
#[derive(Default)]
#[repr(C)]
struct Channels {
    cmd: u32,
    max_rx: u32,
    max_tx: u32,
    max_other: u32,
    max_combined: u32,
    rx_count: u32,
    tx_count: u32,
    other_count: u32,
    combined_count: u32,
}

const ETHTOOL_GCHANNELS: u32 = 0x3c;
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// Whether this process may open packet sockets (CAP_NET_RAW).
pub fn may_open_packet_sockets() -> bool {
    socket(libc::AF_PACKET, libc::SOCK_RAW).is_ok()
}

fn flags(name: &str) -> io::Result<i16> {
    let mut request = request(name)?;
    ioctl(libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the kernel filled this member.
    Ok(unsafe { request.ifr_ifru.ifru_flags })
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all-zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn ioctl(operation: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    let socket = socket(libc::AF_INET6, libc::SOCK_DGRAM)
        .or_else(|_| socket(libc::AF_INET, libc::SOCK_DGRAM))?;
    // SAFETY: each operation used here reads and writes one ifreq, and SIOCETHTOOL besides what
    // its pointer leads to, which lives as long as the request.
    match unsafe { libc::ioctl(socket.as_raw_fd(), operation, request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn socket(family: i32, kind: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there_and_others_are_not() {
        assert!(exists("lo"));
        assert!(mtu("lo").unwrap() >= 1280);
        assert!(!exists("hx-none") && !exists("nul\0byte"));
        assert_eq!(
            mtu("hx-none").unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
        assert_eq!(receive_queues("lo"), None);
        let long = mtu("a-name-longer-than-any-interface").unwrap_err();
        assert_eq!(long.raw_os_error(), Some(libc::ENAMETOOLONG));
    }
}
