//! The sockets of a media connection: a UDP socket for each address of this machine, and TCP connections
//! opened when needed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::{TcpStream, UdpSocket};
use tracing::debug;

use super::{Datagram, Impairment};

/// Larger than any datagram of a media connection.
const DATAGRAM_BYTES: usize = 2048;
/// Room for the burst of a key frame while this process waits for the CPU. The system may grant less.
const RECEIVE_BUFFER_BYTES: usize = 2 << 20;
/// Unsent bytes at which a TCP connection counts as stuck. We send only feedback.
const TCP_BACKLOG_BYTES: usize = 64 << 10;
/// Failed reads in a row at which a UDP socket counts as dead.
const UDP_ERRORS: u32 = 100;
const TCP_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type Connecting = Pin<Box<dyn Future<Output = (SocketAddr, io::Result<TcpStream>)> + Send>>;

/// All sockets of a media connection.
pub(super) struct Sockets {
    udp: Vec<Udp>,
    tcp: Vec<Tcp>,
    connecting: Vec<Connecting>,
    /// Which UDP socket is asked first: none may starve.
    turn: usize,
    buffer: Box<[u8; DATAGRAM_BYTES]>,
    impairment: Option<Impairment>,
}

struct Udp {
    local: SocketAddr,
    socket: UdpSocket,
    /// Failed reads in a row.
    errors: u32,
}

/// An RFC 4571 framed connection.
struct Tcp {
    local: SocketAddr,
    remote: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
    unsent: VecDeque<u8>,
}

/// What happens on the sockets.
#[derive(Debug)]
pub(super) enum SocketEvent {
    /// A datagram is in [`Sockets::datagram`].
    Datagram { tcp: bool, remote: SocketAddr, local: SocketAddr, len: usize },
    /// A TCP connection is open.
    Opened { local: SocketAddr },
    /// A TCP connection is closed.
    Closed { local: SocketAddr },
}

