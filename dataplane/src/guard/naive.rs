//! The same judgement read again from the bytes, one rule after the other and without the decoders of `wire`: what [`judge`](super::judge())
//! is compared with. It also makes the guard and the book that say what its [`World`] says.

use std::collections::HashMap;
use std::sync::Arc;

use tables::id::AnchorId;

use super::{Book, BookWriter, Guard, Holder, Kind, Learning, LinkId, Pair, Roles, VirtualRouters};
use crate::drop::DropReason;
use DropReason as R;

type Mac = [u8; 6];

pub const ANCHOR: AnchorId = AnchorId(7);
pub const LINK: LinkId = LinkId(3);

/// What holds at an anchor and is known on its link.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub macs: Vec<Mac>,
    /// Prefix, length, MAC.
    pub pairs: Vec<(u128, u8, Option<Mac>)>,
    pub roles: Roles,
    /// Virtual routers of ours: whether of IPv6, and their numbers.
    pub vrids: Vec<(bool, u8)>,
    pub learns: bool,
    pub on_link: Vec<(u128, u8)>,
    pub bound: HashMap<u128, Mac>,
    /// Held addresses: whether by this anchor.
    pub held: HashMap<u128, bool>,
    pub held_macs: HashMap<Mac, bool>,
    /// Prefix, length, MAC.
    pub delegated: Vec<(u128, u8, Mac)>,
    pub is_full: bool,
}

impl World {
    pub fn make(&self) -> (Guard, Arc<Book>) {
        let (mut writer, book) = BookWriter::new(256, 8, 99);
        for (&address, &mac) in &self.bound {
            writer.bind(ANCHOR, address, mac, 1).unwrap();
        }
        let holder = |is_mine| match is_mine {
            true => Holder {
                anchor: ANCHOR,
                is_tentative: true,
            },
            false => Holder::NO_ANCHOR,
        };
        for (&address, &is_mine) in &self.held {
            writer.hold(LINK, address, holder(is_mine), 1).unwrap();
        }
        for (&mac, &is_mine) in &self.held_macs {
            let holder = Some(holder(is_mine));
            writer.hold_mac(LINK, mac, holder, 1).unwrap();
        }
        for &(prefix, len, mac) in &self.delegated {
            writer.delegate(ANCHOR, (prefix, len), mac).unwrap();
        }
        for is_ipv4 in [false, true] {
            writer.set_full(ANCHOR, is_ipv4, self.is_full).unwrap();
        }
        let pair = |&(prefix, len, mac): &(u128, u8, Option<Mac>)| Pair { prefix, len, mac };
        let on_link = |&(prefix, len): &(u128, u8)| Pair {
            prefix,
            len,
            mac: None,
        };
        let mut virtual_routers = VirtualRouters::default();
        for &(is_ipv6, vrid) in &self.vrids {
            virtual_routers.insert(is_ipv6, vrid);
        }
        let guard = Guard {
            link: LINK,
            macs: self.macs.clone(),
            pairs: self.pairs.iter().map(pair).collect(),
            roles: self.roles,
            virtual_routers,
            learning: match self.learns {
                true => Learning::Fcfs,
                false => Learning::None,
            },
            on_link: self.on_link.iter().map(on_link).collect(),
            max_addresses: 16,
            ..Guard::default()
        };
        (guard, book)
    }
}

#[derive(PartialEq)]
enum Owned {
    Yes,
    New,
    Full,
    Tentative,
    Claimed,
    Never,
}

fn in_prefix(address: u128, prefix: u128, len: u8) -> bool {
    let families = |a: u128| a >> 32 == 0xffff;
    let is_v4_prefix = len >= 96 && families(prefix);
    is_v4_prefix == families(address)
        && (0..len).all(|bit| (address >> (127 - bit)) & 1 == (prefix >> (127 - bit)) & 1)
}

