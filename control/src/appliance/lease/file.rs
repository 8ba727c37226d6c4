//! All leases as a file, and back.

use std::collections::HashMap;

use api::{ImportLeases, LeaseExport, LeaseFamily, LeaseFault, LeaseFormat, LeaseImported};

use super::realm::Routers;
use super::{Error, Router, lease4, scope_names, stopping};
use crate::rooms::lease::import::{self, ImportError};
use lease::export::{self, Fault, Format};
use lease::{Book, Conflict, Lease, ScopeId};

/// Some leases, and the names of their scopes.
#[derive(Default)]
struct Snapshot {
    leases: Vec<Lease>,
    names: HashMap<ScopeId, String>,
}

impl Snapshot {
    /// All of a server's. They are copied at once: while pages were read, a lease that is renewed could be missed or come twice.
    fn of(book: &Book, names: HashMap<ScopeId, String>) -> Self {
        let leases = book.iter().cloned().collect();
        Self { leases, names }
    }

    fn add(&mut self, other: Self) {
        self.leases.extend(other.leases);
        self.names.extend(other.names);
    }

    /// The file, in the order of addresses, and of one that several routers have in that of their names.
    fn written(mut self, format: Format, routers: &Routers) -> std::io::Result<Vec<u8>> {
        let router = |realm| routers.get(&realm).map(String::as_str);
        let leases = &mut self.leases;
        leases.sort_unstable_by_key(|l| (l.resource, router(l.realm()), l.realm()));
        let mut file = Vec::new();
        let name = |scope| self.names.get(&scope).map(String::as_str);
        export::export(format, self.leases.iter(), router, name, &mut file)?;
        Ok(file)
    }
}

impl Router {
    pub(in crate::appliance) async fn lease_export(
        &self,
        query: LeaseExport,
    ) -> Result<String, Error> {
        let wants = |family| query.family.is_none_or(|only| only == family);
        let mut all = Snapshot::default();
        if wants(LeaseFamily::Ipv6) {
            let of = self
                .bus
                .ask_dhcp6(|machine| Snapshot::of(machine.book(), scope_names(machine)));
            all.add(of.await.ok_or_else(stopping)?);
        }
        if wants(LeaseFamily::Ipv4) {
            let of = self
                .bus
                .ask_dhcp4(|machine| Snapshot::of(machine.book(), lease4::scope_names(machine)));
            all.add(of.await.ok_or_else(stopping)?);
        }
        let format = format_of(query.format);
        let routers = self.lease_routers().await?;
        let file = blocking(move || all.written(format, &routers)).await?;
        let file = file.map_err(|error| Error::Internal(error.to_string()))?;
        String::from_utf8(file).map_err(|error| Error::Internal(error.to_string()))
    }

    pub(in crate::appliance) async fn lease_import(
        &self,
        import: ImportLeases,
    ) -> Result<LeaseImported, Error> {
        let read = move || {
            let format = import.format.map(format_of);
            let format = format.unwrap_or_else(|| Format::of(&import.text));
            export::import(format, &import.text)
        };
        let leases = match blocking(read).await? {
            Ok(leases) => leases,
            Err(error) => return Ok(faulty(error)),
        };
        let (lines, leases): (Vec<usize>, Vec<Lease>) = leases.into_iter().unzip();
        // It goes on when who asked hangs up: then, too, the books and the disk must say the same.
        let imported = import::import(self.bus.clone(), self.disk.clone(), leases);
        match tokio::spawn(imported).await {
            Ok(Ok(done)) => Ok(LeaseImported {
                added: done.added as u64,
                replaced: done.replaced as u64,
                unchanged: done.unchanged as u64,
                faults: Vec::new(),
            }),
            Ok(Err(ImportError::Conflicts(conflicts))) => Ok(faulty(export::ImportError::new(
                conflicts.into_iter().map(|c| at(&lines, c)).collect(),
            ))),
            Ok(Err(error @ (ImportError::NotLoaded | ImportError::Stopping))) => {
                Err(Error::Unavailable(error.to_string()))
            }
            Ok(Err(error @ ImportError::NotStored(_))) => Err(Error::Internal(error.to_string())),
            Err(_) => Err(stopping()),
        }
    }
}

/// A conflict, at the line of its lease.
fn at(lines: &[usize], conflict: Conflict) -> Fault {
    Fault::new(lines[conflict.index], conflict.field, conflict.why)
}

fn faulty(error: export::ImportError) -> LeaseImported {
    let fault = |fault: Fault| LeaseFault {
        line: fault.line as u64,
        field: fault.field,
        message: fault.why,
    };
    LeaseImported {
        faults: error.faults.into_iter().map(fault).collect(),
        ..LeaseImported::default()
    }
}

fn format_of(format: LeaseFormat) -> Format {
    match format {
        LeaseFormat::Csv => Format::Csv,
        // A word that is not known is refused before.
        LeaseFormat::Json | LeaseFormat::Unknown => Format::Json,
    }
}

/// Works where that holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Internal(error.to_string()))
}
