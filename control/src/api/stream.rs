//! Answers without end: the body of a trace or a capture.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What comes out of a channel, piece by piece, until its sender is dropped or the server stops. A client that hangs
/// up drops the receiver, which tells the sender.
struct Stream<T> {
    receiver: mpsc::Receiver<T>,
    encode: fn(T) -> Bytes,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<T: Send + 'static> HttpBody for Stream<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let item = ready!(self.receiver.poll_recv(cx));
        Poll::Ready(item.map(|item| Ok(Frame::data((self.encode)(item)))))
    }
}

/// The answer that streams `receiver`.
pub(super) fn respond<T: Send + 'static>(
    receiver: mpsc::Receiver<T>,
    encode: fn(T) -> Bytes,
    content_type: &'static str,
    stop: &CancellationToken,
) -> Response {
    let stopped = Box::pin(stop.clone().cancelled_owned());
    let body = Body::new(Stream {
        receiver,
        encode,
        stopped,
    });
    ([(CONTENT_TYPE, content_type)], body).into_response()
}
