//! The durable store: a redb database for the leases of all servers, `leases.redb` in the state directory, and a journal
//! before it.
//!
//! A lease that a client was told of is on disk before the reply leaves. What has to be written for many replies goes into
//! one commit: one fdatasync for all of them.
//!
//! ```text
//!  commit ─► journal (fdatasync) ─► acknowledged          open: what the journal holds goes into the database
//!               │ every 100,000 rows, in a thread         load: from the database
//!               ▼
//!            database (one transaction), then that part of the journal is removed
//! ```
//!
//! Why a journal: the addresses of one commit lie all over the database, each in a page of its own that has to be written
//! anew. With a million leases redb alone made 25,000 durable a second in commits of 512; for 100,000 in one transaction it
//! needs a tenth of the time for each.
//!
//! An older release kept an address without the router that it is in. What it left is taken over when the store is opened,
//! as of [`RealmId::UNKNOWN`]; [`Disk::adopt`] then gives it to routers. Before either has ended nothing of it is gone.

mod adopt;
mod journal;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};

use super::record::{self, Key, OldKey, RecordError};
use super::{Lease, State, Write};
pub use adopt::Adopted;
use journal::Journal;

/// Leases; see `record`.
const LEASES: TableDefinition<'static, &Key, &[u8]> = TableDefinition::new("leases");
/// Leases of older releases, which knew no realms: under the same name at first, so that such a release refuses a database of
/// this one, and under the other while they are taken over.
const OLD_LEASES: TableDefinition<'static, &OldKey, &[u8]> = TableDefinition::new("leases");
const TAKEN_OVER: TableDefinition<'static, &OldKey, &[u8]> = TableDefinition::new("old leases");
/// Under [`MERGED`], the number of the last commit of the journal that is in the database.
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
const MERGED: &str = "merged";

/// Memory for pages; what is behind it is the page cache of the kernel. Enough for the inner pages of millions of leases.
const CACHE: usize = 16 << 20;

/// So many rows are worth a transaction.
const MERGE: usize = 100_000;
/// So many times as many rows wait at most; then a commit waits for the database, or fails with it.
const BEHIND: usize = 8;

/// The open store.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    directory: PathBuf,
    /// Rows in a transaction.
    merge: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    journal: Journal,
    /// The oldest segment that may be there.
    oldest: u64,
    /// Rows in the journal that are not in the database.
    pending: Vec<Row>,
    /// How many of them are waited for before the next merge.
    merge_at: usize,
    /// None while a merge has it, and after a failure until it can be opened again.
    db: Option<Database>,
    merging: Option<Merge>,
}

/// Rows on their way from the journal into the database.
#[derive(Debug)]
struct Merge {
    rows: Arc<Vec<Row>>,
    /// The last segment that has any of them.
    segment: u64,
    /// Gives the database back, if it still works.
    thread: JoinHandle<Result<Database, redb::Error>>,
}

/// What shall stand under a key; none: nothing.
type Row = (Key, Option<Vec<u8>>);

/// Why the store could not be used; the file is named.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The directory cannot be made.
    #[error("cannot make the state directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else has it open.
    #[error("the lease database {path} is in use by another process")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// No space is left on the device.
    #[error("the disk is full: the lease database {path} cannot grow")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// It is not a lease database, or no longer.
    #[error(
        "the lease database {path} is damaged ({what}): put it away, and import what an export has"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A lease in it cannot be understood.
    #[error("the lease database {path} holds a lease that cannot be read: {lease}")]
    Record {
        /// The file.
        path: PathBuf,
        /// The resource, or the key.
        lease: String,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// Anything else that goes wrong in the file.
    #[error("the lease database {path} failed")]
    Failed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
}

impl Disk {
    /// Opens (or makes) the store in a directory. All of it is read and its checksums verified; what the journal holds goes
    /// into the database.
    ///
    /// # Errors
    /// When it cannot be made, read or written, is damaged, or another process has it open.
    pub fn open(directory: &Path) -> Result<Self, DiskError> {
        Self::open_with(directory, MERGE)
    }

