//! Reconfiguration Key Authentication Protocol (RFC 8415 section 20.4): keys for clients, digests for Reconfigure messages.
//!
//! A key is a pseudorandom function (HMAC-MD5, RFC 2104) of a secret of the server and the client's DUID. So a client that only
//! asked for settings, of which nothing is stored, can be reconfigured after a restart, too.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::option::code;
use super::writer::Writer;

/// A reconfigure key, or a digest.
pub type Key = [u8; 16];

/// Protocol 3 (RKAP), algorithm 1 (HMAC-MD5), RDM 0 (a counter that only grows).
const HEAD: [u8; 3] = [3, 1, 0];
/// Type of the value: a key, in a Reply.
const TYPE_KEY: u8 = 1;
/// Type of the value: a digest, in a Reconfigure.
const TYPE_DIGEST: u8 = 2;

/// What only this server knows, and keeps over restarts.
#[derive(Clone)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// The key of the client with this DUID.
    pub fn key(&self, client: &[u8]) -> Key {
        digest(&self.0, client)
    }

    /// The key of deterministic allocation; it tells nothing of other keys. No DUID is that short.
    pub(super) fn for_addresses(&self) -> [u64; 2] {
        let key = u128::from_be_bytes(digest(&self.0, b"a"));
        [(key >> 64) as u64, key as u64]
    }
}

pub(super) fn digest(key: &[u8], message: &[u8]) -> Key {
    // HMAC takes keys of any length.
    let mut mac = match Hmac::<Md5>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Writes the Authentication option of a Reply: the client's key (RFC 8415 section 20.4.1).
pub(super) fn write_key(w: &mut Writer, replay: u64, key: &Key) {
    write(w, replay, TYPE_KEY, key);
}

/// Writes the Authentication option of a Reconfigure, with zeros for the digest; where the digest stands.
pub(super) fn write_zeros(w: &mut Writer, replay: u64) -> usize {
    write(w, replay, TYPE_DIGEST, &[0; 16]);
    w.len() - 16
}

/// Puts the digest of the message from `start` to its end at `at`.
pub(super) fn sign(w: &mut Writer, start: usize, at: usize, key: &Key) {
    let digest = digest(key, w.since(start));
    w.patch(at, &digest);
}

fn write(w: &mut Writer, replay: u64, kind: u8, value: &Key) {
    w.option(code::AUTH, |w| {
        w.bytes(&HEAD);
        w.bytes(&replay.to_be_bytes());
        w.u8(kind);
        w.bytes(value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 section 2, test case 2.
    #[test]
    fn the_digest_is_hmac_md5() {
        let expected = 0x750c_783e_6ab0_b503_eaa8_6e31_0a5d_b738_u128;
        let got = digest(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(u128::from_be_bytes(got), expected);
    }

    #[test]
    fn the_identity_of_a_pair_is_made_of_its_key() {
        let of = |key: &[u8]| crate::dhcp6::Identity::of_pair(key, std::time::Duration::ZERO);
        let (a, b) = (of(&[1; 32]), of(&[2; 32]));
        assert_eq!(of(&[1; 32]).duid, a.duid);
        assert_eq!(of(&[1; 32]).secret.0, a.secret.0);
        assert_ne!(a.duid, b.duid);
        assert_ne!(a.secret.0, b.secret.0);
        assert_eq!((a.duid.len(), &a.duid[..2]), (18, &[0, 4][..]));
        assert_eq!((a.duid[8] >> 4, a.duid[10] >> 6), (8, 2));
        assert_ne!(a.secret.0[..16], a.secret.0[16..]);
    }

    #[test]
    fn keys_differ_by_client_and_secret() {
        let (a, b) = (Secret([1; 32]), Secret([2; 32]));
        assert_eq!(a.key(b"x"), a.key(b"x"));
        assert_ne!(a.key(b"x"), a.key(b"y"));
        assert_ne!(a.key(b"x"), b.key(b"x"));
        assert_eq!(format!("{a:?}"), "Secret(..)");
    }

    #[test]
    fn a_digest_covers_the_message_with_zeros_in_its_place() {
        let mut w = Writer::new();
        w.bytes(b"outer");
        let start = w.len();
        w.bytes(b"message");
        let at = write_zeros(&mut w, 7);
        let key = Secret([3; 32]).key(b"client");
        let zeroed = w.since(start).to_vec();
        sign(&mut w, start, at, &key);
        let bytes = w.finish().unwrap();
        assert_eq!(bytes[at..], digest(&key, &zeroed));
        assert_eq!(&bytes[start + 7..start + 14], [0, 11, 0, 28, 3, 1, 0]);
        assert_eq!(bytes[start + 14..start + 22], 7u64.to_be_bytes());
    }
}
