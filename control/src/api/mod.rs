//! The API: *what may the outside ask of the appliance, and change in it?*
//!
//! ```text
//! hextetctl ── UNIX socket ──► socket ──► router ──► Appliance (implemented by the runtime)
//!                                           │
//!                            params, check: bad input ends here, as a 400 that names the field
//! ```
//!
//! The room knows the types of the crate `api` and the trait [`Appliance`], and nothing of how the router works.
//! Invariant: a request that is refused has changed nothing.
//!
//! LIMIT: whoever may open the socket may do everything; the socket's mode (0660) is the only guard.

mod appliance;
mod body;
mod check;
#[cfg(test)]
mod doc;
mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod params;
mod router;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

pub use appliance::Appliance;
pub use error::Error;
pub use router::router;
pub use socket::{BindError, Socket};
