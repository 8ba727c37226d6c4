//! The journal before the database: a commit is one frame at the end of a file, and one fdatasync.
//!
//! ```text
//! leases.journal.0000000007:   frame  frame  frame ...
//! frame   "HxL2"   length of the rows (4)   sequence number (8)   hash of length, number and rows (8)   rows
//! row     key (26)   length of the record (4, zero: no lease)   record
//! ```
//!
//! A frame of an older release begins with "HxLJ", and its keys have no realm (18). The hash is keyed by number, length and
//! which of the two it is, so that a damaged beginning does not pass for the other.
//!
//! A segment is begun anew when its rows go into the database, and removed when they are there. Sequence numbers have no
//! gaps. A frame that is cut short or whose hash is wrong, with nothing valid behind it, is what a crash leaves of a commit
//! that nobody was told of: it is dropped. With something valid behind it, or with a number missing, the file is damaged.
//!
//! A segment grows in steps of zeros, which frames then overwrite: to make a frame durable, the file system has only data to
//! write and nothing of its own. Zeros are no frame: they are what a segment ends with.
//!
//! When a frame could not be made durable, nobody knows whether it is on disk; the next one goes into a new segment and
//! takes its number, which makes the old one void.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Row;
use crate::record;
use crate::siphash;

const MAGIC: [u8; 4] = *b"HxL2";
/// Of frames of older releases.
const OLD_MAGIC: [u8; 4] = *b"HxLJ";
const HEADER: usize = 24;
const NAME: &str = "leases.journal.";
/// Octets that a segment grows by at once: some ten thousand leases.
const STEP: usize = 1 << 20;

/// The end of the journal, where frames are put.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    /// Of the segment that is written to; it exists when `file` does.
    segment: u64,
    file: Option<File>,
    /// The length of the segment as far as it was acknowledged.
    len: u64,
    /// Up to where it has zeros on disk, at least.
    grown: u64,
    /// See [`STEP`].
    step: usize,
    /// The sequence number of the next frame.
    next: u64,
}

/// What the segments on disk hold.
#[derive(Debug)]
pub struct Replay {
    /// Rows that are not in the database yet, in their order.
    pub rows: Vec<Row>,
    /// All segments.
    pub segments: Vec<u64>,
    /// The journal after them; its first frame begins a new segment.
    pub journal: Journal,
}

/// Why a journal cannot be replayed.
#[derive(Debug)]
pub enum Fault {
    Io(io::Error),
    Damaged { path: PathBuf, what: String },
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

impl Journal {
    /// The sequence number of the last frame.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Appends a frame; it is on disk when this returns.
    ///
    /// # Errors
    /// When the disk is full or fails. The frame is then void.
    pub fn append(&mut self, rows: &[Row]) -> io::Result<()> {
        let frame = encode(self.next, rows)?;
        let file = match &self.file {
            Some(file) => file,
            None => {
                let path = path(&self.directory, self.segment);
                let file = File::create(path)?;
                // The name has to last, too.
                File::open(&self.directory)?.sync_all()?;
                (self.len, self.grown) = (0, 0);
                self.file.insert(file)
            }
        };
        let end = self.len + frame.len() as u64;
        if self.grown < end && 0 < self.step {
            // Where there is no room for a step there may be room for the frame.
            let zeros = vec![0; self.step];
            let from = self.grown.max(self.len);
            match file
                .write_all_at(&zeros, from)
                .and_then(|()| file.sync_data())
            {
                Ok(()) => self.grown = from + zeros.len() as u64,
                Err(_) if file.set_len(from).is_ok() => {}
                Err(error) => {
                    self.begin_segment();
                    return Err(error);
                }
            }
        }
        if let Err(error) = file.write_all_at(&frame, self.len) {
            if file.set_len(self.len).is_err() {
                self.begin_segment();
            }
            self.grown = self.grown.min(self.len);
            return Err(error);
        }
        if let Err(error) = file.sync_data() {
            self.begin_segment();
            return Err(error);
        }
        self.len = end;
        self.next += 1;
        Ok(())
    }