fn can_be_a_hosts(address: u128) -> bool {
    if address >> 32 == 0xffff {
        let first = (address >> 24) as u8;
        return !matches!(first, 0 | 127 | 224..=255);
    }
    address >> 120 != 0xff && address >> 32 != 0
}

fn owned(world: &World, mac: Mac, address: u128) -> Owned {
    if !can_be_a_hosts(address) {
        return Owned::Never;
    }
    if world.bound.get(&address) == Some(&mac) {
        return Owned::Yes;
    }
    for &(prefix, len, of) in &world.pairs {
        if in_prefix(address, prefix, len) && (of.is_none() || of == Some(mac)) {
            return Owned::Yes;
        }
    }
    if world.bound.contains_key(&address) {
        return Owned::Claimed;
    }
    for &(prefix, len, of) in &world.delegated {
        if in_prefix(address, prefix, len) && of == mac {
            return Owned::Yes;
        }
    }
    match world.held.get(&address) {
        Some(true) => return Owned::Tentative,
        Some(false) => return Owned::Claimed,
        None => {}
    }
    let link_local = address >> 118 == 0xfe80 >> 6 || address >> 16 == 0xffff_a9fe;
    let near = link_local
        || world.on_link.is_empty()
        || world.on_link.iter().any(|&(p, l)| in_prefix(address, p, l));
    match (world.learns && near, world.is_full) {
        (false, _) => Owned::Never,
        (true, true) => Owned::Full,
        (true, false) => Owned::New,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from(*bytes.get(at)?) << 8 | u16::from(*bytes.get(at + 1)?))
}

fn address_at(bytes: &[u8], at: usize) -> Option<u128> {
    let bytes = bytes.get(at..at + 16)?;
    Some(bytes.iter().fold(0, |sum, &b| sum << 8 | u128::from(b)))
}

/// Judges a frame without tags, all of which is there if `is_whole`.
pub fn judge(world: &World, frame: &[u8], is_whole: bool) -> Result<Kind, DropReason> {
    let mac: Mac = frame[6..12].try_into().unwrap();
    let is_virtual =
        |&(is_ipv6, vrid): &(bool, u8)| mac == [0, 0, 0x5e, 0, if is_ipv6 { 2 } else { 1 }, vrid];
    if world.roles.vrrp && world.vrids.iter().any(is_virtual) {
        return Ok(Kind::Data);
    }
    if mac[0] & 1 == 1 {
        return Err(R::SourceMacMulticast);
    }
    if world.macs.is_empty() {
        if mac == [0; 6] || world.held_macs.get(&mac) == Some(&false) {
            return Err(R::MacSpoofed);
        }
    } else if !world.macs.contains(&mac) {
        return Err(R::MacSpoofed);
    }
    let payload = &frame[14..];
    match u16_at(frame, 12).unwrap() {
        0x86dd => ipv6(world, mac, payload, is_whole),
        0x0800 => ipv4(world, mac, payload, is_whole),
        0x0806 => arp(world, mac, payload),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => Err(R::GuardUndecidable),
        // What is not an EtherType yet (IEEE 802.3 clause 3.2.6).
        len if len < 1536 && payload.len() >= 3 && payload[..3] == [0xaa, 0xaa, 3] => {
            Err(R::GuardUndecidable)
        }
        _ => Ok(Kind::Other),
    }
}