    fn open_with(directory: &Path, merge: usize) -> Result<Self, DiskError> {
        std::fs::create_dir_all(directory).map_err(|source| DiskError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let path = directory.join("leases.redb");
        let failed = |source| named(&path, source);
        // It is locked from here on, and the journal with it.
        let db = open(&path).map_err(failed)?;
        let merged = merged(&db).map_err(failed)?;
        let replay = journal::replay(directory, merged).map_err(|fault| match fault {
            journal::Fault::Io(source) => named(&path, source.into()),
            journal::Fault::Damaged { path, what } => DiskError::Damaged { path, what },
        })?;
        if !replay.rows.is_empty() {
            apply(&db, &replay.rows, replay.journal.last()).map_err(failed)?;
        }
        journal::remove(directory, replay.segments.iter().copied());
        let inner = Mutex::new(Inner {
            oldest: replay.segments.first().copied().unwrap_or(0),
            journal: replay.journal,
            pending: Vec::new(),
            merge_at: merge,
            db: Some(db),
            merging: None,
        });
        Ok(Self {
            path,
            directory: directory.to_owned(),
            merge,
            inner,
        })
    }

    /// Reads every lease, in the order of realm, kind and address, and gives how many there are.
    ///
    /// # Errors
    /// When the database fails or a lease in it is not one; then leases may have been given before the fault was found.
    pub fn load(&self, mut each: impl FnMut(Lease)) -> Result<usize, DiskError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = self.merged(&mut inner)? else {
            return Ok(0);
        };
        let mut read = || -> Result<Result<usize, (String, RecordError)>, redb::Error> {
            let table = db.begin_read()?.open_table(LEASES)?;
            let mut count = 0;
            for row in table.iter()? {
                let (key, value) = row?;
                let (realm, resource) = match record::named(key.value()) {
                    Ok(named) => named,
                    Err(source) => return Ok(Err((format!("{:02x?}", key.value()), source))),
                };
                match record::decode(realm, resource, value.value()) {
                    Ok(lease) => each(lease),
                    Err(source) => return Ok(Err((resource.to_string(), source))),
                }
                count += 1;
            }
            Ok(Ok(count))
        };
        match read() {
            Ok(Ok(count)) => Ok(count),
            Ok(Err((lease, source))) => Err(DiskError::Record {
                path: self.path.clone(),
                lease,
                source,
            }),
            Err(source) => Err(named(&self.path, source)),
        }
    }

    /// Makes all writes, in their order, durably, or none. Offers are left out. Blocks: for one fdatasync, and for the
    /// database when that is far behind.
    ///
    /// # Errors
    /// When the disk is full or fails. The caller then takes the writes back ([`super::Book::undo`]), and may try again with
    /// others. (Should the process end before it does, a commit that failed in fdatasync may turn out to be there.)
    pub fn commit(&self, writes: &[Write]) -> Result<(), DiskError> {
        let durable = writes.iter().filter(|write| write.is_durable());
        let rows: Vec<Row> = durable.map(row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        if inner
            .merging
            .as_ref()
            .is_some_and(|merge| merge.thread.is_finished())
        {
            // A failure is tried again when more rows have come, and told when too many have.
            let _ = self.end_merge(inner);
        }
        if inner.pending.len() >= self.merge * BEHIND {
            self.end_merge(inner)?;
            self.begin_merge(inner);
            self.end_merge(inner)?;
        }
        let appended = inner.journal.append(&rows);
        appended.map_err(|source| named(&self.path, source.into()))?;
        inner.pending.extend(rows);
        if inner.pending.len() >= inner.merge_at && inner.merging.is_none() {
            self.begin_merge(inner);
        }
        Ok(())
    }

    /// The database, with all that was committed.
    fn merged<'a>(&self, inner: &'a mut Inner) -> Result<Option<&'a Database>, DiskError> {
        self.end_merge(inner)?;
        if !inner.pending.is_empty() || inner.db.is_none() {
            self.begin_merge(inner);
            self.end_merge(inner)?;
        }
        Ok(inner.db.as_ref())
    }

    /// Begins to put what is pending into the database.
    fn begin_merge(&self, inner: &mut Inner) {
        let rows = Arc::new(std::mem::take(&mut inner.pending));
        let (last, segment) = (inner.journal.last(), inner.journal.begin_segment());
        let segments = inner.oldest..=segment;
        let (db, merged_rows) = (inner.db.take(), rows.clone());
        let (path, directory) = (self.path.clone(), self.directory.clone());
        let thread = std::thread::spawn(move || {
            let db = db.map_or_else(|| open(&path), Ok)?;
            apply(&db, &merged_rows, last)?;
            journal::remove(&directory, segments);
            Ok(db)
        });
        inner.merging = Some(Merge {
            rows,
            segment,
            thread,
        });
    }

    /// Waits for a merge, if there is one.
    fn end_merge(&self, inner: &mut Inner) -> Result<(), DiskError> {
        let Some(merge) = inner.merging.take() else {
            return Ok(());
        };
        let panicked = |_| Err(redb::Error::Corrupted("redb panicked".to_owned()));
        match merge.thread.join().unwrap_or_else(panicked) {
            Ok(db) => {
                inner.db = Some(db);
                inner.oldest = merge.segment + 1;
                inner.merge_at = self.merge;
                Ok(())
            }
            Err(error) => {
                // They are in the journal still, and go first into the next merge.
                let mut rows = Arc::unwrap_or_clone(merge.rows);
                rows.append(&mut inner.pending);
                inner.merge_at = rows.len() + self.merge;
                inner.pending = rows;
                Err(named(&self.path, error))
            }
        }
    }
}

