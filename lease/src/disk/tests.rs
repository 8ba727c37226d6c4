//! What is acknowledged is there: after reopening, kill -9, a full disk; and what is damaged is said so.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::testing::{holder, in_realm, lan, lease, realm, unstamped};
use crate::{Book, RealmId, Resource, Wall};

type Named = (RealmId, Resource);

fn stored(disk: &Disk) -> BTreeMap<Named, Lease> {
    let mut all = BTreeMap::new();
    let count = disk
        .load(|lease| drop(all.insert((lease.realm(), lease.resource), lease)))
        .unwrap();
    assert_eq!(count, all.len());
    all
}

fn known(book: &Book) -> BTreeMap<Named, Lease> {
    let named = |l: &Lease| ((l.realm(), l.resource), l.clone());
    book.iter().map(named).collect()
}

fn numbered(n: u32) -> Lease {
    let bits = 0x2001_0db8_u128 << 96 | u128::from(n);
    let ends = Wall::from_secs(u64::from(n));
    Lease::bound(
        Resource::V6(bits.into()),
        holder(n),
        lan(),
        Wall::EPOCH,
        ends,
        ends,
    )
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::new(Duration::from_secs(60));
    {
        let disk = Disk::open(dir.path()).unwrap();
        assert!(stored(&disk).is_empty());
        let writes = [
            book.put(lease("2001:db8::1", 1, 2000)),
            book.put(lease("192.0.2.1", 2, 2000)),
            book.put(lease("2001:db8:1::/56", 3, 2000)),
            book.put(lease("2001:db8::1", 1, 3000)),
            book.put(in_realm("tenant", lease("192.0.2.1", 2, 2500))),
            book.put(in_realm("tenant", lease("2001:db8:1::/56", 3, 2500))),
        ];
        disk.commit(&writes).unwrap();
        let writes = [
            book.remove(realm(), "192.0.2.1".parse().unwrap(), Wall::EPOCH)
                .unwrap(),
            book.release(
                realm(),
                "2001:db8:1::/56".parse().unwrap(),
                Wall::from_secs(1500),
            )
            .unwrap(),
        ];
        disk.commit(&writes).unwrap();
        assert_eq!(stored(&disk), known(&book));
    }
    let disk = Disk::open(dir.path()).unwrap();
    assert_eq!(stored(&disk), known(&book));
    assert_eq!(book.len(), 4);
}

#[test]
fn offers_stay_off_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(dir.path()).unwrap();
    let mut book = Book::new(Duration::ZERO);
    let offer = Lease {
        state: State::Offered,
        ..lease("192.0.2.1", 1, 2000)
    };
    let write = book.put(offer);
    assert!(!write.is_durable());
    disk.commit(&[write]).unwrap();
    assert!(stored(&disk).is_empty());
    let write = book.put(lease("192.0.2.1", 1, 3000));
    disk.commit(&[write]).unwrap();
    assert_eq!(stored(&disk), known(&book));
}

#[test]
fn a_hundred_thousand_leases_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::new(Duration::ZERO);
    {
        let disk = Disk::open(dir.path()).unwrap();
        let commit = |range: std::ops::Range<u32>, book: &mut Book| {
            let writes: Vec<Write> = range.map(|n| book.put(numbered(n))).collect();
            disk.commit(&writes).unwrap();
        };
        for start in (0..100_000).step_by(5000) {
            commit(start..start + 5000, &mut book);
        }
        let gone: Vec<Write> = (0..100_000)
            .step_by(10)
            .filter_map(|n| book.remove(realm(), numbered(n).resource, Wall::EPOCH))
            .collect();
        disk.commit(&gone).unwrap();
    }
    let disk = Disk::open(dir.path()).unwrap();
    let mut loaded = Book::new(Duration::ZERO);
    assert_eq!(disk.load(|l| drop(loaded.insert(l))).unwrap(), 90_000);
    assert_eq!(known(&loaded), known(&book));
    assert_eq!(loaded.due(), Some(Wall::from_secs(1)));
    assert_eq!(loaded.of_holder(&holder(12_345)).count(), 1);
}

