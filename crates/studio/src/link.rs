//! The conversation with one job process over its local socket. The framing is `egress::wire`'s.

use std::path::Path;
use std::sync::Arc;

use egress::wire::{FRAME_JSON, FRAME_THUMBNAIL, FromJob, MAX_FRAME_BYTES, Thumbnail, ToJob};
use interprocess::local_socket::Name;
use interprocess::local_socket::tokio::{Stream, prelude::*};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::LinkError;

/// Commands that may wait for a busy job.
const OUTGOING: usize = 64;
/// Messages that may wait for us. A job that sends faster waits on its socket.
const INCOMING: usize = 256;

/// What a job says.
#[derive(Debug)]
pub(crate) enum Said {
    Message(Box<FromJob>),
    Thumbnail(Thumbnail),
}

/// A live connection. Reading and writing are tasks of their own, so that giving up a wait never cuts a
/// frame in two.
pub(crate) struct Link {
    said: mpsc::Receiver<Said>,
    commands: mpsc::Sender<ToJob>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
    }
}

impl Link {
    /// Connects to the socket in a job's folder.
    pub(crate) async fn connect(folder: &Path) -> Result<Self, LinkError> {
        let stream =
            Stream::connect(name(folder).map_err(LinkError::Connect)?).await.map_err(LinkError::Connect)?;
        let stream = Arc::new(stream);
        let (from, to) = (stream.clone(), stream);
        let (said_in, said) = mpsc::channel(INCOMING);
        let (commands, commands_out) = mpsc::channel(OUTGOING);
        let reader = tokio::spawn(async move {
            if let Err(error) = read(from, said_in).await {
                tracing::debug!(%error, "job link");
            }
        });
        let writer = tokio::spawn(async move {
            if let Err(error) = write(to, commands_out).await {
                tracing::debug!(%error, "job link");
            }
        });
        Ok(Self { said, commands, reader, writer })
    }

    /// The next thing the job says; none when the connection is over. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }

    /// Sends a command without waiting. An error: the job does not read, or is gone.
    pub(crate) fn send(&self, command: ToJob) -> Result<(), LinkError> {
        self.commands.try_send(command).map_err(|_| LinkError::Closed)
    }
}

/// The name of the socket of a job whose folder this is.
fn name(folder: &Path) -> std::io::Result<Name<'static>> {
    #[cfg(unix)]
    {
        use interprocess::local_socket::{GenericFilePath, ToFsName};
        folder.join(egress::wire::SOCKET_FILE).to_fs_name::<GenericFilePath>()
    }
    #[cfg(not(unix))]
    {
        use interprocess::local_socket::{GenericNamespaced, ToNsName};
        let id = folder.file_name().unwrap_or_default().to_string_lossy();
        format!("tallylight-{id}").to_ns_name::<GenericNamespaced>()
    }
}

async fn read(from: Arc<Stream>, said: mpsc::Sender<Said>) -> Result<(), LinkError> {
    let mut from = BufReader::with_capacity(64 << 10, &*from);
    let mut body = Vec::new();
    loop {
        let len = match from.read_u32_le().await {
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(LinkError::Broken(error)),
        };
        if len == 0 || len > MAX_FRAME_BYTES {
            return Err(LinkError::Oversize(len));
        }
        body.resize(len as usize, 0);
        from.read_exact(&mut body).await.map_err(LinkError::Broken)?;
        let Some((kind, rest)) = body.split_first() else { continue };
        let one = match *kind {
            FRAME_JSON => match serde_json::from_slice::<FromJob>(rest) {
                Ok(message) => Some(Said::Message(Box::new(message))),
                // A job of another version may know messages that we do not.
                Err(error) => {
                    tracing::warn!(%error, "a job's message is not understood");
                    None
                }
            },
            FRAME_THUMBNAIL => Thumbnail::decode(rest).map(Said::Thumbnail),
            _ => None,
        };
        if let Some(one) = one
            && said.send(one).await.is_err()
        {
            return Ok(());
        }
    }
}

async fn write(to: Arc<Stream>, mut commands: mpsc::Receiver<ToJob>) -> Result<(), LinkError> {
    let mut to = &*to;
    while let Some(command) = commands.recv().await {
        to.write_all(&frame(&command)).await.map_err(LinkError::Broken)?;
        to.flush().await.map_err(LinkError::Broken)?;
    }
    Ok(())
}

fn frame(command: &ToJob) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, FRAME_JSON];
    serde_json::to_writer(&mut bytes, command).expect("a command is plain data and a Vec takes every write");
    let len = u32::try_from(bytes.len() - 4).expect("a command is a few hundred bytes");
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes
}