impl Drop for Disk {
    /// Waits for a merge; what is pending stays in the journal.
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        if let Some(merge) = inner.unwrap_or_else(PoisonError::into_inner).merging.take() {
            let _ = merge.thread.join();
        }
    }
}

fn open(path: &Path) -> Result<Database, redb::Error> {
    let db = Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create(path)?;
    let write = db.begin_write()?;
    match write.open_table(LEASES).map(drop) {
        Ok(()) => {}
        Err(TableError::TableTypeMismatch { .. }) => take_over(&write)?,
        Err(error) => return Err(error.into()),
    }
    write.open_table(META).map(drop)?;
    write.commit()?;
    Ok(db)
}

/// Moves the leases of an older release to the table of this one, as of no router that is known.
fn take_over(write: &WriteTransaction) -> Result<(), redb::Error> {
    write.rename_table(OLD_LEASES, TAKEN_OVER)?;
    {
        let (old, mut new) = (write.open_table(TAKEN_OVER)?, write.open_table(LEASES)?);
        for row in old.iter()? {
            let (key, value) = row?;
            new.insert(&record::key_of_old(key.value()), value.value())?;
        }
    }
    write.delete_table(TAKEN_OVER)?;
    Ok(())
}

fn merged(db: &Database) -> Result<u64, redb::Error> {
    let table = db.begin_read()?.open_table(META)?;
    Ok(table.get(MERGED)?.map_or(0, |merged| merged.value()))
}

/// Makes the rows, up to this commit, durably.
fn apply(db: &Database, rows: &[Row], last: u64) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    {
        let mut table = transaction.open_table(LEASES)?;
        for (key, value) in last_of_each(rows) {
            match value {
                Some(value) => drop(table.insert(key, value.as_slice())?),
                None => drop(table.remove(key)?),
            }
        }
        transaction.open_table(META)?.insert(MERGED, last)?;
    }
    transaction.commit()?;
    Ok(())
}

fn row(write: &Write) -> Row {
    let lease = write.after.as_ref().filter(|l| l.state != State::Offered);
    let value = lease.map(|lease| {
        let mut value = Vec::with_capacity(80);
        record::encode(lease, &mut value);
        value
    });
    (record::key(write.realm, write.resource), value)
}

/// The last row of each key, in the order of keys: pages are touched one after the other.
fn last_of_each(rows: &[Row]) -> Vec<&Row> {
    let mut last: Vec<&Row> = rows.iter().rev().collect();
    last.sort_by_key(|(key, _)| key);
    last.dedup_by_key(|(key, _)| key);
    last
}

fn named(path: &Path, source: redb::Error) -> DiskError {
    let path = path.to_owned();
    match source {
        redb::Error::DatabaseAlreadyOpen => DiskError::Locked { path },
        redb::Error::Io(e) if e.kind() == std::io::ErrorKind::StorageFull => {
            DiskError::Full { path }
        }
        redb::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => DiskError::Damaged {
            path,
            what: e.to_string(),
        },
        redb::Error::Corrupted(what) => DiskError::Damaged { path, what },
        redb::Error::UpgradeRequired(version) => DiskError::Damaged {
            path,
            what: format!("file format {version}"),
        },
        source => DiskError::Failed {
            path,
            source: Box::new(source),
        },
    }
}

#[cfg(test)]
mod tests;