#[test]
fn what_waits_in_the_journal_and_what_is_merged_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::new(Duration::ZERO);
    for round in 0..6 {
        let disk = Disk::open_with(dir.path(), 100).unwrap();
        assert_eq!(stored(&disk), known(&book), "round {round}");
        for n in 0..round * 70 {
            let writes = match book.remove(realm(), numbered(n * 13 % 200).resource, Wall::EPOCH) {
                Some(write) => vec![write],
                None => vec![
                    book.put(numbered(n * 13 % 200)),
                    book.put(numbered(n * 7 % 200)),
                ],
            };
            disk.commit(&writes).unwrap();
        }
    }
    let disk = Disk::open(dir.path()).unwrap();
    assert_eq!(stored(&disk), known(&book));
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "what is merged is removed: {files:?}");
}

#[test]
fn a_damaged_journal_is_refused_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::new(Duration::ZERO);
    {
        let disk = Disk::open(dir.path()).unwrap();
        for n in 0..3 {
            disk.commit(&[book.put(numbered(n))]).unwrap();
        }
    }
    let path = journal::path(dir.path(), 0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = Disk::open(dir.path()).unwrap_err();
    assert!(matches!(error, DiskError::Damaged { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("leases.journal.0000000000"), "{text}");
    assert!(text.contains("the commit at byte 0"), "{text}");
}

#[test]
fn a_second_opener_is_refused_with_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Disk::open(dir.path()).unwrap();
    let error = Disk::open(dir.path()).unwrap_err();
    assert!(matches!(error, DiskError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("leases.redb"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "in the way").unwrap();
    let error = Disk::open(&path.join("state")).unwrap_err();
    assert!(matches!(error, DiskError::Directory { .. }), "{error:?}");
    assert!(error.to_string().contains("file/state"), "{error}");
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leases.redb");
    let text = "lease 192.0.2.1 { binding state active; }\n".repeat(500);
    std::fs::write(&path, &text).unwrap();
    let error = Disk::open(dir.path()).unwrap_err();
    assert!(matches!(error, DiskError::Damaged { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_record_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(dir.path()).unwrap();
    let one = lease("192.0.2.77", 1, 2000);
    let write = Book::new(Duration::ZERO).put(one.clone());
    disk.commit(&[write]).unwrap();
    let mut later = Vec::new();
    record::encode(&one, &mut later);
    later[0] = 9;
    drop(disk);
    let db = open(&dir.path().join("leases.redb")).unwrap();
    let key = record::key(one.realm(), one.resource);
    apply(&db, &[(key, Some(later))], 1).unwrap();
    drop(db);
    let disk = Disk::open(dir.path()).unwrap();
    let error = disk.load(|_| {}).unwrap_err();
    assert!(matches!(error, DiskError::Record { .. }), "{error:?}");
    assert!(error.to_string().contains("192.0.2.77"), "{error}");
}

/// Flips bits and cuts the file: it opens with all leases or not at all, and never panics.
#[test]
fn a_damaged_file_is_refused_or_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leases.redb");
    let mut book = Book::new(Duration::ZERO);
    {
        let disk = Disk::open(dir.path()).unwrap();
        let writes: Vec<Write> = (0..2000).map(|n| book.put(numbered(n))).collect();
        disk.commit(&writes).unwrap();
    }
    drop(Disk::open(dir.path()).unwrap());
    let good = std::fs::read(&path).unwrap();
    let mut refused = 0;
    let mut check = |bad: &[u8], what: String| {
        std::fs::write(&path, bad).unwrap();
        let loaded = Disk::open(dir.path()).and_then(|disk| {
            let mut all = BTreeMap::new();
            disk.load(|l| drop(all.insert((l.realm(), l.resource), l)))?;
            Ok(all)
        });
        match loaded {
            Ok(all) => assert!(all == known(&book), "{what}: other leases than before"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("leases.redb"), "{what}: {error}");
            }
        }
    };
    for at in (0..good.len()).step_by(good.len() / 80) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        check(&bad, format!("byte {at}"));
    }
    for at in (0..400).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        check(&bad, format!("byte {at} of the header"));
    }
    for part in 1..8 {
        check(&good[..good.len() / 8 * part], format!("{part} eighths"));
    }
    assert!(refused > 10, "only {refused} were refused");
}

/// Fills a tmpfs of our own (in a mount namespace of this thread; needs root) and frees it again.
#[test]
fn a_full_disk_is_said_so_and_survived() {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    let run = || {
        let dir = tempfile::tempdir().unwrap();
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace: are we root?");
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let size = Some("size=12m");
        mount(
            Some("tmpfs"),
            dir.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            size,
        )
        .unwrap();
        let ballast = dir.path().join("ballast");
        std::fs::write(&ballast, vec![1; 3 << 20]).unwrap();
        let disk = Disk::open_with(dir.path(), 2000).unwrap();
        let mut book = Book::new(Duration::ZERO);
        let mut next = 0;
        let mut failed = |disk: &Disk, book: &mut Book| {
            for _ in 0..1000 {
                let writes: Vec<Write> =
                    (next..next + 500).map(|n| book.put(numbered(n))).collect();
                next += 500;
                if let Err(error) = disk.commit(&writes) {
                    writes.iter().rev().for_each(|write| book.undo(write));
                    return error;
                }
            }
            panic!("500,000 leases fit into twelve megabytes");
        };
        for _ in 0..3 {
            let error = failed(&disk, &mut book);
            assert!(matches!(error, DiskError::Full { .. }), "{error:?}");
            assert!(error.to_string().contains("leases."), "{error}");
        }
        let before = book.len();
        assert!(before >= 500);
        std::fs::remove_file(&ballast).unwrap();
        let writes = [book.put(numbered(1_000_000))];
        disk.commit(&writes).unwrap();
        assert_eq!(book.len(), before + 1);
        assert_eq!(stored(&disk), known(&book));
        drop(disk);
        assert_eq!(stored(&Disk::open(dir.path()).unwrap()), known(&book));
    };
    // The namespace ends with the thread, and with it the mount.
    std::thread::spawn(run).join().unwrap();
}

/// The environment variable that makes the process the one that is killed.
const CHILD: &str = "LEASE_TEST_DIRECTORY";

/// A child commits and says what was acknowledged; it is killed at random moments, and every time all of it is there.
#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    if let Some(directory) = std::env::var_os(CHILD) {
        commit_until_killed(Path::new(&directory));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let mut seed = crate::siphash([1, 2], b"moments");
    for round in 0..20 {
        let name = std::thread::current().name().unwrap().to_owned();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = |line: &str| line.contains("ready");
        assert!(
            lines.by_ref().any(|line| is_ready(&line.unwrap())),
            "{round}"
        );
        seed = crate::siphash([seed, round], &[]);
        std::thread::sleep(Duration::from_micros(seed % 60_000));
        child.kill().unwrap();
        // What stands in the pipe was acknowledged.
        for line in lines.map_while(Result::ok) {
            if let Some(up_to) = line.strip_prefix("acknowledged ") {
                acknowledged = up_to.parse().unwrap();
            }
        }
        assert_eq!(child.wait().unwrap().signal(), Some(9), "round {round}");
        let there = stored(&Disk::open_with(dir.path(), MERGE_AT).unwrap());
        let count = there.len() as u32;
        assert!(count >= acknowledged, "{count} of {acknowledged} are there");
        // Batches are whole, and what is there is what was written.
        assert_eq!(count % BATCH, 0, "round {round}");
        let is_there = |n| {
            let lease = there.get(&(realm(), numbered(n).resource));
            lease.map(unstamped) == Some(numbered(n))
        };
        assert!((0..count).all(is_there));
        acknowledged = count;
    }
    assert!(acknowledged > 0, "nothing was ever committed");
}

const BATCH: u32 = 50;
/// Small enough for kills in the midst of merges.
const MERGE_AT: usize = 400;

/// Goes on where the last one was killed.
fn commit_until_killed(directory: &Path) -> ! {
    let disk = Disk::open_with(directory, MERGE_AT).unwrap();
    let mut book = Book::new(Duration::ZERO);
    disk.load(|l| drop(book.insert(l))).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "ready").unwrap();
    let mut next = book.len() as u32;
    loop {
        let writes: Vec<Write> = (next..next + BATCH)
            .map(|n| book.put(numbered(n)))
            .collect();
        disk.commit(&writes).unwrap();
        next += BATCH;
        writeln!(out, "acknowledged {next}").unwrap();
        out.flush().unwrap();
    }
}
