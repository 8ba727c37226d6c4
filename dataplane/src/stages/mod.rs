//! One stage a file, in the order of the graph. A stage takes its list from the frame and sorts it into later lists;
//! it never calls another stage.

pub mod admit;
pub mod answer;
pub mod link;
pub mod suppress;
pub mod switch;

pub mod parse;
pub mod urpf;

pub mod route;

pub mod redirect;

pub mod hold;
pub mod local;

pub mod fragment;
pub mod rewrite;

pub mod deliver;
pub mod egress;
pub mod encap;
pub mod flood;

pub mod icmp_error;
pub mod punt;

pub mod tx;

pub mod drop;

pub mod inject;

#[cfg(test)]
pub(crate) mod testbed;
