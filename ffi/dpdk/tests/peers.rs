//! DPDK's own lookups behind their safe faces: each finds the longest prefix, and says what it cannot do.
#![cfg(feature = "peers")]

use dpdk::peers::{Fib, Fib6, Lpm, Lpm6, PeerError, Way, Words, heap_bytes};
use dpdk::{Eal, EalOptions, Hugepages};

#[test]
fn each_finds_the_longest_prefix() {
    let eal = Eal::init(&EalOptions {
        file_prefix: format!("hextet-test-{}", std::process::id()),
        memory_mib: 320,
        hugepages: Hugepages::Never,
        max_simd_bits: 256,
        ..EalOptions::default()
    })
    .unwrap();

    let routes6 = [
        (0x2001_0db8_u128 << 96, 32, 1),
        (0x2001_0db8_0001 << 80, 48, 2),
    ];
    let inside = [
        routes6[0].0 | 5 << 80,
        routes6[1].0 | 5,
        0x2001_0db9_u128 << 96,
    ];
    let inside6 = inside.map(u128::to_be_bytes);
    {
        let before = heap_bytes(&eal);
        let mut fib6 = Fib6::new(&eal, 16, 64).unwrap();
        assert!(
            heap_bytes(&eal) - before >= 64 << 20,
            "a first level of 2^24 entries of 4 bytes"
        );
        for (addr, len, next_hop) in routes6 {
            fib6.add(addr, len, next_hop).unwrap();
        }
        fib6.select(Way::Scalar).unwrap();
        let mut out = [9; 3];
        fib6.lookup(&inside6, &mut out);
        assert_eq!(out, [1, 2, 0]);
        let refused = fib6.select(Way::Avx512).unwrap_err();
        assert!(
            matches!(refused, PeerError::Select { .. }),
            "256 bits were allowed: {refused}"
        );
    }
    {
        let mut lpm6 = Lpm6::new(&eal, 16, 64).unwrap();
        for (addr, len, next_hop) in routes6 {
            lpm6.add(addr, len, next_hop).unwrap();
        }
        let refused = lpm6.add(0, 0, 3).unwrap_err();
        assert!(
            matches!(refused, PeerError::Add { len: 0, .. }),
            "{refused}"
        );
        let mut out = [9; 3];
        lpm6.lookup(&inside6, &mut out);
        assert_eq!(out[..2], [1, 2]);
        assert!(out[2] < 0);
    }
    let routes4 = [(0x0a00_0000, 8, 1), (0x0a01_0280, 25, 2)];
    let inside4 = [0x0a01_0201, 0x0a01_0281, 0x0b00_0000];
    {
        let mut fib = Fib::new(&eal, 16, 16).unwrap();
        for (addr, len, next_hop) in routes4 {
            fib.add(addr, len, next_hop).unwrap();
        }
        fib.select(Way::Scalar).unwrap();
        let mut out = [9; 3];
        fib.lookup(&inside4, &mut out);
        assert_eq!(out, [1, 2, 0]);
    }
    {
        let mut lpm = Lpm::new(&eal, 16, 16).unwrap();
        for (addr, len, next_hop) in routes4 {
            lpm.add(addr, len, next_hop).unwrap();
        }
        let mut out = [9; 3];
        lpm.lookup(&inside4, &mut out);
        let found = |word: u32| (word & Lpm::FOUND != 0).then_some(word & 0x00ff_ffff);
        assert_eq!(out.map(found), [Some(1), Some(2), None]);
    }
    let mut words = Words::zeroed(&eal, 100).unwrap();
    words[99] = 7;
    assert_eq!(words.iter().sum::<u64>(), 7);
    assert!(matches!(
        Words::zeroed(&eal, 1 << 40),
        Err(PeerError::Memory(_))
    ));
}