fn arp(world: &World, mac: Mac, p: &[u8]) -> Result<Kind, DropReason> {
    if p.len() < 28 || p[..6] != [0, 1, 8, 0, 6, 4] || p[6] != 0 || !matches!(p[7], 1 | 2) {
        return Err(R::ArpMalformed);
    }
    let is_group = p[8] & 1 == 1 || p[8..14] == [0; 6];
    let sender_cannot_be = matches!(p[14], 127 | 224..=239) || p[14..18] == [255; 4];
    if is_group || sender_cannot_be {
        return Err(R::ArpMalformed);
    }
    if p[8..14] != mac {
        return Err(R::ArpSpoofed);
    }
    let v4 = |at: usize| 0xffff_0000_0000 | (address_at(p, at - 12).unwrap() & 0xffff_ffff);
    if p[14..18] != [0; 4] {
        return match owned(world, mac, v4(14)) {
            Owned::Yes => Ok(Kind::Arp),
            _ => Err(R::ArpSpoofed),
        };
    }
    if p[7] != 1 {
        return Err(R::ArpSpoofed);
    }
    match owned(world, mac, v4(24)) {
        Owned::Yes | Owned::New | Owned::Tentative => Ok(Kind::Arp),
        Owned::Full => Err(R::AddressLimit),
        Owned::Claimed => Err(R::AddressClaimed),
        Owned::Never => Err(R::ArpSpoofed),
    }
}

fn ipv4(world: &World, mac: Mac, p: &[u8], is_whole: bool) -> Result<Kind, DropReason> {
    if p.first().is_some_and(|b| b >> 4 == 4 && b & 15 < 5) {
        return Err(R::Ip4BadHeaderLength);
    }
    if p.first().is_some_and(|b| b >> 4 != 4) {
        return Err(R::Ip4BadVersion);
    }
    if p.len() < 20 || p.len() < usize::from(p[0] & 15) * 4 {
        return Err(R::Ip4Truncated);
    }
    let header = usize::from(p[0] & 15) * 4;
    let total = usize::from(u16_at(p, 2).unwrap());
    if total < header || is_whole && total > p.len() {
        return Err(R::Ip4BadLength);
    }
    let upper = &p[header..total.min(p.len())];
    let word = u16_at(p, 6).unwrap();
    let (offset, more) = (usize::from(word & 0x1fff) * 8, word & 0x2000 != 0);
    let source = 0xffff_0000_0000 | (address_at(p, 0).unwrap() & 0xffff_ffff);
    let to_group = p[16] >> 4 == 14;
    let to_all = p[16..20] == [255; 4];
    let mut kind = Kind::Data;
    let mut may_be_none = false;
    if offset > 0 {
        if offset < 64 {
            return Err(R::GuardUndecidable);
        }
    } else {
        let need = match p[9] {
            6 if more => 20,
            17 | 2 => 8,
            _ => 0,
        };
        if upper.len() < need {
            return Err(R::GuardUndecidable);
        }
        if p[9] == 112 && !world.roles.vrrp {
            match upper.get(1) {
                None => return Err(R::GuardUndecidable),
                Some(vrid) if world.vrids.contains(&(false, *vrid)) => return Err(R::VrrpGuard),
                Some(_) => {}
            }
        }
        if p[9] == 2 {
            if upper[0] == 0x11 && !world.roles.router {
                return Err(R::MldQueryGuard);
            }
            if to_group {
                kind = Kind::Listener;
            }
        }
        if p[9] == 17 {
            let (from, to) = (u16_at(upper, 0).unwrap(), u16_at(upper, 2).unwrap());
            let server = world.roles.dhcp4_server;
            if !server && (from == 67 || to == 68) {
                return Err(R::Dhcp4Guard);
            }
            if !server && to == 67 {
                if upper.len() < 42 {
                    return Err(R::GuardUndecidable);
                }
                let chaddr: Mac = upper[36..42].try_into().unwrap();
                let fine = upper[8..11] == [1, 1, 6] && upper[32..36] == [0; 4];
                if !fine || chaddr != mac && !world.macs.contains(&chaddr) {
                    return Err(R::Dhcp4Guard);
                }
            }
            if from == 68 && to == 67 && to_all {
                (kind, may_be_none) = (Kind::Dhcp, true);
            } else if server && [from, to].iter().any(|port| matches!(port, 67 | 68)) {
                kind = Kind::Dhcp;
            }
        }
    }
    if may_be_none && source & 0xffff_ffff == 0 {
        return Ok(kind);
    }
    match owned(world, mac, source) {
        Owned::Yes => Ok(kind),
        _ => Err(R::Ip4SourceSpoofed),
    }
}

