//! High availability: two routers that stand for one, beside each other and beside routers that are not ours.

mod hostile;
mod keepalived;
mod net;
mod pair;
mod silent;
