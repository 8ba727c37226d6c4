//! HTTP over the UNIX socket.

use std::path::PathBuf;

use api::{ErrorBody, ErrorCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::Error;

/// Where `hextetd` is.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
}

/// An answer, as it came and as what it says.
pub(crate) struct Answer<T> {
    /// The bytes.
    pub(crate) raw: Bytes,
    /// What they say.
    pub(crate) value: T,
}

impl Client {
    /// A client of the server at `socket`.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Reads a path.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Error> {
        decode(path, self.request(Method::GET, path, Bytes::new()).await?).await
    }

    /// Deletes what a path names.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Error> {
        decode(
            path,
            self.request(Method::DELETE, path, Bytes::new()).await?,
        )
        .await
    }

    /// Sends a request with a body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Error> {
        let odd = |e: serde_json::Error| Error::Answer {
            path: path.into(),
            detail: e.to_string(),
        };
        let body = serde_json::to_vec(body).map_err(odd)?;
        decode(path, self.request(Method::POST, path, body.into()).await?).await
    }

    /// Reads a path whose answer is a file.
    pub(crate) async fn get_file(&self, path: &str) -> Result<Bytes, Error> {
        let response = self.request(Method::GET, path, Bytes::new()).await?;
        let body = accept(response).await?.into_body();
        Ok(body.collect().await?.to_bytes())
    }

    /// Sends a file.
    pub(crate) async fn post_file<T: DeserializeOwned>(
        &self,
        path: &str,
        file: Vec<u8>,
    ) -> Result<Answer<T>, Error> {
        decode(path, self.request(Method::POST, path, file.into()).await?).await
    }

    /// Opens an answer without end.
    pub(crate) async fn stream(&self, path: &str) -> Result<Incoming, Error> {
        let response = self.request(Method::GET, path, Bytes::new()).await?;
        Ok(accept(response).await?.into_body())
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|source| Error::Unreachable {
                    socket: self.socket.clone(),
                    source,
                })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer; an error of it comes out of the answer, too.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "hextetd")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|e| Error::Usage(format!("cannot ask for {path}: {e}")))?;
        Ok(sender.send_request(request).await?)
    }
}

async fn decode<T: DeserializeOwned>(
    path: &str,
    response: Response<Incoming>,
) -> Result<Answer<T>, Error> {
    let raw = accept(response)
        .await?
        .into_body()
        .collect()
        .await?
        .to_bytes();
    let value = serde_json::from_slice(&raw).map_err(|e| Error::Answer {
        path: path.to_owned(),
        detail: e.to_string(),
    })?;
    Ok(Answer { raw, value })
}

/// An answer that is no refusal. A reload or an import that found faults (422) is an answer.
async fn accept(response: Response<Incoming>) -> Result<Response<Incoming>, Error> {
    let status = response.status();
    if status.is_success() || status == StatusCode::UNPROCESSABLE_ENTITY {
        return Ok(response);
    }
    let bytes = response.into_body().collect().await?.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| ErrorBody {
        error: ErrorCode::Unknown,
        field: None,
        detail: format!(
            "hextetd answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        ),
    });
    Err(Error::Refused(body))
}
