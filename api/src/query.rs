//! Query strings of URLs.

use std::fmt::{Display, Write as _};

/// A query string under construction.
#[derive(Clone, Debug, Default)]
pub struct Query(String);

impl Query {
    /// Adds a parameter, unless there is no value.
    #[must_use]
    pub fn with<T: Display>(mut self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(name);
            self.0.push('=');
            for byte in value.to_string().bytes() {
                match byte {
                    // Unreserved characters, and those a query may hold as they are (RFC 3986, section 3.4).
                    b'A'..=b'Z'
                    | b'a'..=b'z'
                    | b'0'..=b'9'
                    | b'-'
                    | b'.'
                    | b'_'
                    | b'~'
                    | b'/'
                    | b':' => {
                        self.0.push(char::from(byte));
                    }
                    _ => {
                        // Writing to a String does not fail.
                        let _ = write!(self.0, "%{byte:02X}");
                    }
                }
            }
        }
        self
    }

    /// The path with the query: what stands in the request line.
    pub fn on(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_absent_ones_left_out() {
        let query = Query::default()
            .with("router", Some("a&b=c d"))
            .with("count", None::<u64>)
            .with("prefix", Some("2001:db8::/32"));
        assert_eq!(
            query.on("/v1/routes"),
            "/v1/routes?router=a%26b%3Dc%20d&prefix=2001:db8::/32"
        );
        assert_eq!(Query::default().on("/v1/ra"), "/v1/ra");
    }
}
