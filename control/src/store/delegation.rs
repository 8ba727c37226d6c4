//! Subnets of delegated prefixes: what hosts have been told outlives the process (RFC 8978).

use ipnet::Ipv6Net;
use lease::Wall;
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use protocols::delegation::Assignment;

/// Assignments; key: the router's name.
pub(super) const DELEGATIONS: TableDefinition<'static, &str, &str> =
    TableDefinition::new("delegations");

/// An assignment as it stands in the database; times as RFC 3339, or `never`.
#[derive(Serialize, Deserialize)]
struct Stored {
    interface: Box<str>,
    uplink: Box<str>,
    delegated: Ipv6Net,
    exclude: Option<Ipv6Net>,
    prefix: Ipv6Net,
    address: std::net::Ipv6Addr,
    preferred_until: String,
    valid_until: String,
    vanished: bool,
}

impl Store {
    /// Puts a router's assignments in place of those before; durable when it returns.
    ///
    /// # Errors
    /// When the database refuses; nothing has changed then.
    pub fn write_delegations(
        &self,
        router: &str,
        assignments: &[Assignment],
    ) -> Result<(), StoreError> {
        let stored: Vec<Stored> = assignments.iter().map(stored).collect();
        // Serialising plain data to a string cannot fail.
        let text = serde_json::to_string(&stored).unwrap_or_default();
        let write = || -> Result<(), redb::Error> {
            let transaction = self.db.begin_write()?;
            {
                let mut table = transaction.open_table(DELEGATIONS)?;
                if stored.is_empty() {
                    table.remove(router)?;
                } else {
                    table.insert(router, text.as_str())?;
                }
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|source| self.failed(source))
    }

    /// The assignments of every router, by its name.
    ///
    /// # Errors
    /// When the database cannot be read or holds what cannot be understood.
    pub fn delegations(&self) -> Result<Vec<(String, Vec<Assignment>)>, StoreError> {
        let read = || -> Result<Vec<(String, String)>, redb::Error> {
            let table = self.db.begin_read()?.open_table(DELEGATIONS)?;
            let mut rows = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                rows.push((key.value().to_owned(), value.value().to_owned()));
            }
            Ok(rows)
        };
        let rows = read().map_err(|source| self.failed(source))?;
        rows.into_iter()
            .map(
                |(router, text)| match serde_json::from_str::<Vec<Stored>>(&text) {
                    Ok(stored) => Ok((router, stored.into_iter().filter_map(restored).collect())),
                    Err(source) => Err(StoreError::Value {
                        path: self.path.clone(),
                        key: router,
                        source,
                    }),
                },
            )
            .collect()
    }

    pub(super) fn failed(&self, source: redb::Error) -> StoreError {
        StoreError::Database {
            path: self.path.clone(),
            source: Box::new(source),
        }
    }
}

fn stored(a: &Assignment) -> Stored {
    Stored {
        interface: a.interface.clone(),
        uplink: a.uplink.clone(),
        delegated: a.delegated,
        exclude: a.exclude,
        prefix: a.prefix,
        address: a.address,
        preferred_until: a.preferred_until.to_string(),
        valid_until: a.valid_until.to_string(),
        vanished: a.vanished,
    }
}

/// `None` when a person has written what is no time, or a subnet outside of its prefix.
fn restored(stored: Stored) -> Option<Assignment> {
    let wall = |text: &str| text.parse::<Wall>().ok();
    stored.delegated.contains(&stored.prefix).then_some(())?;
    Some(Assignment {
        preferred_until: wall(&stored.preferred_until)?,
        valid_until: wall(&stored.valid_until)?,
        interface: stored.interface,
        uplink: stored.uplink,
        delegated: stored.delegated,
        exclude: stored.exclude,
        prefix: stored.prefix,
        address: stored.address,
        // The machine says so by the clock.
        deprecated: false,
        vanished: stored.vanished,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_there_after_reopening_and_forgotten_when_empty() {
        let dir = tempfile::tempdir().unwrap();
        let assignment = Assignment {
            interface: "lan".into(),
            uplink: "wan".into(),
            delegated: "2001:db8::/56".parse().unwrap(),
            exclude: Some("2001:db8:0:ff::/64".parse().unwrap()),
            prefix: "2001:db8::/64".parse().unwrap(),
            address: "2001:db8::1".parse().unwrap(),
            preferred_until: Wall::from_secs(1_800_000_000),
            valid_until: Wall::NEVER,
            deprecated: false,
            vanished: true,
        };
        let all = [assignment.clone(), assignment];
        {
            let store = Store::open(dir.path()).unwrap();
            assert_eq!(store.delegations().unwrap(), []);
            store.write_delegations("main", &all).unwrap();
            store.write_delegations("gone", &all).unwrap();
            store.write_delegations("gone", &[]).unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(
            store.delegations().unwrap(),
            [("main".to_owned(), all.to_vec())]
        );
    }
}
