//! Many DHCPv6 clients in one program: a load for a server, and a record of what it acknowledged.
//!
//! [`Clients`] speaks from one address of a [`Host`](crate::Host), as a switch full of machines behind one relay would
//! look to the server's CPU: each virtual client has a DUID and an association of its own. A fixed number of exchanges is
//! under way at any time; one that ends, by its Reply or by running out of time, makes room for the next client's. Nothing
//! is sent again: what was lost is counted.

mod clients;
mod message;

pub use clients::{Clients, Plan, Tally, Watch};
pub use message::{Granted, What, duid};
