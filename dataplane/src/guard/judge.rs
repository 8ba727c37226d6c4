//! May a frame come from its anchor? Pure: what is known goes in, a verdict and what was learned come out.

use tables::id::AnchorId;
use wire::EtherType;

use super::book::Known;
use super::note::Saying;
use super::rule::{Guard, Learning, is_unicast};
use super::seen::Seen;
use super::{Kind, inside4, inside6};
use crate::drop::DropReason;

/// LLC's addresses and control field of a SNAP header, behind which an EtherType stands again.
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];

/// An address that a machine has begun to use, or to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The address, IPv4 as an IPv4-mapped one.
    pub address: u128,
    /// How.
    pub saying: Saying,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What the frame is, or why it may not pass.
    pub verdict: Result<Kind, DropReason>,
    /// Handles of the bindings that it used.
    pub used: [Option<u32>; 2],
    /// What the control plane does not know yet.
    pub claim: Option<Claim>,
}

/// Judges a frame of an anchor.
pub fn judge(seen: &Seen<'_>, guard: &Guard, anchor: AnchorId, known: Known<'_>) -> Judgement {
    let mut case = Case {
        seen,
        guard,
        anchor,
        known,
        used: [None; 2],
        claim: None,
    };
    Judgement {
        verdict: case.frame(),
        used: case.used,
        claim: case.claim,
    }
}

/// Why an address is not the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOwned {
    /// Nobody has it; the control plane was told.
    New,
    /// Nobody has it, and the anchor has learned what it may.
    Full,
    /// It is looked at whether the sender may have it.
    Tentative,
    /// Somebody else has it.
    Claimed,
    /// It can never be the sender's.
    Never,
}

/// A frame that is being judged.
pub(super) struct Case<'a> {
    pub seen: &'a Seen<'a>,
    pub guard: &'a Guard,
    pub anchor: AnchorId,
    known: Known<'a>,
    used: [Option<u32>; 2],
    claim: Option<Claim>,
}

impl Case<'_> {
    fn frame(&mut self) -> Result<Kind, DropReason> {
        let virtual_routers = &self.guard.virtual_routers;
        if self.guard.roles.vrrp && virtual_routers.has_mac(&self.seen.source) {
            // The other router is active: it forwards for others, and speaks of addresses that are ours at other times.
            return Ok(Kind::Data);
        }
        self.source_mac()?;
        match EtherType(self.seen.ether_type) {
            EtherType::IPV6 => inside6::judge(self),
            EtherType::IPV4 => inside4::judge(self),
            EtherType::ARP => inside4::judge_arp(self),
            // A host may take off tags that the switch in front of it did not: what is behind them is not seen here.
            EtherType::VLAN | EtherType::QINQ | EtherType(0x9100 | 0x9200 | 0x9300) => {
                Err(DropReason::GuardUndecidable)
            }
            length if length.is_length() && self.seen.packet.starts_with(&SNAP) => {
                Err(DropReason::GuardUndecidable)
            }
            _ => Ok(Kind::Other),
        }
    }

    fn source_mac(&self) -> Result<(), DropReason> {
        let mac = &self.seen.source;
        if mac[0] & 1 != 0 {
            return Err(DropReason::SourceMacMulticast);
        }
        let is_foreign = || {
            let holder = self.known.holder_of_mac(self.guard.link, mac);
            holder.is_some_and(|holder| holder.anchor != self.anchor)
        };
        // What is configured is asked of nobody.
        let may_have = match self.guard.macs.is_empty() {
            true => *mac != [0; 6] && !is_foreign(),
            false => self.guard.has_mac(mac),
        };
        may_have.then_some(()).ok_or(DropReason::MacSpoofed)
    }

    /// Whether a MAC in the payload is the sender's own.
    pub fn is_own_mac(&self, mac: &[u8; 6]) -> bool {
        *mac == self.seen.source || self.guard.macs.contains(mac)
    }

    /// Whether an address is the sender's. If it is not, and it might become that, the control plane is to be told that it is said to be.
    pub fn owns(&mut self, address: u128, saying: Saying) -> Result<(), NotOwned> {
        let mac = &self.seen.source;
        if !is_unicast(address) {
            return Err(NotOwned::Never);
        }
        match self.known.bound(self.anchor, address) {
            Some(found) if found.binding.mac == *mac => {
                let free = self.used.iter_mut().find(|used| used.is_none());
                if let Some(used) = free {
                    *used = Some(found.handle);
                }
                return Ok(());
            }
            _ if self.guard.has_pair(mac, address) => return Ok(()),
            None if self.known.delegate(self.anchor, address) == Some(*mac) => return Ok(()),
            Some(_) => {
                self.tell(address, saying);
                return Err(NotOwned::Claimed);
            }
            None => {}
        }
        match self.known.holder(self.guard.link, address) {
            Some(holder) if holder.anchor == self.anchor => Err(NotOwned::Tentative),
            Some(_) => {
                self.tell(address, saying);
                Err(NotOwned::Claimed)
            }
            None if !self.guard.may_learn(address) => Err(NotOwned::Never),
            None => {
                self.tell(address, saying);
                Err(match self.known.is_full(self.anchor, address) {
                    true => NotOwned::Full,
                    false => NotOwned::New,
                })
            }
        }
    }

    fn tell(&mut self, address: u128, saying: Saying) {
        // Where MACs are not configured, the client of a lease shows where it is by its first claim.
        let is_heard = self.guard.learning == Learning::Fcfs || self.guard.macs.is_empty();
        if is_heard && self.claim.is_none() {
            self.claim = Some(Claim { address, saying });
        }
    }
}
