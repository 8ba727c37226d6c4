//! Who our DHCPv6 server is: made by chance at the first start, and the same ever after.

use std::io::Read;

use redb::{ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};

/// Identities; key: what of.
pub(super) const IDENTITIES: TableDefinition<'static, &str, &str> =
    TableDefinition::new("identities");
const DHCP6: &str = "dhcp6";

/// A DUID by UUID (RFC 6355): it holds when a network card is replaced.
const DUID_UUID: [u8; 2] = [0, 4];

/// The identity of the DHCPv6 server.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Its DUID (RFC 8415 section 11.5).
    pub duid: Vec<u8>,
    /// What keys of clients are made from; nobody else may know it.
    pub secret: [u8; 32],
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIdentity")
            .field("duid", &self.duid)
            .finish_non_exhaustive()
    }
}

/// As it stands in the database.
#[derive(Serialize, Deserialize)]
struct Stored {
    uuid: [u8; 16],
    secret: [u8; 32],
}

impl Store {
    /// The identity of the DHCPv6 server; stored before it is given for the first time.
    ///
    /// # Errors
    /// When the database cannot be read or written, or the kernel gives no random numbers.
    pub fn server_identity(&self) -> Result<ServerIdentity, StoreError> {
        let failed = |source| StoreError::Database {
            path: self.path.clone(),
            source: Box::new(source),
        };
        let stored = match self.read_identity().map_err(failed)? {
            Some(text) => serde_json::from_str(&text).map_err(|source| StoreError::Value {
                path: self.path.clone(),
                key: DHCP6.into(),
                source,
            })?,
            None => {
                let new = random().map_err(StoreError::Random)?;
                // Serialising plain data to a string cannot fail.
                let text = serde_json::to_string(&new).unwrap_or_default();
                self.write_identity(&text).map_err(failed)?;
                new
            }
        };
        Ok(ServerIdentity {
            duid: [&DUID_UUID[..], &stored.uuid].concat(),
            secret: stored.secret,
        })
    }

    fn read_identity(&self) -> Result<Option<String>, redb::Error> {
        let table = self.db.begin_read()?.open_table(IDENTITIES)?;
        Ok(table.get(DHCP6)?.map(|value| value.value().to_owned()))
    }

    fn write_identity(&self, text: &str) -> Result<(), redb::Error> {
        let transaction = self.db.begin_write()?;
        transaction.open_table(IDENTITIES)?.insert(DHCP6, text)?;
        transaction.commit()?;
        Ok(())
    }
}

fn random() -> std::io::Result<Stored> {
    let (mut uuid, mut secret) = ([0; 16], [0; 32]);
    let mut source = std::fs::File::open("/dev/urandom")?;
    source.read_exact(&mut uuid)?;
    source.read_exact(&mut secret)?;
    // Version 4, made by chance, of the usual variant (RFC 9562 section 5.4).
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(Stored { uuid, secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_is_everybodys_own() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Store::open(one.path()).unwrap().server_identity().unwrap();
        let again = Store::open(one.path()).unwrap().server_identity().unwrap();
        assert_eq!(first, again);
        assert_eq!((first.duid.len(), &first.duid[..2]), (18, &DUID_UUID[..]));
        assert_eq!((first.duid[8] >> 4, first.duid[10] >> 6), (4, 2));
        let stranger = Store::open(other.path())
            .unwrap()
            .server_identity()
            .unwrap();
        assert_ne!(first.duid, stranger.duid);
        assert_ne!(first.secret, stranger.secret);
        assert!(!format!("{first:?}").contains("secret"));
    }
}