    /// Ends the segment; gives its number.
    pub fn begin_segment(&mut self) -> u64 {
        self.file = None;
        self.segment += 1;
        self.segment - 1
    }
}

/// Reads all segments of a directory. `merged` is the number of the last frame that is in the database.
pub fn replay(directory: &Path, merged: u64) -> Result<Replay, Fault> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NAME));
        segments.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    segments.sort_unstable();
    let mut frames: Vec<(u64, Vec<Row>)> = Vec::new();
    for segment in &segments {
        let path = path(directory, *segment);
        let damaged = |what: String| Fault::Damaged {
            path: path.clone(),
            what,
        };
        let bytes = std::fs::read(&path)?;
        let mut rest = bytes.as_slice();
        let mut is_first = true;
        while let Some((number, rows, behind)) = decode(rest) {
            if is_first {
                frames.retain(|(void, _)| *void < number);
            }
            let expected = frames.last().map_or(merged, |(last, _)| *last) + 1;
            // Frames that are in the database may still be in the journal.
            if number != expected && (number > expected || !frames.is_empty()) {
                return Err(damaged(format!(
                    "commit {expected} is missing before {number}"
                )));
            }
            let rows = rows.ok_or_else(|| damaged(format!("the rows of commit {number}")))?;
            frames.push((number, rows));
            is_first = false;
            rest = behind;
        }
        let valid_behind = (1..rest.len()).any(|at| decode(&rest[at..]).is_some());
        if valid_behind {
            let at = bytes.len() - rest.len();
            return Err(damaged(format!("the commit at byte {at}")));
        }
    }
    let last = frames.last().map_or(merged, |(last, _)| *last).max(merged);
    let rows = frames
        .into_iter()
        .filter(|(number, _)| *number > merged)
        .flat_map(|(_, rows)| rows)
        .collect();
    let journal = Journal {
        directory: directory.to_owned(),
        segment: segments.last().map_or(0, |segment| segment + 1),
        file: None,
        len: 0,
        grown: 0,
        step: STEP,
        next: last + 1,
    };
    Ok(Replay {
        rows,
        segments,
        journal,
    })
}

/// Removes segments whose rows are in the database.
pub fn remove(directory: &Path, segments: impl IntoIterator<Item = u64>) {
    for segment in segments {
        // One that stays is read again at the next start, does no harm, and is removed then.
        let _ = std::fs::remove_file(path(directory, segment));
    }
}

/// The file of a segment.
pub fn path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{NAME}{segment:010}"))
}

fn encode(number: u64, rows: &[Row]) -> io::Result<Vec<u8>> {
    let too_large = |_| io::Error::new(io::ErrorKind::InvalidInput, "a commit of over 4 GB");
    let mut frame = vec![0; HEADER];
    for (key, record) in rows {
        let record = record.as_deref().unwrap_or_default();
        frame.extend(key);
        frame.extend(
            u32::try_from(record.len())
                .map_err(too_large)?
                .to_be_bytes(),
        );
        frame.extend(record);
    }
    let len = u32::try_from(frame.len() - HEADER).map_err(too_large)?;
    let hash = hash(len, number, false, &frame[HEADER..]);
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&len.to_be_bytes());
    frame[8..16].copy_from_slice(&number.to_be_bytes());
    frame[16..24].copy_from_slice(&hash.to_be_bytes());
    Ok(frame)
}

/// The first frame: its number, its rows (none if they are no rows in spite of the hash), and what is behind it.
type Frame<'a> = (u64, Option<Vec<Row>>, &'a [u8]);

fn decode(bytes: &[u8]) -> Option<Frame<'_>> {
    let (magic, rest) = bytes.split_first_chunk()?;
    let is_old = *magic == OLD_MAGIC;
    if !is_old && *magic != MAGIC {
        return None;
    }
    let (len, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (hashed, rest) = rest.split_first_chunk()?;
    let (len, number) = (u32::from_be_bytes(*len), u64::from_be_bytes(*number));
    let (rows, behind) = rest.split_at_checked(len as usize)?;
    let is_whole = hash(len, number, is_old, rows) == u64::from_be_bytes(*hashed);
    is_whole.then(|| (number, decode_rows(rows, is_old), behind))
}

fn hash(len: u32, number: u64, is_old: bool, rows: &[u8]) -> u64 {
    let format = if is_old { 0 } else { 1 << 32 };
    siphash([u64::from(len) | format, number], rows)
}

