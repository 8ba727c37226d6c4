//! The headers of tunnels.

use crate::checksum;
use crate::geneve::{GeneveError, GeneveHeader, MAX_OPTIONS_LEN};
use crate::gre::{self, GreHeader};
use crate::traffic_class::{self, Decapsulated, Ecn};
use crate::vxlan::VxlanHeader;

/// A datagram's payload: VXLAN.
pub fn vxlan(data: &[u8]) {
    let Ok((header, frame)) = VxlanHeader::parse(data) else {
        assert!(data.len() < VxlanHeader::LEN || data[0] & 8 == 0);
        return;
    };
    assert_eq!(frame, &data[VxlanHeader::LEN..]);
    // All that counts of the header is its number.
    let built = VxlanHeader::new(header.vni()).to_bytes();
    assert_eq!(built[4..7], data[4..7]);
    assert_eq!((built[0], built[7]), (8, 0));
}

/// An IP packet's payload: GRE.
pub fn gre(data: &[u8]) {
    let packet = match GreHeader::parse(data) {
        Ok(packet) => packet,
        Err(error) => return assert!(!error.class().is_empty()),
    };
    let header = packet.header;
    assert_eq!(packet.header_len(), header.encoded_len());
    assert_eq!(packet.payload, &data[packet.header_len()..]);
    if let Some(key) = header.key {
        let (vsid, flow_id) = gre::nvgre_ids(key);
        assert_eq!(gre::nvgre_key(vsid, flow_id), key);
    }
    let (built, len) = header.to_bytes();
    let again = GreHeader::parse(&built[..len]).expect("what was written can be read");
    assert_eq!(again.header, header);
    let is_intact = packet.verify_checksum([packet.payload]).is_ok();
    assert_eq!(
        is_intact,
        header.checksum.is_none() || checksum::is_valid(data)
    );
    // A checksum of our own is right, in however many pieces the payload comes.
    let (a, b) = packet.payload.split_at(packet.payload.len() / 3);
    let (built, len) = header.with_checksum([a, b]).to_bytes();
    let whole = [&built[..len], packet.payload].concat();
    assert!(checksum::is_valid(&whole));
}

/// A datagram's payload: Geneve.
pub fn geneve(data: &[u8]) {
    let packet = match GeneveHeader::parse(data) {
        Ok(packet) => packet,
        Err(error) => return assert!(!error.class().is_empty()),
    };
    let header = packet.header;
    assert_eq!(packet.payload, &data[header.header_len()..]);
    assert!(header.options_len() <= MAX_OPTIONS_LEN);
    let built = GeneveHeader::new(header.vni(), header.protocol()).to_bytes();
    assert_eq!(built[2..7], data[2..7]);
    assert!(packet.options.count() <= MAX_OPTIONS_LEN / 4);
    let readable: usize = packet
        .options
        .flatten()
        .map(|option| 4 + option.data.len())
        .sum();
    match packet.options.check(|_| true) {
        Ok(()) => assert_eq!(readable, header.options_len()),
        Err(GeneveError::OptionLength { at }) => assert_eq!(readable, at),
        Err(error) => panic!("every option is known, yet {error}"),
    }
    let has_critical = packet.options.flatten().any(|option| option.is_critical());
    if has_critical {
        assert!(packet.options.check(|_| false).is_err());
    }
}

/// A byte that is a traffic class, and an IP packet that gets it.
pub fn traffic_class(data: &[u8]) {
    let Some((&class, packet)) = data.split_first() else {
        return;
    };
    let Ok(old) = traffic_class::read(packet) else {
        return;
    };
    let mut changed = packet.to_vec();
    traffic_class::replace(&mut changed, class).expect("what can be read can be replaced");
    assert_eq!(traffic_class::read(&changed), Ok(class));
    assert_eq!(changed[12..], packet[12..], "addresses and payload stay");
    if packet[0] >> 4 == 4 {
        let is_valid = |bytes: &[u8]| checksum::is_valid(&bytes[..20]);
        assert_eq!(is_valid(&changed), is_valid(packet));
    } else {
        assert_eq!(changed[2..], packet[2..]);
    }
    // Congestion is never lost: what an exit forwards says CE when one of the two headers did.
    let (inner, outer) = (Ecn::of(old), Ecn::of(class));
    if let Decapsulated::Forward { ecn, .. } = traffic_class::decapsulate(inner, outer) {
        assert_eq!(ecn == Ecn::Ce, [inner, outer].contains(&Ecn::Ce));
        assert_eq!(ecn == Ecn::NotEct, inner == Ecn::NotEct);
    }
}
