//! hextetd's API as a user's own program speaks it: HTTP over a UNIX socket, a connection for each request.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where a hextetd listens.
#[derive(Clone, Debug)]
pub struct Api(pub PathBuf);

impl Api {
    /// What `GET path` answers.
    ///
    /// # Errors
    /// When nobody answers, or refuses.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.ask("GET", path, "")
    }

    /// What `POST path` answers to a body of JSON.
    ///
    /// # Errors
    /// When nobody answers, or refuses.
    pub fn post_text(&self, path: &str, body: &str) -> Result<Value> {
        self.ask("POST", path, body)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.0)
            .with_context(|| format!("connecting to {}", self.0.display()))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: hextetd\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let (status, json) = parse(&answer).context("no HTTP answer")?;
        ensure!(
            status == 200,
            "{method} {path}: status {status}: {}",
            String::from_utf8_lossy(json)
        );
        Ok(serde_json::from_slice(json)?)
    }
}

/// Status and body of a whole answer with a content length, which hextetd gives to all but streams.
fn parse(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, &answer[end + 4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parse(answer), Some((200, &b"{}"[..])));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\ncontent"), None);
    }
}
