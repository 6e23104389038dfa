//! The network of the board: TCP of the machine, as long as the chip says that there is one.
//!
//! A connection lives in one *network epoch*: when the chip takes the network away, everything
//! that waits on a socket wakes with an error, and the socket stays dead even after the network has
//! come back.

use super::Shared;
use crate::wire::{PAGE_HEADER_LEN, page_word};
use async_io::Async;
use edge_nal::{Close, Readable, TcpConnect, TcpShutdown, TcpSplit};
use edge_nal_std::{Stack, TcpSocket};
use embedded_io_async::{ErrorType, Read, Write};
use futures_lite::future::or;
use std::fs::File;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Connects to TCP servers.
#[derive(Debug, Clone)]
pub struct HostNetwork {
    epoch: Epoch,
}

/// Says whether the network of one moment is still there.
#[derive(Debug, Clone)]
struct Epoch {
    shared: Arc<Shared>,
    signal: Arc<File>,
}

fn offline() -> io::Error {
    io::Error::new(io::ErrorKind::NetworkDown, "the network is off")
}

impl Epoch {
    /// The number of the present epoch.
    fn current(&self) -> io::Result<u32> {
        let mut page = [0; PAGE_HEADER_LEN];
        // The page is as long as the map that was made of it.
        self.shared.page.read(0, &mut page);
        match page_word(&page, 0) {
            0 => Ok(page_word(&page, 1)),
            _ => Err(offline()),
        }
    }

    fn check(&self, epoch: u32) -> io::Result<()> {
        if self.current()? == epoch {
            Ok(())
        } else {
            Err(offline())
        }
    }

    /// Runs `work` unless the network goes meanwhile.
    async fn during<T>(
        &self,
        epoch: u32,
        work: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        self.check(epoch)?;
        let done = or(work, async {
            // A descriptor of its own: the reactor takes each only once.
            Async::new(self.signal.try_clone()?)?.readable().await?;
            Err(offline())
        })
        .await?;
        self.check(epoch)?;
        Ok(done)
    }
}

impl HostNetwork {
    pub(super) fn new(shared: Arc<Shared>, signal: Arc<File>) -> Self {
        Self {
            epoch: Epoch { shared, signal },
        }
    }

    /// Whether there is a network.
    pub fn is_online(&self) -> bool {
        self.epoch.current().is_ok()
    }
}

impl TcpConnect for HostNetwork {
    type Error = io::Error;
    type Socket<'a>
        = HostSocket
    where
        Self: 'a;

    async fn connect(&self, remote: SocketAddr) -> io::Result<HostSocket> {
        let number = self.epoch.current()?;
        let stack = Stack::new();
        let socket = self.epoch.during(number, stack.connect(remote)).await?;
        // Requests are small and answers are waited for.
        socket.get_ref().set_nodelay(true)?;
        Ok(HostSocket {
            socket,
            number,
            epoch: self.epoch.clone(),
        })
    }
}

/// A TCP connection of the board.
pub struct HostSocket {
    socket: TcpSocket,
    number: u32,
    epoch: Epoch,
}

impl ErrorType for HostSocket {
    type Error = io::Error;
}

impl ErrorType for &HostSocket {
    type Error = io::Error;
}

impl Read for &HostSocket {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut socket = &self.socket;
        self.epoch.during(self.number, socket.read(buf)).await
    }
}

impl Write for &HostSocket {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut socket = &self.socket;
        self.epoch.during(self.number, socket.write(buf)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut socket = &self.socket;
        self.epoch.during(self.number, socket.flush()).await
    }
}

impl Readable for &HostSocket {
    async fn readable(&mut self) -> io::Result<()> {
        let mut socket = &self.socket;
        self.epoch
            .during(self.number, Readable::readable(&mut socket))
            .await
    }
}

impl Read for HostSocket {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buf).await
    }
}

impl Write for HostSocket {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut &*self).await
    }
}

impl Readable for HostSocket {
    async fn readable(&mut self) -> io::Result<()> {
        Readable::readable(&mut &*self).await
    }
}

impl TcpSplit for HostSocket {
    type Read<'a>
        = &'a HostSocket
    where
        Self: 'a;
    type Write<'a>
        = &'a HostSocket
    where
        Self: 'a;

    fn split(&mut self) -> (Self::Read<'_>, Self::Write<'_>) {
        let socket = &*self;
        (socket, socket)
    }
}

impl TcpShutdown for HostSocket {
    async fn close(&mut self, what: Close) -> io::Result<()> {
        self.epoch.check(self.number)?;
        self.socket.close(what).await
    }

    async fn abort(&mut self) -> io::Result<()> {
        self.socket.abort().await
    }
}
