//! The walk over type-length-value options.

use super::option::Invalid;

/// Most options of one message, those inside of others included.
pub(super) const MAX_OPTIONS: usize = 512;
/// Most identity associations of one message.
pub(super) const MAX_IAS: usize = 32;
/// Most addresses and prefixes of one message.
pub(super) const MAX_LEASES: usize = 128;
/// Shortest DUID: a type and one octet (RFC 8415 section 11.1).
pub(super) const MIN_DUID: usize = 3;
/// Longest DUID: a type and 128 octets (RFC 8415 section 11.1).
pub(super) const MAX_DUID: usize = 130;

/// The options in `0`, one after the other (RFC 8415 section 21.1).
///
/// Gives code and data of each; after an option that runs beyond the end it gives the error and then nothing.
#[derive(Clone, Debug)]
pub(super) struct Tlvs<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<(u16, &'a [u8]), Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let taken = self.0.split_first_chunk::<4>().and_then(|(head, rest)| {
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let (data, rest) = rest.split_at_checked(len)?;
            Some((u16::from_be_bytes([head[0], head[1]]), data, rest))
        });
        let Some((code, data, rest)) = taken else {
            self.0 = &[];
            return Some(Err(Invalid::TruncatedOption));
        };
        self.0 = rest;
        Some(Ok((code, data)))
    }
}

/// Counts options, so that a message cannot keep the client busy with empty ones.
#[derive(Debug, Default)]
pub(super) struct Budget(usize);

impl Budget {
    /// One option more.
    pub(super) fn spend(&mut self) -> Result<(), Invalid> {
        self.0 += 1;
        if self.0 > MAX_OPTIONS {
            return Err(Invalid::TooManyOptions);
        }
        Ok(())
    }
}

/// The first `N` octets of `data` and the rest, of an option that must have them.
pub(super) fn split<const N: usize>(data: &[u8]) -> Result<([u8; N], &[u8]), Invalid> {
    let (head, rest) = data.split_first_chunk::<N>().ok_or(Invalid::OptionLength)?;
    Ok((*head, rest))
}

/// The data of an option of exactly `N` octets.
pub(super) fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N], Invalid> {
    data.try_into().map_err(|_| Invalid::OptionLength)
}

/// Fills `slot`, which must be empty.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Invalid> {
    match slot.replace(value) {
        Some(_) => Err(Invalid::DuplicateOption),
        None => Ok(()),
    }
}

/// A DUID of a length that RFC 8415 section 11.1 allows.
pub(super) fn duid(data: &[u8]) -> Result<&[u8], Invalid> {
    match data.len() {
        0..MIN_DUID => Err(Invalid::ShortDuid),
        MIN_DUID..=MAX_DUID => Ok(data),
        _ => Err(Invalid::LongDuid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_follow_each_other_and_end_with_a_fault() {
        let bytes = [0, 8, 0, 2, 1, 2, 0, 14, 0, 0, 0, 6, 0, 3, 9];
        let read: Vec<_> = Tlvs(&bytes).collect();
        let cut = Err(Invalid::TruncatedOption);
        assert_eq!(read, [Ok((8, &[1, 2][..])), Ok((14, &[][..])), cut]);
        assert_eq!(Tlvs(&[0, 8, 0]).collect::<Vec<_>>(), [cut]);
        assert_eq!(Tlvs(&[]).count(), 0);
    }
}
