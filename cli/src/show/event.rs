//! Changes of state.

use api::{Event, Happening, VrrpState};

use crate::paint::Paint;

/// A change, in a line.
pub(crate) fn event(event: &Event, paint: Paint) -> String {
    let text = match &event.what {
        Happening::VirtualRouter {
            interface,
            vrid,
            ip_version,
            from,
            to,
            why,
        } => {
            let state = match to {
                VrrpState::Active => paint.head(to.as_str()),
                _ => to.to_string(),
            };
            format!(
                "virtual router {interface} vrid {vrid} ipv{ip_version}: {from} -> {state}: {why}"
            )
        }
        Happening::BfdSession {
            interface,
            peer,
            from,
            to,
            diagnostic,
            ..
        } => format!("bfd session {interface} {peer}: {from} -> {to}: {diagnostic}"),
        Happening::Pair {
            peer,
            connected: true,
            ..
        } => format!("pair {peer}: connected"),
        Happening::Pair { peer, why, .. } => match why {
            Some(why) => format!("pair {peer}: not connected: {why}"),
            None => format!("pair {peer}: not connected"),
        },
        Happening::Link { device, up } => {
            format!("device {device}: link {}", if *up { "up" } else { "down" })
        }
        Happening::Missed { records } => format!("{records} records were missed"),
        Happening::Unknown => "something that this version does not know".to_owned(),
    };
    format!("{} {text}\n", event.time)
}
