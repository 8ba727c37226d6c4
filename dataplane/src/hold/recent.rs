//! Which addresses were asked for lately, roughly: a Bloom filter in two generations.
//!
//! A scan names every address once; who really wants to reach one tries again. An address asked for twice within one
//! to two spans is told from a newcomer by 64 KiB, whatever the size of the scan: at 10,000 addresses a span one
//! newcomer in a thousand is taken for an old one, at 50,000 one in six.

/// Bits of a generation.
const BITS: usize = 1 << 18;
/// Bits set for an address.
const PROBES: u32 = 3;

/// Addresses asked for in this span of time and the one before.
pub(super) struct Recent {
    current: Box<[u64]>,
    previous: Box<[u64]>,
    /// Ticks when the current span began, and its length.
    since: u64,
    span: u64,
}

impl Recent {
    pub(super) fn new(span: u64) -> Self {
        let empty = || vec![0; BITS / 64].into_boxed_slice();
        Self {
            current: empty(),
            previous: empty(),
            since: 0,
            span,
        }
    }

    /// Notes the address with this hash, and says whether it was noted before.
    pub(super) fn again(&mut self, hash: u64, now: u64) -> bool {
        self.turn(now);
        let mut seen = [true; 2];
        for probe in 0..PROBES {
            let bit = (hash >> (probe * 18)) as usize % BITS;
            let (word, mask) = (bit / 64, 1 << (bit % 64));
            seen[0] &= self.current[word] & mask != 0;
            seen[1] &= self.previous[word] & mask != 0;
            self.current[word] |= mask;
        }
        seen[0] || seen[1]
    }

    /// Begins a new span when the current one has passed, and forgets what is older than that.
    fn turn(&mut self, now: u64) {
        let passed = now.saturating_sub(self.since);
        if passed < self.span {
            return;
        }
        std::mem::swap(&mut self.current, &mut self.previous);
        self.current.fill(0);
        if passed >= self.span.saturating_mul(2) {
            self.previous.fill(0);
        }
        self.since = now;
    }
}
