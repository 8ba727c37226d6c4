//! Why packets to an address go where they go.

use std::fmt;
use std::net::IpAddr;

use super::{Resolution, Rib, RibRoute};

/// One lookup on the way: the destination, then each recursive gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was looked up.
    pub lookup: IpAddr,
    /// The route that was taken for it.
    pub route: RibRoute,
}

/// Why a matching route was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// A longer prefix matches.
    ShorterPrefix,
    /// Another route of the same prefix has a smaller distance, or a preferred source at the same.
    Preferred(RibRoute),
    /// None of its interfaces is up, and none of its gateways resolves that has not failed.
    Unusable,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhyNot::ShorterPrefix => f.write_str("shorter prefix"),
            WhyNot::Preferred(winner) => {
                let source = format!("{:?}", winner.source).to_lowercase();
                write!(
                    f,
                    "{source} route with distance {} is preferred",
                    winner.distance
                )
            }
            WhyNot::Unusable => f.write_str("interface down, or gateway not reachable or failed"),
        }
    }
}

/// Why packets to an address go where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The address asked for.
    pub address: IpAddr,
    /// The route in use for it, if any.
    pub route: Option<RibRoute>,
    /// Where that leads in the end.
    pub resolution: Option<Resolution>,
    /// The lookups made; the first one is the address itself.
    pub chain: Vec<Step>,
    /// Other routes that match, most specific first.
    pub passed_over: Vec<(RibRoute, WhyNot)>,
}

/// Longest chain that is told: ECMP can branch at every step.
const MAX_STEPS: usize = 32;

impl Rib {
    /// Explains the lookup of an address.
    pub fn explain(&self, address: IpAddr) -> Explanation {
        let mut explanation = Explanation {
            address,
            route: None,
            resolution: None,
            chain: Vec::new(),
            passed_over: Vec::new(),
        };
        for prefix in self.covering(address) {
            let entry = &self.entries[&prefix];
            let winner = entry.active.as_ref().and_then(|(rank, resolution)| {
                let route = entry
                    .candidates
                    .iter()
                    .find(|route| route.rank() == *rank)?;
                Some((route, resolution))
            });
            for route in &entry.candidates {
                let why = match (&explanation.route, winner) {
                    (Some(_), _) => WhyNot::ShorterPrefix,
                    (None, Some((best, _))) if best == route => continue,
                    (None, Some((best, _))) if best.rank() < route.rank() => {
                        WhyNot::Preferred(best.clone())
                    }
                    (None, _) => WhyNot::Unusable,
                };
                explanation.passed_over.push((route.clone(), why));
            }
            if let (None, Some((route, resolution))) = (&explanation.route, winner) {
                explanation.route = Some(route.clone());
                explanation.resolution = Some(resolution.clone());
                self.follow(address, route, &mut explanation.chain);
            }
        }
        explanation
    }

    /// Adds the lookup of `address`, which met `route`, and those of the route's recursive gateways.
    fn follow(&self, address: IpAddr, route: &RibRoute, chain: &mut Vec<Step>) {
        if chain.len() >= MAX_STEPS || chain.iter().any(|step| step.lookup == address) {
            return;
        }
        chain.push(Step {
            lookup: address,
            route: route.clone(),
        });
        for gateway in route.recursive_gateways() {
            let met = self.covering(gateway).find_map(|prefix| {
                let entry = &self.entries[&prefix];
                let (rank, _) = entry.active.as_ref()?;
                entry.candidates.iter().find(|route| route.rank() == *rank)
            });
            if let Some(next) = met {
                self.follow(gateway, next, chain);
            }
        }
    }
}
