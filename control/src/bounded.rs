//! A listener that serves a bounded number of connections at once; more wait in the kernel's backlog.
//!
//! Connections cost descriptors, and the packet path's devices need some too: clients that connect and say nothing
//! must not use them up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The listener.
#[derive(Debug)]
pub struct Bounded<L> {
    listener: L,
    room: Arc<Semaphore>,
}

impl<L> Bounded<L> {
    /// At most `connections` at once from `listener`.
    pub fn new(listener: L, connections: usize) -> Self {
        Self {
            listener,
            room: Arc::new(Semaphore::new(connections)),
        }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Counted<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // An error would say that the semaphore is closed, which nobody does.
        let place = Arc::clone(&self.room).acquire_owned().await.ok();
        let (io, address) = self.listener.accept().await;
        (Counted { io, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its place free when it is dropped.
#[derive(Debug)]
pub struct Counted<S> {
    io: S,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Whether a connection is taken as soon as the runtime looks.
    async fn takes(bounded: &mut Bounded<TcpListener>) -> Option<Counted<TcpStream>> {
        let mut accept = Box::pin(bounded.accept());
        for _ in 0..100 {
            let now = poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await;
            if let Poll::Ready((io, _)) = now {
                return Some(io);
            }
            tokio::task::yield_now().await;
        }
        None
    }

    #[tokio::test]
    async fn a_connection_beyond_the_bound_waits_for_a_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut bounded = Bounded::new(listener, 2);
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let first = takes(&mut bounded).await.unwrap();
        let mut second = takes(&mut bounded).await.unwrap();
        assert!(takes(&mut bounded).await.is_none());
        clients[1].write_all(b"ask").await.unwrap();
        let mut heard = [0; 3];
        second.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ask");
        drop(first);
        assert!(takes(&mut bounded).await.is_some());
    }
}
