//! The picture: every stage, in the order in which they run, and where each may send a packet.
//!
//! A frame's packets are sorted into the lists of the stages. The stages run once each, in the order of [`Stage`],
//! and an edge always leads to a later stage; so one pass empties all lists. What a stage makes (an ICMP error, an
//! echo reply, a fragment) or releases (a held packet) enters the graph again by the worker's backlog, in a frame of
//! its own, at the stage that its entry names.

use crate::frame::Frame;
use crate::observer;
use crate::stages;
use crate::state::{Context, WorkerState};

macro_rules! stages {
    ($($stage:ident $label:literal $help:literal => [$($next:ident)*];)*) => {
        /// A stage of the graph. A frame has one list of packets for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Stage {
            $(#[doc = $help] $stage,)*
        }

        impl Stage {
            /// Every stage, in the order in which they run.
            pub const ALL: &'static [Stage] = &[$(Stage::$stage,)*];

            /// The stage's name in traces and in the diagram.
            pub const fn label(self) -> &'static str {
                match self { $(Stage::$stage => $label,)* }
            }

            /// What it does, in one line.
            pub const fn help(self) -> &'static str {
                match self { $(Stage::$stage => $help,)* }
            }

            /// Where it may send a packet.
            pub const fn next(self) -> &'static [Stage] {
                match self { $(Stage::$stage => &[$(Stage::$next,)*],)* }
            }
        }
    };
}

stages! {
    Admit     "admit"      "what a tenant's machine sends: its port's guard, its security groups" => [Switch Parse Drop];
    Switch    "switch"     "where in its network a frame goes: to us, on, or everywhere" => [Parse Flood Egress Drop];
    Parse     "parse"      "finds the interface, checks the headers"          => [Urpf Route Local IcmpError Punt Drop];
    Urpf      "urpf"       "checks that the source is reachable"              => [Route Hold Drop];
    Route     "route"      "longest-prefix match, group member, MTU"          => [Redirect Local Hold Fragment Rewrite IcmpError Drop];
    Redirect  "redirect"   "tells a host of a better first hop"               => [Fragment Rewrite];
    Local     "local"      "packets for us: answers, sorts for the control plane" => [IcmpError Punt Drop];
    Hold      "hold"       "waits for a neighbour's address"                  => [Drop];
    Fragment  "fragment"   "cuts an IPv4 packet to the MTU"                   => [Drop];
    Rewrite   "rewrite"    "hop limit, link-layer header"                     => [Flood Egress Encap Deliver Tx Drop];
    Flood     "flood"      "copies a frame to all places of its network"      => [Egress Drop];
    Egress    "egress"     "tags of a network's frame, or the tunnel it takes" => [Encap Deliver Tx Drop];
    Encap     "encap"      "packs a frame into an outer packet"               => [IcmpError Tx Drop];
    Deliver   "deliver"    "what goes to a tenant's machine: its security groups" => [Tx Drop];
    IcmpError "icmp_error" "answers a packet that goes no further"            => [Drop];
    Punt      "punt"       "copies to the control plane"                      => [Drop];
    Tx        "tx"         "sorts by port, hands bursts to devices"           => [Drop];
    Drop      "drop"       "counts the reason, frees the buffer"              => [];
}

impl Stage {
    /// How many stages there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The stage as an index.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl Stage {
    /// Runs the stage over its list.
    #[inline(always)]
    pub fn run(self, cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
        let work = match self {
            Stage::Admit => stages::admit::admit,
            Stage::Switch => stages::switch::switch,
            Stage::Parse => stages::parse::parse,
            Stage::Urpf => stages::urpf::urpf,
            Stage::Route => stages::route::route,
            Stage::Redirect => stages::redirect::redirect,
            Stage::Local => stages::local::local,
            Stage::Hold => stages::hold::hold,
            Stage::Fragment => stages::fragment::fragment,
            Stage::Rewrite => stages::rewrite::rewrite,
            Stage::Flood => stages::flood::flood,
            Stage::Egress => stages::egress::egress,
            Stage::Encap => stages::encap::encap,
            Stage::Deliver => stages::deliver::deliver,
            Stage::IcmpError => stages::icmp_error::icmp_error,
            Stage::Punt => stages::punt::punt,
            Stage::Tx => stages::tx::tx,
            Stage::Drop => stages::drop::drop,
        };
        work(cx, frame, w);
    }
}

/// Runs every stage that has packets, in order; afterwards all lists of the frame are empty.
pub fn run(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    if frame.observed {
        return observer::run(cx, frame, w);
    }
    for &stage in Stage::ALL {
        if !frame.waiting(stage).is_empty() {
            stage.run(cx, frame, w);
        }
    }
    frame.end();
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_lead_forward_so_that_one_pass_empties_every_list() {
        for (place, &stage) in Stage::ALL.iter().enumerate() {
            assert_eq!(stage.index(), place);
            for &next in stage.next() {
                assert!(next > stage, "{stage} -> {next}");
            }
        }
    }

    #[test]
    fn every_stage_but_the_first_is_reached() {
        for &stage in &Stage::ALL[1..] {
            let reached = Stage::ALL.iter().any(|from| from.next().contains(&stage));
            assert!(reached, "{stage}");
        }
    }
}
