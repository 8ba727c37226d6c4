//! One stage a file, in the order of the graph. A stage takes its list from the frame and sorts it into later lists;
//! it never calls another stage.

pub mod drop;
pub mod fragment;
pub mod hold;
pub mod icmp_error;
pub mod local;
pub mod punt;
pub mod rewrite;
pub mod tx;
