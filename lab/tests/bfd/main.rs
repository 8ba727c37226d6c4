//! Neighbours that fail, and the routes through them: BFD with FRR and BIRD at the other end, over both IP versions.

mod hostile;
mod net;
mod peers;
mod routes;
