//! Bodies: JSON, read so that every fault names its field, and files.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::Error;

/// Most bytes of a body: a full BGP table of routes in one batch fits.
const LIMIT: usize = 64 << 20;

/// Most bytes of a file: more than a million leases in either form.
const FILE_LIMIT: usize = 512 << 20;

/// A body that is a file of text, whatever its content type says.
pub(super) struct TextBody(pub(super) String);

impl<S: Sync> FromRequest<S> for TextBody {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Error> {
        let limit = FILE_LIMIT;
        let bytes = to_bytes(request.into_body(), limit)
            .await
            .map_err(|_| Error::TooLarge { limit })?;
        let text = String::from_utf8(bytes.into());
        text.map(Self)
            .map_err(|fault| Error::invalid("body", fault.utf8_error()))
    }
}

/// A body read as JSON, whatever its content type says; an empty one stands for `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Error> {
        let bytes = to_bytes(request.into_body(), LIMIT)
            .await
            .map_err(|_| Error::TooLarge { limit: LIMIT })?;
        let text: &[u8] = if bytes.trim_ascii().is_empty() {
            b"{}"
        } else {
            &bytes
        };
        let mut json = serde_json::Deserializer::from_slice(text);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|fault| {
            let path = fault.path().to_string();
            let message = fault.into_inner().to_string();
            Error::invalid(field(&path, &message), message)
        })?;
        json.end().map_err(|fault| Error::invalid("body", fault))?;
        Ok(Self(value))
    }
}

/// The field to blame. serde reports a missing or unknown field at the object that should or should not have it and
/// names it only in its message.
fn field(path: &str, message: &str) -> String {
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split_once('`'))
        .map(|(name, _)| name);
    // `?` stands where the text ended before a key.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    match (path, named) {
        ("", None) => "body".to_owned(),
        ("", Some(name)) => name.to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        (path, _) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_to_blame() {
        assert_eq!(field(".", "missing field `prefix` at line 1"), "prefix");
        assert_eq!(field(".", "EOF while parsing"), "body");
        assert_eq!(field("?", "EOF while parsing"), "body");
        assert_eq!(
            field("changes[1].add", "missing field `prefix`"),
            "changes[1].add.prefix"
        );
        assert_eq!(
            field("next_hops[0].vai", "unknown field `vai`, ..."),
            "next_hops[0].vai"
        );
        assert_eq!(
            field("next_hops[0].via", "invalid IP address syntax"),
            "next_hops[0].via"
        );
    }
}
