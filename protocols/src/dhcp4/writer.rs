//! Options to bytes: split where they are long (RFC 3396), and put where there is room.

use super::option::code;
use super::packet::{COOKIE, FILE, FIXED, SNAME};

/// What relays and old clients take for the least length of a message: that of a BOOTP message (RFC 1542 section 2.1).
pub(super) const LEAST: u16 = 300;

/// The options of one answer, in order.
///
/// They fill the options field; what does not fit there goes to `file` and `sname` (RFC 2132 section 9.3) if those are free.
/// An option is written whole or not at all.
#[derive(Debug)]
pub(super) struct Options {
    fields: [Field; 3],
    /// What stands last in the options field, whatever else there is.
    tail: Vec<u8>,
    /// Options for which there was no room.
    pub left_out: u64,
}

#[derive(Debug, Default)]
struct Field {
    bytes: Vec<u8>,
    room: usize,
}

impl Options {
    /// No options yet, for a message of at most `max` octets of UDP payload; `file` and `sname` say which of the two fields
    /// are free.
    pub(super) fn new(max: usize, file: bool, sname: bool) -> Self {
        let field = |room| Field {
            bytes: Vec::new(),
            room,
        };
        // Each field ends with an end mark; the first has the overload option, too.
        let first = max.saturating_sub(FIXED + COOKIE.len() + 1 + 3);
        let other = |free: bool, len: usize| field(if free { len - 1 } else { 0 });
        Options {
            fields: [
                field(first),
                other(file, FILE.len()),
                other(sname, SNAME.len()),
            ],
            tail: Vec::new(),
            left_out: 0,
        }
    }

    /// An option that stands last in the options field: room is kept for it. Before all others.
    pub(super) fn last(&mut self, code: u8, data: &[u8]) {
        let bytes = encode(code, data).concat();
        if bytes.len() > self.fields[0].room {
            self.left_out += 1;
            return;
        }
        self.fields[0].room -= bytes.len();
        self.tail.extend(bytes);
    }

    /// The next option.
    pub(super) fn put(&mut self, code: u8, data: &[u8]) {
        let parts = encode(code, data);
        // Fields are read in this order, and so are the parts of an option (RFC 3396 section 5). What is too long for one
        // field may find room in the next, and shorter ones after it still in the first.
        let mut at = 0;
        let mut places = Vec::with_capacity(parts.len());
        let mut taken = [0; 3];
        for part in &parts {
            let fits = |i: &usize| {
                let field = &self.fields[*i];
                field.bytes.len() + taken[*i] + part.len() <= field.room
            };
            let Some(place) = (at..self.fields.len()).find(fits) else {
                self.left_out += 1;
                return;
            };
            taken[place] += part.len();
            places.push(place);
            at = place;
        }
        for (part, place) in parts.iter().zip(places) {
            self.fields[place].bytes.extend(part);
        }
    }

    /// The whole message: `fixed` with what went to its fields, cookie and options.
    pub(super) fn finish(mut self, mut fixed: [u8; FIXED]) -> Vec<u8> {
        let mut overload = 0;
        for (i, range, bit) in [(1, FILE, 1), (2, SNAME, 2)] {
            let bytes = &mut self.fields[i].bytes;
            if !bytes.is_empty() {
                overload |= bit;
                bytes.push(code::END);
                fixed[range.start..range.start + bytes.len()].copy_from_slice(bytes);
            }
        }
        let mut message = fixed.to_vec();
        message.extend(COOKIE);
        message.extend(&self.fields[0].bytes);
        if overload != 0 {
            message.extend([code::OVERLOAD, 1, overload]);
        }
        message.extend(&self.tail);
        message.push(code::END);
        let len = message.len().max(LEAST.into());
        message.resize(len, code::PAD);
        message
    }
}

/// An option in parts of at most 255 octets of data.
fn encode(code: u8, data: &[u8]) -> Vec<Vec<u8>> {
    if data.is_empty() {
        return vec![vec![code, 0]];
    }
    let part = |part: &[u8]| [&[code, part.len() as u8], part].concat();
    data.chunks(255).map(part).collect()
}

/// A domain name in labels, without compression (RFC 1035 section 3.1). The name has passed validation.
pub(super) fn domain(name: &str, out: &mut Vec<u8>) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        // At most 63: `Config::validate`.
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp4::option::Tlvs;

    fn options(message: &[u8]) -> Vec<(u8, usize)> {
        let read = Tlvs(message).map(Result::unwrap);
        read.map(|(code, data)| (code, data.len())).collect()
    }

    #[test]
    fn a_short_message_is_as_long_as_bootp() {
        let mut options = Options::new(548, true, true);
        options.last(61, &[1, 2]);
        options.put(53, &[5]);
        let message = options.finish([0; FIXED]);
        assert_eq!(message.len(), usize::from(LEAST));
        assert_eq!(
            message[FIXED..FIXED + 12],
            [99, 130, 83, 99, 53, 1, 5, 61, 2, 1, 2, 255]
        );
        assert_eq!(message[FIXED + 12..], [0; 52]);
    }

    #[test]
    fn what_does_not_fit_goes_to_file_and_sname_and_then_nowhere() {
        let mut o = Options::new(548, true, true);
        o.last(82, &[7; 40]);
        for code in 1..=5 {
            o.put(code, &[code; 100]);
        }
        o.put(6, &[6; 30]);
        o.put(7, &[7; 30]);
        assert_eq!(o.left_out, 2, "the fourth and fifth long ones");
        let message = o.finish([0; FIXED]);
        assert!(message.len() <= 548);
        let first = options(&message[FIXED + 4..]);
        assert_eq!(first, [(1, 100), (2, 100), (6, 30), (52, 1), (82, 40)]);
        assert_eq!(options(&message[FILE]), [(3, 100)]);
        assert_eq!(options(&message[SNAME]), [(7, 30)]);
    }

    #[test]
    fn a_long_option_is_split() {
        let mut o = Options::new(1472, false, false);
        o.put(119, &[9; 300]);
        o.put(43, &[]);
        let message = o.finish([0; FIXED]);
        assert_eq!(
            options(&message[FIXED + 4..]),
            [(119, 255), (119, 45), (43, 0)]
        );
    }
}
