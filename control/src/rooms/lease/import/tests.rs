//! The importer with a real store, and rooms that are played by hand.

use lease::{ClientId, Holder, ScopeId, Wall};

use super::*;
use crate::bus::{Inbox, Inboxes};

fn lease(resource: &str, kind: Kind) -> Lease {
    let holder = Holder {
        client: ClientId::new(&[0, 3, 7]).unwrap(),
        iaid: 0,
        kind,
    };
    let (starts, ends) = (Wall::from_secs(1000), Wall::NEVER);
    let resource = resource.parse().unwrap();
    Lease::bound(
        resource,
        holder,
        ScopeId::of(lease::RealmId::of("main"), "lan"),
        starts,
        ends,
        ends,
    )
}

/// Two of DHCPv6, and one of DHCPv4 between them.
fn leases() -> Vec<Lease> {
    vec![
        lease("2001:db8::1", Kind::Na),
        lease("192.0.2.1", Kind::V4),
        lease("2001:db8::2", Kind::Na),
    ]
}

/// What a machine would say that puts all.
fn put(leases: &[Lease]) -> (Result<Imported, ImportRefused>, Vec<Write>) {
    let write = |lease: &Lease| Write {
        realm: lease.realm(),
        resource: lease.resource,
        before: None,
        after: Some(lease.clone()),
    };
    let imported = Imported {
        added: leases.len(),
        ..Imported::default()
    };
    (Ok(imported), leases.iter().map(write).collect())
}

fn refuse(index: usize) -> (Result<Imported, ImportRefused>, Vec<Write>) {
    let (field, why) = ("resource", "it is not in lan".to_owned());
    let conflict = Conflict { index, field, why };
    (Err(ImportRefused::Conflicts(vec![conflict])), Vec::new())
}

fn stored(disk: &Disk) -> usize {
    disk.load(drop).unwrap()
}

struct Rooms {
    bus: Bus,
    dhcp6: Inbox<Dhcp6Message>,
    dhcp4: Inbox<Dhcp4Message>,
    disk: Arc<Disk>,
    _directory: tempfile::TempDir,
}

impl Rooms {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::open(directory.path()).unwrap());
        let (bus, Inboxes { dhcp6, dhcp4, .. }) = Bus::new();
        Self {
            bus,
            dhcp6,
            dhcp4,
            disk,
            _directory: directory,
        }
    }

    fn import(&self) -> tokio::task::JoinHandle<Result<Imported, ImportError>> {
        tokio::spawn(import(self.bus.clone(), Some(self.disk.clone()), leases()))
    }

    async fn asked_6(&mut self) -> Import {
        match self.dhcp6.messages.recv().await {
            Some(Dhcp6Message::Import(import)) => *import,
            other => panic!("{other:?}"),
        }
    }

    async fn asked_4(&mut self) -> Import {
        match self.dhcp4.messages.recv().await {
            Some(Dhcp4Message::Import(import)) => *import,
            other => panic!("{other:?}"),
        }
    }
}

/// A room that puts all, until the verdict.
fn puts(import: Import) -> tokio::task::JoinHandle<Verdict> {
    let (said, writes) = put(&import.leases);
    tokio::spawn(async move { import.part.offer(said, writes).await.0 })
}

#[tokio::test]
async fn both_servers_are_stored_at_once() {
    let mut rooms = Rooms::new();
    let import = rooms.import();
    let six = rooms.asked_6().await;
    assert_eq!(six.leases.len(), 2);
    let six = puts(six);
    let four = rooms.asked_4().await;
    assert_eq!(stored(&rooms.disk), 0, "not before both have said so");
    let four = puts(four);
    let imported = import.await.unwrap().unwrap();
    assert_eq!(imported.added, 3);
    assert_eq!(stored(&rooms.disk), 3);
    assert_eq!(six.await.unwrap(), Verdict::Stored);
    assert_eq!(four.await.unwrap(), Verdict::Stored);
}

#[tokio::test]
async fn what_one_server_refuses_the_other_takes_back() {
    let mut rooms = Rooms::new();
    let import = rooms.import();
    let six = puts(rooms.asked_6().await);
    let (said, writes) = refuse(0);
    let four = rooms.asked_4().await.part.offer(said, writes).await.0;
    let error = import.await.unwrap().unwrap_err();
    let ImportError::Conflicts(conflicts) = error else {
        panic!("{error:?}");
    };
    assert_eq!(conflicts[0].index, 1, "its place in the whole");
    assert_eq!(
        (four, six.await.unwrap()),
        (Verdict::Withdrawn, Verdict::Withdrawn)
    );
    assert_eq!(stored(&rooms.disk), 0);
}

#[tokio::test]
async fn the_conflicts_of_both_are_told_in_the_order_of_the_leases() {
    let mut rooms = Rooms::new();
    let import = rooms.import();
    let (said, writes) = refuse(1);
    rooms.asked_6().await.part.offer(said, writes).await;
    let (said, writes) = refuse(0);
    rooms.asked_4().await.part.offer(said, writes).await;
    let Err(ImportError::Conflicts(conflicts)) = import.await.unwrap() else {
        panic!("nothing stands against it");
    };
    let indices: Vec<usize> = conflicts.iter().map(|c| c.index).collect();
    assert_eq!(indices, [1, 2]);
}

#[tokio::test]
async fn a_server_that_has_ended_and_a_store_that_fails_leave_nothing() {
    let mut rooms = Rooms::new();
    let import_all = rooms.import();
    let six = puts(rooms.asked_6().await);
    drop(rooms.asked_4().await);
    assert_eq!(import_all.await.unwrap(), Err(ImportError::Stopping));
    assert_eq!(six.await.unwrap(), Verdict::Withdrawn);

    let import_all = tokio::spawn(import(rooms.bus.clone(), None, leases()));
    let six = puts(rooms.asked_6().await);
    let four = puts(rooms.asked_4().await);
    let error = import_all.await.unwrap().unwrap_err();
    assert!(matches!(error, ImportError::NotStored(_)), "{error}");
    assert!(matches!(six.await.unwrap(), Verdict::NotStored(_)));
    assert!(matches!(four.await.unwrap(), Verdict::NotStored(_)));
    assert_eq!(stored(&rooms.disk), 0);
}
