//! Routes as they are typed: `2001:db8::/32 via fe80::1 dev wan0 weight 2 via ...`, the words of `ip route`.

use std::net::IpAddr;

use api::{AddRoute, DelRoute, NextHopSpec, RouteKind};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Reads the words of `route add`.
pub(crate) fn add(words: &[String]) -> Result<AddRoute, String> {
    let mut words = words.iter().map(String::as_str);
    let destination = words.next().ok_or("a prefix is missing")?;
    let mut router = None;
    let mut kind = RouteKind::Forward;
    let mut next_hops: Vec<NextHopSpec> = vec![];
    // Whether the last next hop may still take a `dev` or a `weight`.
    let (mut wants_dev, mut wants_weight) = (false, false);
    while let Some(word) = words.next() {
        let mut value = |what: &str| words.next().ok_or(format!("`{word}` needs {what}"));
        match word {
            // As in `ip route`; here every `via` begins a next hop, so the word adds nothing.
            "nexthop" => (wants_dev, wants_weight) = (false, false),
            "via" => {
                let via = Some(address(value("an address")?)?);
                next_hops.push(NextHopSpec {
                    via,
                    interface: None,
                    weight: 1,
                });
                (wants_dev, wants_weight) = (true, true);
            }
            "dev" => {
                let interface = Some(value("an interface")?.to_owned());
                match next_hops.last_mut() {
                    Some(hop) if wants_dev => hop.interface = interface,
                    _ => next_hops.push(NextHopSpec {
                        via: None,
                        interface,
                        weight: 1,
                    }),
                }
                (wants_dev, wants_weight) = (false, true);
            }
            "weight" => {
                let text = value("a number")?;
                let hop = next_hops.last_mut().filter(|_| wants_weight);
                let hop = hop.ok_or("`weight` follows the `via` or `dev` it is for")?;
                hop.weight = text.parse().map_err(|_| format!("`{text}` is no weight"))?;
                wants_weight = false;
            }
            "router" => router = Some(value("a name")?.to_owned()),
            "blackhole" | "unreachable" | "prohibit" if kind == RouteKind::Forward => {
                kind = word.parse().map_err(|e| format!("{e}"))?;
            }
            other => {
                return Err(format!(
                    "`{other}` is not expected here; a route goes on with via ADDRESS, dev INTERFACE, weight N, \
                     blackhole, unreachable, prohibit or router NAME"
                ));
            }
        }
    }
    if next_hops.is_empty() && kind == RouteKind::Forward {
        return Err("a route leads somewhere: via ADDRESS, dev INTERFACE, blackhole, unreachable or prohibit".into());
    }
    let gateway = next_hops.iter().find_map(|hop| hop.via);
    let prefix = match (destination, gateway) {
        ("default", Some(IpAddr::V6(_))) => IpNet::V6(Ipv6Net::default()),
        ("default", Some(IpAddr::V4(_))) => IpNet::V4(Ipv4Net::default()),
        ("default", None) => {
            return Err("`default` of which family? Write ::/0 or 0.0.0.0/0".into());
        }
        (text, _) => prefix(text)?,
    };
    Ok(AddRoute {
        router,
        prefix,
        kind,
        next_hops,
    })
}

/// Reads the words of `route del`.
pub(crate) fn delete(words: &[String]) -> Result<DelRoute, String> {
    match words {
        [destination] => Ok(DelRoute {
            router: None,
            prefix: prefix(destination)?,
        }),
        [destination, word, name] if word == "router" => Ok(DelRoute {
            router: Some(name.clone()),
            prefix: prefix(destination)?,
        }),
        _ => Err("write `route del PREFIX` or `route del PREFIX router NAME`".into()),
    }
}

/// Reads a prefix; an address is the prefix that holds only it.
pub(crate) fn prefix(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            format!("`{text}` is no prefix, such as 2001:db8::/32 or 192.0.2.0/24, and no address")
        })
}

