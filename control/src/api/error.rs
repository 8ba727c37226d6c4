//! Why a request was refused, and how that is told.

use api::{ErrorBody, ErrorCode};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It makes no sense.
    #[error("{field}: {message}")]
    Invalid {
        /// The field or parameter to blame, such as `next_hops[0].via`; `body` for the body as a whole.
        field: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// It names something that does not exist.
    #[error("{field}: {message}")]
    NotFound {
        /// The field that names it.
        field: String,
        /// What does not exist.
        message: String,
    },
    /// The path does not exist.
    #[error("no such path: {0}")]
    NoSuchPath(String),
    /// The path exists, the method on it does not.
    #[error("{0} does not know this method")]
    NoSuchMethod(String),
    /// It contradicts what is there.
    #[error("{field}: {message}")]
    Conflict {
        /// The field that contradicts.
        field: String,
        /// What it contradicts.
        message: String,
    },
    /// It is bigger than the server takes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most the server takes, bytes.
        limit: usize,
    },
    /// The appliance cannot do it now: it starts, stops, or has no room.
    #[error("{0}")]
    Unavailable(String),
    /// A bug: the router's own parts disagree.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The field makes no sense.
    pub fn invalid(field: impl Into<String>, message: impl ToString) -> Self {
        Self::Invalid {
            field: field.into(),
            message: message.to_string(),
        }
    }

    /// What the field names does not exist.
    pub fn not_found(field: impl Into<String>, message: impl ToString) -> Self {
        Self::NotFound {
            field: field.into(),
            message: message.to_string(),
        }
    }

    /// The field contradicts what is there.
    pub fn conflict(field: impl Into<String>, message: impl ToString) -> Self {
        Self::Conflict {
            field: field.into(),
            message: message.to_string(),
        }
    }

    /// The same error, its field within `outer`: `changes[3].add` makes `changes[3].add.prefix` of `prefix`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        if let Self::Invalid { field, .. }
        | Self::NotFound { field, .. }
        | Self::Conflict { field, .. } = &mut self
        {
            *field = format!("{outer}.{field}");
        }
        self
    }

    /// The status line and body that tell it.
    pub fn parts(self) -> (StatusCode, ErrorBody) {
        let text = self.to_string();
        let (status, error, field, detail) = match self {
            Self::Invalid { field, message } => (
                StatusCode::BAD_REQUEST,
                ErrorCode::BadRequest,
                Some(field),
                message,
            ),
            Self::NotFound { field, message } => (
                StatusCode::NOT_FOUND,
                ErrorCode::NotFound,
                Some(field),
                message,
            ),
            Self::Conflict { field, message } => (
                StatusCode::CONFLICT,
                ErrorCode::Conflict,
                Some(field),
                message,
            ),
            Self::NoSuchPath(_) => (StatusCode::NOT_FOUND, ErrorCode::NotFound, None, text),
            Self::NoSuchMethod(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorCode::MethodNotAllowed,
                None,
                text,
            ),
            Self::TooLarge { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::TooLarge,
                Some("body".into()),
                text,
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::Unavailable,
                None,
                text,
            ),
            Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::Internal,
                None,
                text,
            ),
        };
        (
            status,
            ErrorBody {
                error,
                field,
                detail,
            },
        )
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, body) = self.parts();
        (status, Json(body)).into_response()
    }
}
