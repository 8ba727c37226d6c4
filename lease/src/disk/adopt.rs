//! Leases of older releases: each is given to the router whose it is.

use std::sync::PoisonError;

use redb::{Database, ReadableTable};

use super::{Disk, DiskError, LEASES, named};
use crate::record::{self, Key, RecordError};
use crate::{Lease, RealmId};

/// What became of leases that had no router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// How many have one now.
    pub given: usize,
    /// How many have none still: nobody knows theirs, or it has another lease of the same resource.
    pub left: usize,
    /// The first of those.
    pub first_left: Option<Box<Lease>>,
}

/// Where to go on after one transaction, and what was in it.
struct Part {
    next: Option<Key>,
    done: Adopted,
}

impl Disk {
    /// Gives the leases that have no router to those that `realm_of` tells, durably; the others stay as they are, and may be
    /// told at another time. A crash leaves each of them on one side or the other.
    ///
    /// # Errors
    /// When the database fails or a lease in it is not one.
    pub fn adopt(
        &self,
        mut realm_of: impl FnMut(&Lease) -> Option<RealmId>,
    ) -> Result<Adopted, DiskError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Adopted::default();
        let Some(db) = self.merged(&mut inner)? else {
            return Ok(all);
        };
        // No key is all zeros: the kind of a resource is a letter.
        let mut from = [0; size_of::<Key>()];
        loop {
            let part = adopt(db, from, self.merge, &mut realm_of)
                .map_err(|source| named(&self.path, source))?
                .map_err(|(lease, source)| DiskError::Record {
                    path: self.path.clone(),
                    lease,
                    source,
                })?;
            all.given += part.done.given;
            all.left += part.done.left;
            all.first_left = all.first_left.or(part.done.first_left);
            match part.next {
                Some(key) => from = key,
                None => return Ok(all),
            }
        }
    }
}

/// The same for so many leases from a key on, in one transaction. The inner error is of a row that is no lease, which is named.
fn adopt(
    db: &Database,
    from: Key,
    most: usize,
    realm_of: &mut impl FnMut(&Lease) -> Option<RealmId>,
) -> Result<Result<Part, (String, RecordError)>, redb::Error> {
    let mut last = [u8::MAX; size_of::<Key>()];
    last[..8].copy_from_slice(&RealmId::UNKNOWN.0.to_be_bytes());
    let transaction = db.begin_write()?;
    let mut part = Part {
        next: None,
        done: Adopted::default(),
    };
    {
        let mut table = transaction.open_table(LEASES)?;
        let mut rows: Vec<(Key, Vec<u8>)> = Vec::new();
        for row in table.range::<&Key>(&from..=&last)?.take(most + 1) {
            let (key, value) = row?;
            rows.push((*key.value(), value.value().to_vec()));
        }
        if rows.len() > most {
            part.next = rows.pop().map(|(key, _)| key);
        }
        for (old, record) in rows {
            let lease = match record::named(&old) {
                Ok((realm, resource)) => record::decode(realm, resource, &record)
                    .map_err(|source| (resource.to_string(), source)),
                Err(source) => Err((format!("{old:02x?}"), source)),
            };
            let lease = match lease {
                Ok(lease) => lease,
                Err(fault) => return Ok(Err(fault)),
            };
            let new = realm_of(&lease).map(|realm| record::key(realm, lease.resource));
            let new = match new {
                Some(new) if table.get(&new)?.is_none() => Some(new),
                _ => None,
            };
            match new {
                Some(new) => {
                    table.insert(&new, record.as_slice())?;
                    table.remove(&old)?;
                    part.done.given += 1;
                }
                None => {
                    part.done.left += 1;
                    part.done.first_left.get_or_insert(Box::new(lease));
                }
            }
        }
    }
    transaction.commit()?;
    Ok(Ok(part))
}

#[cfg(test)]
mod tests;
