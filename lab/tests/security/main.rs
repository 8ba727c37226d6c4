//! Attackers that we did not write: thc-ipv6, SI6's toolkit, nmap, hping3, and scapy for what none of them sends. On a bridge they
//! reach their victim; on a network of ours, with a victim that has work to do, they do not.
//!
//! Each attack runs for a short while as its tool makes it. Meanwhile the victim transfers data, and is listened at: nothing of the
//! attack reaches it, what it knows of router and network stays as it was, and the attack is counted under its name.

mod bare;
mod document;
mod launch;
mod net;
mod run;
mod table;

/// The whole table; with HEXTET_ATTACK in the environment, those with this in their name.
#[test]
fn no_attack_reaches_the_victim_and_each_is_counted_by_its_name() -> lab::Result<()> {
    let only = std::env::var("HEXTET_ATTACK").unwrap_or_default();
    run::attacks("security", |attack| attack.name.contains(&only))
}
