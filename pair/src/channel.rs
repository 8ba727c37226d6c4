//! The channel between two routers: sealed frames over any stream of bytes.
//!
//! A frame is its length (2 bytes, big-endian) and a Noise message. Reading is safe to be given up only between frames: the two
//! halves belong to a task each.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::key::Key;
use crate::noise::{Handshake, MAX_HANDSHAKE, NoiseError, Sealing};

/// Why there is no channel, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The peer has closed before it has shown that it has the key: it did not like ours, most likely.
    #[error("the peer has hung up during the handshake: it may have another key")]
    HungUp,
    /// What comes is no frame of a handshake.
    #[error("a frame of {0} bytes is none of a handshake")]
    NoHandshake(usize),
    /// The key, or a frame that was changed.
    #[error(transparent)]
    Noise(#[from] NoiseError),
    /// The stream has failed or ended.
    #[error("the connection is lost")]
    Lost(#[from] io::Error),
}

impl ChannelError {
    /// Whether it may be that the two routers have different keys.
    pub const fn is_about_the_key(&self) -> bool {
        matches!(
            self,
            Self::HungUp | Self::NoHandshake(_) | Self::Noise(NoiseError::WrongKey)
        )
    }
}

/// The half that reads.
#[derive(Debug)]
pub struct Receiver<S> {
    stream: ReadHalf<S>,
    sealing: Arc<Mutex<Sealing>>,
    frame: Vec<u8>,
}

/// The half that writes.
#[derive(Debug)]
pub struct Sender<S> {
    stream: WriteHalf<S>,
    sealing: Arc<Mutex<Sealing>>,
    frame: Vec<u8>,
}

/// Makes a channel of a stream. Whoever has connected begins. The caller bounds the time.
///
/// # Errors
/// See [`ChannelError`].
pub async fn open<S: AsyncRead + AsyncWrite>(
    stream: S,
    key: &Key,
    is_initiator: bool,
) -> Result<(Receiver<S>, Sender<S>), ChannelError> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut handshake = Handshake::new(key, is_initiator)?;
    if is_initiator {
        write(&mut writer, &handshake.write()?).await?;
    }
    let frame = read(&mut reader).await?;
    handshake.read(&frame)?;
    if !is_initiator {
        write(&mut writer, &handshake.write()?).await?;
    }
    let sealing = Arc::new(Mutex::new(handshake.finish()?));
    let receiver = Receiver {
        stream: reader,
        sealing: sealing.clone(),
        frame: Vec::new(),
    };
    let sender = Sender {
        stream: writer,
        sealing,
        frame: Vec::new(),
    };
    Ok((receiver, sender))
}

/// Writes a frame of the handshake.
async fn write(writer: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<(), ChannelError> {
    let len = (frame.len() as u16).to_be_bytes();
    writer.write_all(&[&len, frame].concat()).await?;
    Ok(writer.flush().await?)
}

/// Reads a frame of the handshake.
async fn read(reader: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, ChannelError> {
    let hung_up = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => ChannelError::HungUp,
        _ => ChannelError::Lost(error),
    };
    let len = usize::from(reader.read_u16().await.map_err(hung_up)?);
    if len > MAX_HANDSHAKE {
        return Err(ChannelError::NoHandshake(len));
    }
    let mut frame = vec![0; len];
    reader.read_exact(&mut frame).await.map_err(hung_up)?;
    Ok(frame)
}

impl<S: AsyncRead> Receiver<S> {
    /// The next message, in `plain`.
    ///
    /// # Errors
    /// The stream has ended, or a frame was changed on the way.
    pub async fn receive(&mut self, plain: &mut Vec<u8>) -> Result<(), ChannelError> {
        let len = self.stream.read_u16().await?;
        self.frame.resize(usize::from(len), 0);
        self.stream.read_exact(&mut self.frame).await?;
        Ok(lock(&self.sealing).open(&self.frame, plain)?)
    }
}

impl<S: AsyncWrite> Sender<S> {
    /// Sends a message.
    ///
    /// # Errors
    /// The stream has failed, or it is longer than a frame can carry.
    pub async fn send(&mut self, plain: &[u8]) -> Result<(), ChannelError> {
        self.frame.clear();
        self.frame.extend([0; 2]);
        lock(&self.sealing).seal(plain, &mut self.frame)?;
        let len = (self.frame.len() - 2) as u16;
        self.frame[..2].copy_from_slice(&len.to_be_bytes());
        self.stream.write_all(&self.frame).await?;
        Ok(self.stream.flush().await?)
    }

    /// Ends the stream in this direction.
    ///
    /// # Errors
    /// It has failed.
    pub async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}

/// Nothing panics under this lock.
fn lock(sealing: &Mutex<Sealing>) -> MutexGuard<'_, Sealing> {
    sealing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    fn key(byte: u8) -> Key {
        Key::new([byte; 32])
    }

    #[tokio::test]
    async fn messages_go_both_ways_and_the_end_is_noticed() {
        let (near, far) = duplex(1000);
        let (key, other) = (key(1), key(1));
        let (near, far) = tokio::join!(open(near, &key, true), open(far, &other, false));
        let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
            (near.unwrap(), far.unwrap());
        let big = vec![9; 60_000];
        let sent = async {
            near_out.send(b"one").await.unwrap();
            near_out.send(&big).await.unwrap();
            near_out.close().await.unwrap();
        };
        let received = async {
            let mut plain = Vec::new();
            far_in.receive(&mut plain).await.unwrap();
            assert_eq!(plain, b"one");
            far_in.receive(&mut plain).await.unwrap();
            assert_eq!(plain, big);
            assert!(matches!(
                far_in.receive(&mut plain).await,
                Err(ChannelError::Lost(_))
            ));
        };
        tokio::join!(sent, received);
        far_out.send(b"two").await.unwrap();
        let mut plain = Vec::new();
        near_in.receive(&mut plain).await.unwrap();
        assert_eq!(plain, b"two");
    }

    #[tokio::test]
    async fn both_notice_that_their_keys_differ() {
        let (near, far) = duplex(1000);
        let (this, other) = (key(1), key(2));
        let (near, far) = tokio::join!(open(near, &this, true), open(far, &other, false));
        let (near, far) = (near.err().unwrap(), far.err().unwrap());
        assert!(matches!(near, ChannelError::HungUp), "{near}");
        assert!(
            matches!(far, ChannelError::Noise(NoiseError::WrongKey)),
            "{far}"
        );
        assert!(near.is_about_the_key() && far.is_about_the_key());
    }

    #[tokio::test]
    async fn who_speaks_something_else_is_no_peer() {
        let (near, mut far) = duplex(1000);
        far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let error = open(near, &key(1), false).await.err().unwrap();
        assert!(matches!(error, ChannelError::NoHandshake(_)), "{error}");
    }
}
