//! High availability: two routers that stand for one, beside each other and beside routers that are not ours.

mod beside;
mod deaths;
mod hostile;
mod leases;
mod monitor;
mod pair;
