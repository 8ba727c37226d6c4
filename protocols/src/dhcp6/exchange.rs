//! What each message of a client is answered with (RFC 8415 section 18.3).

use super::binding::Desk;
use super::packet::{ADVERTISE, IaKind, MessageType, REPLY};
use super::reply::{Answer, IaAnswer, Status};

/// The answer to the message on the desk; `None`: silence.
pub(super) fn answer(desk: &mut Desk<'_>) -> Option<Answer> {
    match desk.message.kind {
        MessageType::Solicit => solicit(desk),
        MessageType::Request => Some(request(desk)),
        MessageType::Confirm => confirm(desk),
        MessageType::Renew => Some(renew(desk)),
        MessageType::Rebind => rebind(desk),
        MessageType::Release => Some(end(desk, |desk, resource| desk.release(resource))),
        MessageType::Decline => Some(decline(desk)),
        MessageType::InformationRequest => Some(with_settings(desk, REPLY)),
        MessageType::AddrRegInform => unreachable!("register.rs has answered it"),
    }
}

/// An answer with settings, and what negotiates Reconfigure messages.
fn with_settings(desk: &Desk<'_>, kind: u8) -> Answer {
    Answer {
        has_settings: true,
        reconfigure_accept: desk.key.is_some(),
        ..Answer::new(kind)
    }
}

/// RFC 8415 sections 18.3.1 and 18.3.9.
fn solicit(desk: &mut Desk<'_>) -> Option<Answer> {
    let config = &desk.link.config;
    // Elapsed Time is in hundredths of a second, and stays at its last value.
    let has_tried = u128::from(desk.message.elapsed) * 10;
    if has_tried < config.respond_after.as_millis().min(655_350) {
        desk.link.counters.left_to_others += 1;
        return None;
    }
    let (rapid, preference) = (desk.commits, config.preference);
    let mut answer = with_settings(desk, if rapid { REPLY } else { ADVERTISE });
    answer.rapid_commit = rapid;
    answer.preference = (preference > 0 && !rapid).then_some(preference);
    for ia in &desk.message.ias {
        answer.ias.push(desk.assign(ia));
    }
    Some(answer)
}

/// RFC 8415 section 18.3.2.
fn request(desk: &mut Desk<'_>) -> Answer {
    let mut answer = with_settings(desk, REPLY);
    for ia in &desk.message.ias {
        let is_elsewhere = ia.kind != IaKind::Pd
            && desk.message.asked(ia).iter().any(|asked| {
                !asked.address.is_unspecified() && !desk.link.is_on_link(asked.address)
            });
        answer.ias.push(if is_elsewhere {
            desk.link.counters.not_on_link += 1;
            IaAnswer {
                status: Some(Status::NotOnLink),
                ..IaAnswer::new(ia)
            }
        } else {
            desk.assign(ia)
        });
    }
    answer
}

/// RFC 8415 section 18.3.3. Prefixes are no matter of Confirm.
fn confirm(desk: &mut Desk<'_>) -> Option<Answer> {
    let ias = desk.message.ias.iter().filter(|ia| ia.kind != IaKind::Pd);
    let mut addresses = ias.flat_map(|ia| desk.message.asked(ia)).peekable();
    if desk.link.config.subnets.is_empty() || addresses.peek().is_none() {
        desk.link.counters.unanswered += 1;
        return None;
    }
    let on_link = addresses.all(|asked| desk.link.is_on_link(asked.address));
    if !on_link {
        desk.link.counters.not_on_link += 1;
    }
    Some(Answer {
        status: Some(if on_link {
            Status::Success
        } else {
            Status::NotOnLink
        }),
        ..Answer::new(REPLY)
    })
}

/// RFC 8415 section 18.3.4.
fn renew(desk: &mut Desk<'_>) -> Answer {
    let mut answer = with_settings(desk, REPLY);
    for ia in &desk.message.ias {
        let known = desk.link.config.create_on_renew || desk.has_binding(ia);
        answer.ias.push(if known {
            desk.extend(ia)
        } else {
            no_binding(desk, ia)
        });
    }
    answer
}

/// RFC 8415 section 18.3.5. Leases are made for associations that nobody is known to have given only where a Solicit would be
/// answered by a Reply as well: another server may know them. A server that waits for others says nothing about them.
fn rebind(desk: &mut Desk<'_>) -> Option<Answer> {
    let config = &desk.link.config;
    let creates = config.rapid_commit && config.create_on_renew;
    let waits = !config.respond_after.is_zero();
    let mut answer = with_settings(desk, REPLY);
    for ia in &desk.message.ias {
        if creates || desk.has_binding(ia) {
            answer.ias.push(desk.extend(ia));
        } else if !waits {
            answer.ias.push(no_binding(desk, ia));
        }
    }
    if answer.ias.is_empty() {
        desk.link.counters.unanswered += 1;
        return None;
    }
    Some(answer)
}

/// An association that the server does not know: what belongs to another link gets lifetimes of 0, else the client is told.
fn no_binding(desk: &mut Desk<'_>, ia: &super::packet::Ia) -> IaAnswer {
    let mut answer = desk.elsewhere(ia);
    if answer.leases.is_empty() {
        desk.is_withheld |= !desk.peer.is_known;
        desk.link.counters.no_binding += 1;
        answer.status = Some(Status::NoBinding);
    }
    answer
}

/// RFC 8415 section 18.3.8: addresses only.
fn decline(desk: &mut Desk<'_>) -> Answer {
    end(desk, |desk, resource| desk.decline(resource))
}

fn end(desk: &mut Desk<'_>, each: impl Fn(&mut Desk<'_>, lease::Resource) -> bool) -> Answer {
    let mut answer = Answer {
        status: Some(Status::Success),
        ..Answer::new(REPLY)
    };
    for ia in &desk.message.ias {
        answer.ias.extend(desk.end(ia, &each));
    }
    answer
}
