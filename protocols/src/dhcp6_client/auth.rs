//! Reconfiguration Key Authentication Protocol, the client's side (RFC 8415 section 20.4).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::held::ReconfigureKey;
use super::option::Invalid;

/// Protocol 3 (RKAP), algorithm 1 (HMAC-MD5), RDM 0 (a counter that only grows).
const HEAD: [u8; 3] = [3, 1, 0];
/// Type of the value: a key, in a Reply.
const TYPE_KEY: u8 = 1;
/// Type of the value: a digest, in a Reconfigure.
const TYPE_DIGEST: u8 = 2;
/// Octets before the value: the head, the replay detection value, the type.
const BEFORE: usize = 12;

/// Type, replay detection value and value of an Authentication option, if it is of this protocol.
fn read(data: &[u8]) -> Option<(u8, u64, [u8; 16])> {
    let (head, rest) = data.split_first_chunk::<3>()?;
    let (replay, rest) = rest.split_first_chunk::<8>()?;
    let (&kind, value) = rest.split_first()?;
    let value = value.try_into().ok()?;
    (*head == HEAD).then_some((kind, u64::from_be_bytes(*replay), value))
}

/// The key in the Authentication option of a Reply.
pub(super) fn key(data: &[u8]) -> Option<ReconfigureKey> {
    match read(data)? {
        (TYPE_KEY, replay, key) => Some(ReconfigureKey { key, replay }),
        _ => None,
    }
}

/// Checks a Reconfigure whose Authentication option has its data at `at`; the replay detection value, for the next time.
pub(super) fn check(message: &[u8], at: usize, key: &ReconfigureKey) -> Result<u64, Invalid> {
    let data = message.get(at..).unwrap_or_default();
    let data = data.get(..BEFORE + 16).ok_or(Invalid::Digest)?;
    let Some((TYPE_DIGEST, replay, digest)) = read(data) else {
        return Err(Invalid::Digest);
    };
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(&key.key) else {
        unreachable!("HMAC takes keys of any length");
    };
    // The digest is over the message with zeros in its place.
    mac.update(&message[..at + BEFORE]);
    mac.update(&[0; 16]);
    mac.update(&message[at + BEFORE + 16..]);
    mac.verify_slice(&digest).map_err(|_| Invalid::Digest)?;
    if replay <= key.replay {
        return Err(Invalid::Replayed);
    }
    Ok(replay)
}
