//! The secret of a pair: 32 bytes that both routers have and nobody else.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of a key.
pub const LEN: usize = 32;
/// Bytes of a file that are looked at: a key as text and a line's end are fewer.
const MOST: u64 = 256;
/// Mode bits that let others than the owner do something.
const OTHERS: u32 = 0o077;

/// The key. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; LEN]);

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("cannot read the key in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read or change it.
    #[error("{} has mode {mode:03o}: only its owner may have access, as with 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is no key.
    #[error("{} holds no key: 32 random bytes are wanted, as 64 hexadecimal digits or 44 characters of base64", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// All of its bytes are alike: nobody has drawn it.
    #[error("the key in {} was not drawn at random: all of its bytes are {byte}", path.display())]
    Weak {
        /// The file.
        path: PathBuf,
        /// Which.
        byte: u8,
    },
}

impl Key {
    /// A key of these bytes.
    pub const fn new(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }

    /// The key in a file that only its owner may read: 64 hexadecimal digits, or base64 (RFC 4648 section 4), with white space around.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        // Of the open file, not of its name.
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(KeyError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text).map_err(failed)?;
        let form = || KeyError::Form {
            path: path.to_owned(),
        };
        let key = Self::parse(text.trim_ascii()).ok_or_else(form)?;
        match key.0[..] {
            [byte, ref rest @ ..] if rest.iter().all(|other| *other == byte) => {
                Err(KeyError::Weak {
                    path: path.to_owned(),
                    byte,
                })
            }
            _ => Ok(key),
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        match text.len() {
            64 => hex(text),
            44 => base64(text),
            _ => None,
        }
        .map(Self)
    }

    /// Its bytes, to make other secrets of.
    pub const fn bytes(&self) -> &[u8; LEN] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn hex(text: &[u8]) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    let digit = |c: u8| char::from(c).to_digit(16).map(|digit| digit as u8);
    for (byte, digits) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

/// 44 characters are 33 bytes, the last of which is filled up.
fn base64(text: &[u8]) -> Option<[u8; LEN]> {
    let (&end, text) = text.split_last()?;
    let mut bytes = [0; LEN];
    let (mut bits, mut n_bits, mut at) = (0_u32, 0, 0);
    for &c in text {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            *bytes.get_mut(at)? = (bits >> n_bits) as u8;
            bits &= (1 << n_bits) - 1;
            at += 1;
        }
    }
    // What is left over is nothing.
    (end == b'=' && at == LEN && bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn read(text: &str, mode: u32) -> Result<Key, KeyError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Key::read(&path)
    }

    #[test]
    fn a_key_is_hexadecimal_or_base64() {
        let expected = Key::new(std::array::from_fn(|n| n as u8));
        assert_eq!(read(HEX, 0o600).unwrap(), expected);
        let upper = HEX.to_uppercase();
        assert_eq!(read(&format!("  {upper}\n"), 0o400).unwrap(), expected);
        assert_eq!(read(&format!("{BASE64}\n"), 0o600).unwrap(), expected);
        assert_eq!(format!("{expected:?}"), "Key(..)");
    }

    #[test]
    fn what_is_no_key_or_no_secret_is_refused() {
        for (text, mode, says) in [
            (HEX, 0o640, "mode 640: only its owner"),
            (HEX, 0o602, "mode 602"),
            ("", 0o600, "holds no key"),
            (&HEX[1..], 0o600, "holds no key"),
            (&HEX.replace('0', "g"), 0o600, "holds no key"),
            (&BASE64.replace('=', "A"), 0o600, "holds no key"),
            (&BASE64.replace("h8=", "h9="), 0o600, "holds no key"),
            (&BASE64.replace('A', "-"), 0o600, "holds no key"),
            (&"00".repeat(32), 0o600, "not drawn at random"),
        ] {
            let error = read(text, mode).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let missing = Key::read(Path::new("/nonexistent/pair.key")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/pair.key"));
    }
}
