//! What an older release left: all of it is there, and each lease finds its router or stays as it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use redb::Builder;

use super::super::{META, OLD_LEASES, journal};
use super::*;
use crate::testing::{holder, in_realm, lan, lease, realm};
use crate::{Book, Resource, ScopeId, siphash};

/// The lease as an older release knew it.
fn unowned(lease: Lease) -> Lease {
    let realm = RealmId::UNKNOWN;
    Lease {
        scope: ScopeId {
            realm,
            ..lease.scope
        },
        ..lease
    }
}

fn old_row(lease: &Lease) -> ([u8; 18], Vec<u8>) {
    let mut record = Vec::new();
    record::encode(lease, &mut record);
    let key = record::key(lease.realm(), lease.resource);
    (key[8..].try_into().unwrap(), record)
}

/// A store as the last release without realms left it when it was killed: `stored` in the database, `put` and `gone` in the
/// journal.
fn left_behind(directory: &Path, stored: &[Lease], put: &[Lease], gone: &[Lease]) {
    let db = Builder::new().create(directory.join("leases.redb"));
    let write = db.unwrap();
    let write = write.begin_write().unwrap();
    {
        let mut table = write.open_table(OLD_LEASES).unwrap();
        for (key, record) in stored.iter().map(old_row) {
            table.insert(&key, record.as_slice()).unwrap();
        }
        write.open_table(META).unwrap();
    }
    write.commit().unwrap();
    let mut rows = Vec::new();
    let put = put.iter().map(old_row);
    let gone = gone.iter().map(|lease| (old_row(lease).0, Vec::new()));
    for (key, record) in put.chain(gone) {
        rows.extend(key);
        rows.extend((record.len() as u32).to_be_bytes());
        rows.extend(record);
    }
    let (len, number) = (rows.len() as u32, 1u64);
    let hash = siphash([u64::from(len), number], &rows);
    let frame = [
        b"HxLJ".as_slice(),
        &len.to_be_bytes(),
        &number.to_be_bytes(),
        &hash.to_be_bytes(),
        &rows,
    ];
    std::fs::write(journal::path(directory, 0), frame.concat()).unwrap();
}

fn stored(disk: &Disk) -> BTreeMap<(RealmId, Resource), Lease> {
    let mut all = BTreeMap::new();
    disk.load(|lease| drop(all.insert((lease.realm(), lease.resource), lease)))
        .unwrap();
    all
}

fn by_key(leases: impl IntoIterator<Item = Lease>) -> BTreeMap<(RealmId, Resource), Lease> {
    let named = |lease: Lease| ((lease.realm(), lease.resource), lease);
    leases.into_iter().map(named).collect()
}

#[test]
fn what_an_older_release_acknowledged_is_there_and_finds_its_router() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c, d] = [
        lease("2001:db8::1", 1, 2000),
        lease("2001:db8:1::/56", 2, 2000),
        lease("192.0.2.1", 3, 2000),
        lease("192.0.2.2", 4, 2000),
    ];
    // In the journal: one that is renewed, one that is new, and one that is gone.
    let renewed = lease("2001:db8::1", 1, 3000);
    let before = [a, b.clone(), d.clone()];
    left_behind(dir.path(), &before, &[renewed.clone(), c.clone()], &[d]);
    let left = [renewed.clone(), b.clone(), c.clone()];
    for round in 0..2 {
        // A router is found when somebody says which; until then every start has them all.
        let disk = Disk::open(dir.path()).unwrap();
        assert_eq!(stored(&disk), by_key(left.clone().map(unowned)), "{round}");
        let nothing = disk.adopt(|_| None).unwrap();
        assert_eq!((nothing.given, nothing.left), (0, 3));
        assert!(nothing.first_left.is_some());
    }
    let disk = Disk::open(dir.path()).unwrap();
    let is_v4 = |lease: &Lease| matches!(lease.resource, Resource::V4(_));
    let done = disk.adopt(|lease| (!is_v4(lease)).then(realm)).unwrap();
    assert_eq!((done.given, done.left), (2, 1));
    assert_eq!(done.first_left, Some(Box::new(unowned(c.clone()))));
    let now = by_key([renewed, b, unowned(c)]);
    assert_eq!(stored(&disk), now);
    drop(disk);
    let disk = Disk::open(dir.path()).unwrap();
    assert_eq!(stored(&disk), now);
    assert_eq!(disk.adopt(|_| Some(realm())).unwrap().given, 1);
    assert_eq!(disk.adopt(|_| Some(realm())).unwrap(), Adopted::default());
}

#[test]
fn a_lease_of_the_same_resource_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let old = lease("192.0.2.1", 1, 2000);
    left_behind(dir.path(), std::slice::from_ref(&old), &[], &[]);
    let disk = Disk::open(dir.path()).unwrap();
    let mut book = Book::new(Duration::ZERO);
    let newer = lease("192.0.2.1", 2, 5000);
    let tenant = in_realm("tenant", newer.clone());
    disk.commit(&[book.put(newer.clone()), book.put(tenant.clone())])
        .unwrap();
    let [newer, tenant] = [newer, tenant].map(|l| book.get(l.realm(), l.resource).unwrap().clone());
    let done = disk.adopt(|_| Some(realm())).unwrap();
    assert_eq!((done.given, done.left), (0, 1));
    assert_eq!(stored(&disk), by_key([newer, tenant, unowned(old)]));
}

#[test]
fn many_are_given_in_several_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<Lease> = (0..250u32)
        .map(|n| Lease {
            holder: holder(n),
            ..Lease::bound(
                Resource::V4((0x0a00_0000 + n).into()),
                holder(n),
                lan(),
                crate::Wall::EPOCH,
                crate::Wall::NEVER,
                crate::Wall::NEVER,
            )
        })
        .collect();
    left_behind(dir.path(), &all, &[], &[]);
    let disk = Disk::open_with(dir.path(), 100).unwrap();
    let is_even = |lease: &Lease| lease.holder.iaid.is_multiple_of(2);
    let done = disk.adopt(|lease| is_even(lease).then(realm)).unwrap();
    assert_eq!((done.given, done.left), (125, 125));
    let expected = all.into_iter().map(|lease| match is_even(&lease) {
        true => lease,
        false => unowned(lease),
    });
    assert_eq!(stored(&disk), by_key(expected));
}
