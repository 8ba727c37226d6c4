//! Sockets: who connects, and a task for each direction of a channel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pair::channel::{self, ChannelError, Receiver, Sender};
use pair::key::Key;
use pair::session::ConnId;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long connecting and the handshake may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Frames that have come and wait for the session.
const INCOMING: usize = 32;
/// Frames that wait for the socket. A window of each kind, and heartbeats, are fewer.
const OUTGOING: usize = 1024;
/// Handshakes of others at a time.
const HANDSHAKES: usize = 4;
/// How long a listener waits after it has failed.
const AGAIN: Duration = Duration::from_secs(1);

/// What happens to channels.
#[derive(Debug)]
pub enum Happening {
    /// One is open.
    Open(Conn),
    /// An attempt to connect has failed.
    Failed(ChannelError),
    /// Somebody has connected and is no peer.
    Stranger(SocketAddr, ChannelError),
    /// A message has come.
    Frame(ConnId, Vec<u8>),
    /// A channel is gone.
    Lost(ConnId),
    /// Nobody can connect.
    NoListener(std::io::Error),
    /// Somebody can again.
    Listens,
}

/// An open channel.
#[derive(Debug)]
pub struct Conn {
    /// Whether this side has dialled.
    pub dialled: bool,
    receiver: Receiver<TcpStream>,
    sender: Sender<TcpStream>,
}

/// The ends of a channel that is in use.
#[derive(Debug)]
pub struct Ends {
    outgoing: mpsc::Sender<Vec<u8>>,
    reader: AbortHandle,
}

impl Ends {
    /// Sends a message. False: the peer reads so slowly that the channel is of no use.
    pub fn send(&self, bytes: Vec<u8>) -> bool {
        self.outgoing.try_send(bytes).is_ok()
    }
}

impl Drop for Ends {
    /// Reads no more; what was sent is still written.
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Conn {
    /// Begins to read and write.
    pub fn begin(self, id: ConnId, out: &mpsc::Sender<Happening>) -> Ends {
        let Self {
            mut receiver,
            mut sender,
            ..
        } = self;
        let happenings = out.clone();
        let reader = tokio::spawn(async move {
            loop {
                let mut plain = Vec::new();
                let read = receiver.receive(&mut plain).await;
                let happening = match read {
                    Ok(()) => Happening::Frame(id, plain),
                    Err(_) => Happening::Lost(id),
                };
                if happenings.send(happening).await.is_err() || read.is_err() {
                    return;
                }
            }
        });
        let (outgoing, mut messages) = mpsc::channel::<Vec<u8>>(OUTGOING);
        tokio::spawn(async move {
            while let Some(bytes) = messages.recv().await {
                // Whoever reads notices as well.
                if sender.send(&bytes).await.is_err() {
                    return;
                }
            }
            let _ = timeout(PATIENCE, sender.close()).await;
        });
        Ends {
            outgoing,
            reader: reader.abort_handle(),
        }
    }
}

/// What happens, for the session.
pub fn happenings() -> (mpsc::Sender<Happening>, mpsc::Receiver<Happening>) {
    mpsc::channel(INCOMING)
}

/// Connects to the peer.
pub fn dial(local: SocketAddr, peer: SocketAddr, key: Key, out: mpsc::Sender<Happening>) {
    tokio::spawn(async move {
        let connect = async {
            let stream = socket(local.ip().is_ipv6())?;
            // From our address, from any port: by the address the peer knows us.
            let from = SocketAddr::new(local.ip(), 0);
            stream.bind(scoped(from, local))?;
            let stream = stream.connect(peer).await?;
            open(stream, &key, true).await
        };
        let late = |_| Err(ChannelError::Lost(std::io::ErrorKind::TimedOut.into()));
        let happening = match timeout(PATIENCE, connect).await.unwrap_or_else(late) {
            Ok(conn) => Happening::Open(conn),
            Err(error) => Happening::Failed(error),
        };
        let _ = out.send(happening).await;
    });
}

/// The address with the scope that the other one has.
fn scoped(mut address: SocketAddr, with: SocketAddr) -> SocketAddr {
    if let (SocketAddr::V6(address), SocketAddr::V6(with)) = (&mut address, with) {
        address.set_scope_id(with.scope_id());
    }
    address
}

fn socket(v6: bool) -> std::io::Result<TcpSocket> {
    let socket = match v6 {
        true => TcpSocket::new_v6()?,
        false => TcpSocket::new_v4()?,
    };
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

async fn open(stream: TcpStream, key: &Key, dialled: bool) -> Result<Conn, ChannelError> {
    stream.set_nodelay(true)?;
    let (receiver, sender) = channel::open(stream, key, dialled).await?;
    Ok(Conn {
        dialled,
        receiver,
        sender,
    })
}

/// Accepts the peer's connections. An address that is not there yet is waited for.
pub async fn listen(local: SocketAddr, peer: SocketAddr, key: Key, out: mpsc::Sender<Happening>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let listener = socket(local.is_ipv6()).and_then(|socket| {
            socket.bind(local)?;
            socket.listen(16)
        });
        let happening = match listener {
            Ok(listener) => {
                let _ = out.send(Happening::Listens).await;
                let error = accept(&listener, peer, &key, &handshakes, &out).await;
                Happening::NoListener(error)
            }
            Err(error) => Happening::NoListener(error),
        };
        if out.send(happening).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn accept(
    listener: &TcpListener,
    peer: SocketAddr,
    key: &Key,
    handshakes: &Arc<Semaphore>,
    out: &mpsc::Sender<Happening>,
) -> std::io::Error {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return error,
        };
        // Others are not even answered, and too many at a time not either.
        let Ok(permit) = handshakes.clone().try_acquire_owned() else {
            continue;
        };
        if from.ip() != peer.ip() {
            continue;
        }
        let (key, out) = (key.clone(), out.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let happening = match timeout(PATIENCE, open(stream, &key, false)).await {
                Ok(Ok(conn)) => Happening::Open(conn),
                Ok(Err(error)) => Happening::Stranger(from, error),
                Err(_) => return,
            };
            let _ = out.send(happening).await;
        });
    }
}
