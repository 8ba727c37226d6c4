use super::*;

/// A message of an Ethernet client with these options.
fn message(options: &[u8]) -> Vec<u8> {
    let mut fixed = [0; FIXED];
    fixed[..4].copy_from_slice(&[BOOTREQUEST, ETHERNET, 6, 0]);
    fixed[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    [&fixed[..], &COOKIE, options].concat()
}

fn read(bytes: &[u8]) -> Result<Message<'_>, Invalid> {
    Message::read(bytes)
}

const DISCOVER: [u8; 3] = [53, 1, 1];

#[test]
fn a_plain_message_is_read() {
    let bytes = message(&[&DISCOVER[..], &[55, 2, 1, 3, 57, 2, 5, 220, 255]].concat());
    let message = read(&bytes).unwrap();
    assert_eq!(message.kind, MessageType::Discover);
    assert_eq!(message.mac(), Some(MacAddr([2, 0, 0, 0, 0, 9])));
    assert_eq!((message.max_size, message.requested), (1500, None));
    assert!(message.requests(3) && !message.requests(6));
    assert!(!message.broadcast() && !message.is_relayed() && !message.rapid_commit);
}

#[test]
fn overloaded_fields_hold_options_too() {
    let mut bytes = message(&[53, 1, 1, 52, 1, 3, 12, 2, b'a', b'b', 255]);
    bytes[FILE.start..FILE.start + 5].copy_from_slice(&[12, 2, b'c', b'd', 255]);
    bytes[SNAME.start..SNAME.start + 4].copy_from_slice(&[12, 1, b'e', 255]);
    let read = read(&bytes).unwrap();
    assert_eq!(
        read.host_name.as_deref(),
        Some(&b"abcde"[..]),
        "file before sname"
    );
    let mut again = bytes.clone();
    again[SNAME.start..SNAME.start + 3].copy_from_slice(&[52, 1, 1]);
    assert_eq!(Message::read(&again), Err(Invalid::Overload));
    let bytes = message(&[53, 1, 1, 52, 1, 4, 255]);
    assert_eq!(Message::read(&bytes), Err(Invalid::Overload));
}

#[test]
fn a_size_below_the_least_is_the_least() {
    let bytes = message(&[53, 1, 1, 57, 2, 0, 100, 255]);
    assert_eq!(read(&bytes).unwrap().max_size, MIN_SIZE);
}

#[test]
fn each_fault_has_its_name() {
    let fault = |options: &[u8]| read(&message(options)).unwrap_err();
    assert_eq!(fault(&[255]), Invalid::NoMessageType);
    assert_eq!(fault(&[53, 1, 99]), Invalid::UnknownType);
    assert_eq!(fault(&[53, 1, 2]), Invalid::WrongDirection);
    assert_eq!(fault(&[53, 1, 5]), Invalid::WrongDirection);
    assert_eq!(fault(&[53, 2, 1, 1]), Invalid::OptionLength);
    assert_eq!(fault(&[53, 1, 1, 53, 1, 1]), Invalid::DuplicateOption);
    assert_eq!(fault(&[53, 1, 1, 50, 3, 1, 2, 3]), Invalid::OptionLength);
    assert_eq!(fault(&[53, 1, 1, 80, 1, 0]), Invalid::OptionLength);
    assert_eq!(fault(&[53, 1, 1, 80, 0, 80, 0]), Invalid::DuplicateOption);
    assert_eq!(
        fault(&[53, 1, 1, 50, 4, 224, 0, 0, 1]),
        Invalid::ClientAddress
    );
    assert_eq!(fault(&[53, 1, 1, 50, 9, 1]), Invalid::TruncatedOption);
    assert_eq!(fault(&[53, 1, 1, 61, 1, 1]), Invalid::ClientIdLength);
    assert_eq!(fault(&[53, 1, 1, 82, 2, 1, 5]), Invalid::RelayInfo);
    assert_eq!(fault(&[53, 1, 3]), Invalid::NoRequestedAddress);
    assert_eq!(fault(&[53, 1, 4, 50, 4, 192, 0, 2, 1]), Invalid::NoServerId);
    assert_eq!(
        fault(&[53, 1, 4, 54, 4, 192, 0, 2, 1]),
        Invalid::NoRequestedAddress
    );
    assert_eq!(
        fault(&[53, 1, 7, 54, 4, 192, 0, 2, 1]),
        Invalid::NoClientAddress
    );
    assert_eq!(fault(&[53, 1, 8]), Invalid::NoClientAddress);
    let many = [&DISCOVER[..], &[200, 0].repeat(MAX_OPTIONS)].concat();
    assert_eq!(fault(&many), Invalid::TooManyOptions);
    let long = [&DISCOVER[..], &[61, 200], &[1; 200], &[61, 200], &[1; 200]].concat();
    assert_eq!(fault(&long), Invalid::ClientIdLength);
}

#[test]
fn each_fixed_field_has_its_rule() {
    let fault = |at: usize, value: &[u8]| {
        let mut bytes = message(&DISCOVER);
        bytes[at..at + value.len()].copy_from_slice(value);
        read(&bytes).unwrap_err()
    };
    assert_eq!(fault(0, &[2]), Invalid::Op);
    assert_eq!(fault(0, &[0]), Invalid::Op);
    assert_eq!(fault(1, &[0]), Invalid::HardwareType);
    assert_eq!(fault(2, &[17]), Invalid::HardwareLength);
    assert_eq!(fault(2, &[8]), Invalid::HardwareLength, "Ethernet has 6");
    assert_eq!(fault(28, &[0xff; 6]), Invalid::HardwareAddress);
    assert_eq!(fault(28, &[0; 6]), Invalid::HardwareAddress);
    assert_eq!(fault(3, &[17]), Invalid::Hops);
    assert_eq!(fault(FIXED, &[0]), Invalid::NoCookie);
    assert_eq!(fault(12, &[127, 0, 0, 1]), Invalid::ClientAddress);
    assert_eq!(fault(24, &[255, 255, 255, 255]), Invalid::RelayAddress);
    // Infiniband sends no address, and must send an identifier (RFC 4390).
    assert_eq!(fault(1, &[32, 0]), Invalid::NoClient);
    for len in [0, 100, FIXED, FIXED + 3] {
        assert_eq!(read(&message(&[])[..len]), Err(Invalid::ShortMessage));
    }
    assert_eq!(read(&message(&[])), Err(Invalid::NoMessageType));
}
