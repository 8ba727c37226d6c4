//! What every message of DHCPv6 is made of, whoever reads it: options of type, length and value (RFC 8415 section 21.1).
//!
//! The rooms of server, client and relay name malformed messages each in an enum of its own, for its own counters. What can be
//! wrong with an option stands here as [`Fault`] and [`DuidFault`]; each room says which of its classes that is.

/// Most options of one message, those inside of others included: a client has a few dozen.
pub const MAX_OPTIONS: usize = 512;
/// Most identity associations of one message.
pub const MAX_IAS: usize = 32;
/// Most addresses and prefixes of one message.
pub const MAX_LEASES: usize = 128;
/// Shortest DUID: a type and one octet (RFC 8415 section 11.1).
pub const MIN_DUID: usize = 3;
/// Longest DUID: a type and 128 octets (RFC 8415 section 11.1).
pub const MAX_DUID: usize = 130;

/// What can be wrong with an option, whatever it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its length runs beyond what holds it.
    #[error("an option runs beyond its end")]
    Truncated,
    /// It is shorter or longer than its format.
    #[error("an option has a wrong length")]
    Length,
    /// It may stand once and stands twice (RFC 8415 section 21).
    #[error("an option that may stand once stands twice")]
    Duplicate,
    /// It is one more than [`MAX_OPTIONS`].
    #[error("too many options")]
    TooMany,
}

/// What can be wrong with a DUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DuidFault {
    /// It has less than [`MIN_DUID`] octets.
    #[error("DUID too short")]
    Short,
    /// It has more than [`MAX_DUID`] octets.
    #[error("DUID too long")]
    Long,
}

/// The options in `0`, one after the other (RFC 8415 section 21.1).
///
/// Gives code and data of each; after an option that runs beyond the end it gives [`Fault::Truncated`] and then nothing.
#[derive(Clone, Debug)]
pub struct Tlvs<'a>(pub &'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<(u16, &'a [u8]), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let taken = self.0.split_first_chunk::<4>().and_then(|(head, rest)| {
            let &[c0, c1, l0, l1] = head;
            let len = usize::from(u16::from_be_bytes([l0, l1]));
            let (data, rest) = rest.split_at_checked(len)?;
            Some((u16::from_be_bytes([c0, c1]), data, rest))
        });
        let Some((code, data, rest)) = taken else {
            self.0 = &[];
            return Some(Err(Fault::Truncated));
        };
        self.0 = rest;
        Some(Ok((code, data)))
    }
}

/// Counts options, so that a message cannot keep its reader busy with empty ones.
#[derive(Debug, Default)]
pub(crate) struct Budget(usize);

impl Budget {
    /// One option more.
    pub(crate) fn spend(&mut self) -> Result<(), Fault> {
        self.0 += 1;
        if self.0 > MAX_OPTIONS {
            return Err(Fault::TooMany);
        }
        Ok(())
    }
}

/// The first `N` octets of `data` and the rest, of an option that must have them.
pub(crate) fn split<const N: usize>(data: &[u8]) -> Result<([u8; N], &[u8]), Fault> {
    let (head, rest) = data.split_first_chunk::<N>().ok_or(Fault::Length)?;
    Ok((*head, rest))
}

/// The data of an option of exactly `N` octets.
pub(crate) fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N], Fault> {
    data.try_into().map_err(|_| Fault::Length)
}

/// Fills `slot`, which must be empty.
pub(crate) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Fault> {
    match slot.replace(value) {
        Some(_) => Err(Fault::Duplicate),
        None => Ok(()),
    }
}

/// A DUID of a length that RFC 8415 section 11.1 allows.
pub(crate) fn duid(data: &[u8]) -> Result<&[u8], DuidFault> {
    match data.len() {
        0..MIN_DUID => Err(DuidFault::Short),
        MIN_DUID..=MAX_DUID => Ok(data),
        _ => Err(DuidFault::Long),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_follow_each_other_and_end_with_a_fault() {
        let bytes = [0, 8, 0, 2, 1, 2, 0, 14, 0, 0, 0, 6, 0, 3, 9];
        let read: Vec<_> = Tlvs(&bytes).collect();
        let cut = Err(Fault::Truncated);
        assert_eq!(read, [Ok((8, &[1, 2][..])), Ok((14, &[][..])), cut]);
        assert_eq!(Tlvs(&[0, 8, 0]).collect::<Vec<_>>(), [cut]);
        assert_eq!(Tlvs(&[]).count(), 0);
    }

    #[test]
    fn a_budget_lets_512_options_by() {
        let mut budget = Budget::default();
        for n in 1..=MAX_OPTIONS {
            assert_eq!(budget.spend(), Ok(()), "{n}");
        }
        assert_eq!(budget.spend(), Err(Fault::TooMany));
    }

    #[test]
    fn an_option_has_the_octets_of_its_format() {
        assert_eq!(split::<2>(&[1, 2, 3]), Ok(([1, 2], &[3][..])));
        assert_eq!(split::<2>(&[1]), Err(Fault::Length));
        assert_eq!(exactly::<2>(&[1, 2]), Ok([1, 2]));
        assert_eq!(exactly::<2>(&[1, 2, 3]), Err(Fault::Length));
        assert_eq!(exactly::<2>(&[1]), Err(Fault::Length));
        let mut slot = None;
        assert_eq!(once(&mut slot, 1), Ok(()));
        assert_eq!(once(&mut slot, 2), Err(Fault::Duplicate));
    }

    #[test]
    fn a_duid_has_3_to_130_octets() {
        assert_eq!(duid(&[]), Err(DuidFault::Short));
        assert_eq!(duid(&[0; 2]), Err(DuidFault::Short));
        assert!(duid(&[0; 3]).is_ok() && duid(&[0; 130]).is_ok());
        assert_eq!(duid(&[0; 131]), Err(DuidFault::Long));
    }
}