fn decode_rows(mut bytes: &[u8], is_old: bool) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let (key, rest) = match is_old {
            true => {
                let (key, rest) = bytes.split_first_chunk()?;
                (record::key_of_old(key), rest)
            }
            false => {
                let (key, rest) = bytes.split_first_chunk()?;
                (*key, rest)
            }
        };
        let (len, rest) = rest.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        rows.push((key, (!record.is_empty()).then(|| record.to_vec())));
        bytes = rest;
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u8) -> Row {
        (
            [n; 26],
            (!n.is_multiple_of(3)).then(|| vec![n; usize::from(n)]),
        )
    }

    /// A directory with frames 1 to 4, two in each of two segments.
    fn two_segments() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = replay(dir.path(), 0).unwrap().journal;
        journal.step = 0;
        journal.append(&[row(1), row(3)]).unwrap();
        journal.append(&[row(2)]).unwrap();
        assert_eq!(journal.begin_segment(), 0);
        journal.append(&[row(1)]).unwrap();
        journal.append(&[row(7), row(9)]).unwrap();
        (dir, journal)
    }

    fn damage(dir: &Path, segment: u64, at: usize) {
        let path = path(dir, segment);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    fn what(result: Result<Replay, Fault>) -> String {
        match result {
            Err(Fault::Damaged { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_that_is_not_merged_comes_back_in_order() {
        let (dir, journal) = two_segments();
        assert_eq!(journal.last(), 4);
        let all = [row(1), row(3), row(2), row(1), row(7), row(9)];
        for (merged, rows) in [(0, &all[..]), (1, &all[2..]), (2, &all[3..]), (4, &[])] {
            let replay = replay(dir.path(), merged).unwrap();
            assert_eq!(replay.rows, rows, "{merged} merged");
            assert_eq!(replay.segments, [0, 1]);
            assert_eq!(replay.journal.last(), 4);
        }
        remove(dir.path(), [0]);
        assert_eq!(replay(dir.path(), 2).unwrap().rows, all[3..]);
        assert_eq!(what(replay(dir.path(), 1)), "commit 2 is missing before 3");
        remove(dir.path(), [1]);
        assert_eq!(replay(dir.path(), 4).unwrap().journal.last(), 4);
    }

    #[test]
    fn frames_overwrite_zeros_which_end_a_segment() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = replay(dir.path(), 0).unwrap().journal;
        journal.step = 1000;
        let rows: Vec<Row> = (1..=250).map(row).collect();
        for row in &rows {
            journal.append(std::slice::from_ref(row)).unwrap();
        }
        let bytes = std::fs::read(path(dir.path(), 0)).unwrap();
        assert_eq!(bytes.len() % 1000, 0, "{} octets", bytes.len());
        assert_eq!(bytes.last(), Some(&0));
        let whole = replay(dir.path(), 0).unwrap();
        assert_eq!((whole.rows, whole.journal.last()), (rows, 250));
        // A longer frame than a step.
        journal.append(&vec![row(200); 20]).unwrap();
        assert_eq!(replay(dir.path(), 0).unwrap().rows.len(), 270);
    }

    #[test]
    fn a_torn_end_is_dropped_wherever_it_is_torn() {
        let (dir, _) = two_segments();
        let whole = std::fs::read(path(dir.path(), 1)).unwrap();
        let (_, _, behind) = decode(&whole).unwrap();
        let first = whole.len() - behind.len();
        for len in 0..whole.len() {
            std::fs::write(path(dir.path(), 1), &whole[..len]).unwrap();
            let last = if len < first { 2 } else { 3 };
            assert_eq!(replay(dir.path(), 0).unwrap().journal.last(), last, "{len}");
        }
    }

    #[test]
    fn damage_in_what_was_acknowledged_is_found() {
        let (dir, _) = two_segments();
        let first = std::fs::read(path(dir.path(), 0)).unwrap();
        for at in 0..first.len() {
            damage(dir.path(), 0, at);
            let (_, _, behind) = decode(&first).unwrap();
            let expected = match at < first.len() - behind.len() {
                true => "the commit at byte 0".to_owned(),
                // Nothing valid is behind it in its segment, but the number is missing before the next.
                false => "commit 2 is missing before 3".to_owned(),
            };
            assert_eq!(what(replay(dir.path(), 0)), expected, "byte {at}");
            damage(dir.path(), 0, at);
        }
        assert!(replay(dir.path(), 0).is_ok());
    }

    #[test]
    fn a_frame_that_failed_is_void() {
        let (dir, mut journal) = two_segments();
        // As after a failed fdatasync: the frame may be on disk, its number is used again.
        journal.append(&[row(100)]).unwrap();
        journal.next -= 1;
        journal.begin_segment();
        journal.append(&[row(5)]).unwrap();
        let replay = replay(dir.path(), 4).unwrap();
        assert_eq!(replay.rows, [row(5)]);
        assert_eq!(replay.journal.last(), 5);
    }
}