fn ipv6(world: &World, mac: Mac, p: &[u8], is_whole: bool) -> Result<Kind, DropReason> {
    if p.len() < 40 {
        return Err(R::Ip6Truncated);
    }
    if p[0] >> 4 != 6 {
        return Err(R::Ip6BadVersion);
    }
    let payload = usize::from(u16_at(p, 4).unwrap());
    if is_whole && p.len() < 40 + payload {
        return Err(R::Ip6BadLength);
    }
    if payload == 0 && p[6] == 0 {
        return Err(R::GuardUndecidable);
    }
    let p = &p[..p.len().min(40 + payload)];
    let (source, destination) = (address_at(p, 8).unwrap(), address_at(p, 24).unwrap());
    // The chain.
    let (mut next, mut at, mut passed) = (p[6], 40, 0);
    let mut fragment = None;
    let mut is_later = false;
    while matches!(next, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140) && !is_later {
        if passed == 8 || next == 0 && passed > 0 || next == 44 && fragment.is_some() {
            return Err(R::GuardUndecidable);
        }
        passed += 1;
        let need = if next == 44 { 8 } else { 4 };
        if p.len() < at + need {
            return Err(R::GuardUndecidable);
        }
        let len = match next {
            44 => 8,
            51 => 8 + usize::from(p[at + 1]) * 4,
            _ => 8 + usize::from(p[at + 1]) * 8,
        };
        if p.len() < at + len {
            return Err(R::GuardUndecidable);
        }
        if next == 43 && p[at + 2] == 0 && p[at + 3] > 0 {
            return Err(R::Ip6RoutingHeader0);
        }
        if next == 44 {
            let word = u16_at(p, at + 2).unwrap();
            let offset = usize::from(word & 0xfff8);
            fragment = Some((at + 8, offset, word & 1 == 1));
            is_later = offset > 0;
        }
        next = p[at];
        at += len;
    }
    let upper = &p[at..];
    if let Some((start, offset, more)) = fragment {
        if is_later && offset < 64 {
            return Err(R::GuardUndecidable);
        }
        if !is_later && more {
            let need = match next {
                6 => 20,
                17 | 58 | 50 => 8,
                59 => 0,
                _ => 1,
            };
            let shown = if next == 59 { 0 } else { need.max(8) };
            if upper.len() < need || at + shown > start + 64 {
                return Err(R::GuardUndecidable);
            }
        }
    }
    let source_is_own = || match owned(world, mac, source) {
        Owned::Yes if source >> 32 != 0xffff => Ok(()),
        _ => Err(R::Ip6SourceSpoofed),
    };
    if !is_later && next == 112 && !world.roles.vrrp {
        match upper.get(1) {
            None => return Err(R::GuardUndecidable),
            Some(vrid) if world.vrids.contains(&(true, *vrid)) => return Err(R::VrrpGuard),
            Some(_) => {}
        }
    }
    if is_later || !matches!(next, 58 | 17 | 253 | 254) {
        return source_is_own().map(|()| Kind::Data);
    }
    if next > 252 {
        return Err(R::GuardUndecidable);
    }
    if next == 17 {
        let (Some(from), Some(to)) = (u16_at(upper, 0), u16_at(upper, 2)) else {
            return Err(R::GuardUndecidable);
        };
        if !world.roles.dhcp6_server {
            if to == 546 || from == 547 {
                return Err(R::Dhcp6Guard);
            }
            if to == 547 {
                match upper.get(8) {
                    None => return Err(R::GuardUndecidable),
                    Some(2 | 7 | 10 | 12 | 13 | 15 | 16 | 17 | 37) => return Err(R::Dhcp6Guard),
                    Some(_) => {}
                }
            }
        }
        source_is_own()?;
        let link_local = destination >> 118 == 0xfe80 >> 6 || destination == 1;
        let near_group = destination >> 120 == 0xff && (destination >> 112) & 15 <= 2;
        let servers = destination == 0xff05 << 112 | 0x10003;
        let is_dhcp = matches!(to, 546 | 547) || from == 547;
        return Ok(match is_dhcp && (link_local || near_group || servers) {
            true => Kind::Dhcp,
            false => Kind::Data,
        });
    }
    let begins = || match owned(world, mac, source) {
        Owned::New | Owned::Tentative => source >> 118 == 0xfe80 >> 6,
        _ => false,
    };
    let Some(&kind) = upper.first() else {
        return Err(R::GuardUndecidable);
    };
    if !world.roles.router {
        match kind {
            134 => return Err(R::RaGuard),
            137 => return Err(R::RedirectGuard),
            130 | 151 | 153 => return Err(R::MldQueryGuard),
            _ => {}
        }
    }
    let listeners = matches!(kind, 130 | 131 | 132 | 143);
    if fragment.is_some() && (listeners || matches!(kind, 133..=137 | 148)) {
        return Err(R::NdFragmented);
    }
    if listeners {
        if kind == 130 || source != 0 && !begins() {
            source_is_own()?;
        }
        return Ok(match destination >> 120 == 0xff {
            true => Kind::Listener,
            false => Kind::Data,
        });
    }
    if !matches!(kind, 133..=137) {
        return source_is_own().map(|()| Kind::Data);
    }
    if p[7] != 255 {
        return Err(R::NdHopLimit);
    }
    let fixed = [8, 16, 24, 24, 40][usize::from(kind - 133)];
    if upper.len() < fixed {
        return Err(R::GuardUndecidable);
    }
    // Options.
    let (mut options, mut has_source, mut names_other) = (&upper[fixed..], false, false);
    while !options.is_empty() {
        let len = usize::from(*options.get(1).ok_or(R::GuardUndecidable)?) * 8;
        if len == 0 || len > options.len() {
            return Err(R::GuardUndecidable);
        }
        if matches!(options[0], 1 | 2) {
            has_source |= options[0] == 1;
            let fine = len == 8 && {
                let named: Mac = options[2..8].try_into().unwrap();
                named == mac || world.macs.contains(&named)
            };
            names_other |= !fine;
        }
        options = &options[len..];
    }
    if kind == 137 {
        return source_is_own().map(|()| Kind::Neighbor);
    }
    if names_other {
        return Err(R::NdSpoofed);
    }
    let own = |address: u128| match address >> 32 == 0xffff {
        true => Owned::Never,
        false => owned(world, mac, address),
    };
    match kind {
        133 | 134 => {
            if kind == 134 || has_source || source != 0 && !begins() {
                source_is_own()?;
            }
            Ok(Kind::Router)
        }
        135 if source != 0 => match own(source) {
            Owned::Yes => Ok(Kind::Neighbor),
            _ => Err(R::NdSpoofed),
        },
        135 => {
            let target = address_at(upper, 8).unwrap();
            let group = (0xff02 << 112) | (0x1_ff00_0000) | (target & 0xff_ffff);
            if has_source || destination != group {
                return Err(R::NdSpoofed);
            }
            match own(target) {
                Owned::Yes | Owned::New | Owned::Tentative => Ok(Kind::Neighbor),
                Owned::Full => Err(R::AddressLimit),
                Owned::Claimed => Err(R::AddressClaimed),
                Owned::Never => Err(R::NdSpoofed),
            }
        }
        _ => {
            match own(address_at(upper, 8).unwrap()) {
                Owned::Yes => {}
                Owned::Claimed => return Err(R::AddressClaimed),
                Owned::Full => return Err(R::AddressLimit),
                _ => return Err(R::NdSpoofed),
            }
            match own(source) {
                Owned::Yes => Ok(Kind::Neighbor),
                _ => Err(R::NdSpoofed),
            }
        }
    }
}
