//! The body of every answer that is not a success.

use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// What kind of failure.
    ErrorCode {
        /// The request makes no sense; status 400.
        BadRequest = "bad_request",
        /// What it names does not exist; status 404.
        NotFound = "not_found",
        /// The path exists, the method does not; status 405.
        MethodNotAllowed = "method_not_allowed",
        /// It contradicts what is there, such as a route of the file; status 409.
        Conflict = "conflict",
        /// It is too big; status 413.
        TooLarge = "too_large",
        /// The appliance cannot do it now; status 503.
        Unavailable = "unavailable",
        /// A bug; status 500.
        Internal = "internal",
    }
}

/// A failure. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What kind.
    pub error: ErrorCode,
    /// The field or parameter to blame, such as `next_hops[0].via`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// A sentence for people.
    pub detail: String,
}