impl Sockets {
    /// Sockets without any address yet.
    pub(super) fn new(impairment: Option<Impairment>) -> Self {
        Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            connecting: Vec::new(),
            turn: 0,
            buffer: Box::new([0; DATAGRAM_BYTES]),
            impairment,
        }
    }

    /// Binds a UDP socket on each usable address that has none yet, and returns those addresses.
    pub(super) fn bind_udp(&mut self) -> io::Result<Vec<SocketAddr>> {
        let (mut failure, mut bound) = (None, Vec::new());
        for interface in if_addrs::get_if_addrs()? {
            let ip = interface.ip();
            if !is_usable(ip) || self.udp.iter().any(|udp| udp.local.ip() == ip) {
                continue;
            }
            match bind(ip) {
                Ok(socket) => {
                    let local = socket.local_addr()?;
                    self.udp.push(Udp { local, socket, errors: 0 });
                    bound.push(local);
                }
                Err(error) => {
                    debug!(%ip, %error, "no UDP on this address");
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if self.udp.is_empty() => Err(error),
            _ => Ok(bound),
        }
    }

    /// Begins to open a TCP connection, unless one is open or being opened.
    pub(super) fn open_tcp(&mut self, remote: SocketAddr) {
        if self.tcp.iter().any(|tcp| tcp.remote == remote) {
            return;
        }
        self.connecting.push(Box::pin(async move {
            let connected = tokio::time::timeout(TCP_CONNECT_TIMEOUT, TcpStream::connect(remote)).await;
            (remote, connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
        }));
    }

    /// Closes all TCP connections and returns their local addresses.
    pub(super) fn close_tcp(&mut self) -> Vec<SocketAddr> {
        self.connecting.clear();
        self.tcp.drain(..).map(|tcp| tcp.local).collect()
    }

    /// Sends a datagram, or drops it where the network does not take it: the peer connection repeats
    /// what matters.
    pub(super) fn send(&mut self, tcp: bool, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) {
        if self
            .impairment
            .as_ref()
            .is_some_and(|impairment| impairment.drops(Datagram { incoming: false, tcp, bytes }))
        {
            return;
        }
        if !tcp {
            if let Some(udp) = self.udp.iter().find(|udp| udp.local == local) {
                // Fails for pairs of addresses that cannot reach each other: ICE finds out.
                let _ = udp.socket.try_send_to(bytes, remote);
            }
            return;
        }
        let Some(tcp) = self.tcp.iter_mut().find(|tcp| tcp.local == local && tcp.remote == remote) else {
            return;
        };
        let Ok(len) = u16::try_from(bytes.len()) else { return };
        if tcp.unsent.len() > TCP_BACKLOG_BYTES {
            return;
        }
        tcp.unsent.extend(len.to_be_bytes());
        tcp.unsent.extend(bytes);
        tcp.write();
    }

    /// The datagram of the last [`SocketEvent::Datagram`].
    pub(super) fn datagram(&self, len: usize) -> &[u8] {
        &self.buffer[..len]
    }

    /// Waits for something to happen. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> SocketEvent {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SocketEvent> {
        for index in 0..self.connecting.len() {
            if let Poll::Ready((remote, connected)) = self.connecting[index].as_mut().poll(cx) {
                drop(self.connecting.swap_remove(index));
                match connected.and_then(|stream| Tcp::new(remote, stream)) {
                    Ok(tcp) => {
                        let local = tcp.local;
                        self.tcp.push(tcp);
                        return Poll::Ready(SocketEvent::Opened { local });
                    }
                    Err(error) => debug!(%remote, %error, "no TCP to the server"),
                }
                // The indices have changed; what is left is polled in the next round.
                cx.waker().wake_by_ref();
                break;
            }
        }
        for offset in 0..self.udp.len() {
            let index = (self.turn + offset) % self.udp.len();
            let udp = &mut self.udp[index];
            loop {
                let mut buffer = ReadBuf::new(&mut self.buffer[..]);
                match udp.socket.poll_recv_from(cx, &mut buffer) {
                    Poll::Ready(Ok(remote)) => {
                        udp.errors = 0;
                        let len = buffer.filled().len();
                        if self.impairment.as_ref().is_some_and(|some| {
                            some.drops(Datagram { incoming: true, tcp: false, bytes: buffer.filled() })
                        }) {
                            continue;
                        }
                        self.turn = index + 1;
                        return Poll::Ready(SocketEvent::Datagram {
                            tcp: false,
                            remote,
                            local: udp.local,
                            len,
                        });
                    }
                    // Single errors tell of earlier sends that could not be delivered.
                    Poll::Ready(Err(error)) => {
                        udp.errors += 1;
                        if udp.errors > UDP_ERRORS {
                            debug!(local = %udp.local, %error, "UDP socket given up");
                            self.udp.remove(index);
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                    }
                    Poll::Pending => break,
                }
            }
        }
        for index in 0..self.tcp.len() {
            let tcp = &mut self.tcp[index];
            let (local, remote) = (tcp.local, tcp.remote);
            loop {
                match tcp.poll_frame(cx, &mut self.buffer[..]) {
                    Poll::Ready(Ok(len)) => {
                        let bytes = &self.buffer[..len];
                        if self
                            .impairment
                            .as_ref()
                            .is_some_and(|some| some.drops(Datagram { incoming: true, tcp: true, bytes }))
                        {
                            continue;
                        }
                        return Poll::Ready(SocketEvent::Datagram { tcp: true, remote, local, len });
                    }
                    Poll::Ready(Err(error)) => {
                        debug!(%remote, %error, "TCP to the server closed");
                        self.tcp.swap_remove(index);
                        return Poll::Ready(SocketEvent::Closed { local });
                    }
                    Poll::Pending => break,
                }
            }
        }
        Poll::Pending
    }
}

impl Tcp {
    fn new(remote: SocketAddr, stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            local: stream.local_addr()?,
            remote,
            stream,
            received: Vec::new(),
            unsent: VecDeque::new(),
        })
    }

    fn write(&mut self) {
        while !self.unsent.is_empty() {
            let (first, _) = self.unsent.as_slices();
            match self.stream.try_write(first) {
                Ok(written) => drop(self.unsent.drain(..written)),
                // Full or broken: the rest goes with the next datagram, or reading finds the end.
                Err(_) => return,
            }
        }
    }

    /// Reads one frame into `out` and returns its length. A frame longer than `out` is skipped.
    fn poll_frame(&mut self, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if let Some((header, rest)) = self.received.split_first_chunk::<2>() {
                let len = usize::from(u16::from_be_bytes(*header));
                if let Some(frame) = rest.get(..len) {
                    let fits = len <= out.len();
                    if fits {
                        out[..len].copy_from_slice(frame);
                    }
                    self.received.drain(..2 + len);
                    if fits {
                        return Poll::Ready(Ok(len));
                    }
                    continue;
                }
            }
            match self.stream.poll_read_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            match self.stream.try_read_buf(&mut self.received) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Addresses on which a server can be reached. Loopback too: the server may be on this machine.
fn is_usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_unspecified() && !ip.is_multicast(),
    }
}

fn bind(ip: IpAddr) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, 0);
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    // A refusal leaves the system's default, which also works.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
