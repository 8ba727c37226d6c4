//! The store: what was acknowledged and is not in the configuration file survives a crash.
//!
//! One redb database in the state directory. A change is durable when the call returns: only then may it be
//! acknowledged. Values are JSON, so that a person with the database in hand can read them;
//! what the DHCPv6 client keeps has a record of its own.

use std::path::{Path, PathBuf};

use api::AddRoute;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

mod delegation;
mod identity;
pub mod leases;
mod uplinks;

pub use identity::ServerIdentity;
pub use uplinks::UplinkWrite;

/// Routes made by the API; key: router, a NUL, prefix.
const ROUTES: TableDefinition<'static, &str, &str> = TableDefinition::new("routes");

/// The open database.
#[derive(Debug)]
pub struct Store {
    db: Database,
    path: PathBuf,
}

/// A change to the stored routes.
#[derive(Clone, Debug)]
pub enum RouteWrite {
    /// Put (or replace) the API's route of this router and prefix.
    Put {
        /// The router's name.
        router: String,
        /// The route.
        route: AddRoute,
    },
    /// Delete it.
    Delete {
        /// The router's name.
        router: String,
        /// The prefix.
        prefix: ipnet::IpNet,
    },
}

/// Why the store could not be used; the state directory is named.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made.
    #[error("cannot make the state directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened, read or written.
    #[error("the state database {path} failed")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// The kernel gives no random numbers.
    #[error("cannot read random numbers from /dev/urandom")]
    Random(#[source] std::io::Error),
    /// A value is not what this version wrote.
    #[error("the state database {path} holds a value that cannot be read: {key}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Store {
    /// Opens (or makes) the database in a directory.
    ///
    /// # Errors
    /// When the directory or the file cannot be made, or another hextetd has it open.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(|source| StoreError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let path = directory.join("state.redb");
        let failed = |source| StoreError::Database {
            path: path.clone(),
            source: Box::new(source),
        };
        let db = Database::create(&path).map_err(|e| failed(e.into()))?;
        let write = db.begin_write().map_err(|e| failed(e.into()))?;
        for table in [ROUTES, identity::IDENTITIES, delegation::DELEGATIONS] {
            write
                .open_table(table)
                .map(drop)
                .map_err(|e| failed(e.into()))?;
        }
        write
            .open_table(uplinks::UPLINKS)
            .map(drop)
            .map_err(|e| failed(e.into()))?;
        write.commit().map_err(|e| failed(e.into()))?;
        Ok(Self { db, path })
    }

    /// Makes all changes, durably, or none.
    ///
    /// # Errors
    /// When the database refuses; nothing has changed then.
    pub fn write_routes(&self, writes: &[RouteWrite]) -> Result<(), StoreError> {
        let apply = || -> Result<(), redb::Error> {
            let transaction = self.db.begin_write()?;
            {
                let mut table = transaction.open_table(ROUTES)?;
                for write in writes {
                    match write {
                        RouteWrite::Put { router, route } => {
                            // Serialising plain data to a string cannot fail.
                            let value = serde_json::to_string(route).unwrap_or_default();
                            table.insert(key(router, route.prefix).as_str(), value.as_str())?;
                        }
                        RouteWrite::Delete { router, prefix } => {
                            table.remove(key(router, *prefix).as_str())?;
                        }
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        };
        apply().map_err(|source| StoreError::Database {
            path: self.path.clone(),
            source: Box::new(source),
        })
    }

    /// Every stored route with its router's name, in the order of router and prefix.
    ///
    /// # Errors
    /// When the database cannot be read or holds what cannot be understood.
    pub fn routes(&self) -> Result<Vec<(String, AddRoute)>, StoreError> {
        let read = || -> Result<Vec<(String, String)>, redb::Error> {
            let table = self.db.begin_read()?.open_table(ROUTES)?;
            let mut rows = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                rows.push((key.value().to_owned(), value.value().to_owned()));
            }
            Ok(rows)
        };
        let rows = read().map_err(|source| StoreError::Database {
            path: self.path.clone(),
            source: Box::new(source),
        })?;
        rows.into_iter()
            .map(|(key, value)| {
                let router = key.split('\0').next().unwrap_or_default().to_owned();
                match serde_json::from_str(&value) {
                    Ok(route) => Ok((router, route)),
                    Err(source) => Err(StoreError::Value {
                        path: self.path.clone(),
                        key,
                        source,
                    }),
                }
            })
            .collect()
    }
}

fn key(router: &str, prefix: ipnet::IpNet) -> String {
    format!("{router}\0{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str) -> AddRoute {
        serde_json::from_value(serde_json::json!({ "prefix": prefix, "kind": "blackhole" }))
            .unwrap()
    }

    #[test]
    fn what_was_written_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = Store::open(dir.path()).unwrap();
            let put = |prefix| RouteWrite::Put {
                router: "main".into(),
                route: route(prefix),
            };
            store
                .write_routes(&[put("2001:db8::/32"), put("192.0.2.0/24")])
                .unwrap();
            let prefix = "192.0.2.0/24".parse().unwrap();
            store
                .write_routes(&[RouteWrite::Delete {
                    router: "main".into(),
                    prefix,
                }])
                .unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        let routes = store.routes().unwrap();
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].0, "main");
        assert_eq!(routes[0].1.prefix.to_string(), "2001:db8::/32");
    }

    #[test]
    fn a_second_opener_is_refused_with_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Store::open(dir.path()).unwrap();
        let error = Store::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("state.redb"), "{error}");
    }
}
