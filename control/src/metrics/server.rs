//! The HTTP listener: `/metrics`, `/healthz` (the process answers) and `/readyz` (it routes).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::TEXT_FORMAT;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Snapshot, exposition};
use crate::api::Appliance;
use crate::bounded::Bounded;

/// Connections served at once.
const CONNECTIONS: usize = 64;

/// The listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("metrics: cannot listen on {address}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Binds the listener.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError { address, source })
}

/// Serves metrics and health until `stop`.
pub async fn serve<A: Appliance>(
    listener: TcpListener,
    appliance: Arc<A>,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics::<A>))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz::<A>))
        .fallback(async || (StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n"))
        .with_state(appliance);
    axum::serve(Bounded::new(listener, CONNECTIONS), router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn metrics<A: Appliance>(State(appliance): State<Arc<A>>) -> Response {
    let snapshot = match Snapshot::take(&*appliance).await {
        Ok(snapshot) => snapshot,
        Err(error) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response();
        }
    };
    match exposition(&snapshot) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn readyz<A: Appliance>(State(appliance): State<Arc<A>>) -> Response {
    match appliance.status().await {
        Ok(status) if status.ready => "ready\n".into_response(),
        Ok(status) => {
            let mut text = String::from("not ready\n");
            for reason in status.not_ready {
                text.push_str(&reason);
                text.push('\n');
            }
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
