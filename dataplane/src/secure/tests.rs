//! The packet path beside the naive model: what the fuzzer begins with, what it once found, and what comes of chance.

use std::collections::HashSet;

use proptest::prelude::*;

use super::fuzzing::{groups, verdicts};
use super::naive::Verdict;
use crate::drop::DropReason as R;
use crate::fuzz_files;

#[test]
fn seeds_and_findings_divide_nothing() {
    fuzz_files::replay("groups", groups);
}

#[test]
fn seeds_meet_every_verdict() {
    let mut seen = HashSet::new();
    fuzz_files::replay("groups", |bytes| seen.extend(verdicts(bytes)));
    let reasons = [
        R::EgressDenied,
        R::IngressDenied,
        R::FlowInvalid,
        R::FlowQuota,
        R::FragmentUnknown,
        R::FragmentOverlap,
        R::UpperLayerTruncated,
        R::EtherTypeDenied,
        R::Ip6Truncated,
        R::Ip6ExtensionTruncated,
    ];
    let verdicts = reasons.into_iter().map(Verdict::Drop);
    for verdict in verdicts.chain([Verdict::Pass(0), Verdict::Pass(1), Verdict::Kept]) {
        assert!(seen.contains(&verdict), "{verdict:?} of {seen:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the fuzzer runs, for a moment.
    #[test]
    fn no_bytes_divide_path_and_model(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        groups(&bytes);
    }

    /// Seeds, some bytes of which are others.
    #[test]
    fn nor_do_seeds_that_have_changed(
        seed in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut files = fuzz_files::of("groups");
        let mut bytes = files.swap_remove(seed.index(files.len())).1;
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        groups(&bytes);
    }
}
