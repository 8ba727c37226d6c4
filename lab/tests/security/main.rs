//! Attackers that we did not write: thc-ipv6, SI6's toolkit, nmap, hping3, and scapy for what none of them sends.

mod bare;
mod launch;
mod table;
