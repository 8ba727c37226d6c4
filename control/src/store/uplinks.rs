//! What the DHCPv6 client keeps of its uplinks, by the interface's name.

use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use tracing::error;

use super::{Store, StoreError};
use protocols::dhcp6_client::Kept;

/// Records of `protocols::dhcp6_client`; key: the interface's name.
pub(super) const UPLINKS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("uplinks");

/// A change of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UplinkWrite {
    /// Keep this in place of what was kept under its name.
    Keep(Box<Kept>),
    /// Keep nothing of the interface of this name.
    Forget(Box<str>),
}

impl Store {
    /// Makes all changes, durably, or none.
    ///
    /// # Errors
    /// When the database refuses; nothing has changed then.
    pub fn write_uplinks(&self, writes: &[UplinkWrite]) -> Result<(), StoreError> {
        let apply = || -> Result<(), redb::Error> {
            let transaction = self.db.begin_write()?;
            {
                let mut table = transaction.open_table(UPLINKS)?;
                for write in writes {
                    match write {
                        UplinkWrite::Keep(kept) => {
                            table.insert(&*kept.name, kept.encode().as_slice())?;
                        }
                        UplinkWrite::Forget(name) => {
                            table.remove(&**name)?;
                        }
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        };
        apply().map_err(|source| self.failed(source))
    }

    /// Everything that is kept. A record that cannot be read is left out, and said in the log: its uplink begins anew.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn uplinks(&self) -> Result<Vec<Kept>, StoreError> {
        let read = || -> Result<Vec<Kept>, redb::Error> {
            let table = self.db.begin_read()?.open_table(UPLINKS)?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                match Kept::decode(key.value(), value.value()) {
                    Ok(kept) => all.push(kept),
                    Err(error) => {
                        error!(uplink = key.value(), %error, "what was kept cannot be read");
                    }
                }
            }
            Ok(all)
        };
        read().map_err(|source| self.failed(source))
    }
}

#[cfg(test)]
mod tests {
    use lease::Wall;
    use protocols::dhcp6_client::{Binding, Duid, HeldPrefix, Settings};

    use super::*;

    fn kept(name: &str) -> Kept {
        let until = Wall::from_secs(1_800_000_000);
        Kept {
            name: name.into(),
            lease: Binding {
                server: Duid::new(&[0, 3, 0, 1]).unwrap(),
                renew_at: until,
                rebind_at: until,
                addresses: Vec::new(),
                prefixes: vec![HeldPrefix {
                    iaid: 1,
                    prefix: "2001:db8:1::/56".parse().unwrap(),
                    exclude: None,
                    preferred_until: until,
                    valid_until: until,
                }],
                settings: Settings::default(),
                reconfigure: None,
            },
        }
    }

    #[test]
    fn what_is_kept_is_there_after_reopening_and_what_cannot_be_read_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Store::open(dir.path()).unwrap();
            let writes =
                ["wan0", "wan1", "wan2"].map(|name| UplinkWrite::Keep(Box::new(kept(name))));
            store.write_uplinks(&writes).unwrap();
            store
                .write_uplinks(&[UplinkWrite::Forget("wan1".into())])
                .unwrap();
            let transaction = store.db.begin_write().unwrap();
            let mut table = transaction.open_table(UPLINKS).unwrap();
            table.insert("wan2", &[9_u8][..]).unwrap();
            drop(table);
            transaction.commit().unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.uplinks().unwrap(), [kept("wan0")]);
    }
}
