//! What must hold for any bytes that a peer has sealed: for the fuzzer, and for the tests that replay what it found.

use crate::message::{Batch, Message};
use crate::record::{self, Kind, Record};

/// Reads bytes as a message and all records in it; what can be read is written, and read as the same.
///
/// # Panics
/// The two differ.
pub fn message(bytes: &[u8]) {
    let Ok(Some(message)) = Message::read(bytes) else {
        return;
    };
    let written = message.write();
    assert_eq!(Message::read(&written).as_ref(), Ok(&Some(message.clone())));
    let Message::Records(records) = &message else {
        return;
    };
    for bytes in records.iter() {
        match Kind::of_number(records.kind) {
            Some(Kind::Flow) => one::<record::Flow>(bytes),
            Some(Kind::Neighbor) => one::<record::Neighbor>(bytes),
            Some(Kind::Station) => one::<record::Station>(bytes),
            Some(Kind::Binding) => one::<record::Binding>(bytes),
            Some(Kind::Lease) => one::<record::Lease>(bytes),
            Some(Kind::Prefix) => one::<record::DelegatedPrefix>(bytes),
            None => {}
        }
    }
}

fn one<R: Record + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(record) = record::read::<R>(bytes) else {
        return;
    };
    let mut batch = Batch::new(R::KIND as u8);
    // Written shorter or longer than it was read: numbers have more than one form.
    if batch.push(&record).is_err() {
        return;
    }
    let written = batch.into_message(0);
    let Ok(Some(Message::Records(records))) = Message::read(&written) else {
        unreachable!("what was written is a message of records");
    };
    let again = records.iter().next().map(record::read::<R>);
    assert_eq!(again, Some(Ok(record)));
}