/// Reads an address.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no IPv6 or IPv4 address"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    fn some_hop() -> impl Strategy<Value = NextHopSpec> {
        let via = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
        let way = prop_oneof![
            via.clone().prop_map(|via| (Some(via), None)),
            "[a-z]{1,8}[0-9.]{0,3}".prop_map(|name| (None, Some(name))),
            (via, "[a-z]{1,8}[0-9.]{0,3}").prop_map(|(via, name)| (Some(via), Some(name))),
        ];
        (way, any::<u16>()).prop_map(|((via, interface), weight)| NextHopSpec {
            via,
            interface,
            weight,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_out_is_read_back(
            bits: u128,
            length in 0..=128_u8,
            next_hops in prop::collection::vec(some_hop(), 1..5),
        ) {
            let prefix = IpNet::V6(Ipv6Net::new(Ipv6Addr::from_bits(bits), length).unwrap());
            let mut line = prefix.to_string();
            for hop in &next_hops {
                line.push_str(" nexthop");
                if let Some(via) = hop.via {
                    line.push_str(&format!(" via {via}"));
                }
                if let Some(interface) = &hop.interface {
                    line.push_str(&format!(" dev {interface}"));
                }
                line.push_str(&format!(" weight {}", hop.weight));
            }
            let route = AddRoute { router: None, prefix, kind: RouteKind::Forward, next_hops };
            prop_assert_eq!(read(&line), Ok(route));
        }
    }

    fn read(line: &str) -> Result<AddRoute, String> {
        add(&line
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>())
    }

    fn hop(via: Option<&str>, interface: Option<&str>, weight: u16) -> NextHopSpec {
        let via = via.map(|via| via.parse().unwrap());
        NextHopSpec {
            via,
            interface: interface.map(str::to_owned),
            weight,
        }
    }

    #[test]
    fn routes_are_read_as_typed() {
        let route =
            read("2001:db8::/32 via fe80::1 dev wan0 weight 2 via 2001:db8:1::1 router blue");
        assert_eq!(
            route.unwrap(),
            AddRoute {
                router: Some("blue".into()),
                prefix: "2001:db8::/32".parse().unwrap(),
                kind: RouteKind::Forward,
                next_hops: vec![
                    hop(Some("fe80::1"), Some("wan0"), 2),
                    hop(Some("2001:db8:1::1"), None, 1)
                ],
            }
        );
        let route = read("192.0.2.0/24 dev lan0 dev lan1 weight 3").unwrap();
        assert_eq!(
            route.next_hops,
            [hop(None, Some("lan0"), 1), hop(None, Some("lan1"), 3)]
        );
        let route = read("default nexthop via 192.0.2.1 nexthop via 192.0.2.2 weight 9").unwrap();
        assert_eq!(route.prefix.to_string(), "0.0.0.0/0");
        assert_eq!(
            route.next_hops,
            [
                hop(Some("192.0.2.1"), None, 1),
                hop(Some("192.0.2.2"), None, 9)
            ]
        );
        assert_eq!(
            read("default via fe80::1 dev a")
                .unwrap()
                .prefix
                .to_string(),
            "::/0"
        );
        let route = read("2001:db8::1 blackhole").unwrap();
        assert_eq!(
            (route.prefix.prefix_len(), route.kind),
            (128, RouteKind::Blackhole)
        );
    }

    #[test]
    fn what_makes_no_route_is_told() {
        for (line, part) in [
            ("", "a prefix is missing"),
            ("::/0", "leads somewhere"),
            ("::/0 via", "`via` needs an address"),
            ("::/0 via lan0", "`lan0` is no IPv6 or IPv4 address"),
            ("::/129 blackhole", "`::/129` is no prefix"),
            ("default blackhole", "of which family"),
            ("::/0 weight 3 via ::1", "`weight` follows"),
            ("::/0 via ::1 weight 3 weight 4", "`weight` follows"),
            ("::/0 via ::1 weight many", "`many` is no weight"),
            ("::/0 vai ::1", "`vai` is not expected here"),
            ("::/0 blackhole prohibit", "`prohibit` is not expected here"),
        ] {
            let fault = read(line).unwrap_err();
            assert!(fault.contains(part), "{line}: {fault}");
        }
    }

    #[test]
    fn deletions() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(delete(&words("::/0")).unwrap().router, None);
        assert_eq!(
            delete(&words("::/0 router blue"))
                .unwrap()
                .router
                .as_deref(),
            Some("blue")
        );
        assert!(delete(&words("::/0 via ::1")).is_err());
    }
}
